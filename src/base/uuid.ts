/**
 * Uuids as Kafka writes them: 16 bytes, random (version 4), in 22 characters of base64url.
 */

import type { Random } from './random.js';

export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';

const UUID_TEXT = /^[A-Za-z0-9_-]{21}[AQgw]$/;

/** Never one that begins with '-', which a command line would take for an option. */
export function randomUuid(random: Random): string {
  const bytes = Buffer.alloc(16);
  for (;;) {
    random.fill(bytes);
    bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
    const text = bytes.toString('base64url');
    if (!text.startsWith('-')) return text;
  }
}

/** Whether `text` is the one spelling of 16 bytes. */
export function isUuid(text: string): boolean {
  return UUID_TEXT.test(text);
}
