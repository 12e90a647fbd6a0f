/**
 * Request and response headers.
 *
 *     request   v1: api key int16 | api version int16 | correlation id int32 | client id string?
 *               v2: the same, then a tagged section      (flexible versions)
 *     response  v0: correlation id int32
 *               v1: the same, then a tagged section      (flexible versions, but never ApiVersions)
 *
 * The client id has a 16-bit length in v2 too. An ApiVersions response has header v0 in every
 * version, because a client reads it before it knows what the broker speaks. A frame here is what
 * follows the 4-byte size.
 */

import { ByteReader } from '../base/byte-reader.js';
import { ProtocolError } from './protocol-error.js';
import { type Api, inRange } from './schema.js';
import { skipTaggedSection } from './tagged-section.js';

const API_VERSIONS_KEY = 18;

export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** The schema of `apiKey`; undefined if there is none. Its version may still be unknown. */
  readonly api: Api | undefined;
  /** Where the body starts in the frame. Means nothing if the API or version is not known. */
  readonly bodyPosition: number;
}

export interface ResponseHeader {
  readonly correlationId: number;
  readonly bodyPosition: number;
}

/** 1 or 2. */
export function requestHeaderVersion(api: Api, version: number): number {
  return inRange(api.flexible, version) ? 2 : 1;
}

/** 0 or 1. */
export function responseHeaderVersion(api: Api, version: number): number {
  return inRange(api.flexible, version) && api.key !== API_VERSIONS_KEY ? 1 : 0;
}

/**
 * Reads the header of a request frame, of unknown keys and versions too: ApiVersions has to be
 * answered whatever its version, and a log line wants to know who sent what. Throws a
 * ProtocolError if not even the correlation id is there, or if what follows is malformed in a
 * version that has a schema. `apiByKey` is the table to look in: api-table's, which loads every
 * schema, or that of the APIs which the caller serves.
 */
export function decodeRequestHeader(
  frame: Uint8Array,
  apiByKey: (key: number) => Api | undefined,
): RequestHeader {
  const reader = new ByteReader(frame, 0, frame.length, ProtocolError);
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const api = apiByKey(apiKey);
  let clientId: string | null = null;
  try {
    clientId = reader.nullableString(reader.int16());
    if (api !== undefined && requestHeaderVersion(api, apiVersion) === 2) skipTaggedSection(reader);
  } catch (error) {
    if (api !== undefined && inRange(api.versions, apiVersion)) throw error;
  }
  return { apiKey, apiVersion, correlationId, clientId, api, bodyPosition: reader.position };
}

/** Reads the header of a response frame; the caller knows from its request which it is. */
export function decodeResponseHeader(api: Api, version: number, frame: Uint8Array): ResponseHeader {
  const reader = new ByteReader(frame, 0, frame.length, ProtocolError);
  const correlationId = reader.int32();
  if (responseHeaderVersion(api, version) === 1) skipTaggedSection(reader);
  return { correlationId, bodyPosition: reader.position };
}
