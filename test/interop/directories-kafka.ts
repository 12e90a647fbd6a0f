// Our segments in a real Kafka's data directory: it takes them as they are.

import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WrittenTopic } from './directories-ours.js';
import { type View, viewByJava } from './directories-view.js';
import { startKafka } from './servers.js';

const CHECKPOINTS = [
  'recovery-point-offset-checkpoint',
  'replication-offset-checkpoint',
  'log-start-offset-checkpoint',
  'cleaner-offset-checkpoint',
];

/** Classes that tell of the cluster's metadata and of replication, not of what is on the disk. */
const ELSEWHERE = /^INFO (logger|Replica(Fetcher|AlterLogDirs)Manager) /;
/** What Kafka logs about a partition that it loads and leads, and has nothing to repair in. */
const USUAL =
  /Replayed PartitionRecord| CLEAN partition change|Loading producer state till offset|Reloading from producer snapshot|Loading producer state from snapshot file|Deleted producer state snapshot|Producer state recovery took|Completed load of|Log loaded for partition|topic id .* starts at leader epoch|Initializing cleaner/;

/** Puts the partitions' files of one data directory in place of those in another, checkpoints too. */
export function replacePartitions(from: string, to: string, topics: readonly string[]): void {
  for (const topic of topics) {
    const name = `${topic}-0`;
    rmSync(join(to, name), { recursive: true });
    cpSync(join(from, name), join(to, name), { recursive: true });
  }
  for (const name of CHECKPOINTS) {
    const isOurs = (line: string): boolean => topics.includes(line.split(' ')[0] ?? '');
    const kept = checkpointLines(join(to, name)).filter((line) => !isOurs(line));
    const lines = [...kept, ...checkpointLines(join(from, name)).filter(isOurs)];
    writeFileSync(join(to, name), `${['0', lines.length, ...lines].join('\n')}\n`);
  }
}

/** Without version and count. */
function checkpointLines(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n').slice(2) : [];
}

export type Served = {
  readonly view: View;
  /** Lines of Kafka's log that name one of the partitions. */
  readonly said: readonly string[];
};

/** Starts Kafka on a directory that it, and perhaps we, wrote; reads the topics; ends it. */
export async function servedByKafka(
  home: string,
  topics: readonly string[],
  properties: readonly string[],
): Promise<Served> {
  const kafka = await startKafka(home, { logLevel: 'info', properties });
  try {
    const view = await viewByJava(kafka.bootstrap, topics, home);
    await kafka.stop();
    const names = topics.map((topic) => `${topic}-0`);
    const isAbout = (line: string): boolean => names.some((name) => line.includes(name));
    return { view, said: kafka.output().split('\n').filter(isAbout) };
  } finally {
    await kafka.kill();
  }
}

/** Throws at a line that says that Kafka did more than load a log. */
export function nothingUnusual(said: readonly string[]): void {
  const other = said.find((line) => !ELSEWHERE.test(line) && !USUAL.test(line));
  if (other !== undefined) throw new Error(`Kafka says: ${other}`);
}

/**
 * Every file of the partitions' directories, but for what any start of Kafka changes: the epochs, to which
 * it adds its own, a snapshot at or below the log start, and what was deleted and not yet unlinked.
 */
export function partitionFiles(
  dataDir: string,
  topics: ReadonlyMap<string, WrittenTopic>,
): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const [topic, { logStartOffset }] of topics) {
    for (const file of readdirSync(join(dataDir, `${topic}-0`)).sort()) {
      if (file === 'leader-epoch-checkpoint' || file.endsWith('.deleted')) continue;
      const base = Number.parseInt(file, 10);
      if (file.endsWith('.snapshot') && base <= logStartOffset) continue;
      const path = join(`${topic}-0`, file);
      files.set(path, readFileSync(join(dataDir, path)));
    }
  }
  return files;
}

/** Throws at the first file that is not there, or not the same bytes. */
export function sameFiles(
  actual: ReadonlyMap<string, Buffer>,
  expected: ReadonlyMap<string, Buffer>,
): void {
  for (const [path, wanted] of expected) {
    const found = actual.get(path);
    if (found === undefined) throw new Error(`${path} is gone`);
    if (!found.equals(wanted)) {
      throw new Error(`${path} differs: ${found.length} bytes, were ${wanted.length}`);
    }
  }
}
