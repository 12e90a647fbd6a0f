// Kafka's own verifiable producer, consumers and transactional copier, from the jar of Kafka's tools.

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clients } from '../interop/clients.js';
import { interopDir } from '../interop/paths.js';
import { runOk, Service } from '../interop/process.js';
import { javaOptions, type Server } from '../interop/servers.js';
import { check } from './check.js';
import {
  type Context,
  DEAD_PORT,
  logOf,
  type ProgramEnd,
  runProgram,
  type Suite,
} from './suite.js';

const NAME = 'java';
const RECORDS = 200_000;
const PARTITIONS = 4;
const COPIED = 40_000;
const TIMEOUT_MS = 240_000;

export const java: Suite = {
  name: NAME,
  missing: () =>
    readdirSync(join(interopDir, 'clients/java/target/lib')).some((jar) =>
      /^kafka-tools/.test(jar),
    ) && existsSync(join(interopDir, 'clients/go/bin/franz'))
      ? null
      : 'the jars of the interop suite, or its Go client',
  run,
};

type Event = { readonly name: string; readonly [field: string]: unknown };
type Range = { readonly partition: number; readonly minOffset: number; readonly maxOffset: number };

async function run(context: Context): Promise<void> {
  const server = await context.start(['num.partitions=4']);
  await create(server, 'verifiable', PARTITIONS);
  await check(context, NAME, `VerifiableProducer: ${RECORDS} records`, () =>
    produce(context, server.bootstrap, 'verifiable', RECORDS, 'producer'),
  );
  await check(context, NAME, 'VerifiableProducer: fails at a dead port', async () => {
    const produced = produce(context, DEAD_PORT, 'verifiable', 10, 'producer-dead');
    const passed = await produced.then(
      () => true,
      () => false,
    );
    if (passed) throw new Error('it says that it produced');
  });
  for (const protocol of ['classic', 'consumer']) {
    await check(context, NAME, `VerifiableConsumer: two in a group, ${protocol} protocol`, () =>
      consume(context, server, protocol),
    );
  }
  for (const mode of ['assign', 'group']) {
    await check(context, NAME, `TransactionalMessageCopier: random aborts, kill -9, ${mode}`, () =>
      copy(context, server, mode),
    );
  }
  await server.stop();
}

async function create(server: Server, topic: string, partitions: number): Promise<void> {
  const franz = clients.find(({ name }) => name === 'franz-go');
  await franz?.create(server.bootstrap, topic, partitions, {});
}

function tool(
  className: string,
  args: readonly string[],
  test: string,
  timeoutMs = TIMEOUT_MS,
): Promise<ProgramEnd> {
  const all = [...javaOptions(256), `org.apache.kafka.tools.${className}`, ...args];
  return runProgram('java', all, { log: logOf(NAME, test), timeoutMs });
}

async function produce(
  { dir }: Context,
  bootstrap: string,
  topic: string,
  count: number,
  test: string,
): Promise<void> {
  const config = join(dir, 'producer.properties');
  writeFileSync(config, 'max.block.ms=10000\n');
  const args = ['--bootstrap-server', bootstrap, '--topic', topic, '--acks', '-1'];
  args.push('--max-messages', String(count), '--command-config', config);
  const end = await tool(
    'VerifiableProducer',
    args,
    test,
    bootstrap === DEAD_PORT ? 30_000 : TIMEOUT_MS,
  );
  const acknowledged = events(end.output).filter(({ name }) => name === 'producer_send_success');
  const values = new Set(acknowledged.map((event) => event['value']));
  if (end.code !== 0 || values.size !== count) {
    throw new Error(`exit code ${end.code}, ${values.size} of ${count} acknowledged`);
  }
}

/** Two consumers share what was produced; every offset of every partition is read. */
async function consume(
  { dir }: Context,
  server: Server,
  protocol: string,
): Promise<string | undefined> {
  const config = join(dir, 'consumer.properties');
  writeFileSync(config, 'max.poll.records=500\n');
  const share = RECORDS / 2;
  const ends = await Promise.all(
    ['a', 'b'].map((member) => {
      const args = ['--bootstrap-server', server.bootstrap, '--topic', 'verifiable'];
      args.push('--group-id', `verifiable-${protocol}`, '--group-protocol', protocol);
      args.push('--reset-policy', 'earliest', '--max-messages', String(share));
      args.push('--command-config', config);
      return tool('VerifiableConsumer', args, `consumer-${protocol}-${member}`);
    }),
  );
  const said = ends.map((end) => events(end.output));
  ends.forEach((end, index) => {
    const rejected = said[index]?.filter(
      (event) => event.name === 'offsets_committed' && event['success'] !== true,
    );
    if (end.code !== 0) throw new Error(`exit code ${end.code}\n${end.output.slice(-2000)}`);
    if (rejected !== undefined && rejected.length > 20) {
      throw new Error(`${rejected.length} commits failed: ${JSON.stringify(rejected[0])}`);
    }
    if (!said[index]?.some(({ name }) => name === 'partitions_assigned')) {
      throw new Error('a member without an assignment');
    }
  });
  const ranges = said
    .flat()
    .filter(({ name }) => name === 'records_consumed')
    .flatMap((event) => event['partitions'] as Range[]);
  let missing = 0;
  let twice = 0;
  for (let partition = 0; partition < PARTITIONS; partition++) {
    let next = 0;
    const own = ranges.filter((range) => range.partition === partition);
    for (const { minOffset, maxOffset } of own.sort((a, b) => a.minOffset - b.minOffset)) {
      if (minOffset > next) missing += minOffset - next;
      if (minOffset < next) twice += Math.min(next, maxOffset + 1) - minOffset;
      next = Math.max(next, maxOffset + 1);
    }
  }
  const total = ranges.reduce((sum, one) => sum + one.maxOffset - one.minOffset + 1, 0);
  // Each member ends at its share, so that the last records of a partition may be nobody's.
  if (missing > 0 || total - twice < RECORDS * 0.99) {
    throw new Error(`${missing} offsets missing, ${total} read, ${twice} twice`);
  }
  return twice > 0 ? `${twice} records twice, around a rebalance` : undefined;
}

/** Two copiers, each killed once; the committed copy is the input, record for record. */
async function copy(context: Context, server: Server, mode: string): Promise<string> {
  const input = `copier-${mode}-in`;
  const output = `copier-${mode}-out`;
  await create(server, input, 2);
  await create(server, output, 2);
  await produce(context, server.bootstrap, input, COPIED, `copier-${mode}-input`);
  await Promise.all(
    [0, 1].map(async (partition) => {
      const args = ['--broker-list', server.bootstrap, '--input-topic', input];
      args.push('--input-partition', String(partition), '--output-topic', output);
      args.push('--consumer-group', `copier-${mode}`, '--transaction-size', '100');
      args.push('--transactional-id', `copier-${mode}-${partition}`, '--enable-random-aborts');
      args.push('--use-group-metadata', '--transaction-timeout', '10000');
      if (mode === 'group') args.push('--group-mode');
      const copier = [...javaOptions(256), 'org.apache.kafka.tools.TransactionalMessageCopier'];
      const killed = new Service('java', [...copier, ...args]);
      await killed.waitFor(/"consumed":[1-9]\d{3}/, 120_000);
      await killed.killNow();
      const test = `copier-${mode}-${partition}`;
      const end = await tool('TransactionalMessageCopier', args, test);
      if (end.code !== 0) throw new Error(`exit code ${end.code}\n${end.output.slice(-2000)}`);
    }),
  );
  const expected = await values(server, input);
  const actual = await values(server, output);
  if (expected.length !== COPIED) throw new Error(`${expected.length} records of input`);
  if (expected.join() !== actual.join()) {
    const distinct = new Set(actual).size;
    throw new Error(`${actual.length} records copied, ${distinct} distinct, of ${COPIED}`);
  }
  return `${COPIED} records by two copiers, each killed once`;
}

/** `partition:value` of every committed record, in the order of each partition. */
async function values(server: Server, topic: string): Promise<string[]> {
  const args = ['-b', server.bootstrap, '-C', '-t', topic, '-o', 'beginning', '-e', '-q'];
  args.push('-X', 'isolation.level=read_committed', '-f', '%p:%s\n');
  const { stdout } = await runOk('kcat', args);
  const lines = stdout.toString().trimEnd().split('\n');
  return [0, 1].flatMap((partition) => lines.filter((line) => line.startsWith(`${partition}:`)));
}

function events(output: string): Event[] {
  return output.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return [];
    try {
      return [JSON.parse(line) as Event];
    } catch {
      return [];
    }
  });
}
