/**
 * Bounds that are not settings of Kafka's own: every queue, buffer and cache of the process has one.
 * Settings that users change come from config tables; these are their companions and defaults.
 */

import { totalmem } from 'node:os';
import { assert } from './assert.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Bounds of one listener and its connections. */
export interface NetLimits {
  /** Largest request frame in bytes, without its size prefix (socket.request.max.bytes). */
  readonly frameBytesMax: number;
  /** Bytes of partial and held request frames over all connections of the listener. */
  readonly assemblyBytesMax: number;
  /** Requests of one connection that are with the handler at a time; further ones wait. */
  readonly inFlightCountMax: number;
  /** Bytes of request frames of one connection with the handler; one request is always let in. */
  readonly inFlightBytesMax: number;
  /** Response bytes queued on one connection; above it reading stops, below half it goes on. */
  readonly outputBytesMax: number;
  /** Chunks queued on one connection; the same rule. */
  readonly outputCountMax: number;
  /** Connections over all addresses (max.connections). */
  readonly connectionCountMax: number;
  /** Connections from one address (max.connections.per.ip). */
  readonly connectionCountPerAddressMax: number;
  /** A connection on which nothing moves for this long is closed (connections.max.idle.ms). */
  readonly idleMsMax: number;
  /** Time for the first whole frame after the connection was made. */
  readonly firstFrameMsMax: number;
  /** After a graceful close: time for the peer to close its half. */
  readonly lingerMsMax: number;
  /** Page cache that reads of what is not in it may fill; what they read first is given back first. */
  readonly coldBytesMax: number;
}

export const defaultNetLimits: NetLimits = {
  frameBytesMax: 100 * MIB,
  assemblyBytesMax: 512 * MIB,
  // Deep enough that a tick's worth of small pipelined requests needs no pause.
  inFlightCountMax: 256,
  inFlightBytesMax: 16 * MIB,
  outputBytesMax: 4 * MIB,
  outputCountMax: 1024,
  connectionCountMax: 16_384,
  connectionCountPerAddressMax: 4_096,
  idleMsMax: 600_000,
  firstFrameMsMax: 30_000,
  lingerMsMax: 2_000,
  coldBytesMax: Math.max(256 * MIB, memoryBytes() / 4),
};

/** Of this machine, or less if a container says so. */
function memoryBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

/** The read buffer that all connections of one event loop share. */
export const SHARED_READ_BYTES = MIB;
/** A frame up to this size that is whole in the read buffer is handled where it lies. */
export const FRAME_IN_PLACE_BYTES_MAX = 64 * KIB;
/** First size of a buffer in which a frame is assembled; it then doubles with what has come. */
export const FRAME_BUFFER_BYTES_MIN = 4 * KIB;
/** Of buffers of large frames that are kept for the next ones, a thread. */
export const FRAME_POOL_BYTES_MAX = 8 * MIB;
/** What one connection may send before the others have their turn. */
export const SEND_TURN_BYTES = MIB;
/** A file range up to this size is copied; a longer one is sent by sendfile(2). Measured. */
export const SLICE_COPY_BYTES_MAX = 8 * KIB;
/** Buffers in one sendmsg(2). */
export const SEND_BUFFERS_MAX = 64;
/** Step of the residency check and of prefetching. */
export const RESIDENCY_STEP_BYTES = MIB;
/** How far ahead of a reader that reads on through a cold file it is read. */
export const READ_AHEAD_BYTES = 2 * MIB;
/** What one job gives back to the page cache at most. */
export const DROP_BYTES_MAX = 16 * MIB;
/** Ranges that are kept to be given back; those of who reads on are of DROP_BYTES_MAX each. */
export const DROP_RANGES_MAX = 16_384;
/** Prefetch jobs in the libuv pool at a time: half of its default four threads. */
export const PREFETCH_JOBS_MAX = 2;
/** How long a range that was sent counts as resident without a look. */
export const HOT_MS_MAX = 10_000;
/** Without the addon: blocks of 1 MiB that slow peers may hold; beyond them blocks are small. */
export const COPY_BLOCKS_MAX = 16;
export const COPY_BLOCK_BYTES = MIB;
export const COPY_BLOCK_SMALL_BYTES = 64 * KIB;

assert(FRAME_IN_PLACE_BYTES_MAX + 4 <= SHARED_READ_BYTES, 'a small frame fits the read buffer');
assert(SLICE_COPY_BYTES_MAX <= COPY_BLOCK_SMALL_BYTES, 'a small slice fits the smallest block');
assert(COPY_BLOCK_SMALL_BYTES <= COPY_BLOCK_BYTES, 'the small block is the smaller one');
assert(RESIDENCY_STEP_BYTES <= DROP_BYTES_MAX, 'a step is dropped as a whole');
assert(RESIDENCY_STEP_BYTES <= SEND_TURN_BYTES, 'a turn sends at least one checked step');
