// Administration: requests and Kafka's own tools against a real Kafka and our broker, answers and outputs
// compared; and what was set, after a kill -9.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { apis } from '#src/protocol/api-table.js';
import type { produce } from '#src/protocol/messages/00-produce.js';
import { RawClient } from '../support/raw-client.js';
import { type AdministrationCase, administrationCases } from './administration-cases.js';
import { interopDir } from './paths.js';
import { run, runOk } from './process.js';
import { javaOptions, type Server, startKafka, startMillrace } from './servers.js';

export type AdministrationPart = {
  /** Is made, and filled with data directories. */
  readonly dir: string;
  readonly check: (subject: string, what: string, run: () => Promise<string>) => Promise<void>;
};

const SUBJECT = 'administration';

export async function administration({ dir, check }: AdministrationPart): Promise<void> {
  const homes = { kafka: join(dir, 'kafka'), ours: join(dir, 'ours') };
  for (const home of Object.values(homes)) mkdirSync(home, { recursive: true });
  const kafka = await startKafka(homes.kafka);
  const ours = await startMillrace(homes.ours);
  try {
    await requests({ dir, check }, kafka, ours);
    await tools({ dir, check }, kafka, ours);
    for (const [name, program] of Object.entries(roundTrips)) {
      await check(SUBJECT, `${name}: a round trip`, async () => {
        const says = async ({ bootstrap }: Server): Promise<string> => {
          const { stdout } = await runOk(program.command, [program.file, bootstrap]);
          return stdout.toString().trim();
        };
        const own = await says(ours);
        let theirs = await says(kafka);
        // Its broker may not have heard yet of what it has answered: the more so on a busy machine.
        for (let tries = 1; theirs !== own && tries < TRIES; tries++) theirs = await says(kafka);
        if (own !== theirs) throw new Error(`Kafka: ${theirs}\nours:  ${own}`);
        return `${own.split('\n').length} answers`;
      });
    }
    await check(SUBJECT, 'configs and quotas survive kill -9', async () => {
      const before = await kept(ours);
      await ours.restart('kill');
      const after = await kept(ours);
      if (!isDeepStrictEqual(after, before)) throw new Error(`${show(before)}\n${show(after)}`);
      return `${before.length} answers`;
    });
  } finally {
    await ours.stop();
    await kafka.kill();
  }
}

/** Programs that print what an administrator sees. */
const roundTrips: Readonly<Record<string, { readonly command: string; readonly file: string }>> = {
  kafkajs: {
    command: process.execPath,
    file: join(interopDir, 'clients/kafkajs/admin.mjs'),
  },
  librdkafka: {
    command: join(interopDir, 'clients/python/.venv/bin/python'),
    file: join(interopDir, 'clients/python/admin.py'),
  },
};

async function connect({ bootstrap }: Server): Promise<RawClient> {
  return RawClient.connect(Number(bootstrap.split(':')[1]));
}

async function ask(
  client: RawClient,
  { api, version, body }: AdministrationCase,
): Promise<unknown> {
  const message = apis.find(({ name }) => name === api) as typeof produce;
  return client.request(message, version, body as never);
}

async function requests({ check }: AdministrationPart, kafka: Server, ours: Server): Promise<void> {
  const clients = await Promise.all([connect(kafka), connect(ours)]);
  for (const api of new Set(administrationCases.map((one) => one.api))) {
    const cases = administrationCases.filter((one) => one.api === api);
    await check(SUBJECT, `${api} answers as Kafka does`, async () => {
      const wrong: string[] = [];
      const differs: string[] = [];
      for (const one of cases) {
        const { theirs, own, same } = await askBoth(clients, one);
        if (one.differs !== undefined) differs.push(one.differs);
        if (same !== (one.differs !== undefined)) continue;
        const what = `${show(one.body)}${same ? ' is answered alike' : ''}`;
        wrong.push(`${what}\nKafka ${show(theirs)}\nours  ${show(own)}`);
      }
      if (wrong.length > 0) throw new Error(wrong.join('\n'));
      return [`${cases.length} requests`, ...differs].join('; ');
    });
  }
  for (const client of clients) client.close();
}

/** What reads may be asked again: a change comes to Kafka's broker some time after it is answered. */
const READS: readonly string[] = [
  'DescribeConfigs',
  'DescribeClientQuotas',
  'DescribeTopicPartitions',
  'DescribeLogDirs',
  'ListConfigResources',
];
const TRIES = 15;
const WAIT_MS = 200;

async function askBoth(clients: readonly RawClient[], one: AdministrationCase) {
  const tries = READS.includes(one.api) && one.differs === undefined ? TRIES : 1;
  for (let left = tries; ; left--) {
    const answers = await Promise.all(clients.map((client) => ask(client, one)));
    const [theirs, own] = answers.map((answer) => comparable(answer, one));
    const same = isDeepStrictEqual(own, theirs);
    if (same || left === 1) return { theirs, own, same };
    await sleep(WAIT_MS);
  }
}

/** Different wherever it is asked. */
const OWN: ReadonlySet<string> = new Set(['topicId', 'logDir', 'totalBytes', 'usableBytes']);

/** An answer without what is different anywhere, and without the order of its lists. */
function comparable(value: unknown, one: AdministrationCase): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => comparable(item, one));
    return items.sort((a, b) => (show(a) < show(b) ? -1 : 1));
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => !OWN.has(name));
  return Object.fromEntries(
    entries.map(([name, inner]) => {
      const wanted =
        name === 'configs' && one.configs !== undefined && Array.isArray(inner)
          ? inner.filter((config) => one.configs?.includes(config.name))
          : inner;
      return [name, comparable(wanted, one)];
    }),
  );
}

function show(value: unknown): string {
  return JSON.stringify(value);
}

interface ToolCase {
  readonly className: string;
  readonly args: readonly string[];
}

const KAFKA_TOOLS = 'org.apache.kafka.tools';
const TOPICS = `${KAFKA_TOOLS}.TopicCommand`;
const CONFIGS = 'kafka.admin.ConfigCommand';
const REASSIGN = `${KAFKA_TOOLS}.reassign.ReassignPartitionsCommand`;

function toolCases(dir: string): readonly ToolCase[] {
  const file = (name: string, content: object): string => {
    const path = join(dir, name);
    writeFileSync(path, JSON.stringify(content));
    return path;
  };
  const records = file('records.json', {
    partitions: [{ topic: 't', partition: 0, offset: -1 }],
    version: 1,
  });
  const replicas = file('replicas.json', {
    partitions: [{ topic: 't', partition: 0, replicas: [1] }],
    version: 1,
  });
  const tool = (className: string, line: string): ToolCase => ({
    className,
    args: line.split(' '),
  });
  return [
    tool(TOPICS, '--create --topic t --partitions 2 --config retention.ms=9999'),
    tool(TOPICS, '--alter --topic t --partitions 3'),
    tool(TOPICS, '--alter --topic t --partitions 2'),
    tool(TOPICS, '--describe --topic t'),
    tool(
      CONFIGS,
      '--alter --entity-type topics --entity-name t --add-config cleanup.policy=[compact,delete]',
    ),
    tool(CONFIGS, '--alter --entity-type topics --entity-name t --delete-config cleanup.policy'),
    tool(
      CONFIGS,
      '--alter --entity-type brokers --entity-default --add-config log.retention.bytes=123456',
    ),
    tool(
      CONFIGS,
      '--alter --entity-type clients --entity-name c1 --add-config producer_byte_rate=1024000',
    ),
    tool(CONFIGS, '--describe --entity-type clients --entity-name c1'),
    tool(CONFIGS, '--describe --entity-type client-metrics --entity-name m'),
    tool(`${KAFKA_TOOLS}.GetOffsetShell`, '--topic t'),
    tool(`${KAFKA_TOOLS}.DeleteRecordsCommand`, `--offset-json-file ${records}`),
    tool(`${KAFKA_TOOLS}.LogDirsCommand`, '--describe --topic-list t'),
    tool(
      `${KAFKA_TOOLS}.LeaderElectionCommand`,
      '--election-type preferred --topic t --partition 0',
    ),
    tool(REASSIGN, `--reassignment-json-file ${replicas} --execute`),
    tool(REASSIGN, `--reassignment-json-file ${replicas} --verify`),
    tool(REASSIGN, '--list'),
    tool(`${KAFKA_TOOLS}.FeatureCommand`, 'upgrade --feature transaction.version=2'),
    tool(TOPICS, '--delete --topic t'),
  ];
}

async function tools(
  { dir, check }: AdministrationPart,
  kafka: Server,
  ours: Server,
): Promise<void> {
  for (const one of toolCases(dir)) {
    const name = one.className.split('.').at(-1);
    const line = one.args.map((arg) => arg.replace(dir, '...')).join(' ');
    await check(SUBJECT, `${name} ${line}`, async () => {
      const [theirs, own] = await Promise.all([kafka, ours].map((server) => output(server, one)));
      if (own !== theirs) throw new Error(`Kafka: ${theirs}\nours:  ${own}`);
      return `${own?.split('\n').length} lines`;
    });
  }
}

/** Exit code and lines, without what is different anywhere. */
async function output({ bootstrap }: Server, { className, args }: ToolCase): Promise<string> {
  const line = [...javaOptions(256), className, '--bootstrap-server', bootstrap, ...args];
  const { code, stdout } = await run('java', line);
  const lines = stdout
    .toString()
    .replace(/TopicId: \S+/g, 'TopicId: ?')
    // Kafka gives it to all brokers when a cluster is formatted.
    .replace(/min\.insync\.replicas=1,/g, '')
    .replace(/"(logDir|log_dirs)":\[?"[^"]*"/g, '"$1":"?"')
    // A listing in the order of a hash table.
    .replace(/\{"partition":"[^}]*\}(,\{"partition":"[^}]*\})*/g, (list) =>
      list
        .split(/(?<=\}),/)
        .sort()
        .join(','),
    )
    .split('\n')
    .filter((one) => !one.startsWith('\tat '));
  return [`exit ${code}`, ...lines].join('\n').trim();
}

/** What was set, in the answers of the requests that describe it. */
async function kept(server: Server): Promise<unknown[]> {
  const client = await connect(server);
  const answers: unknown[] = [];
  for (const one of administrationCases) {
    const reads = ['DescribeConfigs', 'DescribeClientQuotas', 'DescribeTopicPartitions'];
    if (reads.includes(one.api)) answers.push(comparable(await ask(client, one), one));
  }
  client.close();
  return answers;
}
