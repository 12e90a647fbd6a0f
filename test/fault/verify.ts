/**
 * The oracle: opens what a crash left, and holds what can be read against the model.
 *
 *     open      always; every partition that was created and not deleted is there
 *     read      only batches that were submitted, to the byte, each at one offset, in order
 *     kept      what was acknowledged (and, but for a killed process, durable) is at its offset
 *     holes     between log start and log end every offset is answered: by a batch, or by an error;
 *               but for what retention condemned, and what was not durable when the power went
 *     decided   the last stable offset and the aborted ranges are those of the batches and markers
 *               that are there; what was committed or aborted, and answered, is so
 *     append    goes to the log end, at or above every offset that was durable
 *     again     a second start finds the same, and what was appended since
 */

import type { FileSlice } from '#src/base/chunk.js';
import { ManualClock } from '#src/base/clock.js';
import { type Random, seededRandom } from '#src/base/random.js';
import type { Env } from '#src/file/env.js';
import type { LogManager } from '#src/log/log-manager.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import type { LogConfig } from '#src/log/topic-config.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import {
  baseOffsetOf,
  isControlBatch,
  lastOffsetOf,
  maxTimestampOf,
  producerIdOf,
  readInt64,
  recordsCountOf,
  sizeOf,
} from '#src/record/batch-view.js';
import { parseControlRecord } from '#src/record/control-record.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { type CrashKind, keepsAllWrites } from '../support/crash-states.js';
import type { DiskImage } from '../support/disk-image.js';
import { SimulatedDisk } from '../support/simulated-disk.js';
import { type Attempt, isStored, Model, type PartitionModel } from './model.js';
import { isolationProblems, missingKeys, transactionProblems } from './verify-transactions.js';
import { LEADER_EPOCH, NUMBER_HEADER, openManager } from './world.js';

/** How a log may be found. */
export interface Expectation {
  readonly model: Model;
  readonly moment: number;
  /** All that was written is there: the process died, the machine did not. */
  readonly allWrites: boolean;
  /** Acknowledged means durable. */
  readonly durable: boolean;
  readonly config: LogConfig;
  readonly nowMs: number;
  /** Its process lives: what is durable may not have been answered, and is not visible then. */
  readonly live?: boolean;
}

/** A batch; of a compacted topic, whose batches are made anew: a record. */
export interface Served {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** Undefined: altered, or from nowhere. Of a marker too. */
  readonly attempt: Attempt | undefined;
  /** Of the record in its batch, of a compacted topic. */
  readonly index?: number;
  /** What ends a transaction. */
  readonly marker?: ServedMarker;
}

export interface ServedMarker {
  readonly timestampMs: number;
  readonly producerId: number;
  readonly type: 'commit' | 'abort';
}

export interface Reading {
  readonly served: readonly Served[];
  /** Offsets that were answered with an error. */
  readonly corrupt: number;
  /** Offsets that were passed over without a word. */
  readonly skipped: readonly number[];
  readonly start: number;
  readonly end: number;
  readonly problems: readonly string[];
}

const READ = { maxBytes: 1 << 20, minOneMessage: true, isolation: 'read_uncommitted' } as const;
const PROBE_NUMBER = 0xffffffff;
const PROBE_KEY = 'probe';
/** Errors that are stepped over one by one; a damaged tail reserves an offset per byte. */
const CORRUPT_MAX = 200_000;

/** Reads a log from start to end as a consumer does that steps over what it cannot have. */
export function readLog(log: PartitionLog, model: Model): Reading {
  const { logStartOffset: start, highWatermark: end } = log;
  const served: Served[] = [];
  const skipped: number[] = [];
  const problems: string[] = [];
  let corrupt = 0;
  for (let at: number = start; at < end; ) {
    const read = log.read(at, READ);
    if (!read.ok) {
      if (read.error !== 'CORRUPT_MESSAGE') problems.push(`${at}: ${read.error} ${read.message}`);
      if (++corrupt > CORRUPT_MAX) break;
      at++;
      continue;
    }
    if (read.slice === null) {
      problems.push(`${at}: nothing to read below the high watermark ${end}`);
      break;
    }
    const bytes = new Uint8Array(read.slice.length);
    const size = copyOut(read.slice, bytes);
    if (typeof size === 'string') {
      problems.push(`${at}: ${size}`);
      break;
    }
    if (size < bytes.length) problems.push(`${at}: ${size} of ${bytes.length} bytes`);
    const from = at;
    for (let position = 0; position + 61 <= size; position += sizeOf(bytes, position)) {
      if (position + sizeOf(bytes, position) > size) break;
      const baseOffset = baseOffsetOf(bytes, position);
      const lastOffset = lastOffsetOf(bytes, position);
      if (baseOffset > at && !log.config.cleanupCompact) skipped.push(at);
      if (lastOffset < at) problems.push(`${at}: a batch of ${baseOffset}..${lastOffset} again`);
      const marker = markerOf(bytes, position);
      if (recordsCountOf(bytes, position) === 0) {
        // It stands for offsets that are lost; in a compacted log, for what is not wanted any more.
        if (!log.config.cleanupCompact) for (let i = at; i <= lastOffset; i++) skipped.push(i);
      } else if (marker !== null) {
        served.push({ baseOffset, lastOffset, attempt: undefined, marker });
      } else if (log.config.cleanupCompact) {
        served.push(...recordsOf(bytes, position, model).filter((one) => one.baseOffset >= at));
      } else {
        const attempt = model.attemptOf(bytes, position);
        const good = attempt !== undefined && isStored(attempt, bytes, position, baseOffset);
        served.push({ baseOffset, lastOffset, attempt: good ? attempt : undefined });
      }
      at = lastOffset + 1;
    }
    if (at <= from) {
      problems.push(`${from}: no whole batch in the answer`);
      break;
    }
  }
  return { served, corrupt, skipped, start, end, problems };
}

/** Takes the bytes and gives back the slice; answers how many there were, or the error. */
function copyOut(slice: FileSlice, bytes: Uint8Array): number | string {
  try {
    return slice.copyTo(bytes, 0, 0, bytes.length);
  } catch (error) {
    return String(error);
  } finally {
    slice.release();
  }
}

/** The end of a transaction that the batch is; null: it is none. */
function markerOf(bytes: Uint8Array, position: number): ServedMarker | null {
  if (!isControlBatch(bytes, position)) return null;
  for (const { key, value } of decodeBatch(bytes, position)) {
    const control = parseControlRecord(key, value);
    if (control?.type !== 'commit' && control?.type !== 'abort') return null;
    const producerId = producerIdOf(bytes, position);
    return { producerId, type: control.type, timestampMs: maxTimestampOf(bytes, position) };
  }
  return null;
}

/** The records of a batch of a compacted topic, each with the batch that it was submitted in. */
function recordsOf(bytes: Uint8Array, position: number, model: Model): Served[] {
  const found: Served[] = [];
  for (const record of decodeBatch(bytes, position)) {
    const { offset, headers } = record;
    const number = Buffer.from(headers.find(({ key }) => key === NUMBER_HEADER)?.value ?? []);
    const attempt = number.length < 8 ? undefined : model.attemptOfNumber(number.readUInt32BE(0));
    const index = number.length < 8 ? -1 : number.readUInt32BE(4);
    const good = attempt !== undefined && isRecordOf(attempt, index, record);
    const of = { baseOffset: offset, lastOffset: offset, index };
    found.push({ ...of, attempt: good ? attempt : undefined });
  }
  return found;
}

/** Whether it is the record with that index of the attempt, where it was appended. */
function isRecordOf(
  attempt: Attempt,
  index: number,
  record: {
    readonly offset: number;
    readonly key: Uint8Array | null;
    readonly value: Uint8Array | null;
  },
): boolean {
  const key = record.key === null ? null : Buffer.from(record.key).toString();
  if (attempt.keyed?.keys[index] !== key) return false;
  if (attempt.outcome === 'acked' && record.offset !== attempt.baseOffset + index) return false;
  const submitted = [...decodeBatch(attempt.bytes, 0)][index]?.value ?? null;
  if (submitted === null || record.value === null) return submitted === record.value;
  return Buffer.compare(submitted, record.value) === 0;
}

/** What is wrong with a partition, as read; empty: nothing. */
export function judge(
  expected: Expectation,
  partition: PartitionModel,
  reading: Reading,
): string[] {
  const { moment, allWrites, durable } = expected;
  const wrong = [...reading.problems];
  const byOffset = new Map<number, Served>();
  for (const batch of reading.served) {
    const { attempt, baseOffset } = batch;
    if (batch.marker !== undefined) continue;
    if (attempt === undefined) wrong.push(`${baseOffset}: not a batch that was submitted`);
    else if (attempt.partition !== partition.name || attempt.generation !== partition.generation) {
      wrong.push(`${baseOffset}: a batch of another partition`);
    } else if (attempt.outcome === 'refused' && attempt.answered <= moment) {
      wrong.push(`${baseOffset}: a batch that was refused`);
    } else if (attempt.asked > moment) wrong.push(`${baseOffset}: a batch from the future`);
    else if (partition.isTruncated(attempt, moment)) wrong.push(`${baseOffset}: was cut off`);
    byOffset.set(baseOffset, batch);
  }
  const durableEnd = partition.durableEnd(moment);
  for (const attempt of partition.acked(moment)) {
    const end = attempt.baseOffset + attempt.recordsCount;
    if (!allWrites && !durable && end > durableEnd) continue;
    if (attempt.keyed !== null) wrong.push(...missingKeys(attempt, partition, byOffset, moment));
    else if (byOffset.get(attempt.baseOffset)?.attempt !== attempt) {
      wrong.push(`${attempt.baseOffset}: acknowledged, and not there`);
    }
    if (end > reading.end) wrong.push(`${attempt.baseOffset}: above the log end ${reading.end}`);
  }
  // What was deleted before it was synced may be back without its tail.
  const tailDeleted = !durable && durableEnd <= partition.requiredStart(moment);
  if (reading.end < durableEnd && !tailDeleted && !expected.live)
    wrong.push(`ends at ${reading.end}, durable to ${durableEnd}`);
  const trimmed = partition.trimmedStart(moment);
  if (reading.start < trimmed) wrong.push(`starts at ${reading.start}, deleted to ${trimmed}`);
  if (allWrites && reading.corrupt > 0) wrong.push(`${reading.corrupt} offsets are damaged`);
  for (const offset of reading.skipped) {
    // What was deleted may be back in part; what was not flushed may be lost in part.
    if (offset < partition.requiredStart(moment)) continue;
    if (!allWrites && !durable && offset >= durableEnd) continue;
    wrong.push(`${offset}: passed over without an error`);
  }
  return wrong;
}

/** Opens `image`, by way of `recover`, and answers what is wrong; empty: all is as it must be. */
export async function verifyState(
  expected: Expectation,
  image: DiskImage,
  seed: number,
  recover: (env: Env) => Env = (env) => env,
): Promise<string[]> {
  const random = seededRandom(seed);
  const clock = new ManualClock(expected.nowMs);
  const disk = new SimulatedDisk({ clock, random, image });
  const first = disk.process();
  const opened = await openState(expected, recover(first.env), random, clock);
  if (typeof opened === 'string') return [opened];
  const wrong: string[] = [];
  const readings = new Map<PartitionModel, Reading>();
  const probes = new Map<PartitionModel, Attempt>();
  for (const partition of partitionsThere(expected, opened, wrong)) {
    const log = opened.getLog(partition.name, 0) as PartitionLog;
    const reading = readLog(log, expected.model);
    for (const problem of judge(expected, partition, reading)) {
      wrong.push(`${partition.name} ${problem}`);
    }
    readings.set(partition, reading);
    for (const problem of transactionProblems(expected, partition, reading, log)) {
      wrong.push(`${partition.name} ${problem}`);
    }
    wrong.push(...checkTimes(log, reading, random));
    wrong.push(...(await checkRepeat(log, reading)));
    const probe = await appendProbe(log, partition, expected.nowMs);
    if (typeof probe === 'string') wrong.push(`${partition.name} ${probe}`);
    else probes.set(partition, probe);
    if (log.logStartOffset !== reading.start) wrong.push('an append moves the log start');
  }
  if (wrong.length > 0) return wrong;
  // The second crash: mostly another kill, sometimes the power goes as well.
  const kind: CrashKind = random.below(4) === 0 ? 'durable' : 'killed';
  first.kill();
  const again =
    kind === 'killed'
      ? disk
      : new SimulatedDisk({ clock, random, image: disk.at(disk.moment).image(kind, random) });
  const second = again.process();
  const reopened = await openState(expected, second.env, random, clock);
  if (typeof reopened === 'string') return [`second start: ${reopened}`];
  for (const [partition, reading] of readings) {
    const log = reopened.getLog(partition.name, 0);
    if (log === undefined) wrong.push(`${partition.name} is not there at the second start`);
    else {
      const probe = probes.get(partition) as Attempt;
      const found = readLog(log, withProbe(expected.model, probe));
      for (const problem of isolationProblems(found, log)) {
        wrong.push(`${partition.name} second start: ${problem}`);
      }
      const problems =
        kind === 'killed'
          ? differences(reading, found, probe)
          : lostSince(expected, reading, found, probe);
      for (const problem of problems) wrong.push(`${partition.name} second start: ${problem}`);
    }
  }
  second.kill();
  return wrong;
}

/** Opens what is there with every partition of it, or says what was refused. */
export async function openState(
  { config, nowMs }: Expectation,
  env: Env,
  random: Random,
  clock = new ManualClock(nowMs),
): Promise<LogManager | string> {
  try {
    const manager = await openManager(env, clock, random, config);
    const failure = [...manager.failures][0];
    return failure === undefined ? manager : `not opened: ${failure[0]} ${String(failure[1])}`;
  } catch (error) {
    return `not opened: ${String(error)}`;
  }
}

/** The partitions that were found, by their topic ids. */
function partitionsThere(
  expected: Expectation,
  manager: LogManager,
  wrong: string[],
): PartitionModel[] {
  const { model, moment } = expected;
  const found: PartitionModel[] = [];
  for (const log of manager.logs()) {
    const partition = model.partitions.find(({ topicId }) => topicId === log.topicId);
    if (partition !== undefined) {
      found.push(partition);
      if (partition.existsFor(moment) === 'no')
        wrong.push(`${log.topic} was deleted, and is there`);
      continue;
    }
    const current = model.partitions.findLast(
      ({ name, createAsked }) => name === log.topic && createAsked <= moment,
    );
    if (current?.existsFor(moment) === 'maybe' && log.logEndOffset === 0) continue;
    wrong.push(`${log.topic} has topic id ${log.topicId}`);
  }
  for (const partition of model.partitions) {
    if (partition.existsFor(moment) === 'yes' && !found.includes(partition)) {
      wrong.push(`${partition.name} is gone`);
    }
  }
  return found;
}

/** The answer to a look-up by time is the first batch that has such a time. */
function checkTimes(log: PartitionLog, { served, corrupt }: Reading, random: Random): string[] {
  const batch = served[random.below(served.length)];
  if (batch?.attempt === undefined || corrupt > 0) return [];
  if (log.config.cleanupCompact) return [];
  const { timestampMs } = batch.attempt;
  const first = served.find(
    ({ attempt, marker }) => (attempt ?? marker ?? { timestampMs: 0 }).timestampMs >= timestampMs,
  );
  const answered = log.offsetForTimestamp(timestampMs)?.offset ?? null;
  if (first === undefined || answered === Math.max(first.baseOffset, log.logStartOffset)) return [];
  return [`time ${timestampMs} is at ${first.baseOffset}, answered was ${answered}`];
}

/** The last batch of an idempotent producer, sent again, is known. */
async function checkRepeat(
  log: PartitionLog,
  { served, corrupt, skipped }: Reading,
): Promise<string[]> {
  const last = served.findLast(
    ({ attempt }) =>
      attempt?.transaction === null && producerIdOf((attempt as Attempt).bytes, 0) >= 0,
  );
  // A snapshot may know of later ones that were lost with their segment.
  if (last?.attempt === undefined || corrupt > 0 || skipped.length > 0) return [];
  const bytes = last.attempt.bytes.slice();
  const result = await log.append(bytes, { leaderEpoch: LEADER_EPOCH, owned: true });
  if (result.ok && result.duplicate && result.baseOffset === last.baseOffset) return [];
  const answer = result.ok ? `appended at ${result.baseOffset}` : result.error;
  return [`the batch at ${last.baseOffset}, sent again, was ${answer}`];
}

/** Appends one batch, which must go to the log end. */
async function appendProbe(
  log: PartitionLog,
  partition: PartitionModel,
  timestamp: number,
): Promise<Attempt | string> {
  const builder = new BatchBuilder();
  const value = Buffer.alloc(16);
  value.writeUInt32BE(PROBE_NUMBER);
  const key = log.config.cleanupCompact ? PROBE_KEY : null;
  builder.append({
    timestamp,
    key: key === null ? null : Buffer.from(key),
    value,
    headers: [{ key: NUMBER_HEADER, value }],
  });
  const bytes = builder.build();
  const end = log.logEndOffset;
  const model = new Model();
  const probe = model.ask(partition, {
    bytes: bytes.slice(),
    recordsCount: 1,
    leaderEpoch: LEADER_EPOCH,
    timestampMs: timestamp,
    asked: 0,
    keyed:
      key === null
        ? null
        : { number: PROBE_NUMBER, keys: [key], tombstones: [false], askedMs: timestamp },
    transaction: null,
  });
  partition.attempts.pop();
  const result = await log.append(bytes, { leaderEpoch: LEADER_EPOCH, owned: true });
  if (!result.ok) return `append refused: ${result.error} ${result.message}`;
  if (result.baseOffset !== end) return `appended at ${result.baseOffset}, the log end was ${end}`;
  probe.baseOffset = end;
  return probe;
}

/** The model, for a reading that holds the probe too. */
function withProbe(model: Model, probe: Attempt): Model {
  const joined = new Model();
  joined.attemptOfNumber = (number) =>
    number === PROBE_NUMBER ? probe : model.attemptOfNumber(number);
  joined.attemptOf = (bytes, position) =>
    model.attemptOf(bytes, position) ??
    (readInt64(bytes, position) === probe.baseOffset ? probe : undefined);
  return joined;
}

/** The second reading is the first one and the probe. */
function differences(first: Reading, second: Reading, probe: Attempt): string[] {
  const wrong = [...second.problems];
  const before = first.served.map(describe);
  const after = second.served.map(describe);
  if (after.pop() !== describe({ ...probeBatch(probe) })) wrong.push('the probe is not the last');
  if (before.join() !== after.join()) wrong.push(`served ${before.join()}, then ${after.join()}`);
  if (second.start !== first.start) wrong.push(`starts at ${second.start}, was ${first.start}`);
  if (second.end !== probe.baseOffset + 1) wrong.push(`ends at ${second.end}`);
  return wrong;
}

/** After the power went too: in durable mode nothing that was served before the probe is lost. */
function lostSince(
  expected: Expectation,
  first: Reading,
  second: Reading,
  probe: Attempt,
): string[] {
  if (!expected.durable) return [];
  const wrong = [...second.problems];
  const after = new Set(second.served.map(describe));
  for (const batch of [...first.served, probeBatch(probe)]) {
    if (!after.has(describe(batch))) wrong.push(`${batch.baseOffset} is lost`);
  }
  return wrong;
}

function probeBatch(probe: Attempt): Served {
  return { baseOffset: probe.baseOffset, lastOffset: probe.baseOffset, attempt: probe };
}

function describe({ baseOffset, lastOffset, attempt, marker }: Served): string {
  const what = marker?.type ?? (attempt === undefined ? 'altered' : '');
  return `${baseOffset}..${lastOffset} ${what}`;
}

export function expectationOf(
  world: {
    readonly model: Model;
    readonly durable: boolean;
    readonly config: LogConfig;
    readonly clock: ManualClock;
  },
  moment: number,
  kind: CrashKind,
): Expectation {
  const { model, durable, config, clock } = world;
  const allWrites = keepsAllWrites(kind);
  // The write that it died in was not over.
  const over = kind === 'killed-torn' ? moment - 1 : moment;
  return { model, moment: over, allWrites, durable, config, nowMs: clock.nowMs() };
}
