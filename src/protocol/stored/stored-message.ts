/**
 * Messages that coordinators keep as keys and values of records in their internal topics: a version
 * (int16), then a body in the schema language.
 *
 *     export const key = stored({ name: 'TransactionLogKey', versions: '0', fields: { ... } });
 *     encodeStored(key, 0, { transactionalId })
 *     decodeStored(key, bytes)   // ProtocolError: not such a message
 *
 * The version is the one that the other side must know: in `__consumer_offsets` the version of a key
 * is its kind.
 */

import { assert } from '../../base/assert.js';
import { codecOf } from '../codec-cache.js';
import { MessageReader } from '../message-reader.js';
import { MessageWriter } from '../message-writer.js';
import { ProtocolError } from '../protocol-error.js';
import {
  api,
  type DecodedOf,
  type Fields,
  type InputOf,
  inRange,
  type Schema,
  type Versions,
} from '../schema.js';

export interface StoredDefinition<F extends Fields> {
  readonly name: string;
  readonly versions: Versions;
  /** Versions with compact lengths and tagged sections; absent: none. */
  readonly flexible?: Versions;
  readonly fields: F;
}

const VERSION_SIZE = 2;

/** Its memory is used again and again; what it answers is a copy. */
const sharedWriter = new MessageWriter();

export function stored<F extends Fields>(definition: StoredDefinition<F>): Schema<F> {
  const { name, fields, ...versions } = definition;
  return { ...api({ key: -1, name, ...versions, request: fields, response: {} }).request, name };
}

/** Version and body, in bytes of their own. */
export function encodeStored<F extends Fields>(
  schema: Schema<F>,
  version: number,
  message: InputOf<F>,
): Uint8Array {
  assert(inRange(schema.versions, version), `${schema.name} has no version ${version}`);
  try {
    sharedWriter.int16(version);
    codecOf(schema, version).encode(sharedWriter, message);
    return sharedWriter.finish();
  } finally {
    sharedWriter.reset();
  }
}

/** Throws a ProtocolError if the bytes are no such message, or of a version that is not known. */
export function decodeStored<F extends Fields>(schema: Schema<F>, bytes: Uint8Array): DecodedOf<F> {
  const version = storedVersionOf(bytes);
  if (!inRange(schema.versions, version)) {
    throw new ProtocolError(`${schema.name} has no version ${version}`);
  }
  const reader = new MessageReader(bytes, VERSION_SIZE);
  return codecOf(schema, version).decode(reader) as DecodedOf<F>;
}

/** The version alone; -1 if there is not even that. */
export function storedVersionOf(bytes: Uint8Array): number {
  if (bytes.length < VERSION_SIZE) return -1;
  return ((((bytes[0] as number) << 8) | (bytes[1] as number)) << 16) >> 16;
}
