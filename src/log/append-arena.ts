/**
 * Memory for borrowed batches between `append` and the write at the end of the tick. One arena serves
 * all logs of the process:
 *
 *     chunk   | log A batch | log A batch | log B batch | free ...        live = 3
 *
 * Each copy is released once, after its write; a chunk of which nothing is live begins anew, so in
 * steady state nothing is allocated. Neighbours of one log go out as one buffer.
 */

import { assert } from '../base/assert.js';
import { ARENA_BYTES } from './log-limits.js';

export class ArenaChunk {
  readonly bytes: Uint8Array;
  /** Next free byte. */
  end = 0;
  /** Copies not yet released. */
  live = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  release(): void {
    assert(this.live > 0, 'an arena copy is released once');
    if (--this.live === 0) this.end = 0;
  }
}

export class AppendArena {
  #chunk = new ArenaChunk(new Uint8Array(0));

  /** Copies `bytes`; the copy is at [end - bytes.length, end) of the chunk it answers. */
  copy(bytes: Uint8Array): ArenaChunk {
    let chunk = this.#chunk;
    if (chunk.end + bytes.length > chunk.bytes.length) chunk = this.#grow(bytes.length);
    chunk.bytes.set(bytes, chunk.end);
    chunk.end += bytes.length;
    chunk.live++;
    return chunk;
  }

  /** A chunk with room; a large batch gets one of its own that is not kept. */
  #grow(size: number): ArenaChunk {
    if (size > ARENA_BYTES) return new ArenaChunk(Buffer.allocUnsafeSlow(size));
    this.#chunk = new ArenaChunk(Buffer.allocUnsafeSlow(ARENA_BYTES));
    return this.#chunk;
  }
}
