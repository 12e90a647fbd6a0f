import t from 'tap';
import { fillPortable, systemRandom } from '#src/file/system-random.js';
import { addon, needsNative } from '../native/support.js';

/** Bytes that were filled differ in every 16 from zeros, and from other bytes: 2^-128 not to. */
function looksFilled(bytes: Uint8Array): boolean {
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    if (bytes.subarray(at, at + 16).every((byte) => byte === 0)) return false;
  }
  return true;
}

t.test(
  'fillRandom fills all of it, beyond what one call of the system gives too',
  needsNative,
  async (t) => {
    for (const size of [16, 256, 257 + 15, 4096, 1 << 20]) {
      const bytes = new Uint8Array(size);
      t.equal(addon().fillRandom(bytes), 0);
      t.ok(looksFilled(bytes), `${size} bytes`);
    }
    const part = new Uint8Array(64);
    addon().fillRandom(part.subarray(16, 48));
    t.same(
      [...part.subarray(0, 16), ...part.subarray(48)],
      new Array(32).fill(0),
      'nothing beside it',
    );
    t.equal(addon().fillRandom(new Uint8Array(0)), 0);
    t.throws(() => addon().fillRandom('text' as unknown as Uint8Array), TypeError);
    t.throws(() => (addon().fillRandom as () => number)(), TypeError);
  },
);

t.test('systemRandom, with the addon and without', async (t) => {
  const first = systemRandom.fill(new Uint8Array(32));
  const second = fillPortable(new Uint8Array(32));
  t.ok(looksFilled(first) && looksFilled(second));
  t.notSame(first, second);
  let high = 0;
  for (let i = 0; i < 1000; i++) {
    const number = systemRandom.below(3);
    if (!Number.isInteger(number) || number < 0 || number > 2) t.fail(`${number} is not below 3`);
    if (number === 2) high++;
  }
  t.ok(high > 0 && high < 1000, 'all of the range');
});
