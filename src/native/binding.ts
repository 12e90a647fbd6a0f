/**
 * The one door to the addon (native/*.cc): finds it, loads it, checks that it is the right one, and
 * gives it a type. Nothing else in the project loads it.
 *
 *     MILLRACE_NATIVE=0 --> null (the fallback is forced)
 *     MILLRACE_NATIVE_PATH=FILE --> that file and no other (sanitizer builds)
 *     else build/Release/millrace.node --> prebuilds/PLATFORM[musl]-ARCH.node --> null
 *
 * `native === null` is an ordinary state: every user has a TypeScript path with the same results,
 * and `nativeError` says why. Nothing is ever thrown from here.
 *
 * CONVENTIONS, the same for every function and for SocketHandle's methods:
 *  - Positional arguments. Answers >= 0, or -errno (`systemError` of system-error.ts makes an error
 *    of it). Only a constructor throws instead: an Error with `errno` (negative) and `code`.
 *  - An argument of the wrong type throws a TypeError. A number out of its range (not whole,
 *    negative, past the end of its buffer) answers -EINVAL and nothing was done.
 *  - EINTR is retried inside. EAGAIN is answered. Short counts are answered as they are.
 *  - Bytes are borrowed until the call returns. Pool functions keep no reference to any buffer and
 *    own a duplicate of the descriptor, so the caller may close its own at once.
 *  - Callable from worker threads; nothing is shared between environments but descriptors.
 *  - sendfile has no MSG_NOSIGNAL: that a closed peer answers -EPIPE instead of killing the process
 *    rests on Node ignoring SIGPIPE, as it does at start.
 */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Called once, from the event loop, with what the function would have answered. */
export type ResultCallback = (result: number) => void;

/** Numbers of this kernel and libc, exported by the addon so that they are never typed twice. */
export interface NativeConstants {
  readonly EAGAIN: number;
  readonly EBADF: number;
  readonly ECONNRESET: number;
  readonly EINTR: number;
  readonly EINVAL: number;
  readonly EIO: number;
  readonly EMFILE: number;
  readonly ENOENT: number;
  readonly ENOSPC: number;
  readonly ENOSYS: number;
  readonly ENOTSOCK: number;
  readonly EOPNOTSUPP: number;
  readonly EPIPE: number;
  readonly EDQUOT: number;
  readonly EOVERFLOW: number;
  readonly EWOULDBLOCK: number;
  readonly LOCK_EX: number;
  readonly LOCK_SH: number;
  readonly LOCK_NB: number;
  readonly LOCK_UN: number;
  readonly FALLOC_FL_KEEP_SIZE: number;
  readonly FALLOC_FL_PUNCH_HOLE: number;
  readonly FALLOC_FL_ZERO_RANGE: number;
  readonly SHUT_RD: number;
  readonly SHUT_WR: number;
  readonly SHUT_RDWR: number;
  /** Buffers that one vectored call takes. */
  readonly IOV_MAX: number;
  /** Live maps of the whole process beyond which mapFile answers -EMFILE. */
  readonly MAP_COUNT_MAX: number;
  /** Doubles per batch in the output of walkBatches, after the first WALK_HEAD. */
  readonly WALK_STRIDE: number;
  readonly WALK_HEAD: number;
  readonly WALK_END: number;
  readonly WALK_OUT_FULL: number;
  readonly WALK_INCOMPLETE: number;
  readonly WALK_BAD_MAGIC: number;
  readonly WALK_BAD_LENGTH: number;
  readonly WALK_BAD_CRC: number;
  readonly WALK_BAD_COUNT: number;
  readonly WALK_BAD_RECORDS: number;
  readonly WALK_BAD_OFFSETS: number;
  readonly WALK_CHECK_CRC: number;
  readonly WALK_RECORDS: number;
  readonly WALK_SPARSE_OFFSETS: number;
}

/**
 * The sending half of one connection: an own duplicate of its descriptor, so that no byte can reach
 * whoever gets the number after the socket is closed. Never blocks and never spins; the caller sends
 * inline and arms only after -EAGAIN. Not for use by two threads.
 *
 * While armed it keeps itself and the process alive, as a pending write of a net.Socket does.
 * `close` ends everything, also inside `onEvent`; after it every method but `close` answers -EBADF.
 */
export interface SocketHandle {
  /**
   * Sends the concatenation of `buffers` from byte `firstOffset` on, at most IOV_MAX buffers of it,
   * with sendmsg. `more` 1: the kernel may hold a partial segment because more follows at once
   * (MSG_MORE). Answers the bytes taken, 0 only if none were left to send.
   */
  send(buffers: readonly Uint8Array[], firstOffset: number, more: 0 | 1): number;
  /**
   * One sendfile(2) from `position` of `fileFd`. 0 means that the file ends before `position`: with
   * bytes promised to the peer that is fatal for the connection.
   */
  sendfile(fileFd: number, position: number, length: number): number;
  /**
   * Waits once for writability: `onEvent(0)`, or `onEvent(-errno)` if the connection is gone
   * (-ECONNRESET whatever its cause: the pending error is left to whoever reads). Idempotent.
   */
  arm(): number;
  /** Takes `arm` back; its event will not come. Idempotent. */
  disarm(): number;
  /** shutdown(2); both directions unless `how` (SHUT_*) says otherwise. */
  shutdown(how?: number): number;
  /** Closes the duplicate; the socket itself lives on. Idempotent, answers 0. */
  close(): number;
  /** The duplicate, or -1 after close. For diagnostics. */
  readonly fd: number;
  readonly armed: boolean;
}

export interface Native {
  readonly constants: NativeConstants;

  /**
   * Duplicates `fd`, which must be a socket, and makes it non-blocking. `onEvent` runs from the event
   * loop as an own tick (microtasks run after it); what it throws is an uncaught exception.
   */
  readonly SocketHandle: new (
    fd: number,
    onEvent: (status: number) => void,
  ) => SocketHandle;

  /** CRC-32C of `length` bytes from `offset`; `seed` is the CRC of what went before, or 0. */
  crc32c(bytes: Uint8Array, offset: number, length: number, seed: number): number;
  /** Which implementation runs on this CPU: 'vpclmul', 'sse42', 'armv8' or 'table'. */
  crc32cKind(): string;

  /** Fills `bytes` by getrandom(2): fit for secrets. */
  fillRandom(bytes: Uint8Array): number;

  /**
   * Walks the v2 record batches in bytes [offset, end) of `bytes` and checks them; answers how many
   * passed. Any input is safe. `out` gets, for WALK_HEAD = 2 and WALK_STRIDE = 16,
   *
   *     out[0]  position where it stopped: `end`, or the start of the first batch that did not pass
   *     out[1]  why: WALK_END ... WALK_BAD_OFFSETS
   *     then per batch [position, sizeInBytes, baseOffset, lastOffsetDelta, leaderEpoch, attributes,
   *       baseTimestamp, maxTimestamp, producerId, producerEpoch, baseSequence, recordsCount,
   *       minRecordTimestamp, maxRecordTimestamp, nullKeyCount, 0]
   *
   * and nothing beyond. The checks, in this order (remaining = end - position, length = the int32 at
   * 8, size = 12 + length):
   *
   *     position == end                          END
   *     no room in `out` for one more            OUT_FULL
   *     remaining < 17                           INCOMPLETE
   *     magic (byte 16) != 2                     BAD_MAGIC
   *     length < 49                              BAD_LENGTH
   *     size > remaining                         INCOMPLETE
   *     CHECK_CRC: CRC-32C of [21, size) differs BAD_CRC
   *     baseOffset < 0, lastOffsetDelta < 0,
   *       or their sum > 2^53 - 1                BAD_OFFSETS
   *     recordsCount < 0, or without compression
   *       > floor((size - 61) / 7)               BAD_COUNT
   *     without SPARSE_OFFSETS: recordsCount < 1
   *       or lastOffsetDelta != recordsCount - 1 BAD_COUNT
   *     with it: lastOffsetDelta < recordsCount-1 BAD_COUNT
   *     WALK_RECORDS and (attributes & 7) == 0:
   *       each record as below, and the last one
   *       ends where the batch ends              BAD_RECORDS
   *
   * A record: varint length >= 6 that stays inside the batch, and within exactly that length: an
   * attributes byte (any value), varlong timestamp delta, varint offset delta (its index; with
   * SPARSE_OFFSETS above the one before, >= 0 and <= lastOffsetDelta), varint key length >= -1 and
   * key, varint value length >= -1 and value, varint header count >= 0, and per header a varint key
   * length >= 0 and key, varint value length >= -1 and value. A varint has at most 5 bytes and 32
   * bits, a varlong at most 10 bytes and 64 bits; longer forms of small values are accepted.
   *
   * Fields 12-14 are set by a records walk, else NaN; 12 and 13 are also NaN in a batch of no
   * records. Record timestamps are base + delta as written, whatever the attributes say, computed in
   * 64 bits (a sum outside int64 is BAD_RECORDS) and, as every int64 here, rounded to a double once.
   * Unknown flag bits, offset > end, end > bytes.length or out.length < 2 answer -EINVAL.
   */
  walkBatches(
    bytes: Uint8Array,
    offset: number,
    end: number,
    out: Float64Array,
    flags: number,
  ): number;

  /** One sendfile(2); see SocketHandle.sendfile. Blocks if the socket blocks. */
  sendfile(socketFd: number, fileFd: number, position: number, length: number): number;
  /** sendmsg with MSG_NOSIGNAL on a descriptor of the caller's; see SocketHandle.send. */
  send(fd: number, buffers: readonly Uint8Array[], firstOffset: number, more: 0 | 1): number;
  /** writev(2) of the concatenation from byte `firstOffset` (default 0), at most IOV_MAX buffers. */
  writev(fd: number, buffers: readonly Uint8Array[], firstOffset?: number): number;
  /**
   * One pwritev(2) at `position` of the concatenation from its byte `firstOffset` (default 0), at most
   * IOV_MAX buffers. After a short count n: again with position + n and firstOffset + n.
   */
  pwritev(
    fd: number,
    buffers: readonly Uint8Array[],
    position: number,
    firstOffset?: number,
  ): number;
  /** One preadv(2); `firstOffset` (default 0) is the first byte of the concatenation to be filled. */
  preadv(
    fd: number,
    buffers: readonly Uint8Array[],
    position: number,
    firstOffset?: number,
  ): number;

  /** Answers 0 when queued (then `callback` comes once), or -errno and `callback` never comes. */
  fdatasync(fd: number, callback: ResultCallback): number;
  /**
   * fdatasync of several files of one file system at the price of one. `files` has [descriptor, position,
   * length] of each, at most 1,024; of each the range is made durable, and that only where its blocks and
   * the file's size are on the disk already (sync_file_range(2), then one fdatasync). The callback's
   * `results` has 0 or -errno for each. Answers as fdatasync.
   */
  syncTogether(
    files: Float64Array,
    callback: (result: number, results: Int32Array) => void,
  ): number;
  /**
   * Reads the range into the page cache from the libuv pool; the callback's result is the number of
   * bytes that are there. The disk is asked for `ahead` bytes behind it too, which are not waited for. At
   * most 64 MiB each (-EINVAL). The kernel's own readahead for this open file is off from then on. Answers
   * as fdatasync.
   */
  prefetch(
    fd: number,
    position: number,
    length: number,
    ahead: number,
    callback: ResultCallback,
  ): number;
  /**
   * Lets the page cache drop the range, which is clean, from the libuv pool: the callback's result is 0.
   * Answers as fdatasync.
   */
  dropPages(fd: number, position: number, length: number, callback: ResultCallback): number;
  /**
   * How many bytes of the range are in the page cache, by cachestat(2): `length` if and only if all
   * of it. -ENOSYS before Linux 6.5.
   */
  residentBytes(fd: number, position: number, length: number): number;

  /**
   * Checks batches of a file from the libuv pool, by reads of about a MiB: CRCs, and offsets that rise. The
   * callback's result is where the good batches end that follow each other from `position` on: at or
   * behind `end` if all are good, and never behind `limit`, which no batch passes. At most 64 MiB between
   * `position` and `end` (-EINVAL). Answers as fdatasync.
   */
  walkFile(
    fd: number,
    position: number,
    end: number,
    limit: number,
    callback: ResultCallback,
  ): number;
  /**
   * CRC-32C of each block of [position, position + length) from the libuv pool; the last one may be short.
   * The callback's result is how many bytes were there, and with it come the CRCs. At most 64 MiB; a block
   * has 4 KiB to 64 MiB (-EINVAL). Answers as fdatasync.
   */
  checksumBlocks(
    fd: number,
    position: number,
    length: number,
    blockSize: number,
    callback: (result: number, crcs: Uint32Array) => void,
  ): number;

  fallocate(fd: number, mode: number, offset: number, length: number): number;
  /** Opens, fsyncs and closes a directory, on this thread. */
  fsyncDir(path: string): number;
  /** `operation` must contain LOCK_NB or be LOCK_UN, else -EINVAL: a waiting lock would stop the loop. */
  flock(fd: number, operation: number): number;

  /** -ENOENT where the algorithm is missing. Set it on the listening socket, before accept. */
  setCongestion(fd: number, name: string): number;
  /** The algorithm's name, or -errno. */
  getCongestion(fd: number): string | number;
  setNoDelay(fd: number): number;
  /** A duplicate with close-on-exec. */
  dup(fd: number): number;
  close(fd: number): number;
  shutdown(fd: number, how: number): number;

  /**
   * Maps `length` > 0 bytes from `position` (any, not only page starts) of a regular file, read-only.
   * -EINVAL if the range passes the end of the file as fstat sees it; -EMFILE at MAP_COUNT_MAX.
   * A write through the buffer, or a file truncated under it, kills the process: only for sealed
   * files, and only behind code that never hands the buffer on. A forgotten one is unmapped when it
   * is collected.
   */
  mapFile(fd: number, position: number, length: number): ArrayBuffer | number;
  /**
   * Detaches the buffer (every view of it has length 0 from here on), then unmaps. -EINVAL if it is
   * not a live map of this environment, so a second call is harmless.
   */
  unmapFile(buffer: ArrayBuffer): number;
  /** Live maps of the whole process. */
  mapCount(): number;
}

/** Of the interface above; an addon that says another number is not loaded. */
const INTERFACE_VERSION = 3;

const loaded = load();

/** The addon, or null: then `nativeError` says why. */
export const native: Native | null = loaded.native;
export const nativeError: Error | null = loaded.error;

interface Loaded {
  readonly native: Native | null;
  readonly error: Error | null;
}

function load(): Loaded {
  if (process.env['MILLRACE_NATIVE'] === '0') {
    return { native: null, error: new Error('the addon is switched off by MILLRACE_NATIVE=0') };
  }
  const require = createRequire(import.meta.url);
  const errors: Error[] = [];
  for (const path of candidates(require)) {
    try {
      const addon = require(path) as Native & { readonly interfaceVersion?: unknown };
      if (addon.interfaceVersion === INTERFACE_VERSION) return { native: addon, error: null };
      errors.push(new Error(`${path}: built for another version of millrace, build it again`));
    } catch (error) {
      errors.push(error instanceof Error ? error : new Error(String(error)));
    }
  }
  // A missing file is the ordinary case; one that is there and does not load is what to tell of.
  const telling = errors.find((error) => !isMissing(error));
  return {
    native: null,
    error: telling ?? new Error('the addon is not built', { cause: errors[0] }),
  };
}

function candidates(require: NodeJS.Require): string[] {
  const forced = process.env['MILLRACE_NATIVE_PATH'];
  if (forced !== undefined && forced !== '') return [forced];
  const root = packageRoot(require);
  if (root === null) return [];
  const { platform, arch } = process;
  // On musl the first prebuild does not load and the second does; no need to ask which libc this is.
  return [
    join(root, 'build', 'Release', 'millrace.node'),
    join(root, 'prebuilds', `${platform}-${arch}.node`),
    ...(platform === 'linux' ? [join(root, 'prebuilds', `linuxmusl-${arch}.node`)] : []),
  ];
}

/** The nearest folder above this file whose package.json is ours. */
function packageRoot(require: NodeJS.Require): string | null {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    try {
      const { name } = require(join(at, 'package.json')) as { name?: unknown };
      if (name === 'millrace') return at;
    } catch {
      // None here: go on upwards.
    }
    if (at === dirname(at)) return null;
  }
}

function isMissing(error: Error): boolean {
  return 'code' in error && error.code === 'MODULE_NOT_FOUND';
}
