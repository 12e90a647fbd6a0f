/**
 * P2, and X2 at full load: Kafka's ProducerPerformance and librdkafka's rdkafka_performance write with acks=all, as they come,
 * to us and to Apache Kafka.
 *
 * Both clients use more CPU than a broker does and share the machine with it: the rate is what is left of
 * two cores, the CPU a million records is what the broker costs. `discard` keeps nothing, so its rate is the
 * limit of the client. ProducerPerformance leaves its own
 * warm-up out of its rate; the CPU counts it, per record.
 */

import type { BenchContext, Case, Measurement, Suite, Target } from './harness/suite.js';
import type { Broker } from './kafka/brokers.js';
import { producerPerformance, rdkafkaProduce } from './kafka/clients.js';
import { type Fleet, openFleet, rivalsParameter } from './kafka/fleet.js';
import { missing } from './kafka/paths.js';

interface Shape {
  readonly client: 'java' | 'rdkafka';
  readonly size: number;
  readonly partitions: number;
}

const CLIENTS = ['java', 'rdkafka'] as const;
const SHAPES: readonly Shape[] = CLIENTS.flatMap((client) =>
  [100, 1024].flatMap((size) => [1, 16].map((partitions) => ({ client, size, partitions }))),
);

export const suite: Suite = {
  name: 'kafka-produce',
  title: 'Produce with acks=all against Apache Kafka (P2)',
  question:
    'How many records a second do stock producers get through, and what does the broker use?',
  parameters: {
    rivals: rivalsParameter('kafka,discard'),
    megabytes: { default: '100', doc: 'of values that a run writes' },
    warm: { default: '20', doc: 'seconds of load on each broker before' },
  },
  targets: SHAPES.flatMap((shape) => targetsOf(shape)).concat({
    id: 'X2',
    case: nameOf('millrace', { client: 'rdkafka', size: 1024, partitions: 16 }),
    figure: 'rssMib',
    atMost: 1 / 4,
  }),
  async open(context) {
    const shapes = SHAPES.filter(({ client }) => installed(context, client));
    const [first] = shapes;
    if (first === undefined) return { cases: [] };
    const fleet = await openFleet(context, async (broker, opened) => {
      for (const shape of shapes)
        if (shape.partitions === 1) await run(context, opened, broker, shape);
    });
    const cases = shapes.flatMap((shape) =>
      fleet.cases((broker) => caseOf(context, fleet, broker, shape)),
    );
    return { cases, close: () => fleet.close() };
  },
};

function targetsOf(shape: Shape): Target[] {
  const one = { id: 'P2', case: nameOf('millrace', shape) };
  return [
    { ...one, atLeast: 1.5 },
    { ...one, figure: 'cpuSecondsPerMillion', atMost: 0.6 },
  ];
}

function installed(context: BenchContext, client: 'java' | 'rdkafka'): boolean {
  const reason = missing(client === 'java' ? 'kafka' : 'rdkafka');
  if (reason !== null) context.note(`left out: ${reason}`);
  return reason === null;
}

function nameOf(broker: string, { client, size, partitions }: Shape): string {
  return `${broker} ${client} ${size} B x${partitions}`;
}

function caseOf(context: BenchContext, fleet: Fleet, broker: Broker, shape: Shape): Case {
  const isBaseline = broker.name === 'kafka';
  return {
    name: nameOf(broker.name, shape),
    unit: 'records/s',
    better: 'higher',
    ...(isBaseline ? {} : { baseline: nameOf('kafka', shape) }),
    run: () => run(context, fleet, broker, shape),
  };
}

async function run(
  context: BenchContext,
  fleet: Fleet,
  broker: Broker,
  { client, size, partitions }: Shape,
): Promise<Measurement> {
  const topic = await fleet.freshTopic(broker, partitions);
  // So that each takes some seconds: small records cost more a byte, and the JVM more a record.
  const scale = (size < 500 ? 0.6 : 1) * (client === 'rdkafka' ? 3 : 1);
  const bytes = context.number('megabytes') * 1e6 * scale;
  const records = Math.round(bytes / size);
  const warmup = Math.round(records / 4);
  const done =
    client === 'java'
      ? await producerPerformance(broker, topic, { records, size, warmup })
      : await rdkafkaProduce(broker, topic, { records, size });
  return {
    value: done.recordsPerSecond,
    cpuSecondsPerGb: done.brokerCpuSeconds / ((records * size) / 1e9),
    rssMib: broker.rssMib(),
    more: {
      cpuSecondsPerMillion: done.brokerCpuSeconds / (records / 1e6),
      clientCpuSecondsPerMillion: done.clientCpuSeconds / (records / 1e6),
    },
  };
}
