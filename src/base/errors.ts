/**
 * Operating errors: typed, with a stable string code, a cause and fields. An expected outcome is a
 * value, not one of these; a programmer error is an assertion.
 */

export interface MillraceErrorOptions {
  /** Stable, upper snake case: part of the public API. */
  readonly code: string;
  readonly cause?: unknown;
  /** Whether the same call may succeed later without any change by the caller. */
  readonly retriable?: boolean;
}

export class MillraceError extends Error {
  override name = 'MillraceError';
  readonly code: string;
  readonly retriable: boolean;

  constructor(message: string, options: MillraceErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
    this.retriable = options.retriable ?? false;
  }
}
