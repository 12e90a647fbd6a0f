/** Member ids: random uuids (version 4) as Java prints them, behind a prefix or by themselves. */

import type { Random } from '../../base/random.js';

export function uuidText(random: Random): string {
  const bytes = Buffer.from(random.fill(new Uint8Array(16)));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
  return [...parts, hex.slice(20)].join('-');
}
