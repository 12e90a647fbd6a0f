/**
 * Reads a whole log file once and tells all that is wrong with it: its batches (check.ts), its indexes,
 * and, where it has a valid checksum side file, every byte. For the scrubber and for `log verify`; reads
 * only, through a descriptor of its own, so the segment may be in use, renamed or deleted meanwhile.
 */

import { join } from 'node:path';
import type { Offset } from '../base/offset.js';
import type { Env, EnvFile } from '../file/env.js';
import { WALK_FIRST, WALK_RECORDS_COUNT, WALK_STRIDE } from '../record/batch-walk.js';
import { type CheckResult, checkSegmentInTurns } from './check.js';
import {
  type ByteRange,
  ChecksumFold,
  type ChecksumState,
  differingRanges,
  encodeChecksums,
  fileCrc,
  type LogIdentity,
  loadChecksums,
} from './checksums.js';
import { type FileKind, formatFileName } from './names.js';

/** Bytes of one read of what the check of the batches has passed over. */
const FILL_SIZE = 1024 * 1024;

export interface VerifyLogFileOptions {
  readonly env: Env;
  /** The partition's directory. */
  readonly dir: string;
  readonly baseOffset: Offset;
  /** Base offset of the next segment; null: this is the last one, whose tail may be torn. */
  readonly nextBaseOffset: Offset | null;
  /** Offsets below it were durable: damage below it is no torn tail. */
  readonly recoveryPoint: Offset;
  readonly indexIntervalBytes: number;
  readonly indexBytesMax: number;
  /** See CheckOptions. */
  readonly onBatches?: (batches: Float64Array, count: number) => void;
  /** Checksums are made where there is no valid side file too: for writeChecksums. */
  readonly makeChecksums?: boolean;
  /** Runs after about every MiB, with the bytes read so far; default: lets others have a turn. */
  readonly onTurn?: (bytesRead: number) => Promise<void> | undefined;
}

export interface VerifiedLogFile {
  /** In bytes, without zeros written ahead of appends. */
  readonly size: number;
  readonly batchCount: number;
  readonly recordCount: number;
  readonly check: CheckResult;
  readonly checksumState: ChecksumState;
  /** Where the bytes are not those of a valid side file; empty without one. */
  readonly wrong: readonly ByteRange[];
  /** As it was read. */
  readonly identity: LogIdentity;
  /** Of its blocks; none without a valid side file, unless they were asked for. */
  readonly crcs: Uint32Array;
}

/** Whether nothing is wrong, a torn tail included. */
export function isSound({ check, wrong, size }: VerifiedLogFile): boolean {
  return check.damaged.length === 0 && wrong.length === 0 && check.size === size;
}

/** Rejects with an I/O error of the log file. */
export async function verifyLogFile(options: VerifyLogFileOptions): Promise<VerifiedLogFile> {
  const { env, baseOffset, onBatches, onTurn } = options;
  const pathOf = (kind: FileKind): string => join(options.dir, formatFileName(baseOffset, kind));
  const path = pathOf('log');
  const file = env.open(path, 'read');
  try {
    const length = file.size();
    const identity = { baseOffset, length, modifiedMs: env.stat(path)?.modifiedMs ?? -1 };
    const { state, checksums } = loadChecksums(env, pathOf('checksum'), identity);
    const folded = checksums !== null || options.makeChecksums === true ? length : 0;
    const fold = new ChecksumFold(folded);
    const observed = new FoldedFile(file, fold);
    let batchCount = 0;
    let recordCount = 0;
    const check = await checkSegmentInTurns(
      {
        ...options,
        file: observed,
        size: length,
        onBatches(batches, count) {
          batchCount += count;
          for (let batch = 0; batch < count; batch++) {
            const slot = WALK_FIRST + batch * WALK_STRIDE;
            recordCount += batches[slot + WALK_RECORDS_COUNT] as number;
          }
          onBatches?.(batches, count);
        },
      },
      onTurn === undefined ? undefined : () => onTurn(observed.readEnd),
    );
    fill(file, fold, folded);
    const wrong = checksums === null ? [] : differingRanges(checksums, fold.crcs);
    return {
      size: length - check.reservedBytes,
      batchCount,
      recordCount,
      check,
      checksumState: state,
      wrong,
      identity,
      crcs: fold.crcs,
    };
  } finally {
    file.close();
  }
}

/** Writes the side file of a log that was found sound, with `makeChecksums`. */
export async function writeChecksums(
  env: Env,
  dir: string,
  { identity, crcs }: VerifiedLogFile,
): Promise<void> {
  const baseOffset = identity.baseOffset as Offset;
  const path = join(dir, formatFileName(baseOffset, 'checksum'));
  const transactionIndexCrc = fileCrc(env, join(dir, formatFileName(baseOffset, 'txnindex')));
  await env.writeFileAtomic(path, encodeChecksums({ ...identity, crcs, transactionIndexCrc }));
}

/** Takes what damage made the check pass over. */
function fill(file: EnvFile, fold: ChecksumFold, length: number): void {
  const bytes = fold.position < length ? new Uint8Array(FILL_SIZE) : null;
  while (bytes !== null && fold.position < length) {
    const { position } = fold;
    const size = file.pread(bytes, 0, Math.min(FILL_SIZE, length - position), position);
    if (size === 0) return;
    fold.take(bytes, 0, size, position);
  }
}

/** A file for reading whose bytes go through a fold on their way. */
class FoldedFile implements EnvFile {
  readonly #file: EnvFile;
  readonly #fold: ChecksumFold;
  /** The largest position read, in bytes. */
  readEnd = 0;

  constructor(file: EnvFile, fold: ChecksumFold) {
    this.#file = file;
    this.#fold = fold;
  }

  get fd(): number {
    return this.#file.fd;
  }

  get path(): string {
    return this.#file.path;
  }

  pread(target: Uint8Array, targetOffset: number, length: number, position: number): number {
    const size = this.#file.pread(target, targetOffset, length, position);
    this.#fold.take(target, targetOffset, size, position);
    this.readEnd = Math.max(this.readEnd, position + size);
    return size;
  }

  size(): number {
    return this.#file.size();
  }

  pwritev(): void {
    throw new Error('a file for reading');
  }

  truncate(): void {
    throw new Error('a file for reading');
  }

  allocate(): boolean {
    return false;
  }

  datasync(): Promise<void> {
    return Promise.reject(new Error('a file for reading'));
  }

  datasyncSync(): void {
    throw new Error('a file for reading');
  }

  close(): void {
    this.#file.close();
  }
}
