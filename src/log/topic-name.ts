/**
 * Topic names: Kafka's whitelist. A name becomes a directory, so nothing else may reach a path; the
 * bound leaves room for the partition and for the suffix of a directory that is being deleted.
 */

export const TOPIC_NAME_LENGTH_MAX = 249;

const ALLOWED = /^[a-zA-Z0-9._-]+$/;

/** What is wrong with `name` as a topic name, or null. The message echoes nothing unprintable. */
export function topicNameProblem(name: string): string | null {
  if (name.length === 0) return 'the empty string is not allowed';
  if (name === '.' || name === '..') return `'${name}' is not allowed`;
  if (name.length > TOPIC_NAME_LENGTH_MAX) {
    return `the length of the name is longer than the maximum allowed length ${TOPIC_NAME_LENGTH_MAX}`;
  }
  if (!ALLOWED.test(name)) {
    return "the name contains characters other than ASCII alphanumerics, '.', '_' and '-'";
  }
  return null;
}

/** Two names that differ only in "." and "_" collide in metric names; Kafka refuses the second. */
export function topicNamesCollide(a: string, b: string): boolean {
  return a !== b && a.replaceAll('.', '_') === b.replaceAll('.', '_');
}
