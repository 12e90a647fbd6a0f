/**
 * Makes the checksum side file of a segment soon after it was rolled (R5): until then flips in what no CRC
 * of a batch covers are found by nobody. The bytes were checked when they came in and are on the disk by
 * now, so it sums what the page cache has, in the thread pool, a few MiB a step, one segment at a time.
 *
 * A hint: what cannot be made is reported, or left to the scrubber when more segments wait than
 * WAITING_COUNT_MAX. `close` waits for the step under way and no longer.
 */

import { join } from 'node:path';
import type { Logger } from '../base/logger.js';
import { yieldToLoop } from '../base/tick.js';
import type { Env } from '../file/env.js';
import { isOfflineError } from '../file/guarded-env.js';
import { CHECKSUM_BLOCK_SIZE, encodeChecksums } from '../segment/checksums.js';
import { blockSumsLater } from '../segment/first-read.js';
import { formatFileName } from '../segment/names.js';
import type { Segment } from '../segment/segment.js';

/** Bytes summed at a time: whole blocks. */
const STEP_SIZE = 64 * CHECKSUM_BLOCK_SIZE;
const WAITING_COUNT_MAX = 1024;

interface Waiting {
  readonly env: Env;
  /** The partition's directory. */
  readonly dir: string;
  readonly segment: Segment;
}

export class ChecksumMaker {
  readonly #logger: Logger;
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;
  #closed = false;
  #count = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Side files written. */
  get count(): number {
    return this.#count;
  }

  /** A segment is sealed, and what is in it is durable. */
  add(env: Env, dir: string, segment: Segment): void {
    if (this.#closed || this.#waiting.length === WAITING_COUNT_MAX) return;
    this.#waiting.push({ env, dir, segment });
    this.#running ??= this.#run();
  }

  /** Settles when all that was added is made. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** Leaves what waits to the scrubber. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.length = 0;
    await this.#running;
  }

  async #run(): Promise<void> {
    // Appends of the tick come first.
    await yieldToLoop();
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      try {
        await this.#make(next);
      } catch (error) {
        const { dir, segment } = next;
        if (isOfflineError(error) || !segment.sealed) continue;
        const fields = { dir, baseOffset: segment.baseOffset, reason: String(error) };
        this.#logger.warn('checksums not made', fields);
      }
    }
    this.#running = null;
  }

  async #make({ env, dir, segment }: Waiting): Promise<void> {
    if (!segment.sealed) return;
    const { baseOffset, size: length } = segment;
    const log = join(dir, formatFileName(baseOffset, 'log'));
    const modifiedMs = env.stat(log)?.modifiedMs;
    if (modifiedMs === undefined || length === 0) return;
    const crcs = new Uint32Array(Math.ceil(length / CHECKSUM_BLOCK_SIZE));
    const file = env.open(log, 'read');
    try {
      for (let at = 0; at < length; at += STEP_SIZE) {
        const found = await blockSumsLater(file, at, Math.min(STEP_SIZE, length - at));
        if (found === null || this.#closed || !segment.sealed) return;
        crcs.set(found, at / CHECKSUM_BLOCK_SIZE);
      }
    } finally {
      file.close();
    }
    // Cut or replaced meanwhile: what was read is not what is there.
    if (!segment.sealed || segment.size !== length || env.stat(log)?.modifiedMs !== modifiedMs) {
      return;
    }
    const path = join(dir, formatFileName(baseOffset, 'checksum'));
    const bytes = encodeChecksums({ baseOffset, length, modifiedMs, crcs });
    await env.writeFileAtomic(path, bytes);
    this.#count++;
    // Nobody took it away who took the segment away.
    if (!segment.sealed && !this.#closed && env.exists(path)) env.unlink(path);
  }
}
