/** Kafka's errors by name or by number, as tests write them. */

import { errorCodes } from '../protocol/error-codes.js';

export { errorCodes };

/** The code; null if there is none of that name or number. */
export function codeOf(error: string | number): number | null {
  if (typeof error === 'number') {
    return Object.values(errorCodes).includes(error as never) ? error : null;
  }
  return Object.hasOwn(errorCodes, error) ? errorCodes[error as keyof typeof errorCodes] : null;
}
