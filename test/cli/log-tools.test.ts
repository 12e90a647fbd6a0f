import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ManualClock, systemClock } from '#src/base/clock.js';
import { dumpFile } from '#src/cli/commands/log-dump.js';
import { runFollow } from '#src/cli/commands/log-follow.js';
import { runRepair } from '#src/cli/commands/log-repair.js';
import { runSnapshot } from '#src/cli/commands/log-snapshot.js';
import { runStats } from '#src/cli/commands/log-stats.js';
import { runVerify, type ToolIo } from '#src/cli/commands/log-verify.js';
import { Progress } from '#src/cli/progress.js';
import { type Env, systemEnv } from '#src/file/env.js';
import { tempDir } from '../file/temp-dir.js';
import { batch, chain } from '../segment/support.js';
import { run } from './cli.js';

const golden = join(import.meta.dirname, '../../../test/golden/kafka-data/data');
const LOG = '00000000000000000000.log';

type Test = Parameters<typeof tempDir>[0];

function io(lines: string[], env: Env = systemEnv): ToolIo {
  const out = (line: string): void => void lines.push(line);
  return { env, clock: systemClock, out, terminal: { write: () => true } };
}

/** A copy of what Kafka wrote. */
function kafkaData(t: Test): string {
  const dir = join(tempDir(t), 'data');
  cpSync(golden, dir, { recursive: true });
  return dir;
}

/** Every file with its bytes. */
function contents(dir: string): Record<string, string> {
  const names = readdirSync(dir, { recursive: true }).map(String).sort();
  const files = names.filter((name) => statSync(join(dir, name)).isFile() && name !== '.lock');
  return Object.fromEntries(
    files.map((name) => [name, readFileSync(join(dir, name)).toString('base64')]),
  );
}

type Ran = { code: number; lines: string[]; json: Record<string, unknown>[] };

async function verify(path: string): Promise<Ran> {
  const lines: string[] = [];
  const code = await runVerify(path, { json: true }, io(lines));
  return { code, lines, json: lines.map((line) => JSON.parse(line)) };
}

async function repair(path: string, force = false): Promise<Ran> {
  const lines: string[] = [];
  const code = await runRepair(path, { json: true, force }, io(lines));
  return { code, lines, json: lines.map((line) => JSON.parse(line)) };
}

const typesOf = ({ json }: Ran) => json.map(({ type }) => type);

t.test('what Kafka wrote is sound, and stays as it is', async (t) => {
  const dir = kafkaData(t);
  const before = contents(dir);
  const { code, json } = await verify(dir);
  t.same(
    json.filter(({ type }) => type !== 'summary'),
    [],
  );
  t.equal(code, 0);
  const summary = json.at(-1);
  t.ok(Number(summary?.['segments']) > 10 && Number(summary?.['records']) > 100, 'all of it');
  const lines: string[] = [];
  t.equal(await runStats(dir, { json: false }, io(lines)), 0);
  t.ok(lines.some((line) => /compression: zstd/.test(line)));
  t.same(contents(dir), before);
  t.same((await repair(dir)).json, [{ type: 'summary', repaired: 0, left: 0 }]);
  t.same(contents(dir), before, 'repair of what is sound changes nothing');
});

t.test('damage is told with its file and place, and left as it is', async (t) => {
  const dir = kafkaData(t);
  const path = join(dir, 'codec-none-0', LOG);
  const bytes = readFileSync(path);
  bytes[100] = (bytes[100] as number) ^ 1;
  writeFileSync(path, bytes);
  const verified = await verify(dir);
  t.equal(verified.code, 1);
  t.match(verified.json[0], {
    type: 'damage',
    file: `codec-none-0/${LOG}`,
    position: 0,
    offset: 0,
  });
  t.equal((await verify(path)).code, 1, 'of one file too');
  const repaired = await repair(dir);
  t.equal(repaired.code, 1);
  t.same(typesOf(repaired), ['kept', 'summary']);
  t.same(readFileSync(path), bytes);
});

t.test('a torn tail is cut and indexes are made anew', async (t) => {
  const dir = kafkaData(t);
  const path = join(dir, 'codec-gzip-0', LOG);
  const size = statSync(path).size;
  writeFileSync(path, Buffer.concat([readFileSync(path), batch(60, 1).subarray(0, 40)]));
  const index = join(
    dir,
    'segments-0',
    readdirSync(join(dir, 'segments-0')).filter((n) => n.endsWith('.index'))[0] as string,
  );
  writeFileSync(index, Buffer.from([0, 0, 0, 5, 0, 0, 0, 9]));
  const verified = await verify(dir);
  t.same(new Set(typesOf(verified)), new Set(['torn-tail', 'index', 'summary']));
  t.equal(verified.code, 1);
  const repaired = await repair(dir);
  t.same([...new Set(typesOf(repaired))].sort(), ['cut', 'rebuilt', 'summary']);
  t.equal(repaired.code, 0);
  t.equal(statSync(path).size, size);
  t.equal((await verify(dir)).code, 0);
});

t.test('a damaged end that is not surely torn goes with --force alone', async (t) => {
  const dir = tempDir(t);
  const partition = join(dir, 'kept-0');
  mkdirSync(partition);
  const batches = chain(0, 10);
  const bytes = Buffer.concat(batches);
  bytes[bytes.length - 3] = (bytes[bytes.length - 3] as number) ^ 1;
  writeFileSync(join(partition, LOG), bytes);
  // It was durable once, so it is rot.
  writeFileSync(join(dir, 'recovery-point-offset-checkpoint'), '0\n1\nkept 0 1000\n');
  const kept = await repair(dir);
  t.same([kept.code, statSync(join(partition, LOG)).size], [1, bytes.length]);
  const forced = await repair(dir, true);
  t.same([forced.code, typesOf(forced).includes('cut')], [0, true]);
  t.equal(statSync(join(partition, LOG)).size, bytes.length - (batches[9] as Buffer).length);
});

t.test('repair keeps out while another has the directory', async (t) => {
  const dir = kafkaData(t);
  const lock = systemEnv.lockDir(dir);
  t.teardown(() => lock.release());
  await t.rejects(repair(dir), { code: 'DIRECTORY_LOCKED' });
});

t.test('a snapshot is a log of its own', async (t) => {
  const dir = kafkaData(t);
  const to = join(dir, '..', 'copy');
  const lines: string[] = [];
  t.equal(await runSnapshot(dir, to, { json: true }, io(lines)), 0);
  t.ok(JSON.parse(lines[0] as string).linked > 0);
  t.equal((await verify(to)).code, 0);
  const [first = ''] = readdirSync(join(dir, 'segments-0')).filter((name) => name.endsWith('.log'));
  const inode = (root: string, name: string) => statSync(join(root, name)).ino;
  t.equal(inode(dir, `segments-0/${first}`), inode(to, `segments-0/${first}`), 'a sealed log');
  t.not(inode(dir, `codec-none-0/${LOG}`), inode(to, `codec-none-0/${LOG}`), 'an active one');
  const before = contents(dir);
  truncateSync(join(to, 'codec-none-0', LOG), 0);
  t.same(contents(dir), before, 'the source does not see what becomes of the copy');
  await t.rejects(runSnapshot(dir, to, { json: true }, io([])), { code: 'ALREADY_EXISTS' });
});

t.test('follow prints what is there, what comes, and the next segment', async (t) => {
  const dir = join(tempDir(t), 'tail-0');
  mkdirSync(dir);
  const write = (base: number, batches: readonly Buffer[], part?: number): void => {
    const path = join(dir, `${String(base).padStart(20, '0')}.log`);
    const old = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
    writeFileSync(path, Buffer.concat([old, ...batches]).subarray(0, part));
  };
  write(0, [batch(0, 2), batch(2, 1)]);
  const lines: string[] = [];
  const ended = new AbortController();
  const options = { json: true, from: 1, countMax: 6, once: false, signal: ended.signal };
  const following = runFollow(dir, options, io(lines));
  const seen = () => lines.map((line) => JSON.parse(line).offset);
  const until = async (count: number): Promise<void> => {
    while (lines.length < count) await new Promise(setImmediate);
  };
  await until(2);
  t.same(seen(), [1, 2], 'from the offset on');
  write(0, [batch(3, 1)]);
  await until(3);
  write(4, [batch(4, 2)]);
  await until(5);
  write(6, [batch(6, 1)]);
  t.equal(await following, 0);
  t.same(seen(), [1, 2, 3, 4, 5, 6]);
});

t.test('follow goes on behind damage, and says so', async (t) => {
  const dir = join(tempDir(t), 'tail-0');
  mkdirSync(dir);
  const bad = batch(1, 1);
  bad[bad.length - 3] = (bad[bad.length - 3] as number) ^ 1;
  writeFileSync(join(dir, LOG), Buffer.concat([batch(0, 1), bad, batch(2, 1)]));
  const lines: string[] = [];
  const signal = new AbortController().signal;
  const options = { json: true, from: 'earliest', countMax: 9, once: true, signal } as const;
  t.equal(await runFollow(dir, options, io(lines)), 1);
  t.same(
    lines.map((line) => JSON.parse(line).offset ?? JSON.parse(line).type),
    [0, 'note', 2],
  );
});

t.test('aborted transactions and producers are printed', (t) => {
  const dump = (name: string): [number, string[]] => {
    const lines: string[] = [];
    const options = { records: false, json: true, out: (line: string) => void lines.push(line) };
    return [dumpFile(join(golden, 'transactions-0', name), options), lines];
  };
  for (const name of readdirSync(join(golden, 'transactions-0'))) {
    if (!/txnindex|snapshot/.test(name)) continue;
    const [code, lines] = dump(name);
    t.equal(code, 0);
    t.match(JSON.parse(lines[0] as string), { type: 'entry', producerId: Number });
  }
  t.end();
});

t.test('progress is for terminals', (t) => {
  const written: string[] = [];
  const clock = new ManualClock();
  for (const isTTY of [false, true]) {
    const progress = new Progress({ isTTY, write: (text) => written.push(text) }, clock, 100);
    clock.advance(1000);
    progress.show(50, 'orders-0');
    progress.clear();
  }
  t.equal(written.length, 2);
  t.match(written[0], / 50 % {2}50 B .* orders-0/);
  t.end();
});

t.test('exit codes of the command', async (t) => {
  const dir = kafkaData(t);
  t.equal((await run(['log', 'verify', dir])).code, 0);
  t.equal((await run(['log', 'verify', dir], { MILLRACE_NATIVE: '0' })).code, 0);
  writeFileSync(join(dir, 'codec-none-0', LOG), 'not a batch');
  t.equal((await run(['log', 'verify', dir])).code, 1);
  for (const args of [['verify'], ['verify', join(dir, 'none')], ['follow', dir, '--from', 'x']]) {
    const { code, stderr } = await run(['log', ...args]);
    t.equal(code, 2, args.join(' '));
    t.match(stderr, /^millrace: /);
  }
});
