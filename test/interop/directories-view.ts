// How a data directory's topics are seen: by Kafka's own client (the oracle, JSON lines of
// clients/java's Directories), by our storage library, and by kcat. The same lines from all.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#src/base/clock.js';
import { systemEnv } from '#src/file/env.js';
import { systemRandom } from '#src/file/system-random.js';
import { LogManager } from '#src/log/log-manager.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import { defaultLogConfig } from '#src/log/topic-config.js';
import { type Log, openLogs } from '#src/public/storage.js';
import { KcatClient } from './kcat.js';
import { runOk } from './process.js';
import { javaOptions } from './servers.js';

export type Isolation = 'read_uncommitted' | 'read_committed';
export const isolations: readonly Isolation[] = ['read_uncommitted', 'read_committed'];

/** What was seen of each topic, a JSON object a line. */
export type View = ReadonlyMap<string, readonly string[]>;

/** The fields that a line may have, by its `what`. */
export type ViewLine = {
  readonly topic: string;
  readonly what: 'record' | 'offsets' | 'time' | 'max-timestamp';
  readonly isolation: Isolation;
  readonly offset: number;
  readonly timestamp: number;
  readonly at: number;
  readonly first: number;
  readonly end: number;
  readonly epoch: number;
  readonly key: string | null;
  readonly value: string | null;
};

export type AbortedTransaction = { readonly producerId: number; readonly firstOffset: number };

const VIEW_TIMEOUT_MS = 600_000;

/** Runs clients/java's Directories. */
export function directories(bootstrap: string, ...args: string[]): Promise<unknown> {
  return runOk('java', [...javaOptions(256), 'millrace.interop.Directories', bootstrap, ...args], {
    timeoutMs: VIEW_TIMEOUT_MS,
  });
}

/** What Kafka's own client sees of the topics of a broker. */
export async function viewByJava(
  bootstrap: string,
  topics: readonly string[],
  dir: string,
): Promise<View> {
  const file = join(dir, 'view.jsonl');
  await directories(bootstrap, 'view', file, ...topics);
  const view = new Map<string, string[]>(topics.map((topic) => [topic, []]));
  for (const line of readFileSync(file, 'utf8').trimEnd().split('\n')) {
    view.get(parse(line).topic)?.push(line);
  }
  return view;
}

export function parse(line: string): ViewLine {
  return JSON.parse(line) as ViewLine;
}

/** Throws with the first lines that differ. */
export function sameView(actual: View, expected: View): void {
  for (const [topic, wanted] of expected) {
    const found = actual.get(topic) ?? [];
    const at = wanted.findIndex((line, index) => line !== found[index]);
    if (at < 0 && found.length === wanted.length) continue;
    const place = at < 0 ? wanted.length : at;
    throw new Error(`${topic}, line ${place}\nis  ${found[place]}\nnot ${wanted[place]}`);
  }
}

/**
 * Kafka looks a time up in the first segment whose largest batch time reaches it, and finds nothing if
 * compaction has emptied that batch. Where it has such a record all the same, that one is expected.
 */
export function withMissedTimes(view: View): { readonly view: View; readonly missed: number } {
  let missed = 0;
  const fixed = new Map<string, string[]>();
  for (const [topic, lines] of view) {
    const all = lines.map(parse);
    const of = (isolation: Isolation): ViewLine[] =>
      all.filter((line) => line.what === 'record' && line.isolation === isolation);
    const [records, committed] = [of('read_uncommitted'), of('read_committed')];
    const ends = new Map(
      all.filter(({ what }) => what === 'offsets').map(({ isolation, end }) => [isolation, end]),
    );
    const fix = (line: string): string => {
      const { what, isolation, at, offset } = parse(line);
      // A marker that was kept has a time as well, and is not in the view.
      if (what !== 'time' || offset >= 0 || committed.length < records.length) return line;
      const found = records.find((record) => record.timestamp >= at);
      if (found === undefined || found.offset >= (ends.get(isolation) ?? 0)) return line;
      missed++;
      const { timestamp, epoch } = found;
      return JSON.stringify({ topic, what, isolation, at, offset: found.offset, timestamp, epoch });
    };
    fixed.set(topic, lines.map(fix));
  }
  return { view: fixed, missed };
}

/** Without what the library does not answer: times among committed records only. */
export function forLibrary(view: View): View {
  const left = (line: string): boolean => {
    const { what, isolation } = parse(line);
    return what !== 'time' || isolation === 'read_uncommitted';
  };
  return new Map([...view].map(([topic, lines]) => [topic, lines.filter(left)]));
}

/** Lines of a view by kind, to say what was compared. */
export function countLines(view: View): { records: number; times: number } {
  const lines = [...view.values()].flat().map(parse);
  const count = (what: string): number => lines.filter((line) => line.what === what).length;
  return { records: count('record'), times: count('time') };
}

/** What `millrace/storage` sees in a data directory, asked for the times of `like`. */
export async function viewByLibrary(dataDir: string, like: View): Promise<View> {
  const view = new Map<string, string[]>();
  const largest = new Map<string, string>();
  await using logs = await openLogs(dataDir);
  if (logs.failures.size > 0) throw new Error([...logs.failures.values()].join('\n'));
  for (const [topic, lines] of like) {
    const log = logs.get(topic);
    if (log === undefined) throw new Error(`${topic}: no such log`);
    const found: string[] = [];
    for (const isolation of isolations) {
      const asked = lines.map(parse).filter(({ isolation: one }) => one === isolation);
      await recordLines(log, isolation, found);
      found.push(offsetsLine(log, isolation));
      if (isolation === 'read_uncommitted') timeLines(log, asked, found);
    }
    view.set(topic, found);
  }
  await logs.close();
  await withLogs(dataDir, (log) => largest.set(log.topic, maxTimestampLine(log)));
  for (const [topic, lines] of view) lines.push(largest.get(topic) ?? '');
  return view;
}

async function recordLines(log: Log, isolation: Isolation, lines: string[]): Promise<void> {
  for await (const batch of log.read({ isolation })) {
    for (const record of batch) {
      const line = {
        ...{ topic: log.topic, what: 'record', isolation },
        ...{ offset: record.offset, timestamp: record.timestamp, type: batch.timestampType },
        epoch: batch.leaderEpoch,
        key: base64(record.key),
        value: base64(record.value),
        headers: record.headers.map(({ key, value }) => [key, base64(value)]),
      };
      lines.push(JSON.stringify(line));
    }
  }
}

function offsetsLine({ topic, stats }: Log, isolation: Isolation): string {
  const end = isolation === 'read_committed' ? stats.lastStableOffset : stats.highWatermark;
  return JSON.stringify({ topic, what: 'offsets', isolation, first: stats.logStartOffset, end });
}

function timeLines(log: Log, asked: readonly ViewLine[], lines: string[]): void {
  for (const { topic, what, isolation, at } of asked) {
    if (what !== 'time') continue;
    const answer = log.offsetForTimestamp(at);
    const [offset, timestamp] = [answer?.offset ?? -1, answer?.timestampMs ?? -1];
    const epoch = answer?.leaderEpoch ?? -1;
    lines.push(JSON.stringify({ topic, what, isolation, at, offset, timestamp, epoch }));
  }
}

function maxTimestampLine(log: PartitionLog): string {
  const answer = log.maxTimestampOffset();
  const [offset, timestamp] = [answer?.offset ?? -1, answer?.timestampMs ?? -1];
  const [what, isolation] = ['max-timestamp', 'read_uncommitted'];
  return JSON.stringify({ topic: log.topic, what, isolation, offset, timestamp });
}

/** Kafka's `.txnindex` files against what our log answers with each read of committed records. */
export async function sameAborted(
  dataDir: string,
  expected: ReadonlyMap<string, readonly (AbortedTransaction & { readonly lastOffset: number })[]>,
): Promise<number> {
  let count = 0;
  await withLogs(dataDir, (log) => {
    const wanted = (expected.get(log.topic) ?? []).filter(
      ({ lastOffset }) => lastOffset >= log.logStartOffset,
    );
    const seen = new Set<string>();
    const name = ({ producerId, firstOffset }: AbortedTransaction): string =>
      `producer ${producerId} from ${firstOffset}`;
    for (const segment of log.segments) {
      const from = Math.max(segment.baseOffset, log.logStartOffset);
      const read = log.read(from, {
        maxBytes: 1 << 30,
        minOneMessage: true,
        isolation: 'read_committed',
      });
      if (!read.ok) throw new Error(`${log.topic}: ${read.error} ${read.message}`);
      read.slice?.release();
      const answered = (read.abortedTransactions ?? []).map(name);
      for (const one of answered) seen.add(one);
      const end = Math.min(segment.nextOffset, log.lastStableOffset);
      for (const one of wanted) {
        const reaches = one.firstOffset < end && one.lastOffset >= from && from < end;
        if (reaches && !answered.includes(name(one))) {
          throw new Error(`${log.topic}: a read at ${from} does not answer ${name(one)}`);
        }
      }
    }
    const all = wanted.map(name);
    if (seen.size !== all.length || !all.every((one) => seen.has(one))) {
      throw new Error(`${log.topic}: aborted ${[...seen]}, not ${all}`);
    }
    count += all.length;
  });
  return count;
}

/** Opens the directory below the library; closes it cleanly. */
async function withLogs(dataDir: string, use: (log: PartitionLog) => void): Promise<void> {
  const meta = readFileSync(join(dataDir, 'meta.properties'), 'utf8');
  const manager = await LogManager.open({
    ...{ env: systemEnv, clock: systemClock, random: systemRandom },
    dirs: [dataDir],
    config: { ...defaultLogConfig, retentionMs: Number.POSITIVE_INFINITY },
    nodeId: Number(/^node\.id=(\d+)/m.exec(meta)?.[1] ?? 1),
    clusterId: null,
    cleaner: { enable: false },
  });
  try {
    if (manager.failures.size > 0) throw new Error([...manager.failures.values()].join('\n'));
    for (const log of manager.logs()) use(log);
  } finally {
    await manager.close();
  }
}

/** kcat, which reads committed records: offsets, times, keys and values. */
export async function sameByKcat(bootstrap: string, expected: View): Promise<void> {
  const kcat = new KcatClient();
  for (const [topic, lines] of expected) {
    const wanted = lines
      .map(parse)
      .filter(({ what, isolation }) => what === 'record' && isolation === 'read_committed')
      .map(({ offset, timestamp, key, value }) => `${offset} ${timestamp} ${key} ${value}`);
    const read = await kcat.consumeToEnd(bootstrap, topic, 'beginning');
    const found = read.map(
      ({ offset, timestamp, key, value }) =>
        `${offset} ${timestamp} ${base64(key)} ${base64(value)}`,
    );
    sameView(new Map([[topic, found]]), new Map([[topic, wanted]]));
  }
}

function base64(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('base64');
}
