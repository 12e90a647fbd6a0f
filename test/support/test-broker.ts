/** A broker in the test's process on port 0, with a temporary directory that goes with the test. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Broker, type BrokerOptions } from '#src/broker/broker.js';
import type { BrokerConfigInput } from '#src/broker/config.js';
import { produce } from '#src/protocol/messages/00-produce.js';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import { createTopics } from '#src/protocol/messages/19-create-topics.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { RawClient } from './raw-client.js';

interface Test {
  teardown(callback: () => unknown): void;
}

export function tempDir(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-broker-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export async function startBroker(
  t: Test,
  config: BrokerConfigInput = {},
  options: Omit<BrokerOptions, 'config'> = {},
): Promise<Broker> {
  const dir = config['log.dirs'] ?? tempDir(t);
  const broker = await Broker.start({
    ...options,
    config: { listeners: 'PLAINTEXT://127.0.0.1:0', 'log.dirs': dir, ...config },
  });
  t.teardown(() => broker.close());
  return broker;
}

export async function connectTo(t: Test, broker: Broker): Promise<RawClient> {
  const client = await RawClient.connect(broker.port);
  t.teardown(() => client.close());
  return client;
}

/** Creates a topic by way of the protocol; answers its id. */
export async function createTopic(
  client: RawClient,
  name: string,
  options: { partitions?: number; configs?: Record<string, string> } = {},
): Promise<string> {
  const { topics } = await client.request(createTopics, 7, {
    topics: [
      {
        name,
        numPartitions: options.partitions ?? 1,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(options.configs ?? {}).map(([key, value]) => ({
          name: key,
          value,
        })),
      },
    ],
  });
  const [created] = topics;
  if (created?.errorCode !== 0) throw new Error(`not created: ${created?.errorMessage}`);
  return created.topicId;
}

/** One batch with a record for each value. */
export function batchOf(values: readonly string[], timestampMs = 1_700_000_000_000): Uint8Array {
  const builder = new BatchBuilder({});
  values.forEach((value, i) => {
    builder.append({
      timestamp: timestampMs + i,
      key: null,
      value: Buffer.from(value),
      headers: [],
    });
  });
  return builder.build();
}

/** Produces one batch and answers what the partition said. */
export async function produceTo(
  client: RawClient,
  topic: string,
  values: readonly string[],
  options: { partition?: number; version?: number; acks?: number; records?: Uint8Array } = {},
) {
  const { responses } = await client.request(produce, options.version ?? 9, {
    acks: options.acks ?? -1,
    timeoutMs: 10_000,
    topicData: [
      {
        name: topic,
        partitionData: [
          { index: options.partition ?? 0, records: options.records ?? batchOf(values) },
        ],
      },
    ],
  });
  const partition = responses[0]?.partitionResponses[0];
  if (partition === undefined) throw new Error('no answer for the partition');
  return partition;
}

export interface FetchOptions {
  readonly version?: number;
  readonly partition?: number;
  readonly offset?: number;
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
  readonly sessionId?: number;
  readonly sessionEpoch?: number;
  readonly topicId?: string;
  readonly currentLeaderEpoch?: number;
  readonly isolationLevel?: number;
}

/** A Fetch request for one partition. */
export function fetchRequest(topic: string, options: FetchOptions = {}) {
  return {
    maxWaitMs: options.maxWaitMs ?? 0,
    minBytes: options.minBytes ?? 1,
    maxBytes: options.maxBytes ?? 50 * 2 ** 20,
    isolationLevel: options.isolationLevel ?? 0,
    sessionId: options.sessionId ?? 0,
    sessionEpoch: options.sessionEpoch ?? -1,
    topics: [
      {
        topic,
        topicId: options.topicId,
        partitions: [
          {
            partition: options.partition ?? 0,
            currentLeaderEpoch: options.currentLeaderEpoch ?? -1,
            fetchOffset: options.offset ?? 0,
            partitionMaxBytes: options.partitionMaxBytes ?? 2 ** 20,
          },
        ],
      },
    ],
    forgottenTopicsData: [],
  };
}

/** Fetches one partition and answers what it said. */
export async function fetchFrom(client: RawClient, topic: string, options: FetchOptions = {}) {
  const answer = await client.request(fetch, options.version ?? 11, fetchRequest(topic, options));
  const partition = answer.responses[0]?.partitions[0];
  if (partition === undefined) throw new Error(`no answer for the partition: ${answer.errorCode}`);
  return partition;
}
