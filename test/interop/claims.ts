// What a client is said to do, and the tasks that show it: printed as a second table, clients x claims.

/** [claim, its tasks]: all of them have to pass. */
export const CLAIMS: readonly (readonly [string, readonly string[]])[] = [
  ['three in a group', ['group classic']],
  ['the same, KIP-848', ['group consumer']],
  ['seek, pause', ['steer']],
  ['transactions', ['transactions']],
  ['admin', ['create', 'admin', 'delete']],
  ['headers, nulls', ['records']],
  ['all codecs', ['gzip', 'snappy', 'lz4', 'zstd', 'matrix']],
  ['idempotence', ['idempotent']],
];

/** For a client whose column of groups is empty. */
export const NO_MEMBERS: Readonly<Record<string, string>> = {
  'group classic': 'it has no member program here',
  'group consumer': 'it does not speak KIP-848, or not by a released setting',
};
