/**
 * Chunk: bytes on their way out, either in memory or still in a file.
 *
 *     log.read() -> FileSlice -> Fetch response -> encoder -> Chunk[] -> response writer
 *                                                              |           |
 *                                                   Uint8Array: writev   FileSlice: sendfile(2)
 *
 * `log` never knows what a socket is, `net` never knows what a batch is: this type is all that they
 * share. The implementation of FileSlice is file/file-slice.ts.
 */

import type { HotRange } from './hot-range.js';

/** A file that is open, as whoever sends its bytes sees it: the same object for all of its slices. */
export interface OpenFile {
  /** -1 once it is closed. */
  readonly fd: number;
  readonly hot: HotRange;
}

/**
 * `length` bytes of a file from `position`, fixed when the slice is made. The slice holds its file
 * open: whoever receives it releases it exactly once, in a finally.
 */
export interface FileSlice {
  /** Descriptor for sendfile; valid until `release`. */
  readonly fd: number;
  /** First byte, counted from the start of the file. */
  readonly position: number;
  /** In bytes, > 0. */
  readonly length: number;
  readonly openFile: OpenFile;
  /**
   * Bytes, from the first on, that are still those it was made of: fewer once the file was cut, also when
   * others were appended since. Whoever sends by descriptor asks before each call.
   */
  readonly intactLength: number;
  /**
   * Copies bytes [from, from + length) of the slice into `target` at `targetOffset`; answers how
   * many were there, fewer only if the file was cut meanwhile. Throws a MillraceError on EIO.
   */
  copyTo(target: Uint8Array, targetOffset: number, from: number, length: number): number;
  /** Adds a holder; each holder calls `release` once. */
  retain(): void;
  release(): void;
}

export type Chunk = Uint8Array | FileSlice;

export function isFileSlice(chunk: Chunk): chunk is FileSlice {
  return !(chunk instanceof Uint8Array);
}

/** Total size of `chunks` in bytes. */
export function chunksSize(chunks: readonly Chunk[]): number {
  let size = 0;
  for (const chunk of chunks) size += chunk.length;
  return size;
}

/** Releases every file slice of `chunks`; for responses that will not be sent. */
export function releaseChunks(chunks: readonly Chunk[]): void {
  for (const chunk of chunks) if (isFileSlice(chunk)) chunk.release();
}
