/** What `startBroker` was given, checked: a mistake is told here, with what to write instead. */

import { MillraceError } from '../base/errors.js';
import { nearestName } from '../broker/nearest-name.js';
import type { HostOptions } from './broker-host.js';
import { durationMs } from './duration.js';
import type { NewTopic, StartBrokerOptions } from './types.js';

const NAMES: readonly (keyof StartBrokerOptions)[] = [
  ...(['topics', 'config', 'port', 'dir', 'keep', 'clock', 'now', 'fetchWait'] as const),
  ...(['inWorker', 'seed', 'from', 'logger', 'leaks'] as const),
];
const TOPIC_NAMES: readonly (keyof NewTopic)[] = ['name', 'partitions', 'config'];

/** Everything of the host's but its directory. Throws INVALID_OPTION. */
export function hostOptions(options: StartBrokerOptions): Omit<HostOptions, 'dir'> {
  checkNames('startBroker', options, NAMES);
  const {
    topics = [],
    config = {},
    port = 0,
    clock = 'system',
    now,
    seed,
    from,
    fetchWait,
  } = options;
  if (clock !== 'system' && clock !== 'virtual') {
    throw invalid(`clock is 'system' or 'virtual', not ${JSON.stringify(clock)}`);
  }
  if (now !== undefined && clock !== 'virtual') {
    throw invalid("now sets a virtual clock: give clock: 'virtual' too");
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw invalid(`port is 0 (any free one) to 65535, not ${String(port)}`);
  }
  for (const name of ['log.dirs', 'log.dir', 'listeners', 'advertised.listeners'] as const) {
    if (config[name] === undefined) continue;
    const instead = name.startsWith('log') ? 'dir' : 'port';
    throw invalid(`${name} is not for a test broker: it is given by the option ${instead}`);
  }
  return {
    port,
    nodePorts: [],
    config,
    topics: topics.map(newTopic),
    virtual: clock === 'virtual',
    nowMs: now === undefined ? null : Number(now),
    fetchWaitMs: fetchWait === undefined ? null : durationMs(fetchWait),
    seed: seed ?? null,
    from: from === undefined ? null : dirOf(from),
    afterKill: false,
  };
}

/** Of a snapshot, or the path of one. */
export function dirOf(snapshot: NonNullable<StartBrokerOptions['from']>): string {
  if (typeof snapshot === 'string') return snapshot;
  if (typeof snapshot?.dir === 'string') return snapshot.dir;
  throw invalid('a snapshot is what broker.snapshot() resolves to, or its directory');
}

export function newTopic(topic: string | NewTopic): NewTopic {
  if (typeof topic === 'string') return { name: topic };
  checkNames('a topic', topic, TOPIC_NAMES);
  if (typeof topic.name !== 'string') throw invalid('a topic has a name');
  return topic;
}

function checkNames(of: string, given: object, names: readonly string[]): void {
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    const nearest = nearestName(name, names);
    const hint = nearest === null ? `it has ${names.join(', ')}` : `did you mean ${nearest}?`;
    throw invalid(`${of} has no option ${name}: ${hint}`);
  }
}

function invalid(message: string): MillraceError {
  return new MillraceError(message, { code: 'INVALID_OPTION' });
}
