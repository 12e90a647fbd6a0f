/**
 * CRC-32C: the addon over TypeScript, by size. The addon is called as the engine calls it: a whole
 * Uint8Array, offset and length. Below some hundred bytes the call costs more than the work.
 */

import { seededRandom } from '#src/base/random.js';
import { native, nativeError } from '#src/native/binding.js';
import { crc32cPortable } from '#src/native/crc32c.js';
import { microCase } from './harness/micro.js';
import type { Case, Suite } from './harness/suite.js';

const SIZES = { '64 B': 64, '1 KiB': 1024, '16 KiB': 16 << 10, '1 MiB': 1 << 20 };

export const suite: Suite = {
  name: 'crc32c',
  title: 'CRC-32C',
  question: 'What is the addon worth over TypeScript, and from which size on?',
  targets: [{ id: 'CRC', case: 'native, 16 KiB', against: null, atLeast: 20 }],
  open(context) {
    const cases: Case[] = [];
    for (const [label, size] of Object.entries(SIZES)) {
      const bytes = seededRandom(size).fill(new Uint8Array(size + 8));
      const perCall = size / 1e9;
      const baseline = `TypeScript, ${label}`;
      const portable = (): number => crc32cPortable(bytes, 8, size, 0);
      cases.push(microCase({ name: baseline, unit: 'GB', perCall, work: portable }));
      const addon = native;
      if (addon === null) continue;
      const work = (): number => addon.crc32c(bytes, 8, size, 0);
      cases.push(microCase({ name: `native, ${label}`, baseline, unit: 'GB', perCall, work }));
    }
    if (native === null) context.note(`no addon: ${nativeError?.message}`);
    else context.note(`implementation: ${native.crc32cKind()}`);
    return Promise.resolve({ cases });
  },
};
