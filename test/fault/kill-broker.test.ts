import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { encodeBatch, readBatches } from './kill-batch.js';
import { killCycles } from './kill-cycles.js';
import { PartitionModel } from './kill-model.js';

t.test('kill -9 under load, 6 cycles', { timeout: 110_000 }, async (t) => {
  const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 2 ** 31);
  t.comment(`seed ${seed}`);
  const dir = mkdtempSync(join(tmpdir(), 'millrace-kill-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const { kills, acknowledged, records } = await killCycles({ cycles: 6, seed, dir });
  t.ok(kills >= 6);
  t.ok(acknowledged > 0 && records >= acknowledged, `${acknowledged} acknowledged`);
});

t.test('the verifier sees what it is there for', (t) => {
  const model = new PartitionModel('a', true);
  const [first, second] = [model.nextBatch(2, 0), model.nextBatch(1, 0)];
  const [x, y, z] = [...first.values, ...second.values] as [string, string, string];
  model.acknowledge(first, 0);
  const log = (...values: string[]) => values.map((value, offset) => ({ offset, value }));
  model.check(log(x, y), 'all there');
  t.throws(() => model.check(log(x), ''), /last 1 records are lost/);
  t.throws(() => model.check(log(y, x), ''), /offset 0 was/);
  t.throws(() => model.check(log(x, y, x), ''), /duplicate/);
  t.throws(() => model.check(log(x, y, 'other'), ''), /never sent/);
  t.throws(
    () =>
      model.check(
        [
          { offset: 0, value: x },
          { offset: 2, value: z },
        ],
        '',
      ),
    /followed by/,
  );
  model.check(log(x, y, z), 'the unanswered one is there');
  t.throws(() => model.check(log(x, y), ''), /lost/, 'and must stay');
  const bytes = encodeBatch(['one', 'two'], { id: 7, epoch: 0 }, 3, 1_700_000_000_000);
  t.same(readBatches(bytes).records, log('one', 'two'));
  t.equal(readBatches(bytes.subarray(0, bytes.length - 1)).rest, bytes.length - 1);
  bytes[70] = (bytes[70] as number) ^ 1;
  t.throws(() => readBatches(bytes), /CRC/);
  t.end();
});
