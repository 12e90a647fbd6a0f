/** Runs a scenario once and looks at many of the states that a crash in it may leave. */

import { ManualClock } from '#src/base/clock.js';
import { type Random, seededRandom } from '#src/base/random.js';
import type { Env } from '#src/file/env.js';
import { crashKinds } from '../support/crash-states.js';
import { SimulatedDisk } from '../support/simulated-disk.js';
import type { Scenario } from './scenarios.js';
import { type Expectation, expectationOf, openState, verifyState } from './verify.js';
import { World, type WorldOptions } from './world.js';

export interface CrashRun {
  readonly states: number;
  /** Of the first violations: enough to see it again. */
  readonly violations: readonly string[];
}

const VIOLATIONS_MAX = 20;
/** Starts that change nothing on the disk leave nothing to look at. */
const BARREN_STARTS_MAX = 2000;
/** States of one start that a crash has cut short. */
const STATES_PER_START = 6;

/** Other than the scenario's own. */
export interface CrashRunOptions extends Partial<WorldOptions> {
  /** What the start after a crash gets instead of the disk's own Env. */
  readonly recover?: (env: Env) => Env;
}

/**
 * `stateCount` crash states of one run. The same seed gives the same ones, as long as the scenario
 * and the engine make the same calls.
 */
export async function crashRun(
  scenario: Scenario,
  seed: number,
  stateCount: number,
  overrides: CrashRunOptions = {},
): Promise<CrashRun> {
  const world = await worldAfter(scenario, seed, overrides);
  const random = seededRandom(seed ^ 0x5eed);
  const violations: string[] = [];
  let states = 0;
  while (states < stateCount && violations.length < VIOLATIONS_MAX) {
    const moment = momentIn(world, random);
    const point = world.disk.at(moment);
    for (const kind of crashKinds) {
      const image = point.image(kind, random);
      const expected = expectationOf(world, moment, kind);
      const wrong = await verifyState(expected, image, seed + states, overrides.recover);
      states++;
      for (const problem of wrong.slice(0, 3)) {
        violations.push(`${scenario.name}: seed ${seed}, moment ${moment}, ${kind}: ${problem}`);
      }
    }
  }
  return { states, violations };
}

/**
 * The same with two crashes: the second one comes while the first is being recovered from. What was
 * acknowledged before the first has to be there after both.
 */
export async function recoveryCrashRun(
  scenario: Scenario,
  seed: number,
  stateCount: number,
  overrides: CrashRunOptions = {},
): Promise<CrashRun> {
  const world = await worldAfter(scenario, seed, overrides);
  const random = seededRandom(seed ^ 0x2ec0);
  const violations: string[] = [];
  let states = 0;
  let barren = 0;
  while (states < stateCount && barren < BARREN_STARTS_MAX && violations.length < VIOLATIONS_MAX) {
    const moment = momentIn(world, random);
    const kind = crashKinds[random.below(crashKinds.length)] ?? 'killed';
    const expected = expectationOf(world, moment, kind);
    const image = world.disk.at(moment).image(kind, random);
    const disk = new SimulatedDisk({ clock: new ManualClock(expected.nowMs), random, image });
    const where = `${scenario.name}: seed ${seed}, moment ${moment}, ${kind}`;
    const refused = await start(expected, disk, random, overrides);
    if (refused !== null) violations.push(`${where}: ${refused}`);
    if (disk.moment === 0) {
      barren++;
      continue;
    }
    for (let count = 0; count < STATES_PER_START; count++) {
      const again = random.below(disk.moment + 1);
      const kindAgain = crashKinds[random.below(crashKinds.length)] ?? 'killed';
      const left = disk.at(again).image(kindAgain, random);
      const wrong = await verifyState(expected, left, seed + states, overrides.recover);
      states++;
      for (const problem of wrong.slice(0, 3)) {
        violations.push(`${where}, then ${again}, ${kindAgain}: ${problem}`);
      }
    }
  }
  return { states, violations };
}

async function worldAfter(
  scenario: Scenario,
  seed: number,
  overrides: CrashRunOptions,
): Promise<World> {
  const world = new World({ ...scenario.options, ...overrides, seed });
  await scenario.run(world);
  world.kill();
  return world;
}

/** Any moment of a run; of one with restarts every third within a start. */
function momentIn(world: World, random: Random): number {
  const { disk, openings } = world;
  if (openings.length > 1 && random.below(3) === 0) {
    const { from, to } = openings[1 + random.below(openings.length - 1)] ?? { from: 0, to: 0 };
    return from + random.below(to - from + 1);
  }
  return random.below(disk.moment + 1);
}

/** A start that is killed when it is over; null, or why it was refused. */
async function start(
  expected: Expectation,
  disk: SimulatedDisk,
  random: Random,
  { recover }: CrashRunOptions,
): Promise<string | null> {
  const { env, kill } = disk.process();
  const opened = await openState(expected, recover?.(env) ?? env, random);
  kill();
  return typeof opened === 'string' ? opened : null;
}
