/** `millrace/protocol`: Kafka's messages, both directions, all versions. */

export type { Chunk, FileSlice } from '../base/chunk.js';
export { apiByKey, apis } from '../protocol/api-table.js';
export {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  supports,
} from '../protocol/codec.js';
export {
  type ErrorCode,
  type ErrorName,
  errorCodes,
  errorMessage,
  errorName,
  isRetriable,
} from '../protocol/error-codes.js';
export {
  decodeRequestHeader,
  decodeResponseHeader,
  type RequestHeader,
  type ResponseHeader,
} from '../protocol/headers.js';
export type { RequestInput, RequestOf, ResponseInput, ResponseOf } from '../protocol/infer.js';
export { ProtocolError } from '../protocol/protocol-error.js';
export type { Api, VersionRange } from '../protocol/schema.js';
