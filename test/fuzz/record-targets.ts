/** Batches, records and codecs: what a producer can send, and what a disk can do to it. */

import { native } from '#src/native/binding.js';
import { crc32c } from '#src/native/crc32c.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import {
  WALK_CRC,
  WALK_FIRST,
  WALK_RECORDS,
  WALK_SPARSE_OFFSETS,
  WALK_STRIDE,
  walkBatchesTwin,
  walkOut,
} from '#src/record/batch-walk.js';
import { CompressionError, compressionNames } from '#src/record/compression/codec.js';
import { codecById } from '#src/record/compression/codecs.js';
import { buildEndTxnMarker, parseControlRecord } from '#src/record/control-record.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { frameMessage, unframeMessage } from '#src/record/message.js';
import { RecordError } from '#src/record/record.js';
import { validateCompressedRecords } from '#src/record/validate-batch.js';
import { allowing, type FuzzTarget, hold } from './target.js';

const HEADER_SIZE = 61;
/** Cap on what decompression may give here. */
const INFLATED_MAX = 64 * 1024;

export function sampleBatch(
  baseOffset: number,
  count: number,
  compression: (typeof compressionNames)[number] = 'none',
): Uint8Array {
  const builder = new BatchBuilder({
    compression,
    producerId: 7,
    producerEpoch: 0,
    baseSequence: 0,
  });
  for (let i = 0; i < count; i++) {
    builder.append({
      timestamp: 1_700_000_000_000 + i,
      key: i % 3 === 0 ? null : Buffer.from(`key ${i}`),
      value: i % 5 === 0 ? null : Buffer.from(`value ${i} ${'x'.repeat(i % 40)}`),
      headers: i % 4 === 0 ? [{ key: 'h', value: Buffer.from([i]) }] : [],
    });
  }
  const bytes = Buffer.from(builder.build());
  bytes.writeBigInt64BE(BigInt(baseOffset));
  return bytes;
}

export const marker = buildEndTxnMarker({
  type: 'abort',
  coordinatorEpoch: 3,
  producerId: 7,
  producerEpoch: 0,
  timestamp: 1_700_000_000_000,
});

const plain = [1, 2, 10].map((count) => sampleBatch(0, count));
const compressed = compressionNames.map((name) => sampleBatch(0, 12, name));

/** Makes length and CRC of the first batch right again, so that what lies behind them is reached. */
export function reseal(bytes: Buffer): void {
  if (bytes.length < HEADER_SIZE) return;
  const length = bytes.readInt32BE(8);
  const end = length >= 49 && length + 12 <= bytes.length ? length + 12 : bytes.length;
  bytes.writeInt32BE(end - 12, 8);
  bytes[16] = 2;
  bytes.writeUInt32BE(crc32c(bytes, 21, end - 21), 17);
}

const [nativeOut, twinOut] = [walkOut(8), walkOut(8)];

const walk: FuzzTarget = {
  name: 'batch walk, addon and twin',
  samples: [
    ...plain,
    ...compressed,
    marker,
    Buffer.concat([plain[0]!, sampleBatch(1, 2), sampleBatch(3, 4), marker]),
  ],
  run(bytes, random) {
    if (random.below(2) === 0) reseal(bytes);
    const flags = random.below(WALK_CRC | WALK_RECORDS | (WALK_SPARSE_OFFSETS + 1));
    const position = random.below(8) === 0 ? random.below(bytes.length + 1) : 0;
    twinOut.fill(0);
    const count = walkBatchesTwin(bytes, position, bytes.length, twinOut, flags);
    hold(count * HEADER_SIZE <= bytes.length, 'no more batches than bytes');
    if (native !== null) {
      nativeOut.fill(0);
      const other = native.walkBatches(bytes, position, bytes.length, nativeOut, flags);
      hold(count === other, 'as many batches');
      const used = WALK_FIRST + count * WALK_STRIDE;
      for (let i = 0; i < used; i++) {
        hold(Object.is(twinOut[i], nativeOut[i]), `field ${i} is the same`);
      }
    }
    return count > 0;
  },
};

const records: FuzzTarget = {
  name: 'records of a batch',
  samples: [...plain, ...compressed, marker],
  run(bytes) {
    if (bytes.length < HEADER_SIZE) return false;
    reseal(bytes);
    const read = allowing([RecordError, CompressionError], () => {
      let count = 0;
      const cursor = decodeBatch(bytes, 0, { sizeMax: INFLATED_MAX });
      for (const record of cursor) {
        count++;
        hold((record.key?.length ?? -1) === record.keySize, 'a key of its size');
        hold((record.value?.length ?? -1) === record.valueSize, 'a value of its size');
        hold(record.headers.length === record.headerCount, 'as many headers');
        if (record.isControl) parseControlRecord(record.key, record.value);
      }
      hold(count === cursor.recordsCount, 'as many records as the header says');
      return count;
    });
    return read !== null;
  },
};

const compressedRecords: FuzzTarget = {
  name: 'compressed records',
  samples: compressed.slice(1),
  run(bytes) {
    reseal(bytes);
    const flags = WALK_CRC | WALK_RECORDS;
    if (walkBatchesTwin(bytes, 0, bytes.length, twinOut, flags) !== 1) return false;
    if ((bytes.readInt16BE(21) & 7) === 0) return false;
    const found = validateCompressedRecords(bytes, 0, { sizeMax: INFLATED_MAX });
    hold(!found.ok || found.recordsSize <= INFLATED_MAX, 'the cap holds');
    return found.ok;
  },
};

const decompression: FuzzTarget[] = compressionNames.slice(1).map((name, i) => {
  const codec = codecById(i + 1);
  const text = Buffer.from('the quick brown fox '.repeat(30));
  const zeros = Buffer.alloc(100_000);
  return {
    name: `decompress ${name}`,
    samples: [Buffer.alloc(0), Buffer.from('a'), text, zeros].map((bytes) => codec.compress(bytes)),
    run(bytes) {
      const inflated = allowing([CompressionError], () => {
        return codec.decompress(bytes, { sizeMax: INFLATED_MAX });
      });
      hold(inflated === null || inflated.length <= INFLATED_MAX, 'the cap holds');
      return inflated !== null;
    },
    // A window and the working memory of the codec.
    allocationMax: 32 * 2 ** 20,
  };
});

const message: FuzzTarget = {
  name: '1+4+n message',
  samples: ['', 'a', 'payload'].map((text) => frameMessage(Buffer.from(text), { magic: 2 })),
  run(bytes) {
    const found = unframeMessage(bytes, { magic: 2 });
    hold(!found.ok || found.payload.length === bytes.length - 5, 'all of it is payload');
    return found.ok;
  },
};

const controlRecord: FuzzTarget = {
  name: 'control record',
  samples: [Buffer.from('00000001000000000003', 'hex')],
  run(bytes, random) {
    const at = random.below(bytes.length + 1);
    return parseControlRecord(bytes.subarray(0, at), bytes.subarray(at)) !== null;
  },
};

export const recordTargets: readonly FuzzTarget[] = [
  walk,
  records,
  compressedRecords,
  ...decompression,
  message,
  controlRecord,
];
