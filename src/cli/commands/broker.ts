/**
 * `millrace broker`: runs until SIGTERM or SIGINT, then closes in order and exits with 0. One line
 * on stdout says where it listens; everything else goes to stderr.
 */

import { systemClock } from '../../base/clock.js';
import { Broker } from '../../broker/broker.js';
import { type BrokerConfig, readBrokerConfig } from '../../broker/config.js';
import { formatAddress, parseAddress } from '../../broker/listeners.js';
import { systemEnv } from '../../file/env.js';
import { makeTempDir, removeTree } from '../../file/temp-dir.js';
import { failureText, UsageError } from '../failure.js';
import { lineLogger } from '../logger.js';

export interface BrokerOptions {
  readonly listen?: string;
  readonly dataDir?: string;
  readonly ephemeral?: true;
  readonly config?: string;
  readonly override: readonly string[];
  readonly verbose?: true;
  readonly debug?: true;
}

/** The close is to be over within 5 s; what then still hangs is cut off. */
const CLOSE_MS_MAX = 4_500;

export async function runBroker(options: BrokerOptions): Promise<void> {
  const debug = options.debug ?? process.argv.includes('--debug');
  const ephemeralDir = options.ephemeral ? makeEphemeralDir(options) : null;
  const config = configOf(ephemeralDir === null ? options : { ...options, dataDir: ephemeralDir });
  const logger = lineLogger({
    clock: systemClock,
    level: options.verbose ? 'info' : 'warn',
    write: (line) => process.stderr.write(line),
  });
  const stop = stopSignal();
  const broker = await start(config, logger);
  process.stdout.write(greeting(broker));

  const signal = await stop;
  process.stdout.write(`${signal}: closing\n`);
  const cutOff = systemClock.setTimer(CLOSE_MS_MAX, () => {
    process.stderr.write('millrace: the close takes too long, giving up\n');
    process.exit(1);
  });
  try {
    await broker.close();
  } catch (error) {
    process.stderr.write(failureText(error, debug));
    process.exit(1);
  }
  cutOff.cancel();
  if (ephemeralDir !== null) removeTree(ephemeralDir);
  process.stdout.write('closed\n');
  process.exit(0);
}

/** It goes with the process, however that ends but by kill -9. */
function makeEphemeralDir({ dataDir }: BrokerOptions): string {
  if (dataDir === undefined) return makeTempDir('millrace-ephemeral');
  throw new UsageError('--ephemeral has a directory of its own: leave out --data-dir');
}

/** What is thrown away need not wait as it does in production. */
const EPHEMERAL: readonly (readonly [string, string])[] = [
  ['group.initial.rebalance.delay.ms', '0'],
  ['offsets.topic.num.partitions', '1'],
  ['transaction.state.log.num.partitions', '1'],
];

export function configOf(options: BrokerOptions): BrokerConfig {
  const overrides = options.ephemeral ? EPHEMERAL.map(([k, v]): [string, string] => [k, v]) : [];
  for (const text of options.override) {
    const at = text.indexOf('=');
    if (at < 1) throw new UsageError(`--override ${text}: expected KEY=VALUE`);
    overrides.push([text.slice(0, at).trim(), text.slice(at + 1).trim()]);
  }
  if (options.listen !== undefined) {
    const address = parseAddress(options.listen);
    if (address === null) throw new UsageError(`--listen ${options.listen}: expected HOST:PORT`);
    overrides.push(['listeners', `PLAINTEXT://${formatAddress(address.host, address.port)}`]);
  }
  if (options.dataDir !== undefined) overrides.push(['log.dirs', options.dataDir]);
  return readBrokerConfig({
    ...(options.config === undefined ? {} : { properties: readConfigFile(options.config) }),
    environment: process.env,
    overrides,
  });
}

function readConfigFile(path: string): string {
  try {
    return systemEnv.readFile(path).toString('utf8');
  } catch (error) {
    throw new UsageError(`cannot read config ${path}: ${(error as Error).message}`, error);
  }
}

async function start(config: BrokerConfig, logger: ReturnType<typeof lineLogger>): Promise<Broker> {
  try {
    return await Broker.start({ config, logger });
  } catch (error) {
    const { code } = error as { code?: unknown };
    const where = config.listeners.map(({ host, port }) => formatAddress(host, port)).join(', ');
    if (code === 'EADDRINUSE' || code === 'ADDRESS_IN_USE') {
      throw new UsageError(`cannot listen on ${where}: the address is in use`, error);
    }
    throw error;
  }
}

function greeting(broker: Broker): string {
  const [first, ...others] = broker.listeners.map(({ host, port }) => formatAddress(host, port));
  const also = others.length === 0 ? '' : ` and ${others.join(' and ')}`;
  const address = broker.address;
  return `millrace listening on ${first}${also}

Try next, in another terminal:
  echo hello | kcat -b ${address} -P -t greetings
  kcat -b ${address} -C -t greetings -e
or, after \`npm install kafkajs\`, in a Node.js module:
  import { Kafka } from 'kafkajs';
  const producer = new Kafka({ brokers: ['${address}'] }).producer();
  await producer.connect();
  await producer.send({ topic: 'greetings', messages: [{ value: 'hello' }] });
  await producer.disconnect();
`;
}

/** Settles with the name of the first signal; a second one ends the process at once. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(130);
        asked = true;
        resolve(signal);
      });
    }
  });
}
