/**
 * Assertions for programmer errors. Input from disk or network is validated, never asserted.
 *
 * A message is made at every call, not only when it is needed: where code is hot it is a constant.
 *
 * `assert` is always on and must be cheap. `verify` is for costly checks: it runs only when
 * MILLRACE_VERIFY=1, which every test run sets.
 */

export class AssertionError extends Error {
  override name = 'AssertionError';
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a place that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}

export const verifying = process.env['MILLRACE_VERIFY'] === '1';

/** Runs `check` only when costly checks are on; it returns true, or the assertion fails. */
export function verify(check: () => boolean, message: string): void {
  if (verifying && !check()) throw new AssertionError(message);
}
