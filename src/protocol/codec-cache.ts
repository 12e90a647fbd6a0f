/**
 * The codec of a (schema, version): made when it is first wanted, compiled where the runtime allows
 * code generation, else interpreted. MILLRACE_CODEGEN=0 forces the interpreter.
 */

import { canCompile, compile } from './compile.js';
import { interpret } from './interpret.js';
import type { MessageCodec } from './message-codec.js';
import type { Schema } from './schema.js';

const make = process.env['MILLRACE_CODEGEN'] !== '0' && canCompile() ? compile : interpret;

const cache = new WeakMap<Schema, MessageCodec[]>();

export function codecOf(schema: Schema, version: number): MessageCodec {
  let codecs = cache.get(schema);
  if (codecs === undefined) {
    codecs = [];
    cache.set(schema, codecs);
  }
  let codec = codecs[version];
  if (codec === undefined) {
    codec = make(schema, version);
    codecs[version] = codec;
  }
  return codec;
}
