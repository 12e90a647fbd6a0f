/**
 * How large zstd frames can become, from their headers alone (RFC 8878, section 3.1):
 *
 *     magic fd2fb528 | descriptor 1 | [window 1] | [dictionary id 1,2,4] | [content size 1,2,4,8]
 *     per block: 3 bytes: bit 0 last, bits 1-2 type, bits 3-23 size; then its bytes
 *       type 0 stored: size bytes; 1 run: 1 byte, size times; 2 compressed: size bytes, which
 *       become at most min(window, 128 KiB)
 *     [checksum 4]
 *     skippable frame: magic 184d2a5?, size 4, bytes                (integers are little-endian)
 */

import { corrupt } from './codec.js';

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const BLOCK_SIZE_MAX = 128 * 1024;
const RUN = 1;
const COMPRESSED = 2;

export interface ZstdSizeBound {
  /** Skippable ones included. */
  readonly frameCount: number;
  /** The largest that a frame asks for: what a streaming reader sets aside, used or not. */
  readonly windowSize: number;
  /** At least so many bytes: the content sizes, stored blocks and runs. */
  readonly known: number;
  /** At most so many bytes. */
  readonly most: number;
}

/** Walks all frames; throws a CompressionError for what cannot be frames or is cut short. */
export function zstdSizeBound(bytes: Uint8Array): ZstdSizeBound {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let known = 0;
  let most = 0;
  let frameCount = 0;
  let windowSize = 0;
  let at = 0;
  do {
    frameCount++;
    need(view, at, 4);
    const magic = view.getUint32(at, true);
    if ((magic & ~0xf) >>> 0 === SKIPPABLE_MAGIC) {
      need(view, at, 8);
      at += 8 + view.getUint32(at + 4, true);
      need(view, at, 0);
      continue;
    }
    if (magic !== MAGIC) throw corrupt('zstd', `not a frame: magic ${magic.toString(16)}`);
    const frame = walkFrame(view, at + 4);
    known += frame.known;
    most += frame.most;
    windowSize = Math.max(windowSize, frame.windowSize);
    at = frame.end;
  } while (at < view.byteLength);
  return { frameCount, windowSize, known, most };
}

/** The frame whose descriptor is at `start`. */
function walkFrame(
  view: DataView,
  start: number,
): { windowSize: number; known: number; most: number; end: number } {
  need(view, start, 2);
  const descriptor = view.getUint8(start);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryIdSize = [0, 1, 2, 4][descriptor & 0x03] as number;
  const sizeCode = descriptor >> 6;
  const contentSizeSize = sizeCode === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeCode;
  const windowSize = isSingleSegment ? 0 : windowSizeOf(view.getUint8(start + 1));
  let at = start + 1 + (isSingleSegment ? 0 : 1) + dictionaryIdSize;
  need(view, at, contentSizeSize);
  const contentSize = readContentSize(view, at, contentSizeSize);
  at += contentSizeSize;
  let known = 0;
  let most = 0;
  let isLast = false;
  while (!isLast) {
    need(view, at, 3);
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    isLast = (header & 1) !== 0;
    const type = (header >> 1) & 3;
    const size = header >> 3;
    if (type > COMPRESSED || size > BLOCK_SIZE_MAX) throw corrupt('zstd', 'malformed block');
    if (type !== COMPRESSED) known += size;
    most += type === COMPRESSED ? BLOCK_SIZE_MAX : size;
    at += 3 + (type === RUN ? 1 : size);
  }
  at += (descriptor & 0x04) === 0 ? 0 : 4;
  need(view, at, 0);
  if (contentSize === null) return { windowSize, known, most, end: at };
  // The library refuses a frame that does not keep its word.
  if (contentSize < known || contentSize > most) throw corrupt('zstd', 'impossible content size');
  return { windowSize, known: contentSize, most: contentSize, end: at };
}

/** From the window descriptor: exponent in the high five bits, eighths in the low three. */
function windowSizeOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function readContentSize(view: DataView, position: number, size: number): number | null {
  switch (size) {
    case 0:
      return null;
    case 1:
      return view.getUint8(position);
    case 2:
      return view.getUint16(position, true) + 256;
    case 4:
      return view.getUint32(position, true);
    default:
      return view.getUint32(position + 4, true) * 2 ** 32 + view.getUint32(position, true);
  }
}

function need(view: DataView, position: number, count: number): void {
  if (view.byteLength - position < count) throw corrupt('zstd', 'cut short');
}
