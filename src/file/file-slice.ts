/**
 * Ranges of a file that outlive the file's closing or deletion.
 *
 *     SharedFile ---- holders: the segment (until close) + one for each slice on its way out
 *         |
 *         +-- the descriptor is closed when the last holder lets go
 *
 * A slice fixes its file, position and length when it is made (R14): what is appended, truncated or
 * unlinked later does not change which bytes it promises. If bytes are missing when it is sent, the
 * sender closes its connection. Bytes that were cut are missing for good, also when others take their
 * place (KAFKA-18723):
 *
 *     slice    |-------- a | b | c ----|      made
 *     cut          | a |                      intact: a
 *     append       | a | d | e |              still a: d is of another history
 */

import { assert } from '../base/assert.js';
import type { FileSlice, OpenFile } from '../base/chunk.js';
import { HotRange } from '../base/hot-range.js';
import type { EnvFile } from './env.js';

/** A descriptor with holders. Made with one holder: whoever opened the file. */
export class SharedFile implements OpenFile {
  readonly file: EnvFile;
  readonly hot = new HotRange();
  #holderCount = 1;
  #onIdle: (() => void)[] = [];
  /**
   * Cuts since there were slices; each entry is the lowest end of its cut and of those after it. Empty
   * again when no slice is left.
   */
  #cuts: number[] = [];
  #sliceCount = 0;

  constructor(file: EnvFile) {
    this.file = file;
  }

  /** -1 once it is closed: the number may be another file's then. */
  get fd(): number {
    return this.#holderCount > 0 ? this.file.fd : -1;
  }

  /** The opener included; 0 once the descriptor is closed. */
  get holderCount(): number {
    return this.#holderCount;
  }

  retain(): void {
    assert(this.#holderCount > 0, 'retain of a closed file');
    this.#holderCount++;
  }

  release(): void {
    assert(this.#holderCount > 0, 'release without a holder');
    if (--this.#holderCount > 0) return;
    try {
      this.file.close();
    } finally {
      const callbacks = this.#onIdle;
      this.#onIdle = [];
      for (const callback of callbacks) callback();
    }
  }

  /** A slice with one holder: the caller. */
  slice(position: number, length: number): FileSlice {
    const slice = new SharedFileSlice(this, position, length);
    this.#sliceCount++;
    return slice;
  }

  releaseSlice(): void {
    if (--this.#sliceCount === 0) this.#cuts = [];
    this.release();
  }

  /** The file is about to end at `position`: what slices made before have beyond it is no longer theirs. */
  cut(position: number): void {
    if (this.#sliceCount === 0) return;
    const cuts = this.#cuts;
    for (let i = cuts.length - 1; i >= 0 && (cuts[i] as number) > position; i--) cuts[i] = position;
    cuts.push(position);
  }

  get hasSlices(): boolean {
    return this.#sliceCount > 0;
  }

  /** How many cuts there were. */
  get cutCount(): number {
    return this.#cuts.length;
  }

  /** What was there when there had been `cutCount` cuts is there below this position. */
  intactEnd(cutCount: number): number {
    return this.#cuts[cutCount] ?? Number.POSITIVE_INFINITY;
  }

  /** Settles when the descriptor is closed: no slice of it is on its way any more. */
  idle(): Promise<void> {
    if (this.#holderCount === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }
}

class SharedFileSlice implements FileSlice {
  readonly fd: number;
  readonly position: number;
  readonly length: number;
  readonly #owner: SharedFile;
  #cutCount: number;
  #holderCount = 1;

  constructor(owner: SharedFile, position: number, length: number) {
    assert(Number.isSafeInteger(position) && position >= 0, 'position of a slice');
    assert(Number.isSafeInteger(length) && length > 0, 'length of a slice');
    this.fd = owner.file.fd;
    this.position = position;
    this.length = length;
    this.#owner = owner;
    this.#cutCount = owner.cutCount;
    owner.retain();
  }

  get openFile(): OpenFile {
    return this.#owner;
  }

  get intactLength(): number {
    const end = this.#owner.intactEnd(this.#cutCount);
    return Math.max(0, Math.min(this.length, end - this.position));
  }

  copyTo(target: Uint8Array, targetOffset: number, from: number, length: number): number {
    assert(this.#holderCount > 0, 'slice used after release');
    assert(from >= 0 && length >= 0 && from + length <= this.length, 'outside the slice');
    const count = Math.min(length, this.intactLength - from);
    if (count <= 0) return 0;
    return this.#owner.file.pread(target, targetOffset, count, this.position + from);
  }

  retain(): void {
    assert(this.#holderCount > 0, 'retain of a released slice');
    this.#holderCount++;
  }

  release(): void {
    assert(this.#holderCount > 0, 'slice released twice');
    if (--this.#holderCount === 0) this.#owner.releaseSlice();
  }
}
