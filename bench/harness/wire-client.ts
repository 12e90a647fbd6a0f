/** A Kafka client that sends one request at a time and awaits its answer: for setting things up. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Chunk } from '#src/base/chunk.js';
import { encodeRequest } from '#src/protocol/codec.js';
import { createTopics } from '#src/protocol/messages/19-create-topics.js';
import { deleteTopics } from '#src/protocol/messages/20-delete-topics.js';

export class WireClient {
  readonly #socket: Socket;
  #received: Buffer[] = [];
  #size = 0;
  #done: { resolve: (frame: Buffer) => void; reject: (error: Error) => void } | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', (error) => this.#done?.reject(error));
    socket.on('close', () => this.#done?.reject(new Error('the broker closed the connection')));
  }

  static async connect(port: number): Promise<WireClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new WireClient(socket);
  }

  /** Answers the response frame without its size. */
  exchange(request: readonly Chunk[]): Promise<Buffer> {
    const answer = new Promise<Buffer>((resolve, reject) => {
      this.#done = { resolve, reject };
    });
    for (const chunk of request) this.#socket.write(chunk as Uint8Array);
    return answer;
  }

  close(): void {
    this.#done = null;
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#received.push(bytes);
    this.#size += bytes.length;
    if (this.#size < 4) return;
    const [first] = this.#received as [Buffer, ...Buffer[]];
    const whole = first.length >= 4 ? first : Buffer.concat(this.#received);
    if (this.#size < whole.readInt32BE(0) + 4) return;
    const frame = Buffer.concat(this.#received).subarray(4);
    this.#received = [];
    this.#size = 0;
    const done = this.#done;
    this.#done = null;
    done?.resolve(frame);
  }
}

/** Creates a topic on a broker of any make, and fails if it is not there then. */
export async function createTopic(
  port: number,
  name: string,
  numPartitions: number,
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const client = await WireClient.connect(port);
  try {
    // Version 4: not flexible, so that the error code has a fixed place.
    const frame = await client.exchange(
      encodeRequest(createTopics, 4, 1, 'bench', {
        topics: [
          {
            ...{ name, numPartitions, replicationFactor: 1, assignments: [] },
            configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
          },
        ],
        timeoutMs: 30_000,
      }),
    );
    const error = frame.readInt16BE(4 + 4 + 4 + 2 + name.length);
    if (error !== 0) throw new Error(`topic ${name} was not created: error code ${error}`);
  } finally {
    client.close();
  }
}

export async function deleteTopic(port: number, name: string): Promise<void> {
  const client = await WireClient.connect(port);
  try {
    const frame = await client.exchange(
      encodeRequest(deleteTopics, 3, 1, 'bench', { topicNames: [name], timeoutMs: 30_000 }),
    );
    const error = frame.readInt16BE(4 + 4 + 4 + 2 + name.length);
    if (error !== 0) throw new Error(`topic ${name} was not deleted: error code ${error}`);
  } finally {
    client.close();
  }
}
