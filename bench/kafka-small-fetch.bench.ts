/**
 * F6: 4 KiB fetches that jump through one partition, many in flight, against Apache Kafka.
 *
 * The client is the load generator of bench/clients. What counts is what a request costs the broker: the
 * rate is that of two cores shared with the client.
 */

import type { Case, Measurement, Suite } from './harness/suite.js';
import type { Broker } from './kafka/brokers.js';
import { load } from './kafka/clients.js';
import { openFleet, rivalsParameter } from './kafka/fleet.js';

const SHAPES = [
  { connections: 4, depth: 16 },
  { connections: 16, depth: 1 },
  { connections: 1, depth: 1 },
] as const;
type Shape = (typeof SHAPES)[number];

const BATCHES = 8192;
/** One batch of these is 4 KiB. */
const BATCH = { records: 4, size: 1000 };

export const suite: Suite = {
  name: 'kafka-small-fetch',
  title: 'Small fetches against Apache Kafka (F6)',
  question: 'How many 4 KiB fetches does a broker serve for a second of its CPU?',
  parameters: {
    rivals: rivalsParameter('kafka,kfake'),
    seconds: { default: '2', doc: 'that a run is measured' },
    warm: { default: '20', doc: 'seconds of load on each broker before' },
  },
  targets: [{ id: 'F6', case: 'millrace 4x16', against: 'kafka 4x16', atLeast: 3 }],
  async open(context) {
    const topics = new Map<Broker, string>();
    const run = async (broker: Broker, { connections, depth }: Shape): Promise<Measurement> => {
      const topic = topics.get(broker) as string;
      broker.warmFiles(topic);
      const done = await load(broker, 'fetch', topic, {
        ...{ connections, depth, batches: BATCHES, records: BATCH.records, 'fetch-bytes': 4096 },
        ...{ seconds: context.number('seconds'), 'warm-seconds': 0.5 },
      });
      return {
        value: done.requests / done.brokerCpuSeconds,
        rssMib: broker.rssMib(),
        more: {
          requestsPerSecond: done.requests / done.seconds,
          p50Us: done.latencyUs.p50,
          p99Us: done.latencyUs.p99,
        },
      };
    };
    const fleet = await openFleet(context, async (broker, opened) => {
      if (!topics.has(broker)) {
        const topic = await opened.freshTopic(broker, 1);
        topics.set(broker, topic);
        await load(broker, 'produce', topic, { ...BATCH, depth: 8, requests: BATCHES });
      }
      for (const shape of SHAPES) await run(broker, shape);
    });
    const cases = SHAPES.flatMap((shape) => {
      const name = `${shape.connections}x${shape.depth}`;
      return fleet.cases(
        (broker): Case => ({
          name: `${broker.name} ${name}`,
          unit: 'requests/CPU s',
          better: 'higher',
          ...(broker.name === 'kafka' ? {} : { baseline: `kafka ${name}` }),
          run: () => run(broker, shape),
        }),
      );
    });
    return { cases, close: () => fleet.close() };
  },
};
