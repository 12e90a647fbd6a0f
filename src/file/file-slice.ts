/**
 * Ranges of a file that outlive the file's closing or deletion.
 *
 *     SharedFile ---- holders: the segment (until close) + one for each slice on its way out
 *         |
 *         +-- the descriptor is closed when the last holder lets go
 *
 * A slice fixes its file, position and length when it is made (R14): what is appended, truncated or
 * unlinked later does not change which bytes it promises. If bytes are missing when it is sent, the
 * sender closes its connection.
 */

import { assert } from '../base/assert.js';
import type { FileSlice } from '../base/chunk.js';
import type { EnvFile } from './env.js';

/** A descriptor with holders. Made with one holder: whoever opened the file. */
export class SharedFile {
  readonly file: EnvFile;
  #holderCount = 1;
  #onIdle: (() => void)[] = [];

  constructor(file: EnvFile) {
    this.file = file;
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
    return new SharedFileSlice(this, position, length);
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
  #owner: SharedFile;
  #holderCount = 1;

  constructor(owner: SharedFile, position: number, length: number) {
    assert(Number.isSafeInteger(position) && position >= 0, 'position of a slice');
    assert(Number.isSafeInteger(length) && length > 0, 'length of a slice');
    this.fd = owner.file.fd;
    this.position = position;
    this.length = length;
    this.#owner = owner;
    owner.retain();
  }

  copyTo(target: Uint8Array, targetOffset: number, from: number, length: number): number {
    assert(this.#holderCount > 0, 'slice used after release');
    assert(from >= 0 && length >= 0 && from + length <= this.length, 'outside the slice');
    return this.#owner.file.pread(target, targetOffset, length, this.position + from);
  }

  retain(): void {
    assert(this.#holderCount > 0, 'retain of a released slice');
    this.#holderCount++;
  }

  release(): void {
    assert(this.#holderCount > 0, 'slice released twice');
    if (--this.#holderCount === 0) this.#owner.release();
  }
}
