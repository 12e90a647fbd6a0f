/**
 * Source of an encoder. In it
 *
 *     bytes    the buffer of the writer; a helper may have replaced it, so it is loaded again then
 *     at       next byte; writer.position is behind it while no helper runs
 *
 * As in the decoder, neighbouring fields of fixed size are a run: room is made once, then bytes are
 * stored at constant distances from `at`.
 */

import { verifying } from '../base/assert.js';
import { type Source, SourceBuilder } from './compile-source.js';
import type { FieldLayout, StructLayout } from './layout.js';

export function encoderSource(layout: StructLayout): Source {
  const out = new SourceBuilder();
  out.add('let bytes = writer.bytes, at = writer.position;');
  new StructEncoder(out, layout, 'message').emit();
  out.add('writer.position = at;');
  return out.finish();
}

/** Size and range of the integers that are stored byte by byte. */
const INTEGERS: Readonly<Record<string, readonly [size: number, min: number, max: number]>> = {
  int8: [1, -(2 ** 7), 2 ** 7 - 1],
  int16: [2, -(2 ** 15), 2 ** 15 - 1],
  uint16: [2, 0, 2 ** 16 - 1],
  int32: [4, -(2 ** 31), 2 ** 31 - 1],
  uint32: [4, 0, 2 ** 32 - 1],
};

class StructEncoder {
  readonly #out: SourceBuilder;
  readonly #layout: StructLayout;
  readonly #value: string;
  #run: string[] = [];
  #runSize = 0;

  /** `value` is the expression of the struct. */
  constructor(out: SourceBuilder, layout: StructLayout, value: string) {
    this.#out = out;
    this.#layout = layout;
    this.#value = value;
  }

  emit(): void {
    const { body, tagged, flexible } = this.#layout;
    for (const field of body) this.#field(field, this.#load(field));
    if (flexible && tagged.length === 0) this.#byte('0');
    this.#endRun();
    if (tagged.length > 0) this.#taggedSection(tagged);
  }

  /** Loads a field of the struct, or its default; answers the variable. */
  #load(field: FieldLayout): string {
    const name = this.#out.name('v');
    this.#run.push(
      `let ${name} = ${this.#value}.${field.name};`,
      `if (${name} === undefined) ${name} = ${this.#out.literal(field.field.default)};`,
    );
    return name;
  }

  #taggedSection(tagged: readonly FieldLayout[]): void {
    const out = this.#out;
    const count = out.name('count');
    out.add(`let ${count} = 0;`);
    const sent = tagged.map((field) => {
      const [value, has] = [out.name('v'), out.name('has')];
      out.add(
        `const ${value} = ${this.#value}.${field.name};`,
        `const ${has} = ${value} !== undefined && !isDefault(${out.literal(field)}, ${value});`,
        `if (${has}) ${count}++;`,
      );
      return { field, value, has };
    });
    this.#helper(`writer.unsignedVarint(${count})`);
    for (const { field, value, has } of sent) {
      const start = out.name('start');
      out.add(`if (${has}) {`);
      this.#helper(`writer.unsignedVarint(${field.field.tag})`);
      this.#byte('0');
      this.#endRun();
      out.add(`const ${start} = at;`);
      this.#field(field, value);
      this.#endRun();
      this.#helper(`writer.closeTag(${start})`);
      out.add('}');
    }
  }

  /** Emits a field whose value is in the variable `value`. */
  #field(field: FieldLayout, value: string): void {
    const { kind, rounded } = field.field;
    const integer = INTEGERS[kind];
    if (integer !== undefined) {
      this.#integer(field, value, integer);
      return;
    }
    switch (kind) {
      case 'bool':
        this.#byte(`${value} === true ? 1 : 0`);
        return;
      case 'int64':
        this.#store(8, rounded ? 'writeInt64Rounded' : 'writeInt64', value);
        return;
      case 'float64':
        this.#store(8, 'writeFloat64', value);
        return;
      case 'uuid':
        this.#store(16, 'writeUuid', value);
        return;
      case 'string':
        this.#string(field, value);
        return;
      case 'bytes':
        this.#lengthAnd(field, value, `${value}.length`, () => {
          this.#helper(`writer.raw(${value})`);
        });
        return;
      case 'records':
        this.#lengthAnd(field, value, `recordsSize(${value})`, () => {
          this.#helper(`writer.records(${value})`);
        });
        return;
      case 'array':
        this.#lengthAnd(field, value, `${value}.length`, () => this.#elements(field, value));
        return;
      case 'struct':
        this.#struct(field, value);
        return;
    }
  }

  #elements(field: FieldLayout, value: string): void {
    const out = this.#out;
    const element = field.element as FieldLayout;
    const [index, item] = [out.name('i'), out.name('e')];
    out.add(
      `for (let ${index} = 0; ${index} < ${value}.length; ${index}++) {`,
      `const ${item} = ${value}[${index}];`,
    );
    this.#field(element, item);
    this.#endRun();
    out.add('}');
  }

  #struct(field: FieldLayout, value: string): void {
    const out = this.#out;
    const struct = field.struct as StructLayout;
    if (!field.nullable) {
      this.#endRun();
      new StructEncoder(out, struct, value).emit();
      return;
    }
    this.#byte(`${value} === null ? ${field.field.tag < 0 ? 255 : 0} : 1`);
    this.#endRun();
    out.add(`if (${value} !== null) {`);
    new StructEncoder(out, struct, value).emit();
    out.add('}');
  }

  #string(field: FieldLayout, value: string): void {
    this.#endRun();
    const write = this.#layout.flexible ? 'compactString' : 'shortString';
    this.#orNull(field, value, this.#layout.flexible ? ['0'] : ['255', '255'], () => {
      this.#helper(`writer.${write}(${value})`);
    });
  }

  /** Emits a length, then `write`; or null. */
  #lengthAnd(field: FieldLayout, value: string, length: string, write: () => void): void {
    const { flexible } = this.#layout;
    this.#endRun();
    this.#orNull(field, value, flexible ? ['0'] : ['255', '255', '255', '255'], () => {
      this.#helper(flexible ? `writer.unsignedVarint(${length} + 1)` : `writer.int32(${length})`);
      write();
    });
  }

  #orNull(field: FieldLayout, value: string, nullBytes: string[], write: () => void): void {
    const out = this.#out;
    out.add(`if (${value} === null) {`);
    if (field.nullable) {
      for (const byte of nullBytes) this.#byte(byte);
      this.#endRun();
    } else {
      out.add(`notNull(${JSON.stringify(field.path)});`);
    }
    out.add('} else {');
    write();
    out.add('}');
  }

  #integer(field: FieldLayout, value: string, [size, min, max]: readonly number[]): void {
    if (verifying) {
      this.#run.push(`checkWhole(${value}, ${min}, ${max}, ${JSON.stringify(field.path)});`);
    }
    for (let shift = ((size as number) - 1) * 8; shift >= 0; shift -= 8) {
      this.#byte(shift === 0 ? value : `${value} >> ${shift}`);
    }
  }

  #byte(expression: string): void {
    this.#run.push(`bytes[at + ${this.#runSize}] = ${expression};`);
    this.#runSize++;
  }

  #store(size: number, write: string, value: string): void {
    this.#run.push(`${write}(bytes, at + ${this.#runSize}, ${value});`);
    this.#runSize += size;
  }

  /** Calls the writer, which may move to another buffer. */
  #helper(call: string): void {
    this.#endRun();
    this.#out.add(
      'writer.position = at;',
      `${call};`,
      'bytes = writer.bytes;',
      'at = writer.position;',
    );
  }

  #endRun(): void {
    if (this.#runSize > 0) {
      this.#out.add(
        `if (bytes.length - at < ${this.#runSize}) {`,
        'writer.position = at;',
        `bytes = writer.reserve(${this.#runSize});`,
        '}',
      );
    }
    this.#out.add(...this.#run);
    if (this.#runSize > 0) this.#out.add(`at += ${this.#runSize};`);
    this.#run = [];
    this.#runSize = 0;
  }
}
