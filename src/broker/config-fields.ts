/**
 * The broker configs that this broker obeys, by Kafka's own names. Those that Kafka knows and that
 * have no meaning here are in config-fields-reported.ts; the topic defaults come from the log.
 */

import { boolean, double, int, list, long, string } from '../base/config-table.js';
import { defaultNetLimits } from '../base/limits.js';
import { brokerLogFields } from '../log/topic-config-table.js';
import { groupFields } from './config-fields-groups.js';
import { transactionFields } from './config-fields-transactions.js';

const MIB = 2 ** 20;

export const servedFields = {
  ...brokerLogFields,
  ...groupFields,
  ...transactionFields,
  'advertised.listeners': string({
    default: null,
    importance: 'high',
    doc: 'Addresses that clients are told to connect to, as NAME://HOST:PORT. Not set: the listeners; a wildcard host becomes the address that the client connected to, port 0 the bound port.',
  }),
  'auto.create.topics.enable': boolean({
    default: true,
    importance: 'high',
    doc: 'Whether a Metadata request for an unknown topic may create it.',
  }),
  'broker.id': int({
    default: -1,
    min: -1,
    importance: 'high',
    doc: 'The older name of node.id, used when node.id is not set.',
  }),
  'broker.rack': string({
    default: null,
    doc: 'Rack of this node, as told in Metadata.',
  }),
  'cluster.id': string({
    default: null,
    check: clusterIdProblem,
    doc: 'Cluster id for a new data directory, 22 characters of base64url; one is drawn if it is not set. An existing directory keeps its own. (Not a Kafka config: kafka-storage takes it as an option.)',
  }),
  'connections.max.idle.ms': long({
    default: defaultNetLimits.idleMsMax,
    doc: 'A connection on which nothing moves for this long is closed.',
  }),
  'controller.listener.names': list({
    default: [] as readonly string[],
    importance: 'high',
    doc: 'Listeners of the controller. There is no separate controller here: they are not opened.',
  }),
  'controller.quota.window.num': int({
    default: 11,
    min: 1,
    doc: 'Windows whose changes of topics a client may make at once, by controller_mutation_rate.',
  }),
  'controller.quota.window.size.seconds': int({
    default: 1,
    min: 1,
    doc: 'Size of such a window.',
  }),
  'default.replication.factor': int({
    default: 1,
    min: 1,
    doc: 'Replicas of a topic that is created without a number. There is one node: only 1 works.',
  }),
  'delete.topic.enable': boolean({
    default: true,
    importance: 'high',
    doc: 'Whether DeleteTopics is allowed.',
  }),
  'fetch.max.bytes': int({
    default: 55 * MIB,
    min: 1024,
    doc: 'Most record bytes in one Fetch response; a larger first batch is still sent whole.',
  }),
  'listener.security.protocol.map': string({
    default: 'SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT',
    doc: 'Security protocol of each listener name. Only PLAINTEXT is served.',
  }),
  listeners: string({
    default: 'PLAINTEXT://127.0.0.1:9092',
    importance: 'high',
    doc: 'Addresses to listen on, as NAME://HOST:PORT, separated by commas. An empty host means all interfaces, port 0 any free port. (Kafka listens on all interfaces by default.)',
  }),
  'log.cleaner.backoff.ms': long({
    default: 15_000,
    min: 1,
    doc: 'How often it is checked whether logs are to be compacted.',
  }),
  'log.cleaner.dedupe.buffer.size': long({
    default: 128 * MIB,
    min: 1024,
    doc: 'Most memory for the keys of a log while it is compacted, 24 bytes a key; taken only as far as it is needed. A log with more keys takes several passes.',
  }),
  'log.cleaner.enable': boolean({
    default: true,
    doc: 'Whether topics with cleanup.policy compact are compacted.',
  }),
  'log.cleaner.io.buffer.load.factor': double({
    default: 0.9,
    min: 0.1,
    max: 0.95,
    doc: 'How full the dedupe buffer may become. Fuller is slower.',
  }),
  'log.dir': string({
    default: './millrace-data',
    importance: 'high',
    doc: 'The data directory, used when log.dirs is not set. (The default in Kafka is /tmp/kafka-logs.)',
  }),
  'log.dirs': string({
    default: null,
    importance: 'high',
    doc: 'Data directories, separated by commas. A new partition goes to the one with the fewest.',
  }),
  'log.flush.offset.checkpoint.interval.ms': int({
    default: 60_000,
    min: 0,
    importance: 'high',
    doc: 'How often the recovery points (and the other checkpoints) are written.',
  }),
  'log.retention.check.interval.ms': long({
    default: 300_000,
    min: 1,
    doc: 'How often it is checked whether segments are to be deleted.',
  }),
  'log.scrub.bytes.per.second': long({
    default: 16 * MIB,
    min: 0,
    doc: 'How fast sealed segments are read again in the background to find damage before a client does; 0: never. (Not a Kafka config.)',
  }),
  'max.connections': int({
    update: 'cluster-wide',
    default: defaultNetLimits.connectionCountMax,
    min: 0,
    doc: 'Most connections of a listener at a time. (2147483647 in Kafka.)',
  }),
  'max.connections.per.ip': int({
    update: 'cluster-wide',
    default: defaultNetLimits.connectionCountPerAddressMax,
    min: 0,
    doc: 'Most connections from one address at a time. (2147483647 in Kafka.)',
  }),
  'max.incremental.fetch.session.cache.slots': int({
    default: 1000,
    min: 0,
    doc: 'Incremental fetch sessions kept at a time.',
  }),
  'max.request.partition.size.limit': int({
    default: 2000,
    min: 1,
    doc: 'Most partitions in one answer of DescribeTopicPartitions.',
  }),
  'node.id': int({
    default: 1,
    min: 0,
    importance: 'high',
    doc: 'Id of this node, as told in Metadata.',
  }),
  'num.partitions': int({
    default: 1,
    min: 1,
    doc: 'Partitions of a topic that is created without a number, by Metadata too.',
  }),
  'num.recovery.threads.per.data.dir': int({
    default: 2,
    min: 1,
    importance: 'high',
    doc: 'How many logs of a data directory are opened at a time.',
  }),
  'quota.window.num': int({
    default: 11,
    min: 1,
    doc: 'Windows over which the rates of client quotas are measured.',
  }),
  'quota.window.size.seconds': int({
    default: 1,
    min: 1,
    doc: 'Size of such a window.',
  }),
  'socket.request.max.bytes': int({
    default: defaultNetLimits.frameBytesMax,
    min: 1,
    doc: 'Largest request; a client that announces a larger one is disconnected.',
  }),
  'telemetry.max.bytes': int({
    default: MIB,
    min: 1,
    doc: 'Most bytes of metrics in one push of a client; decompressed 20 times as many.',
  }),
};

function clusterIdProblem(text: string): string | null {
  return /^[A-Za-z0-9_-]{22}$/.test(text) ? null : 'a cluster id has 22 characters of base64url';
}
