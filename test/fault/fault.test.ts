/** A part of `npm run crash`: faults at some of the I/O calls of the script of 200 operations. */

import t from 'tap';
import { faultConfigs, faultsOf } from './fault-matrix.js';
import { faultRun } from './fault-script.js';

const SEED = 1;
/** Of the calls; each run of the tests looks at the same ones. */
const STRIDE = 61;

for (const { name, config } of faultConfigs) {
  t.test(
    `a fault at a call, ${name}: an error or success, nothing acknowledged lost`,
    async (t) => {
      const { calls, violations } = await faultRun(SEED, config, null);
      t.same(violations, [], 'without a fault');
      t.ok(calls.length > 1000);
      const found: string[] = [];
      let runs = 0;
      for (let at = 0; at < calls.length; at += STRIDE) {
        // Another kind of fault at each call.
        const faults = faultsOf(calls, at);
        const fault = faults[runs++ % faults.length];
        if (fault === undefined) continue;
        const run = await faultRun(SEED, config, fault);
        for (const violation of run.violations) found.push(`${JSON.stringify(fault)} ${violation}`);
      }
      t.same(found, []);
    },
  );
}
