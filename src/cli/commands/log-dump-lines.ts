/**
 * One batch, record or index entry as a line: as Kafka's DumpLogSegments prints it, or as JSON. The
 * text is Kafka's to the letter, so that scripts written for one read the other, but for control
 * characters in keys and values: they are escaped, since a record must not steer the terminal.
 *
 * Timestamps of batches are printed from their 64 bits, those of records are exact within 2^53.
 */

import {
  addSequence,
  attributesOf,
  baseOffsetOf,
  baseSequenceOf,
  codecIdOf,
  crcOf,
  hasDeleteHorizon,
  isControlBatch,
  isTransactional,
  lastOffsetOf,
  lastSequenceOf,
  leaderEpochOf,
  producerEpochOf,
  recordsCountOf,
  sizeOf,
  timestampTypeOf,
} from '../../record/batch-view.js';
import { compressionNames } from '../../record/compression/codec.js';
import { parseControlRecord } from '../../record/control-record.js';
import {
  BASE_TIMESTAMP,
  MAGIC_V2,
  MAX_TIMESTAMP,
  NO_SEQUENCE,
  PRODUCER_ID,
} from '../../record/layout.js';
import type { RecordView } from '../../record/record.js';

/** The batch at byte 0 of `batch`, which stands at `position` of its file. */
export function batchLine(batch: Uint8Array, position: number, isValid: boolean): string {
  const horizon = hasDeleteHorizon(batch, 0)
    ? `OptionalLong[${int64Text(batch, BASE_TIMESTAMP)}]`
    : 'OptionalLong.empty';
  return [
    `baseOffset: ${baseOffsetOf(batch, 0)} lastOffset: ${lastOffsetOf(batch, 0)}`,
    `count: ${recordsCountOf(batch, 0)}`,
    `baseSequence: ${baseSequenceOf(batch, 0)} lastSequence: ${lastSequenceOf(batch, 0)}`,
    `producerId: ${int64Text(batch, PRODUCER_ID)} producerEpoch: ${producerEpochOf(batch, 0)}`,
    `partitionLeaderEpoch: ${leaderEpochOf(batch, 0)}`,
    `isTransactional: ${isTransactional(batch, 0)} isControl: ${isControlBatch(batch, 0)}`,
    `deleteHorizonMs: ${horizon} position: ${position}`,
    `${timestampTypeOf(batch, 0)}: ${int64Text(batch, MAX_TIMESTAMP)}`,
    `size: ${sizeOf(batch, 0)} magic: ${MAGIC_V2} compresscodec: ${codecName(batch)}`,
    `crc: ${crcOf(batch, 0)} isvalid: ${isValid}`,
  ].join(' ');
}

export function batchJson(batch: Uint8Array, position: number, isValid: boolean): string {
  return JSON.stringify({
    type: 'batch',
    baseOffset: baseOffsetOf(batch, 0),
    lastOffset: lastOffsetOf(batch, 0),
    count: recordsCountOf(batch, 0),
    baseSequence: baseSequenceOf(batch, 0),
    lastSequence: lastSequenceOf(batch, 0),
    producerId: int64Json(batch, PRODUCER_ID),
    producerEpoch: producerEpochOf(batch, 0),
    partitionLeaderEpoch: leaderEpochOf(batch, 0),
    isTransactional: isTransactional(batch, 0),
    isControl: isControlBatch(batch, 0),
    deleteHorizonMs: hasDeleteHorizon(batch, 0) ? int64Json(batch, BASE_TIMESTAMP) : null,
    position,
    timestampType: timestampTypeOf(batch, 0),
    maxTimestamp: int64Json(batch, MAX_TIMESTAMP),
    size: sizeOf(batch, 0),
    magic: MAGIC_V2,
    compression: codecName(batch),
    attributes: attributesOf(batch, 0),
    crc: crcOf(batch, 0),
    isValid,
  });
}

/** One record of the batch at byte 0 of `batch`. */
export function recordLine(batch: Uint8Array, record: RecordView): string {
  const headerKeys = record.headers.map((header) => escapeControls(header.key)).join(',');
  const line = [
    `| offset: ${record.offset} ${timestampTypeOf(batch, 0)}: ${record.timestamp}`,
    `keySize: ${record.keySize} valueSize: ${record.valueSize}`,
    `sequence: ${sequenceOf(batch, record)} headerKeys: [${headerKeys}]`,
  ];
  if (record.isControl) {
    line.push(controlText(record));
  } else {
    if (record.key !== null) line.push(`key: ${bytesText(record.key)}`);
    if (record.value !== null) line.push(`payload: ${bytesText(record.value)}`);
  }
  return line.join(' ');
}

export function recordJson(batch: Uint8Array, record: RecordView): string {
  const headers = record.headers.map(({ key, value }) => ({ key, ...bytesJson('value', value) }));
  return JSON.stringify({
    type: 'record',
    offset: record.offset,
    timestamp: record.timestamp,
    sequence: sequenceOf(batch, record),
    ...bytesJson('key', record.key),
    ...bytesJson('value', record.value),
    headers,
    ...(record.isControl ? { control: parseControlRecord(record.key, record.value) } : {}),
  });
}

function codecName(batch: Uint8Array): string {
  const id = codecIdOf(batch, 0);
  return compressionNames[id] ?? `unknown(${id})`;
}

function sequenceOf(batch: Uint8Array, record: RecordView): number {
  const base = baseSequenceOf(batch, 0);
  if (base === NO_SEQUENCE) return NO_SEQUENCE;
  return addSequence(base, record.offset - baseOffsetOf(batch, 0));
}

function controlText(record: RecordView): string {
  const control = parseControlRecord(record.key, record.value);
  if (control === null) return 'controlType: malformed';
  if (control.type === 'commit' || control.type === 'abort') {
    const type = control.type.toUpperCase();
    return `endTxnMarker: ${type} coordinatorEpoch: ${control.coordinatorEpoch}`;
  }
  const id = control.type === 'unknown' ? `(${control.id})` : '';
  return `controlType: ${control.type.toUpperCase().replaceAll('-', '_')}${id}`;
}

function int64At(bytes: Uint8Array, position: number): bigint {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readBigInt64BE(position);
}

function int64Text(bytes: Uint8Array, position: number): string {
  return int64At(bytes, position).toString();
}

/** A number where that is exact, else text. */
function int64Json(bytes: Uint8Array, position: number): number | string {
  const value = int64At(bytes, position);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
}

const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

function bytesText(bytes: Uint8Array): string {
  return escapeControls(lenient.decode(bytes));
}

/** `{ key: text }`, or `{ keyBase64: text }` where the bytes are not UTF-8. */
function bytesJson(name: string, bytes: Uint8Array | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null };
  try {
    return { [name]: strict.decode(bytes) };
  } catch {
    return { [`${name}Base64`]: Buffer.from(bytes).toString('base64') };
  }
}

/** C0 and C1 control characters and DEL as \u00XX. */
export function escapeControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
