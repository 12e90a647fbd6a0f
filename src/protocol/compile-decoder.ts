/**
 * Source of a decoder. In it
 *
 *     bytes, end     the frame and where it ends
 *     at             next byte; reader.position is behind it while no helper runs
 *     elements       array elements so far
 *
 * Neighbouring fields of fixed size are a run: one check against `end`, then loads at constant
 * distances from `at`. A length that precedes a string or an array is the last of its run.
 */

import { type Source, SourceBuilder } from './compile-source.js';
import { type FieldLayout, fieldSizeMin, type StructLayout } from './layout.js';

export function decoderSource(layout: StructLayout): Source {
  const out = new SourceBuilder();
  out.add(
    'const bytes = reader.bytes, end = reader.end;',
    'let at = reader.position, elements = 0, length = 0;',
  );
  const value = new StructDecoder(out, layout).emit();
  out.add('reader.position = at;', `return ${value};`);
  return out.finish();
}

/** Size on the wire and load of the fields that always have the same size. */
const FIXED: Readonly<Record<string, readonly [number, (at: (n: number) => string) => string]>> = {
  bool: [1, (b) => `${b(0)} !== 0`],
  int8: [1, (b) => `${b(0)} << 24 >> 24`],
  int16: [2, (b) => `(${b(0)} << 24 >> 16) | ${b(1)}`],
  uint16: [2, (b) => `(${b(0)} << 8) | ${b(1)}`],
  int32: [4, (b) => int32At(b, 0)],
  uint32: [4, (b) => `(${int32At(b, 0)}) >>> 0`],
  int64: [8, (b) => `(${int32At(b, 0)}) * 4294967296 + ((${int32At(b, 4)}) >>> 0)`],
};

function int32At(b: (n: number) => string, n: number): string {
  return `(${b(n)} << 24) | (${b(n + 1)} << 16) | (${b(n + 2)} << 8) | ${b(n + 3)}`;
}

class StructDecoder {
  readonly #out: SourceBuilder;
  readonly #layout: StructLayout;
  /** Loads that wait for the check of their run. */
  #run: string[] = [];
  #runSize = 0;

  constructor(out: SourceBuilder, layout: StructLayout) {
    this.#out = out;
    this.#layout = layout;
  }

  /** Emits the struct; answers the object literal that it ends as. */
  emit(): string {
    const { body, tagged, flexible, all } = this.#layout;
    const values = new Map<FieldLayout, string>();
    for (const field of body) values.set(field, this.#field(field));
    this.#endRun();
    if (flexible) this.#taggedSection(tagged, values);
    const properties = all.map((field) => {
      const value = values.get(field) ?? this.#out.literal(field.field.default);
      return `${field.name}: ${value}`;
    });
    return `{ ${properties.join(', ')} }`;
  }

  #taggedSection(tagged: readonly FieldLayout[], values: Map<FieldLayout, string>): void {
    const out = this.#out;
    for (const field of tagged) {
      const name = out.name('t');
      out.add(`let ${name} = ${out.literal(field.field.default)};`);
      values.set(field, name);
    }
    out.add('if (at < end && bytes[at] === 0) at++;', 'else {', 'reader.position = at;');
    if (tagged.length === 0) {
      out.add('skipTaggedSection(reader);', 'at = reader.position;', '}');
      return;
    }
    const [count, tag, size, stop] = ['count', 'tag', 'size', 'stop'].map((n) => out.name(n));
    out.add(
      `let ${count} = tagCount(reader);`,
      'at = reader.position;',
      `for (; ${count} > 0; ${count}--) {`,
      'reader.position = at;',
      `const ${tag} = reader.unsignedVarint(), ${size} = reader.unsignedVarint();`,
      'at = reader.position;',
      `if (${size} > end - at) reader.take(${size});`,
      `const ${stop} = at + ${size};`,
      `switch (${tag}) {`,
    );
    for (const field of tagged) {
      out.add(`case ${field.field.tag}: {`);
      const value = this.#field(field);
      this.#endRun();
      out.add(`${values.get(field)} = ${value};`, 'break;', '}');
    }
    out.add(
      `default: at = ${stop};`,
      '}',
      `if (at !== ${stop}) {`,
      'reader.position = at;',
      `reader.fail('tagged field ' + ${tag} + ' is not ' + ${size} + ' bytes');`,
      '}',
      '}',
      '}',
    );
  }

  /** Emits one field; answers an expression for it that holds after `#endRun`. */
  #field(field: FieldLayout): string {
    const fixed = FIXED[field.field.kind];
    if (fixed !== undefined) return this.#fixed(field, fixed);
    const out = this.#out;
    const name = out.name('v');
    switch (field.field.kind) {
      case 'float64':
        this.#byReader(name, 'reader.float64()');
        break;
      case 'uuid':
        this.#uuid(name);
        break;
      case 'string':
        this.#length(2);
        this.#value(name, field, () => {
          out.add(
            'if (length < 0 || length > STRING_SIZE_MAX || length > end - at) {',
            'reader.position = at;',
            'reader.shortString(length);',
            '}',
            `${name} = length === 0 ? '' : bytes.toString("utf8", at, at + length);`,
            'at += length;',
          );
        });
        break;
      case 'bytes':
      case 'records': {
        const take = field.field.kind === 'bytes' ? 'copy' : 'view';
        this.#length(4);
        this.#value(name, field, () => {
          out.add(
            'reader.position = at;',
            `${name} = reader.${take}(length);`,
            'at = reader.position;',
          );
        });
        break;
      }
      case 'array':
        this.#length(4);
        this.#value(name, field, () => this.#array(name, field));
        break;
      case 'struct':
        this.#struct(name, field);
        break;
    }
    return name;
  }

  #fixed(
    field: FieldLayout,
    [size, load]: readonly [number, (at: (n: number) => string) => string],
  ): string {
    const name = this.#out.name('v');
    const from = this.#runSize;
    this.#run.push(`const ${name} = ${load((n) => `bytes[at + ${from + n}]`)};`);
    this.#runSize += size;
    if (field.field.kind === 'int64' && !field.field.rounded) {
      this.#run.push(
        `if (${name} > 9007199254740991 || ${name} < -9007199254740991) {`,
        `reader.position = at + ${from};`,
        'reader.int64();',
        '}',
      );
    }
    return name;
  }

  #uuid(name: string): void {
    const from = this.#runSize;
    this.#run.push(`const ${name} = bytes.toString("base64url", at + ${from}, at + ${from + 16});`);
    this.#runSize += 16;
  }

  #byReader(name: string, expression: string): void {
    this.#endRun();
    this.#out.add(
      'reader.position = at;',
      `const ${name} = ${expression};`,
      'at = reader.position;',
    );
  }

  /** Sets `length`, -1 for null; the inflexible form has `size` bytes. */
  #length(size: 2 | 4): void {
    if (!this.#layout.flexible) {
      const load = (FIXED[size === 2 ? 'int16' : 'int32'] as (typeof FIXED)[string])[1];
      const from = this.#runSize;
      this.#run.push(`length = ${load((n) => `bytes[at + ${from + n}]`)};`);
      this.#runSize += size;
      this.#endRun();
      return;
    }
    this.#endRun();
    this.#out.add(
      'if (at < end && (length = bytes[at]) < 128) at++;',
      'else {',
      'reader.position = at;',
      'length = reader.unsignedVarint();',
      'at = reader.position;',
      '}',
      'length--;',
    );
  }

  /** Emits `name`: null if `length` is -1 and the field may be, else what `read` assigns. */
  #value(name: string, field: FieldLayout, read: () => void): void {
    const out = this.#out;
    out.add(`let ${name} = null;`, 'if (length === -1) {');
    if (!field.nullable) {
      out.add('reader.position = at;', `reader.fail(${JSON.stringify(`${field.path} is null`)});`);
    }
    out.add('} else {');
    read();
    out.add('}');
  }

  #array(name: string, field: FieldLayout): void {
    const out = this.#out;
    const element = field.element as FieldLayout;
    const sizeMin = fieldSizeMin(element, this.#layout.flexible);
    const [count, index] = [out.name('n'), out.name('i')];
    out.add(
      `const ${count} = length;`,
      `elements += ${count};`,
      `if (${count} < 0 || ${count} * ${sizeMin} > end - at || elements > ELEMENTS_MAX) {`,
      'reader.position = at;',
      `reader.checkCount(${count}, ${sizeMin});`,
      `reader.fail('more than ' + ELEMENTS_MAX + ' array elements');`,
      '}',
      `${name} = [];`,
      `for (let ${index} = 0; ${index} < ${count}; ${index}++) {`,
    );
    if (element.struct !== null && !element.nullable) {
      out.add(`${name}.push(${new StructDecoder(out, element.struct).emit()});`);
    } else {
      const value = this.#field(element);
      this.#endRun();
      out.add(`${name}.push(${value});`);
    }
    out.add('}');
  }

  #struct(name: string, field: FieldLayout): void {
    const out = this.#out;
    this.#endRun();
    out.add(`let ${name} = null;`);
    if (field.nullable) {
      // -1 says null, but 0 in a tagged section.
      const [mark, least] = [out.name('mark'), field.field.tag < 0 ? 0 : 1];
      out.add(
        'if (at >= end) { reader.position = at; reader.int8(); }',
        `const ${mark} = bytes[at++];`,
        `if (${mark} >= ${least} && ${mark} < 128) {`,
      );
    } else {
      out.add('{');
    }
    const value = new StructDecoder(out, field.struct as StructLayout).emit();
    out.add(`${name} = ${value};`, '}');
  }

  #endRun(): void {
    if (this.#runSize === 0) return;
    this.#out.add(
      `if (end - at < ${this.#runSize}) { reader.position = at; reader.take(${this.#runSize}); }`,
      ...this.#run,
      `at += ${this.#runSize};`,
    );
    this.#run = [];
    this.#runSize = 0;
  }
}
