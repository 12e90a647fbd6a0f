/**
 * Topic names: Kafka's whitelist. A name becomes a directory, so nothing else may reach a path; the
 * bound leaves room for the partition and for the suffix of a directory that is being deleted.
 */

export const TOPIC_NAME_LENGTH_MAX = 249;

const ALLOWED = /^[a-zA-Z0-9._-]+$/;

const UNPRINTABLE = /[^\x20-\x7e]/g;
const INVALID = 'Topic name is invalid:';

/** What is wrong with `name` as a topic name, in Kafka's words, or null. Echoes nothing unprintable. */
export function topicNameProblem(name: string): string | null {
  if (name.length === 0) return `${INVALID} the empty string is not allowed`;
  if (name === '.' || name === '..') return `${INVALID} '.' or '..' is not allowed`;
  if (name.length > TOPIC_NAME_LENGTH_MAX) {
    return `${INVALID} the length of '${shown(name)}' is longer than the max allowed length ${TOPIC_NAME_LENGTH_MAX}`;
  }
  if (!ALLOWED.test(name)) {
    return `${INVALID} '${shown(name)}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
  }
  return null;
}

function shown(name: string): string {
  return name.slice(0, TOPIC_NAME_LENGTH_MAX + 1).replace(UNPRINTABLE, '?');
}

/** Two names that differ only in "." and "_" collide in metric names; Kafka refuses the second. */
export function topicNamesCollide(a: string, b: string): boolean {
  return a !== b && a.replaceAll('.', '_') === b.replaceAll('.', '_');
}
