/**
 * Leader epochs of a partition: at which offset each began. Kept in memory, mirrored in the
 * directory's leader-epoch-checkpoint (see checkpoints.ts); each batch carries its epoch, so a stale
 * file is repaired from the log.
 *
 *     epoch 0 from 0, epoch 3 from 120, epoch 4 from 300:
 *     epochFor(150) = 3; endOffsetFor(1) = { epoch: 0, endOffset: 120 }
 *
 * Entries rise strictly in both fields.
 */

import { assert } from '../base/assert.js';
import type { Offset } from '../base/offset.js';

export interface EpochEntry {
  readonly epoch: number;
  /** Of the first record written in the epoch. */
  readonly startOffset: Offset;
}

export interface EpochEnd {
  readonly epoch: number;
  /** Exclusive. */
  readonly endOffset: Offset;
}

export class LeaderEpochCache {
  #entries: EpochEntry[] = [];
  /** Of the last entry: every append asks for it. */
  #latestEpoch = -1;

  /** `entries` from a file: those that break the order are dropped. */
  constructor(entries: readonly EpochEntry[] = []) {
    for (const { epoch, startOffset } of entries) this.assign(epoch, startOffset);
  }

  get entries(): readonly EpochEntry[] {
    return this.#entries;
  }

  /** -1 if nothing was written yet. */
  get latestEpoch(): number {
    return this.#latestEpoch;
  }

  /** The epoch of a batch at `startOffset`. True if that was new: the file wants writing. */
  assign(epoch: number, startOffset: Offset): boolean {
    const latest = this.#entries[this.#entries.length - 1];
    if (epoch < 0) return false;
    if (latest !== undefined && latest.epoch === epoch && latest.startOffset <= startOffset) {
      return false;
    }
    // Entries at or beyond the new one were of a history that is gone.
    while (this.#entries.length > 0) {
      const last = this.#entries[this.#entries.length - 1] as EpochEntry;
      if (last.epoch < epoch && last.startOffset < startOffset) break;
      this.#entries.pop();
    }
    this.#entries.push({ epoch, startOffset });
    this.#latestEpoch = epoch;
    return true;
  }

  /** The epoch in which `offset` was written, -1 if that is not known. */
  epochFor(offset: number): number {
    let found = -1;
    for (const entry of this.#entries) {
      if (entry.startOffset > offset) break;
      found = entry.epoch;
    }
    return found;
  }

  /**
   * Where the largest known epoch <= `epoch` ends. As in Kafka: below every known epoch, the start
   * of the first one is answered under the asked epoch; above every one, null.
   */
  endOffsetFor(epoch: number, logEndOffset: Offset): EpochEnd | null {
    if (epoch < 0 || epoch > this.latestEpoch) return null;
    if (epoch === this.latestEpoch) return { epoch, endOffset: logEndOffset };
    const next = this.#entries.findIndex((entry) => entry.epoch > epoch);
    assert(next >= 0, 'an epoch below the latest has a successor');
    const floor = this.#entries[next - 1];
    const endOffset = (this.#entries[next] as EpochEntry).startOffset;
    return { epoch: floor === undefined ? epoch : floor.epoch, endOffset };
  }

  /** Forgets epochs that begin at or after `endOffset`. True if any did. */
  truncateTo(endOffset: Offset): boolean {
    const before = this.#entries.length;
    this.#entries = this.#entries.filter((entry) => entry.startOffset < endOffset);
    this.#latestEpoch = this.#entries[this.#entries.length - 1]?.epoch ?? -1;
    return this.#entries.length !== before;
  }

  /** Forgets epochs that end at or before `startOffset`; the one in force there begins at it. */
  trimTo(startOffset: Offset): boolean {
    let inForce = -1;
    while ((this.#entries[inForce + 1]?.startOffset ?? Infinity) <= startOffset) inForce++;
    const entry = this.#entries[inForce];
    if (entry === undefined || (inForce === 0 && entry.startOffset === startOffset)) return false;
    this.#entries = [{ epoch: entry.epoch, startOffset }, ...this.#entries.slice(inForce + 1)];
    return true;
  }
}
