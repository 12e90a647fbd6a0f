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
