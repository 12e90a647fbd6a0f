/** Reading ahead and dropping behind, on a page cache that the test makes up. */

import t from 'tap';
import type { OpenFile } from '#src/base/chunk.js';
import { ManualClock } from '#src/base/clock.js';
import { HotRange } from '#src/base/hot-range.js';
import {
  DROP_BYTES_MAX,
  DROP_RANGES_MAX,
  defaultNetLimits,
  HOT_MS_MAX,
  READ_AHEAD_BYTES,
  RESIDENCY_STEP_BYTES as STEP,
} from '#src/base/limits.js';
import { seededRandom } from '#src/base/random.js';
import type { Native } from '#src/native/binding.js';
import { ColdReads } from '#src/net/cold-reads.js';
import { newNetCounters } from '#src/net/counters.js';

const PAGE = 4096;
const EIO = 5;

type Page = 'absent' | 'asked' | 'there';

interface Job {
  readonly fd: number;
  readonly position: number;
  readonly length: number;
  readonly ahead: number;
  readonly callback: (result: number) => void;
}

/** One file's pages; a page that the disk was asked for counts as resident, as it does to cachestat(2). */
class MadeUpCache {
  readonly pages: Page[];
  readonly size: number;
  readonly jobs: Job[] = [];
  readonly drops: Job[] = [];
  looks = 0;

  constructor(size: number) {
    this.size = size;
    this.pages = Array.from({ length: size / PAGE }, () => 'absent');
  }

  get native(): Native {
    const native = {
      residentBytes: (_fd: number, position: number, length: number) => {
        this.looks++;
        const pages = this.range(position, length);
        const wanted = Math.ceil((position + length) / PAGE) - Math.floor(position / PAGE);
        const count = pages.filter((page) => page !== 'absent').length;
        return count === wanted ? length : Math.min(count * PAGE, length - 1);
      },
      prefetch: (
        fd: number,
        position: number,
        length: number,
        ahead: number,
        callback: Job['callback'],
      ) => {
        if (fd < 0) return -9;
        this.jobs.push({ fd, position, length, ahead, callback });
        this.#set(position, length + ahead, (page) => (page === 'absent' ? 'asked' : page));
        return 0;
      },
      dropPages: (fd: number, position: number, length: number, callback: Job['callback']) => {
        this.drops.push({ fd, position, length, ahead: 0, callback });
        return 0;
      },
    };
    return native as unknown as Native;
  }

  range(position: number, length: number): Page[] {
    return this.pages.slice(Math.floor(position / PAGE), Math.ceil((position + length) / PAGE));
  }

  /** The job is done: its own bytes are there, what it asked for beyond them may not be. */
  finish(index = 0): void {
    const job = this.jobs.splice(index, 1)[0] as Job;
    this.#set(job.position, job.length, () => 'there');
    job.callback(Math.max(0, Math.min(job.length, this.size - job.position)));
  }

  #set(position: number, length: number, next: (page: Page) => Page): void {
    const end = Math.min(this.pages.length, Math.ceil((position + length) / PAGE));
    for (let i = Math.floor(position / PAGE); i < end; i++) {
      this.pages[i] = next(this.pages[i] as Page);
    }
  }
}

interface TestFile extends OpenFile {
  fd: number;
}

function setUp(size = 64 * STEP, coldBytesMax = defaultNetLimits.coldBytesMax) {
  const cache = new MadeUpCache(size);
  const clock = new ManualClock();
  const counters = newNetCounters();
  const limits = { ...defaultNetLimits, coldBytesMax };
  const reads = new ColdReads(cache.native, clock, limits, counters);
  const file: TestFile = { fd: 5, hot: new HotRange() };
  const answers: number[] = [];
  const ask = (start: number, end: number, of = file): boolean =>
    reads.resident(of, start, end, (result) => answers.push(result));
  return { cache, clock, counters, file, answers, ask };
}

/** Two cold ranges, one after the other: what is read ahead of begins so. */
function twoInARow({ ask, cache }: Pick<ReturnType<typeof setUp>, 'ask' | 'cache'>): void {
  for (const start of [0, STEP]) {
    ask(start, start + STEP);
    cache.finish();
  }
}

t.test('the second cold range in a row is read ahead of, and not looked at again', (t) => {
  const { cache, counters, answers, ask } = setUp();
  t.equal(ask(0, STEP), false);
  cache.finish();
  t.same([answers, cache.jobs], [[STEP], []], 'the first one may be the only one');
  t.equal(ask(STEP, 2 * STEP), false);
  cache.finish();
  t.match(cache.jobs, [{ position: 2 * STEP, length: STEP, ahead: STEP }]);
  cache.finish();
  cache.finish();
  t.same(cache.jobs, [], 'no further than the bound');
  t.equal(READ_AHEAD_BYTES, 2 * STEP);
  const looks = cache.looks;
  t.equal(ask(2 * STEP, 3 * STEP - 7), true);
  t.equal(cache.looks, looks + 1, 'one, at what comes after');
  t.match(cache.jobs, [{ position: 4 * STEP }], 'the reader went on, so does this');
  t.equal(ask(3 * STEP - 7, 4 * STEP - 7), true, 'over the border of two steps');
  t.equal(counters.prefetches, 2);
  t.equal(counters.readAheads, 3);
  t.end();
});

t.test('who asks for the step that is being read waits for that', (t) => {
  const { cache, answers, ask } = setUp();
  twoInARow({ ask, cache });
  t.equal(ask(2 * STEP, 3 * STEP), false);
  t.equal(cache.jobs.length, 1);
  cache.finish();
  t.same(answers, [STEP, STEP, 0], 'and asks again');
  t.equal(ask(2 * STEP, 3 * STEP), true);
  t.end();
});

t.test('reading ahead ends at the end of the file, and where all is there', (t) => {
  const short = setUp(2 * STEP + 5 * PAGE);
  twoInARow(short);
  short.cache.finish();
  t.same(short.cache.jobs, []);
  t.equal(short.ask(2 * STEP, 2 * STEP + 5 * PAGE), true);
  t.same(short.cache.jobs, []);

  const warm = setUp();
  warm.cache.pages.fill('there', (3 * STEP) / PAGE);
  twoInARow(warm);
  t.same(warm.cache.jobs, []);
  t.equal(warm.ask(3 * STEP, 4 * STEP), true);
  t.equal(warm.counters.readAheads, 0);
  t.end();
});

t.test('who jumps about is not read ahead of', (t) => {
  const { cache, counters, ask } = setUp();
  for (const step of [9, 3, 3, 40, 12, 11]) {
    if (ask(step * STEP, (step + 1) * STEP)) continue;
    cache.finish();
    t.same(cache.jobs, []);
  }
  t.equal(counters.readAheads, 0);
  t.end();
});

t.test('what was read ahead long ago is looked at', (t) => {
  const { cache, clock, ask } = setUp();
  twoInARow({ ask, cache });
  cache.finish();
  cache.finish();
  clock.advance(HOT_MS_MAX + 1);
  cache.pages.fill('absent');
  t.equal(ask(2 * STEP, 3 * STEP), false);
  t.match(cache.jobs, [{ position: 2 * STEP }]);
  t.end();
});

t.test('an error is told to who asked; one ahead of the reader is met when it comes there', (t) => {
  const { cache, answers, ask } = setUp();
  twoInARow({ ask, cache });
  ask(2 * STEP, 3 * STEP);
  cache.pages.fill('absent', (2 * STEP) / PAGE);
  cache.jobs.shift()?.callback(-EIO);
  t.equal(answers.pop(), 0);
  t.equal(ask(2 * STEP, 3 * STEP), false);
  cache.jobs.shift()?.callback(-EIO);
  t.equal(answers.pop(), -EIO);
  t.end();
});

t.test('a reader that goes on never sends what the disk was only asked for', (t) => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seededRandom(seed);
    const { cache, answers, ask } = setUp(16 * STEP);
    let waits = 0;
    for (let start = 0; start < cache.size; ) {
      const end = Math.min(cache.size, start + 1 + random.below(STEP));
      while (!ask(start, end)) {
        const answered = answers.length;
        if (++waits > 1000) throw new Error(`never there, seed ${seed}`);
        while (answers.length === answered) cache.finish(random.below(cache.jobs.length));
        if (answers.at(-1) === end - start) break;
      }
      const pages = cache.range(start, end - start);
      if (!pages.every((page) => page === 'there')) t.fail(`${start}-${end}, seed ${seed}`);
      if (cache.jobs.length > 0 && random.below(2) === 0) cache.finish();
      start = end;
    }
    if (waits > 20) t.fail(`${waits} waits, seed ${seed}`);
  }
  t.pass('50 seeds');
  t.end();
});

t.test('what was read first is dropped first, and is hot no more', (t) => {
  const { cache, counters, file, ask } = setUp(64 * STEP, 2 * DROP_BYTES_MAX);
  const read = (start: number, of = file): void => {
    if (ask(start, start + STEP, of)) return;
    const job = cache.jobs.findIndex(({ position }) => position === start);
    cache.finish(job < 0 ? 0 : job);
  };
  file.hot.mark(0, 64 * STEP, 0);
  for (let at = 0; at < 2 * DROP_BYTES_MAX - 4 * STEP; at += STEP) read(at);
  t.same(cache.drops, [], 'within the bound nothing is');
  for (let at = 2 * DROP_BYTES_MAX - 4 * STEP; cache.drops.length === 0; at += STEP) {
    read(at);
    while (cache.jobs.length > 0) cache.finish();
  }
  t.match(cache.drops, [{ fd: 5, position: 0, length: DROP_BYTES_MAX }]);
  t.equal(file.hot.covers(DROP_BYTES_MAX - 1, DROP_BYTES_MAX, 0), false);
  t.equal(file.hot.covers(DROP_BYTES_MAX, 64 * STEP, 0), true);
  cache.drops[0]?.callback(0);
  t.equal(counters.bytesDropped, DROP_BYTES_MAX);

  file.fd = -1;
  const other: TestFile = { fd: 6, hot: new HotRange() };
  cache.pages.fill('absent');
  for (let at = 0; at < 64 * STEP; at += 2 * STEP) read(at, other);
  t.ok(
    cache.drops.slice(1).every(({ fd }) => fd === 6),
    'of a closed file nothing is: its number may be another',
  );
  t.end();
});

t.test('pieces that are kept to be dropped are bounded', (t) => {
  const { cache, ask } = setUp(64 * STEP);
  for (let i = 0; i <= DROP_RANGES_MAX; i++) {
    const at = (i % 4096) * 4 * PAGE;
    cache.pages.fill('absent', at / PAGE, at / PAGE + 1);
    ask(at, at + PAGE);
    cache.finish();
    if (cache.drops.length > 0 && i < DROP_RANGES_MAX) t.fail(`dropped after ${i}`);
  }
  t.same(
    cache.drops.map(({ position, length }) => [position, length]),
    [[0, PAGE]],
  );
  t.end();
});
