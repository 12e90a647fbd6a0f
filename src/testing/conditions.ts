/**
 * Waiting for how things are, in the broker's thread and in real time: looked at again and again, since
 * what a test waits for has many makers.
 */

import { systemClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { BrokerServices } from '../broker/handler.js';
import { durationMs } from './duration.js';
import { type PackedRecords, RecordPacker } from './packed-records.js';
import type { TopicAccess } from './topic-access.js';
import type { Condition, ConsumeAllOptions, Duration } from './types.js';

const TIMEOUT: Duration = '10s';
const LOOK_MS_MIN = 1;
const LOOK_MS_MAX = 20;

/** Null: it is so. Else how things are instead. */
type Look = () => string | null | Promise<string | null>;

export interface Waits {
  readonly services: () => BrokerServices;
  readonly topics: TopicAccess;
  /** The broker is closed: whoever waits is told. */
  readonly signal: AbortSignal;
}

export async function waitFor(condition: Condition, waits: Waits): Promise<void> {
  const { timeout = TIMEOUT } = condition;
  const { services, topics } = waits;
  if ('stable' in condition) {
    const { group, members } = condition;
    await until(`group ${group} to be stable`, timeout, waits, () =>
      groupProblem(services(), group, members),
    );
  } else if ('group' in condition) {
    const { group, topic, lag } = condition;
    await until(`group ${group} to have a lag of ${lag} in ${topic}`, timeout, waits, async () => {
      const now = await topics.lag(group, topic);
      return now <= lag ? null : `its lag is ${now}`;
    });
  } else {
    const { topic, partition = 0, offset } = condition;
    await until(`${topic}-${partition} to reach offset ${offset}`, timeout, waits, () => {
      const { highWatermark } = topics.logOf(topic, partition);
      return highWatermark >= offset ? null : `its high watermark is ${highWatermark}`;
    });
  }
}

export async function consumeAll(
  topic: string,
  options: ConsumeAllOptions,
  waits: Waits,
): Promise<PackedRecords> {
  const { topics } = waits;
  const { partition, from = 0, isolation = 'read_committed', timeout = TIMEOUT } = options;
  const count = options.count ?? Number.POSITIVE_INFINITY;
  const consumed = { packer: new RecordPacker(), next: new Map<number, number>() };
  const read = async (): Promise<void> => {
    const { partitionCount } = topics.topic(topic);
    const all = Array.from({ length: partitionCount }, (_, at) => at);
    const wanted = partition === undefined ? all : [partition];
    await topics.consume(topic, consumed, { from, isolation, count }, wanted);
  };
  if (options.count === undefined) {
    await read();
  } else {
    await until(`${count} records in ${topic}`, timeout, waits, async () => {
      await read();
      return consumed.packer.count >= count ? null : `there are ${consumed.packer.count}`;
    });
  }
  return consumed.packer.packed();
}

/** Rejects with TIMED_OUT, CLOSED, or what the last look threw. */
async function until(
  what: string,
  timeout: Duration,
  { signal }: Waits,
  look: Look,
): Promise<void> {
  const timeoutMs = durationMs(timeout);
  const startMs = systemClock.monotonicMs();
  for (let waitMs = LOOK_MS_MIN; ; waitMs = Math.min(2 * waitMs, LOOK_MS_MAX)) {
    if (signal.aborted) throw new MillraceError(`waited for ${what}: closed`, { code: 'CLOSED' });
    const leftMs = timeoutMs - (systemClock.monotonicMs() - startMs);
    let found: string | null;
    try {
      found = await look();
    } catch (error) {
      // A topic may be made yet.
      if (leftMs <= 0 || !isUnknownTopic(error)) throw error;
      found = (error as Error).message;
    }
    if (found === null) return;
    if (leftMs <= 0) {
      const message = `waited ${timeoutMs} ms for ${what}: ${found}`;
      throw new MillraceError(message, { code: 'TIMED_OUT' });
    }
    await pause(Math.min(waitMs, leftMs), signal);
  }
}

function isUnknownTopic(error: unknown): boolean {
  return error instanceof MillraceError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION';
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = systemClock.setTimer(ms, done, true);
    signal.addEventListener('abort', done);
  });
}

/** Null: the group is stable, and has as many members as are wanted. */
function groupProblem(
  { groups }: BrokerServices,
  groupId: string,
  wanted: number | undefined,
): string | null {
  const classic = groups.describeClassic(groupId);
  const group = typeof classic === 'object' ? classic : groups.describeConsumer(groupId);
  if (typeof group !== 'object') {
    const known = groups.list().map((one) => one.groupId);
    return `there is no such group; there are: ${known.join(', ') || 'none'}`;
  }
  const { state } = group;
  const count = group.members.size;
  const isWanted = wanted === undefined ? count > 0 : count === wanted;
  return state === 'Stable' && isWanted ? null : `it is ${state} with ${count} members`;
}
