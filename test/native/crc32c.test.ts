import { execFileSync } from 'node:child_process';
import t from 'tap';
import { seededRandom } from '#src/base/random.js';
import { systemRandom } from '#src/file/system-random.js';
import { native } from '#src/native/binding.js';
import { crc32c, crc32cPortable } from '#src/native/crc32c.js';
import { mismatches } from './crc32c-check.js';
import { addon, needsNative, unpooled } from './support.js';

const seed = systemRandom.below(2 ** 32);

/** The definition, bit by bit: the oracle of the oracle. */
function crc32cByBits(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

t.test('the check value and the vectors of RFC 3720', async (t) => {
  const vectors: [Uint8Array, number][] = [
    [unpooled('123456789'), 0xe3069283],
    [new Uint8Array(0), 0],
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [new Uint8Array(32).map((_, at) => at), 0x46dd794e],
    [new Uint8Array(32).map((_, at) => 31 - at), 0x113fdb5c],
  ];
  for (const [bytes, crc] of vectors) {
    t.equal(crc32c(bytes), crc);
    t.equal(crc32cPortable(bytes, 0, bytes.length, 0), crc);
    t.equal(crc32cByBits(bytes), crc);
  }
});

t.test('the TypeScript implementation is the definition', async (t) => {
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  for (let size = 0; size < 200; size++) {
    const bytes = random.fill(new Uint8Array(size));
    t.equal(crc32cPortable(bytes, 0, size, 0), crc32cByBits(bytes), `${size} bytes`);
  }
});

t.test('any split chains to the same value', async (t) => {
  const random = seededRandom(seed + 1);
  const bytes = random.fill(new Uint8Array(3000));
  const whole = crc32c(bytes);
  for (let i = 0; i < 300; i++) {
    const cut = random.below(bytes.length + 1);
    const first = crc32c(bytes, 0, cut);
    t.equal(crc32c(bytes, cut, bytes.length - cut, first), whole, `seed ${seed}, cut ${cut}`);
  }
});

t.test('a range outside the bytes is a programmer error', async (t) => {
  const bytes = new Uint8Array(100);
  t.throws(() => crc32c(bytes, 0, 101), /range/);
  t.throws(() => crc32c(bytes, 101), /range/);
  t.throws(() => crc32c(bytes, -1, 10), /range/);
});

t.test('the addon agrees at every length and alignment', needsNative, async (t) => {
  t.comment(`seed ${seed}`);
  t.equal(mismatches(seed), 0);
});

for (const kind of ['table', 'sse42', 'vpclmul', 'armv8']) {
  t.test(`the ${kind} implementation agrees too, where the CPU has it`, needsNative, async (t) => {
    const script = `const { native } = await import(${JSON.stringify(import.meta.resolve('#src/native/binding.js'))});
      const { mismatches } = await import(${JSON.stringify(import.meta.resolve('./crc32c-check.js'))});
      console.log(JSON.stringify([native.crc32cKind(), mismatches(${seed})]));`;
    const said = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...process.env, MILLRACE_CRC32C: kind },
    });
    const [used, wrong] = JSON.parse(said.toString()) as [string, number];
    t.equal(wrong, 0, `seed ${seed}, ${used}`);
    if (kind === 'table') t.equal(used, 'table', 'it is everywhere');
    if (used !== kind) t.comment(`this CPU has no ${kind}: ${used} was checked`);
  });
}

t.test('the addon refuses ranges outside the bytes', needsNative, async (t) => {
  const { EINVAL } = addon().constants;
  const bytes = Buffer.alloc(100);
  for (const [offset, length] of [
    [0, 101],
    [100, 1],
    [101, 0],
    [50, 2 ** 53 - 1],
    [2 ** 53 - 1, 1],
  ] as const) {
    t.equal(native?.crc32c(bytes, offset, length, 0), -EINVAL, `${offset} ${length}`);
  }
  t.equal(native?.crc32c(bytes, 100, 0, 7), 7, 'nothing changes nothing');
  t.equal(native?.crc32c(bytes, 0, 100, 2 ** 32), -EINVAL, 'a seed of 33 bits');
  const detached = new Uint8Array(100);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  t.equal(native?.crc32c(detached, 0, 100, 0), -EINVAL, 'detached');
});
