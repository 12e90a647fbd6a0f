/**
 * Decodes and encodes by walking the layout of a schema: the second implementation that the
 * compiled codecs are tested against, and what runs where code generation is not allowed.
 */

import { assert } from '../base/assert.js';
import {
  type FieldLayout,
  fieldSizeMin,
  isDefault,
  layoutOf,
  type StructLayout,
} from './layout.js';
import type { MessageCodec } from './message-codec.js';
import type { MessageReader } from './message-reader.js';
import { type MessageWriter, type RecordChunks, recordsSize } from './message-writer.js';
import type { Schema } from './schema.js';
import { skipTaggedSection, tagCount } from './tagged-section.js';

type Struct = Readonly<Record<string, unknown>>;

export function interpret(schema: Schema, version: number): MessageCodec {
  const layout = layoutOf(schema, version);
  return {
    decode: (reader) => readStruct(reader, layout),
    encode: (writer, message) => writeStruct(writer, layout, message as Struct),
  };
}

function readStruct(reader: MessageReader, layout: StructLayout): Struct {
  const value: Record<string, unknown> = {};
  for (const { name, field } of layout.all) value[name] = field.default;
  for (const inner of layout.body) value[inner.name] = readField(reader, inner, layout.flexible);
  if (!layout.flexible) return value;
  if (layout.tagged.length === 0) {
    skipTaggedSection(reader);
    return value;
  }
  for (let count = tagCount(reader); count > 0; count--) {
    const tag = reader.unsignedVarint();
    const size = reader.unsignedVarint();
    if (size > reader.remaining) reader.fail(`a tagged field of ${size} bytes`);
    const end = reader.position + size;
    const inner = layout.tagged.find(({ field }) => field.tag === tag);
    if (inner === undefined) reader.take(size);
    else value[inner.name] = readField(reader, inner, true);
    if (reader.position !== end) reader.fail(`tagged field ${tag} is not ${size} bytes`);
  }
  return value;
}

function readField(reader: MessageReader, layout: FieldLayout, flexible: boolean): unknown {
  switch (layout.field.kind) {
    case 'bool':
      return reader.int8() !== 0;
    case 'int8':
      return reader.int8();
    case 'int16':
      return reader.int16();
    case 'uint16':
      return reader.uint16();
    case 'int32':
      return reader.int32();
    case 'uint32':
      return reader.uint32();
    case 'int64':
      return layout.field.rounded ? reader.int64Rounded() : reader.int64();
    case 'float64':
      return reader.float64();
    case 'uuid':
      return reader.uuid();
    case 'string': {
      const size = flexible ? reader.unsignedVarint() - 1 : reader.int16();
      return size === -1 ? readNull(reader, layout) : reader.shortString(size);
    }
    case 'bytes':
    case 'records': {
      const size = flexible ? reader.unsignedVarint() - 1 : reader.int32();
      if (size === -1) return readNull(reader, layout);
      return layout.field.kind === 'bytes' ? reader.copy(size) : reader.view(size);
    }
    case 'array': {
      const count = flexible ? reader.unsignedVarint() - 1 : reader.int32();
      return count === -1 ? readNull(reader, layout) : readArray(reader, layout, flexible, count);
    }
    case 'struct':
      if (layout.nullable && reader.int8() < nullLimit(layout)) return null;
      return readStruct(reader, layout.struct as StructLayout);
  }
}

/** A struct is there if what stands before it is not below: -1 says null, but 0 in a tagged section. */
function nullLimit({ field }: FieldLayout): number {
  return field.tag < 0 ? 0 : 1;
}

function readNull(reader: MessageReader, layout: FieldLayout): null {
  if (!layout.nullable) reader.fail(`${layout.path} is null`);
  return null;
}

function readArray(
  reader: MessageReader,
  layout: FieldLayout,
  flexible: boolean,
  count: number,
): unknown[] {
  const element = layout.element as FieldLayout;
  reader.checkCount(count, fieldSizeMin(element, flexible));
  const values: unknown[] = [];
  for (let i = 0; i < count; i++) values.push(readField(reader, element, flexible));
  return values;
}

function writeStruct(writer: MessageWriter, layout: StructLayout, value: Struct): void {
  for (const inner of layout.body) writeField(writer, inner, layout.flexible, value[inner.name]);
  if (!layout.flexible) return;
  const sent = layout.tagged.filter((inner) => !isDefault(inner, value[inner.name]));
  writer.unsignedVarint(sent.length);
  for (const inner of sent) {
    writer.unsignedVarint(inner.field.tag);
    writer.int8(0);
    const start = writer.position;
    writeField(writer, inner, true, value[inner.name]);
    writer.closeTag(start);
  }
}

function writeField(
  writer: MessageWriter,
  layout: FieldLayout,
  flexible: boolean,
  given: unknown,
): void {
  const value = given === undefined ? layout.field.default : given;
  assert(value !== null || layout.nullable, `${layout.path} must not be null`);
  switch (layout.field.kind) {
    case 'bool':
      writer.int8(value === true ? 1 : 0);
      return;
    case 'int8':
      writer.int8(whole(layout, value, -(2 ** 7), 2 ** 7 - 1));
      return;
    case 'int16':
      writer.int16(whole(layout, value, -(2 ** 15), 2 ** 15 - 1));
      return;
    case 'uint16':
      writer.int16(whole(layout, value, 0, 2 ** 16 - 1));
      return;
    case 'int32':
      writer.int32(whole(layout, value, -(2 ** 31), 2 ** 31 - 1));
      return;
    case 'uint32':
      writer.int32(whole(layout, value, 0, 2 ** 32 - 1));
      return;
    case 'int64':
      if (layout.field.rounded) writer.int64Rounded(value as number);
      else writer.int64(value as number);
      return;
    case 'float64':
      writer.float64(value as number);
      return;
    case 'uuid':
      writer.uuid(value as string);
      return;
    case 'string':
      if (!flexible) writer.nullableString(value as string | null);
      else if (value === null) writer.int8(0);
      else writer.compactString(value as string);
      return;
    case 'bytes': {
      const bytes = value as Uint8Array | null;
      writeLength(writer, flexible, bytes === null ? -1 : bytes.length);
      if (bytes !== null) writer.raw(bytes);
      return;
    }
    case 'records': {
      const chunks = value as RecordChunks | null;
      writeLength(writer, flexible, chunks === null ? -1 : recordsSize(chunks));
      if (chunks !== null) writer.records(chunks);
      return;
    }
    case 'array': {
      const elements = value as readonly unknown[] | null;
      writeLength(writer, flexible, elements === null ? -1 : elements.length);
      const element = layout.element as FieldLayout;
      if (elements !== null) for (const e of elements) writeField(writer, element, flexible, e);
      return;
    }
    case 'struct':
      if (layout.nullable) writer.int8(value === null ? nullLimit(layout) - 1 : 1);
      if (value !== null) writeStruct(writer, layout.struct as StructLayout, value as Struct);
      return;
  }
}

function writeLength(writer: MessageWriter, flexible: boolean, length: number): void {
  if (flexible) writer.unsignedVarint(length + 1);
  else writer.int32(length);
}

/** A number is checked here always: this is the slow way in any case. */
function whole(layout: FieldLayout, value: unknown, min: number, max: number): number {
  const number = value as number;
  assert(
    Number.isInteger(number) && number >= min && number <= max,
    `${layout.path} cannot be ${String(value)}`,
  );
  return number;
}
