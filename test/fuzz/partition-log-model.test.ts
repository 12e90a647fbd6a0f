/**
 * PartitionLog against a plain array: random runs of appends, rolls, truncations, deletions, retention,
 * clean and unclean restarts; after each step everything that can be asked must be as the array says.
 */

import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { Offset } from '#src/base/offset.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import {
  appended,
  batch,
  config,
  crashCopy,
  NOW_MS,
  openLog,
  readAll,
  tempDir,
} from '../log/log-fixture.js';

const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 2 ** 31);
const runs = Number(process.env['MILLRACE_MODEL_RUNS'] ?? 40);

type Step =
  | { readonly do: 'append'; readonly timestamps: readonly number[]; readonly size: number }
  | { readonly do: 'truncate' | 'delete'; readonly at: number }
  | { readonly do: 'retain'; readonly bytes: number }
  | { readonly do: 'roll' | 'flush' | 'reopen' | 'crash' };

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      timestamps: fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 5 }),
      size: fc.integer({ min: 0, max: 90 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('truncate' as const, 'delete' as const),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('retain' as const), bytes: fc.nat(1500) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('roll' as const, 'flush' as const, 'reopen' as const, 'crash' as const),
    }),
  },
);

interface ModelBatch {
  readonly baseOffset: number;
  readonly timestamps: readonly number[];
  readonly size: number;
}

class Run {
  readonly #t: Test;
  #dir: string;
  #log!: PartitionLog;
  #batches: ModelBatch[] = [];
  #start = 0;
  #config = config({ segmentBytes: 400, indexIntervalBytes: 60, fileDeleteDelayMs: 0 });

  constructor(t: Test) {
    this.#t = t;
    this.#dir = tempDir(t);
  }

  async all(steps: readonly Step[]): Promise<void> {
    this.#log = await openLog(this.#t, this.#dir, { config: this.#config });
    for (const step of steps) {
      await this.#take(step);
      this.#check(step.do);
    }
    await this.#log.close();
  }

  get #end(): number {
    const last = this.#batches.at(-1);
    return last === undefined ? this.#start : last.baseOffset + last.timestamps.length;
  }

  async #take(step: Step): Promise<void> {
    const log = this.#log;
    switch (step.do) {
      case 'append': {
        const { size } = step;
        const timestamps = step.timestamps.map((ms) => NOW_MS + ms);
        const records = batch(timestamps.length, { timestamps, valueSize: size });
        const baseOffset = await appended(log, records);
        hold(baseOffset === this.#end, `appended at ${baseOffset}, not ${this.#end}`);
        this.#batches.push({ baseOffset, timestamps, size });
        break;
      }
      case 'truncate': {
        const at = this.#start + Math.floor(step.at * (this.#end - this.#start));
        this.#batches = this.#batches.filter(
          (each) => each.baseOffset + each.timestamps.length <= at,
        );
        const end = await log.truncateTo(at);
        // Cut below the log start inside a batch: what is left begins where the batch did.
        if (end < this.#start) this.#start = end;
        break;
      }
      case 'delete': {
        const at = this.#start + Math.floor(step.at * (this.#end - this.#start));
        const result = await log.deleteRecordsBefore(at);
        hold(result.ok && result.logStartOffset === at, 'deleted');
        this.#start = at;
        break;
      }
      case 'retain': {
        log.updateConfig({ ...this.#config, retentionBytes: step.bytes });
        await log.applyRetention();
        hold(log.logStartOffset >= this.#start, 'the log start only rises');
        this.#start = log.logStartOffset;
        log.updateConfig(this.#config);
        break;
      }
      case 'roll':
        await log.roll();
        break;
      case 'flush':
        await log.flush();
        hold(log.recoveryPoint === log.logEndOffset, 'flushed to the end');
        break;
      case 'reopen':
        hold(await log.close(), 'closed cleanly');
        await this.#reopen(true, log.logEndOffset);
        break;
      case 'crash': {
        const { recoveryPoint } = log;
        this.#dir = crashCopy(this.#t, this.#dir);
        await log.close();
        await this.#reopen(false, recoveryPoint);
        break;
      }
    }
  }

  async #reopen(clean: boolean, recoveryPoint: Offset): Promise<void> {
    const logStartOffset = this.#start as Offset;
    const fields = { clean, recoveryPoint, logStartOffset, config: this.#config };
    this.#log = await openLog(this.#t, this.#dir, fields);
  }

  #check(after: string): void {
    const log = this.#log;
    const { logStartOffset, highWatermark, logEndOffset } = log;
    hold(logEndOffset === this.#end, `log end ${logEndOffset}, not ${this.#end} after ${after}`);
    hold(highWatermark === logEndOffset, 'everything is visible');
    hold(logStartOffset === this.#start, `log start ${logStartOffset}, not ${this.#start}`);
    const expected = this.#batches
      .flatMap(({ baseOffset, timestamps, size }) =>
        timestamps.map((timestamp, i) => ({
          offset: baseOffset + i,
          timestamp,
          key: `k${i}`,
          value: Buffer.alloc(size, i).toString(),
        })),
      )
      .filter(({ offset }) => offset >= this.#start);
    const found = readAll(log);
    hold(JSON.stringify(found) === JSON.stringify(expected), `records as written, after ${after}`);
    const middle = Math.floor((this.#start + this.#end) / 2);
    const half = expected.filter(({ offset }) => offset >= middle);
    hold(JSON.stringify(readAll(log, middle)) === JSON.stringify(half), 'from the middle on');
    for (const ms of [NOW_MS - 1, NOW_MS + 20, NOW_MS + 45, NOW_MS + 51]) {
      const answer = log.offsetForTimestamp(ms)?.offset;
      const wanted = expected.find(({ timestamp }) => timestamp >= ms)?.offset;
      hold(answer === wanted, `offset ${answer} for a time, not ${wanted}, after ${after}`);
    }
  }
}

function hold(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

t.test('a log answers as a plain array does', { timeout: 100_000 }, async (t) => {
  t.comment(`seed ${seed}; MILLRACE_SEED repeats it, MILLRACE_MODEL_RUNS makes it longer`);
  await fc.assert(
    fc.asyncProperty(fc.array(stepArbitrary, { minLength: 1, maxLength: 25 }), async (steps) => {
      await new Run(t).all(steps);
    }),
    { seed, numRuns: runs, interruptAfterTimeLimit: 40_000 },
  );
  t.pass(`${runs} runs`);
});
