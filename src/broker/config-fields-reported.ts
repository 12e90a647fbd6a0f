/**
 * Broker configs of Kafka that are accepted, checked and reported, and change nothing here: threads
 * and purgatories that this broker does not have, and things that are not built (replication, TLS,
 * quotas, tiered storage).
 *
 * Of the ssl.*, sasl.* and remote.* families only a part is listed; `reportedPrefixes` covers the rest:
 * such a name is no mistake of the user's, and gets no warning about its spelling.
 */

import {
  boolean,
  className,
  double,
  int,
  LONG_MAX,
  list,
  long,
  password,
  short,
  string,
} from '../base/config-table.js';

const INT_MAX = 2 ** 31 - 1;
const MIB = 2 ** 20;
const NONE: readonly string[] = [];

/** Names that begin so are known to Kafka even if no table here has them. */
export const reportedPrefixes: readonly string[] = [
  'ssl.',
  'sasl.',
  'remote.',
  'rlmm.',
  'rsm.',
  'listener.name.',
  'metrics.',
  'confluent.',
];

const threadFields = {
  'background.threads': int({ default: 10, min: 1, doc: 'Threads for background work.' }),
  'num.io.threads': int({ default: 8, min: 1, doc: 'Threads that handle requests.' }),
  'num.network.threads': int({ default: 3, min: 1, doc: 'Threads that serve sockets.' }),
  'queued.max.request.bytes': long({ default: -1, doc: 'Bytes of queued requests, -1: no limit.' }),
  'queued.max.requests': int({ default: 500, min: 1, doc: 'Requests queued for the I/O threads.' }),
  'request.timeout.ms': int({ default: 30_000, doc: 'Time for requests between brokers.' }),
};

const socketFields = {
  'connection.failed.authentication.delay.ms': int({
    default: 100,
    min: 0,
    doc: 'Delay before a connection that failed to authenticate is closed.',
  }),
  'max.connection.creation.rate': int({ default: INT_MAX, min: 0, doc: 'Connections a second.' }),
  'max.connections.per.ip.overrides': string({ default: '', doc: 'Bounds of single addresses.' }),
  'socket.connection.setup.timeout.max.ms': long({ default: 30_000, doc: 'Between brokers.' }),
  'socket.connection.setup.timeout.ms': long({ default: 10_000, doc: 'Between brokers.' }),
  'socket.listen.backlog.size': int({ default: 50, min: 1, doc: 'Pending connections.' }),
  'socket.receive.buffer.bytes': int({ default: 102_400, doc: 'SO_RCVBUF; the system tunes it.' }),
  'socket.send.buffer.bytes': int({ default: 102_400, doc: 'SO_SNDBUF; the system tunes it.' }),
};

const clusterFields = {
  'auto.leader.rebalance.enable': boolean({ default: true, doc: 'Preferred leaders.' }),
  'broker.heartbeat.interval.ms': int({ default: 2000, doc: 'Broker to controller.' }),
  'broker.session.timeout.ms': int({ default: 9000, doc: 'Broker to controller.' }),
  'controlled.shutdown.enable': boolean({ default: true, doc: 'Move leaders before shutdown.' }),
  'controlled.shutdown.max.retries': int({ default: 3, doc: 'Tries of a controlled shutdown.' }),
  'controller.quorum.append.linger.ms': int({ default: 25, doc: 'Quorum write batching.' }),
  'controller.quorum.bootstrap.servers': list({ default: NONE, doc: 'Quorum addresses.' }),
  'controller.quorum.election.backoff.max.ms': int({ default: 1000, doc: 'Quorum elections.' }),
  'controller.quorum.election.timeout.ms': int({ default: 1000, doc: 'Quorum elections.' }),
  'controller.quorum.fetch.timeout.ms': int({ default: 2000, doc: 'Quorum fetches.' }),
  'controller.quorum.request.timeout.ms': int({ default: 2000, doc: 'Quorum requests.' }),
  'controller.quorum.retry.backoff.ms': int({ default: 20, doc: 'Quorum requests.' }),
  'controller.quorum.voters': list({ default: NONE, doc: 'Members of the quorum.' }),
  'controller.socket.timeout.ms': int({ default: 30_000, doc: 'Controller to broker.' }),
  'initial.broker.registration.timeout.ms': int({ default: 60_000, doc: 'First registration.' }),
  'inter.broker.listener.name': string({ default: null, doc: 'Listener between brokers.' }),
  'leader.imbalance.check.interval.seconds': long({ default: 300, doc: 'Preferred leaders.' }),
  'leader.imbalance.per.broker.percentage': int({ default: 10, doc: 'Preferred leaders.' }),
  'metadata.log.dir': string({ default: null, doc: 'Directory of the metadata log.' }),
  'metadata.log.max.record.bytes.between.snapshots': long({ default: 20 * MIB, doc: 'Snapshots.' }),
  'metadata.log.max.snapshot.interval.ms': long({ default: 3_600_000, doc: 'Snapshots.' }),
  'metadata.log.segment.bytes': int({ default: 2 ** 30, doc: 'Metadata log segments.' }),
  'metadata.log.segment.ms': long({ default: 604_800_000, doc: 'Metadata log segments.' }),
  'metadata.max.idle.interval.ms': int({ default: 500, doc: 'No-op records of the metadata log.' }),
  'metadata.max.retention.bytes': long({ default: 100 * MIB, doc: 'Metadata log retention.' }),
  'metadata.max.retention.ms': long({ default: 604_800_000, doc: 'Metadata log retention.' }),
  'num.replica.fetchers': int({ default: 1, doc: 'Threads that fetch from one leader.' }),
  'process.roles': list({
    default: NONE,
    values: ['broker', 'controller'],
    doc: 'Roles of this process; here it is always both.',
  }),
  'replica.fetch.backoff.ms': int({ default: 1000, doc: 'Replication.' }),
  'replica.fetch.max.bytes': int({ default: MIB, doc: 'Replication, a partition.' }),
  'replica.fetch.min.bytes': int({ default: 1, doc: 'Replication.' }),
  'replica.fetch.response.max.bytes': int({ default: 10 * MIB, doc: 'Replication, a response.' }),
  'replica.fetch.wait.max.ms': int({ default: 500, doc: 'Replication.' }),
  'replica.high.watermark.checkpoint.interval.ms': long({ default: 5000, doc: 'Replication.' }),
  'replica.lag.time.max.ms': long({ default: 30_000, doc: 'When a replica is out of sync.' }),
  'replica.selector.class': className({ default: null, doc: 'Which replica a consumer reads.' }),
  'replica.socket.receive.buffer.bytes': int({ default: 65_536, doc: 'Replication.' }),
  'replica.socket.timeout.ms': int({ default: 30_000, doc: 'Replication.' }),
  'security.inter.broker.protocol': string({ default: 'PLAINTEXT', doc: 'Between brokers.' }),
  'server.max.startup.time.ms': long({ default: LONG_MAX, doc: 'Bound of the start.' }),
  'unclean.leader.election.interval.ms': long({ default: 300_000, doc: 'Unclean elections.' }),
};

const purgatoryFields = {
  'delete.records.purgatory.purge.interval.requests': int({ default: 1, doc: 'Purgatory.' }),
  'fetch.purgatory.purge.interval.requests': int({ default: 1000, doc: 'Purgatory.' }),
  'producer.purgatory.purge.interval.requests': int({ default: 1000, doc: 'Purgatory.' }),
};

const logFields = {
  'log.cleaner.io.buffer.size': int({ default: 524_288, min: 0, doc: 'Memory of the cleaner.' }),
  'log.cleaner.io.max.bytes.per.second': double({
    default: Number.MAX_VALUE,
    doc: 'Bound of the cleaner.',
  }),
  'log.cleaner.threads': int({ default: 1, min: 0, doc: 'Threads of the cleaner.' }),
  'log.dir.failure.timeout.ms': long({
    default: 30_000,
    doc: 'Time to tell of a failed directory.',
  }),
  'log.flush.start.offset.checkpoint.interval.ms': int({
    default: 60_000,
    min: 0,
    doc: 'How often log start offsets are written; here with the recovery points.',
  }),
  'log.initial.task.delay.ms': long({ default: 30_000, doc: 'Delay of the first clean-up.' }),
  'num.replica.alter.log.dirs.threads': int({ default: null, doc: 'Moves between directories.' }),
  'producer.id.expiration.check.interval.ms': int({ default: 600_000, doc: 'Producer ids.' }),
};

const groupFields = {
  'group.coordinator.append.linger.ms': int({ default: 5, doc: 'Write batching of groups.' }),
  'group.coordinator.rebalance.protocols': list({
    default: ['classic', 'consumer', 'streams'],
    doc: 'Protocols of groups.',
  }),
  'group.coordinator.threads': int({ default: 4, doc: 'Threads of the group coordinator.' }),
  'group.share.delivery.count.limit': int({ default: 5, doc: 'Of share groups.' }),
  'group.share.heartbeat.interval.ms': int({ default: 5000, doc: 'Of share groups.' }),
  'group.share.max.heartbeat.interval.ms': int({ default: 15_000, doc: 'Of share groups.' }),
  'group.share.max.record.lock.duration.ms': int({ default: 60_000, doc: 'Of share groups.' }),
  'group.share.max.session.timeout.ms': int({ default: 60_000, doc: 'Of share groups.' }),
  'group.share.max.size': int({ default: 200, doc: 'Of share groups.' }),
  'group.share.min.heartbeat.interval.ms': int({ default: 5000, doc: 'Of share groups.' }),
  'group.share.min.record.lock.duration.ms': int({ default: 15_000, doc: 'Of share groups.' }),
  'group.share.min.session.timeout.ms': int({ default: 45_000, doc: 'Of share groups.' }),
  'group.share.partition.max.record.locks': int({ default: 2000, doc: 'Of share groups.' }),
  'group.share.record.lock.duration.ms': int({ default: 30_000, doc: 'Of share groups.' }),
  'group.share.session.timeout.ms': int({ default: 45_000, doc: 'Of share groups.' }),
  'group.streams.heartbeat.interval.ms': int({ default: 5000, doc: 'Of Streams groups.' }),
  'group.streams.initial.rebalance.delay.ms': int({ default: 3000, doc: 'Of Streams groups.' }),
  'group.streams.max.heartbeat.interval.ms': int({ default: 15_000, doc: 'Of Streams groups.' }),
  'group.streams.max.session.timeout.ms': int({ default: 60_000, doc: 'Of Streams groups.' }),
  'group.streams.max.standby.replicas': int({ default: 2, doc: 'Of Streams groups.' }),
  'group.streams.min.heartbeat.interval.ms': int({ default: 5000, doc: 'Of Streams groups.' }),
  'group.streams.min.session.timeout.ms': int({ default: 45_000, doc: 'Of Streams groups.' }),
  'group.streams.num.standby.replicas': int({ default: 0, doc: 'Of Streams groups.' }),
  'group.streams.session.timeout.ms': int({ default: 45_000, doc: 'Of Streams groups.' }),
  'share.coordinator.append.linger.ms': int({ default: 5, doc: 'Of share groups.' }),
  'share.coordinator.load.buffer.size': int({ default: 5 * MIB, doc: 'Of share groups.' }),
  'share.coordinator.snapshot.update.records.per.snapshot': int({
    default: 500,
    doc: 'Of share groups.',
  }),
  'share.coordinator.state.topic.compression.codec': int({ default: 0, doc: 'Of share groups.' }),
  'share.coordinator.state.topic.min.isr': short({ default: 2, min: 1, doc: 'Of share groups.' }),
  'share.coordinator.state.topic.num.partitions': int({ default: 50, doc: 'Of share groups.' }),
  'share.coordinator.state.topic.replication.factor': short({
    default: 3,
    min: 1,
    doc: 'Of share groups.',
  }),
  'share.coordinator.state.topic.segment.bytes': int({
    default: 100 * MIB,
    doc: 'Of share groups.',
  }),
  'share.coordinator.threads': int({ default: 1, doc: 'Of share groups.' }),
  'share.coordinator.write.timeout.ms': int({ default: 5000, doc: 'Of share groups.' }),
  'offsets.commit.timeout.ms': int({ default: 5000, doc: 'Of an offset commit.' }),
  'offsets.topic.replication.factor': short({ default: 3, min: 1, doc: 'Offsets topic.' }),
};

const transactionFields = {
  'add.partitions.to.txn.retry.backoff.ms': int({ default: 20, min: 1, doc: 'Transactions.' }),
  'transaction.partition.verification.enable': boolean({ default: true, doc: 'Transactions.' }),
  'transaction.state.log.min.isr': int({ default: 2, min: 1, doc: 'Transactions.' }),
  'transaction.state.log.replication.factor': short({ default: 3, min: 1, doc: 'Transactions.' }),
};

/** Kafka lets each broker change these at run time. */
const perBroker = { update: 'per-broker', doc: 'SASL.' } as const;

const securityFields = {
  'alter.config.policy.class.name': className({ default: null, doc: 'Policy for changes.' }),
  'authorizer.class.name': className({ default: '', doc: 'Authorizer.' }),
  'connections.max.reauth.ms': long({ default: 0, doc: 'Life of a SASL session.' }),
  'create.topic.policy.class.name': className({ default: null, doc: 'Policy for new topics.' }),
  'principal.builder.class': className({ default: null, doc: 'Principal of a connection.' }),
  'sasl.enabled.mechanisms': list({ default: ['GSSAPI'], doc: 'SASL.' }),
  'sasl.jaas.config': password({ default: null, doc: 'SASL.' }),
  'sasl.kerberos.kinit.cmd': string({ default: '/usr/bin/kinit', ...perBroker }),
  'sasl.kerberos.min.time.before.relogin': long({ default: 60_000, ...perBroker }),
  'sasl.kerberos.principal.to.local.rules': list({ default: ['DEFAULT'], ...perBroker }),
  'sasl.kerberos.service.name': string({ default: null, ...perBroker }),
  'sasl.kerberos.ticket.renew.jitter': double({ default: 0.05, ...perBroker }),
  'sasl.kerberos.ticket.renew.window.factor': double({ default: 0.8, ...perBroker }),
  'sasl.mechanism.inter.broker.protocol': string({ default: 'GSSAPI', doc: 'SASL.' }),
  'ssl.cipher.suites': list({ default: NONE, doc: 'TLS.' }),
  'ssl.client.auth': string({
    default: 'none',
    values: ['required', 'requested', 'none'],
    doc: 'TLS.',
  }),
  'ssl.enabled.protocols': list({ default: ['TLSv1.2', 'TLSv1.3'], doc: 'TLS.' }),
  'ssl.key.password': password({ default: null, doc: 'TLS.' }),
  'ssl.keystore.certificate.chain': password({ default: null, doc: 'TLS.' }),
  'ssl.keystore.key': password({ default: null, doc: 'TLS.' }),
  'ssl.keystore.location': string({ default: null, doc: 'TLS.' }),
  'ssl.keystore.password': password({ default: null, doc: 'TLS.' }),
  'ssl.keystore.type': string({ default: 'JKS', doc: 'TLS.' }),
  'ssl.protocol': string({ default: 'TLSv1.3', doc: 'TLS.' }),
  'ssl.truststore.certificates': password({ default: null, doc: 'TLS.' }),
  'ssl.truststore.location': string({ default: null, doc: 'TLS.' }),
  'ssl.truststore.password': password({ default: null, doc: 'TLS.' }),
  'ssl.truststore.type': string({ default: 'JKS', doc: 'TLS.' }),
  'super.users': string({ default: '', doc: 'Principals that may do everything.' }),
};

const quotaAndMetricFields = {
  'auto.include.jmx.reporter': boolean({ default: true, doc: 'Metrics.' }),
  'client.quota.callback.class': className({ default: null, doc: 'Quotas.' }),
  'metric.reporters': list({ default: NONE, doc: 'Metrics.' }),
  'metrics.num.samples': int({ default: 2, min: 1, doc: 'Metrics.' }),
  'metrics.recording.level': string({ default: 'INFO', doc: 'Metrics.' }),
  'metrics.sample.window.ms': long({ default: 30_000, min: 1, doc: 'Metrics.' }),
  'remote.log.storage.system.enable': boolean({ default: false, doc: 'Tiered storage.' }),
  'replication.quota.window.num': int({ default: 11, min: 1, doc: 'Quotas.' }),
  'replication.quota.window.size.seconds': int({ default: 1, min: 1, doc: 'Quotas.' }),
};

export const reportedFields = {
  ...threadFields,
  ...socketFields,
  ...clusterFields,
  ...purgatoryFields,
  ...logFields,
  ...groupFields,
  ...transactionFields,
  ...securityFields,
  ...quotaAndMetricFields,
};
