/** What interpreter and compiler both make of a (schema, version). */

import type { MessageReader } from './message-reader.js';
import type { MessageWriter } from './message-writer.js';

export interface MessageCodec {
  /** Decodes from the position of the reader and leaves it after the body. */
  decode(reader: MessageReader): unknown;
  /** Encodes at the position of the writer; undefined fields take their default. */
  encode(writer: MessageWriter, message: unknown): void;
}
