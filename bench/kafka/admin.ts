/** The few requests that a bench makes itself: one at a time, each on a connection of its own. */

import { once } from 'node:events';
import { connect } from 'node:net';
import type { Chunk } from '#src/base/chunk.js';
import { decodeResponse, encodeRequest } from '#src/protocol/codec.js';
import { listOffsets } from '#src/protocol/messages/02-list-offsets.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { createTopics } from '#src/protocol/messages/19-create-topics.js';
import { deleteTopics } from '#src/protocol/messages/20-delete-topics.js';

const CREATE_VERSION = 4;
const DELETE_VERSION = 3;
const LIST_VERSION = 2;
const METADATA_VERSION = 4;
/** Behind the correlation id: these versions have no tagged fields in their header. */
const BODY_POSITION = 4;
const TIMEOUT_MS = 30_000;

/** Answers when the broker has the topic with all its leaders. */
export async function createTopic(
  port: number,
  name: string,
  partitions: number,
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const request = encodeRequest(createTopics, CREATE_VERSION, 1, 'bench', {
    topics: [
      {
        name,
        numPartitions: partitions,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      },
    ],
    timeoutMs: TIMEOUT_MS,
  });
  const frame = await exchange(port, request);
  const { topics } = decodeResponse(createTopics, CREATE_VERSION, frame, BODY_POSITION);
  const { errorCode = -1, errorMessage = '' } = topics[0] ?? {};
  if (errorCode !== 0) throw new Error(`topic ${name}: error ${errorCode} ${errorMessage ?? ''}`);
  await until(
    async () => (await leaders(port, name, partitions)) === partitions,
    `leaders of ${name}`,
  );
}

export async function deleteTopic(port: number, name: string): Promise<void> {
  const request = encodeRequest(deleteTopics, DELETE_VERSION, 1, 'bench', {
    topicNames: [name],
    timeoutMs: TIMEOUT_MS,
  });
  const frame = await exchange(port, request);
  const { responses } = decodeResponse(deleteTopics, DELETE_VERSION, frame, BODY_POSITION);
  const errorCode = responses[0]?.errorCode ?? -1;
  if (errorCode !== 0) throw new Error(`deleting ${name}: error ${errorCode}`);
}

/** Whether it answers a Metadata request with a broker in it. */
export async function isReady(port: number): Promise<boolean> {
  try {
    const request = encodeRequest(metadata, METADATA_VERSION, 1, 'bench', { topics: [] });
    const frame = await exchange(port, request);
    return decodeResponse(metadata, METADATA_VERSION, frame, BODY_POSITION).brokers.length > 0;
  } catch {
    return false;
  }
}

/** Number of partitions whose leader knows that it is: metadata says so a little earlier. */
async function leaders(port: number, name: string, partitions: number): Promise<number> {
  const request = encodeRequest(listOffsets, LIST_VERSION, 1, 'bench', {
    replicaId: -1,
    topics: [
      {
        name,
        partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
          partitionIndex,
          timestamp: -1,
        })),
      },
    ],
  });
  const frame = await exchange(port, request);
  const { topics } = decodeResponse(listOffsets, LIST_VERSION, frame, BODY_POSITION);
  return topics[0]?.partitions.filter(({ errorCode }) => errorCode === 0).length ?? 0;
}

export async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + TIMEOUT_MS;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not in ${TIMEOUT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Answers the response without its size. */
async function exchange(port: number, request: readonly Chunk[]): Promise<Uint8Array> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const timer = setTimeout(() => socket.destroy(new Error('no answer')), TIMEOUT_MS);
  try {
    await once(socket, 'connect');
    for (const chunk of request) socket.write(chunk as Uint8Array);
    let received = Buffer.alloc(0);
    for await (const part of socket) {
      received = Buffer.concat([received, part as Buffer]);
      if (received.length < 4) continue;
      const size = received.readInt32BE(0);
      if (received.length >= 4 + size) return received.subarray(4, 4 + size);
    }
    throw new Error('the broker closed the connection');
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
