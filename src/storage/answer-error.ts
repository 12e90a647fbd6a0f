/** Errors of the library have a stable code: Kafka's name where it has one. */

import { MillraceError } from '../base/errors.js';

export function answerError(code: string, message: string, cause?: unknown): MillraceError {
  return new MillraceError(message, { code, cause });
}
