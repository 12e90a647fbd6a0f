/**
 * The writer of one frame: a ByteWriter that remembers where record chunks belong.
 *
 *     bytes    | size, header, fields ... | ... fields ... | ... fields |
 *     splits                              ^                ^
 *     between                          chunks           chunks
 */

import { assert } from '../base/assert.js';
import { ByteWriter, writeInt32 } from '../base/byte-writer.js';
import { type Chunk, chunksSize } from '../base/chunk.js';
import { unsignedVarintSize, writeUnsignedVarint } from '../base/varint.js';
import { STRING_SIZE_MAX } from './message-reader.js';

/** Strings up to this length have a one-byte length prefix however they are coded. */
const SURELY_SHORT_MAX = 42;

export type RecordChunks = Chunk | readonly Chunk[];

export class MessageWriter extends ByteWriter {
  #splits: number[] = [];
  #between: RecordChunks[] = [];
  #recordsSize = 0;

  /** Puts chunks, by reference, after what has been written so far. */
  records(chunks: RecordChunks): void {
    this.#splits.push(this.position);
    this.#between.push(chunks);
    this.#recordsSize += recordsSize(chunks);
  }

  /** Length as varint + 1, then UTF-8. */
  compactString(value: string): void {
    const length = value.length;
    if (length <= SURELY_SHORT_MAX) {
      const bytes = this.reserve(length * 3 + 1);
      const start = this.position + 1;
      let at = start;
      for (let i = 0; i < length; i++) {
        const code = value.charCodeAt(i);
        if (code > 0x7f) {
          at = start + bytes.write(value, start, 'utf8');
          break;
        }
        bytes[at++] = code;
      }
      bytes[start - 1] = at - start + 1;
      this.position = at;
      return;
    }
    const size = Buffer.byteLength(value);
    assert(size <= STRING_SIZE_MAX, 'a string that fits');
    this.unsignedVarint(size + 1);
    this.string(value);
  }

  /** Length as int16, then UTF-8. */
  shortString(value: string): void {
    const length = value.length;
    const bytes = this.reserve(length * 3 + 2);
    const start = this.position + 2;
    let at = start;
    if (length <= SURELY_SHORT_MAX) {
      for (let i = 0; i < length; i++) {
        const code = value.charCodeAt(i);
        if (code > 0x7f) {
          at = start;
          break;
        }
        bytes[at++] = code;
      }
    }
    if (at - start !== length) at = start + bytes.write(value, start, 'utf8');
    const size = at - start;
    assert(size <= STRING_SIZE_MAX, 'a string that fits');
    bytes[start - 2] = size >> 8;
    bytes[start - 1] = size;
    this.position = at;
  }

  /** As `shortString`; null has length -1. */
  nullableString(value: string | null): void {
    if (value === null) this.int16(-1);
    else this.shortString(value);
  }

  /**
   * Puts the size of a tagged field before it. The field was written from `start`, with one byte
   * left free before `start`; most fields need no more.
   */
  closeTag(start: number): void {
    assert(this.#splits.length === 0 || (this.#splits.at(-1) as number) < start, 'tagged records');
    const size = this.position - start;
    const extra = unsignedVarintSize(size) - 1;
    if (extra > 0) this.shift(start, extra);
    writeUnsignedVarint(this.bytes, start - 1, size);
  }

  /** Fills in the size that the first 4 bytes are kept for; answers the frame. */
  finishFrame(): Chunk[] {
    const splits = this.#splits;
    const size = this.position + this.#recordsSize - 4;
    assert(size <= 0x7fffffff, 'a frame that fits');
    writeInt32(this.bytes, 0, size);
    if (splits.length === 0) return [this.finish()];
    const between = this.#between;
    const bytes = this.finish();
    const chunks: Chunk[] = [];
    let from = 0;
    for (let i = 0; i < splits.length; i++) {
      const to = splits[i] as number;
      if (to > from) chunks.push(bytes.subarray(from, to));
      from = to;
      const part = between[i] as RecordChunks;
      if (isList(part)) chunks.push(...part);
      else chunks.push(part);
    }
    if (from < bytes.length) chunks.push(bytes.subarray(from));
    return chunks;
  }

  override reset(): void {
    super.reset();
    if (this.#splits.length > 0) {
      this.#splits = [];
      this.#between = [];
      this.#recordsSize = 0;
    }
  }
}

export function recordsSize(chunks: RecordChunks): number {
  return isList(chunks) ? chunksSize(chunks) : chunks.length;
}

function isList(chunks: RecordChunks): chunks is readonly Chunk[] {
  return Array.isArray(chunks);
}
