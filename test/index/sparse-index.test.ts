import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemEnv } from '#src/file/env.js';
import { OffsetIndex } from '#src/index/offset-index.js';
import { TimeIndex } from '#src/index/time-index.js';
import { FaultyEnv } from '../file/faulty-env.js';
import { tempDir } from '../file/temp-dir.js';

const MAX = 10_485_760;

function offsetIndex(path: string, bytesMax = MAX, env = systemEnv): OffsetIndex {
  return new OffsetIndex({ env, path, bytesMax });
}

function timeIndex(path: string, bytesMax = MAX): TimeIndex {
  return new TimeIndex({ env: systemEnv, path, bytesMax });
}

t.test('entries are byte for byte as Kafka writes them', (t) => {
  const dir = tempDir(t);
  const offsets = offsetIndex(join(dir, 'index'));
  offsets.append(0x01020304, 0x05060708);
  offsets.append(0x7fffffff, 0x7ffffffe);
  offsets.write();
  offsets.close();
  t.equal(readFileSync(join(dir, 'index'), 'hex'), '01020304050607087fffffff7ffffffe');
  const times = timeIndex(join(dir, 'timeindex'));
  t.equal(times.maybeAppend(-1, -1, 0), false, 'no timestamp, no entry');
  t.equal(times.maybeAppend(0x0000018b, 0xcfe56800 | 0, 5), true);
  t.equal(times.maybeAppend(0x0000018b, 0xcfe56800 | 0, 9), false, 'nothing new');
  t.equal(times.maybeAppend(0x17979cfe, 0x362a0000, 9), true, 'nanoseconds, as raw bits');
  times.write();
  times.close();
  const hex = '0000018bcfe568000000000517979cfe362a000000000009';
  t.equal(readFileSync(join(dir, 'timeindex'), 'hex'), hex);
  const again = timeIndex(join(dir, 'timeindex'));
  t.equal(again.load(), null);
  t.equal(again.keyAt(0), 1_700_000_000_000);
  t.same([again.floor(1_699_999_999_999), again.floor(1_700_000_000_000), again.count], [-1, 0, 2]);
  t.equal(again.relativeOffsetAt(1), 9);
  t.end();
});

t.test('entries gather, are written as a run, and come back', (t) => {
  const path = join(tempDir(t), 'index');
  const index = offsetIndex(path);
  let appended = 0;
  while (!index.writeDue) {
    appended++;
    index.append(appended * 3, appended * 100);
  }
  t.equal(appended, 512, 'a page of entries');
  t.equal(existsSync(path), false);
  index.write();
  t.equal(statSync(path).size, 4096);
  index.append(10_000, 1_000_000);
  index.write();
  index.write();
  t.equal(statSync(path).size, 4104);
  index.close();
  const again = offsetIndex(path);
  t.equal(again.load(), null);
  t.equal(again.count, 513);
  t.equal(again.floor(9999), 511);
  t.equal(again.floor(10_000), 512);
  t.equal(again.positionAt(512), 1_000_000);
  again.append(10_001, 1_000_001);
  again.write();
  t.equal(statSync(path).size, 4112);
  again.close();
  t.end();
});

t.test('full as Kafka counts it: the time index keeps a slot for the end', (t) => {
  const dir = tempDir(t);
  const offsets = offsetIndex(join(dir, 'index'), 47);
  const times = timeIndex(join(dir, 'timeindex'), 47);
  t.same([offsets.countMax, times.countMax], [5, 3]);
  for (let entry = 1; entry <= 5; entry++) {
    t.equal(offsets.isFull, false);
    offsets.append(entry, entry * 10);
  }
  t.equal(offsets.isFull, true);
  times.maybeAppend(0, 1, 1);
  t.equal(times.isFull, false);
  times.maybeAppend(0, 2, 2);
  t.equal(times.isFull, true);
  t.end();
});

t.test('what is no index is told from what is one', (t) => {
  const dir = tempDir(t);
  const entry = (a: number, b: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeInt32BE(a, 0);
    bytes.writeInt32BE(b, 4);
    return bytes;
  };
  const good = [entry(256, 4096), entry(512, 8192)];
  const cases: [string, Buffer, string | null, number][] = [
    ['empty', Buffer.alloc(0), null, 0],
    ['good', Buffer.concat(good), null, 2],
    ['zeros of a preallocated file', Buffer.concat([...good, Buffer.alloc(8000)]), null, 2],
    ['zeros that end in an entry', Buffer.concat([...good, Buffer.alloc(8003)]), null, 2],
    ['nothing but zeros', Buffer.alloc(4096), null, 0],
    ['a torn entry', Buffer.concat([...good, Buffer.from('abc')]), 'size', 0],
    ['offsets fall', Buffer.concat([entry(3, 10), entry(2, 20)]), 'order', 0],
    ['positions fall', Buffer.concat([entry(2, 20), entry(3, 10)]), 'order', 0],
    ['the same twice', Buffer.concat([entry(2, 20), entry(2, 20)]), 'order', 0],
    ['a hole', Buffer.concat([entry(2, 20), Buffer.alloc(8), entry(3, 30)]), 'order', 0],
    ['negative', entry(-2, 20), 'order', 0],
  ];
  for (const [name, bytes, fault, count] of cases) {
    const path = join(dir, name);
    writeFileSync(path, bytes);
    const index = offsetIndex(path);
    t.equal(index.load(), fault, name);
    t.equal(index.count, count, name);
    // Whatever was in the file, what is written next follows the entries and nothing else.
    index.append(10_000, 100_000);
    index.write();
    index.close();
    t.equal(statSync(path).size, (count + 1) * 8, name);
  }
  t.equal(offsetIndex(join(dir, 'none')).load(), 'missing');
  t.equal(offsetIndex(dir).load(), 'unreadable');
  t.end();
});

t.test('truncate cuts the heap and the file', (t) => {
  const dir = tempDir(t);
  for (let keep = 0; keep <= 6; keep++) {
    const path = join(dir, `index${keep}`);
    const index = offsetIndex(path);
    for (let entry = 1; entry <= 4; entry++) index.append(entry * 10, entry * 1000);
    index.write();
    for (let entry = 5; entry <= 6; entry++) index.append(entry * 10, entry * 1000);
    index.truncateTo(keep * 1000 + 1);
    t.equal(index.count, keep);
    t.equal(statSync(path).size, Math.min(keep, 4) * 8);
    index.append(100, 10_000);
    index.write();
    index.close();
    const again = offsetIndex(path);
    again.load();
    t.equal(again.count, keep + 1);
    t.equal(again.keyAt(keep), 100);
  }
  const times = timeIndex(join(dir, 'timeindex'));
  for (let entry = 1; entry <= 4; entry++) times.maybeAppend(0, entry * 100, entry * 10);
  times.truncateTo(30);
  t.equal(times.count, 2, 'entries of batches that are cut go');
  t.end();
});

t.test('a write that fails keeps the entries for the next one', (t) => {
  const path = join(tempDir(t), 'index');
  const env = new FaultyEnv();
  const index = offsetIndex(path, MAX, env);
  index.append(1, 10);
  index.write();
  index.append(2, 20);
  env.fail({ operation: 'pwritev', call: 1, errno: 'ENOSPC', written: 5 });
  t.throws(() => index.write(), { code: 'NO_SPACE' });
  t.equal(index.count, 2);
  index.unload();
  t.equal(index.count, 2, 'entries that are nowhere else are not forgotten');
  index.write();
  index.unload();
  t.equal(index.count, 0);
  t.equal(index.load(), null);
  t.equal(index.count, 2);
  t.equal(index.floor(2), 1);
  index.close();
  t.end();
});
