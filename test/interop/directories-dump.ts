// Kafka's DumpLogSegments: what it says of segments, indexes, transaction indexes and snapshots, parsed.

import { basename, dirname } from 'node:path';
import {
  type Aborted,
  abortedOf,
  dumpLines,
  snapshotLines,
  survivorLines,
} from './directories-model.js';
import type { WrittenTopic } from './directories-ours.js';
import { sameView } from './directories-view.js';
import { segmentFiles } from './oracle.js';
import { runOk } from './process.js';
import { javaOptions } from './servers.js';

/** The lines about each file. */
export type Dump = ReadonlyMap<string, readonly string[]>;
export type Dumped = { readonly files: Dump; readonly stderr: string };

const DUMP_TIMEOUT_MS = 600_000;

export async function dumpOf(
  files: readonly string[],
  options: readonly string[] = [],
): Promise<Dumped> {
  const args = [...javaOptions(256), 'kafka.tools.DumpLogSegments', ...options];
  args.push('--files', files.join(','));
  const { stdout, stderr } = await runOk('java', args, { timeoutMs: DUMP_TIMEOUT_MS });
  const found = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of stdout.toString().split('\n')) {
    const file = /^Dumping (.+)$/.exec(line)?.[1];
    if (file !== undefined) {
      lines = [];
      found.set(file, lines);
    } else if (line !== '') lines.push(line);
  }
  return { files: found, stderr };
}

/** `name: value` pairs of a line. */
export function fieldsOf(line: string): Record<string, string> {
  return Object.fromEntries(
    [...line.matchAll(/(\w+): (\S+)/g)].map(([, key, value]) => [key, value]),
  );
}

/** Aborted transactions by topic, as the `.txnindex` files of a data directory have them. */
export async function abortedByDump(dataDir: string): Promise<Map<string, Aborted[]>> {
  const found = new Map<string, Aborted[]>();
  const paths = segmentFiles(dataDir, ['.txnindex']);
  if (paths.length === 0) return found;
  for (const [file, lines] of (await dumpOf(paths)).files) {
    const topic = topicOf(file);
    const entries = lines.map((line) => {
      const { producerId, firstOffset, lastOffset, lastStableOffset } = fieldsOf(line);
      return {
        producerId: Number(producerId),
        firstOffset: Number(firstOffset),
        lastOffset: Number(lastOffset),
        lastStableOffset: Number(lastStableOffset),
      };
    });
    found.set(topic, [...(found.get(topic) ?? []), ...entries]);
  }
  return found;
}

/** Every batch and record of our `.log` files is what was appended, or what compaction leaves of it. */
export async function checkLogs(
  dataDir: string,
  topics: ReadonlyMap<string, WrittenTopic>,
): Promise<string> {
  const paths = filesOf(dataDir, topics, '.log');
  const { files, stderr } = await dumpOf(paths, ['--deep-iteration']);
  let batches = 0;
  let records = 0;
  for (const [name, topic] of topics) {
    const own = [...files].filter(([file]) => topicOf(file) === name);
    const lines = own.flatMap(([, found]) => found.slice(1)).map(plain);
    batches += lines.filter((line) => line.startsWith('baseOffset')).length;
    records += lines.filter((line) => line.startsWith('|')).length;
    if (!topic.compacted) {
      const from = baseOffsetOf(own[0]?.[0] ?? '');
      same(name, lines, dumpLines(topic, from));
      continue;
    }
    const unsound = lines.find((line) => line.startsWith('base') && !line.endsWith('valid: true'));
    if (unsound !== undefined) throw new Error(`${name}: ${unsound}`);
    const kept = lines.filter((line) => line.startsWith('|') && !line.includes('endTxnMarker'));
    same(name, kept, survivorLines(topic));
  }
  // Compaction leaves gaps, which are said; nothing else is.
  const gaps = /^Non-consecutive offsets in \S*compacted\S*$|^ {2}\d+ is followed by \d+$/;
  nothingElse(stderr, gaps);
  return `${paths.length} segments, ${batches} batches, ${records} records`;
}

/** Kafka's checks of our index files: those that decide about a rebuild, and entry by entry. */
export async function checkIndexes(
  dataDir: string,
  topics: ReadonlyMap<string, WrittenTopic>,
): Promise<string> {
  let count = 0;
  for (const kind of ['.index', '.timeindex']) {
    const paths = filesOf(dataDir, topics, kind);
    const sane = await dumpOf(paths, ['--index-sanity-check']);
    nothingElse(sane.stderr);
    for (const [file, lines] of sane.files) {
      const said = lines.join('\n');
      if (said === `${file} passed sanity check.`) count++;
      else if (said !== `${file} is empty.`) throw new Error(said);
    }
    nothingElse((await dumpOf(paths, ['--verify-index-only'])).stderr);
  }
  if (count === 0) throw new Error('every index is empty');
  return `${count} files with entries`;
}

/** Our transaction indexes have the aborted transactions that were written. */
export async function checkAborted(
  dataDir: string,
  topics: ReadonlyMap<string, WrittenTopic>,
): Promise<string> {
  const found = await abortedByDump(dataDir);
  let count = 0;
  for (const [name, { batches, compacted }] of topics) {
    const own = (found.get(name) ?? []).map((one) => JSON.stringify(one));
    const wanted = abortedOf(batches).map((one) => JSON.stringify(one));
    count += own.length;
    // Compaction drops those that have no record left.
    same(name, own, compacted ? wanted.filter((one) => own.includes(one)) : wanted);
  }
  return `${count} transactions`;
}

/** Our producer snapshots, at the log end and at each roll, have the state of what lies below. */
export async function checkSnapshots(
  dataDir: string,
  topics: ReadonlyMap<string, WrittenTopic>,
): Promise<string> {
  const paths = filesOf(dataDir, topics, '.snapshot');
  const { files, stderr } = await dumpOf(paths);
  nothingElse(stderr);
  let entries = 0;
  for (const [file, lines] of files) {
    const topic = topics.get(topicOf(file));
    if (topic === undefined) continue;
    entries += lines.length;
    same(
      file,
      lines.map(trimmed).sort(),
      snapshotLines(topic.batches, baseOffsetOf(file)).map(trimmed),
    );
  }
  if (entries === 0) throw new Error('no snapshot has a producer');
  return `${paths.length} snapshots, ${entries} producers`;
}

function filesOf(
  dataDir: string,
  topics: ReadonlyMap<string, WrittenTopic>,
  ending: string,
): string[] {
  const paths = segmentFiles(dataDir, [ending]).filter((file) => topics.has(topicOf(file)));
  if (paths.length === 0) throw new Error(`no ${ending} file in ${dataDir}`);
  return paths;
}

function topicOf(file: string): string {
  return basename(dirname(file)).replace(/-\d+$/, '');
}

function baseOffsetOf(file: string): number {
  return Number.parseInt(basename(file), 10);
}

/** A line of a log's dump without what depends on the encoding of the batch. */
function plain(line: string): string {
  return trimmed(
    line.replace(/ deleteHorizonMs: \S+| position: \d+| size: \d+ magic: 2| crc: \d+/g, ''),
  );
}

function trimmed(line: string): string {
  return line.trimEnd();
}

function same(name: string, actual: readonly string[], expected: readonly string[]): void {
  sameView(new Map([[name, actual]]), new Map([[name, expected]]));
  if (actual.length !== expected.length) throw new Error(`${name}: ${actual.length} lines`);
}

function nothingElse(stderr: string, allowed = /^$/): void {
  const other = stderr.split('\n').find((line) => line !== '' && !allowed.test(line));
  if (other !== undefined) throw new Error(`DumpLogSegments: ${other}`);
}
