/**
 * Encoding and decoding of requests and responses: the door of this room.
 *
 *     broker   const header = decodeRequestHeader(frame, apiByKey); // headers.ts
 *              const body = decodeRequest(fetch, header.apiVersion, frame, header.bodyPosition);
 *              const chunks = encodeResponse(fetch, version, header.correlationId, { ... });
 *
 *     client   const chunks = encodeRequest(fetch, version, correlationId, clientId, { ... });
 *              const { bodyPosition } = decodeResponseHeader(fetch, version, frame);
 *              const body = decodeResponse(fetch, version, frame, bodyPosition);
 *
 * A frame is what follows the 4-byte size; encoded chunks include it. Chunks are to be written in
 * order: small things are in one buffer, records go between its parts by reference, so whoever
 * gets the chunks owns the file slices in them; if encoding throws, they stay with the caller.
 *
 * Decoding: every field of the schema is set, those that the version lacks to their default;
 * `records` are views into the frame, all else is copied out of it; strings that are not UTF-8 get
 * U+FFFD where they are not, as in Kafka; bytes after the body are ignored, as Kafka ignores them;
 * unknown tagged fields are skipped, and dropped. Whatever the bytes, decoding throws nothing but a
 * ProtocolError, and allocates in proportion to the frame: a count is checked against the bytes
 * that are left before anything is made of it, and a message has at most ELEMENTS_MAX array
 * elements. An int64 beyond +-(2^53 - 1) is refused, except in `rounded` fields.
 *
 * Encoding: missing fields take their default, fields that the version lacks are ignored (so a
 * handler fills in one answer for all versions). Values that do not fit their type are programmer
 * errors: cheap ones are asserted always, the rest under MILLRACE_VERIFY=1.
 *
 * The version must be one of `api.versions`: check with `supports` first, decoding throws a
 * ProtocolError otherwise, encoding asserts.
 */

import { assert } from '../base/assert.js';
import type { Chunk } from '../base/chunk.js';
import { codecOf } from './codec-cache.js';
import { requestHeaderVersion, responseHeaderVersion } from './headers.js';
import type { RequestInput, RequestOf, ResponseInput, ResponseOf } from './infer.js';
import { MessageReader } from './message-reader.js';
import { MessageWriter } from './message-writer.js';
import { ProtocolError } from './protocol-error.js';
import { type Api, inRange, type Schema } from './schema.js';

/** Whether `version` of the API can be decoded and encoded. */
export function supports(api: Api, version: number): boolean {
  return inRange(api.versions, version);
}

/** Decodes the body of a request that starts at `position` of `frame`. */
export function decodeRequest<A extends Api>(
  api: A,
  version: number,
  frame: Uint8Array,
  position: number,
): RequestOf<A> {
  return decodeMessage(api.request, version, frame, position) as RequestOf<A>;
}

/** Decodes the body of a response that starts at `position` of `frame`. */
export function decodeResponse<A extends Api>(
  api: A,
  version: number,
  frame: Uint8Array,
  position: number,
): ResponseOf<A> {
  return decodeMessage(api.response, version, frame, position) as ResponseOf<A>;
}

/** Encodes a request with size prefix and header. */
export function encodeRequest<A extends Api>(
  api: A,
  version: number,
  correlationId: number,
  clientId: string | null,
  body: RequestInput<A>,
): Chunk[] {
  return encodeFrame(api.request, version, body, (writer) => {
    writer.int16(api.key);
    writer.int16(version);
    writer.int32(correlationId);
    writer.nullableString(clientId);
    if (requestHeaderVersion(api, version) === 2) writer.int8(0);
  });
}

/** Encodes a response with size prefix and header. */
export function encodeResponse<A extends Api>(
  api: A,
  version: number,
  correlationId: number,
  body: ResponseInput<A>,
): Chunk[] {
  return encodeFrame(api.response, version, body, (writer) => {
    writer.int32(correlationId);
    if (responseHeaderVersion(api, version) === 1) writer.int8(0);
  });
}

function decodeMessage(
  schema: Schema,
  version: number,
  frame: Uint8Array,
  position: number,
): unknown {
  if (!inRange(schema.versions, version)) {
    throw new ProtocolError(`${schema.name} has no version ${version}`);
  }
  const reader = new MessageReader(frame, position);
  return codecOf(schema, version).decode(reader);
}

const sharedWriter = new MessageWriter();

function encodeFrame(
  schema: Schema,
  version: number,
  body: unknown,
  writeHeader: (writer: MessageWriter) => void,
): Chunk[] {
  assert(inRange(schema.versions, version), 'a version of this message');
  const writer = sharedWriter;
  try {
    writer.int32(0);
    writeHeader(writer);
    codecOf(schema, version).encode(writer, body);
    return writer.finishFrame();
  } finally {
    writer.reset();
  }
}
