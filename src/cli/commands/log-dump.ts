/**
 * Prints a log segment, an index or a producer snapshot, as Kafka's DumpLogSegments does, and says
 * what is wrong with it. Reads only; the broker may be running.
 *
 *     .log        a line a batch, with `records` a line a record; damage with its position, and on
 *                 behind it where a good batch follows; offsets that go back (gaps are no damage:
 *                 compaction leaves them)
 *     .index      a line an entry, each checked against the log segment beside it
 *     .timeindex  a line an entry, likewise
 *     .txnindex   a line an aborted transaction
 *     .snapshot   a line a producer
 */

import { basename, dirname } from 'node:path';
import { MillraceError } from '../../base/errors.js';
import { type Env, type EnvFile, systemEnv } from '../../file/env.js';
import { ABORTED_ENTRY_SIZE } from '../../index/transaction-index.js';
import { decodeProducerSnapshot } from '../../log/producer-snapshot.js';
import {
  baseOffsetOf,
  lastOffsetOf,
  lengthOf,
  magicOf,
  maxTimestampOf,
  nextOffsetOf,
  readInt16,
  readInt32,
  readInt64,
  sizeOf,
} from '../../record/batch-view.js';
import {
  WALK_BAD_CRC,
  WALK_CRC,
  WALK_END,
  WALK_SPARSE_OFFSETS,
  WALK_STOP_REASON,
  walkBatches,
  walkOut,
} from '../../record/batch-walk.js';
import { decodeBatch } from '../../record/decode-batch.js';
import { HEADER_SIZE, LENGTH_MIN, MAGIC_V2 } from '../../record/layout.js';
import { findFollower } from '../../segment/resync.js';
import { endOfData } from '../../segment/scan.js';
import { batchJson, batchLine, escapeControls, recordJson, recordLine } from './log-dump-lines.js';

export interface DumpOptions {
  /** Records too, with keys and values. */
  readonly records: boolean;
  /** One JSON object a line. */
  readonly json: boolean;
  /** Takes a line without its end. */
  readonly out: (line: string) => void;
  /** Where files are read; the operating system where not given. */
  readonly env?: Pick<Env, 'open' | 'exists' | 'readdir'>;
}

const FILE_NAME = /^(\d{20})\.(log|index|timeindex|txnindex|snapshot)(\.\w+)?$/;
/** No batch is larger: a length beyond it is damage, and not worth the memory. */
const BATCH_SIZE_MAX = 256 * 1024 * 1024;
const INDEX_ENTRY_SIZE = 8;
const TIME_INDEX_ENTRY_SIZE = 12;

/** Answers the exit code: 0, or 1 if anything is damaged. Throws if the file cannot be read. */
export function dumpFile(path: string, options: DumpOptions): 0 | 1 {
  const name = FILE_NAME.exec(basename(path));
  if (name === null) {
    throw new MillraceError(
      `${path}: not a file of a log (names are 20 digits and .log, .index, .timeindex, .txnindex or .snapshot)`,
      { code: 'UNKNOWN_FILE' },
    );
  }
  const env = options.env ?? systemEnv;
  const file = env.open(path, 'read');
  try {
    const dump = new Dump(path, file, env, Number(name[1]), options);
    if (!options.json) options.out(`Dumping ${path}`);
    if (name[2] === 'log') dump.log();
    else if (name[2] === 'index') dump.index();
    else if (name[2] === 'timeindex') dump.timeIndex();
    else if (name[2] === 'txnindex') dump.transactionIndex();
    else dump.snapshot();
    return dump.damaged ? 1 : 0;
  } finally {
    file.close();
  }
}

class Dump {
  damaged = false;
  readonly #path: string;
  readonly #file: EnvFile;
  readonly #env: Pick<Env, 'open' | 'exists' | 'readdir'>;
  readonly #baseOffset: number;
  readonly #options: DumpOptions;
  readonly #walked = walkOut(1);
  #buffer = Buffer.allocUnsafe(64 * 1024);

  constructor(
    path: string,
    file: EnvFile,
    env: Pick<Env, 'open' | 'exists' | 'readdir'>,
    baseOffset: number,
    options: DumpOptions,
  ) {
    this.#path = path;
    this.#file = file;
    this.#env = env;
    this.#baseOffset = baseOffset;
    this.#options = options;
  }

  log(): void {
    this.#say(`Log starting offset: ${this.#baseOffset}`);
    const end = this.#file.size();
    let position = 0;
    let offset = this.#baseOffset;
    while (position < end) {
      const batch = readBatch(this.#file, position, end, this.#room);
      if (batch !== null) {
        this.#batch(batch, position);
        if (baseOffsetOf(batch, 0) < offset) {
          this.#damage(position, `Batch at position ${position}: offset ${offset} was expected`);
        }
        offset = nextOffsetOf(batch, 0);
        position += batch.length;
        continue;
      }
      // Zeros written ahead of appends, by a writer that goes on or was killed.
      if (endOfData(this.#file, position, end) === position && this.#isLast()) break;
      const bounds = { end, offset, endOffset: Number.MAX_SAFE_INTEGER };
      const follower = findFollower(this.#file, position, bounds);
      const next = follower.kind === 'valid' ? follower.position : end;
      const where = next === end ? 'at the end' : `at position ${position}`;
      this.#damage(position, `Found ${next - position} invalid bytes ${where} of ${this.#name}`);
      position = next;
    }
  }

  /** No segment follows this one: it may be the one that is appended to. */
  #isLast(): boolean {
    const logs = this.#env.readdir(dirname(this.#path)).filter((name) => name.endsWith('.log'));
    return logs.every((name) => name <= basename(this.#path));
  }

  #batch(batch: Uint8Array, position: number): void {
    const { records, json, out } = this.#options;
    walkBatches(batch, 0, batch.length, this.#walked, WALK_CRC | WALK_SPARSE_OFFSETS);
    const reason = this.#walked[WALK_STOP_REASON] as number;
    const isValid = reason !== WALK_BAD_CRC;
    out((json ? batchJson : batchLine)(batch, position, isValid));
    if (records) {
      try {
        for (const record of decodeBatch(batch, 0)) {
          out((json ? recordJson : recordLine)(batch, record));
        }
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        this.#damage(position, `Batch at position ${position}: ${escapeControls(error.message)}`);
        return;
      }
    }
    if (!isValid) {
      this.#damage(position, `Batch at position ${position}: wrong CRC`);
    } else if (reason !== WALK_END) {
      this.#damage(position, `Batch at position ${position}: impossible offsets or count`);
    }
  }

  index(): void {
    const log = this.#openBeside('.log');
    try {
      this.#entries(INDEX_ENTRY_SIZE, (entry, at) => {
        const offset = this.#baseOffset + readInt32(entry, at);
        const position = readInt32(entry, at + 4);
        this.#entry({ offset, position });
        const batch = log === null ? null : readHeader(log, position);
        if (batch !== null && lastOffsetOf(batch, 0) === offset) return;
        if (log === null) return;
        const found = batch === null ? 'no batch' : `log offset: ${lastOffsetOf(batch, 0)}`;
        this.#damage(position, `Mismatch in ${this.#name}: index offset: ${offset}, ${found}`);
      });
    } finally {
      log?.close();
    }
  }

  timeIndex(): void {
    const log = this.#openBeside('.log');
    let previous = -1;
    try {
      const finder = log === null ? null : new BatchFinder(log);
      this.#entries(TIME_INDEX_ENTRY_SIZE, (entry, at) => {
        const timestamp = readInt64(entry, at);
        const offset = this.#baseOffset + readInt32(entry, at + 8);
        this.#entry({ timestamp, offset });
        if (timestamp <= previous) {
          this.#damage(at, `Timestamp ${timestamp} of ${this.#name} is not after ${previous}`);
        }
        previous = timestamp;
        if (finder === null) return;
        const batch = finder.find(offset);
        if (batch === null || lastOffsetOf(batch, 0) !== offset) {
          this.#damage(at, `Indexed offset ${offset} ends no batch of the log`);
        } else if (maxTimestampOf(batch, 0) !== timestamp) {
          const found = maxTimestampOf(batch, 0);
          this.#damage(at, `Index timestamp: ${timestamp}, log timestamp: ${found}`);
        }
      });
    } finally {
      log?.close();
    }
  }

  transactionIndex(): void {
    const bytes = this.#whole();
    let previous = -1;
    for (let at = 0; at + ABORTED_ENTRY_SIZE <= bytes.length; at += ABORTED_ENTRY_SIZE) {
      const entry = {
        version: readInt16(bytes, at),
        producerId: readInt64(bytes, at + 2),
        firstOffset: readInt64(bytes, at + 10),
        lastOffset: readInt64(bytes, at + 18),
        lastStableOffset: readInt64(bytes, at + 26),
      };
      this.#entry(entry);
      if (entry.version !== 0) this.#damage(at, `An entry of unknown version ${entry.version}`);
      if (entry.lastOffset <= previous) this.#damage(at, `Offset ${entry.lastOffset} goes back`);
      previous = entry.lastOffset;
    }
    const rest = bytes.length % ABORTED_ENTRY_SIZE;
    if (rest > 0) this.#damage(bytes.length - rest, `${this.#name} ends within an entry`);
  }

  snapshot(): void {
    const entries = decodeProducerSnapshot(this.#whole());
    if (entries === null) {
      this.#damage(0, `${this.#name} is not a snapshot, or its checksum is wrong`);
      return;
    }
    for (const entry of entries) {
      const last = entry.batches[entry.batches.length - 1];
      const firstSequence = last === undefined ? -1 : last.lastSequence - last.offsetDelta;
      this.#entry({
        producerId: entry.producerId,
        producerEpoch: entry.epoch,
        coordinatorEpoch: entry.coordinatorEpoch,
        currentTxnFirstOffset: entry.transactionFirstOffset,
        lastTimestamp: entry.lastTimestampMs,
        firstSequence: firstSequence < -1 ? firstSequence + 2 ** 31 : firstSequence,
        lastSequence: last?.lastSequence ?? -1,
        lastOffset: last?.lastOffset ?? -1,
        offsetDelta: last?.offsetDelta ?? 0,
      });
    }
  }

  #whole(): Buffer {
    const bytes = Buffer.alloc(this.#file.size());
    return bytes.subarray(0, this.#file.pread(bytes, 0, bytes.length, 0));
  }

  /** Calls `take` for each entry of an index; zeros of a preallocated tail end it. */
  #entries(size: number, take: (bytes: Uint8Array, at: number) => void): void {
    const bytes = Buffer.alloc(this.#file.size());
    const read = this.#file.pread(bytes, 0, bytes.length, 0);
    if (read === 0) this.#say(`${this.#path} is empty.`);
    if (read % size !== 0) {
      this.#damage(read - (read % size), `${this.#name} ends within an entry of ${size} bytes`);
    }
    for (let at = 0; at + size <= read; at += size) {
      // The relative offset is the first field of an offset index, the last of a time index.
      const relative = readInt32(bytes, size === INDEX_ENTRY_SIZE ? at : at + 8);
      if (relative === 0 && at > 0) return;
      take(bytes, at);
    }
  }

  #entry(entry: Record<string, number>): void {
    const { json, out } = this.#options;
    if (json) {
      out(JSON.stringify({ type: 'entry', ...entry }));
    } else {
      const fields = Object.entries(entry).map(([field, value]) => `${field}: ${value}`);
      out(fields.join(' '));
    }
  }

  #damage(position: number, message: string): void {
    this.damaged = true;
    const { json, out } = this.#options;
    out(json ? JSON.stringify({ type: 'damage', position, message }) : message);
  }

  /** For people: JSON has no heads. */
  #say(line: string): void {
    if (!this.#options.json) this.#options.out(line);
  }

  get #name(): string {
    return basename(this.#path);
  }

  readonly #room = (size: number): Buffer => {
    if (size > this.#buffer.length) {
      this.#buffer = Buffer.allocUnsafe(Math.max(size, 2 * this.#buffer.length));
    }
    return this.#buffer.subarray(0, size);
  };

  #openBeside(suffix: string): EnvFile | null {
    const path = this.#path.replace(/\.(time)?index(\.\w+)?$/, suffix);
    return this.#env.exists(path) ? this.#env.open(path, 'read') : null;
  }
}

/** Goes forward through a log for time index entries, whose offsets rise. */
class BatchFinder {
  readonly #log: EnvFile;
  #position = 0;

  constructor(log: EnvFile) {
    this.#log = log;
  }

  /** The header of the first batch whose last offset is `offset` or more. */
  find(offset: number): Uint8Array | null {
    for (;;) {
      const header = readHeader(this.#log, this.#position);
      if (header === null || lastOffsetOf(header, 0) >= offset) return header;
      this.#position += sizeOf(header, 0);
    }
  }
}

/** The header at `position`, if it looks like one. */
function readHeader(file: EnvFile, position: number): Uint8Array | null {
  const header = Buffer.allocUnsafe(HEADER_SIZE);
  if (position < 0 || file.pread(header, 0, HEADER_SIZE, position) < HEADER_SIZE) return null;
  return magicOf(header, 0) === MAGIC_V2 && lengthOf(header, 0) >= LENGTH_MIN ? header : null;
}

/** The batch at `position`, in a buffer of `room`; null if there is no whole one. */
function readBatch(
  file: EnvFile,
  position: number,
  end: number,
  room: (size: number) => Buffer,
): Uint8Array | null {
  const header = readHeader(file, position);
  if (header === null) return null;
  const size = sizeOf(header, 0);
  if (size > end - position || size > BATCH_SIZE_MAX) return null;
  const batch = room(size);
  return file.pread(batch, 0, size, position) === size ? batch : null;
}
