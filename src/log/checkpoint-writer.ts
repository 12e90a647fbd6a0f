/**
 * Writes the three checkpoint files of a data directory: what its open logs say now, and of the others
 * what the files said before. One write of a directory at a time; apart from housekeeping, which waits
 * for logs that wait for a checkpoint.
 */

import { Mutex } from '../base/mutex.js';
import { OFFSET_ZERO, type Offset } from '../base/offset.js';
import type { OffsetCheckpoint } from './checkpoints.js';
import type { LogDir } from './log-dir.js';
import type { OpenLog } from './open-logs.js';

export class CheckpointWriter {
  /** By `TOPIC-PARTITION`. */
  readonly #logs: ReadonlyMap<string, OpenLog>;
  readonly #absent: () => readonly string[];
  readonly #turns = new Map<LogDir, Mutex>();

  /** `absent`: partitions that are there and not open. */
  constructor(logs: ReadonlyMap<string, OpenLog>, absent: () => readonly string[]) {
    this.#logs = logs;
    this.#absent = absent;
  }

  /** Rejects with an I/O error, and with LOG_DIR_OFFLINE; the old files then stay. */
  write(dir: LogDir): Promise<void> {
    let turns = this.#turns.get(dir);
    if (turns === undefined) {
      turns = new Mutex();
      this.#turns.set(dir, turns);
    }
    return turns.run(() => this.#write(dir));
  }

  async #write(dir: LogDir): Promise<void> {
    const points = new Map<OpenLog, Offset>();
    for (const entry of [...this.#logs.values()]) {
      const { recoveryPoint } = entry.log;
      // What the epoch file lacks is found again only above the recovery point.
      if (entry.dir === dir && (await entry.log.epochsWritten())) points.set(entry, recoveryPoint);
    }
    // No wait from here to the write: a log deleted meanwhile must not be in it, lest a new one of its
    // name takes over its offsets.
    const before = dir.checkpoints;
    const recoveryPoints = new Map<string, Offset>();
    const logStartOffsets = new Map<string, Offset>();
    const highWatermarks = new Map<string, Offset>();
    for (const [name, entry] of this.#logs) {
      if (entry.dir !== dir) continue;
      const { log } = entry;
      const kept = before.recoveryPoints.get(name) ?? OFFSET_ZERO;
      recoveryPoints.set(name, points.get(entry) ?? kept);
      // Also where no segment is below it: of those that were renamed the old names may come back.
      if (log.logStartOffset > 0) logStartOffsets.set(name, log.logStartOffset);
      highWatermarks.set(name, log.highWatermark);
    }
    for (const name of this.#absent()) {
      copyEntry(before.recoveryPoints, recoveryPoints, name);
      copyEntry(before.logStartOffsets, logStartOffsets, name);
      copyEntry(before.highWatermarks, highWatermarks, name);
    }
    await dir.writeCheckpoints({ recoveryPoints, logStartOffsets, highWatermarks });
  }
}

function copyEntry(from: OffsetCheckpoint, to: Map<string, Offset>, name: string): void {
  const offset = from.get(name);
  if (offset !== undefined) to.set(name, offset);
}
