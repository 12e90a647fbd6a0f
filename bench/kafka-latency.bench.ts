/**
 * L1: end-to-end latency at a fixed offered load, against Apache Kafka at 20 % and 70 % of what it can
 * take itself.
 *
 * The load generator of bench/clients sends a batch of 16 records of 1,000 bytes, 16 KiB, whenever one is due, whether
 * or not earlier ones were answered, and takes the time from when it was due to when a consumer has it:
 * nothing is omitted while a broker stalls. Its own cost is the same for both. Beside it Kafka's own
 * EndToEndLatency, one record at a time on an idle broker.
 *
 * The top load is searched for on Kafka after the warm-up: the highest rate of a descending row at which
 * everything is delivered with a median below 50 ms.
 */

import type { BenchContext, Case, Measurement, Suite } from './harness/suite.js';
import type { Broker } from './kafka/brokers.js';
import { endToEndLatency, load } from './kafka/clients.js';
import { type Fleet, openFleet, rivalsParameter } from './kafka/fleet.js';
import { missing } from './kafka/paths.js';

const SHARES = [20, 70] as const;
const BATCH = { records: 16, size: 1000 };
const PARTITIONS = 16;
const CONNECTIONS = 4;
const MEDIAN_MS_MAX = 50;
/** From one rate that is tried to the next. */
const STEP = 0.85;
const PROBE_SECONDS = 3;

export const suite: Suite = {
  name: 'kafka-latency',
  title: 'End-to-end latency against Apache Kafka (L1)',
  question: 'How long does a record take from when it was due to its consumer, at a fixed load?',
  parameters: {
    rivals: rivalsParameter('kafka'),
    seconds: { default: '4', doc: 'that a run is measured' },
    warm: { default: '20', doc: 'seconds of load on each broker before' },
    top: { default: '0', doc: 'batches a second that are taken for the top load; 0: searched for' },
  },
  targets: SHARES.flatMap((share) =>
    ['value', 'p99Us', 'p999Us'].map((figure) => ({
      ...{ id: 'L1', case: `millrace at ${share} %`, against: `kafka at ${share} %` },
      ...{ figure, atMost: 0.5 },
    })),
  ),
  async open(context) {
    const fleet = await openFleet(context, async (broker, opened) => {
      const topic = await opened.freshTopic(broker, PARTITIONS);
      await load(broker, 'produce', topic, {
        ...{ ...BATCH, partitions: PARTITIONS, connections: CONNECTIONS * 4, depth: 1 },
        seconds: 4,
      });
    });
    try {
      const top = context.number('top') || (await topLoad(context, fleet));
      context.note(
        `top load of kafka: ${Math.round(top)} batches a second, ` +
          `${((top * BATCH.records * BATCH.size) / 1e6).toFixed(0)} MB/s`,
      );
      return { cases: casesOf(context, fleet, top), close: () => fleet.close() };
    } catch (error) {
      await fleet.close();
      throw error;
    }
  },
};

function casesOf(context: BenchContext, fleet: Fleet, top: number): Case[] {
  const seconds = context.number('seconds');
  const cases = SHARES.flatMap((share) =>
    fleet.cases(
      (broker): Case => ({
        name: `${broker.name} at ${share} %`,
        unit: 'us, median',
        better: 'lower',
        ...(broker.name === 'kafka' ? {} : { baseline: `kafka at ${share} %` }),
        run: () => run(fleet, broker, (top * share) / 100, seconds),
      }),
    ),
  );
  const reason = missing('kafka');
  if (reason !== null) return cases;
  return cases.concat(
    fleet.cases(
      (broker): Case => ({
        name: `${broker.name} EndToEndLatency`,
        unit: 'ms, median',
        better: 'lower',
        ...(broker.name === 'kafka' ? {} : { baseline: 'kafka EndToEndLatency' }),
        async run() {
          const topic = await fleet.freshTopic(broker, 1);
          const { p50Ms, p99Ms, p999Ms } = await endToEndLatency(broker, topic, 1000);
          return { value: p50Ms, more: { p99Us: p99Ms * 1e3, p999Us: p999Ms * 1e3 } };
        },
      }),
    ),
  );
}

async function run(
  fleet: Fleet,
  broker: Broker,
  rate: number,
  seconds: number,
): Promise<Measurement> {
  const topic = await fleet.freshTopic(broker, PARTITIONS);
  const done = await load(broker, 'latency', topic, {
    ...{ ...BATCH, partitions: PARTITIONS, connections: CONNECTIONS, rate: rate.toFixed(1) },
    ...{ seconds, 'warm-seconds': 1 },
  });
  const { p50, p99, p999, max } = done.endToEndUs;
  const bytes = rate * done.seconds * BATCH.records * BATCH.size;
  return {
    value: p50,
    cpuSecondsPerGb: done.brokerCpuSeconds / (bytes / 1e9),
    rssMib: broker.rssMib(),
    more: { p99Us: p99, p999Us: p999, maxUs: max, ackP99Us: done.ackUs.p99 },
  };
}

async function topLoad(context: BenchContext, fleet: Fleet): Promise<number> {
  const kafka = fleet.brokers.find(({ name }) => name === 'kafka') ?? fleet.brokers[0];
  if (kafka === undefined) throw new Error('no broker to search the top load of');
  await fleet.only(kafka);
  const topic = await fleet.freshTopic(kafka, PARTITIONS);
  const closed = await load(kafka, 'produce', topic, {
    ...{ ...BATCH, partitions: PARTITIONS, connections: CONNECTIONS * 4, depth: 2 },
    ...{ seconds: PROBE_SECONDS, 'warm-seconds': 1 },
  });
  context.note(
    `closed loop of produce alone: ${Math.round(closed.requests / closed.seconds)} batches a second`,
  );
  for (let rate = closed.requests / closed.seconds; rate > 50; rate *= STEP) {
    try {
      const { value } = await run(fleet, kafka, rate, PROBE_SECONDS);
      if (value < MEDIAN_MS_MAX * 1e3) return rate;
    } catch {
      // Not everything was delivered in time: a lower rate is tried.
    }
  }
  throw new Error('no rate that kafka can take');
}
