/**
 * A part of `npm run crash`: some of the flips and cuts of every file of six small data directories;
 * and the list of what cannot be told from the truth, held to the bit.
 */

import t from 'tap';
import { DATA_DIR } from '../fault/world.js';
import { RotBench } from './rot.js';
import { makeCorpora, rotModes } from './rot-corpora.js';
import { metadataRot } from './rot-metadata.js';

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
    // The zero bits of its 31; the other batches have the epoch that the log had at their offsets.
    '.log: leader epoch of the last batch before a kill, raised: a new one': 29,
  });
});

t.test('the metadata file: any flip or cut of it or of its backup changes nothing', async (t) => {
  const { count, violations } = await metadataRot();
  t.ok(count > 2000);
  t.same(violations, []);
});

t.test('a time index entry may tell of a later batch that has the same time', async (t) => {
  const corpus = (await makeCorpora()).find(({ name }) => name === "transactions (Kafka's)");
  if (corpus === undefined) throw new Error('there is one of Kafka');
  const path = `${DATA_DIR}/transactions-0/00000000000000000005.timeindex`;
  const bench = new RotBench(corpus, 'clean');
  // The lowest bit of the relative offset of the first entry: 25 becomes 26.
  t.same(await bench.judge({ path, kind: 'flip', at: 11 * 8 }), { kind: 'sound' });
});

t.test('a transaction index that lost whole entries is noticed', async (t) => {
  const corpus = (await makeCorpora()).find(({ name }) => name === 'transactional, checksums');
  if (corpus === undefined) throw new Error('there is one of ours');
  const bench = new RotBench(corpus, 'clean');
  let cases = 0;
  for (const rot of bench.cases()) {
    if (!rot.path.endsWith('.txnindex') || rot.kind !== 'cut' || rot.at % 34 > 0) continue;
    cases++;
    t.same(await bench.judge(rot), { kind: 'sound' });
  }
  t.ok(cases > 1);
});
