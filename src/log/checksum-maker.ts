/**
 * Makes the checksum side files of segments (R5): until then flips in what no CRC of a batch covers are
 * found by nobody.
 *
 *     rolled, and durable    soon after, one segment at a time
 *     active, all durable    with a checkpoint, of what there is by then
 *     closed                 before the clean-shutdown marker
 *
 * The bytes were checked when they came in, so it sums what the page cache has, in the thread pool, a few
 * MiB a step, and of a log that grew only what is new. Nothing is synced: a side file that is torn is none.
 *
 * A block in which something is damaged keeps a CRC that it does not have: what was found by a check is not
 * forgotten with the process that made it.
 *
 * A hint: what cannot be made is reported, or left to the scrubber when more segments wait than
 * WAITING_COUNT_MAX, or more bytes at the end than CLOSE_BYTES_MAX.
 */

import { join } from 'node:path';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Env, EnvFile } from '../file/env.js';
import { isOfflineError } from '../file/guarded-env.js';
import { replaceFile } from '../file/replace-file.js';
import {
  blockCountOf,
  CHECKSUM_BLOCK_SIZE,
  encodeChecksums,
  fileCrc,
  type SegmentChecksums,
} from '../segment/checksums.js';
import { blockSumsLater } from '../segment/first-read.js';
import { formatFileName } from '../segment/names.js';
import type { Segment } from '../segment/segment.js';

/** Bytes summed at a time: whole blocks. */
const STEP_SIZE = 64 * CHECKSUM_BLOCK_SIZE;
const WAITING_COUNT_MAX = 1024;
/** What a close sums of segments that wait, about a second. */
const CLOSE_BYTES_MAX = 2 * 1024 ** 3;

interface Waiting {
  readonly env: Env;
  /** The partition's directory. */
  readonly dir: string;
  readonly segment: Segment;
}

/** A partition's log, as the maker sees it. */
export interface DurableLog {
  /** The partition's directory. */
  readonly path: string;
  /** In order. */
  readonly segments: readonly Segment[];
  readonly recoveryPoint: number;
  readonly logEndOffset: number;
  /** Runs a task while the log is not cut. */
  whileUncut(task: () => Promise<void>): Promise<void>;
}

export class ChecksumMaker {
  readonly #logger: Logger;
  readonly #enabled: boolean;
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;
  #closed = false;
  #count = 0;

  /** `enabled`: false makes nothing. */
  constructor(logger: Logger, enabled = true) {
    this.#logger = logger;
    this.#enabled = enabled;
  }

  /** Side files written. */
  get count(): number {
    return this.#count;
  }

  /** A segment is sealed, and what is in it is durable. */
  add(env: Env, dir: string, segment: Segment): void {
    if (!this.#enabled || this.#closed || this.#waiting.length === WAITING_COUNT_MAX) return;
    this.#waiting.push({ env, dir, segment });
    this.#running ??= this.#run();
  }

  /** Settles when all that was added is made. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** Makes what waits, or leaves it to the scrubber. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    let room = CLOSE_BYTES_MAX;
    this.#waiting = this.#waiting.filter(({ segment }) => {
      room -= segment.size;
      return room >= 0;
    });
    await this.#running;
  }

  /**
   * The side files of the last segments of logs of which all is durable; of the others the next time. Never
   * rejects.
   */
  async makeLasts<Dir extends { readonly env: Env; readonly failure: unknown }>(
    dir: Dir,
    logs: Iterable<{ readonly log: DurableLog; readonly dir: Dir }>,
  ): Promise<void> {
    const isClosed = this.#closed;
    for (const { log, dir: of } of [...logs]) {
      // Closed meanwhile: whoever closes asks for them anew.
      if (!this.#enabled || dir.failure !== null || this.#closed !== isClosed) return;
      if (of === dir) await log.whileUncut(() => this.#makeLast(dir.env, log));
    }
  }

  async #makeLast(env: Env, log: DurableLog): Promise<void> {
    const { path: dir, segments, recoveryPoint, logEndOffset } = log;
    const segment = segments.at(-1);
    if (segment === undefined || recoveryPoint < logEndOffset) return;
    const { baseOffset, size } = segment;
    const covered = segment.earlier.checksums;
    const path = join(dir, formatFileName(baseOffset, 'log'));
    const isDone = (): boolean =>
      covered?.length === size && covered.modifiedMs === env.stat(path)?.modifiedMs;
    try {
      if (size > 0 && !isDone()) await this.#make({ env, dir, segment }, () => true);
    } catch (error) {
      this.#failed({ env, dir, segment }, error);
    }
  }

  async #run(): Promise<void> {
    // Appends of the tick come first.
    await new Promise(setImmediate);
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { segment } = next;
      try {
        if (segment.sealed) await this.#make(next, () => segment.sealed);
      } catch (error) {
        if (segment.sealed) this.#failed(next, error);
      }
    }
    this.#running = null;
  }

  #failed({ dir, segment }: Waiting, error: unknown): void {
    const isGone = error instanceof MillraceError && error.code === 'NOT_FOUND';
    if (isOfflineError(error) || isGone) return;
    const fields = { dir, baseOffset: segment.baseOffset, reason: String(error) };
    this.#logger.warn('checksums not made', fields);
  }

  /** `isThere`: the log is still what it was, but for appends. */
  async #make({ env, dir, segment }: Waiting, isThere: () => boolean): Promise<void> {
    const { baseOffset, size: length } = segment;
    const log = join(dir, formatFileName(baseOffset, 'log'));
    const modifiedMs = env.stat(log)?.modifiedMs;
    if (modifiedMs === undefined || length === 0) return;
    const crcs = await sumLog({ env, log, length, covered: segment.earlier.checksums, isThere });
    // Cut or replaced meanwhile: what was read is not what is there.
    if (crcs === null || !isThere() || segment.size < length) return;
    // Rolled, and made as a whole.
    if ((segment.earlier.checksums?.length ?? 0) > length) return;
    spoil(crcs, segment);
    if (segment.sealed && env.stat(log)?.modifiedMs !== modifiedMs) return;
    const path = join(dir, formatFileName(baseOffset, 'checksum'));
    const transactionIndexCrc = fileCrc(env, join(dir, formatFileName(baseOffset, 'txnindex')));
    const checksums = { baseOffset, length, modifiedMs, crcs, transactionIndexCrc };
    replaceFile(env, path, encodeChecksums(checksums));
    segment.earlier.checksums = checksums;
    this.#count++;
  }
}

function spoil(crcs: Uint32Array, { damaged, earlier }: Segment): void {
  for (const { position, endPosition } of damaged) {
    const end = Math.min(crcs.length, Math.ceil(endPosition / CHECKSUM_BLOCK_SIZE));
    for (let block = Math.floor(position / CHECKSUM_BLOCK_SIZE); block < end; block++) {
      crcs[block] = earlier.checksums?.crcs[block] ?? ~(crcs[block] as number);
    }
  }
}

interface SummedLog {
  readonly env: Env;
  /** Its path. */
  readonly log: string;
  readonly length: number;
  /** Of the beginning of it. */
  readonly covered: SegmentChecksums | null;
  readonly isThere: () => boolean;
}

async function sumLog(summed: SummedLog): Promise<Uint32Array | null> {
  const { env, log, length, covered, isThere } = summed;
  const file = env.open(log, 'read');
  try {
    return await sumBlocks(file, length, covered, isThere);
  } finally {
    file.close();
  }
}

/** Null: the file is shorter, or it is another one by now. */
async function sumBlocks(
  file: EnvFile,
  length: number,
  covered: SegmentChecksums | null,
  isThere: () => boolean,
): Promise<Uint32Array | null> {
  const crcs = new Uint32Array(blockCountOf(length));
  const isOfIt = covered !== null && covered.length <= length;
  const known = isOfIt ? Math.floor(covered.length / CHECKSUM_BLOCK_SIZE) : 0;
  const from = known * CHECKSUM_BLOCK_SIZE;
  let isRotten = false;
  if (isOfIt) {
    crcs.set(covered.crcs.subarray(0, known));
    // The last one was short: what rotted of it since is not to be signed.
    const rest = covered.length - from;
    const sums = rest === 0 ? null : await blockSumsLater(file, from, rest);
    isRotten = rest > 0 && sums?.[0] !== covered.crcs[known];
  }
  for (let at = from; at < length; at += STEP_SIZE) {
    const found = await blockSumsLater(file, at, Math.min(STEP_SIZE, length - at));
    if (found === null || !isThere()) return null;
    crcs.set(found, at / CHECKSUM_BLOCK_SIZE);
  }
  if (isRotten) crcs[known] = ~(crcs[known] as number);
  return crcs;
}
