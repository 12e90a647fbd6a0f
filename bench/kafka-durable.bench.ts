/**
 * P3: every produce is on the disk before it is answered (flush.messages=1 of the topic), 16 and 256
 * connections with one request each in flight, against Apache Kafka with the same setting.
 *
 * The client is the load generator of bench/clients, with batches of one record of 1,000 bytes: what is
 * compared is how syncs are shared, not how bytes are moved.
 */

import type { Case, Measurement, Suite } from './harness/suite.js';
import type { Broker } from './kafka/brokers.js';
import { load } from './kafka/clients.js';
import { type Fleet, openFleet, rivalsParameter } from './kafka/fleet.js';

const SHAPES = [
  { connections: 16, partitions: 1 },
  { connections: 256, partitions: 1 },
  { connections: 16, partitions: 16 },
  { connections: 256, partitions: 16 },
] as const;
type Shape = (typeof SHAPES)[number];

export const suite: Suite = {
  name: 'kafka-durable',
  title: 'Durable produce against Apache Kafka (P3)',
  question: 'How many produce requests a second are synced and answered?',
  parameters: {
    rivals: rivalsParameter('kafka'),
    seconds: { default: '2', doc: 'that a run is measured' },
    warm: { default: '20', doc: 'seconds of load on each broker before' },
  },
  targets: SHAPES.map((shape) => ({
    id: 'P3',
    case: `millrace ${nameOf(shape)}`,
    against: `kafka ${nameOf(shape)}`,
    atLeast: 5,
  })),
  async open(context) {
    const seconds = context.number('seconds');
    const fleet = await openFleet(context, async (broker, opened) => {
      for (const shape of SHAPES) await run(opened, broker, shape, seconds);
    });
    const cases = SHAPES.flatMap((shape) =>
      fleet.cases(
        (broker): Case => ({
          name: `${broker.name} ${nameOf(shape)}`,
          unit: 'requests/s',
          better: 'higher',
          ...(broker.name === 'kafka' ? {} : { baseline: `kafka ${nameOf(shape)}` }),
          run: () => run(fleet, broker, shape, seconds),
        }),
      ),
    );
    return { cases, close: () => fleet.close() };
  },
};

function nameOf({ connections, partitions }: Shape): string {
  return `${connections} connections x${partitions}`;
}

async function run(
  fleet: Fleet,
  broker: Broker,
  { connections, partitions }: Shape,
  seconds: number,
): Promise<Measurement> {
  const topic = await fleet.freshTopic(broker, partitions, { 'flush.messages': '1' });
  const done = await load(broker, 'produce', topic, {
    ...{ connections, partitions, depth: 1, records: 1, size: 1000 },
    ...{ seconds, 'warm-seconds': 0.5 },
  });
  return {
    value: done.requests / done.seconds,
    rssMib: broker.rssMib(),
    more: {
      cpuMicrosPerRequest: (done.brokerCpuSeconds / done.requests) * 1e6,
      p50Ms: done.latencyUs.p50 / 1e3,
      p99Ms: done.latencyUs.p99 / 1e3,
    },
  };
}
