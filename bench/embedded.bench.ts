/**
 * How many records a second does an embedded store take and give back? 100 B and 1 KiB, one by one and
 * in batches of 100, at equal durability, every store in turn and the round repeated; medians. The
 * ratio is ours to the best rival's: by the clock, and by CPU time (user and system of the process),
 * which is the one to trust on a busy machine. Plain files hold no records: a floor, not a rival.
 *
 *     npm run bench:rivals && node dist-test/bench/embedded.bench.js [rounds] [seconds per case]
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Mode, missing, type Rival, type Store, stores } from './embedded-stores.js';

const rounds = Number(process.argv[2] ?? 3);
const secondsMax = Number(process.argv[3] ?? 0.35);
/** Appends between two looks at the clock, and in flight at most. */
const IN_FLIGHT = 1024;

interface Case {
  readonly name: string;
  readonly mode: Mode;
  readonly size: number;
  readonly count: number;
  /** Read back what was appended. */
  readonly read: boolean;
}

interface Rate {
  readonly byClock: number;
  readonly byCpu: number;
}

const cases: Case[] = [];
for (const size of [100, 1024]) {
  const what = size === 100 ? '100 B' : '1 KiB';
  cases.push({ name: `${what}, one by one`, mode: 'cache', size, count: 1, read: false });
  cases.push({ name: `${what}, batches of 100`, mode: 'cache', size, count: 100, read: true });
  cases.push({ name: `${what}, synced one at a time`, mode: 'one', size, count: 1, read: false });
  cases.push({ name: `${what}, synced, 100 a batch`, mode: 'one', size, count: 100, read: false });
  cases.push({
    name: `${what}, synced, 1024 in flight`,
    mode: 'many',
    size,
    count: 1,
    read: false,
  });
}

const results = new Map<string, Rate[]>();

async function measure(key: string, work: () => Promise<number>): Promise<void> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const count = await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const rate = { byClock: count / seconds, byCpu: (count * 1e6) / (user + system) };
  results.set(key, [...(results.get(key) ?? []), rate]);
}

async function fill(store: Store, { mode, size, count }: Case): Promise<number> {
  const values = Array.from({ length: count }, (_, i) => Buffer.alloc(size, i + 1));
  const looks = mode === 'one' ? 1 : Math.max(1, Math.floor(IN_FLIGHT / count));
  const end = performance.now() + secondsMax * 1000;
  let appends = 0;
  do {
    let last: PromiseLike<unknown> | undefined;
    for (let i = 0; i < looks; i++) last = store.append(values);
    await last;
    appends += looks;
  } while (performance.now() < end);
  return appends * count;
}

async function run(rival: Rival, one: Case): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const store = await rival.open(dir, one.mode);
    if (store === undefined) return;
    let count = 0;
    await measure(`${one.name}|${rival.name}`, async () => {
      count = await fill(store, one);
      return count;
    });
    if (one.read) {
      await measure(`${readName(one)}|${rival.name}`, async () => {
        const bytes = await store.read();
        if (bytes !== count * one.size) throw new Error(`${rival.name} gave back ${bytes} bytes`);
        return count;
      });
    }
    await store.close();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function readName({ size }: Case): string {
  return size === 100 ? '100 B, read all' : '1 KiB, read all';
}

function median(rates: readonly Rate[], field: keyof Rate): number {
  const sorted = rates.map((rate) => rate[field]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}

function short(rate: number): string {
  if (rate >= 1e6) return `${(rate / 1e6).toFixed(2)} M`;
  return rate >= 1e3 ? `${(rate / 1e3).toFixed(rate >= 1e5 ? 0 : 1)} k` : rate.toFixed(0);
}

function print(rivals: readonly Rival[]): void {
  const names = rivals.map(({ name }) => name);
  const head = [...names, 'ratio', 'CPU ratio'].map((name) => name.padStart(15)).join('');
  console.log(`${'records/s'.padEnd(28)}${head}`);
  const rows = cases.flatMap((one) => (one.read ? [one.name, readName(one)] : [one.name]));
  for (const row of rows) {
    const cells = names.map((name) => {
      const rates = results.get(`${row}|${name}`);
      return rates === undefined ? '-' : short(median(rates, 'byClock'));
    });
    const ratios = (['byClock', 'byCpu'] as const).map((field) => ratio(row, names, field));
    console.log(row.padEnd(28) + [...cells, ...ratios].map((cell) => cell.padStart(15)).join(''));
  }
}

/** Ours to the best rival's. */
function ratio(row: string, names: readonly string[], field: keyof Rate): string {
  const [own, ...others] = names
    .filter((name) => name !== 'plain file')
    .map((name) => {
      const rates = results.get(`${row}|${name}`);
      return rates === undefined ? 0 : median(rates, field);
    });
  const best = Math.max(...others);
  return best > 0 ? `${((own as number) / best).toFixed(1)}x` : '-';
}

const rivals = await stores();
console.log(`Node ${process.version}, ${rounds} rounds, medians`);
for (const line of missing) console.log(`left out (npm run bench:rivals installs it): ${line}`);
for (let round = 0; round < rounds; round++) {
  for (const one of cases) for (const rival of rivals) await run(rival, one);
}
print(rivals);
