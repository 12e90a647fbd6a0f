/**
 * F4: Kafka's ConsumerPerformance and librdkafka's rdkafka_performance read one partition from its
 * beginning, from us and from Apache Kafka, on the machine's own settings.
 *
 * A factor to know: where the system's default congestion control is BBR, Kafka sends under it, because
 * it has no setting for that, and our listener chooses cubic. To see the difference without it, run this
 * in a network namespace whose default is cubic (docs/PERFORMANCE.md).
 */

import type { BenchContext, Case, Measurement, Suite, Target } from './harness/suite.js';
import type { Broker } from './kafka/brokers.js';
import { consumerPerformance, load, rdkafkaConsume } from './kafka/clients.js';
import { openFleet, rivalsParameter } from './kafka/fleet.js';
import { missing } from './kafka/paths.js';

type Client = 'ConsumerPerformance' | 'rdkafka';

const RECORD_SIZE = 1000;
const RECORDS_A_BATCH = 16;
/** As large as the rest allows, and not above what a consumer asks of a partition. */
const PRODUCED_AT_ONCE = 8;

export const suite: Suite = {
  name: 'kafka-fetch',
  title: 'Bulk fetch by stock consumers against Apache Kafka (F4)',
  question: 'How fast do stock consumers read a log from page cache, and what does the broker use?',
  parameters: {
    rivals: rivalsParameter('kafka,kafka-tuned'),
    megabytes: { default: '800', doc: 'of values in the log' },
    warm: { default: '20', doc: 'seconds of load on each broker before' },
  },
  targets: (['ConsumerPerformance', 'rdkafka'] as const).flatMap((client) =>
    ['kafka', 'kafka-tuned'].flatMap((rival) => targetsOf(client, rival)),
  ),
  async open(context) {
    const clients = installed(context);
    const records = Math.round((context.number('megabytes') * 1e6) / RECORD_SIZE);
    const topics = new Map<Broker, string>();
    const fleet = await openFleet(context, async (broker, opened) => {
      if (!topics.has(broker)) {
        const topic = await opened.freshTopic(broker, 1);
        topics.set(broker, topic);
        await load(broker, 'produce', topic, {
          ...{ depth: PRODUCED_AT_ONCE, records: RECORDS_A_BATCH, size: RECORD_SIZE },
          requests: Math.ceil(records / RECORDS_A_BATCH),
        });
      }
      for (const client of clients)
        await run(broker, topics.get(broker) as string, client, records);
    });
    const cases = clients.flatMap((client) =>
      fleet.cases((broker): Case => {
        const baseline = broker.name === 'kafka' ? {} : { baseline: `kafka ${client}` };
        return {
          name: `${broker.name} ${client}`,
          unit: 'MB/s',
          better: 'higher',
          ...baseline,
          run: () => run(broker, topics.get(broker) as string, client, records),
        };
      }),
    );
    return { cases, close: () => fleet.close() };
  },
};

function targetsOf(client: Client, rival: string): Target[] {
  const one = { id: 'F4', case: `millrace ${client}`, against: `${rival} ${client}` };
  return [
    { ...one, atLeast: 1.2 },
    { ...one, figure: 'cpuSecondsPerGb', atMost: 0.7 },
  ];
}

function installed(context: BenchContext): Client[] {
  const clients: Client[] = [];
  for (const [client, what] of [
    ['ConsumerPerformance', 'kafka'],
    ['rdkafka', 'rdkafka'],
  ] as const) {
    const reason = missing(what);
    if (reason === null) clients.push(client);
    else context.note(`left out: ${reason}`);
  }
  return clients;
}

async function run(
  broker: Broker,
  topic: string,
  client: Client,
  records: number,
): Promise<Measurement> {
  broker.warmFiles(topic);
  const consume = client === 'rdkafka' ? rdkafkaConsume : consumerPerformance;
  const done = await consume(broker, topic, records);
  return {
    value: done.mbPerSecond,
    cpuSecondsPerGb: done.brokerCpuSeconds / ((records * RECORD_SIZE) / 1e9),
    rssMib: broker.rssMib(),
    more: { clientCpuSecondsPerGb: done.clientCpuSeconds / ((records * RECORD_SIZE) / 1e9) },
  };
}
