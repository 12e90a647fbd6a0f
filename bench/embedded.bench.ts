/**
 * Embedded stores: how many records a second they take and give back, 100 B and 1 KiB, one by one and
 * in batches of 100, at equal durability. Ratios are to ours, so below 1 means slower than Millrace. On
 * a busy machine compare the CPU columns. Plain files hold no records: a floor, not a rival.
 *
 * A case that is read back, twice, says that too (firstReadPerSecond, readPerSecond), and what it takes on disk per
 * payload byte.
 */

import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Mode, missing, type Rival, type Store, stores } from './embedded-stores.js';
import { ownCpuSeconds } from './harness/processes.js';
import type { Case, Measurement, Suite, Target } from './harness/suite.js';

interface Load {
  readonly name: string;
  readonly mode: Mode;
  readonly size: number;
  /** Records of an append. */
  readonly count: number;
  /** Appends between two looks at the clock, and in flight at most. */
  readonly inFlight: number;
  /** Read back what was appended. */
  readonly read: boolean;
}

/** Each append is waited for before the next: what the target of classic-level was measured with. */
const awaited = '100 B, one by one, each awaited';

const loads: Load[] = [];
for (const size of [100, 1024]) {
  const what = size === 100 ? '100 B' : '1 KiB';
  const one = { size, count: 1, read: false };
  const batch = { size, count: 100, read: false };
  loads.push({ ...one, name: `${what}, one by one`, mode: 'cache', inFlight: 1024 });
  loads.push({
    ...{ ...batch, name: `${what}, batches of 100`, mode: 'cache', inFlight: 10, read: true },
  });
  loads.push({ ...one, name: `${what}, synced one at a time`, mode: 'one', inFlight: 1 });
  loads.push({ ...batch, name: `${what}, synced, 100 a batch`, mode: 'one', inFlight: 1 });
  loads.push({ ...one, name: `${what}, synced, 1024 in flight`, mode: 'many', inFlight: 1024 });
  if (size === 100) {
    loads.push({ ...one, name: awaited, mode: 'cache', inFlight: 1 });
    loads.push({ ...one, name: `${what}, synced, 64 in flight`, mode: 'many', inFlight: 64 });
  }
}

/** A bound on ours divided by a rival's. */
function target(
  id: string,
  load: string,
  rival: string,
  atLeast: number,
  figure = 'value',
): Target {
  return { id, case: `${load}: millrace`, against: `${load}: ${rival}`, figure, atLeast };
}

export const suite: Suite = {
  name: 'embedded',
  title: 'Embedded stores',
  question: 'How many records a second does an embedded store take and give back?',
  parameters: { seconds: { default: '0.35', doc: 'of a case in a round' } },
  targets: [
    target('E1', '100 B, one by one', 'lmdb', 5),
    target('E1', '100 B, one by one', 'better-sqlite3', 30),
    {
      ...{ id: 'E1', case: '100 B, one by one: millrace', figure: 'value' },
      ...{ against: `${awaited}: classic-level`, atLeast: 200 },
    },
    target('E2', '100 B, batches of 100', 'lmdb', 6),
    target('E2', '1 KiB, batches of 100', 'lmdb', 3),
    target('E3', '100 B, batches of 100', 'lmdb', 4, 'readPerSecond'),
    target('E3', '1 KiB, batches of 100', 'lmdb', 6, 'readPerSecond'),
    target('E4', '100 B, synced, 1024 in flight', 'lmdb', 2),
    target('E4', '100 B, synced, 64 in flight', 'lmdb', 1.5),
    target('E4', '100 B, synced, 1024 in flight', 'classic-level', 50),
    {
      ...{ id: 'E6', case: '100 B, batches of 100: millrace', figure: 'diskPerPayload' },
      ...{ against: null, atMost: 1.1 },
    },
  ],
  async open(context) {
    const rivals = await stores();
    for (const line of missing) {
      context.note(`left out (npm run bench:rivals installs it): ${line}`);
    }
    const seconds = context.number('seconds');
    const cases: Case[] = [];
    for (const load of loads) {
      for (const rival of rivals) {
        // Undefined: it has no such mode.
        const dir = mkdtempSync(join(context.dir, 'try-'));
        const store = await rival.open(dir, load.mode);
        await store?.close();
        rmSync(dir, { recursive: true, force: true });
        if (store === undefined) continue;
        cases.push({
          ...{ name: `${load.name}: ${rival.name}`, unit: 'records/s', better: 'higher' },
          ...(rival.name === 'millrace' ? {} : { baseline: `${load.name}: millrace` }),
          run: () => measure(rival, load, context.dir, seconds),
        });
      }
    }
    return { cases };
  },
};

async function measure(
  rival: Rival,
  load: Load,
  parent: string,
  secondsMax: number,
): Promise<Measurement> {
  const dir = mkdtempSync(join(parent, 'store-'));
  try {
    const store = await rival.open(dir, load.mode);
    if (store === undefined) throw new Error('it had this mode a moment before');
    const cpuStart = ownCpuSeconds();
    const startMs = performance.now();
    const count = await fill(store, load, secondsMax);
    const rate = (count * 1000) / (performance.now() - startMs);
    const more: Record<string, number> = {
      cpuMicrosPerRecord: ((ownCpuSeconds() - cpuStart) * 1e6) / count,
    };
    if (load.read) {
      // V8 has forgotten the code of whoever had no turn for a minute: the first pass is told apart.
      for (const pass of ['firstRead', 'read']) {
        const readCpuStart = ownCpuSeconds();
        const readStartMs = performance.now();
        const bytes = await store.read();
        if (bytes !== count * load.size) throw new Error(`it gave back ${bytes} bytes`);
        more[`${pass}PerSecond`] = (count * 1000) / (performance.now() - readStartMs);
        more[`${pass}CpuMicros`] = ((ownCpuSeconds() - readCpuStart) * 1e6) / count;
      }
    }
    await store.close();
    if (load.read) more['diskPerPayload'] = diskBytes(dir) / (count * load.size);
    return { value: rate, more };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function fill(
  store: Store,
  { size, count, inFlight }: Load,
  secondsMax: number,
): Promise<number> {
  const values = Array.from({ length: count }, (_, i) => Buffer.alloc(size, i + 1));
  const end = performance.now() + secondsMax * 1000;
  let appends = 0;
  do {
    let last: PromiseLike<unknown> | undefined;
    for (let i = 0; i < inFlight; i++) last = store.append(values);
    await last;
    appends += inFlight;
  } while (performance.now() < end);
  return appends * count;
}

function diskBytes(dir: string): number {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).reduce((sum, name) => {
    const stats = statSync(join(dir, name));
    return sum + (stats.isFile() ? stats.blocks * 512 : 0);
  }, 0);
}
