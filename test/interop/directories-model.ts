// What Kafka's tools and client must say of logs that were written as directories-ours.ts lists: worked
// out from that list alone, with no code of the engine.

import type { NewRecord } from '#src/record/batch-builder.js';
import { COORDINATOR_EPOCH, type Written, type WrittenTopic } from './directories-ours.js';
import { type Isolation, isolations, parse, type View } from './directories-view.js';

export type Aborted = {
  readonly producerId: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly lastStableOffset: number;
};

/** Of a snapshot's line: about the producer, about its last batch; and what is needed to go on. */
type Producer = {
  readonly head: string;
  readonly last: string;
  readonly first: number;
  readonly epoch: number;
  readonly timestamp: number;
};

type Placed = {
  readonly offset: number;
  readonly record: NewRecord;
  readonly batch: Written;
};

/** The batches of both, one behind the other. */
export function joined(first: WrittenTopic, then: WrittenTopic): WrittenTopic {
  return { ...then, batches: [...first.batches, ...then.batches] };
}

/** Aborted transactions in the order of their markers. */
export function abortedOf(batches: readonly Written[]): Aborted[] {
  const open = new Map<number, number>();
  const aborted: Aborted[] = [];
  for (const { producerId, transactional, ends, baseOffset } of batches) {
    if (!transactional) continue;
    if (ends === null) {
      if (!open.has(producerId)) open.set(producerId, baseOffset);
      continue;
    }
    const firstOffset = open.get(producerId);
    open.delete(producerId);
    if (firstOffset === undefined || ends === 'COMMIT') continue;
    const lastStableOffset = Math.min(baseOffset + 1, ...open.values());
    aborted.push({ producerId, firstOffset, lastOffset: baseOffset, lastStableOffset });
  }
  return aborted;
}

/** Where the first undecided transaction begins; the log end if there is none. */
function lastStableOffset(batches: readonly Written[]): number {
  const open = new Map<number, number>();
  for (const { producerId, transactional, ends, baseOffset } of batches) {
    if (ends !== null) open.delete(producerId);
    else if (transactional && !open.has(producerId)) open.set(producerId, baseOffset);
  }
  return Math.min(endOf(batches), ...open.values());
}

/** Lines of a producer snapshot taken at `offset`, as DumpLogSegments prints them, sorted. */
export function snapshotLines(batches: readonly Written[], offset: number): string[] {
  const producers = new Map<number, Producer>();
  for (const batch of batches) {
    const { producerId, producerEpoch, baseOffset, lastOffset, ends, records } = batch;
    if (lastOffset >= offset || producerId < 0) continue;
    const before = producers.get(producerId) ?? { head: '', last: '', first: -1, epoch: -1 };
    const timestamp = Math.max(...records.map((record) => record.timestamp));
    const first = ends !== null ? -1 : before.first >= 0 ? before.first : baseOffset;
    const open = batch.transactional && first >= 0;
    const coordinator = ends !== null ? COORDINATOR_EPOCH : (coordinatorOf(before.head) ?? -1);
    const head =
      `producerId: ${producerId} producerEpoch: ${producerEpoch} coordinatorEpoch: ${coordinator} ` +
      `currentTxnFirstOffset: ${open ? `OptionalLong[${first}]` : 'OptionalLong.empty'} ` +
      `lastTimestamp: ${timestamp} `;
    const lastSequence = batch.baseSequence + lastOffset - baseOffset;
    // A marker of a new epoch forgets what the old one has sent.
    const kept = before.epoch === producerEpoch ? before.last : '';
    const last =
      ends !== null
        ? kept
        : `firstSequence: ${batch.baseSequence} lastSequence: ${lastSequence} ` +
          `lastOffset: ${lastOffset} offsetDelta: ${lastOffset - baseOffset} timestamp: `;
    const kind = { first: open ? first : -1, epoch: producerEpoch, timestamp };
    producers.set(producerId, { head, last, ...kind });
  }
  // The file has one timestamp for both.
  return [...producers.values()]
    .map(({ head, last, timestamp }) => head + last + (last === '' ? '' : timestamp))
    .sort();
}

function coordinatorOf(head: string): number | null {
  const found = /coordinatorEpoch: (-?\d+)/.exec(head)?.[1];
  return found === undefined ? null : Number(found);
}

/** What `DumpLogSegments --deep-iteration` prints of batches and records, without positions and CRC. */
export function dumpLines(topic: WrittenTopic, from: number): string[] {
  return topic.batches
    .filter(({ lastOffset }) => lastOffset >= from)
    .flatMap((batch) => [batchLine(batch), ...batch.records.map((_, n) => recordLine(batch, n))]);
}

function batchLine(batch: Written): string {
  const { baseOffset, lastOffset, baseSequence, producerId, producerEpoch, records } = batch;
  const lastSequence = baseSequence < 0 ? -1 : baseSequence + lastOffset - baseOffset;
  const timestamp = Math.max(...records.map((record) => record.timestamp));
  return (
    `baseOffset: ${baseOffset} lastOffset: ${lastOffset} count: ${records.length} ` +
    `baseSequence: ${baseSequence} lastSequence: ${lastSequence} ` +
    `producerId: ${producerId} producerEpoch: ${producerEpoch} partitionLeaderEpoch: 0 ` +
    `isTransactional: ${batch.transactional} isControl: ${batch.ends !== null} ` +
    `${batch.timestampType}: ${timestamp} compresscodec: ${batch.codec} isvalid: true`
  );
}

function recordLine(batch: Written, index: number): string {
  const { key = null, value = null, headers = [], timestamp } = batch.records[index] as NewRecord;
  const sequence = batch.baseSequence < 0 ? -1 : batch.baseSequence + index;
  const head = `| offset: ${batch.baseOffset + index} ${batch.timestampType}: ${timestamp}`;
  if (batch.ends !== null) {
    const marker = `endTxnMarker: ${batch.ends} coordinatorEpoch: ${COORDINATOR_EPOCH}`;
    return `${head} keySize: 4 valueSize: 6 sequence: ${sequence} headerKeys: [] ${marker}`;
  }
  const keys = headers.map((header) => header.key).join(',');
  const sizes = `keySize: ${key?.length ?? -1} valueSize: ${value?.length ?? -1}`;
  return `${head} ${sizes} sequence: ${sequence} headerKeys: [${keys}]`;
}

/** The records that are left, without markers: what compaction keeps of the sealed part, and the rest. */
export function survivors(topic: WrittenTopic): Placed[] {
  const aborted = abortedOf(topic.batches);
  const isAborted = ({ producerId, transactional, baseOffset }: Written): boolean =>
    transactional &&
    aborted.some(
      ({ producerId: id, firstOffset, lastOffset }) =>
        id === producerId && firstOffset <= baseOffset && baseOffset <= lastOffset,
    );
  const placed = topic.batches
    .filter(({ ends }) => ends === null)
    .flatMap((batch) =>
      batch.records.map((record, n) => ({ offset: batch.baseOffset + n, record, batch })),
    );
  if (!topic.compacted) return placed.filter(({ offset }) => offset >= topic.logStartOffset);
  const latest = new Map<string, number>();
  for (const { offset, record, batch } of placed) {
    const isCleaned = offset < topic.activeOffset && !isAborted(batch);
    if (isCleaned) latest.set(String(record.key), offset);
  }
  return placed.filter(
    ({ offset, record, batch }) =>
      offset >= topic.activeOffset ||
      (!isAborted(batch) && latest.get(String(record.key)) === offset),
  );
}

/** The lines of `DumpLogSegments --deep-iteration` for the records that are left, without markers. */
export function survivorLines(topic: WrittenTopic): string[] {
  return survivors(topic).map(({ offset, batch }) => recordLine(batch, offset - batch.baseOffset));
}

/** What a client must see of the topics, asked for the times that it was asked for in `like`. */
export function viewOf(topics: ReadonlyMap<string, WrittenTopic>, like: View): View {
  return new Map(
    [...topics].map(([name, topic]) => [name, viewLines(name, topic, like.get(name) ?? [])]),
  );
}

function viewLines(name: string, topic: WrittenTopic, like: readonly string[]): string[] {
  const { batches } = topic;
  const aborted = abortedOf(batches);
  const stable = lastStableOffset(batches);
  const all = survivors(topic);
  const committed = all.filter(
    ({ offset, batch }) =>
      offset < stable &&
      !aborted.some(
        ({ producerId, firstOffset, lastOffset }) =>
          producerId === batch.producerId &&
          batch.transactional &&
          firstOffset <= offset &&
          offset <= lastOffset,
      ),
  );
  const lines: string[] = [];
  for (const isolation of isolations) {
    const end = isolation === 'read_committed' ? stable : endOf(batches);
    const visible = isolation === 'read_committed' ? committed : all;
    lines.push(...visible.map((placed) => recordOf(name, isolation, placed)));
    const [what, first] = ['offsets', topic.logStartOffset];
    lines.push(JSON.stringify({ topic: name, what, isolation, first, end }));
    lines.push(...timeLines(name, isolation, topic, end, like));
  }
  const timed = withMarkers(topic, all);
  const largest = timed.reduce<Placed | null>(
    (best, one) => (best === null || one.record.timestamp > best.record.timestamp ? one : best),
    null,
  );
  lines.push(
    JSON.stringify({
      ...{ topic: name, what: 'max-timestamp', isolation: 'read_uncommitted' },
      offset: largest?.offset ?? -1,
      timestamp: largest?.record.timestamp ?? -1,
    }),
  );
  return lines;
}

function recordOf(topic: string, isolation: Isolation, { offset, record, batch }: Placed): string {
  return JSON.stringify({
    ...{ topic, what: 'record', isolation, offset, timestamp: record.timestamp },
    ...{ type: batch.timestampType, epoch: 0 },
    key: base64(record.key),
    value: base64(record.value),
    headers: (record.headers ?? []).map(({ key, value }) => [key, base64(value)]),
  });
}

/** Markers have times too, and are found by them. */
function withMarkers(topic: WrittenTopic, records: readonly Placed[]): Placed[] {
  const markers = topic.batches
    .filter(({ ends }) => ends !== null)
    .map((batch) => ({ offset: batch.baseOffset, record: batch.records[0] as NewRecord, batch }));
  return [...records, ...markers].sort((a, b) => a.offset - b.offset);
}

function timeLines(
  name: string,
  isolation: Isolation,
  topic: WrittenTopic,
  end: number,
  like: readonly string[],
): string[] {
  const timed = withMarkers(topic, survivors(topic));
  return like
    .filter((line) => {
      const { what, isolation: one } = parse(line);
      return what === 'time' && one === isolation;
    })
    .map((line) => {
      const { what, at, offset: answered } = parse(line);
      const found = timed.find(({ record }) => record.timestamp >= at);
      // Kafka finds nothing where compaction emptied the batch that the time index is about.
      const none = found === undefined || found.offset >= end || (topic.compacted && answered < 0);
      const [offset, timestamp] = none ? [-1, -1] : [found.offset, found.record.timestamp];
      const epoch = none ? -1 : 0;
      return JSON.stringify({ topic: name, what, isolation, at, offset, timestamp, epoch });
    });
}

function endOf(batches: readonly Written[]): number {
  return (batches.at(-1)?.lastOffset ?? -1) + 1;
}

function base64(bytes: Uint8Array | null | undefined): string | null {
  return bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString('base64');
}
