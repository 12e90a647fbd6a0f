import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { seededRandom } from '#src/base/random.js';
import { killTransactions } from './kill-transactions.js';

t.test('kill -9 under transactions, 5 cycles: none is torn', { timeout: 110_000 }, async (t) => {
  const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 2 ** 31);
  t.comment(`seed ${seed}`);
  const dir = mkdtempSync(join(tmpdir(), 'millrace-kill-transactions-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const draw = seededRandom(seed);
  const random = () => draw.below(2 ** 30) / 2 ** 30;
  const { committed, aborted } = await killTransactions({ cycles: 5, random, dir });
  t.comment(`${committed} committed, ${aborted} aborted`);
  t.ok(committed > 0 && aborted > 0, 'there was something to lose');
});
