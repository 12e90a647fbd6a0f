/**
 * A tiny client for tests: one connection, requests encoded by our protocol room, frames in and out
 * as bytes where a test wants to see them.
 *
 *     await using client = await RawClient.connect(broker.port);
 *     const answer = await client.request(metadata, 12, { topics: null });
 */

import { connect, type Socket } from 'node:net';
import { type Chunk, chunksSize, isFileSlice } from '#src/base/chunk.js';
import { decodeResponse, encodeRequest } from '#src/protocol/codec.js';
import { decodeResponseHeader } from '#src/protocol/headers.js';
import type { RequestInput, ResponseOf } from '#src/protocol/infer.js';
import type { Api } from '#src/protocol/schema.js';

export class RawClient {
  readonly socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #waiting: { resolve(frame: Buffer): void; reject(error: Error): void }[] = [];
  #frames: Buffer[] = [];
  #correlationId = 0;
  #end: Error | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('close', () => this.#ended(new Error('the broker closed the connection')));
    socket.on('error', (error) => this.#ended(error));
  }

  static connect(port: number, host = '127.0.0.1'): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RawClient(socket));
      });
    });
  }

  /** Sends a request and decodes its response. */
  async request<A extends Api>(
    api: A,
    version: number,
    body: RequestInput<A>,
  ): Promise<ResponseOf<A>> {
    return this.decode(api, version, await this.send(api, version, body).frame);
  }

  /** Sends a request; its response frame comes later, in the order of the requests. */
  send<A extends Api>(
    api: A,
    version: number,
    body: RequestInput<A>,
    clientId: string | null = 'raw-client',
  ): { readonly frame: Promise<Buffer>; readonly correlationId: number } {
    const correlationId = ++this.#correlationId;
    this.sendBytes(bytesOf(encodeRequest(api, version, correlationId, clientId, body)));
    return { frame: this.nextFrame(), correlationId };
  }

  /** Sends a request that has no response. */
  sendOneWay<A extends Api>(api: A, version: number, body: RequestInput<A>): void {
    this.sendBytes(bytesOf(encodeRequest(api, version, ++this.#correlationId, null, body)));
  }

  sendBytes(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The next response frame, without its size; rejects when the connection ends first. */
  nextFrame(): Promise<Buffer> {
    const frame = this.#frames.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.#end !== null) return Promise.reject(this.#end);
    const next = new Promise<Buffer>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
    next.catch(() => {});
    return next;
  }

  decode<A extends Api>(api: A, version: number, frame: Buffer): ResponseOf<A> {
    const { bodyPosition } = decodeResponseHeader(api, version, frame);
    return decodeResponse(api, version, frame, bodyPosition);
  }

  /** Settles when the broker has closed the connection. */
  closed(): Promise<void> {
    if (this.#end !== null) return Promise.resolve();
    return new Promise((resolve) => this.socket.once('close', () => resolve()));
  }

  close(): void {
    this.socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed();
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= 4) {
      const size = this.#received.readInt32BE(0);
      if (this.#received.length < 4 + size) return;
      const frame = Buffer.from(this.#received.subarray(4, 4 + size));
      this.#received = this.#received.subarray(4 + size);
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#frames.push(frame);
      else waiting.resolve(frame);
    }
  }

  #ended(error: Error): void {
    this.#end ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#end);
  }
}

/** The bytes of encoded chunks that are all in memory. */
export function bytesOf(chunks: readonly Chunk[]): Buffer {
  const bytes = Buffer.alloc(chunksSize(chunks));
  let position = 0;
  for (const chunk of chunks) {
    if (isFileSlice(chunk)) throw new Error('a request has no file slices');
    bytes.set(chunk, position);
    position += chunk.length;
  }
  return bytes;
}
