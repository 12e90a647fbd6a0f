/** `millrace apis`: what is served, from the same list that ApiVersions is made of. */

import { servedApis } from '../../broker/handler.js';
import { allHandlers } from '../../broker/handlers/all.js';

export function runApis(options: { readonly json?: true }): void {
  process.stdout.write(options.json ? apisJson() : apisTable());
}

export function apisJson(): string {
  const apis = servedApis(allHandlers).map(({ key, name, versions, notes }) => ({
    key,
    name,
    minVersion: versions.min,
    maxVersion: versions.max,
    notes: notes.join(' '),
  }));
  return `${JSON.stringify(apis, null, 2)}\n`;
}

export function apisTable(): string {
  const rows = servedApis(allHandlers).map(({ key, name, versions }) => [
    String(key).padStart(3),
    name.padEnd(18),
    `${versions.min}-${versions.max}`,
  ]);
  return ['key  name               versions', ...rows.map((row) => row.join('  '))]
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}
