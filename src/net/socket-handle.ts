/**
 * One accepted connection as two descriptors of one socket:
 *
 *     accept -> net.Socket (paused) --dup--> net.Socket with onread --dup--> SocketHandle (addon)
 *                 destroyed at once            reads                           sends, if asked for
 *
 * Node offers `onread`, reading into one given buffer, only to sockets that are made with it, so the
 * accepted socket is taken over through a duplicate of its descriptor. The buffer is one for all
 * connections of the loop: the callback is synchronous and its owner keeps no reference to it.
 * Without the addon the accepted socket is used as it is, by its 'data' events.
 *
 * Half-open is allowed, or Node would end our half by itself when the peer ends its own, in front of
 * the responses in our queue.
 */

import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { MillraceError } from '../base/errors.js';
import { SHARED_READ_BYTES } from '../base/limits.js';
import type { Native, SocketHandle } from '../native/binding.js';
import { checked } from '../native/system-error.js';

export interface SocketEvents {
  /** `length` bytes came, at the start of `bytes`; borrowed until the call returns. */
  onBytes(bytes: Uint8Array, length: number): void;
  /** The peer has ended its half. */
  onEnd(): void;
  onError(error: Error): void;
  /** Both descriptors are closed or about to be; the last event. */
  onClosed(): void;
  /** The event of `handle` after `arm`. */
  onWritable(status: number): void;
}

let sharedReadBuffer: Uint8Array | null = null;

export class ConnectionSocket {
  /** For CopyWriter. With a handle in use nobody writes to it. */
  readonly socket: Socket;
  /** For SendfileWriter; null: responses go through `socket`. */
  readonly handle: SocketHandle | null;

  /** Use `adopt`. */
  constructor(socket: Socket, handle: SocketHandle | null, events: SocketEvents) {
    this.socket = socket;
    this.handle = handle;
    socket.on('end', () => events.onEnd());
    socket.on('error', (error) => events.onError(error));
    socket.on('close', () => {
      this.handle?.close();
      events.onClosed();
    });
  }

  /**
   * Takes over `accepted`, which is paused and has no listeners. `sending`: make a SocketHandle.
   * Throws if there are no descriptors left, or the peer has gone; `accepted` is destroyed then.
   */
  static adopt(
    accepted: Socket,
    native: Native | null,
    sending: boolean,
    events: SocketEvents,
  ): ConnectionSocket {
    if (native === null) {
      const adopted = new ConnectionSocket(accepted, null, events);
      accepted.on('data', (bytes: Buffer) => events.onBytes(bytes, bytes.length));
      accepted.resume();
      return adopted;
    }
    try {
      return takeOver(accepted, native, sending, events);
    } finally {
      // Closes this descriptor only: the socket lives on in its duplicates.
      accepted.destroy();
    }
  }

  /** No bytes come until `resume`; the peer's window fills. Idempotent. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** It does not keep the process alive by itself. */
  unref(): void {
    this.socket.unref();
  }

  /** Ends our half after all that was sent. */
  endWrites(native: Native | null): void {
    if (this.handle !== null && native !== null) this.handle.shutdown(native.constants.SHUT_WR);
    else this.socket.end();
  }

  /** Closes both descriptors now. Idempotent. */
  destroy(): void {
    this.handle?.close();
    this.socket.destroy();
  }
}

function takeOver(
  accepted: Socket,
  native: Native,
  sending: boolean,
  events: SocketEvents,
): ConnectionSocket {
  const fd = checked(native.dup(descriptorOf(accepted)), 'dup');
  sharedReadBuffer ??= Buffer.allocUnsafeSlow(SHARED_READ_BYTES);
  // The types know onread only for sockets that connect; the constructor is what reads it.
  const options: SocketConstructorOpts & { onread: OnReadOpts } = {
    fd,
    readable: true,
    writable: true,
    allowHalfOpen: true,
    onread: {
      buffer: sharedReadBuffer,
      callback(length, bytes) {
        events.onBytes(bytes, length);
        return true;
      },
    },
  };
  let socket: Socket;
  try {
    socket = new Socket(options);
  } catch (error) {
    native.close(fd);
    throw error;
  }
  try {
    const handle = sending
      ? new native.SocketHandle(fd, (status) => events.onWritable(status))
      : null;
    return new ConnectionSocket(socket, handle, events);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Node has no public way to it; it is -1, or the handle null, once the socket is closed. */
export function descriptorOf(holder: object): number {
  const handle = (holder as { _handle?: { fd?: number } | null })._handle;
  const fd = handle?.fd ?? -1;
  if (fd < 0) throw new MillraceError('the socket is closed already', { code: 'SOCKET_CLOSED' });
  return fd;
}
