/**
 * The brokers that are compared, each a process of its own on a free port of the loopback:
 *
 *     millrace      ours, as `millrace broker` starts it
 *     kafka         Apache Kafka, one KRaft node, with the heap and the flags of its start script
 *     kafka-tuned   the same with the JVM settings that its operations page recommends
 *     kfake         franz-go's in-memory Kafka: keeps nothing, so a floor for protocol work, not a log
 *     mock          librdkafka's mock cluster, likewise
 *     discard       ours, which answers a produce request and throws it away: the limit of the producers
 *
 * All keep their defaults but for what one node needs (replication factors of internal topics) and for a
 * session that survives being suspended.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readdirSync, readSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Millrace } from '../harness/millrace.js';
import { cpuSecondsCoarse, peakRssMib, rssMib } from '../harness/processes.js';
import { createTopic, deleteTopic, isReady, until } from './admin.js';
import { startDiscardBroker } from './discard-broker.js';
import { classPath, kfakePath, log4jOptions, missing, mockPath } from './paths.js';

export const BROKERS = ['millrace', 'kafka', 'kafka-tuned', 'kfake', 'mock', 'discard'] as const;
export type BrokerName = (typeof BROKERS)[number];

/** As kafka-server-start.sh and kafka-run-class.sh of 4.2 have them. */
const JVM_DEFAULT = [
  ...['-Xmx1G', '-Xms1G', '-server', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20'],
  ...['-XX:InitiatingHeapOccupancyPercent=35', '-XX:+ExplicitGCInvokesConcurrent'],
  '-Djava.awt.headless=true',
];
/** As the page on Java of Kafka's documentation recommends, the heap of 6 GiB included. */
const JVM_TUNED = [
  ...['-Xmx6g', '-Xms6g', '-XX:MetaspaceSize=96m', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20'],
  ...['-XX:InitiatingHeapOccupancyPercent=35', '-XX:G1HeapRegionSize=16M'],
  ...['-XX:MinMetaspaceFreeRatio=50', '-XX:MaxMetaspaceFreeRatio=80'],
  ...['-XX:+ExplicitGCInvokesConcurrent', '-Djava.awt.headless=true'],
];

/** For what was due while a broker was suspended. */
const SETTLE_MS = 300;

export interface Broker {
  readonly name: BrokerName;
  readonly pid: number;
  readonly port: number;
  /** User and system, in steps of 10 ms. */
  cpuSeconds(): number;
  rssMib(): number;
  peakRssMib(): number;
  createTopic(topic: string, partitions: number, configs?: Record<string, string>): Promise<void>;
  /** Its files go within a second, so that they are not written back while others are measured. */
  deleteTopic(topic: string): Promise<void>;
  /** Puts the files of a topic into the page cache, from which the system takes them as it likes. */
  warmFiles(topic: string): void;
  /** It gets no CPU until `resume`: SIGSTOP. Idempotent, as is `resume`. */
  suspend(): void;
  /** Settles when it answers again. */
  resume(): Promise<void>;
  /** Also of one that is suspended. */
  stop(): Promise<void>;
}

export function brokerMissing(name: BrokerName): string | null {
  if (name === 'millrace' || name === 'discard') return null;
  return missing(name === 'kafka-tuned' ? 'kafka' : name);
}

export async function startBroker(name: BrokerName, dir: string): Promise<Broker> {
  mkdirSync(dir, { recursive: true });
  const data = join(dir, 'data');
  if (name === 'millrace') {
    const millrace = await Millrace.start({ dataDir: data });
    return running(name, millrace.pid, millrace.port, data, () => millrace.stop());
  }
  if (name === 'kafka' || name === 'kafka-tuned') {
    const prepared = await prepareKafka(name, dir);
    const child = prepared.start();
    await ready(child, prepared.port);
    return running(name, child.pid as number, prepared.port, data, () => end(child));
  }
  if (name === 'discard') {
    const { child, port } = await startDiscardBroker(data);
    return running(name, child.pid as number, port, data, () => end(child));
  }
  return startInMemory(name);
}

export interface PreparedKafka {
  readonly port: number;
  start(): ChildProcess;
}

/** Formats its storage and chooses its port. */
export async function prepareKafka(
  name: 'kafka' | 'kafka-tuned',
  dir: string,
): Promise<PreparedKafka> {
  mkdirSync(dir, { recursive: true });
  const [port, controllerPort] = await freePorts(2);
  const properties = join(dir, 'server.properties');
  const lines = [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'controller.listener.names=CONTROLLER',
    `log.dirs=${join(dir, 'data')}`,
    'offsets.topic.replication.factor=1',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'share.coordinator.state.topic.replication.factor=1',
    'share.coordinator.state.topic.min.isr=1',
    // A broker that is suspended while another is measured is not to be fenced.
    'broker.session.timeout.ms=3600000',
  ];
  writeFileSync(properties, `${lines.join('\n')}\n`);
  const java = [...log4jOptions, '-cp', classPath];
  const format = ['kafka.tools.StorageTool', 'format', '--cluster-id', 'bWlsbHJhY2UtYmVuY2gtMQ'];
  const formatted = spawnSync('java', ['-Xmx256m', ...java, ...format, '--config', properties], {
    encoding: 'utf8',
  });
  if (formatted.status !== 0) throw new Error(`kafka does not format: ${formatted.stderr}`);
  const jvm = name === 'kafka' ? JVM_DEFAULT : JVM_TUNED;
  return {
    port: port as number,
    start: () =>
      spawn('java', [...jvm, ...java, 'kafka.Kafka', properties], {
        stdio: ['ignore', 'ignore', 'ignore'],
        env: { ...process.env, LOG_DIR: dir },
      }),
  };
}

/** Ends a server in order. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  await once(child, 'exit');
  clearTimeout(timer);
}

async function startInMemory(name: 'kfake' | 'mock'): Promise<Broker> {
  const [port] = await freePorts(1);
  const child =
    name === 'kfake'
      ? spawn(kfakePath, [String(port)], { stdio: ['ignore', 'pipe', 'inherit'] })
      : spawn(mockPath, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout?.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  const listening = (): string | undefined => /listening on \S*:(\d+)/.exec(text)?.[1];
  await until(async () => listening() !== undefined || child.exitCode !== null, `${name} listens`);
  const actual = Number(listening());
  await ready(child, actual);
  return running(name, child.pid as number, actual, null, () => end(child));
}

async function ready(child: ChildProcess, port: number): Promise<void> {
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`the broker ended with ${child.exitCode}`);
    return isReady(port);
  }, 'the broker is ready');
}

function running(
  name: BrokerName,
  pid: number,
  port: number,
  dataDir: string | null,
  stop: () => Promise<void>,
): Broker {
  let suspended = false;
  return {
    name,
    pid,
    port,
    cpuSeconds: () => cpuSecondsCoarse(pid),
    rssMib: () => rssMib(pid),
    peakRssMib: () => peakRssMib(pid),
    createTopic: async (topic, partitions, configs = {}) => {
      const deleted = dataDir === null ? {} : { 'file.delete.delay.ms': '500' };
      await createTopic(port, topic, partitions, { ...deleted, ...configs });
    },
    deleteTopic: async (topic) => {
      await deleteTopic(port, topic);
    },
    warmFiles: (topic) => {
      if (dataDir !== null) readFiles(dataDir, topic);
    },
    suspend() {
      if (!suspended) process.kill(pid, 'SIGSTOP');
      suspended = true;
    },
    async resume() {
      if (!suspended) return;
      suspended = false;
      process.kill(pid, 'SIGCONT');
      await until(() => isReady(port), `${name} is ready`);
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    },
    async stop() {
      if (suspended) process.kill(pid, 'SIGCONT');
      await stop();
    },
  };
}

function readFiles(dataDir: string, topic: string): void {
  for (const partition of readdirSync(dataDir)) {
    if (partition.slice(0, partition.lastIndexOf('-')) !== topic) continue;
    for (const file of readdirSync(join(dataDir, partition))) {
      if (file.endsWith('.log')) readWhole(join(dataDir, partition, file));
    }
  }
}

const scratch = Buffer.alloc(4 * 2 ** 20);

function readWhole(path: string): void {
  const fd = openSync(path, 'r');
  try {
    while (readSync(fd, scratch, 0, scratch.length, null) > 0);
  } finally {
    closeSync(fd);
  }
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
