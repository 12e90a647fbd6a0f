/** A broker in the test's loop with a fault plan and a recorder beside its dispatcher. */

import type { Clock } from '#src/base/clock.js';
import { systemClock } from '#src/base/clock.js';
import { silentLogger } from '#src/base/logger.js';
import { seededRandom } from '#src/base/random.js';
import type { Broker } from '#src/broker/broker.js';
import { systemEnv } from '#src/file/env.js';
import { type BrokerFaces, makeFaces } from '#src/testing/faces.js';
import { makeParts } from '#src/testing/parts.js';
import { connectTo, createTopic, startBroker } from '../support/test-broker.js';

type Test = Parameters<typeof startBroker>[0];

export interface BrokerWithParts extends BrokerFaces {
  readonly broker: Broker;
  /** 'restart' and 'kill', as a rule asked for them. */
  readonly asked: string[];
  problems(): readonly string[];
}

export async function brokerWithParts(
  t: Test,
  options: { clock?: Clock; seed?: number; topics?: Record<string, number> } = {},
): Promise<BrokerWithParts> {
  const { clock = systemClock, seed = 1, topics = { orders: 2 } } = options;
  const random = seededRandom(seed);
  const asked: string[] = [];
  const parts = makeParts({
    clock,
    random,
    logger: silentLogger,
    env: systemEnv,
    restart: async () => void asked.push('restart'),
    kill: () => void asked.push('kill'),
    nodeCount: 0,
    broker: () => broker,
  });
  const { env, brokerOptions } = parts;
  const broker: Broker = await startBroker(t, {}, { env, clock, random, ...brokerOptions });
  const client = await connectTo(t, broker);
  for (const [name, partitions] of Object.entries(topics)) {
    await createTopic(client, name, { partitions });
  }
  const faces = makeFaces(async (part, method, given) => {
    const target = parts.targets[part] as Record<string, (...given: unknown[]) => unknown>;
    return target[method]?.(...given);
  });
  await faces.requests.clear();
  return { broker, asked, ...faces, problems: () => parts.problems() };
}
