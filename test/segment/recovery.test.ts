/**
 * Opening after a crash: what is torn is cut, for good; what is rotten is kept, marked and never
 * served; what is around it is served; no offset is given out twice.
 */

import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { offset } from '#src/base/offset.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { Segment } from '#src/segment/segment.js';
import { FaultyEnv } from '../file/faulty-env.js';
import { tempDir } from '../file/temp-dir.js';
import {
  batch,
  chain,
  config,
  indexPath,
  logPath,
  offsetsInFile,
  open,
  readAll,
  segmentOptions,
  timeIndexPath,
} from './support.js';

const tiny = { ...config, indexIntervalBytes: 1 };

/** A directory with the files of a segment that was closed. */
function write(t: Parameters<typeof tempDir>[0], batches: readonly Buffer[], base = 0): string {
  const dir = tempDir(t);
  const segment = Segment.create(segmentOptions(dir, base, { config: tiny }));
  segment.append(batches);
  segment.close();
  return dir;
}

t.test('cut at every byte: exactly the whole batches are there, and appends go on', async (t) => {
  const batches = chain(10, 3, 20);
  const dir = write(t, batches, 10);
  const whole = readFileSync(logPath(dir, 10));
  const ends = batches.map((_, index) =>
    batches.slice(0, index + 1).reduce((sum, bytes) => sum + bytes.length, 0),
  );
  for (let size = 0; size < whole.length; size++) {
    writeFileSync(logPath(dir, 10), whole.subarray(0, size));
    const kept = ends.filter((end) => end <= size).length;
    const expected = [10, 11, 13].slice(0, kept);
    const next = [10, 11, 13][kept] as number;
    const goodEnd = ends[kept - 1] ?? 0;
    const segment = await open(dir, 10, { config: tiny, recoveryPoint: offset(next) });
    const facts = [segment.nextOffset, segment.size, statSync(logPath(dir, 10)).size];
    const cut = segment.recovery.truncatedBytes;
    segment.append([batch(next)]);
    const seen = readAll(segment, 10);
    // No close: as after a second kill. What was cut must not come back.
    const again = await open(dir, 10, { config: tiny });
    const seenAgain = readAll(again, 10);
    const inFile = offsetsInFile(logPath(dir, 10));
    again.close();
    segment.close();
    const all = [...expected, next];
    const same = [facts, cut, seen, seenAgain, inFile, again.recovery.truncatedBytes];
    const wanted = [[next, goodEnd, goodEnd], size - goodEnd, all, all, all, 0];
    if (JSON.stringify(same) !== JSON.stringify(wanted)) t.same(same, wanted, `cut at ${size}`);
  }
  t.pass(`${whole.length} cuts`);
});

t.test(
  'a tail of zeros or of nonsense is cut and synced before anything is appended',
  async (t) => {
    for (const tail of [Buffer.alloc(1), Buffer.alloc(100_000), Buffer.alloc(3000, '\u0002ab')]) {
      const dir = write(t, chain(0, 3));
      const { size } = statSync(logPath(dir));
      writeFileSync(logPath(dir), Buffer.concat([readFileSync(logPath(dir)), tail]));
      const env = new FaultyEnv();
      const segment = await open(dir, 0, { env, recoveryPoint: offset(6) });
      t.equal(segment.recovery.truncatedBytes, tail.length);
      t.equal(segment.recovery.reservedBytes, tail.includes('ab') ? 0 : tail.length);
      t.same([segment.size, statSync(logPath(dir)).size, segment.nextOffset], [size, size, 6]);
      const calls = env.calls
        .filter((call) => call.endsWith('.log'))
        .map((call) => call.split(' ')[0]);
      t.same(calls.slice(-2), ['truncate', 'datasync']);
      segment.close();
    }
    // If the cut or its sync fails, the segment does not open.
    for (const operation of ['truncate', 'datasync']) {
      const dir = write(t, chain(0, 3));
      writeFileSync(logPath(dir), Buffer.concat([readFileSync(logPath(dir)), Buffer.alloc(9)]));
      const env = new FaultyEnv();
      env.fail({ operation, call: 1, errno: 'EIO', suffix: '.log' });
      await t.rejects(open(dir, 0, { env }), { code: 'IO_ERROR' }, operation);
    }
  },
);

t.test(
  'a flipped bit anywhere before the last batch cuts nothing and is never served',
  async (t) => {
    const batches = chain(0, 4, 12);
    const dir = write(t, batches);
    const whole = readFileSync(logPath(dir));
    const lastAt = whole.length - (batches[3] as Buffer).length;
    const bases = [0, 1, 3, 6];
    const next = [1, 3, 6, 7];
    let flips = 0;
    let invisible = 0;
    for (let at = 0; at < lastAt; at++) {
      const hit = batches.findIndex(
        (_, index) =>
          at < batches.slice(0, index + 1).reduce((sum, bytes) => sum + bytes.length, 0),
      );
      const start = batches.slice(0, hit).reduce((sum, bytes) => sum + bytes.length, 0);
      for (let bit = 0; bit < 8; bit++) {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] as number) ^ (1 << bit);
        writeFileSync(logPath(dir), bytes);
        const segment = await open(dir, 0, { config: tiny });
        flips++;
        const seen = readAll(segment, 0);
        const size = statSync(logPath(dir)).size;
        segment.close();
        // The leader epoch is not in the CRC and says nothing about the records.
        const inEpoch = at - start >= 12 && at - start < 16;
        const range = `${bases[hit]}-${next[hit]}`;
        const expected = inEpoch
          ? bases
          : bases.map((base, index) => (index === hit ? range : base));
        if (inEpoch) invisible++;
        if (size !== whole.length || JSON.stringify(seen) !== JSON.stringify(expected)) {
          t.same(
            [size, seen],
            [whole.length, expected],
            `bit ${bit} of byte ${at - start} of ${hit}`,
          );
        }
      }
    }
    t.equal(invisible, 3 * 32, 'only the leader epochs');
    t.pass(`${flips} flips`);
  },
);

t.test(
  'a flipped bit in the last batch: cut if it may be torn, kept if it was durable',
  async (t) => {
    const batches = chain(0, 4, 12);
    const dir = write(t, batches);
    const whole = readFileSync(logPath(dir));
    const lastAt = whole.length - (batches[3] as Buffer).length;
    for (let at = lastAt; at < whole.length; at++) {
      for (const recoveryPoint of [6, 7]) {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] as number) ^ 4;
        writeFileSync(logPath(dir), bytes);
        const segment = await open(dir, 0, { config: tiny, recoveryPoint: offset(recoveryPoint) });
        const seen = readAll(segment, 0);
        const { size } = statSync(logPath(dir));
        const inHeader = at - lastAt < 8 || (at - lastAt >= 12 && at - lastAt < 16);
        if (inHeader) {
          // A good CRC: it was never torn, so never cut. A jump ahead that nothing contradicts is read.
          t.equal(size, whole.length);
          t.ok(segment.nextOffset >= 7 || seen.length === 4, `byte ${at - lastAt}`);
        } else if (recoveryPoint === 6) {
          t.same(
            [seen, size, segment.nextOffset, segment.appendable],
            [[0, 1, 3], lastAt, 6, true],
          );
        } else {
          t.same([size, segment.appendable], [whole.length, false]);
          t.same(seen.slice(0, 3), [0, 1, 3]);
          t.equal(seen.length, 4, 'the rest is damage');
          t.ok(segment.nextOffset >= 7, 'the durable offset is not given out again');
        }
        segment.close();
      }
    }
  },
);

t.test('a rolled segment is never cut, however its tail looks', async (t) => {
  const batches = chain(0, 4, 12);
  for (const lost of [1, 50, 120]) {
    const dir = write(t, batches);
    const whole = readFileSync(logPath(dir));
    writeFileSync(logPath(dir), whole.subarray(0, whole.length - lost));
    const segment = await open(dir, 0, { config: tiny, nextBaseOffset: offset(7) });
    t.equal(statSync(logPath(dir)).size, whole.length - lost);
    t.equal(segment.recovery.truncatedBytes, 0);
    const torn = lost > (batches[3] as Buffer).length ? '3-7' : '6-7';
    t.equal(readAll(segment, 0).at(-1), torn, 'up to the next segment');
    t.same(segment.read(6, 100, { minOneMessage: true }).status, 'damaged');
    segment.close();
  }
});

t.test('two damages, one after another, and what is between them is served', async (t) => {
  const batches = chain(0, 9, 30);
  const dir = write(t, batches);
  const bytes = readFileSync(logPath(dir));
  const at = (index: number): number =>
    batches.slice(0, index).reduce((sum, other) => sum + other.length, 0);
  bytes.fill(0xff, at(2) + 3, at(2) + 40);
  bytes.fill(0, at(5) + 70, at(6) + 30);
  writeFileSync(logPath(dir), bytes);
  const segment = await open(dir, 0, { config: tiny });
  t.same(readAll(segment, 0), [0, 1, '3-6', 6, 7, '9-13', 13, 15]);
  t.same(readAll(segment, 0, 100_000), [0, 1, '3-6', 6, 7, '9-13', 13, 15], 'in large reads');
  segment.append([batch(18)]);
  t.same(readAll(segment, 11), ['9-13', 13, 15, 18]);
  t.same(
    segment.damaged.map((range) => [range.position, range.endPosition]),
    [
      [at(2), at(3)],
      [at(5), at(7)],
    ],
  );
  t.equal(segment.offsetForTimestamp(1_700_000_000_000 + 13, 0)?.offset, 13);
  t.equal(segment.offsetForTimestamp(1_700_000_000_000 + 3, 0)?.offset, 6);
  segment.close();
  const again = await open(dir, 0, { config: tiny });
  t.same(readAll(again, 0), [0, 1, '3-6', 6, 7, '9-13', 13, 15, 18]);
  again.close();
});

t.test(
  'batches that do not belong where they are: kept, not served, offsets not reused',
  async (t) => {
    const good = chain(0, 6, 30);
    const [a, b, c, d, e, f] = good as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
    const moved = (bytes: Buffer, base: number): Buffer => {
      const copy = Buffer.from(bytes);
      copy.writeBigInt64BE(BigInt(base), 0);
      return copy;
    };
    const cases: [string, Buffer[], (number | string)[]][] = [
      ['a flipped bit ahead', [a, moved(b, 1 + 4096), c, d], [0, '1-3', 3, 6]],
      ['a flipped bit back', [a, b, c, moved(d, 2), e], [0, 1, 3, '6-7', 7]],
      ['beyond the segment', [a, moved(b, 2 ** 40), c], [0, '1-3', 3]],
      ['the same once more', [a, b, b, c], [0, 1, 3]],
      ['an old one at the end', [a, b, c, a], [0, 1, 3, '6-7']],
      ['a gap, as compaction leaves it', [a, b, e, f], [0, 1, 7, 9]],
    ];
    for (const [name, batches, expected] of cases) {
      const dir = tempDir(t);
      writeFileSync(logPath(dir), Buffer.concat(batches));
      const segment = await open(dir, 0, { config: tiny });
      t.same(readAll(segment, 0), expected, name);
      t.equal(statSync(logPath(dir)).size, Buffer.concat(batches).length, name);
      t.ok(segment.nextOffset >= batches.length, name);
      segment.close();
    }
  },
);

t.test('a batch inside the value of a torn batch is never served as one of ours', async (t) => {
  const inner = chain(3, 3, 20);
  const builder = new BatchBuilder();
  builder.append({ timestamp: 1, value: Buffer.concat([Buffer.alloc(10, 'x'), ...inner]) });
  const outer = Buffer.from(builder.build({ baseOffset: 1, leaderEpoch: 0 }));
  const before = batch(0);
  const whole = Buffer.concat([before, outer]);
  for (let size = before.length; size < whole.length; size++) {
    const dir = tempDir(t);
    writeFileSync(logPath(dir), whole.subarray(0, size));
    const segment = await open(dir, 0, { config: tiny });
    const seen = readAll(segment, 0);
    // Where a whole inner batch is in the torn one it stays unclear what it is: kept, not served.
    const first = seen.shift();
    if (first !== 0 || seen.some((entry) => typeof entry === 'number')) t.same(seen, [], `${size}`);
    const next = segment.nextOffset;
    if (segment.appendable ? next !== 1 : next <= 1) t.fail(`next ${next} at ${size}`);
    segment.close();
  }
  t.pass();
});

t.test('a wrong length is found out by the CRC up to the next batch', async (t) => {
  const batches = chain(0, 5, 30);
  for (const length of [0, 30, 60, 5000, 2 ** 31 - 1, -5]) {
    const dir = write(t, batches);
    const bytes = readFileSync(logPath(dir));
    const at = (batches[0] as Buffer).length;
    bytes.writeInt32BE(length, at + 8);
    writeFileSync(logPath(dir), bytes);
    const segment = await open(dir, 0, { config: tiny });
    t.same(readAll(segment, 0), [0, '1-3', 3, 6, 7], `length ${length}`);
    t.equal(statSync(logPath(dir)).size, bytes.length);
    segment.close();
  }
});

t.test('damage that is longer than one read is stepped over', async (t) => {
  const batches = [batch(0), batch(1, 1, undefined, 3 * 1024 * 1024), batch(2), batch(3)];
  const dir = write(t, batches);
  const bytes = readFileSync(logPath(dir));
  const at = (batches[0] as Buffer).length;
  // No header to go by, and a value full of what might be a magic byte.
  bytes.fill(2, at, at + (batches[1] as Buffer).length);
  writeFileSync(logPath(dir), bytes);
  const segment = await open(dir, 0, { config: tiny });
  t.same(readAll(segment, 0), [0, '1-2', 2, 3]);
  segment.close();
});

t.test('rot that comes while a segment is in use is not served, and nothing is cut', async (t) => {
  const batches = chain(0, 400, 30);
  const at = batches.slice(0, 150).reduce((sum, bytes) => sum + bytes.length, 0);
  for (const nextBaseOffset of [null, offset(1000)]) {
    const dir = write(t, batches);
    const segment = await open(dir, 0, { config: tiny, clean: true, nextBaseOffset });
    t.equal(segment.nextOffset, 799);
    const bytes = readFileSync(logPath(dir));
    bytes.fill(0, at, at + 61);
    writeFileSync(logPath(dir), bytes);
    // One batch at a time, so that each header is looked at: what is sent is not (that is a scrubber's).
    const seen = readAll(segment, 0, 1);
    t.same(
      seen.filter((entry) => typeof entry === 'string'),
      ['300-301'],
    );
    t.equal(seen.length, 400);
    t.equal(segment.nextOffset, 799);
    t.equal(statSync(logPath(dir)).size, bytes.length);
    segment.close();
  }
});

t.test('rot in the tail of a segment in use ends appends there, above every offset', async (t) => {
  const batches = chain(0, 400, 30);
  const dir = write(t, batches);
  const segment = await open(dir, 0, { config: tiny, clean: true });
  const bytes = readFileSync(logPath(dir));
  bytes.fill(0, segment.positionFor(300)?.position);
  writeFileSync(logPath(dir), bytes);
  const seen = readAll(segment, 0, 1);
  t.equal(seen.at(-1), '300-799');
  t.equal(segment.nextOffset, 799);
  t.equal(segment.appendable, false);
  t.equal(statSync(logPath(dir)).size, bytes.length);
  segment.close();
});

t.test('whatever the indexes say, the answers are those of the log', async (t) => {
  const batches = chain(0, 300, 60);
  const dir = write(t, batches);
  const other = write(t, chain(0, 299, 75));
  const index = readFileSync(indexPath(dir));
  const times = readFileSync(timeIndexPath(dir));
  const truth = await open(dir, 0, { config: tiny });
  const expected = readAll(truth, 0);
  const lookups = (segment: Segment): unknown[] =>
    [-1, 0, 5, 100, 300, 598, 599, 10_000].map((ms) => [
      segment.offsetForTimestamp(1_700_000_000_000 + ms, 0)?.offset,
      segment.positionFor(Math.max(0, ms))?.position,
    ]);
  const answers = (segment: Segment): unknown[] => [
    // First of all, and each on its own: a time look-up that finds a lie repairs the indexes.
    Array.from({ length: 86 }, (_, at) => segment.positionFor(at * 7)?.position),
    segment.nextOffset,
    segment.maxTimestampMs,
    segment.maxTimestampOffset(),
    lookups(segment),
  ];
  const expectedAnswers = answers(truth);
  truth.close();
  const flipped = (bytes: Buffer, at: number): Buffer => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] as number) ^ 16;
    return copy;
  };
  /** Entries in order, with the key of one batch and the value of another; the last one is true. */
  const shifted = (bytes: Buffer, entry: number, by: number): Buffer => {
    const count = bytes.length / entry;
    const entries: Buffer[] = [];
    for (let slot = Math.max(0, -by); slot < count - 1 - Math.max(0, by); slot++) {
      const key = bytes.subarray(slot * entry, slot * entry + entry - 4);
      const valueAt = (slot + by) * entry + entry - 4;
      entries.push(Buffer.concat([key, bytes.subarray(valueAt, valueAt + 4)]));
    }
    return Buffer.concat([...entries, bytes.subarray((count - 1) * entry)]);
  };
  const variants = (bytes: Buffer, entry: number, foreign: Buffer): [string, Buffer | null][] => [
    ['missing', null],
    ['empty', Buffer.alloc(0)],
    ['an entry', bytes.subarray(0, entry)],
    ['half', bytes.subarray(0, entry * Math.floor(bytes.length / entry / 2))],
    ['torn', bytes.subarray(0, bytes.length - 1)],
    ['zeros', Buffer.alloc(bytes.length)],
    ['zeros behind', Buffer.concat([bytes, Buffer.alloc(entry * 1000)])],
    ['half zeros', Buffer.concat([bytes.subarray(0, entry * 20), Buffer.alloc(entry * 50)])],
    ['zeros first', Buffer.concat([Buffer.alloc(entry * 2), bytes.subarray(entry * 2)])],
    ['of another segment', foreign],
    ['without a middle', Buffer.concat([bytes.subarray(0, entry * 9), bytes.subarray(entry * 60)])],
    ['backwards', Buffer.from(bytes).reverse()],
    ['in order, but about later batches', shifted(bytes, entry, 1)],
    ['in order, but about much later batches', shifted(bytes, entry, 40)],
    ['in order, but about earlier batches', shifted(bytes, entry, -3)],
    ...Array.from({ length: 60 }, (_, at): [string, Buffer] => [
      `bit of byte ${at * 13}`,
      flipped(bytes, (at * 13) % bytes.length),
    ]),
    ...Array.from({ length: entry }, (_, at): [string, Buffer] => [
      `bit of byte ${at} of the last entry`,
      flipped(bytes, bytes.length - entry + at),
    ]),
  ];
  const put = (path: string, bytes: Buffer | null, dir: string): void => {
    if (bytes !== null) writeFileSync(path.replace(dir, dir), bytes);
  };
  const kinds = [
    ['index', variants(index, 8, readFileSync(indexPath(other)))],
    ['timeindex', variants(times, 12, readFileSync(timeIndexPath(other)))],
  ] as const;
  for (const [kind, all] of kinds) {
    for (const [name, bytes] of all) {
      const opens = [
        ['clean', { clean: true }],
        ['sealed', { clean: true, nextBaseOffset: offset(10_000) }],
        ['unclean', {}],
      ] as const;
      for (const [how, options] of opens) {
        const work = join(dir, `${kind}-${name}-${how}`);
        mkdirSync(work);
        copyFileSync(logPath(dir), logPath(work));
        put(indexPath(work), kind === 'index' ? bytes : index, work);
        put(timeIndexPath(work), kind === 'timeindex' ? bytes : times, work);
        const segment = await open(work, 0, { config: tiny, ...options });
        const label = `${kind}: ${name}, ${how}`;
        const got = answers(segment);
        if (JSON.stringify(got) !== JSON.stringify(expectedAnswers))
          t.same(got, expectedAnswers, label);
        const seen = readAll(segment, 0, 2000);
        if (JSON.stringify(seen) !== JSON.stringify(expected)) t.same(seen, expected, label);
        segment.close();
        // An unclean start leaves files that are right.
        if (how === 'unclean' && !readFileSync(indexPath(work)).equals(index)) t.fail(label);
      }
    }
  }
  t.pass();
});
