/**
 * The configs of a test broker where the test gives none of its own: Kafka's, but for those that make
 * a test wait, or that only a broker of weight needs.
 */

import { MillraceError } from '../base/errors.js';
import {
  type BrokerConfig,
  type BrokerConfigInput,
  configInputEntries,
  readBrokerConfig,
} from '../broker/config.js';
import { listenerOf } from './simulated-cluster.js';

const DEFAULTS: BrokerConfigInput = {
  // A group of one test has all its members at once, or gets another rebalance.
  'group.initial.rebalance.delay.ms': 0,
  'group.min.session.timeout.ms': 1,
  // Members of KIP-848 groups hear of a change by their next heartbeat.
  'group.consumer.heartbeat.interval.ms': 100,
  'group.consumer.min.heartbeat.interval.ms': 1,
  'group.consumer.min.session.timeout.ms': 1,
  'offsets.topic.num.partitions': 1,
  'transaction.state.log.num.partitions': 1,
  'log.cleaner.dedupe.buffer.size': 16 * 2 ** 20,
  // The files are thrown away, or are those of a snapshot.
  'log.scrub.bytes.per.second': 0,
};

/** A client that is idle for a week of virtual time is not gone. */
const VIRTUAL: BrokerConfigInput = { 'connections.max.idle.ms': -1 };

const MAP = 'PLAINTEXT:PLAINTEXT';

export interface TestConfigOptions {
  readonly config: BrokerConfigInput;
  readonly dir: string;
  readonly port: number;
  /** Of each node of a simulated cluster; empty: a single broker on `port`. */
  readonly nodePorts: readonly number[];
  readonly virtual: boolean;
}

/**
 * For Broker.start. What the test gives wins, but for the directory and the listener. Throws
 * INVALID_CONFIG, also for a name that a broker outside of tests would warn of and ignore.
 */
export function testConfig(options: TestConfigOptions): BrokerConfig {
  const { config, dir, port, nodePorts, virtual } = options;
  const names = nodePorts.map((_, i) => listenerOf(i + 1));
  const listeners = nodePorts.map((at, i) => `${names[i]}://127.0.0.1:${at}`);
  const read = readBrokerConfig({
    overrides: [
      ...configInputEntries(DEFAULTS),
      ...configInputEntries(virtual ? VIRTUAL : {}),
      ...configInputEntries(config),
      ['log.dirs', dir],
      ['listeners', listeners.join() || `PLAINTEXT://127.0.0.1:${port}`],
      ['listener.security.protocol.map', names.map((name) => `${name}:PLAINTEXT`).join() || MAP],
    ],
  });
  if (read.warnings.length === 0) return read;
  throw new MillraceError(read.warnings.join('; '), { code: 'INVALID_CONFIG' });
}
