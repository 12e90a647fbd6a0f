/**
 * Record batches for the verifier of kill -9: built and read by code of its own, so that a mistake in
 * the product's is not repeated here. Slow and plain: a table CRC, records without keys and headers.
 */

const HEADER_SIZE = 61;
const table = new Uint32Array(256);
for (let i = 0; i < 256; i++) {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * 0x82f63b78);
  table[i] = crc >>> 0;
}

function castagnoli(bytes: Buffer, start: number, end: number): number {
  let crc = 0xffffffff;
  for (let i = start; i < end; i++) {
    crc = (crc >>> 8) ^ (table[(crc ^ (bytes[i] as number)) & 0xff] as number);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

export interface Producer {
  readonly id: number;
  readonly epoch: number;
}

/** A batch of version 2 with a record for each value; `producer` null: not idempotent. */
export function encodeBatch(
  values: readonly string[],
  producer: Producer | null,
  baseSequence: number,
  timestampMs: number,
): Buffer {
  const records = Buffer.concat(values.map((value, i) => encodeRecord(value, i)));
  const batch = Buffer.alloc(HEADER_SIZE + records.length);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt32BE(-1, 12);
  batch[16] = 2;
  batch.writeInt32BE(values.length - 1, 23);
  batch.writeBigInt64BE(BigInt(timestampMs), 27);
  batch.writeBigInt64BE(BigInt(timestampMs), 35);
  batch.writeBigInt64BE(BigInt(producer?.id ?? -1), 43);
  batch.writeInt16BE(producer?.epoch ?? -1, 51);
  batch.writeInt32BE(producer === null ? -1 : baseSequence, 53);
  batch.writeInt32BE(values.length, 57);
  records.copy(batch, HEADER_SIZE);
  batch.writeUInt32BE(castagnoli(batch, 21, batch.length), 17);
  return batch;
}

function encodeRecord(value: string, offsetDelta: number): Buffer {
  const bytes = Buffer.from(value);
  const body = Buffer.concat([
    Buffer.from([0]),
    zigzag(0),
    zigzag(offsetDelta),
    zigzag(-1),
    zigzag(bytes.length),
    bytes,
    zigzag(0),
  ]);
  return Buffer.concat([zigzag(body.length), body]);
}

function zigzag(value: number): Buffer {
  const out: number[] = [];
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) + 128);
  out.push(rest);
  return Buffer.from(out);
}

export interface ReadBatches {
  /** In order, with their offsets. */
  readonly records: { readonly offset: number; readonly value: string }[];
  /** Bytes at the end that are no whole batch, or zeros. */
  readonly rest: number;
}

/** The batches of `bytes`; throws on one that is whole and wrong (a wrong last one is a torn tail). */
export function readBatches(bytes: Buffer): ReadBatches {
  const records: { offset: number; value: string }[] = [];
  let at = 0;
  // Zeros may be written ahead of synced appends: a torn batch ends in them, a whole one in one 0.
  const zerosFrom = bytes.findLastIndex((byte) => byte !== 0) + 1;
  while (bytes.length - at >= HEADER_SIZE) {
    const end = at + 12 + bytes.readInt32BE(at + 8);
    if (end > bytes.length || zerosFrom <= at) break;
    const rotten = castagnoli(bytes, at + 21, end) !== bytes.readUInt32BE(at + 17);
    if (rotten && zerosFrom < end - 1) break;
    readBatch(bytes, at, end, records);
    at = end;
  }
  return { records, rest: bytes.length - at };
}

function readBatch(
  bytes: Buffer,
  start: number,
  end: number,
  records: { offset: number; value: string }[],
): void {
  const baseOffset = Number(bytes.readBigInt64BE(start));
  const fail = (what: string): never => {
    throw new Error(`${what} in the batch of offset ${baseOffset}`);
  };
  if (end - start < HEADER_SIZE || bytes[start + 16] !== 2) fail('no header of version 2');
  if (castagnoli(bytes, start + 21, end) !== bytes.readUInt32BE(start + 17)) fail('a wrong CRC');
  const count = bytes.readInt32BE(start + 57);
  if (bytes.readInt32BE(start + 23) !== count - 1) fail('a wrong count');
  let at = start + HEADER_SIZE;
  const next = (): number => {
    let raw = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++] as number;
      raw += (byte % 128) * scale;
      if (byte < 128) return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
    }
  };
  for (let i = 0; i < count; i++) {
    const recordSize = next();
    const recordEnd = at + recordSize;
    at++;
    next();
    if (next() !== i) fail('a wrong offset delta');
    if (next() !== -1) fail('a key');
    const size = next();
    records.push({ offset: baseOffset + i, value: bytes.toString('utf8', at, at + size) });
    at = recordEnd;
  }
  if (at !== end) fail('records that do not fill it');
}
