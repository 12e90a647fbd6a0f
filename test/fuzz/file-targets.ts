/** Every file that is read at a start or by a tool: whatever a crash or a disk has made of it. */

import type { Offset } from '#src/base/offset.js';
import { parseProperties } from '#src/broker/properties.js';
import { dumpFile } from '#src/cli/commands/log-dump.js';
import { decodeMetadataDocument, encodeMetadataDocument } from '#src/cluster/metadata-document.js';
import { topic } from '#src/cluster/metadata-image.js';
import { OffsetIndex } from '#src/index/offset-index.js';
import { TimeIndex } from '#src/index/time-index.js';
import { parseTransactionIndex } from '#src/index/transaction-index.js';
import {
  formatLeaderEpochs,
  formatOffsetCheckpoint,
  formatPartitionMetadata,
  parseLeaderEpochs,
  parseOffsetCheckpoint,
  parsePartitionMetadata,
} from '#src/log/checkpoints.js';
import { decodeCopy, encodeCopy } from '#src/log/kept-file.js';
import { formatMetaProperties, parseMetaProperties } from '#src/log/meta-properties.js';
import { decodeProducerSnapshot, encodeProducerSnapshot } from '#src/log/producer-snapshot.js';
import { crc32c } from '#src/record/checksum.js';
import { sealMessage } from '#src/record/message.js';
import { checkSegment } from '#src/segment/check.js';
import { decodeChecksums, encodeChecksums } from '#src/segment/checksums.js';
import { memoryEnv, memoryFile } from './memory-file.js';
import { marker, reseal, sampleBatch } from './record-targets.js';
import { type FuzzTarget, hold, same } from './target.js';

const NAME = '00000000000000000000';

function indexBytes(entrySize: 8 | 12, count: number): Buffer {
  const bytes = Buffer.alloc(entrySize * count);
  for (let i = 0; i < count; i++) {
    const at = i * entrySize;
    if (entrySize === 12) bytes.writeBigInt64BE(1_700_000_000_000n + BigInt(i * 7), at);
    bytes.writeInt32BE(i * 3, at + entrySize - 8 + (entrySize === 12 ? 4 : 0));
    if (entrySize === 8) bytes.writeInt32BE(i * 100, at + 4);
  }
  return bytes;
}

function indexTarget(name: string, entrySize: 8 | 12): FuzzTarget {
  const make = (files: ReadonlyMap<string, Uint8Array>): OffsetIndex | TimeIndex => {
    const options = { env: memoryEnv(files), path: `/${NAME}`, bytesMax: 2 ** 20 };
    return entrySize === 8 ? new OffsetIndex(options) : new TimeIndex(options);
  };
  return {
    name,
    samples: [0, 1, 5, 600].map((count) => indexBytes(entrySize, count)),
    run(bytes, random) {
      const index = make(new Map([[NAME, bytes]]));
      const fault = index.load();
      hold(fault === null || index.count === 0, 'nothing of a faulty file is used');
      hold(index.count * entrySize <= bytes.length, 'no more entries than bytes');
      for (let i = 0; i < 4; i++) {
        const slot = random.below(Math.max(1, index.count));
        const key = index.count === 0 ? 0 : index.keyAt(slot) - 1 + random.below(3);
        const found = index.floor(key);
        let wanted = Math.min(slot + 1, index.count - 1);
        while (wanted >= 0 && index.keyAt(wanted) > key) wanted--;
        hold(found === wanted, `${key} is found where a plain search finds it`);
      }
      return fault === null;
    },
  };
}

const transactionIndex: FuzzTarget = {
  name: 'transaction index',
  samples: [0, 1, 4].map((count) => {
    const bytes = Buffer.alloc(34 * count);
    for (let i = 0; i < count; i++) {
      [7, i * 10, i * 10 + 5, i * 10 + 6].forEach((value, field) => {
        bytes.writeBigInt64BE(BigInt(value), 34 * i + 2 + 8 * field);
      });
    }
    return bytes;
  }),
  run(bytes) {
    const parsed = parseTransactionIndex(bytes, 0);
    if (typeof parsed === 'string') return false;
    let before = -1;
    for (const { firstOffset, lastOffset } of parsed) {
      hold(firstOffset <= lastOffset && lastOffset > before, 'entries rise');
      before = lastOffset;
    }
    return true;
  },
};

const snapshot: FuzzTarget = {
  name: 'producer snapshot',
  samples: [0, 1, 3].map((count) =>
    encodeProducerSnapshot(
      Array.from({ length: count }, (_, i) => ({
        producerId: i,
        epoch: 1,
        coordinatorEpoch: -1,
        lastTimestampMs: 5,
        transactionFirstOffset: -1,
        batches: [{ lastSequence: 4, lastOffset: 9 as Offset, offsetDelta: 2, timestampMs: 5 }],
      })),
    ),
  ),
  run(bytes, random) {
    if (bytes.length >= 10 && random.below(2) === 0) {
      sealMessage(bytes, 1, bytes.length, { magic: 1 });
    }
    const entries = decodeProducerSnapshot(bytes);
    hold(entries === null || 10 + entries.length * 46 === bytes.length, 'all of it is entries');
    return entries !== null;
  },
};

/** A text that parses means the same after it is written and parsed again. */
function textTarget<T>(
  name: string,
  samples: readonly string[],
  parse: (text: string) => T | null,
  format: ((value: T) => string) | null,
): FuzzTarget {
  return {
    name,
    samples: samples.map((text) => Buffer.from(text)),
    run(bytes) {
      const parsed = parse(bytes.toString('utf8'));
      if (parsed === null) return false;
      if (format !== null)
        hold(same(parse(format(parsed)), parsed), 'it is written as it was read');
      return true;
    },
  };
}

const offsets = new Map([
  ['orders-0', 7 as Offset],
  ['a-b-12', 99 as Offset],
]);
const epochs = [
  { epoch: 0, startOffset: 0 as Offset },
  { epoch: 3, startOffset: 120 as Offset },
];
const document = encodeMetadataDocument({
  revision: 3,
  nextProducerId: 1000,
  topics: [
    topic({
      name: 'orders',
      id: 'tZ4NdPrERqqWzgiThXTbLA',
      partitionCount: 3,
      configs: { 'retention.ms': '-1' },
      state: 'live',
    }),
  ],
});

const metadataDocument: FuzzTarget = {
  name: 'metadata document',
  samples: [document],
  run: (bytes) => decodeMetadataDocument(bytes).ok,
};

/** The JSON behind a checksum that is right, which no mutation finds by chance. */
const metadataBody: FuzzTarget = {
  name: 'metadata document, sealed',
  samples: [document.subarray(document.indexOf(10) + 1)],
  run(bytes) {
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString('utf8'));
    } catch {
      return false;
    }
    // Sealed by the encoder where it can be: its fields are what is hostile.
    const sealed = allowingAll(() => encodeMetadataDocument(value as never));
    return sealed !== null && decodeMetadataDocument(sealed).ok;
  },
};

function allowingAll<T>(make: () => T): T | null {
  try {
    return make();
  } catch {
    return null;
  }
}

const properties =
  '# head\nlisteners = PLAINTEXT://:9092\nlog.dirs:/a\\\n  ,/b\nkey\\ 1 v\\u00e9\n!x\n';

const log = Buffer.concat([
  sampleBatch(0, 3),
  sampleBatch(3, 2, 'gzip'),
  sampleBatch(5, 1),
  Buffer.from(marker),
]);
log.writeBigInt64BE(6n, log.length - marker.length);

function dumpTarget(kind: 'log' | 'index' | 'timeindex', samples: Uint8Array[]): FuzzTarget {
  return {
    name: `log dump of .${kind}`,
    samples,
    allocationMax: 80 * 2 ** 20,
    run(bytes, random) {
      const files = new Map([[`${NAME}.log`, log as Uint8Array]]);
      files.set(`${NAME}.${kind}`, bytes);
      const options = { records: random.below(2) === 0, json: random.below(2) === 0 };
      let lines = 0;
      const out = (): void => void lines++;
      const code = dumpFile(`/${NAME}.${kind}`, { ...options, out, env: memoryEnv(files) });
      hold(lines <= 4 * bytes.length + 10, 'no more lines than bytes');
      return code === 0;
    },
  };
}

const recovery: FuzzTarget = {
  name: 'segment check',
  samples: [log, log.subarray(0, log.length - 5), Buffer.alloc(0)],
  run(bytes, random) {
    if (random.below(4) === 0) reseal(bytes);
    const result = checkSegment({
      env: memoryEnv(new Map()),
      file: memoryFile(`/${NAME}.log`, bytes),
      size: bytes.length,
      baseOffset: 0 as Offset,
      nextBaseOffset: random.below(2) === 0 ? null : (7 as Offset),
      recoveryPoint: random.below(8) as Offset,
      indexIntervalBytes: 50,
      indexBytesMax: 2 ** 20,
    });
    hold(result.size >= 0 && result.size <= bytes.length, 'it only cuts');
    let position = 0;
    for (const range of result.damaged) {
      hold(range.position >= position && range.endPosition > range.position, 'ranges in order');
      position = range.endPosition;
    }
    hold(position <= result.size, 'ranges inside what is kept');
    hold(result.nextOffset >= 0, 'an offset to go on with');
    return result.damaged.length === 0 && result.size === bytes.length;
  },
};

/** With a CRC at its end that is right, which no mutation finds by chance. */
function sealedTarget(
  name: string,
  samples: readonly Uint8Array[],
  decode: (bytes: Buffer) => Uint8Array | null,
): FuzzTarget {
  return {
    name,
    samples: samples.map((bytes) => Buffer.from(bytes)),
    run(bytes) {
      if (bytes.length < 4) return decode(bytes) !== null;
      const sealed = Buffer.from(bytes);
      const end = sealed.length - 4;
      sealed.writeUInt32BE(crc32c(sealed, 0, end), end);
      const encoded = decode(sealed);
      hold(encoded === null || encoded.length === sealed.length, 'nothing of it is passed over');
      return encoded !== null;
    },
  };
}

const identity = { inode: 7, modifiedMs: 1_700_000_000_000.5 };
const checksums = { baseOffset: 4096, length: 65_537, modifiedMs: 1_700_000_000_000.5 };

export const fileTargets: readonly FuzzTarget[] = [
  sealedTarget('copy of a file', [encodeCopy(identity, Buffer.from('0\n0\n'))], (bytes) => {
    const copy = decodeCopy(bytes);
    return copy === null ? null : encodeCopy(copy, copy.bytes);
  }),
  sealedTarget(
    'checksums',
    [null, 9].map((transactionIndexCrc) =>
      encodeChecksums({ ...checksums, crcs: Uint32Array.of(1, 2), transactionIndexCrc }),
    ),
    (bytes) => {
      const found = decodeChecksums(bytes);
      return found === null ? null : encodeChecksums(found);
    },
  ),
  indexTarget('offset index', 8),
  indexTarget('time index', 12),
  transactionIndex,
  snapshot,
  textTarget(
    'offset checkpoint',
    [formatOffsetCheckpoint(offsets)],
    parseOffsetCheckpoint,
    formatOffsetCheckpoint,
  ),
  textTarget(
    'leader epoch checkpoint',
    [formatLeaderEpochs(epochs)],
    parseLeaderEpochs,
    formatLeaderEpochs,
  ),
  textTarget(
    'partition.metadata',
    [formatPartitionMetadata('tZ4NdPrERqqWzgiThXTbLA')],
    parsePartitionMetadata,
    formatPartitionMetadata,
  ),
  textTarget(
    'meta.properties',
    [formatMetaProperties({ nodeId: 1, clusterId: 'c', directoryId: 'd' })],
    parseMetaProperties,
    null,
  ),
  textTarget('server.properties', [properties], parseProperties, null),
  metadataDocument,
  metadataBody,
  recovery,
  dumpTarget('log', [log]),
  dumpTarget('index', [indexBytes(8, 5)]),
  dumpTarget('timeindex', [indexBytes(12, 5)]),
];
