// Kafka's own command line tools, the same script against our broker and a real Kafka: what they print
// and their exit codes, with ids, ports and times masked, must be equal.

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clients } from '../interop/clients.js';
import { Service } from '../interop/process.js';
import { javaOptions, type Server, startKafka } from '../interop/servers.js';
import { type Context, inParallel, logOf, runProgram, type Suite } from './suite.js';

const NAME = 'tools';
const TIMEOUT_MS = 120_000;
const GROUPS = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand';
const TOPICS = 'org.apache.kafka.tools.TopicCommand';
const CONFIGS = 'kafka.admin.ConfigCommand';
const OFFSETS = 'org.apache.kafka.tools.GetOffsetShell';
const TRANSACTIONS = 'org.apache.kafka.tools.TransactionsCommand';

/** One call of a tool. `SERVER` and `DIR` in the arguments are replaced. */
type Step = {
  readonly name: string;
  readonly tool: string;
  readonly args: readonly string[];
  /** Makes of the printed lines what has to be equal, where that is not all of them. */
  readonly view?: (lines: readonly string[]) => readonly string[];
  /** Not compared: it only prepares. */
  readonly quiet?: boolean;
  /** Why it must not be equal. */
  readonly differs?: string;
};

export const tools: Suite = {
  name: NAME,
  missing: () => clients.find(({ name }) => name === 'java')?.missing() ?? null,
  run,
};

async function run(context: Context): Promise<void> {
  // As startKafka has it.
  const ours = await context.start(['log.retention.ms=-1']);
  const kafkaDir = mkdtempSync(join(context.dir, 'tools-kafka-'));
  const kafka = await startKafka(kafkaDir);
  const results = new Map<Server, Map<string, string>>();
  const seconds = new Map<string, number>();
  await inParallel([ours, kafka], 2, async (server) => {
    const found = new Map<string, string>();
    results.set(server, found);
    await script(server, join(context.dir, `tools-${server.name}`), async (step, dir) => {
      const label = `${server.name}-${step.name}`;
      const { text, took } = await call(step, server, dir, label);
      found.set(step.name, text);
      if (server === ours) seconds.set(step.name, took);
    });
  });
  for (const step of allSteps) {
    if (step.quiet || !context.isWanted(step.name)) continue;
    const actual = results.get(ours)?.get(step.name);
    const expected = results.get(kafka)?.get(step.name);
    const base = { suite: NAME, test: step.name, seconds: seconds.get(step.name) ?? 0 };
    if (step.differs !== undefined && actual !== expected) {
      context.report.add({ ...base, verdict: 'pass', reason: `differs: ${step.differs}` });
    } else if (step.differs === undefined && actual === expected) {
      context.report.add({ ...base, verdict: 'pass' });
    } else {
      const reason = `differs\n--- Kafka\n${expected}\n--- ours\n${actual}`;
      context.report.add({ ...base, verdict: 'fail', reason });
    }
  }
  await kafka.stop();
  await ours.stop();
}

const topics = (name: string, ...args: string[]): Step => ({
  name: `topics: ${name}`,
  tool: TOPICS,
  args: ['--bootstrap-server', 'SERVER', ...args],
});
const configs = (name: string, ...args: string[]): Step => ({
  name: `configs: ${name}`,
  tool: CONFIGS,
  args: ['--bootstrap-server', 'SERVER', ...args],
});
const offsets = (name: string, ...args: string[]): Step => ({
  name: `get-offsets: ${name}`,
  tool: OFFSETS,
  args: ['--bootstrap-server', 'SERVER', ...args],
});
const groups = (name: string, ...args: string[]): Step => ({
  name: `consumer-groups: ${name}`,
  tool: GROUPS,
  args: ['--bootstrap-server', 'SERVER', ...args],
});
const transactions = (name: string, ...args: string[]): Step => ({
  name: `transactions: ${name}`,
  tool: TRANSACTIONS,
  args: ['--bootstrap-server', 'SERVER', ...args],
});
const other = (name: string, tool: string, ...args: string[]): Step => ({ name, tool, args });
const RESET = ['--reset-offsets', '--group', 'g'];

const topicSteps: readonly Step[] = [
  topics('create', '--create', '--topic', 'a', '--partitions', '3', '--replication-factor', '1'),
  topics('create with config', '--create', '--topic', 'b', '--config', 'retention.ms=1000000'),
  topics('create again', '--create', '--topic', 'a'),
  topics('create if not exists', '--create', '--topic', 'a', '--if-not-exists'),
  topics('create with a bad name', '--create', '--topic', 'a/b'),
  topics('create with two replicas', '--create', '--topic', 'c', '--replication-factor', '2'),
  topics('create with a bad config', '--create', '--topic', 'c', '--config', 'retention.ms=x'),
  topics('create with an unknown config', '--create', '--topic', 'c', '--config', 'nonsense=1'),
  topics('list', '--list'),
  topics('describe', '--describe', '--topic', 'a'),
  topics('describe overrides', '--describe', '--topics-with-overrides'),
  topics('describe what is not there', '--describe', '--topic', 'nothing'),
  topics('more partitions', '--alter', '--topic', 'a', '--partitions', '4'),
  topics('fewer partitions', '--alter', '--topic', 'a', '--partitions', '2'),
  topics('describe after', '--describe', '--topic', 'a'),
  topics('under-replicated', '--describe', '--under-replicated-partitions'),
];
const entity = ['--entity-type', 'topics', '--entity-name', 'a'];
const client = ['--entity-type', 'clients', '--entity-name', 'c1'];
const configSteps: readonly Step[] = [
  configs(
    'add',
    '--alter',
    ...entity,
    '--add-config',
    'cleanup.policy=[compact,delete],retention.bytes=5000000',
  ),
  configs('describe', '--describe', ...entity),
  {
    ...configs('describe all of a topic', '--describe', '--all', ...entity),
    // Names and values: we name the broker's config behind more of the defaults than Kafka does.
    view: (lines) => lines.map((line) => line.replace(/ synonyms=.*/, '')),
  },
  configs('delete', '--alter', ...entity, '--delete-config', 'cleanup.policy'),
  configs('delete what is not set', '--alter', ...entity, '--delete-config', 'segment.bytes'),
  {
    ...configs('bad value', '--alter', ...entity, '--add-config', 'segment.bytes=-5'),
    differs: 'segments may be small here: at least 14 bytes; Kafka: 1 MiB',
  },
  configs('describe after', '--describe', ...entity),
  configs(
    'of a topic that is not there',
    '--describe',
    '--entity-type',
    'topics',
    '--entity-name',
    'no',
  ),
  configs(
    'broker default add',
    '--alter',
    '--entity-type',
    'brokers',
    '--entity-default',
    '--add-config',
    'log.retention.ms=77777777',
  ),
  configs('broker default describe', '--describe', '--entity-type', 'brokers', '--entity-default'),
  configs(
    'broker default delete',
    '--alter',
    '--entity-type',
    'brokers',
    '--entity-default',
    '--delete-config',
    'log.retention.ms',
  ),
  configs('client quota', '--alter', ...client, '--add-config', 'producer_byte_rate=1048576'),
  configs('client quota describe', '--describe', ...client),
  configs('client quota delete', '--alter', ...client, '--delete-config', 'producer_byte_rate'),
  configs('users', '--describe', '--entity-type', 'users'),
  configs('a user', '--describe', '--entity-type', 'users', '--entity-name', 'nobody'),
];
const offsetSteps: readonly Step[] = [
  offsets('latest', '--topic', 'a'),
  offsets('earliest', '--topic', 'a', '--time', '-2'),
  offsets('largest time', '--topic', 'a', '--time', '-3'),
  offsets('of a time', '--topic', 'a', '--time', '1700000005000'),
  offsets('of some partitions', '--topic-partitions', 'a:0-2', '--time', 'latest'),
  offsets('of what is not there', '--topic', 'nothing'),
  other(
    'delete-records',
    'org.apache.kafka.tools.DeleteRecordsCommand',
    '--bootstrap-server',
    'SERVER',
    '--offset-json-file',
    'DIR/delete.json',
  ),
  other(
    'delete-records: beyond the end',
    'org.apache.kafka.tools.DeleteRecordsCommand',
    '--bootstrap-server',
    'SERVER',
    '--offset-json-file',
    'DIR/delete-beyond.json',
  ),
  offsets('after delete-records', '--topic', 'a', '--time', 'earliest'),
];
const groupSteps: readonly Step[] = [
  {
    ...other(
      'verifiable consumer',
      'org.apache.kafka.tools.VerifiableConsumer',
      '--bootstrap-server',
      'SERVER',
      '--topic',
      'a',
      '--group-id',
      'g',
      '--max-messages',
      '16',
    ),
    quiet: true,
  },
  groups('list', '--list'),
  groups('list with states', '--list', '--state'),
  groups('list of a state', '--list', '--state', 'empty'),
  groups('list with types', '--list', '--type'),
  groups('describe', '--describe', '--group', 'g'),
  groups('describe members', '--describe', '--group', 'g', '--members'),
  groups('describe state', '--describe', '--group', 'g', '--state'),
  groups('describe what is not there', '--describe', '--group', 'nothing'),
  groups('reset to earliest, dry', ...RESET, '--topic', 'a', '--to-earliest', '--dry-run'),
  groups('reset to earliest', ...RESET, '--topic', 'a', '--to-earliest', '--execute'),
  groups('reset to latest', ...RESET, '--all-topics', '--to-latest', '--execute'),
  groups('reset shifted', ...RESET, '--topic', 'a:0', '--shift-by', '-3', '--execute'),
  groups('reset shifted too far', ...RESET, '--topic', 'a:0', '--shift-by', '-1000', '--execute'),
  groups('reset to an offset', ...RESET, '--topic', 'a:0', '--to-offset', '7', '--execute'),
  groups(
    'reset to a time',
    ...RESET,
    '--topic',
    'a:0',
    '--to-datetime',
    '2023-11-14T22:13:25.000',
    '--execute',
  ),
  groups('reset by duration', ...RESET, '--topic', 'a:0', '--by-duration', 'PT1H', '--execute'),
  groups('reset to current', ...RESET, '--topic', 'a:0', '--to-current', '--execute'),
  groups('reset from a file', ...RESET, '--from-file', 'DIR/reset.csv', '--execute'),
  groups('export', ...RESET, '--topic', 'a', '--to-current', '--export', '--dry-run'),
  groups(
    'reset a group that is not there',
    '--reset-offsets',
    '--group',
    'new',
    '--topic',
    'a',
    '--to-offset',
    '3',
    '--execute',
  ),
  groups('describe after', '--describe', '--group', 'g'),
  groups('delete offsets', '--delete-offsets', '--group', 'g', '--topic', 'a:0'),
  groups('describe after delete-offsets', '--describe', '--group', 'g'),
];
/** While a consumer of group `live` runs. */
const liveSteps: readonly Step[] = [
  groups('live: describe', '--describe', '--group', 'live'),
  groups('live: members', '--describe', '--group', 'live', '--members', '--verbose'),
  groups('live: state', '--describe', '--group', 'live', '--state'),
  groups(
    'live: reset is refused',
    '--reset-offsets',
    '--group',
    'live',
    '--topic',
    'a',
    '--to-earliest',
    '--execute',
  ),
  groups('live: delete is refused', '--delete', '--group', 'live'),
  groups('live: delete-offsets is refused', '--delete-offsets', '--group', 'live', '--topic', 'a'),
];
const transactionSteps: readonly Step[] = [
  {
    ...other(
      'copier',
      'org.apache.kafka.tools.TransactionalMessageCopier',
      '--broker-list',
      'SERVER',
      '--input-topic',
      'a',
      '--input-partition',
      '0',
      '--output-topic',
      'b',
      '--max-messages',
      '10',
      '--consumer-group',
      'copy',
      '--transactional-id',
      'copy',
    ),
    quiet: true,
  },
  transactions('list', 'list'),
  transactions('describe', 'describe', '--transactional-id', 'copy'),
  transactions('describe what is not there', 'describe', '--transactional-id', 'nothing'),
  transactions('describe producers', 'describe-producers', '--topic', 'b', '--partition', '0'),
  transactions('find hanging', 'find-hanging', '--broker-id', '1'),
];
const endSteps: readonly Step[] = [
  groups('delete', '--delete', '--group', 'g'),
  groups('delete again', '--delete', '--group', 'g'),
  {
    ...other(
      'broker-api-versions',
      'org.apache.kafka.tools.BrokerApiVersionsCommand',
      '--bootstrap-server',
      'SERVER',
    ),
    // Only that it works and knows our APIs: the ranges differ, docs/API-SUPPORT.md has them.
    view: (lines) =>
      lines
        .filter((line) => /^\s(Produce|Fetch|Metadata|ApiVersions)\(/.test(line))
        .map((line) => line.replace(/:.*/, '')),
  },
  other(
    'groups: list',
    'org.apache.kafka.tools.GroupsCommand',
    '--bootstrap-server',
    'SERVER',
    '--list',
  ),
  other(
    'reassign-partitions: list',
    'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
    '--bootstrap-server',
    'SERVER',
    '--list',
  ),
  other(
    'leader-election',
    'org.apache.kafka.tools.LeaderElectionCommand',
    '--bootstrap-server',
    'SERVER',
    '--election-type',
    'preferred',
    '--topic',
    'a',
    '--partition',
    '0',
  ),
  {
    ...other(
      'log-dirs',
      'org.apache.kafka.tools.LogDirsCommand',
      '--bootstrap-server',
      'SERVER',
      '--describe',
      '--topic-list',
      'b',
    ),
    view: (lines) =>
      lines.map((line) =>
        line.replace(/"logDir":"[^"]*"/, '"logDir":"DIR"').replace(/"size":\d+/, '"size":0'),
      ),
  },
  topics('delete', '--delete', '--topic', 'a'),
  topics('delete again', '--delete', '--topic', 'a'),
];
const allSteps: readonly Step[] = [
  ...topicSteps,
  ...offsetSteps,
  ...groupSteps,
  ...liveSteps,
  ...transactionSteps,
  ...configSteps,
  ...endSteps,
];

async function script(
  server: Server,
  dir: string,
  act: (step: Step, dir: string) => Promise<void>,
): Promise<void> {
  mkdirSync(dir);
  const deletion = (offset: number): string =>
    JSON.stringify({ version: 1, partitions: [{ topic: 'a', partition: 0, offset }] });
  writeFileSync(join(dir, 'delete.json'), deletion(4));
  writeFileSync(join(dir, 'delete-beyond.json'), deletion(1000));
  writeFileSync(join(dir, 'reset.csv'), '"a",0,5\n"a",1,0\n');
  const all = async (steps: readonly Step[]): Promise<void> => {
    for (const step of steps) await act(step, dir);
  };
  await all(topicSteps);
  const writer = clients.find(({ name }) => name === 'franz-go');
  // Records of November 2023, a second apart.
  const records = Array.from({ length: 20 }, (_, index) => ({
    timestamp: 1_700_000_000_000 + index * 1000,
    key: null,
    value: Buffer.from(`value ${index}`),
    headers: [],
  }));
  await writer?.produce(server.bootstrap, 'a', records, { codec: 'none', idempotent: false });
  await all(offsetSteps);
  await all(groupSteps);
  const live = new Service('java', [
    ...javaOptions(128),
    'org.apache.kafka.tools.VerifiableConsumer',
    ...['--bootstrap-server', server.bootstrap, '--topic', 'a', '--group-id', 'live'],
  ]);
  try {
    await live.waitFor(/offsets_committed/, TIMEOUT_MS);
    await all(liveSteps);
  } finally {
    await live.stop();
  }
  await all(transactionSteps);
  await all(configSteps);
  await all(endSteps);
}

async function call(
  step: Step,
  server: Server,
  dir: string,
  label: string,
): Promise<{ readonly text: string; readonly took: number }> {
  const args = step.args.map((arg) => arg.replace('SERVER', server.bootstrap).replace('DIR', dir));
  const end = await runProgram('java', [...javaOptions(128), step.tool, ...args], {
    log: logOf(NAME, label),
    timeoutMs: TIMEOUT_MS,
  });
  let lines = masked(end.output, server, dir);
  if (step.view !== undefined) lines = [...step.view(lines)];
  return { text: [`exit code ${end.code}`, ...lines].join('\n'), took: end.seconds };
}

/** Without what differs between any two servers; white space as one space. */
function masked(output: string, server: Server, dir: string): string[] {
  return (
    output
      .replaceAll(server.bootstrap, 'HOST:PORT')
      .replaceAll(server.bootstrap.replace(':', '/'), 'HOST/PORT')
      .replaceAll(dir, 'DIR')
      .replaceAll(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'UUID')
      .replaceAll(/(TopicId: )\S+/g, '$1ID')
      // With the feature of eligible leader replicas Kafka stores this default, as it says of itself.
      .replaceAll(/^ *min\.insync\.replicas=1 .*$/gm, '')
      .replaceAll(/min\.insync\.replicas=1,?/g, '')
      .replaceAll(/\b1\d{12}\b([ \t]+\d+)?/g, 'TIME')
      .replaceAll(/\b(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,\d]*)/g, 'TIME')
      .split('\n')
      .map((line) => line.replaceAll(/[ \t]+/g, ' ').trimEnd())
      .filter((line) => line !== '' && !/^\s*at [\w.$]+\(|^WARN /.test(line))
  );
}
