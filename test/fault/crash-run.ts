/** Runs a scenario once and looks at many of the states that a crash in it may leave. */

import { seededRandom } from '#src/base/random.js';
import { crashKinds } from '../support/crash-states.js';
import type { Scenario } from './scenarios.js';
import { expectationOf, verifyState } from './verify.js';
import { World, type WorldOptions } from './world.js';

export interface CrashRun {
  readonly states: number;
  /** Of the first violations: enough to see it again. */
  readonly violations: readonly string[];
}

const VIOLATIONS_MAX = 20;

/**
 * `stateCount` crash states of one run. The same seed gives the same ones, as long as the scenario
 * and the engine make the same calls.
 */
export async function crashRun(
  scenario: Scenario,
  seed: number,
  stateCount: number,
  overrides: Partial<WorldOptions> = {},
): Promise<CrashRun> {
  const world = new World({ ...scenario.options, ...overrides, seed });
  await scenario.run(world);
  const end = world.disk.moment;
  world.kill();
  const random = seededRandom(seed ^ 0x5eed);
  const violations: string[] = [];
  let states = 0;
  while (states < stateCount && violations.length < VIOLATIONS_MAX) {
    const moment = random.below(end + 1);
    const point = world.disk.at(moment);
    for (const kind of crashKinds) {
      const image = point.image(kind, random);
      const expected = expectationOf(world, moment, kind);
      const wrong = await verifyState(expected, image, seed + states);
      states++;
      for (const problem of wrong.slice(0, 3)) {
        violations.push(`${scenario.name}: seed ${seed}, moment ${moment}, ${kind}: ${problem}`);
      }
    }
  }
  return { states, violations };
}
