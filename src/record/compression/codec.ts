/**
 * What a codec is, and its errors. Synchronous per batch; bounded in output.
 */

import { MillraceError } from '../../base/errors.js';

export const compressionNames = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
/** By id: the low three bits of a batch's attributes are the position in this list. */
export type CompressionName = (typeof compressionNames)[number];

export interface DecompressOptions {
  /** Most bytes the result may have. */
  readonly sizeMax: number;
}

export interface CompressOptions {
  /** The codec's own scale; its default where none is given. Ignored by snappy and lz4. */
  readonly level?: number;
}

export interface Codec {
  readonly id: number;
  readonly name: CompressionName;
  /** In the form that Kafka's Java client writes. Borrows `bytes` until it returns. */
  compress(bytes: Uint8Array, options?: CompressOptions): Uint8Array;
  /**
   * Reads every legal form. Throws a CompressionError; never allocates beyond `sizeMax` and a
   * constant for working memory. The result may be `bytes` itself (codec none) or a new array.
   */
  decompress(bytes: Uint8Array, options: DecompressOptions): Uint8Array;
}

export type CompressionErrorCode =
  /** The bytes are not what the codec writes, or end early. */
  | 'CORRUPT_COMPRESSION'
  /** The result would have more than `sizeMax` bytes. */
  | 'DECOMPRESSED_TOO_LARGE'
  /** No codec has this id. */
  | 'UNSUPPORTED_COMPRESSION_TYPE';

export class CompressionError extends MillraceError {
  override name = 'CompressionError';
  declare readonly code: CompressionErrorCode;

  constructor(code: CompressionErrorCode, message: string, cause?: unknown) {
    super(message, { code, cause });
  }
}

export function tooLarge(name: CompressionName, sizeMax: number): CompressionError {
  const message = `${name}: more than ${sizeMax} bytes when decompressed`;
  return new CompressionError('DECOMPRESSED_TOO_LARGE', message);
}

export function corrupt(name: CompressionName, what: string, cause?: unknown): CompressionError {
  return new CompressionError('CORRUPT_COMPRESSION', `${name}: ${what}`, cause);
}
