/** node:zlib, loaded with the first batch that needs it. */

import { createRequire } from 'node:module';

let loaded: typeof import('node:zlib') | null = null;

export function zlib(): typeof import('node:zlib') {
  loaded ??= createRequire(import.meta.url)('node:zlib') as typeof import('node:zlib');
  return loaded;
}
