// Kafka's directories and ours, both ways: what a real Kafka wrote is opened by our library and served
// by our broker; what we wrote passes Kafka's DumpLogSegments and is served by a real Kafka.

import { throws } from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { codecs } from './client.js';
import {
  abortedByDump,
  checkAborted,
  checkIndexes,
  checkLogs,
  checkSnapshots,
} from './directories-dump.js';
import {
  nothingUnusual,
  partitionFiles,
  replacePartitions,
  type Served,
  sameFiles,
  servedByKafka,
} from './directories-kafka.js';
import { KILLED_TOPICS, killedUnderLoad } from './directories-killed.js';
import { joined, viewOf } from './directories-model.js';
import { type WrittenTopic, writeOurs } from './directories-ours.js';
import {
  countLines,
  directories as directoriesProgram,
  forLibrary,
  sameAborted,
  sameByKcat,
  sameView,
  type View,
  viewByJava,
  viewByLibrary,
  withMissedTimes,
} from './directories-view.js';
import { startKafka, startMillrace } from './servers.js';

export type Part = {
  /** Is made, and filled with copies. */
  readonly dir: string;
  /** Runs a claim; what it answers is said of it in the table. */
  readonly check: (subject: string, what: string, run: () => Promise<string>) => Promise<void>;
};

type Configs = Readonly<Record<string, string>>;

const small = (bytes: number): Configs => ({
  'internal.segment.bytes': String(bytes),
  'index.interval.bytes': '512',
});
const compact: Configs = {
  'cleanup.policy': 'compact',
  'min.cleanable.dirty.ratio': '0.01',
  ...small(3000),
};
const topics: Readonly<Record<string, Configs>> = {
  ...Object.fromEntries(codecs.map((codec) => [`codec-${codec}`, small(16384)])),
  'append-time': { 'message.timestamp.type': 'LogAppendTime', ...small(8192) },
  idempotent: small(4096),
  transactions: small(4096),
  open: {},
  trimmed: small(4096),
  empty: {},
  compacted: compact,
  'compacted-soon': { 'delete.retention.ms': '0', ...compact },
  'compacted-transactions': compact,
};

/** Those that we write. */
const ourKinds = Object.keys(topics).filter((name) => name !== 'compacted-soon');
const ourTopics = Object.fromEntries(ourKinds.map((name) => [`ours-${name}`, topics[name] ?? {}]));
const ourNames = Object.keys(ourTopics);
const killedTopics = Object.fromEntries(KILLED_TOPICS.map((name): [string, Configs] => [name, {}]));

const KAFKA_PROPERTIES = [
  'log.index.size.max.bytes=65536',
  'log.initial.task.delay.ms=100',
  'log.retention.check.interval.ms=500',
  // One transaction stays open as long as all of this takes.
  'transaction.max.timeout.ms=86400000',
];

export async function directories(part: Part): Promise<void> {
  mkdirSync(part.dir);
  const found = await kafkaToOurs(part);
  if (found === null) return;
  await oursToKafka(part, found);
  await killedUnderLoad(part, found.path, KAFKA_PROPERTIES);
}

/** A data directory in which Kafka has made its topics and ours, and how its client saw its own. */
type KafkaDirectory = { readonly path: string; readonly view: View };

async function kafkaToOurs({ dir, check }: Part): Promise<KafkaDirectory | null> {
  const names = Object.keys(topics);
  const home = join(dir, 'kafka');
  const data = join(home, 'data');
  const copies = { clean: join(dir, 'clean'), killed: join(dir, 'killed') };
  const views = new Map<string, View>();
  await check('Kafka', 'writes all codecs, transactions, compacted topics', async () => {
    mkdirSync(home);
    const kafka = await startKafka(home, { properties: KAFKA_PROPERTIES });
    try {
      const file = topicsFile(dir, { ...topics, ...ourTopics, ...killedTopics });
      await directoriesProgram(kafka.bootstrap, 'create', file);
      await directoriesProgram(kafka.bootstrap, 'fill');
      views.set('clean', await viewByJava(kafka.bootstrap, names, dir));
      await kafka.stop();
      cpSync(data, copies.clean, { recursive: true, filter: isNoLock });
      await kafka.restart('stop');
      await directoriesProgram(kafka.bootstrap, 'more');
      views.set('killed', await viewByJava(kafka.bootstrap, names, dir));
      await kafka.kill();
      cpSync(data, copies.killed, { recursive: true, filter: isNoLock });
    } finally {
      await kafka.kill();
    }
    return `${names.length} topics`;
  });
  for (const [how, path] of Object.entries(copies)) {
    const expected = views.get(how);
    if (expected !== undefined) await openedByOurs({ dir, check }, how, path, expected);
  }
  const view = views.get('clean');
  return view === undefined ? null : { path: copies.clean, view };
}

async function openedByOurs(
  { dir, check }: Part,
  how: string,
  path: string,
  seen: View,
): Promise<void> {
  const { view: expected, missed } = withMissedTimes(seen);
  const subject = how === 'clean' ? 'Kafka, stopped' : 'Kafka, kill -9';
  const [library, broker] = [`${path}-library`, `${path}-broker`];
  for (const copy of [library, broker]) cpSync(path, copy, { recursive: true });
  const notFound = missed === 0 ? '' : ` (${missed} that Kafka does not find)`;
  await check(subject, 'millrace/storage: records, offsets, times', async () => {
    sameView(await viewByLibrary(library, expected), forLibrary(expected));
    const { records, times } = countLines(forLibrary(expected));
    return `${records} records, ${times} times${notFound}`;
  });
  await check(subject, 'millrace/storage: aborted transactions', async () => {
    return `${await sameAborted(library, await abortedByDump(path))} transactions`;
  });
  await check(subject, 'our broker, to the Java consumer and kcat', async () => {
    const millrace = await startMillrace(broker);
    try {
      sameView(await viewByJava(millrace.bootstrap, [...expected.keys()], dir), expected);
      await sameByKcat(millrace.bootstrap, expected);
    } finally {
      await millrace.stop();
    }
    const { records, times } = countLines(expected);
    return `${records} records, ${times} times${notFound}`;
  });
}

async function oursToKafka(part: Part, kafka: KafkaDirectory): Promise<void> {
  const { dir, check } = part;
  const data = join(dir, 'ours');
  const wanted = new Map(
    Object.entries(ourTopics).map(([name, configs]) => {
      const metadata = readFileSync(join(kafka.path, `${name}-0`, 'partition.metadata'), 'utf8');
      const topicId = /topic_id: (\S+)/.exec(metadata)?.[1] ?? '';
      return [name, { topicId, configs }];
    }),
  );
  let written = new Map<string, WrittenTopic>();
  await check('ours', 'writes the same topics', async () => {
    written = await writeOurs(data, wanted);
    return `${written.size} topics`;
  });
  if (written.size === 0) return;
  await check('ours', 'DumpLogSegments --deep-iteration', () => checkLogs(data, written));
  await check('ours', 'DumpLogSegments of both indexes', () => checkIndexes(data, written));
  await check('ours', 'DumpLogSegments of .txnindex', () => checkAborted(data, written));
  await check('ours', 'DumpLogSegments of .snapshot', () => checkSnapshots(data, written));

  const home = join(dir, 'served');
  const served = join(home, 'data');
  mkdirSync(home);
  cpSync(kafka.path, served, { recursive: true });
  replacePartitions(data, served, ourNames);
  await takenAsTheyAre(part, home, 'our files', written);
  await rebuilt(part, home, join(dir, 'rebuilt'), written);
  await check('ours', 'appends to the directory that Kafka ran on', async () => {
    const more = await writeOurs(served, wanted, 1);
    for (const [name, first] of written) {
      const then = more.get(name);
      if (then !== undefined) written.set(name, joined(first, then));
    }
    return `${more.size} topics`;
  });
  await check('ours', 'appended: DumpLogSegments of both indexes', () =>
    checkIndexes(served, written),
  );
  await takenAsTheyAre(part, home, 'our appends', written);
  await check('Kafka on our appends', 'has its own topics as they were', async () => {
    const { view } = await servedByKafka(home, [...kafka.view.keys()], KAFKA_PROPERTIES);
    sameView(view, kafka.view);
    return `${kafka.view.size} topics`;
  });
}

/** Kafka starts on our files, touches none of them, and serves what was written. */
async function takenAsTheyAre(
  { check }: Part,
  home: string,
  what: string,
  written: ReadonlyMap<string, WrittenTopic>,
): Promise<void> {
  const data = join(home, 'data');
  const before = partitionFiles(data, written);
  let served: Served | undefined;
  await check(`Kafka on ${what}`, 'serves exactly what was written', async () => {
    served = await servedByKafka(home, ourNames, KAFKA_PROPERTIES);
    sameView(served.view, viewOf(written, served.view));
    const { records, times } = countLines(served.view);
    return `${records} records, ${times} times`;
  });
  if (served === undefined) return;
  const { said } = served;
  await check(`Kafka on ${what}`, 'says nothing of recovery, rebuilding, truncation', async () => {
    nothingUnusual(said);
    return `${said.length} lines`;
  });
  await check(`Kafka on ${what}`, 'leaves every file as it was', async () => {
    sameFiles(partitionFiles(data, written), before);
    return `${before.size} files`;
  });
}

/** What Kafka makes of our segments when it has to make indexes and snapshots itself. */
async function rebuilt(
  { check }: Part,
  from: string,
  home: string,
  written: ReadonlyMap<string, WrittenTopic>,
): Promise<void> {
  cpSync(from, home, { recursive: true });
  const data = join(home, 'data');
  const before = partitionFiles(data, written);
  const isIndex = (path: string): boolean => path.endsWith('index');
  await check('Kafka without our indexes', 'says that, and makes the same ones', async () => {
    const missing = [...before.keys()].filter(isIndex);
    for (const path of missing) rmSync(join(data, path));
    const { said } = await servedByKafka(home, ourNames, KAFKA_PROPERTIES);
    throws(() => nothingUnusual(said), /rebuilding index files/);
    const after = partitionFiles(data, written);
    // Its snapshots have another order and are compared by what they say. It keeps no empty .txnindex,
    // and does not see again what compaction has emptied.
    const isSame = ([path, bytes]: [string, Buffer]): boolean =>
      !path.endsWith('.snapshot') &&
      !(path.endsWith('.txnindex') && (bytes.length === 0 || path.includes('compacted')));
    sameFiles(after, new Map([...before].filter(isSame)));
    await checkSnapshots(data, new Map([...written].filter(([, topic]) => !topic.compacted)));
    return `${missing.length} files`;
  });
}

function topicsFile(dir: string, wanted: Readonly<Record<string, Configs>>): string {
  const file = join(dir, 'topics');
  const lines = Object.entries(wanted).map(([name, configs]) =>
    [name, ...Object.entries(configs).map(([key, value]) => `${key}=${value}`)].join(' '),
  );
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

function isNoLock(path: string): boolean {
  return basename(path) !== '.lock';
}
