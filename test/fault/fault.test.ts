/** A part of `npm run crash`: faults at some of the I/O calls of the script of 250 operations. */

import t from 'tap';
import { faultConfigs, faultsOf } from './fault-matrix.js';
import { chapters, faultRun } from './fault-script.js';

/** Of the calls; each run of the tests looks at the same ones. */
const STRIDE = 61;

for (const chapter of chapters) {
  for (const { name, config } of faultConfigs) {
    t.test(`a fault in ${chapter.name}, ${name}: answered, and nothing is lost`, async (t) => {
      const { calls, violations } = await faultRun(chapter, config, null);
      t.same(violations, [], 'without a fault');
      t.ok(calls.length > 200);
      const found: string[] = [];
      let runs = 0;
      for (let at = 0; at < calls.length; at += STRIDE) {
        // Another kind of fault at each call.
        const faults = faultsOf(calls, at);
        const fault = faults[runs++ % faults.length];
        if (fault === undefined) continue;
        const run = await faultRun(chapter, config, fault);
        for (const violation of run.violations) found.push(`${JSON.stringify(fault)} ${violation}`);
      }
      t.same(found, []);
    });
  }
}

/** Where something was wrong once: an exception in mid-air, an append without an answer, deleted records. */
const REGRESSIONS: readonly (readonly [chapter: string, call: string, forever: boolean])[] = [
  ['transactions', 'pread', false],
  ['transactions', 'stat', false],
  ['append, roll, retention, create, delete', 'ftruncate', true],
  ['truncate, delete records', 'open', false],
];
/** Of the calls of that name. */
const REGRESSION_STRIDE = 5;

for (const [name, call, forever] of REGRESSIONS) {
  t.test(`${call} fails in ${name}: answered, and nothing is lost`, async (t) => {
    const chapter = chapters.find((candidate) => candidate.name === name);
    if (chapter === undefined) throw new Error(`no chapter ${name}`);
    const config = { flushMessages: 1 };
    const { calls } = await faultRun(chapter, config, null);
    const places = [...calls.keys()].filter((at) => calls[at] === call);
    t.ok(places.length > REGRESSION_STRIDE);
    const found: string[] = [];
    for (let i = 0; i < places.length; i += REGRESSION_STRIDE) {
      const fault = { at: places[i] ?? 0, kind: 'EIO', forever } as const;
      const run = await faultRun(chapter, config, fault);
      for (const violation of run.violations) found.push(`${JSON.stringify(fault)} ${violation}`);
    }
    t.same(found, []);
  });
}
