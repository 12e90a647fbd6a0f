/**
 * Where a last log file ends that another may be appending to: behind its last good batch. What is
 * there beyond is zeros of blocks reserved ahead, a batch that is being written, or a torn tail.
 *
 *     batches | zeros                      ends where the zeros begin
 *     batches | part of a batch | zeros    looked at again, for its writer will have gone on; where
 *                                          nobody writes it is torn, and all of it counts
 *     batches | damage                     all of it counts: what it held is not to be forgotten
 *
 * A copy of such a file has to be bounded by what was whole before the copy began: it reads one part
 * after the other, and of blocks written meanwhile it could take zeros first and batches behind them.
 */

import type { Offset } from '../base/offset.js';
import type { Env, EnvFile } from '../file/env.js';
import { checkSegment } from './check.js';
import { endOfData } from './scan.js';

/** So often its writer gets time to finish a batch. */
const LOOKS_MAX = 5;

export interface AppendedEndOptions {
  readonly env: Env;
  readonly file: EnvFile;
  readonly baseOffset: Offset;
  /** Offsets below it are durable: damage there is none of a writer. */
  readonly recoveryPoint: Offset;
  /** Gives a writer time to go on. */
  readonly wait: () => Promise<void>;
}

/** In bytes. Rejects with an I/O error. */
export async function appendedEnd({ wait, ...options }: AppendedEndOptions): Promise<number> {
  const { file } = options;
  let found = -1;
  for (let look = 1; ; look++) {
    const size = file.size();
    const check = checkSegment({
      ...options,
      size,
      nextBaseOffset: null,
      indexIntervalBytes: 4096,
      indexBytesMax: 2 ** 31 - 1,
    });
    if (check.tailDamaged) return size;
    // Somebody writes: what was whole a moment ago is enough.
    const grew = found !== -1 && check.size > found;
    if (grew || endOfData(file, check.size, size) === check.size) return check.size;
    if (look === LOOKS_MAX) return size;
    found = check.size;
    await wait();
  }
}
