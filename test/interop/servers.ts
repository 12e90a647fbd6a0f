// The servers that the clients talk to: our broker, started as a user starts it, or a real Kafka
// (one KRaft node from the jars of clients/java), which proves the checks themselves.

import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { interopDir, rootDir } from './paths.js';
import { run, runOk, Service } from './process.js';

export type Server = {
  readonly name: string;
  readonly bootstrap: string;
  /** Where the TOPIC-PARTITION directories are; null when the server is not ours to look into. */
  readonly dataDir: string | null;
  /** Clean end, then start again on the same directory and port. */
  restart(how: 'stop' | 'kill'): Promise<void>;
  /** Pauses and continues its process. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** Clean end. Answers the exit code. */
  stop(): Promise<number | null>;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
};

const START_TIMEOUT_MS = 300_000;
const javaDir = join(interopDir, 'clients/java');
export const classPath = `${join(javaDir, 'target/classes')}:${join(javaDir, 'target/lib')}/*`;

/** Our broker with its defaults, but for `overrides`, `key=value` each. */
export async function startMillrace(
  dataDir: string,
  overrides: readonly string[] = [],
): Promise<Server> {
  const start = async (listen: string): Promise<{ service: Service; bootstrap: string }> => {
    const args = [join(rootDir, 'dist/cli/main.cjs'), 'broker'];
    args.push('--listen', listen, '--data-dir', dataDir);
    for (const one of overrides) args.push('--override', one);
    const service = new Service(process.execPath, args, { cwd: rootDir });
    const match = await service.waitFor(/listening on (\d+\.\d+\.\d+\.\d+:\d+)/, START_TIMEOUT_MS);
    return { service, bootstrap: String(match[1]) };
  };
  let { service, bootstrap } = await start('127.0.0.1:0');
  return {
    name: 'millrace',
    bootstrap,
    dataDir,
    async restart(how) {
      if (how === 'kill') await service.killNow();
      else await service.stop();
      ({ service, bootstrap } = await start(bootstrap));
    },
    signal: (name) => service.signal(name),
    stop: () => service.stop(),
    kill: () => service.killNow(),
  };
}

export type KafkaServer = Server & {
  /** What it has logged since its last start. */
  output(): string;
};

export type KafkaOptions = {
  /** Of its own log; warn where not given. */
  readonly logLevel?: 'info';
  /** More lines of server.properties. */
  readonly properties?: readonly string[];
};

/**
 * A real Kafka. `dir` gets the server's files; its log directory is `dir`/data, which may be there
 * from an earlier run.
 */
export async function startKafka(dir: string, options: KafkaOptions = {}): Promise<KafkaServer> {
  const dataDir = join(dir, 'data');
  mkdirSync(dataDir, { recursive: true });
  // Runs side by side must not find the same free ports in the moment before they take them.
  const port = await freePort(19092 + (process.pid % 500) * 20);
  const controllerPort = await freePort(port + 1);
  const properties = join(dir, 'server.properties');
  const lines = [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'controller.listener.names=CONTROLLER',
    `log.dirs=${dataDir}`,
    'num.partitions=1',
    'offsets.topic.replication.factor=1',
    'offsets.topic.num.partitions=1',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'transaction.state.log.num.partitions=1',
    'group.initial.rebalance.delay.ms=0',
    'log.cleaner.backoff.ms=200',
    'log.cleaner.dedupe.buffer.size=4194304',
    // Some records have times of long ago.
    'log.retention.ms=-1',
    ...(options.properties ?? []),
  ];
  writeFileSync(properties, `${lines.join('\n')}\n`);
  const format = ['kafka.tools.StorageTool', 'format', '--ignore-formatted'];
  format.push('--cluster-id', 'bWlsbHJhY2UtaW50ZXJvcA', '--config', properties);
  await runOk('java', [...javaOptions(256), ...format]);
  const start = async (): Promise<Service> => {
    const level = `-Dmillrace.log.level=${options.logLevel ?? 'warn'}`;
    const args = [level, ...javaOptions(512), 'kafka.Kafka', properties];
    const started = new Service('java', args, { env: { LOG_DIR: dir } });
    try {
      await waitForBroker(`127.0.0.1:${port}`, started);
    } catch (error) {
      await started.killNow();
      throw error;
    }
    return started;
  };
  let service = await start();
  return {
    name: 'kafka',
    bootstrap: `127.0.0.1:${port}`,
    dataDir,
    async restart(how) {
      if (how === 'kill') await service.killNow();
      else await service.stop();
      service = await start();
    },
    signal: (name) => service.signal(name),
    stop: () => service.stop(),
    output: () => service.output,
    kill: () => service.killNow(),
  };
}

/** A server that somebody else runs. */
export function foreignServer(bootstrap: string): Server {
  return {
    name: bootstrap,
    bootstrap,
    dataDir: null,
    restart: () => Promise.reject(new Error('not ours to restart')),
    signal: () => {
      throw new Error('not ours to pause');
    },
    stop: () => Promise.resolve(0),
    kill: () => Promise.reject(new Error('not ours to kill')),
  };
}

/** Bounded heap, quick start, no files in the working directory. */
export function javaOptions(heapMb: number): string[] {
  return [
    `-Xmx${heapMb}m`,
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-Xshare:auto',
    `-Dlog4j.configurationFile=${join(javaDir, 'log4j2.properties')}`,
    '-cp',
    classPath,
  ];
}

async function waitForBroker(bootstrap: string, service: Service): Promise<void> {
  const end = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < end && service.running) {
    const metadata = await run('kcat', ['-b', bootstrap, '-L', '-m', '2'], { timeoutMs: 10_000 });
    if (metadata.code === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  throw new Error(`kafka did not start:\n${service.output.slice(-4000)}`);
}

async function freePort(from: number): Promise<number> {
  for (let port = from; port < from + 100; port++) {
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error(`no free port from ${from} on`);
}
