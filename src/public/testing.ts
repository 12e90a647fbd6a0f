/** `millrace/testing`: brokers for tests. */

export { MillraceError } from '../base/errors.js';
export type { LogFields, Logger } from '../base/logger.js';
export type { BrokerConfigInput, BrokerConfigName } from '../broker/config.js';
export type { DiskCall, FaultAction, FaultRule } from '../testing/fault-rule.js';
export type { Fault, Faults } from '../testing/faults.js';
export type {
  RecordedRequest,
  RecordedSession,
  RecordedTopic,
  RecordsSummary,
  RequestMatch,
  RequestOutcome,
} from '../testing/recorded.js';
export type { RequestExpectation, Requests, Session } from '../testing/requests.js';
export type { CoordinatorKey } from '../testing/simulated-cluster.js';
export { startBroker } from '../testing/start-broker.js';
export { type ClusterNode, startCluster, type TestCluster } from '../testing/start-cluster.js';
export type { TestBroker } from '../testing/test-broker.js';
export type {
  BrokerSnapshot,
  ClientConnectionInfo,
  Condition,
  ConsumeAllOptions,
  ConsumedRecord,
  Duration,
  Isolation,
  LogOffsets,
  LogSegment,
  NewTopic,
  Produced,
  ProducedRecord,
  RecordText,
  StartBrokerOptions,
  TestLog,
  VirtualTime,
} from '../testing/types.js';
