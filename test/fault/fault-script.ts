/**
 * A script of 250 operations in five chapters, each on a disk of its own, and one fault at one of the I/O
 * calls of a chapter. Held against the same model as the crash states:
 *
 *     answer   each question is answered: with success or an error, never with silence
 *     refused  an append that was answered with an error while the log stayed online is never readable;
 *              if the log went offline with it, it is there whole or not at all (R3: nobody can tell)
 *     reads    go on: what was acknowledged is readable while the fault lasts, unless reading is
 *              what fails
 *     heal     when the fault is over, a new start has everything, and takes appends
 *     power    and after a kill, if the power goes too, everything that was durable
 */

import { seededRandom } from '#src/base/random.js';
import type { Env } from '#src/file/env.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import type { LogConfig } from '#src/log/topic-config.js';
import { type Fault, FaultyEnv } from '../support/faulty-env.js';
import { compacted } from './scenarios.js';
import { expectationOf, judge, readLog, verifyState } from './verify.js';
import { type AppendShape, World } from './world.js';

/** Of each chapter, the making of its topics included. */
const OPERATION_COUNT = 50;
/** Turns of the event loop that an operation may take; the longest takes some dozens. */
const TURNS_MAX = 3000;

/** Calls that reading needs. */
const READ_CALLS = ['open', 'pread', 'fstat', 'stat', 'read', 'readdir'];

export interface FaultRun {
  /** Names of all calls, in order. */
  readonly calls: readonly string[];
  readonly violations: readonly string[];
}

/** What an operation of a chapter is drawn from: [of a hundred, what it is]. */
type Draw = readonly [percent: number, operation: keyof typeof operations];

export interface Chapter {
  readonly name: string;
  readonly seed: number;
  readonly config: Partial<LogConfig>;
  readonly draws: readonly Draw[];
  /** Each makes a dozen calls more to fail: in one chapter only. */
  readonly rollChecksums?: boolean;
}

const topics = ['orders', 'audit'] as const;
type Topic = (typeof topics)[number];

const operations = {
  append: (world: World, topic: Topic) => {
    const { random } = world;
    const valueSize = random.below(10) === 0 ? 500 : 60;
    const idempotent = !world.config.cleanupCompact && random.below(3) === 0;
    const shape = { count: 1 + random.below(2), valueSize, idempotent, tombstonePercent: 20 };
    return world.burst(topic, 1 + random.below(2), shape);
  },
  transact: (world: World, topic: Topic) => {
    const { random } = world;
    const count = world.openTransactions(topic);
    if (count > 0 && random.below(5) < 2) {
      const type = random.below(2) === 0 ? 'commit' : 'abort';
      return world.endTransaction(topic, random.below(count), type);
    }
    const shape: AppendShape = { count: 1 + random.below(2), tombstonePercent: 20 };
    return world.appendInTransaction(topic, random.below(Math.min(count + 1, 3)), shape);
  },
  flush: (world: World, topic: Topic) => world.flush(topic),
  roll: (world: World, topic: Topic) => world.roll(topic),
  retention: (world: World) => {
    world.clock.advance(2000);
    return world.retain();
  },
  checkpoint: (world: World) => world.checkpoint(),
  turn: (world: World) => world.turn(3),
  truncate: (world: World, topic: Topic) => {
    const { logStartOffset, logEndOffset } = world.log(topic);
    const depth = world.random.below(world.random.below(3) === 0 ? logEndOffset + 1 : 8);
    return world.truncate(topic, Math.max(logStartOffset, logEndOffset - depth));
  },
  deleteRecords: (world: World, topic: Topic) => {
    const { logStartOffset, highWatermark } = world.log(topic);
    const span = world.random.below(highWatermark - logStartOffset + 1);
    return world.deleteRecords(topic, logStartOffset + span);
  },
  compact: async (world: World) => {
    for (const topic of topics) await world.flush(topic);
    world.clock.advance(1500);
    return world.compact();
  },
  recreate: async (world: World) => {
    await world.delete('audit');
    await world.create('audit');
  },
  restart: async (world: World) => {
    // A page cache that shows what the disk has dropped is gone only with the machine's restart.
    if (!world.disk.hasDoomed) await world.close();
    if (world.disk.hasDoomed) return;
    await world.open();
    for (const topic of topics) await world.endHanging(topic);
  },
} as const;

const rest: readonly Draw[] = [
  [8, 'flush'],
  [4, 'checkpoint'],
  [4, 'turn'],
];
const writing: Chapter = {
  name: 'append, roll, retention, create, delete',
  seed: 1,
  config: { retentionBytes: 4000, fileDeleteDelayMs: 500 },
  draws: [...rest, [6, 'roll'], [8, 'retention'], [6, 'recreate'], [4, 'restart'], [60, 'append']],
};

export const chapters: readonly Chapter[] = [
  writing,
  { ...writing, name: `${writing.name}, checksums`, seed: 2, rollChecksums: true },
  {
    name: 'truncate, delete records',
    seed: 3,
    config: { fileDeleteDelayMs: 500 },
    draws: [...rest, [12, 'truncate'], [12, 'deleteRecords'], [5, 'retention'], [55, 'append']],
  },
  {
    name: 'transactions',
    seed: 4,
    config: { fileDeleteDelayMs: 500 },
    draws: [
      ...rest,
      [6, 'roll'],
      [5, 'truncate'],
      [4, 'restart'],
      [20, 'append'],
      [49, 'transact'],
    ],
  },
  {
    name: 'compaction',
    seed: 5,
    config: { ...compacted, deleteRetentionMs: 2000 },
    draws: [
      ...rest,
      [10, 'compact'],
      [10, 'roll'],
      [4, 'restart'],
      [25, 'append'],
      [35, 'transact'],
    ],
  },
];

export async function faultRun(
  chapter: Chapter,
  config: Partial<LogConfig>,
  fault: Fault | null,
  wrap: (env: Env) => Env = (env) => env,
): Promise<FaultRun> {
  const { seed } = chapter;
  const violations: string[] = [];
  const faulty: FaultyEnv = new FaultyEnv({
    fault,
    kill: () => world.kill(),
    onSyncFailed: (path) => world.disk.doom(path),
  });
  const world = new World({
    seed,
    config: { ...chapter.config, ...config },
    rollChecksums: chapter.rollChecksums ?? false,
    wrap: (env) => wrap(faulty.wrap(env)),
  });
  const { calls } = faulty;
  const script = new Script(chapter, world, violations, () => {
    return fault !== null && READ_CALLS.includes(calls[fault.at] ?? '');
  });
  await script.run();
  faulty.heal();
  await finish(world, seed, fault, violations);
  return { calls, violations };
}

/** After the fault: the next start, on the page cache and on what the disk has. */
async function finish(
  world: World,
  seed: number,
  fault: Fault | null,
  violations: string[],
): Promise<void> {
  const { random } = world;
  const graceful = world.alive && random.below(2) === 0;
  if (graceful) {
    const closed = await within(world.close());
    if (closed !== null) violations.push(`close: ${closed}`);
  }
  world.kill();
  const { moment } = world.disk;
  const point = world.disk.at(moment);
  // After a failed sync the page cache tells what the disk will never have: only the disk counts.
  const kinds = fault?.kind.startsWith('kill')
    ? (['killed', 'durable', 'blocks-512'] as const)
    : (['killed', 'durable'] as const);
  for (const kind of kinds) {
    const image = point.image(kind, seededRandom(seed));
    for (const problem of await verifyState(expectationOf(world, moment, kind), image, seed)) {
      violations.push(`next start (${kind}): ${problem}`);
    }
  }
}

class Script {
  readonly #chapter: Chapter;
  readonly #world: World;
  readonly #violations: string[];
  readonly #readingFails: () => boolean;
  #step = 0;
  /** Of which the files were being changed when that failed: they are in doubt, and not read. */
  readonly #inDoubt = new Set<PartitionLog>();

  constructor(chapter: Chapter, world: World, violations: string[], readingFails: () => boolean) {
    this.#chapter = chapter;
    this.#world = world;
    this.#violations = violations;
    this.#readingFails = readingFails;
  }

  /** Ends early if the process dies. */
  async run(): Promise<void> {
    const world = this.#world;
    await this.#do('open', () => world.open());
    for (const topic of topics) await this.#do('create', () => world.create(topic));
    while (world.alive && this.#step < OPERATION_COUNT) {
      const name = this.#draw();
      const topic = world.random.below(4) === 0 ? 'audit' : 'orders';
      await this.#do(name, () => operations[name](world, topic));
      if (world.alive && this.#step % 5 === 0) this.#read();
    }
  }

  #noteDoubt(): void {
    if (!this.#world.alive) return;
    for (const log of this.#world.manager.logs()) {
      if (log.offline && !log.readable) this.#inDoubt.add(log);
    }
  }

  #draw(): keyof typeof operations {
    const { draws } = this.#chapter;
    let left = this.#world.random.below(draws.reduce((sum, [percent]) => sum + percent, 0));
    for (const [percent, name] of draws) {
      if (left < percent) return name;
      left -= percent;
    }
    return 'append';
  }

  /** Runs an operation to its answer; an error is an answer, if it is of the documented kind. */
  async #do(name: string, run: () => Promise<unknown>): Promise<void> {
    this.#step++;
    if (this.#step > 1 && !this.#world.alive) return;
    // Some fail before they begin to wait.
    const problem = await within((async () => run())());
    if (name === 'truncate' || name === 'compact') this.#noteDoubt();
    if (problem !== null) this.#violations.push(`step ${this.#step}, ${name}: ${problem}`);
  }

  /** What was acknowledged is readable, and nothing else, unless reading is what fails. */
  #read(): void {
    const world = this.#world;
    const expected = { ...expectationOf(world, world.disk.moment, 'killed'), live: true };
    for (const log of world.manager.logs()) {
      const partition = world.model.current(log.topic);
      if (partition === undefined || log.topicId !== partition.topicId) continue;
      const problems = judge(expected, partition, readLog(log, world.model));
      if (problems.length === 0 || this.#readingFails()) continue;
      if (this.#inDoubt.has(log)) continue;
      this.#violations.push(`step ${this.#step}, read of ${log.topic}: ${problems[0]}`);
    }
  }
}

const HANGS = Symbol('hangs');

/** Null, or what is wrong with how it ended: it hangs, or threw what is no MillraceError. */
async function within(running: Promise<unknown>): Promise<string | null> {
  let settled = false;
  const outcome = running.then(
    () => null,
    (error: unknown) => error,
  );
  void outcome.then(() => {
    settled = true;
  });
  const patience = (async () => {
    for (let turn = 0; turn < TURNS_MAX && !settled; turn++) await new Promise(setImmediate);
    return HANGS;
  })();
  const ended = await Promise.race([outcome, patience]);
  if (ended === HANGS) return settled ? null : 'no answer';
  if (ended === null || (ended as { code?: unknown }).code !== undefined) return null;
  return String((ended as Error).stack ?? ended);
}
