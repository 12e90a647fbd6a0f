// Checks against Kafka itself: its DumpLogSegments reads a directory, and a directory that Kafka wrote is read by clients.

import { deepEqual, equal } from 'node:assert/strict';
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  type At,
  type Client,
  type Codec,
  fromJson,
  type JsonRecord,
  type TestRecord,
} from './client.js';
import { KcatClient } from './kcat.js';
import { goldenDir } from './paths.js';
import { runOk } from './process.js';
import { javaOptions, type Server } from './servers.js';
import { asReadBy, comparable } from './tasks.js';

const DUMP_TIMEOUT_MS = 600_000;
const FILES_MAX = 200;

/** Lines in which DumpLogSegments complains. */
const COMPLAINT =
  /Mismatches in|Non-?consecutive|isvalid: false|corrupt|invalid|Exception|out of order|failed|Found timestamp mismatch|Found out of order|Log append time is less|ERROR/i;

/** All files of the partitions' directories that have one of the endings. */
export function segmentFiles(dataDir: string, endings: readonly string[]): string[] {
  const files: string[] = [];
  for (const name of readdirSync(dataDir)) {
    const dir = join(dataDir, name);
    // Deleted partitions and the metadata log of KRaft are not for clients.
    if (!/-\d+$/.test(name) || name.startsWith('__') || !statSync(dir).isDirectory()) continue;
    for (const file of readdirSync(dir)) {
      if (endings.some((ending) => file.endsWith(ending))) files.push(join(dir, file));
    }
  }
  return files.sort();
}

/** The logs of a coordinator's topic. */
export function stateLogs(dataDir: string, topic: string): string[] {
  return readdirSync(dataDir)
    .filter((name) => name.startsWith(`${topic}-`))
    .flatMap((name) => readdirSync(join(dataDir, name)).map((file) => join(dataDir, name, file)))
    .filter((file) => file.endsWith('.log'));
}

/** Runs DumpLogSegments over the files; any complaint is an error. Answers how many lines it printed. */
export async function dumpLogSegments(
  files: readonly string[],
  options: readonly string[],
  dir: string,
): Promise<number> {
  let lines = 0;
  for (let at = 0; at < files.length; at += FILES_MAX) {
    const output = join(dir, 'dump');
    const args = [...javaOptions(512), 'kafka.tools.DumpLogSegments', ...options];
    args.push('--files', files.slice(at, at + FILES_MAX).join(','));
    const { stderr } = await runOk('java', args, {
      outputFile: output,
      timeoutMs: DUMP_TIMEOUT_MS,
    });
    const reader = createInterface({ input: createReadStream(output) });
    for await (const line of reader) {
      lines++;
      if (COMPLAINT.test(line)) throw new Error(`DumpLogSegments ${options.join(' ')}: ${line}`);
    }
    if (COMPLAINT.test(stderr)) throw new Error(`DumpLogSegments ${options.join(' ')}: ${stderr}`);
  }
  return lines;
}

type ExpectedPartition = {
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  readonly maxTimestampOffset: number;
  readonly records: readonly (JsonRecord & { readonly aborted?: true })[];
};

type Expected = {
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly ExpectedPartition[];
  }[];
};

/** Partition 0 of every golden topic, as Kafka's own client saw it. */
function goldenPartitions(): { topic: string; expected: ExpectedPartition }[] {
  const text = readFileSync(join(goldenDir, 'expected.json'), 'utf8');
  return (JSON.parse(text) as Expected).topics.flatMap(({ topic, partitions }) =>
    partitions.slice(0, 1).map((expected) => ({ topic, expected })),
  );
}

/** Log start, log end and the offset of the largest time of every golden topic. */
export async function goldenOffsets(server: Server, client: Client): Promise<void> {
  for (const { topic, expected } of goldenPartitions()) {
    const ask = (at: At): Promise<number> => client.offset(server.bootstrap, topic, at);
    equal(await ask('earliest'), expected.logStartOffset, `${topic}: log start offset`);
    equal(await ask('latest'), expected.logEndOffset, `${topic}: log end offset`);
    equal(await ask('max-timestamp'), expected.maxTimestampOffset, `${topic}: largest time`);
  }
}

/** kcat, which reads committed records only unless told otherwise, at the topic with aborted transactions. */
export async function goldenCommitted(server: Server): Promise<void> {
  const expected = goldenPartitions().find(({ topic }) => topic === 'transactions')?.expected;
  const committed = expected?.records.filter((record) => record.aborted !== true);
  const read = await new KcatClient().consumeToEnd(server.bootstrap, 'transactions', 'beginning');
  deepEqual(
    read.map(({ offset }) => offset),
    committed?.map(({ offset }) => offset),
  );
}

/** Reads every golden topic with one client: the records that Kafka's own client read. */
export async function readGolden(server: Server, client: Client): Promise<void> {
  for (const { topic, expected } of goldenPartitions()) {
    const codec = topic.replace(/^codec-/, '') as Codec;
    if (expected.records.length === 0 || client.unreadable[codec] !== undefined) continue;
    const records = expected.records.map((record) => fromJson(record));
    const { logStartOffset } = expected;
    const read = await client.consume(server.bootstrap, topic, logStartOffset, records.length);
    sameAsGolden(topic, client, records, read);
  }
}

function sameAsGolden(
  topic: string,
  client: Client,
  expected: readonly TestRecord[],
  actual: readonly TestRecord[],
): void {
  const offsets = (records: readonly TestRecord[]): unknown => records.map(({ offset }) => offset);
  deepEqual(offsets(actual), offsets(expected), `${topic}: offsets`);
  expected.forEach((record, index) => {
    const found = comparable(actual[index], record);
    deepEqual(
      found,
      comparable(asReadBy(client, record), record),
      `${topic}: offset ${record.offset}`,
    );
  });
  equal(actual.length, expected.length);
}
