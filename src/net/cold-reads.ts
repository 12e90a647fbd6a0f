/**
 * What is about to be sent is read into the page cache first, in the pool, if it is not there; and for
 * whoever reads on through a file, some steps ahead, so that the disk works while the socket does.
 *
 *     file   |--- sent ---|-- asked for --|-- read ahead --|-- being read --|
 *                         start           wantedEnd        end              end + one step
 *
 * Reading ahead begins with the second cold range in a row, and goes no further than READ_AHEAD_BYTES
 * beyond what was asked for; the disk is asked for one step more, which nobody waits for. It ends where a
 * step is in the page cache anyway, or the file is at its end. One such streak a file: of two readers in
 * one cold file the later one waits for each of its steps.
 */

import type { OpenFile } from '../base/chunk.js';
import type { Clock } from '../base/clock.js';
import {
  HOT_MS_MAX,
  type NetLimits,
  READ_AHEAD_BYTES,
  RESIDENCY_STEP_BYTES as STEP,
} from '../base/limits.js';
import type { Native } from '../native/binding.js';
import type { NetCounters } from './counters.js';
import { DropBehind } from './drop-behind.js';
import { Prefetcher } from './prefetcher.js';

interface Streak {
  /** Bytes [start, end) were read; what is before `start` may have been dropped since. */
  start: number;
  end: number;
  /** As far as somebody asked. */
  wantedEnd: number;
  /** When a read of it ended last. */
  sinceMs: number;
  /** It is more than one range. */
  readonly goesOn: boolean;
  reading: boolean;
  readonly waiting: (() => void)[];
}

export class ColdReads {
  readonly #native: Native;
  readonly #clock: Clock;
  readonly #counters: NetCounters;
  readonly #prefetcher: Prefetcher;
  readonly #dropBehind: DropBehind;
  /** Of files that are being read cold; a closed file takes its own along. */
  readonly #streaks = new WeakMap<OpenFile, Streak>();

  constructor(native: Native, clock: Clock, limits: NetLimits, counters: NetCounters) {
    this.#native = native;
    this.#clock = clock;
    this.#counters = counters;
    this.#prefetcher = new Prefetcher(native);
    this.#dropBehind = new DropBehind(native, limits.coldBytesMax, counters);
  }

  /**
   * Whether bytes [start, end) of the file, a step at most, are in the page cache. If not, they are being
   * read, and `done` is called once, later: with how many of them, from the first on, need no further
   * look, or -errno.
   */
  resident(file: OpenFile, start: number, end: number, done: (result: number) => void): boolean {
    const streak = this.#streakAt(file, start);
    if (streak !== null) {
      streak.wantedEnd = end;
      if (end <= streak.end) {
        streak.start = start;
        this.#readAhead(file, streak);
        return true;
      }
      if (streak.reading) {
        streak.waiting.push(() => done(0));
        return false;
      }
    }
    const length = end - start;
    const bytes = this.#native.residentBytes(file.fd, start, length);
    // Below zero: this kernel cannot tell. Then it is sent, and may wait for the disk.
    if (bytes < 0 || bytes === length) return true;
    this.#counters.prefetches++;
    this.#prefetcher.prefetch(file, start, length, 'awaited', (result) => {
      if (result > 0) this.#onRead(file, start, result);
      // A short answer is left to sendfile, which tells a cut file from a page that went again.
      done(result < 0 ? result : length);
    });
    return false;
  }

  /** The streak that a reader at `position` goes on with. */
  #streakAt(file: OpenFile, position: number): Streak | null {
    const streak = this.#streaks.get(file);
    if (streak === undefined || position < streak.start || position > streak.end) return null;
    const isFresh = this.#clock.monotonicMs() - streak.sinceMs <= HOT_MS_MAX;
    return isFresh || streak.reading ? streak : null;
  }

  /** A range was read because somebody asked for it. */
  #onRead(file: OpenFile, start: number, length: number): void {
    this.#dropBehind.add(file, start, length);
    const before = this.#streaks.get(file);
    if (before?.reading === true) return;
    const goesOn = start > (this.#streakAt(file, start)?.start ?? start);
    const end = start + length;
    const sinceMs = this.#clock.monotonicMs();
    const streak = { start, end, wantedEnd: end, sinceMs, goesOn, reading: false, waiting: [] };
    this.#streaks.set(file, streak);
    this.#readAhead(file, streak);
  }

  #readAhead(file: OpenFile, streak: Streak): void {
    if (!streak.goesOn || streak.reading) return;
    if (streak.end - streak.wantedEnd >= READ_AHEAD_BYTES) return;
    const position = streak.end;
    // What the disk was asked for counts as resident before it has come.
    const beyond = this.#native.residentBytes(file.fd, position + STEP, STEP);
    if (beyond < 0 || beyond === STEP) {
      this.#streaks.delete(file);
      return;
    }
    streak.reading = true;
    this.#counters.readAheads++;
    this.#prefetcher.prefetch(file, position, STEP, 'ahead', (result) => {
      streak.reading = false;
      streak.sinceMs = this.#clock.monotonicMs();
      if (result > 0) {
        this.#dropBehind.add(file, position, result);
        streak.end += result;
      }
      if (result === STEP) this.#readAhead(file, streak);
      else this.#streaks.delete(file);
      for (const go of streak.waiting.splice(0)) go();
    });
  }
}
