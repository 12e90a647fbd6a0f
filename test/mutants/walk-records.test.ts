/**
 * Records that almost fit: a byte too many inside a record, offset deltas that do not rise. Both walkers
 * have to refuse them, the addon's and its twin.
 */

import t from 'tap';
import { crc32cPortable } from '#src/native/crc32c.js';
import { walkBatchesTwin } from '#src/record/batch-walk.js';
import { addon, needsNative, unpooled } from '../native/support.js';

const END = 0;
const BAD_RECORDS = 7;
const RECORDS = 2;
const SPARSE = 4;

/** Zigzag; small numbers are one byte. */
const varint = (value: number): number => value * 2;

/** `extra` bytes lie behind its last header, inside its length. */
function record(offsetDelta: number, extra = 0): number[] {
  const nullKey = 1;
  const body = [0, 0, varint(offsetDelta), nullKey, varint(1), 0x76, 0];
  for (let i = 0; i < extra; i++) body.push(0);
  return [varint(body.length), ...body];
}

function batch(records: readonly number[][], lastOffsetDelta: number): Uint8Array {
  const block = records.flat();
  const bytes = Buffer.alloc(61 + block.length);
  bytes.writeInt32BE(49 + block.length, 8);
  bytes[16] = 2;
  bytes.writeInt32BE(lastOffsetDelta, 23);
  bytes.writeBigInt64BE(-1n, 43);
  bytes.writeInt16BE(-1, 51);
  bytes.writeInt32BE(-1, 53);
  bytes.writeInt32BE(records.length, 57);
  bytes.set(block, 61);
  bytes.writeUInt32BE(crc32cPortable(bytes, 21, bytes.length - 21, 0), 17);
  return unpooled(bytes);
}

const walks: [string, typeof walkBatchesTwin, typeof needsNative][] = [
  ['addon', (...args) => addon().walkBatches(...args), needsNative],
  ['twin', walkBatchesTwin, {}],
];

for (const [name, walk, options] of walks) {
  const stopOf = (bytes: Uint8Array, flags: number): number | undefined => {
    const out = new Float64Array(2 + 16);
    walk(bytes, 0, bytes.length, out, flags);
    return out[1];
  };

  t.test(`${name}: a record ends where its last header does`, options, async (t) => {
    t.equal(stopOf(batch([record(0), record(1)], 1), RECORDS), END);
    for (const extra of [1, 2, 7]) {
      t.equal(stopOf(batch([record(0, extra), record(1)], 1), RECORDS), BAD_RECORDS);
      t.equal(stopOf(batch([record(0), record(1, extra)], 1), RECORDS), BAD_RECORDS);
    }
  });

  t.test(`${name}: offset deltas rise, and stay below the last`, options, async (t) => {
    const flags = RECORDS | SPARSE;
    t.equal(stopOf(batch([record(1), record(3)], 5), flags), END);
    t.equal(stopOf(batch([record(3), record(3)], 5), flags), BAD_RECORDS, 'twice the same');
    t.equal(stopOf(batch([record(3), record(1)], 5), flags), BAD_RECORDS, 'back');
    t.equal(stopOf(batch([record(1), record(6)], 5), flags), BAD_RECORDS, 'beyond the last');
  });
}
