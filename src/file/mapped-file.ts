/**
 * MappedFile: bytes of a sealed file as memory, read-only, for readers that parse in place. Never in
 * a write path: a media error or a file cut under a map kills the process (SIGBUS), where pread and
 * sendfile answer an error. So only bytes that no one truncates while they are mapped, and they never
 * leave the reader; pread is the default everywhere.
 */

import { assert } from '../base/assert.js';
import { native } from '../native/binding.js';
import { ioErrorFromResult } from './io-error.js';

export class MappedFile {
  #buffer: ArrayBuffer;
  #bytes: Uint8Array;
  #open = true;

  private constructor(buffer: ArrayBuffer) {
    this.#buffer = buffer;
    this.#bytes = new Uint8Array(buffer);
  }

  /**
   * Maps `length` > 0 bytes from `position`; the file may be closed afterwards. Null where maps are
   * not to be had (no addon, or too many): read instead.
   */
  static map(
    file: { readonly fd: number; readonly path: string },
    position: number,
    length: number,
  ): MappedFile | null {
    assert(length > 0, 'a map has bytes');
    if (native === null) return null;
    const result = native.mapFile(file.fd, position, length);
    if (typeof result !== 'number') return new MappedFile(result);
    if (result === -native.constants.EMFILE) return null;
    throw ioErrorFromResult('mmap', file.path, result);
  }

  /** A view that is dead (length 0) after `close`. Only to be read. */
  get bytes(): Uint8Array {
    assert(this.#open, 'bytes of a closed map');
    return this.#bytes;
  }

  /** Detaches every view, then unmaps. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    const result = native === null ? 0 : native.unmapFile(this.#buffer);
    this.#bytes = new Uint8Array(0);
    assert(result >= 0, 'a map is unmapped once');
  }
}
