/** A part of `npm run crash`: some states of every scenario. */

import t from 'tap';
import { crashRun, recoveryCrashRun } from './crash-run.js';
import { scenarios } from './scenarios.js';

/** Printed with each violation; the runs of `npm run crash` go on from here. */
const SEED = 1;
const STATES_PER_SCENARIO = 35;
const STATES_IN_RECOVERY = 12;

for (const scenario of scenarios) {
  t.test(`after a crash in ${scenario.name} what was acknowledged is there`, async (t) => {
    const { states, violations } = await crashRun(scenario, SEED, STATES_PER_SCENARIO);
    t.ok(states >= STATES_PER_SCENARIO);
    t.same(violations, []);
  });

  t.test(`and after a second crash while that of ${scenario.name} is recovered from`, async (t) => {
    const { states, violations } = await recoveryCrashRun(scenario, SEED, STATES_IN_RECOVERY);
    t.ok(states >= STATES_IN_RECOVERY);
    t.same(violations, []);
  });
}

/** Runs that were wrong once: what a killed process had told its transaction index was never synced. */
const REGRESSIONS: readonly (readonly [scenario: string, seed: number])[] = [
  ['transactions', 3],
  ['compaction of transactions', 5],
];

for (const [name, seed] of REGRESSIONS) {
  t.test(`after a crash in ${name}, seed ${seed}, nothing aborted is read`, async (t) => {
    const scenario = scenarios.find((candidate) => candidate.name === name);
    if (scenario === undefined) throw new Error(`no scenario ${name}`);
    t.same((await crashRun(scenario, seed, 84)).violations, []);
  });
}
