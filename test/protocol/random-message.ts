/** Random messages of a schema, for fast-check. */

import fc from 'fast-check';
import { type Field, type Fields, inRange } from '#src/protocol/schema.js';

const SAFE_MAX = Number.MAX_SAFE_INTEGER;

/** A message for the encoder: fields may be missing, or not be in the version. */
export function messageArbitrary(
  fields: Fields,
  version: number,
): fc.Arbitrary<Record<string, unknown>> {
  const arbitraries: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = fieldArbitrary(field, version);
    const nullable = inRange(field.nullable, version);
    arbitraries[name] = fc.oneof(
      { weight: 8, arbitrary: value },
      { weight: 1, arbitrary: fc.constant(undefined) },
      { weight: nullable ? 2 : 0, arbitrary: fc.constant(null) },
    );
  }
  return fc.record(arbitraries);
}

function fieldArbitrary(field: Field, version: number): fc.Arbitrary<unknown> {
  switch (field.kind) {
    case 'bool':
      return fc.boolean();
    case 'int8':
      return fc.integer({ min: -128, max: 127 });
    case 'int16':
      return fc.integer({ min: -32768, max: 32767 });
    case 'uint16':
      return fc.integer({ min: 0, max: 65535 });
    case 'int32':
      return fc.integer();
    case 'uint32':
      return fc.integer({ min: 0, max: 2 ** 32 - 1 });
    case 'int64':
      return field.rounded
        ? fc.oneof(fc.maxSafeInteger(), fc.constantFrom(2 ** 63, -(2 ** 63), 2 ** 60, -(2 ** 53)))
        : fc.integer({ min: -SAFE_MAX, max: SAFE_MAX });
    case 'float64':
      return fc.double();
    case 'uuid':
      return bytesArbitrary(16, 16).map((bytes) => bytes.toString('base64url'));
    case 'string':
      return fc.oneof(
        { weight: 9, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
        { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 40, maxLength: 300 }) },
      );
    case 'bytes':
    case 'records':
      return bytesArbitrary(0, 200);
    case 'array':
      return fc.array(fieldArbitrary(field.element as Field, version), { maxLength: 4 });
    case 'struct':
      return messageArbitrary(field.fields as Fields, version);
  }
}

function bytesArbitrary(minLength: number, maxLength: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ minLength, maxLength }).map((bytes) => Buffer.from(bytes));
}
