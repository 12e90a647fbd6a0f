/**
 * What a server in Node costs before it does anything: the programs of bench/native again, without a
 * protocol, in the fewest steps that Node and the addon allow. Between these and C lies what Node takes,
 * between these and the broker what Kafka's protocol takes.
 *
 *     file PATH       ranges of a file, as file_server.c: the head by sendmsg, the bytes by sendfile
 *     memory BYTES    a constant block, as file_server.c; those asked for at once in one sendmsg
 *     frames PATH     receives frames in place, CRC, pwrite, 12 bytes of answer, as sink.cc
 *     pipe PATH       createReadStream(...).pipe(socket): what one writes without any of this
 *
 * Each is a process of its own, which ends with its parent.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, ftruncateSync, openSync } from 'node:fs';
import { createServer, type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import type { Native, SocketHandle } from '#src/native/binding.js';
import { native } from '#src/native/binding.js';
import { descriptorOf } from '#src/net/socket-handle.js';

export type NodeServerKind = 'file' | 'memory' | 'frames' | 'pipe';

const SERVE = 'serve';
const REQUEST_SIZE = 16;
const INPUT_BYTES = 64 << 10;
const FRAME_BYTES_MAX = (1 << 20) + 4096;

if (process.argv[1] === import.meta.filename && process.argv[2] === SERVE) {
  serve(process.argv[3] as NodeServerKind, process.argv[4] ?? '');
}

/** A server of this file that runs until `stop`. */
export class NodeServer {
  readonly pid: number;
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.pid = process.pid as number;
    this.port = port;
  }

  /** All but `pipe` need the addon. */
  static async start(kind: NodeServerKind, argument: string | number): Promise<NodeServer> {
    const child = fork(import.meta.filename, [SERVE, kind, String(argument)]);
    const [port] = (await once(child, 'message')) as [number];
    return new NodeServer(child, port);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    this.#process.disconnect();
    await once(this.#process, 'exit');
  }
}

function serve(kind: NodeServerKind, argument: string): void {
  const options = { pauseOnConnect: kind !== 'pipe', noDelay: true };
  const server = createServer(options, handlerOf(kind, argument));
  server.listen(0, '127.0.0.1', () => {
    native?.setCongestion(descriptorOf(server), 'cubic');
    const address = server.address();
    process.send?.(typeof address === 'object' && address !== null ? address.port : 0);
  });
  process.once('disconnect', () => process.exit(0));
}

function handlerOf(kind: NodeServerKind, argument: string): (socket: Socket) => void {
  if (kind === 'pipe') return (socket) => pipeFile(socket, argument);
  if (native === null) throw new Error(`${kind} needs the addon`);
  const addon = native;
  if (kind === 'frames') {
    const file: SinkFile = { fd: openSync(argument, 'w+'), end: 0 };
    return (socket) => takeFrames(socket, addon, file);
  }
  if (kind === 'file') {
    const fd = openSync(argument, 'r');
    return (socket) => answerRanges(socket, addon, (request) => rangeAsked(request, fd));
  }
  const block = Buffer.alloc(4 + Number(argument), 'x');
  block.writeUInt32BE(block.length - 4);
  return (socket) => answerRanges(socket, addon, () => [block]);
}

function pipeFile(socket: Socket, path: string): void {
  socket.on('error', () => {});
  socket.once('data', (request: Buffer) => {
    const length = request.readUInt32BE(12);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(length);
    socket.write(head);
    createReadStream(path, { end: length - 1 }).pipe(socket);
  });
}

interface Range {
  readonly fd: number;
  readonly position: number;
  readonly length: number;
}

type Part = Uint8Array | Range;

function rangeAsked(request: Buffer, fd: number): Part[] {
  const position = Number(request.readBigUInt64BE(4));
  const length = request.readUInt32BE(12);
  const head = Buffer.allocUnsafe(4);
  head.writeUInt32BE(length);
  return [head, { fd, position, length }];
}

function answerRanges(
  accepted: Socket,
  addon: Native,
  answer: (request: Buffer) => readonly Part[],
): void {
  const input = Buffer.allocUnsafeSlow(INPUT_BYTES);
  const sender = new Sender();
  let have = 0;
  const { handle } = takeOver(accepted, addon, sender, {
    buffer: () => input.subarray(have),
    callback(length) {
      have += length;
      let at = 0;
      for (; have - at >= REQUEST_SIZE; at += REQUEST_SIZE) {
        sender.parts.push(...answer(input.subarray(at, at + REQUEST_SIZE)));
      }
      input.copyWithin(0, at, have);
      have -= at;
      sender.send(handle, addon);
      return true;
    },
  });
}

interface SinkFile {
  readonly fd: number;
  end: number;
}

function takeFrames(accepted: Socket, addon: Native, file: SinkFile): void {
  const input = Buffer.allocUnsafeSlow(FRAME_BYTES_MAX);
  const answer = Buffer.alloc(12);
  answer.writeUInt32BE(8);
  const sender = new Sender();
  let have = 0;
  const { handle, socket } = takeOver(accepted, addon, sender, {
    buffer: () => input.subarray(have),
    callback(length) {
      have += length;
      let at = 0;
      while (have - at >= 4) {
        const end = at + 4 + input.readUInt32BE(at);
        if (end - at > FRAME_BYTES_MAX) throw new Error('frame too large');
        if (end > have) break;
        addon.crc32c(input, at + 4, end - at - 4, 0);
        const written = addon.pwritev(file.fd, [input.subarray(at + 4, end)], file.end);
        if (written !== end - at - 4) throw new Error(`pwritev: ${written}`);
        file.end += written;
        at = end;
        sender.parts.push(answer);
      }
      input.copyWithin(0, at, have);
      have -= at;
      sender.send(handle, addon);
      return true;
    },
  });
  // So that the next connection finds no pages to free.
  socket.on('close', () => {
    ftruncateSync(file.fd, 0);
    file.end = 0;
  });
}

/** Parts in their order; waits where the socket is full. */
class Sender {
  readonly parts: Part[] = [];
  #headSent = 0;

  send(handle: SocketHandle, addon: Native): void {
    if (handle.armed) return;
    let done = 0;
    while (done < this.parts.length) {
      const part = this.parts[done] as Part;
      let sent: number;
      if (part instanceof Uint8Array) {
        const next = this.parts.findIndex((one, i) => i > done && !(one instanceof Uint8Array));
        const buffers = this.parts.slice(done, next < 0 ? undefined : next) as Uint8Array[];
        sent = handle.send(buffers, this.#headSent, next < 0 ? 0 : 1);
      } else {
        const { fd, position, length } = part;
        sent = handle.sendfile(fd, position + this.#headSent, length - this.#headSent);
      }
      if (sent === -addon.constants.EAGAIN) {
        handle.arm();
        break;
      }
      if (sent <= 0) {
        handle.shutdown();
        done = this.parts.length;
        break;
      }
      this.#headSent += sent;
      for (; done < this.parts.length; done++) {
        const { length } = this.parts[done] as Part;
        if (this.#headSent < length) break;
        this.#headSent -= length;
      }
    }
    this.parts.splice(0, done);
  }
}

interface Taken {
  readonly socket: Socket;
  readonly handle: SocketHandle;
}

/** As src/net/socket-handle.ts does, but reading to where the caller wants the bytes. */
function takeOver(accepted: Socket, addon: Native, sender: Sender, onread: InPlace): Taken {
  const fd = addon.dup(descriptorOf(accepted));
  const options: SocketConstructorOpts & { onread: OnReadOpts } = {
    ...{ fd, readable: true, writable: true },
    onread: onread as unknown as OnReadOpts,
  };
  const socket = new Socket(options);
  const handle = new addon.SocketHandle(fd, () => sender.send(handle, addon));
  socket.on('error', () => {});
  socket.on('end', () => socket.destroy());
  socket.on('close', () => handle.close());
  accepted.destroy();
  socket.resume();
  return { socket, handle };
}

/** Node asks for the buffer before each read; its types know a fixed one and a function alike. */
interface InPlace {
  buffer(): Uint8Array;
  callback(length: number): boolean;
}
