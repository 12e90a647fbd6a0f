/**
 * The schema language: one const per API describes every version of its request and response.
 *
 *     export const fetch = api({
 *       key: 1, name: 'Fetch', versions: '4-18', flexible: '12+',
 *       request: {
 *         maxWaitMs: int32({ doc: '...' }),
 *         topics: array({
 *           topic: string({ versions: '0-12' }),
 *           topicId: uuid({ versions: '13+' }),
 *           partitions: array({ partition: int32(), ... }),
 *         }),
 *       },
 *       response: { ... },
 *     });
 *
 * The order of the properties is the order on the wire; a field with a `tag` goes to the tagged
 * section at the end of its struct instead. A version is in a field when both `versions` and those
 * of the structs around it say so. TypeScript types are inferred from the const (`infer.ts`), the
 * codecs are compiled (`compile.ts`) or interpreted (`interpret.ts`) from it.
 *
 * Owns: field kinds, version ranges, defaults. Does not read or write bytes.
 */

import { assert } from '../base/assert.js';
import type { Chunk } from '../base/chunk.js';

/** `4-18` both inclusive, `13+` from 13 on, `0` that one version. */
export type Versions = `${number}-${number}` | `${number}+` | `${number}`;

export interface VersionRange {
  readonly min: number;
  /** Inclusive. */
  readonly max: number;
}

export type ScalarKind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'float64'
  | 'uuid'
  | 'string'
  | 'bytes'
  | 'records';

export type FieldKind = ScalarKind | 'array' | 'struct';

export interface FieldOptions<Default> {
  /** Message versions that have the field; all, if absent. */
  readonly versions?: Versions;
  /** Message versions in which null may be sent. */
  readonly nullable?: Versions;
  /** Sent in the tagged section under this tag, in every version of `versions`, unless default. */
  readonly tag?: number;
  /** What a message without the field means; else 0, false, '', an empty array, the zero uuid. */
  readonly default?: Default;
  /**
   * Only for int64: values beyond +-(2^53 - 1) are rounded to the nearest double (and clamped to an
   * int64 on encode) instead of refused. For timestamps, which clients choose freely.
   */
  readonly rounded?: true;
  readonly doc?: string;
}

declare const decodedType: unique symbol;
declare const inputType: unique symbol;
declare const omittable: unique symbol;

/**
 * One field. `Decoded` is its type after decoding, `Input` what encoding takes, `Omittable`
 * whether an encoder's caller may leave it out. These three exist only for the type checker.
 */
export interface Field<Decoded = unknown, Input = unknown, Omittable extends boolean = boolean> {
  readonly kind: FieldKind;
  readonly versions: VersionRange;
  /** Never in range for a field that is not nullable. */
  readonly nullable: VersionRange;
  /** -1 for a field in the body. */
  readonly tag: number;
  /** The value of the field where it is not sent. Arrays and structs are frozen. */
  readonly default: unknown;
  readonly rounded: boolean;
  readonly doc: string;
  /** For kind array. */
  readonly element: Field | null;
  /** For kind struct. */
  readonly fields: Fields | null;
  readonly [decodedType]?: Decoded;
  readonly [inputType]?: Input;
  readonly [omittable]?: Omittable;
}

export type Fields = { readonly [name: string]: Field };

/** The type of a decoded struct: every field is there, in every version. */
export type DecodedOf<F extends Fields> = Flat<{
  readonly [K in keyof F]: F[K] extends Field<infer Decoded> ? Decoded : never;
}>;

type RequiredKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends Field<unknown, unknown, infer O> ? (O extends true ? never : K) : K;
}[keyof F];

type InputValue<F> = F extends Field<unknown, infer Input> ? Input : never;

/** The same type, which editors show as one object. */
type Flat<T> = T extends infer U ? { readonly [K in keyof U]: U[K] } : never;

/**
 * The type of a struct to be encoded. A field may be left out if it has a default, a tag, or is not
 * in all versions; a field that the version does not have is ignored.
 */
export type InputOf<F extends Fields> = Flat<
  { readonly [K in RequiredKeys<F>]: InputValue<F[K]> } & {
    readonly [K in Exclude<keyof F, RequiredKeys<F>>]?: InputValue<F[K]> | undefined;
  }
>;

type Nullable<T, O> = O extends { readonly nullable: Versions } ? T | null : T;

type CanOmit<O> = O extends
  | { readonly default: unknown }
  | { readonly tag: number }
  | { readonly versions: Versions }
  ? true
  : false;

type FieldOf<Decoded, Input, O> = Field<Nullable<Decoded, O>, Nullable<Input, O>, CanOmit<O>>;

const ALL: VersionRange = { min: 0, max: Number.POSITIVE_INFINITY };
const NONE: VersionRange = { min: 0, max: -1 };

/** Long.MAX_VALUE as a double: 2^63, written as 2^63 - 1 by the encoder of a `rounded` field. */
export const INT64_MAX = 2 ** 63;

/** The all-zero uuid in the form in which uuids are decoded. */
export const UUID_ZERO = 'AAAAAAAAAAAAAAAAAAAAAA';

function versionRange(versions: Versions): VersionRange {
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(versions);
  assert(match !== null, `not a version range: ${versions}`);
  const min = Number(match[1]);
  if (match[2] !== undefined) return { min, max: Number.POSITIVE_INFINITY };
  const max = match[3] === undefined ? min : Number(match[3]);
  assert(min <= max, `an empty version range: ${versions}`);
  return { min, max };
}

export function inRange(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max;
}

function field(
  kind: FieldKind,
  implied: unknown,
  options: FieldOptions<unknown>,
  element: Field | null = null,
  fields: Fields | null = null,
): Field {
  const nullable = options.nullable === undefined ? NONE : versionRange(options.nullable);
  const fallback = options.default === undefined ? implied : options.default;
  assert(fallback !== null || options.nullable !== undefined, 'a null default of what is not null');
  assert(options.rounded !== true || kind === 'int64', 'only an int64 is rounded');
  return {
    kind,
    versions: options.versions === undefined ? ALL : versionRange(options.versions),
    nullable,
    tag: options.tag ?? -1,
    default: fallback,
    rounded: options.rounded ?? false,
    doc: options.doc ?? '',
    element,
    fields,
  };
}

type Scalar<Decoded, Input = Decoded> = <
  const O extends FieldOptions<Decoded | null> = Record<never, never>,
>(
  options?: O,
) => FieldOf<Decoded, Input, O>;

function scalar<Decoded, Input = Decoded>(
  kind: ScalarKind,
  implied: unknown,
): Scalar<Decoded, Input> {
  return <const O extends FieldOptions<Decoded | null>>(options?: O) =>
    field(kind, implied, options ?? {}) as FieldOf<Decoded, Input, O>;
}

export const bool = scalar<boolean>('bool', false);
export const int8 = scalar<number>('int8', 0);
export const int16 = scalar<number>('int16', 0);
export const uint16 = scalar<number>('uint16', 0);
export const int32 = scalar<number>('int32', 0);
export const uint32 = scalar<number>('uint32', 0);
/** Refused beyond +-(2^53 - 1), unless `rounded`. */
export const int64 = scalar<number>('int64', 0);
export const float64 = scalar<number>('float64', 0);
/** 22 characters of base64url, as Kafka prints topic ids. */
export const uuid = scalar<string>('uuid', UUID_ZERO);
export const string = scalar<string>('string', '');
/** Decoded as a copy, so that it may be kept. */
export const bytes = scalar<Uint8Array>('bytes', Object.freeze(new Uint8Array(0)));
/**
 * Record batches. Decoded as a view into the frame (valid as long as the frame is), always possibly
 * null; encoded from chunks that go out by reference.
 */
export const records: <const O extends FieldOptions<null> = Record<never, never>>(
  options?: O,
) => Field<Uint8Array | null, Chunk | readonly Chunk[] | null, CanOmit<O>> = (options) =>
  field('records', null, { nullable: '0+', ...options }) as never;

type ArrayOptions = FieldOptions<readonly never[] | null>;
type NoOptions = Record<never, never>;
const EMPTY: readonly never[] = Object.freeze([]);

/** An array of structs, or of one kind of scalar: `array({ name: string() })`, `array(int32())`. */
export function array<D, I, const O extends ArrayOptions = NoOptions>(
  element: Field<D, I>,
  options?: O,
): FieldOf<readonly D[], readonly I[], O>;
export function array<F extends Fields, const O extends ArrayOptions = NoOptions>(
  element: F,
  options?: O,
): FieldOf<readonly DecodedOf<F>[], readonly InputOf<F>[], O>;
export function array(element: Field | Fields, options: ArrayOptions = {}): unknown {
  const inner = isField(element) ? element : struct(element);
  return field('array', EMPTY, options, inner);
}

/** A struct inside a struct. */
export function struct<F extends Fields, const O extends FieldOptions<null> = NoOptions>(
  fields: F,
  options?: O,
): FieldOf<DecodedOf<F>, InputOf<F>, O> {
  const settings = options ?? {};
  return field('struct', defaultStruct(fields), settings, null, fields) as FieldOf<
    DecodedOf<F>,
    InputOf<F>,
    O
  >;
}

function isField(element: Field | Fields): element is Field {
  return typeof element.kind === 'string';
}

function defaultStruct(fields: Fields): Readonly<Record<string, unknown>> {
  const value: Record<string, unknown> = {};
  for (const [name, { default: fallback }] of Object.entries(fields)) value[name] = fallback;
  return Object.freeze(value);
}

/** Request or response of one API, all versions. */
export interface Schema<F extends Fields = Fields> {
  /** For messages of errors: `FetchRequest`. */
  readonly name: string;
  readonly fields: F;
  readonly versions: VersionRange;
  readonly flexible: VersionRange;
}

export interface Api<Request extends Fields = Fields, Response extends Fields = Fields> {
  readonly key: number;
  readonly name: string;
  /** What encode and decode can do. */
  readonly versions: VersionRange;
  /**
   * What ApiVersions shows, if more than `versions`: old clients switch features off when a version
   * is missing that they never send.
   */
  readonly advertised: VersionRange;
  readonly flexible: VersionRange;
  readonly request: Schema<Request>;
  readonly response: Schema<Response>;
}

export interface ApiDefinition<Request extends Fields, Response extends Fields> {
  readonly key: number;
  readonly name: string;
  readonly versions: Versions;
  readonly advertised?: Versions;
  /** Versions with compact lengths and tagged sections; absent: none. */
  readonly flexible?: Versions;
  readonly request: Request;
  readonly response: Response;
}

export function api<Request extends Fields, Response extends Fields>(
  definition: ApiDefinition<Request, Response>,
): Api<Request, Response> {
  const { key, name, request, response } = definition;
  const versions = versionRange(definition.versions);
  const flexible = definition.flexible === undefined ? NONE : versionRange(definition.flexible);
  const advertised =
    definition.advertised === undefined ? versions : versionRange(definition.advertised);
  return {
    key,
    name,
    versions,
    advertised,
    flexible,
    request: { name: `${name}Request`, fields: request, versions, flexible },
    response: { name: `${name}Response`, fields: response, versions, flexible },
  };
}
