/** The one error that decoding throws, whatever the bytes. */

import { MillraceError } from '../base/errors.js';

export class ProtocolError extends MillraceError {
  override name = 'ProtocolError';

  constructor(message: string) {
    super(message, { code: 'INVALID_REQUEST' });
  }
}
