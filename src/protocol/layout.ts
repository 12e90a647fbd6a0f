/**
 * What one version of a schema looks like: the plan that the interpreter walks and the compiler
 * unrolls. Made once per (schema, version).
 */

import { assert } from '../base/assert.js';
import { type Field, type Fields, inRange, type Schema } from './schema.js';

export interface FieldLayout {
  readonly name: string;
  /** For messages of errors: `FetchRequest.topics.partitions`. */
  readonly path: string;
  readonly field: Field;
  readonly nullable: boolean;
  /** For an array; its name and path are those of the array. */
  readonly element: FieldLayout | null;
  /** For a struct. */
  readonly struct: StructLayout | null;
}

export interface StructLayout {
  /** All fields of the schema, also those that the version lacks. */
  readonly all: readonly FieldLayout[];
  /** Fields of the version in the order of the wire. */
  readonly body: readonly FieldLayout[];
  /** Tagged fields of the version in the order of their tags. */
  readonly tagged: readonly FieldLayout[];
  readonly flexible: boolean;
  /** Fewest bytes it takes on the wire; at least 1. */
  readonly sizeMin: number;
}

export function layoutOf(schema: Schema, version: number): StructLayout {
  assert(inRange(schema.versions, version), `${schema.name} has no version ${version}`);
  return structLayout(schema.name, schema.fields, version, inRange(schema.flexible, version));
}

function structLayout(
  path: string,
  fields: Fields,
  version: number,
  flexible: boolean,
): StructLayout {
  const all = Object.entries(fields).map(([name, field]) =>
    fieldLayout(name, `${path}.${name}`, field, version, flexible),
  );
  const present = all.filter(({ field }) => inRange(field.versions, version));
  const body = present.filter(({ field }) => field.tag < 0);
  const tagged = present
    .filter(({ field }) => field.tag >= 0)
    .sort((a, b) => a.field.tag - b.field.tag);
  assert(flexible || tagged.length === 0, `${path} has tags in inflexible version ${version}`);
  assert(
    new Set(tagged.map(({ field }) => field.tag)).size === tagged.length,
    `${path}: tag twice`,
  );
  let sizeMin = flexible ? 1 : 0;
  for (const layout of body) sizeMin += fieldSizeMin(layout, flexible);
  return { all, body, tagged, flexible, sizeMin: Math.max(1, sizeMin) };
}

function fieldLayout(
  name: string,
  path: string,
  field: Field,
  version: number,
  flexible: boolean,
): FieldLayout {
  const { element, fields } = field;
  return {
    name,
    path,
    field,
    nullable: inRange(field.nullable, version),
    element: element === null ? null : fieldLayout(name, path, element, version, flexible),
    struct: fields === null ? null : structLayout(path, fields, version, flexible),
  };
}

/** Fewest bytes of a field on the wire. */
export function fieldSizeMin(layout: FieldLayout, flexible: boolean): number {
  switch (layout.field.kind) {
    case 'bool':
    case 'int8':
      return 1;
    case 'int16':
    case 'uint16':
      return 2;
    case 'int32':
    case 'uint32':
      return 4;
    case 'int64':
    case 'float64':
      return 8;
    case 'uuid':
      return 16;
    case 'string':
      return flexible ? 1 : 2;
    case 'bytes':
    case 'records':
    case 'array':
      return flexible ? 1 : 4;
    case 'struct':
      return layout.nullable ? 1 : (layout.struct as StructLayout).sizeMin;
  }
}

/**
 * Whether a tagged field need not be sent. A struct is at its default when all its fields are; an
 * array or bytes when it is as empty, or as null, as its default.
 */
export function isDefault(layout: FieldLayout, value: unknown): boolean {
  if (value === undefined) return true;
  const fallback = layout.field.default;
  if (value === null || fallback === null) return value === fallback;
  switch (layout.field.kind) {
    case 'array':
    case 'bytes':
      return (value as ArrayLike<unknown>).length === 0;
    case 'struct': {
      const { body, tagged } = layout.struct as StructLayout;
      const fields = value as Readonly<Record<string, unknown>>;
      const same = (inner: FieldLayout): boolean => isDefault(inner, fields[inner.name]);
      return body.every(same) && tagged.every(same);
    }
    default:
      return value === fallback;
  }
}
