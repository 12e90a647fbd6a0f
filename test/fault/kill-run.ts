/**
 * `npm run kill`: kill -9 under load, then under transactions, many cycles.
 *
 *     npm run kill -- --cycles 60 --seed 1
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom } from '#src/base/random.js';
import { killCycles } from './kill-cycles.js';
import { killTransactions } from './kill-transactions.js';

const { values } = parseArgs({
  options: { cycles: { type: 'string', default: '60' }, seed: { type: 'string' } },
});
const cycles = Number(values.cycles);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const dir = mkdtempSync(join(tmpdir(), 'millrace-kill-'));
const started = performance.now();
console.log(`kill -9 under load: ${cycles} cycles, seed ${seed}`);
try {
  const report = (line: string): void => console.log(line);
  const result = await killCycles({ cycles, seed, dir, report });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `${result.kills} kills (${result.killsInRecovery} during a start), ${result.acknowledged} records ` +
      `acknowledged, ${result.records} in the log, 0 lost, 0 altered, 0 twice, ${seconds} s`,
  );
  rmSync(dir, { recursive: true, force: true });
  console.log(`kill -9 under transactions: ${cycles} cycles`);
  const draw = seededRandom(seed);
  const random = (): number => draw.below(2 ** 30) / 2 ** 30;
  const { committed, aborted, unknown } = await killTransactions({ cycles, random, dir });
  console.log(`${committed} committed, ${aborted} aborted, ${unknown} ended by a kill, 0 torn`);
  rmSync(dir, { recursive: true, force: true });
} catch (error) {
  // The directory stays: it is the evidence.
  console.error(`FAILED with seed ${seed}, the data is in ${dir}:`, error);
  process.exitCode = 1;
}
