/** Reads what Kafka's own classes wrote; test/golden/protocol/generator/ says how. */

import { readFileSync } from 'node:fs';
import type { MessageCodec } from '#src/protocol/message-codec.js';
import { MessageReader } from '#src/protocol/message-reader.js';
import { MessageWriter } from '#src/protocol/message-writer.js';
import { type Api, type Field, type Fields, inRange } from '#src/protocol/schema.js';

export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [name: string]: Json;
}

export interface GoldenFrame {
  readonly version: number;
  readonly request: boolean;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly body: JsonObject;
  /** Header and body, without the size. */
  readonly hex: string;
}

export interface ApiFacts {
  readonly key: number;
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly requestHeaders: readonly number[];
  readonly responseHeaders: readonly number[];
  /** By version range, `4-8`. */
  readonly request: Readonly<Record<string, readonly string[]>>;
  readonly response: Readonly<Record<string, readonly string[]>>;
}

export interface Facts {
  readonly kafka: string;
  readonly errors: readonly (readonly [number, string, boolean])[];
  readonly apis: readonly ApiFacts[];
}

const directory = new URL('../../../test/golden/protocol/', import.meta.url);

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, directory), 'utf8'));
}

export const facts = readJson('facts.json') as Facts;

export function goldenFrames(api: Api): readonly GoldenFrame[] {
  const name = api.name.replace(/(?<!^)([A-Z])/g, '-$1').toLowerCase();
  return readJson(`${String(api.key).padStart(2, '0')}-${name}.json`) as GoldenFrame[];
}

/** A decoded struct as the golden files have it: without the fields that the version lacks. */
export function toJson(fields: Fields, version: number, value: unknown): JsonObject {
  const json: JsonObject = {};
  for (const [name, field] of Object.entries(fields)) {
    const inner = (value as Record<string, unknown>)[name];
    if (inRange(field.versions, version)) json[name] = fieldToJson(field, version, inner);
    else if (inner !== field.default) throw new Error(`${name} is not at its default`);
  }
  return json;
}

function fieldToJson(field: Field, version: number, value: unknown): Json {
  if (value === null) return null;
  if (field.kind === 'bytes' || field.kind === 'records') {
    return Buffer.from(value as Uint8Array).toString('hex');
  }
  if (field.kind === 'struct') return toJson(field.fields as Fields, version, value);
  if (field.kind === 'array') {
    return (value as unknown[]).map((e) => fieldToJson(field.element as Field, version, e));
  }
  return value as Json;
}

/** What the encoder takes, from the golden form. */
export function fromJson(fields: Fields, json: JsonObject): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(json)) {
    value[name] = fieldFromJson(fields[name] as Field, inner);
  }
  return value;
}

function fieldFromJson(field: Field, json: Json): unknown {
  if (json === null) return null;
  if (field.kind === 'bytes' || field.kind === 'records') return Buffer.from(json as string, 'hex');
  if (field.kind === 'struct') return fromJson(field.fields as Fields, json as JsonObject);
  if (field.kind === 'array') {
    return (json as Json[]).map((e) => fieldFromJson(field.element as Field, e));
  }
  return json;
}

/** The body that a codec writes, as bytes. */
export function encodeBody(codec: MessageCodec, message: unknown): Buffer {
  const writer = new MessageWriter();
  writer.int32(0);
  codec.encode(writer, message);
  return Buffer.concat(writer.finishFrame() as Uint8Array[]).subarray(4);
}

/** The body that a codec reads, which must be all of `bytes`. */
export function decodeBody(codec: MessageCodec, bytes: Uint8Array): unknown {
  const reader = new MessageReader(bytes);
  const message = codec.decode(reader);
  if (reader.remaining !== 0) throw new Error(`${reader.remaining} bytes left`);
  return message;
}
