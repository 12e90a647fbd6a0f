import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { seededRandom } from '#src/base/random.js';
import type { EnvFile } from '#src/file/env.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { findFollower } from '#src/segment/resync.js';
import { SimulatedDisk } from '../support/simulated-disk.js';

const COUNT = 6;

function batchAt(baseOffset: number, value: Uint8Array = Buffer.alloc(20, baseOffset)): Uint8Array {
  const builder = new BatchBuilder();
  builder.append({ timestamp: 1, key: null, value });
  return builder.build({ baseOffset });
}

function fileOf(batches: readonly Uint8Array[]): EnvFile {
  const disk = new SimulatedDisk({ clock: new ManualClock(), random: seededRandom(1) });
  const file = disk.process().env.open('/log', 'create');
  file.pwritev([Buffer.concat(batches)], 0);
  return file;
}

function setLength(file: EnvFile, position: number, length: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(length);
  file.pwritev([bytes], position + 8);
}

t.test('a length that ends at a later batch, or at the end, hides none in between', (t) => {
  const batches = Array.from({ length: COUNT }, (_, i) => batchAt(i));
  const size = batches[0]?.length as number;
  for (let damaged = 0; damaged < COUNT - 1; damaged++) {
    for (let claimed = damaged + 2; claimed <= COUNT; claimed++) {
      const file = fileOf(batches);
      setLength(file, damaged * size, (claimed - damaged) * size - 12);
      const bounds = { end: COUNT * size, offset: damaged, endOffset: 100 };
      const follower = { kind: 'valid', position: (damaged + 1) * size };
      t.same(findFollower(file, damaged * size, bounds), follower, `${damaged} to ${claimed}`);
    }
  }
  t.end();
});

t.test('batches inside a value are no followers of a batch whose records are damaged', (t) => {
  const inner = Buffer.concat([batchAt(1), batchAt(2)]);
  const outer = batchAt(0, inner);
  const file = fileOf([outer, batchAt(1)]);
  const end = file.size();
  // A byte behind the inner batches: the CRC is good nowhere.
  file.pwritev([Buffer.from([0xff])], outer.length - 1);
  const bounds = { end, offset: 0, endOffset: 100 };
  t.same(findFollower(file, 0, bounds), { kind: 'valid', position: outer.length });
  // Torn: nothing follows, and what is inside is no answer.
  const torn = { ...bounds, end: outer.length };
  t.same(findFollower(file, 0, torn), { kind: 'none' });
  t.end();
});
