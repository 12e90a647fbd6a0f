import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { dumpFile } from '#src/cli/commands/log-dump.js';
import { escapeControls } from '#src/cli/commands/log-dump-lines.js';
import type { Env, EnvFile } from '#src/file/env.js';
import { goldenBytes, goldenDump } from '../record/golden.js';

const segments = join(import.meta.dirname, '../../../test/golden/kafka-data/data');
const LOG = '00000000000000000000.log';

/** Files in memory, for reading. */
function memoryEnv(
  files: Readonly<Record<string, Uint8Array>>,
): Pick<Env, 'open' | 'exists' | 'readdir'> {
  return {
    readdir: () => Object.keys(files).map((path) => basename(path)),
    exists: (path) => path in files,
    open(path) {
      const bytes = files[path];
      if (bytes === undefined) throw new Error(`no ${path}`);
      return {
        path,
        size: () => bytes.length,
        pread(target: Uint8Array, at: number, length: number, position: number) {
          const part = bytes.subarray(position, position + length);
          target.set(part, at);
          return part.length;
        },
        close() {},
      } as unknown as EnvFile;
    },
  };
}

interface Dumped {
  lines: string[];
  code: number;
}

function dump(
  files: Readonly<Record<string, Uint8Array>>,
  path = LOG,
  options: { records?: boolean; json?: boolean } = {},
): Dumped {
  const lines: string[] = [];
  const code = dumpFile(path, {
    records: options.records ?? false,
    json: options.json ?? false,
    out: (line) => lines.push(line),
    env: memoryEnv(files),
  });
  return { lines, code };
}

function linesOf(name: string): string[] {
  return goldenDump(name).split('\n').slice(0, -1).map(escapeControls);
}

/** Kafka prints keys and values with --print-data-log only. */
function withoutData(line: string): string {
  return line.startsWith('|') ? line.replace(/\] (key|payload): .*$/, ']') : line;
}

t.test('prints golden batches as DumpLogSegments does', (t) => {
  const names = [
    'plain',
    'headers',
    'idempotent',
    'control-commit',
    'append-time',
    'compacted-gzip',
  ];
  for (const name of [...names, 'negative-deltas', 'delete-horizon', 'empty', 'two-batches']) {
    const { lines, code } = dump({ [LOG]: goldenBytes(name) }, LOG, { records: true });
    t.same(lines.map(withoutData), linesOf(name), name);
    t.equal(code, 0);
  }
  t.end();
});

t.test('prints keys and values with the records, batches only without', (t) => {
  for (const name of ['plain', 'nulls']) {
    const { lines } = dump({ [LOG]: goldenBytes(name) }, LOG, { records: true });
    t.same(lines, linesOf(`${name}-print`));
  }
  t.same(dump({ [LOG]: goldenBytes('plain') }).lines, linesOf('plain-shallow'));
  t.end();
});

t.test('control records of Kafka’s own metadata are told by type', (t) => {
  const { lines } = dump({ [LOG]: goldenBytes('control-leader-change') }, LOG, { records: true });
  t.match(lines[3], /headerKeys: \[\] controlType: LEADER_CHANGE$/);
  t.end();
});

t.test('prints whole segments and indexes that a broker wrote as DumpLogSegments does', (t) => {
  for (const base of ['00000000000000000000', '00000000000000000070', '00000000000000000140']) {
    const files: Record<string, Uint8Array> = {};
    for (const kind of ['log', 'index', 'timeindex']) {
      files[`${base}.${kind}`] = readFileSync(join(segments, 'segments-0', `${base}.${kind}`));
    }
    for (const kind of ['log', 'index', 'timeindex']) {
      const { lines, code } = dump(files, `${base}.${kind}`);
      t.same(lines, linesOf(`segments-0-${base}.${kind}`), `${base}.${kind}`);
      t.equal(code, 0, `${base}.${kind}`);
    }
  }
  const path = join(segments, 'transactions-0/00000000000000000005.log');
  const lines: string[] = [];
  dumpFile(path, { records: true, json: false, out: (line) => lines.push(line) });
  t.same(lines.slice(1).map(withoutData), linesOf('transactions-0.log').slice(1));
  t.end();
});

t.test(
  'a flipped bit: the batch is not valid, the exit code is 1, and the rest is printed',
  (t) => {
    const bytes = goldenBytes('two-batches');
    bytes[100] = (bytes[100] as number) ^ 1;
    const { lines, code } = dump({ [LOG]: bytes });
    t.equal(code, 1);
    t.match(lines[2], /isvalid: false$/);
    t.equal(lines[3], 'Batch at position 0: wrong CRC');
    t.match(lines[4], /^baseOffset: 3 .* position: 154 .* isvalid: true$/);
    const plain = goldenBytes('plain');
    plain[100] = 'X'.charCodeAt(0);
    const records = dump({ [LOG]: plain }, LOG, { records: true });
    t.same(records.lines.slice(0, -1).map(withoutData), linesOf('flipped'));
    t.end();
  },
);

t.test('a cut tail is told as Kafka tells it, with exit code 1', (t) => {
  const bytes = goldenBytes('two-batches').subarray(0, 250);
  const { lines, code } = dump({ [LOG]: bytes }, LOG, { records: true });
  t.same(lines.map(withoutData), linesOf('cut'));
  t.equal(code, 1);
  t.end();
});

t.test('zeros that end the last log are no damage, elsewhere they are', (t) => {
  const good = goldenBytes('two-batches');
  const bytes = Buffer.concat([good, Buffer.alloc(300_000)]);
  const last = dump({ [LOG]: bytes });
  t.same([last.lines.length, last.code], [dump({ [LOG]: good }).lines.length, 0]);
  const sealed = dump({ [LOG]: bytes, '00000000000000000100.log': good });
  t.equal(sealed.lines.at(-1), `Found 300000 invalid bytes at the end of ${LOG}`);
  t.equal(sealed.code, 1);
  const torn = dump({ [LOG]: Buffer.concat([good, good.subarray(0, 50), Buffer.alloc(99)]) });
  t.equal(torn.code, 1);
  t.end();
});

t.test('goes on behind damage where a good batch follows', (t) => {
  const bytes = goldenBytes('two-batches');
  bytes.fill(0, 0, 20);
  const { lines, code } = dump({ [LOG]: bytes });
  t.equal(code, 1);
  t.equal(lines[2], `Found 154 invalid bytes at position 0 of ${LOG}`);
  t.match(lines[3], /^baseOffset: 3 .* position: 154 /);
  t.equal(lines.length, 4);
  t.end();
});

t.test('offsets that go back are damage, gaps are not', (t) => {
  const twice = Buffer.concat([goldenBytes('two-batches'), goldenBytes('plain')]);
  t.equal(dump({ [LOG]: twice }).code, 0);
  const back = Buffer.concat([goldenBytes('plain'), goldenBytes('two-batches')]);
  const { lines, code } = dump({ [LOG]: back });
  t.equal(code, 1);
  t.equal(lines[4], 'Batch at position 216: offset 1239 was expected');
  t.equal(lines.length, 6);
  t.end();
});

t.test('malformed records are damage, with the position of their batch', (t) => {
  const bytes = goldenBytes('plain');
  bytes[61] = 0x7e;
  const { lines, code } = dump({ [LOG]: bytes }, LOG, { records: true });
  t.equal(code, 1);
  t.match(lines.at(-1), /^Batch at position 0: /);
  t.end();
});

t.test('an index is checked against the log beside it', (t) => {
  const log = goldenBytes('two-batches');
  const index = Buffer.alloc(32);
  index.writeInt32BE(2, 0); // Right: the batch at 0 ends with offset 2.
  index.writeInt32BE(4, 8); // Wrong: the batch at 154 ends with offset 5.
  index.writeInt32BE(154, 12);
  index.writeInt32BE(9, 16); // Wrong: nothing is there.
  index.writeInt32BE(5000, 20);
  const name = LOG.replace('.log', '.index');
  const { lines, code } = dump({ [LOG]: log, [name]: index }, name);
  t.equal(code, 1);
  t.same(lines.slice(1), [
    'offset: 2 position: 0',
    'offset: 4 position: 154',
    `Mismatch in ${name}: index offset: 4, log offset: 5`,
    'offset: 9 position: 5000',
    `Mismatch in ${name}: index offset: 9, no batch`,
  ]);
  const alone = dump({ [name]: index.subarray(0, 11) }, name);
  t.same(alone.lines.slice(1), [
    `${name} ends within an entry of 8 bytes`,
    'offset: 2 position: 0',
  ]);
  t.equal(alone.code, 1);
  t.same(dump({ [name]: new Uint8Array(0) }, name).lines[1], `${name} is empty.`);
  t.end();
});

t.test('a time index is checked against the log beside it', (t) => {
  const index = Buffer.alloc(36);
  index.writeBigInt64BE(1700000000002n, 0);
  index.writeInt32BE(2, 8);
  index.writeBigInt64BE(1700000000001n, 12);
  index.writeInt32BE(5, 20);
  index.writeBigInt64BE(1700000000009n, 24);
  index.writeInt32BE(8, 32);
  const name = LOG.replace('.log', '.timeindex');
  const { lines, code } = dump({ [LOG]: goldenBytes('two-batches'), [name]: index }, name);
  t.equal(code, 1);
  t.same(lines.slice(1), [
    'timestamp: 1700000000002 offset: 2',
    'timestamp: 1700000000001 offset: 5',
    `Timestamp 1700000000001 of ${name} is not after 1700000000002`,
    'Index timestamp: 1700000000001, log timestamp: 1700000000002',
    'timestamp: 1700000000009 offset: 8',
    'Indexed offset 8 ends no batch of the log',
  ]);
  t.end();
});

t.test('JSON: one object a line, for batches, records, entries and damage', (t) => {
  const options = { records: true, json: true };
  const { lines } = dump({ [LOG]: goldenBytes('headers') }, LOG, options);
  const [batch, first, , third] = lines.map((line) => JSON.parse(line));
  t.match(batch, {
    type: 'batch',
    baseOffset: 0,
    lastOffset: 2,
    count: 3,
    compression: 'none',
    deleteHorizonMs: null,
    maxTimestamp: 1700000000002,
    isValid: true,
  });
  t.match(first, { type: 'record', offset: 0, key: 'k', value: 'v' });
  t.same(first.headers[2], { key: 'null', value: null });
  t.same(first.headers[5], { key: 'grüße \u{1f680}', valueBase64: 'AP9/gA==' });
  t.match(third, { key: null, value: null });
  const marker = dump({ [LOG]: goldenBytes('control-abort') }, LOG, options).lines[1] ?? '';
  t.match(JSON.parse(marker).control, { type: 'abort', coordinatorEpoch: 17 });
  const nanoseconds = dump({ [LOG]: goldenBytes('nanoseconds') }, LOG, options).lines[0] ?? '';
  t.equal(JSON.parse(nanoseconds).maxTimestamp, '1700000000370370367');
  const cut = dump({ [LOG]: goldenBytes('plain').subarray(0, 100) }, LOG, options).lines;
  t.match(JSON.parse(cut[0] ?? ''), { type: 'damage', position: 0 });
  t.equal(cut.length, 1);
  t.end();
});

t.test('a file that is no segment is refused by name; control characters are escaped', (t) => {
  t.throws(() => dump({}, 'notes.txt'), { code: 'UNKNOWN_FILE' });
  t.equal(escapeControls('a\u001b[31m\n\u009bé'), 'a\\u001b[31m\\u000a\\u009bé');
  t.end();
});
