// A proxy between clients and a broker that keeps every request and response, and the order in which
// they passed; and a player that sends such requests to another broker in the same order.

import { once } from 'node:events';
import { connect, createServer, type Server as NetServer, type Socket } from 'node:net';

/** A frame without its size. */
export type Passed = {
  readonly what: 'request' | 'response';
  readonly connection: number;
  readonly frame: Buffer;
};

/** Splits a byte stream into frames. */
class Frames {
  #rest = Buffer.alloc(0);

  push(part: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, part]);
    const frames: Buffer[] = [];
    while (this.#rest.length >= 4) {
      const end = 4 + this.#rest.readInt32BE(0);
      if (this.#rest.length < end) break;
      frames.push(this.#rest.subarray(4, end));
      this.#rest = this.#rest.subarray(end);
    }
    return frames;
  }
}

export class Recorder {
  readonly passed: Passed[] = [];
  readonly #server: NetServer;
  readonly #sockets = new Set<Socket>();
  #connections = 0;
  #firstConnection = 0;
  #target = 0;

  private constructor(server: NetServer) {
    this.#server = server;
    server.on('connection', (client) => this.#accept(client));
  }

  static async listen(): Promise<Recorder> {
    const server = createServer();
    const recorder = new Recorder(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return recorder;
  }

  get bootstrap(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return `127.0.0.1:${address.port}`;
  }

  /** Leaves out what has passed so far, and the rest of the connections of it. */
  forget(): void {
    this.passed.length = 0;
    this.#firstConnection = this.#connections;
  }

  forwardTo(bootstrap: string): void {
    this.#target = Number(bootstrap.split(':')[1]);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(client: Socket): void {
    const connection = this.#connections++;
    const broker = connect(this.#target, '127.0.0.1');
    const pipe = (from: Socket, to: Socket, what: Passed['what']): void => {
      const frames = new Frames();
      this.#sockets.add(from);
      from.on('data', (part: Buffer) => {
        for (const frame of frames.push(part)) {
          if (connection >= this.#firstConnection) this.passed.push({ what, connection, frame });
        }
        to.write(part);
      });
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        to.end();
      });
    };
    pipe(client, broker, 'request');
    pipe(broker, client, 'response');
  }
}

/** The connections of a replay, by the number that they had in the recording. */
export class Player {
  readonly #bootstrap: string;
  readonly #connections = new Map<number, PlayedConnection>();

  constructor(bootstrap: string) {
    this.#bootstrap = bootstrap;
  }

  async send(connection: number, frame: Uint8Array): Promise<void> {
    let played = this.#connections.get(connection);
    if (played === undefined) {
      played = await PlayedConnection.open(this.#bootstrap);
      this.#connections.set(connection, played);
    }
    played.send(frame);
  }

  /** The next response of the connection; null when none comes within the time or it has closed. */
  async receive(connection: number, timeoutMs: number): Promise<Buffer | null> {
    return (await this.#connections.get(connection)?.receive(timeoutMs)) ?? null;
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
  }
}

class PlayedConnection {
  readonly #socket: Socket;
  readonly #frames = new Frames();
  readonly #received: Buffer[] = [];
  #wake = (): void => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (part: Buffer) => {
      this.#received.push(...this.#frames.push(part));
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#wake());
  }

  static async open(bootstrap: string): Promise<PlayedConnection> {
    const socket = connect(Number(bootstrap.split(':')[1]), '127.0.0.1');
    await once(socket, 'connect');
    return new PlayedConnection(socket);
  }

  send(frame: Uint8Array): void {
    this.#socket.write(frame);
  }

  async receive(timeoutMs: number): Promise<Buffer | null> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const frame = this.#received.shift();
      if (frame !== undefined) return frame;
      const left = end - performance.now();
      if (left <= 0 || this.#socket.destroyed) return null;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}
