// Reads record batch headers from a partition's .log files: a second look at what a broker stored, with no code of it.

import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { type Codec, codecs } from './client.js';

export type StoredBatch = {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly codec: Codec | undefined;
  readonly producerId: number;
  readonly baseSequence: number;
  readonly sizeInBytes: number;
};

const HEADER_SIZE = 61;

/** The batch that holds an offset. */
export function storedBatch(dataDir: string, topic: string, offset: number): StoredBatch {
  const dir = join(dataDir, `${topic}-0`);
  const logs = readdirSync(dir).filter((name) => name.endsWith('.log'));
  const base = logs
    .sort()
    .filter((name) => Number.parseInt(name, 10) <= offset)
    .at(-1);
  if (base !== undefined) {
    for (const batch of batches(join(dir, base))) {
      if (batch.baseOffset <= offset && offset <= batch.lastOffset) return batch;
    }
  }
  throw new Error(`${dir}: no batch with offset ${offset}`);
}

function* batches(path: string): Generator<StoredBatch> {
  const fd = openSync(path, 'r');
  try {
    const end = fstatSync(fd).size;
    const header = Buffer.alloc(HEADER_SIZE);
    for (let position = 0; position + HEADER_SIZE <= end; ) {
      readSync(fd, header, 0, HEADER_SIZE, position);
      const sizeInBytes = 12 + header.readInt32BE(8);
      if (header[16] !== 2) throw new Error(`${path}: magic ${header[16]} at ${position}`);
      const baseOffset = Number(header.readBigInt64BE(0));
      yield {
        baseOffset,
        lastOffset: baseOffset + header.readInt32BE(23),
        codec: codecs[header.readInt16BE(21) & 7],
        producerId: Number(header.readBigInt64BE(43)),
        baseSequence: header.readInt32BE(53),
        sizeInBytes,
      };
      position += sizeInBytes;
    }
  } finally {
    closeSync(fd);
  }
}
