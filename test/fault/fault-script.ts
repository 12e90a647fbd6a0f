/**
 * A script of 200 operations on two partitions, and one fault at one of its I/O calls. Held against the
 * same model as the crash states:
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
import type { PartitionLog } from '#src/log/partition-log.js';
import type { LogConfig } from '#src/log/topic-config.js';
import { type Fault, FaultyEnv } from '../support/faulty-env.js';
import { type Attempt, isStored } from './model.js';
import { expectationOf, verifyState } from './verify.js';
import { type AppendShape, World } from './world.js';

export const OPERATION_COUNT = 200;
/** Turns of the event loop that an operation may take; the longest takes some dozens. */
const TURNS_MAX = 3000;

/** Calls that reading needs. */
const READ_CALLS = ['open', 'pread', 'fstat', 'stat', 'read', 'readdir'];

export interface FaultRun {
  /** Names of all calls, in order. */
  readonly calls: readonly string[];
  readonly violations: readonly string[];
}

export async function faultRun(
  seed: number,
  config: Partial<LogConfig>,
  fault: Fault | null,
): Promise<FaultRun> {
  const violations: string[] = [];
  let faulty: FaultyEnv | null = null;
  const world = new World({
    seed,
    config,
    wrap: (env) => {
      faulty = new FaultyEnv({
        env,
        fault,
        kill: () => world.kill(),
        onSyncFailed: (path) => world.disk.doom(path),
      });
      return faulty.env;
    },
  });
  const script = new Script(world, violations, () => {
    const calls = (faulty as FaultyEnv | null)?.calls ?? [];
    return fault !== null && READ_CALLS.includes(calls[fault.at] ?? '');
  });
  await script.run();
  const calls = [...((faulty as FaultyEnv | null)?.calls ?? [])];
  (faulty as FaultyEnv | null)?.heal();
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
  readonly #world: World;
  readonly #violations: string[];
  readonly #readingFails: () => boolean;
  #step = 0;

  constructor(world: World, violations: string[], readingFails: () => boolean) {
    this.#world = world;
    this.#violations = violations;
    this.#readingFails = readingFails;
  }

  /** Ends early if the process dies. */
  async run(): Promise<void> {
    const world = this.#world;
    await this.#do('open', () => world.open());
    for (const topic of ['orders', 'audit']) {
      await this.#do('create', () => world.create(topic));
    }
    while (world.alive && this.#step < OPERATION_COUNT) {
      await this.#operation();
      if (world.alive && this.#step % 5 === 0) this.#read();
    }
  }

  async #operation(): Promise<void> {
    const world = this.#world;
    const { random } = world;
    const topic = random.below(4) === 0 ? 'audit' : 'orders';
    const draw = random.below(100);
    if (draw < 70) {
      const shape: AppendShape = {
        count: 1 + random.below(2),
        valueSize: random.below(10) === 0 ? 500 : 60,
        idempotent: random.below(3) === 0,
      };
      const count = 1 + random.below(2);
      await this.#do('append', () => world.burst(topic, count, shape));
    } else if (draw < 78) await this.#do('flush', () => world.flush(topic));
    else if (draw < 83) await this.#do('roll', () => world.roll(topic));
    else if (draw < 88) {
      await this.#do('retention', () => {
        world.clock.advance(2000);
        return world.retain();
      });
    } else if (draw < 92) await this.#do('checkpoint', () => world.checkpoint());
    else if (draw < 97) await this.#do('turn', () => world.turn(3));
    else {
      await this.#do('delete', () => world.delete('audit'));
      await this.#do('create', () => world.create('audit'));
    }
  }

  /** Runs an operation to its answer; an error is an answer, if it is of the documented kind. */
  async #do(name: string, run: () => Promise<unknown>): Promise<void> {
    this.#step++;
    if (this.#step > 1 && !this.#world.alive) return;
    const problem = await within(run());
    if (problem !== null) this.#violations.push(`step ${this.#step}, ${name}: ${problem}`);
  }

  /** What was acknowledged is readable, unless reading is what fails. */
  #read(): void {
    const world = this.#world;
    for (const log of world.manager.logs()) {
      const partition = world.model.current(log.topic);
      if (partition === undefined || log.topicId !== partition.topicId) continue;
      const acked = partition.acked(world.disk.moment);
      const attempt = acked[world.random.below(acked.length)];
      if (attempt === undefined) continue;
      const problem = readProblem(log, attempt);
      if (problem === null || this.#readingFails()) continue;
      this.#violations.push(`step ${this.#step}, read at ${attempt.baseOffset}: ${problem}`);
    }
  }
}

function readProblem(log: PartitionLog, attempt: Attempt): string | null {
  const from = Math.max(attempt.baseOffset, log.logStartOffset);
  const read = log.read(from, { maxBytes: 1, minOneMessage: true, isolation: 'read_uncommitted' });
  if (!read.ok) return `${read.error} ${read.message}`;
  if (read.slice === null) return 'nothing there';
  try {
    const bytes = new Uint8Array(read.slice.length);
    read.slice.copyTo(bytes, 0, 0, bytes.length);
    return isStored(attempt, bytes, 0, attempt.baseOffset) ? null : 'other bytes';
  } catch (error) {
    return String(error);
  } finally {
    read.slice.release();
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
