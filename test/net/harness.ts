/** What the tests of this room share: files to serve, slices that count, a client, the modes. */

import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { FileSlice } from '#src/base/chunk.js';
import { HotRange } from '#src/base/hot-range.js';
import type { LogFields, Logger } from '#src/base/logger.js';
import { seededRandom } from '#src/base/random.js';
import { native } from '#src/native/binding.js';
import type { Connection } from '#src/net/connection.js';
import { type ListenOptions, Server } from '#src/net/server.js';

export type Test = typeof t;

/** How a server may be run: every test of sending holds in each of them. */
export interface Mode {
  readonly name: string;
  readonly options: Pick<ListenOptions, 'writer' | 'native'>;
  /** File slices leave by sendfile. */
  readonly sendfile: boolean;
}

export const modes: readonly Mode[] = [
  ...(native === null
    ? []
    : [
        { name: 'sendfile', options: { writer: 'sendfile' }, sendfile: true } as const,
        { name: 'onread and copy', options: { writer: 'copy' }, sendfile: false } as const,
      ]),
  { name: 'without the addon', options: { native: null }, sendfile: false },
];

export function inEachMode(name: string, body: (t: Test, mode: Mode) => Promise<void>): void {
  for (const mode of modes) {
    t.test(`${name} (${mode.name})`, (t) => body(t as unknown as Test, mode));
  }
}

/** A file of repeatable bytes in a directory of its own, removed with the test. */
export class TestFile {
  readonly fd: number;
  readonly path: string;
  /** Slices made and not yet released. */
  readonly live = new Set<CountedSlice>();
  readonly hot = new HotRange();
  releasedCount = 0;

  constructor(t: Test, size: number, seed = 1) {
    const dir = mkdtempSync(join(tmpdir(), 'millrace-net-'));
    this.path = join(dir, 'file');
    this.fd = openSync(this.path, 'w+');
    const random = seededRandom(seed);
    const block = random.fill(new Uint8Array(1 << 16));
    for (let at = 0; at < size; at += block.length) {
      // Every block differs, so that no byte can come from the wrong place unseen.
      new DataView(block.buffer).setUint32(0, at);
      writeSync(this.fd, block, 0, Math.min(block.length, size - at), at);
    }
    t.teardown(() => {
      closeSync(this.fd);
      rmSync(dir, { recursive: true, force: true });
    });
  }

  slice(position: number, length: number): CountedSlice {
    const slice = new CountedSlice(this, position, length);
    this.live.add(slice);
    return slice;
  }

  bytes(position: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(this.fd, bytes, 0, length, position));
  }

  truncate(size: number): void {
    ftruncateSync(this.fd, size);
  }

  unlink(): void {
    unlinkSync(this.path);
  }

  sync(): void {
    fsyncSync(this.fd);
  }
}

/** Fails the run if it is released twice or used after it. */
export class CountedSlice implements FileSlice {
  readonly fd: number;
  readonly position: number;
  readonly length: number;
  readonly openFile: TestFile;
  readonly #file: TestFile;
  #holderCount = 1;

  constructor(file: TestFile, position: number, length: number) {
    this.fd = file.fd;
    this.position = position;
    this.length = length;
    this.openFile = file;
    this.#file = file;
  }

  get intactLength(): number {
    return this.length;
  }

  copyTo(target: Uint8Array, targetOffset: number, from: number, length: number): number {
    this.#check();
    return readSync(this.fd, target, targetOffset, length, this.position + from);
  }

  retain(): void {
    this.#check();
    this.#holderCount++;
  }

  release(): void {
    this.#check();
    if (--this.#holderCount > 0) return;
    this.#file.live.delete(this);
    this.#file.releasedCount++;
  }

  #check(): void {
    if (this.#holderCount > 0) return;
    t.fail('a slice was used or released after its release');
    throw new Error('slice used after release');
  }
}

export class CapturedLog implements Logger {
  readonly lines: { level: string; message: string; fields: LogFields }[] = [];
  info = (message: string, fields: LogFields = {}): void => this.#add('info', message, fields);
  warn = (message: string, fields: LogFields = {}): void => this.#add('warn', message, fields);
  error = (message: string, fields: LogFields = {}): void => this.#add('error', message, fields);

  messages(): string[] {
    return this.lines.map((line) => line.message);
  }

  #add(level: string, message: string, fields: LogFields): void {
    this.lines.push({ level, message, fields });
  }
}

export function frameOf(payload: Uint8Array | string): Buffer {
  const bytes = Buffer.from(payload as string);
  const frame = Buffer.alloc(4 + bytes.length);
  frame.writeInt32BE(bytes.length);
  frame.set(bytes, 4);
  return frame;
}

/** The size prefix of a response whose body is `length` bytes. */
export function sizeOf(length: number): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(length);
  return size;
}

/** Starts a server that ends with the test. */
export async function serve<State = undefined>(
  t: Test,
  options: Omit<ListenOptions<State>, 'port'> & { port?: number },
): Promise<Server<State>> {
  const server = await Server.listen<State>({ port: 0, ...options });
  t.teardown(() => server.close(0));
  return server;
}

export async function connectionOf<State>(server: Server<State>): Promise<Connection<State>> {
  for (;;) {
    for (const connection of server.connections()) return connection;
    await turn();
  }
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Turns of the loop until `condition` holds; the test's own time limit is the bound. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

/** A peer: writes bytes, takes response frames off the stream. */
export class Client {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  ended = false;
  bytesReceived = 0;
  error: Error | null = null;
  #chunks: Buffer[] = [];
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.bytesReceived += chunk.length;
      this.#chunks.push(chunk);
      this.#wake();
    });
    socket.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    socket.on('error', (error) => {
      this.error = error;
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.ended = true;
        this.#wake();
        resolve();
      });
    });
  }

  static async connect(t: Test, server: { port: number }): Promise<Client> {
    const client = await Client.dial(server.port);
    t.teardown(() => client.socket.destroy());
    return client;
  }

  static dial(port: number): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Client(socket));
      });
    });
  }

  send(payload: Uint8Array | string): void {
    this.socket.write(frameOf(payload));
  }

  /** The next `length` bytes; fewer only if the stream ends before. */
  async read(length: number): Promise<Buffer> {
    for (;;) {
      const have = this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      if (have >= length || this.ended) {
        const all = Buffer.concat(this.#chunks);
        this.#chunks = all.length > length ? [all.subarray(length)] : [];
        return all.subarray(0, length);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The body of the next response, or null if the stream ended before its size was there. */
  async response(): Promise<Buffer | null> {
    const size = await this.read(4);
    return size.length < 4 ? null : await this.read(size.readInt32BE());
  }
}
