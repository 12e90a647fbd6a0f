/**
 * The TypeScript types of messages, inferred from their schema.
 *
 *     type FetchRequest = RequestOf<typeof fetch>;    // decoded: every field is there
 *     type FetchAnswer = ResponseInput<typeof fetch>; // to encode: fields with defaults optional
 *
 * A decoded message may be given to the encoder as it is.
 */

import type { Api, DecodedOf, InputOf } from './schema.js';

/** A request as it is decoded. */
export type RequestOf<A extends Api> = DecodedOf<A['request']['fields']>;
/** A response as it is decoded. */
export type ResponseOf<A extends Api> = DecodedOf<A['response']['fields']>;
/** A request as the encoder takes it. */
export type RequestInput<A extends Api> = InputOf<A['request']['fields']>;
/** A response as the encoder takes it. */
export type ResponseInput<A extends Api> = InputOf<A['response']['fields']>;

/** The element of an array field: `ElementOf<RequestOf<typeof fetch>['topics']>`. */
export type ElementOf<T> = NonNullable<T> extends readonly (infer Element)[] ? Element : never;
