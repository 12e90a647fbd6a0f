/**
 * `millrace log follow`: prints the records of a partition as they come, also of a directory that a
 * broker writes to. Reads only: what it prints may lie above the high watermark, or be cut again after
 * a crash.
 */

import { join } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { MillraceError } from '../../base/errors.js';
import type { Offset } from '../../base/offset.js';
import type { EnvFile } from '../../file/env.js';
import { findTargets } from '../../log/verify.js';
import { lastOffsetOf } from '../../record/batch-view.js';
import { WALK_FIRST, WALK_POSITION, WALK_SIZE, WALK_STRIDE } from '../../record/batch-walk.js';
import { decodeBatch } from '../../record/decode-batch.js';
import { formatFileName } from '../../segment/names.js';
import { findFollower } from '../../segment/resync.js';
import { BatchScan } from '../../segment/scan.js';
import { batchLine, recordJson, recordLine } from './log-dump-lines.js';
import type { ToolIo } from './log-verify.js';

const POLL_MS = 100;
/** A bad batch at the end may be one that is being written: it gets this many polls. */
const PATIENCE = 20;

export interface FollowOptions {
  readonly json: boolean;
  /** An offset, or where the log begins, or its end. */
  readonly from: number | 'earliest' | 'latest';
  /** Ends after so many records. */
  readonly countMax: number;
  /** Ends when there is no more. */
  readonly once: boolean;
  readonly signal: AbortSignal;
}

export async function runFollow(path: string, options: FollowOptions, io: ToolIo): Promise<0 | 1> {
  const targets = findTargets(io.env, path);
  const [target] = targets;
  if (target === undefined || targets.length > 1) {
    throw new MillraceError(`${path}: give the directory of one partition`, { code: 'NO_LOG' });
  }
  const follow = new Follow(target.dir, options, io);
  try {
    return await follow.run();
  } finally {
    follow.close();
  }
}

class Follow {
  readonly #dir: string;
  readonly #options: FollowOptions;
  readonly #io: ToolIo;
  #file: EnvFile | null = null;
  #baseOffset = -1;
  #position = 0;
  /** The next offset to print. */
  #next: number;
  #count = 0;
  #waits = 0;
  #damaged = false;

  constructor(dir: string, options: FollowOptions, io: ToolIo) {
    this.#dir = dir;
    this.#options = options;
    this.#io = io;
    this.#next = typeof options.from === 'number' ? options.from : 0;
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  async run(): Promise<0 | 1> {
    const { signal, from, countMax, once } = this.#options;
    const bases = this.#bases();
    const start =
      from === 'latest' ? bases.length - 1 : bases.findLastIndex((base) => base <= this.#next);
    this.#open(bases[Math.max(0, start)] as Offset);
    // What is there already is passed over.
    if (from === 'latest') while (this.#read(false));
    while (!signal.aborted && this.#count < countMax) {
      if (this.#read(true) || this.#advance()) {
        this.#waits = 0;
        continue;
      }
      if (once) break;
      this.#waits++;
      await pause(this.#io.clock, POLL_MS, signal);
    }
    return this.#damaged ? 1 : 0;
  }

  #bases(): readonly Offset[] {
    return findTargets(this.#io.env, this.#dir)[0]?.bases ?? [];
  }

  #open(baseOffset: Offset): void {
    this.close();
    this.#file = this.#io.env.open(join(this.#dir, formatFileName(baseOffset, 'log')), 'read');
    this.#baseOffset = baseOffset;
    this.#position = 0;
  }

  /** Prints some batches; false if none is there yet. */
  #read(print: boolean): boolean {
    const file = this.#file;
    if (file === null) return false;
    const end = file.size();
    if (end < this.#position) {
      this.#report(`the log was cut to ${end} bytes`);
      this.#position = end;
    }
    if (end <= this.#position) return false;
    const scan = new BatchScan(file, this.#position, end);
    if (!scan.step() || scan.count === 0) return this.#skipDamage(file, end);
    for (let batch = 0; batch < scan.count; batch++) {
      const slot = WALK_FIRST + batch * WALK_STRIDE;
      const position = scan.out[slot + WALK_POSITION] as number;
      const size = scan.out[slot + WALK_SIZE] as number;
      const at = position - scan.bytesPosition;
      const bytes = scan.bytes.subarray(at, at + size);
      this.#position = position + size;
      const next = lastOffsetOf(bytes, 0) + 1;
      if (print && next > this.#next) this.#print(bytes, position);
      this.#next = Math.max(this.#next, next);
      if (this.#count >= this.#options.countMax) return true;
    }
    return true;
  }

  /** A bad batch: one that is being written, or damage to go on behind. */
  #skipDamage(file: EnvFile, end: number): boolean {
    const bounds = { end, offset: this.#next, endOffset: Number.MAX_SAFE_INTEGER };
    if (this.#waits < PATIENCE && !this.#options.once) return false;
    const follower = findFollower(file, this.#position, bounds);
    if (follower.kind !== 'valid') return false;
    this.#report(`${follower.position - this.#position} bytes at ${this.#position} are damaged`);
    this.#position = follower.position;
    this.#damaged = true;
    return true;
  }

  /** Goes on with the next segment, if there is one. */
  #advance(): boolean {
    const next = this.#bases().find((base) => base > this.#baseOffset);
    if (next === undefined) return false;
    // What was appended before the roll is read first.
    if (this.#file !== null && this.#read(true)) return true;
    this.#open(next);
    return true;
  }

  #print(batch: Uint8Array, position: number): void {
    const { json, countMax } = this.#options;
    const { out } = this.#io;
    try {
      if (!json) out(batchLine(batch, position, true));
      for (const record of decodeBatch(batch, 0)) {
        if (record.offset < this.#next || this.#count >= countMax) continue;
        this.#count++;
        out((json ? recordJson : recordLine)(batch, record));
      }
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      this.#report(`the batch at ${position}: ${error.message}`);
      this.#damaged = true;
    }
  }

  #report(message: string): void {
    this.#io.out(this.#options.json ? JSON.stringify({ type: 'note', message }) : message);
  }
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(delayMs, done, true);
    function done(): void {
      signal.removeEventListener('abort', done);
      timer.cancel();
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
