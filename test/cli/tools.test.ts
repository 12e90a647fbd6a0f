/**
 * The tools on a directory that a broker has in use, and on everything that a real Kafka wrote: exit
 * codes, the shape of each JSON line, and that nothing is changed that was not asked for.
 */

import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '#src/base/clock.js';
import { dumpFile } from '#src/cli/commands/log-dump.js';
import { runFollow } from '#src/cli/commands/log-follow.js';
import { runRepair } from '#src/cli/commands/log-repair.js';
import { runStats } from '#src/cli/commands/log-stats.js';
import { runVerify, type ToolIo } from '#src/cli/commands/log-verify.js';
import { systemEnv } from '#src/file/env.js';
import { tempDir } from '../file/temp-dir.js';
import { batch, chain } from '../segment/support.js';
import { RawClient } from '../support/raw-client.js';
import { createTopic, produceTo } from '../support/test-broker.js';
import { run, runBroker } from './cli.js';

type Test = Parameters<typeof tempDir>[0];
type Json = Record<string, unknown>;

const golden = join(import.meta.dirname, '../../../test/golden/kafka-data');
const LOG = '00000000000000000000.log';
const SUMMARY = {
  verify: ['type', 'partitions', 'segments', 'batches', 'records', 'bytes', 'problems'],
  repair: ['type', 'repaired', 'left'],
  snapshot: [
    ...['type', 'partitions', 'linked', 'copied', 'linkedBytes', 'copiedBytes', 'elapsedMs'],
  ],
};
const PARTITION = [
  ...['type', 'name', 'segments', 'bytes', 'batches', 'records', 'controlBatches'],
  ...['transactionalBatches', 'firstOffset', 'nextOffset', 'minTimestampMs', 'maxTimestampMs'],
  ...['largestBatchBytes', 'problems', 'codecs', 'producers'],
];
const RECORD = ['type', 'offset', 'timestamp', 'sequence', 'key', 'value', 'headers'];

function io(lines: string[]): ToolIo {
  const out = (line: string): void => void lines.push(line);
  return { env: systemEnv, clock: systemClock, out, terminal: { write: () => true } };
}

async function tool(
  work: (io: ToolIo) => Promise<number>,
): Promise<{ code: number; json: Json[] }> {
  const lines: string[] = [];
  const code = await work(io(lines));
  return { code, json: lines.map((line) => JSON.parse(line) as Json) };
}

function jsonOf(stdout: string): Json[] {
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Json);
}

function kafkaData(t: Test): string {
  const dir = join(tempDir(t), 'data');
  cpSync(join(golden, 'data'), dir, { recursive: true });
  return dir;
}

function contents(dir: string): Record<string, string> {
  const names = readdirSync(dir, { recursive: true }).map(String).sort();
  const files = names.filter((name) => statSync(join(dir, name)).isFile() && name !== '.lock');
  return Object.fromEntries(
    files.map((name) => [name, readFileSync(join(dir, name)).toString('base64')]),
  );
}

t.test('while a broker has the directory in use', async (t) => {
  const data = join(tempDir(t), 'data');
  const args = ['--listen', '127.0.0.1:0', '--data-dir', data];
  const { port, child, finished } = await runBroker(t, args);
  const client = await RawClient.connect(port);
  t.teardown(() => client.close());
  // Small appends, each synced: blocks are reserved ahead.
  const configs = { 'segment.bytes': '8000', 'flush.messages': '1' };
  await createTopic(client, 'events', { configs });
  for (let i = 0; i < 60; i++) await produceTo(client, 'events', [`${i}`, 'x'.repeat(200)]);
  const partition = join(data, 'events-0');
  const logs = readdirSync(partition).filter((name) => name.endsWith('.log'));
  const active = join(partition, logs.sort().at(-1) as string);
  t.ok(logs.length > 2);

  const verified = await run(['log', 'verify', data, '--json']);
  t.equal(verified.code, 0, verified.stdout);
  const said = jsonOf(verified.stdout);
  t.same(Object.keys(said.at(-1) as Json), SUMMARY.verify);
  t.match(said.at(-1), { partitions: 1, segments: logs.length, records: 120, problems: 0 });
  t.ok(said.slice(0, -1).every(({ type }) => type === 'note'));

  const stats = await run(['log', 'stats', data, '--json']);
  t.equal(stats.code, 0);
  const [counted] = jsonOf(stats.stdout);
  t.same(Object.keys(counted as Json).sort(), PARTITION.slice().sort());
  t.match(counted, { name: 'events-0', records: 120, firstOffset: 0, nextOffset: 120 });

  const dumped = await run(['log', 'dump', active, '--records', '--json']);
  t.equal(dumped.code, 0, dumped.stdout);
  const last = jsonOf(dumped.stdout).filter(({ type }) => type === 'record');
  t.same(Object.keys(last[0] as Json), RECORD);
  t.match(last.at(-1), { offset: 119, value: 'x'.repeat(200) });

  const followed = await run([
    ...['log', 'follow', partition, '--from', 'earliest', '--once', '--json'],
  ]);
  t.equal(followed.code, 0, followed.stdout);
  t.same(
    jsonOf(followed.stdout).map(({ offset }) => offset),
    Array.from({ length: 120 }, (_, offset) => offset),
  );
  const waiting = run(['log', 'follow', partition, '--from', '118', '--count', '5', '--json']);
  await produceTo(client, 'events', ['later', 'still', 'at last']);
  const { code, stdout } = await waiting;
  t.equal(code, 0);
  t.same(
    jsonOf(stdout).map(({ offset }) => offset),
    [118, 119, 120, 121, 122],
  );

  const before = contents(data);
  const repaired = await run(['log', 'repair', data, '--json', '--force']);
  t.equal(repaired.code, 1);
  t.match(repaired.stderr, /^millrace: .* (in use|locked)/);
  t.equal(repaired.stdout, '');
  t.same(contents(data), before);

  const copied = await run(['log', 'snapshot', data, join(data, '../copy'), '--json']);
  t.equal(copied.code, 0);
  t.same(Object.keys(jsonOf(copied.stdout)[0] as Json), SUMMARY.snapshot);
  const again = await run(['log', 'snapshot', data, join(data, '../copy')]);
  t.equal(again.code, 1, 'the destination is not empty');

  // And when it was killed: nothing that was acknowledged is missing, and nothing is damaged.
  child.kill('SIGKILL');
  await finished;
  const dead = await tool((io) => runVerify(data, { json: true }, io));
  t.match(dead.json.at(-1), { records: 123, problems: 0 });
  t.equal(dead.code, 0);
  const mended = await tool((io) => runRepair(data, { json: true, force: false }, io));
  t.equal(mended.code, 0);
  t.same(Object.keys(mended.json.at(-1) as Json), SUMMARY.repair);
  t.equal(mended.json.at(-1)?.['left'], 0);
});

interface Expected {
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly logStartOffset: number;
      readonly logEndOffset: number;
      readonly records: readonly { readonly offset: number; readonly key: string | null }[];
    }[];
  }[];
}

t.test('everything that a real Kafka wrote', async (t) => {
  const dir = kafkaData(t);
  const before = contents(dir);
  const text = readFileSync(join(golden, 'expected.json'), 'utf8');
  const { topics } = JSON.parse(text) as Expected;
  const stats = await tool((io) => runStats(dir, { json: true }, io));
  t.equal(stats.code, 0);
  for (const { topic, partitions } of topics) {
    for (const { partition, records, logEndOffset, logStartOffset } of partitions) {
      const name = `${topic}-${partition}`;
      const counted = stats.json.find((one) => one['name'] === name);
      t.same(Object.keys(counted as Json).sort(), PARTITION.slice().sort());
      if (logEndOffset > logStartOffset) t.equal(counted?.['nextOffset'], logEndOffset, name);
      const signal = new AbortController().signal;
      const countMax = Number.POSITIVE_INFINITY;
      const options = { json: true, from: logStartOffset, countMax, once: true, signal };
      const followed = await tool((io) => runFollow(join(dir, name), options, io));
      t.equal(followed.code, 0, name);
      const found = followed.json.filter((one) => one['control'] === undefined);
      t.same(
        found.map(({ offset, key }) => [offset, key]),
        records.map(({ offset, key }) => {
          return [offset, key === null ? null : Buffer.from(key, 'base64').toString()];
        }),
        name,
      );
    }
  }
  let files = 0;
  for (const path of readdirSync(dir, { recursive: true }).map(String)) {
    if (!/\d{20}\.(log|index|timeindex|txnindex|snapshot)$/.test(path)) continue;
    // The snapshots of Kafka's own metadata are logs in all but name.
    if (path.startsWith('__cluster_metadata') && path.endsWith('.snapshot')) continue;
    const lines: string[] = [];
    const out = (line: string): void => void lines.push(line);
    files++;
    t.equal(dumpFile(join(dir, path), { records: true, json: true, out }), 0, path);
    t.ok(lines.every((line) => typeof (JSON.parse(line) as Json)['type'] === 'string'));
  }
  t.ok(files > 40, `${files} files`);
  t.same(contents(dir), before);
});

/** Faults of a directory, and what repair may touch without --force. */
const faults: readonly {
  readonly name: string;
  readonly plant: (dir: string) => void;
  /** Files that may change. */
  readonly may: RegExp;
  readonly code: 0 | 1;
}[] = [
  {
    name: 'a torn tail',
    plant: (dir) => appendFileSync(join(dir, 'codec-none-0', LOG), batch(60, 2).subarray(0, 70)),
    may: /^codec-none-0\/0+\.(log|index|timeindex)$/,
    code: 0,
  },
  {
    name: 'garbage behind the end',
    plant: (dir) => appendFileSync(join(dir, 'codec-none-0', LOG), 'not a batch at all'),
    may: /^codec-none-0\/0+\.(log|index|timeindex)$/,
    code: 0,
  },
  {
    name: 'an index of nonsense',
    plant: (dir) =>
      writeFileSync(join(dir, 'segments-0', LOG.replace('.log', '.index')), Buffer.alloc(64, 7)),
    may: /^segments-0\/0+\.(index|timeindex)$/,
    code: 0,
  },
  {
    name: 'no time index',
    plant: (dir) => rmSync(join(dir, 'segments-0', LOG.replace('.log', '.timeindex'))),
    may: /^segments-0\/0+\.(index|timeindex)$/,
    code: 0,
  },
  {
    name: 'a flipped bit in a sealed segment',
    plant: (dir) => flip(join(dir, 'segments-0', LOG), 300),
    may: /^segments-0\/0+\.(index|timeindex)$/,
    code: 1,
  },
  {
    name: 'a sealed segment cut short',
    plant(dir) {
      const path = join(dir, 'segments-0', LOG);
      writeFileSync(path, readFileSync(path).subarray(0, -20));
    },
    may: /^segments-0\/0+\.(index|timeindex)$/,
    code: 1,
  },
  {
    name: 'a flipped bit in the last batch, durable once',
    plant(dir) {
      const path = join(dir, 'codec-none-0', LOG);
      flip(path, statSync(path).size - 3);
      writeFileSync(join(dir, 'recovery-point-offset-checkpoint'), '0\n1\ncodec-none 0 60\n');
    },
    may: /^codec-none-0\/0+\.(index|timeindex)$/,
    code: 1,
  },
  {
    name: 'a flipped bit in the middle of the active segment',
    plant: (dir) => flip(join(dir, 'codec-none-0', LOG), 200),
    may: /^codec-none-0\/0+\.(index|timeindex)$/,
    code: 1,
  },
];

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(path, bytes);
}

t.test('repair does no more than it says without --force', async (t) => {
  for (const { name, plant, may, code } of faults) {
    const dir = kafkaData(t);
    plant(dir);
    const before = contents(dir);
    const broken = await tool((io) => runVerify(dir, { json: true }, io));
    t.equal(broken.code, 1, `${name}: it is seen`);
    const repaired = await tool((io) => runRepair(dir, { json: true, force: false }, io));
    t.equal(repaired.code, code, name);
    const after = contents(dir);
    const changed = Object.keys({ ...before, ...after }).filter(
      (file) => before[file] !== after[file],
    );
    t.same(
      changed.filter((file) => !may.test(file)),
      [],
      `${name}: nothing else was touched`,
    );
    for (const file of changed.filter((one) => one.endsWith('.log'))) {
      const [was, is] = [before, after].map((all) => Buffer.from(all[file] as string, 'base64'));
      t.ok((was as Buffer).subarray(0, (is as Buffer).length).equals(is as Buffer), 'cut, no more');
    }
    const actions = repaired.json.slice(0, -1);
    t.ok(
      actions.length > 0 && actions.every((one) => Object.keys(one).join() === 'type,file,message'),
    );
    const kept = actions.filter(({ type }) => type === 'kept').length;
    t.equal(repaired.json.at(-1)?.['left'], kept);
    t.equal(kept > 0, code === 1);
    const verified = await tool((io) => runVerify(dir, { json: true }, io));
    t.equal(verified.code, code, `${name}: what is left is said again`);
    const once = await tool((io) => runRepair(dir, { json: true, force: false }, io));
    t.equal(once.json.at(-1)?.['repaired'], 0, `${name}: the second time there is nothing to do`);
    t.same(contents(dir), after);
  }
});

t.test('--force cuts a damaged end, and nothing before it', async (t) => {
  for (const { name, plant } of faults.filter((fault) => fault.code === 1)) {
    const dir = kafkaData(t);
    plant(dir);
    const before = contents(dir);
    const forced = await tool((io) => runRepair(dir, { json: true, force: true }, io));
    const after = contents(dir);
    const cut = Object.keys(before).filter((file) => {
      return file.endsWith('.log') && before[file] !== after[file];
    });
    const isEnd = /last batch/.test(name);
    t.equal(forced.code, isEnd ? 0 : 1, name);
    t.same(cut, isEnd ? [`codec-none-0/${LOG}`] : []);
    const said = forced.json.filter(({ message }) => /--force/.test(String(message)));
    t.equal(said.length, cut.length);
  }
});

t.test(
  'zeros at the end of the last segment are reserved space, before it they are damage',
  async (t) => {
    const dir = join(tempDir(t), 'data/events-0');
    mkdirSync(dir, { recursive: true });
    const whole = Buffer.concat(chain(0, 10));
    const bytes = Buffer.concat([whole, Buffer.alloc(70_000)]);
    writeFileSync(join(dir, LOG), bytes);
    const verified = await tool((io) => runVerify(dir, { json: true }, io));
    t.equal(verified.code, 0, JSON.stringify(verified.json));
    t.match(verified.json.at(-1), { records: 19, problems: 0 });
    const stats = await tool((io) => runStats(dir, { json: true }, io));
    t.match(stats, { code: 0, json: [{ records: 19, problems: 0 }] });
    const lines: string[] = [];
    const out = (line: string): void => void lines.push(line);
    t.equal(dumpFile(join(dir, LOG), { records: false, json: true, out }), 0);
    t.equal(lines.length, 10);
    const signal = new AbortController().signal;
    const options = { json: true, from: 0, countMax: 99, once: true, signal };
    const followed = await tool((io) => runFollow(dir, options, io));
    t.equal(followed.code, 0);
    t.equal(followed.json.length, 19);
    // What comes is written over the zeros.
    const ended = new AbortController();
    const live = { ...options, from: 17, countMax: 4, once: false, signal: ended.signal };
    const lineOf: string[] = [];
    const following = runFollow(dir, live, io(lineOf));
    while (lineOf.length < 2) await new Promise(setImmediate);
    const next = batch(19, 2);
    writeFileSync(join(dir, LOG), Buffer.concat([whole, next, Buffer.alloc(70_000)]));
    t.equal(await following, 0);
    t.same(
      lineOf.map((line) => (JSON.parse(line) as Json)['offset']),
      [17, 18, 19, 20],
    );
    const repaired = await tool((io) => runRepair(dir, { json: true, force: false }, io));
    t.equal(repaired.code, 0);
    // In a segment that is not the last one nothing is reserved.
    writeFileSync(join(dir, LOG), bytes);
    writeFileSync(join(dir, '00000000000000000019.log'), batch(19, 1));
    const sealed = await tool((io) => runVerify(dir, { json: true }, io));
    t.equal(sealed.code, 1);
    t.ok(existsSync(join(dir, LOG)));
  },
);
