/**
 * Compiles a (schema, version) to source and that to functions with `new Function`: one straight
 * function for decoding and one for encoding, all structs inlined. Some seven times as fast as the
 * interpreter (bench/protocol-codec.bench.ts).
 *
 * Source is made from schemas alone, which are constants of this program; nothing that comes from
 * a file or the network gets into it.
 */

import { assert } from '../base/assert.js';
import { writeFloat64, writeInt64, writeInt64Rounded, writeUuid } from '../base/byte-writer.js';
import { decoderSource } from './compile-decoder.js';
import { encoderSource } from './compile-encoder.js';
import type { Source } from './compile-source.js';
import { isDefault, layoutOf } from './layout.js';
import type { MessageCodec } from './message-codec.js';
import { ELEMENTS_MAX, STRING_SIZE_MAX } from './message-reader.js';
import { recordsSize } from './message-writer.js';
import type { Schema } from './schema.js';
import { skipTaggedSection, tagCount } from './tagged-section.js';

/** What generated source may name. */
const helpers = {
  ELEMENTS_MAX,
  STRING_SIZE_MAX,
  skipTaggedSection,
  tagCount,
  writeInt64,
  writeInt64Rounded,
  writeFloat64,
  writeUuid,
  recordsSize,
  isDefault,
  notNull(path: string): never {
    assert(false, `${path} must not be null`);
  },
  /** Under MILLRACE_VERIFY=1 only. */
  checkWhole(value: number, min: number, max: number, path: string): void {
    assert(
      Number.isInteger(value) && value >= min && value <= max,
      `${path} cannot be ${String(value)}`,
    );
  },
};

/** Source is made when a function is first called: a broker never encodes a request. */
export function compile(schema: Schema, version: number): MessageCodec {
  const layout = layoutOf(schema, version);
  const codec: MessageCodec = {
    decode(reader) {
      codec.decode = build(decoderSource(layout), 'reader') as MessageCodec['decode'];
      return codec.decode(reader);
    },
    encode(writer, message) {
      codec.encode = build(encoderSource(layout), 'writer, message') as MessageCodec['encode'];
      codec.encode(writer, message);
    },
  };
  return codec;
}

/** Whether this runtime makes functions from source; it may be told not to. */
export function canCompile(): boolean {
  try {
    return new Function('return true')() === true;
  } catch {
    return false;
  }
}

function build({ source, constants }: Source, parameters: string): unknown {
  const names = Object.keys(helpers);
  const make = new Function(
    ...names,
    'constants',
    `'use strict';\nreturn function (${parameters}) {\n${source}};`,
  );
  return make(...Object.values(helpers), constants);
}
