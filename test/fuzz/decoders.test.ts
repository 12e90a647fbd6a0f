import t from 'tap';
import { formatTallies, fuzz } from './engine.js';
import { fileTargets } from './file-targets.js';
import { protocolTargets } from './protocol-targets.js';
import { recordTargets } from './record-targets.js';
import type { FuzzTarget } from './target.js';

const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 2 ** 31);
const msMax = Number(process.env['MILLRACE_FUZZ_MS'] ?? 5000);

t.test('no decoder lets anything out but what it may', (t) => {
  t.comment(`seed ${seed}; MILLRACE_SEED repeats it, npm run fuzz goes on for longer`);
  const targets = [...protocolTargets, ...recordTargets, ...fileTargets];
  const tallies = fuzz(targets, { seed, inputsMax: Number.POSITIVE_INFINITY, msMax });
  t.comment(formatTallies(tallies));
  for (const { name, inputs, findings } of tallies) {
    t.same(findings, [], name);
    t.ok(inputs > 0, `${name} was tried`);
  }
  t.end();
});

t.test('a fault in a decoder is found', (t) => {
  const faulty = (name: string, run: (bytes: Buffer) => void): FuzzTarget => ({
    name,
    samples: [Buffer.from('a good sample')],
    run(bytes) {
      run(bytes);
      return true;
    },
  });
  const kept: Buffer[] = [];
  const found = fuzz(
    [
      faulty('throws', (bytes) => {
        if (bytes.length > 4 && bytes.readUInt8(2) === 0xff) bytes.readInt32BE(bytes.length - 1);
      }),
      faulty('takes too long', (bytes) => {
        const end = performance.now() + (bytes[0] === 0xff ? 600 : 0);
        while (performance.now() < end);
      }),
      faulty('takes memory', () => {
        // Kept, for what is collected of earlier ones hides what a later one takes.
        if (kept.length < 80) kept.push(Buffer.alloc(2 ** 23));
      }),
      faulty('sound', () => {}),
    ],
    // Bounded by what is tried, not by time: a loaded machine finds the same.
    { seed: 4711, inputsMax: 300_000, msMax: 120_000 },
  );
  t.same(
    found.map(({ findings }) => findings.length > 0),
    [true, true, true, false],
  );
  t.end();
});
