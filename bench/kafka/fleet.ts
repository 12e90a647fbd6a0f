/**
 * The brokers of a suite: started together, loaded one at a time, so that a round sees all of them on the
 * same machine. The others are suspended meanwhile: an idle JVM has timers and threads of its own, which
 * on two cores are in the tail of whoever is measured. What each uses when idle is said in a note.
 */

import { join } from 'node:path';
import type { BenchContext, Case, Measurement, Parameter } from '../harness/suite.js';
import { BROKERS, type Broker, type BrokerName, brokerMissing, startBroker } from './brokers.js';
import { KAFKA_VERSION } from './paths.js';

/** The word of every suite with rivals. */
export function rivalsParameter(value: string): Parameter {
  return { default: value, doc: `of ${BROKERS.slice(1).join(', ')}, by comma` };
}

export interface Fleet {
  readonly brokers: readonly Broker[];
  /** A new topic on that broker; the one before it of the same broker is deleted. */
  freshTopic(broker: Broker, partitions: number, configs?: Record<string, string>): Promise<string>;
  /** A case for each broker, which runs while the others are suspended. */
  cases(of: (broker: Broker) => Case): Case[];
  /** Suspends all others. */
  only(broker: Broker): Promise<void>;
  close(): Promise<void>;
}

const IDLE_SECONDS = 3;
/** Of load before anything is measured: the JVM compiles what is hot, and touches its heap. */
export const WARM_SECONDS = 20;

/**
 * Starts ours and the rivals named by the parameter `rivals`; those that are not installed are left out
 * with a note. `warm` loads a broker once, for some seconds, and is called until it is warm.
 */
export async function openFleet(
  context: BenchContext,
  warm: (broker: Broker, fleet: Fleet) => Promise<void>,
): Promise<Fleet> {
  const brokers: Broker[] = [];
  const topics = new Map<Broker, string>();
  let topicCount = 0;
  const fleet: Fleet = {
    brokers,
    async freshTopic(broker, partitions, configs) {
      // It has its topics from the start, and keeps the end of each.
      if (broker.name === 'mock') return `bench-${partitions}p`;
      const old = topics.get(broker);
      if (old !== undefined) await broker.deleteTopic(old);
      const topic = `bench-${partitions}p-${topicCount++}`;
      topics.set(broker, topic);
      await broker.createTopic(topic, partitions, configs);
      return topic;
    },
    cases(of) {
      return brokers.map((broker): Case => {
        const one = of(broker);
        const run = async (round: number): Promise<Measurement> => {
          await fleet.only(broker);
          return one.run(round);
        };
        return { ...one, run };
      });
    },
    async only(broker) {
      for (const other of brokers) if (other !== broker) other.suspend();
      await broker.resume();
    },
    async close() {
      await Promise.all(brokers.map((broker) => broker.stop()));
    },
  };
  try {
    for (const name of wanted(context)) {
      const reason = brokerMissing(name);
      if (reason !== null) context.note(`left out: ${reason}`);
      else brokers.push(await startBroker(name, join(context.dir, name)));
    }
    for (const broker of brokers) {
      const seconds = Number(context.parameters['warm'] ?? WARM_SECONDS);
      await fleet.only(broker);
      const end = performance.now() + seconds * 1000;
      do await warm(broker, fleet);
      while (performance.now() < end);
    }
    for (const broker of brokers) await broker.resume();
    await noteIdle(context, brokers);
  } catch (error) {
    await fleet.close();
    throw error;
  }
  context.note(`Apache Kafka ${KAFKA_VERSION}, one KRaft node, all brokers on loopback`);
  return fleet;
}

function wanted(context: BenchContext): BrokerName[] {
  const rivals = (context.parameters['rivals'] ?? '').split(',').filter((name) => name !== '');
  for (const name of rivals) {
    if (!BROKERS.includes(name as BrokerName)) throw new Error(`no rival is called ${name}`);
  }
  return ['millrace', ...(rivals as BrokerName[])];
}

async function noteIdle(context: BenchContext, brokers: readonly Broker[]): Promise<void> {
  const before = brokers.map((broker) => broker.cpuSeconds());
  await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000));
  const used = brokers.map((broker, i) => {
    const share = (broker.cpuSeconds() - (before[i] as number)) / IDLE_SECONDS;
    return `${broker.name} ${(share * 100).toFixed(1)} %`;
  });
  context.note(`idle after the warm-up, of one core: ${used.join(', ')}`);
}
