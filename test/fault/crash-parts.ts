/**
 * `npm run crash`: the parts of the full run, as lists of jobs that a worker does one at a time.
 *
 *     states   crash states of every scenario, of many seeds, and of the starts after them
 *     faults   every fault at every I/O call of the script
 *     rot      every bit flipped and every cut of every file of six data directories and of the cluster metadata
 */

import { RotBench } from '../fuzz/rot.js';
import { makeCorpora, type RotMode, rotModes } from '../fuzz/rot-corpora.js';
import { metadataRot } from '../fuzz/rot-metadata.js';
import { crashRun, recoveryCrashRun } from './crash-run.js';
import { faultConfigs, faultsOf } from './fault-matrix.js';
import { chapters, faultRun } from './fault-script.js';
import { scenarios } from './scenarios.js';

export type Job =
  | {
      readonly part: 'states';
      readonly name: string;
      /** The second crash of two: it comes while the first is recovered from. */
      readonly inRecovery: boolean;
      readonly seed: number;
      readonly count: number;
    }
  | {
      readonly part: 'faults';
      readonly name: string;
      readonly chapter: string;
      readonly from: number;
      readonly step: number;
    }
  | {
      readonly part: 'rot';
      readonly name: string;
      readonly mode: RotMode;
      readonly from: number;
      readonly step: number;
    };

export interface JobResult {
  /** Row of the table. */
  readonly row: string;
  /** States, runs or cases. */
  readonly count: number;
  readonly violations: readonly string[];
  /** Of the list of what cannot be told, with counts. */
  readonly undetected: Readonly<Record<string, number>>;
}

/** States of one run of a scenario: many enough to be worth it, few enough for many seeds. */
const STATES_PER_RUN = 210;
const STATES_IN_RECOVERY = 60;
const SHARES = 16;

export function makeJobs(seed: number, statesWanted: number): Job[] {
  const jobs: Job[] = [];
  const statesOfRun = (STATES_PER_RUN + STATES_IN_RECOVERY) * scenarios.length;
  const runs = Math.ceil(statesWanted / statesOfRun);
  for (let run = 0; run < runs; run++) {
    for (const { name } of scenarios) {
      const job = { part: 'states', name, seed: seed + run } as const;
      jobs.push({ ...job, inRecovery: false, count: STATES_PER_RUN });
      jobs.push({ ...job, inRecovery: true, count: STATES_IN_RECOVERY });
    }
  }
  for (let from = 0; from < SHARES; from++) {
    for (const { name: chapter } of chapters) {
      for (const { name } of faultConfigs) {
        jobs.push({ part: 'faults', name, chapter, from, step: SHARES });
      }
    }
    for (const name of corpusNames) {
      for (const mode of rotModes) jobs.push({ part: 'rot', name, mode, from, step: SHARES });
    }
  }
  jobs.push({ part: 'rot', name: METADATA, mode: 'clean', from: 0, step: 1 });
  return jobs;
}

export async function runJob(job: Job): Promise<JobResult> {
  if (job.part === 'states') return runStates(job);
  return job.part === 'faults' ? runFaults(job) : runRot(job);
}

async function runStates(job: Job & { part: 'states' }): Promise<JobResult> {
  const scenario = scenarios.find(({ name }) => name === job.name);
  if (scenario === undefined) throw new Error(`no scenario ${job.name}`);
  const run = job.inRecovery ? recoveryCrashRun : crashRun;
  const { states, violations } = await run(scenario, job.seed, job.count);
  const row = job.inRecovery ? `recovery: ${job.name}` : `crash: ${job.name}`;
  return { row, count: states, violations, undetected: {} };
}

async function runFaults(job: Job & { part: 'faults' }): Promise<JobResult> {
  const found = faultConfigs.find(({ name }) => name === job.name);
  if (found === undefined) throw new Error(`no config ${job.name}`);
  const chapter = chapters.find(({ name }) => name === job.chapter);
  if (chapter === undefined) throw new Error(`no chapter ${job.chapter}`);
  const { calls } = await faultRun(chapter, found.config, null);
  const violations: string[] = [];
  let count = 0;
  for (let at = job.from; at < calls.length; at += job.step) {
    for (const fault of faultsOf(calls, at)) {
      count++;
      const run = await faultRun(chapter, found.config, fault);
      const where = `fault ${JSON.stringify(fault)} (${calls[at]}), ${job.chapter}, ${job.name}`;
      for (const violation of run.violations.slice(0, 2)) violations.push(`${where}: ${violation}`);
    }
  }
  return { row: `faults: ${job.chapter}, ${job.name}`, count, violations, undetected: {} };
}

const METADATA = 'cluster metadata';
const corpora = await makeCorpora();
const corpusNames = corpora.map(({ name }) => name);

async function runRot(job: Job & { part: 'rot' }): Promise<JobResult> {
  if (job.name === METADATA) {
    return { row: `rot: ${METADATA}`, ...(await metadataRot()), undetected: {} };
  }
  const corpus = corpora.find(({ name }) => name === job.name);
  if (corpus === undefined) throw new Error(`no corpus ${job.name}`);
  const bench = new RotBench(corpus, job.mode);
  const violations: string[] = [];
  const undetected: Record<string, number> = {};
  let count = 0;
  for (const rot of bench.cases(job.step, job.from)) {
    count++;
    const finding = await bench.judge(rot);
    if (finding.kind === 'violation') violations.push(finding.what);
    if (finding.kind === 'undetected') {
      undetected[finding.what] = (undetected[finding.what] ?? 0) + 1;
    }
  }
  return { row: `rot: ${job.name}, ${job.mode}`, count, violations, undetected };
}
