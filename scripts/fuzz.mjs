// The long run of the fuzzer over every decoder (test/fuzz); npm test has some seconds of it.
//
//     npm run fuzz                        50 million inputs
//     npm run fuzz -- --inputs 1000000    so many
//     npm run fuzz -- --seconds 60        so long, if the inputs do not end it before
//     npm run fuzz -- --seed 7 --only index
//
// Prints inputs, inputs/s and the share that was accepted for each target, and every finding with its
// input in hex. Exit code 1 if there is one.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
process.env.MILLRACE_VERIFY ??= '1';
const load = (name) => import(join(root, 'dist-test/test/fuzz', name));
const { formatTallies, fuzz } = await load('engine.js');
const { protocolTargets, messageTargets } = await load('protocol-targets.js');
const { recordTargets } = await load('record-targets.js');
const { fileTargets } = await load('file-targets.js');

const { values: options } = parseArgs({
  options: {
    inputs: { type: 'string', default: '50000000' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string', default: '' },
  },
});
const seed = Number(options.seed ?? Date.now() % 2 ** 31);
const all = [...protocolTargets, ...messageTargets, ...recordTargets, ...fileTargets];
const targets = all.filter(({ name }) => name.includes(options.only));
if (targets.length === 0) {
  console.error(`no target has ${options.only} in its name`);
  process.exit(1);
}
console.log(`${targets.length} targets, seed ${seed}`);
const started = performance.now();
const tallies = fuzz(targets, {
  seed,
  inputsMax: Number(options.inputs),
  msMax: options.seconds === undefined ? Number.POSITIVE_INFINITY : 1000 * Number(options.seconds),
  report(sofar) {
    const inputs = sofar.reduce((sum, tally) => sum + tally.inputs, 0);
    const seconds = (performance.now() - started) / 1000;
    console.log(`${inputs} inputs in ${seconds.toFixed(0)} s`);
  },
});
console.log(formatTallies(tallies));
let findings = 0;
for (const { name, findings: found } of tallies) {
  for (const { problem, input } of found) {
    findings++;
    console.log(`\nFINDING in ${name}: ${problem}\ninput ${input}`);
  }
}
console.log(`\n${findings} findings, seed ${seed}`);
process.exit(findings === 0 ? 0 : 1);
