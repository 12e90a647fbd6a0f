/**
 * The scrubber reads every sealed segment again and again, slowly, so that rot is found before a client
 * asks for what it spoiled (R6): against the checksum side file, and batch by batch. It makes the side
 * files that are missing; a segment that was rolled by this process has its own (checksum-maker.ts).
 *
 *     every minute: the segments that are due, oldest log first, at most `bytesPerSecond`
 *     due:          not read by this process yet, or not for PERIOD_MS
 *
 * Reads are of its own descriptor, a MiB a turn. What it finds is reported, counted, and not served from
 * then on. It repairs nothing.
 */

import { type Clock, setCheckTimer, type Timer } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { yieldToLoop } from '../base/tick.js';
import type { Env } from '../file/env.js';
import type { Segment } from '../segment/segment.js';
import { isSound, verifyLogFile, writeChecksums } from '../segment/verify-log-file.js';

/** Between looks for segments that are due. The first look waits as long, so a start is not slowed. */
const INTERVAL_MS = 60_000;
/** A week. */
const PERIOD_MS = 7 * 86_400_000;

/** A partition's log, as the scrubber sees it. */
export interface ScrubbedLog {
  /** The partition's directory. */
  readonly path: string;
  /** In order; the last one is active. */
  readonly segments: readonly Segment[];
}

export interface ScrubberOptions {
  readonly env: Env;
  readonly clock: Clock;
  readonly logger: Logger;
  /** > 0. */
  readonly bytesPerSecond: number;
  readonly logs: () => readonly ScrubbedLog[];
}

/** Since the start. */
export interface ScrubStats {
  readonly segments: number;
  readonly bytes: number;
  readonly damagedSegments: number;
  readonly unreadableSegments: number;
  readonly checksumsWritten: number;
}

export class Scrubber {
  readonly #options: ScrubberOptions;
  readonly #scrubbedMs = new WeakMap<Segment, number>();
  readonly #stats = {
    segments: 0,
    bytes: 0,
    damagedSegments: 0,
    unreadableSegments: 0,
    checksumsWritten: 0,
  };
  #timer: Timer | null = null;
  #wake: (() => void) | null = null;
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(options: ScrubberOptions) {
    this.#options = options;
  }

  get stats(): ScrubStats {
    return { ...this.#stats };
  }

  start(): void {
    if (this.#closed) return;
    this.#timer = setCheckTimer(this.#options.clock, INTERVAL_MS, () => {
      this.#timer = null;
      void this.run().finally(() => this.start());
    });
  }

  /** Reads the segments that are due, once. Never rejects. One run at a time: a second one joins it. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Settles when nothing is read any more. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#wake?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (const log of this.#options.logs()) {
      const { segments } = log;
      for (let index = 0; index < segments.length - 1; index++) {
        if (this.#closed) return;
        const segment = segments[index] as Segment;
        if (segment.sealed && this.#isDue(segment)) {
          await this.#scrub(log, segment, segments[index + 1] as Segment);
        }
      }
    }
  }

  #isDue(segment: Segment): boolean {
    const last = this.#scrubbedMs.get(segment);
    return last === undefined || this.#options.clock.monotonicMs() - last >= PERIOD_MS;
  }

  async #scrub({ path: dir }: ScrubbedLog, segment: Segment, next: Segment): Promise<void> {
    const { env, clock, logger, bytesPerSecond } = this.#options;
    const { baseOffset } = segment;
    const startMs = clock.monotonicMs();
    try {
      const verified = await verifyLogFile({
        env,
        dir,
        baseOffset,
        nextBaseOffset: next.baseOffset,
        recoveryPoint: next.baseOffset,
        indexIntervalBytes: 4096,
        indexBytesMax: 2 ** 31 - 1,
        makeChecksums: true,
        onTurn: async (bytes) => {
          const dueMs = startMs + (bytes / bytesPerSecond) * 1000;
          await this.#pause(dueMs - clock.monotonicMs());
          if (this.#closed) throw new MillraceError('the scrubber is closed', { code: 'CLOSED' });
        },
      });
      // Renamed, or appended to again meanwhile: what was read is not what is there.
      if (!segment.sealed || segment.size !== verified.size) return;
      this.#scrubbedMs.set(segment, clock.monotonicMs());
      this.#stats.segments++;
      this.#stats.bytes += verified.size;
      if (!isSound(verified)) {
        this.#stats.damagedSegments++;
        logger.error('the scrubber found damage', { dir, baseOffset });
        segment.noteScrub(false, verified.wrong);
        return;
      }
      segment.noteScrub(true, []);
      if (verified.checksumState === 'valid') return;
      await writeChecksums(env, dir, verified);
      this.#stats.checksumsWritten++;
    } catch (error) {
      if (this.#closed || !segment.sealed) return;
      this.#scrubbedMs.set(segment, clock.monotonicMs());
      this.#stats.unreadableSegments++;
      logger.error('the scrubber could not read a segment', {
        dir,
        baseOffset,
        reason: String(error),
      });
    }
  }

  /** At least a turn of the event loop. */
  #pause(delayMs: number): Promise<unknown> {
    if (delayMs < 1 || this.#closed) return yieldToLoop();
    return new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimer(delayMs, () => this.#wake?.());
      this.#wake = () => {
        timer.cancel();
        this.#wake = null;
        resolve();
      };
    });
  }
}
