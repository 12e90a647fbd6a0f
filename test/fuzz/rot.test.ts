/**
 * A part of `npm run crash`: some of the flips and cuts of every file of four small data directories;
 * and the list of what cannot be told from the truth, held to the bit.
 */

import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { silentLogger } from '#src/base/logger.js';
import { seededRandom } from '#src/base/random.js';
import { topic } from '#src/cluster/metadata-image.js';
import { MetadataStore } from '#src/cluster/metadata-store.js';
import { filesOf, imageOf } from '../support/disk-image.js';
import { SimulatedDisk } from '../support/simulated-disk.js';
import { RotBench } from './rot.js';
import { makeCorpora, rotModes } from './rot-corpora.js';

/** Prime, so that every bit of a byte and every field has its turn. */
const STRIDE = 211;

for (const corpus of await makeCorpora()) {
  for (const [number, mode] of rotModes.entries()) {
    t.test(`rot of ${corpus.name}, ${mode}: nothing altered, nothing else lost`, async (t) => {
      const bench = new RotBench(corpus, mode);
      const violations: string[] = [];
      for (const rot of bench.cases(STRIDE, number * 70)) {
        const finding = await bench.judge(rot);
        if (finding.kind === 'violation') violations.push(finding.what);
      }
      t.same(violations, []);
    });
  }
}

t.test('of the bits that the CRC does not cover, these are not detected by a check', async (t) => {
  const [plain] = await makeCorpora();
  if (plain === undefined) throw new Error('there is a corpus');
  const bench = new RotBench(plain, 'unclean');
  const undetected: Record<string, number> = {};
  let cases = 0;
  for (const rot of bench.framingCases()) {
    cases++;
    const finding = await bench.judge(rot);
    if (finding.kind === 'violation') t.fail(finding.what);
    if (finding.kind === 'undetected') {
      undetected[finding.what] = (undetected[finding.what] ?? 0) + 1;
    }
  }
  t.equal(cases, 8 * 168, '8 batches of 21 bytes');
  t.same(undetected, {
    // 32 bits of each of 8 batches: nothing else in the log says which epoch it is.
    '.log: leader epoch': 256,
    // The last batch of the log (14) may have any higher offset: compaction leaves such gaps.
    '.log: base offset of a batch that no batch follows closely': 28,
  });
});

t.test('the metadata file: any flip or cut of it or of its backup changes nothing', async (t) => {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const disk = new SimulatedDisk({ clock, random });
  const { env } = disk.process();
  const store = MetadataStore.open({ env, clock, logger: silentLogger, dir: '/' });
  const entry = {
    name: 'orders',
    id: 'tZ4NdPrERqqWzgiThXTbLA',
    partitionCount: 3,
    configs: { 'retention.ms': '-1' },
    state: 'live',
  } as const;
  await store.commit({ put: [topic(entry)], nextProducerId: 5000 });
  const files = filesOf(disk.imageNow());
  const wrong: string[] = [];
  for (const [path, bytes] of files) {
    for (let at = 0; at < bytes.length * 9; at++) {
      const isFlip = at < bytes.length * 8;
      const damaged = isFlip ? new Uint8Array(bytes) : bytes.subarray(0, at - bytes.length * 8);
      if (isFlip) damaged[at >> 3] = (damaged[at >> 3] as number) ^ (1 << (at % 8));
      const image = imageOf(new Map(files).set(path, damaged), 0);
      const other = new SimulatedDisk({ clock, random, image, history: false }).process().env;
      const opened = MetadataStore.open({ env: other, clock, logger: silentLogger, dir: '/' });
      const found = [...opened.image.entries()].map(({ internal: _, ...rest }) => rest);
      const same = JSON.stringify(found) === JSON.stringify([entry]);
      if (same && !opened.lost && opened.nextProducerId === 5000) continue;
      wrong.push(`${path} ${isFlip ? 'flip' : 'cut'} ${at}: ${JSON.stringify(found)}`);
    }
  }
  t.same(files.size, 2);
  t.same(wrong, []);
});
