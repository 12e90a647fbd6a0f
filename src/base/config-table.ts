/**
 * Config tables: one typed table per scope (topic, broker, ...) with name, type, default, range and
 * doc of each config. The same table feeds the parser, the validator, DescribeConfigs and the docs.
 *
 *     const table = new ConfigTable({ 'segment.bytes': int({ default: 2 ** 30, min: 14, doc: '...' }) });
 *     const { values, problems } = table.parse(new Map([['segment.bytes', '4096']]));
 *     values['segment.bytes'] // number
 *
 * Bad input is a value (a problem with a message), never a throw. Texts are what Kafka's tools read
 * and write: "true", "9223372036854775807", "delete,compact".
 */

import { assert } from './assert.js';

export type ConfigType =
  | 'boolean'
  | 'string'
  | 'int'
  | 'short'
  | 'long'
  | 'double'
  | 'list'
  | 'class'
  | 'password';

export type ConfigValue = boolean | number | string | readonly string[] | null;

/** Where a change takes effect without a restart, in Kafka's words. */
export type ConfigUpdateMode = 'read-only' | 'per-broker' | 'cluster-wide';

export type ConfigImportance = 'high' | 'medium' | 'low';

/** Largest int64. As a number it is 2^63; its text is exact. */
export const LONG_MAX = 2 ** 63;

interface FieldOptions<D> {
  readonly default: D;
  readonly doc: string;
  /** Other names accepted for this config; they never appear in answers. */
  readonly aliases?: readonly string[];
  /** Default 'read-only'. */
  readonly update?: ConfigUpdateMode;
  readonly importance?: ConfigImportance;
}

interface NumberOptions<D> extends FieldOptions<D> {
  /** Inclusive. */
  readonly min?: number;
  /** Inclusive. */
  readonly max?: number;
  /** A further rule: answers what is wrong, or null. */
  readonly check?: (text: string) => string | null;
}

interface TextOptions<D> extends FieldOptions<D> {
  /** The only texts allowed; of a list, the only items. */
  readonly values?: readonly string[];
  /** A further rule: answers what is wrong, or null. */
  readonly check?: (text: string) => string | null;
}

export interface ConfigField<V extends ConfigValue = ConfigValue> {
  readonly type: ConfigType;
  readonly default: V;
  readonly doc: string;
  readonly aliases: readonly string[];
  readonly update: ConfigUpdateMode;
  readonly importance: ConfigImportance;
  readonly min: number | null;
  readonly max: number | null;
  readonly values: readonly string[] | null;
  readonly check: ((text: string) => string | null) | null;
}

/** A config whose default is null has null among its values. */
type Or<D, V> = D extends null ? V | null : V;

export function boolean<D extends boolean | null>(
  options: FieldOptions<D>,
): ConfigField<Or<D, boolean>> {
  return field('boolean', options, {});
}

export function int<D extends number | null>(
  options: NumberOptions<D>,
): ConfigField<Or<D, number>> {
  return field('int', options, { min: -(2 ** 31), max: 2 ** 31 - 1 });
}

export function short<D extends number | null>(
  options: NumberOptions<D>,
): ConfigField<Or<D, number>> {
  return field('short', options, { min: -(2 ** 15), max: 2 ** 15 - 1 });
}

export function long<D extends number | null>(
  options: NumberOptions<D>,
): ConfigField<Or<D, number>> {
  return field('long', options, { min: -LONG_MAX, max: LONG_MAX });
}

export function double<D extends number | null>(
  options: NumberOptions<D>,
): ConfigField<Or<D, number>> {
  return field('double', options, {});
}

export function string<D extends string | null>(
  options: TextOptions<D>,
): ConfigField<Or<D, string>> {
  return field('string', options, {});
}

/** A class name in Kafka; here a name that a table of ours resolves. */
export function className<D extends string | null>(
  options: TextOptions<D>,
): ConfigField<Or<D, string>> {
  return field('class', options, {});
}

/** Its value is never described. */
export function password<D extends string | null>(
  options: TextOptions<D>,
): ConfigField<Or<D, string>> {
  return field('password', options, {});
}

export function list<D extends readonly string[] | null>(
  options: TextOptions<D>,
): ConfigField<Or<D, readonly string[]>> {
  return field('list', options, {});
}

function field<V extends ConfigValue>(
  type: ConfigType,
  options: NumberOptions<unknown> & TextOptions<unknown>,
  range: { min?: number; max?: number },
): ConfigField<V> {
  return {
    type,
    default: options.default as V,
    doc: options.doc,
    aliases: options.aliases ?? [],
    update: options.update ?? 'read-only',
    importance: options.importance ?? 'medium',
    min: options.min ?? range.min ?? null,
    max: options.max ?? range.max ?? null,
    values: options.values ?? null,
    check: options.check ?? null,
  };
}

export type ConfigFields = Readonly<Record<string, ConfigField>>;

export type ConfigValuesOf<F extends ConfigFields> = {
  readonly [Name in keyof F]: F[Name] extends ConfigField<infer V> ? V : never;
};

export interface ConfigProblem {
  readonly name: string;
  readonly message: string;
}

export type ParsedValue =
  | { readonly ok: true; readonly value: ConfigValue }
  /** `text`: the part that is wrong. */
  | { readonly ok: false; readonly message: string; readonly text?: string };

export interface ParsedConfig<F extends ConfigFields> {
  /** Every config of the table; where the text was bad or absent, the default. */
  readonly values: ConfigValuesOf<F>;
  /** Texts of the configs that were given and good, by their table names. */
  readonly texts: ReadonlyMap<string, string>;
  readonly problems: readonly ConfigProblem[];
  /** Names given that are not in the table. */
  readonly unknown: readonly string[];
}

export class ConfigTable<const F extends ConfigFields> {
  readonly fields: F;
  /** Sorted. */
  readonly names: readonly string[];
  #aliases = new Map<string, string>();

  constructor(fields: F) {
    this.fields = fields;
    this.names = Object.keys(fields).sort();
    for (const name of this.names) {
      const own = fields[name] as ConfigField;
      this.#aliases.set(name, name);
      for (const alias of own.aliases) {
        assert(!this.#aliases.has(alias) && !(alias in fields), `config name used twice: ${alias}`);
        this.#aliases.set(alias, name);
      }
      assert(
        own.default === null || parseConfigValue(own, formatConfigValue(own, own.default)).ok,
        `the default of ${name} breaks its own rule`,
      );
    }
  }

  /** The table's name for `name`, which may be an alias; undefined if it is unknown. */
  canonicalName(name: string): string | undefined {
    return this.#aliases.get(name);
  }

  /** Of a name or alias. */
  field(name: string): ConfigField | undefined {
    const canonical = this.#aliases.get(name);
    return canonical === undefined ? undefined : this.fields[canonical];
  }

  parse(entries: Iterable<readonly [name: string, text: string]>): ParsedConfig<F> {
    const values: Record<string, ConfigValue> = {};
    for (const name of this.names) values[name] = (this.fields[name] as ConfigField).default;
    const texts = new Map<string, string>();
    const problems: ConfigProblem[] = [];
    const unknown: string[] = [];
    for (const [given, text] of entries) {
      const name = this.#aliases.get(given);
      if (name === undefined) {
        unknown.push(given);
        continue;
      }
      const parsed = parseConfigValue(this.fields[name] as ConfigField, text);
      if (parsed.ok) {
        values[name] = parsed.value;
        texts.set(name, text);
      } else {
        problems.push({
          name,
          message: invalidValueText(name, text, parsed),
        });
      }
    }
    return { values: values as ConfigValuesOf<F>, texts, problems, unknown };
  }

  /** The text of the default, null if there is none. */
  defaultText(name: string): string | null {
    const own = this.fields[name];
    assert(own !== undefined, `no config ${name}`);
    return own.default === null ? null : formatConfigValue(own, own.default);
  }
}

/** What to say of a text that `parseConfigValue` refused, in Kafka's words. */
export function invalidValueText(
  name: string,
  text: string,
  refused: Extract<ParsedValue, { ok: false }>,
): string {
  return `Invalid value ${refused.text ?? text} for configuration ${name}: ${refused.message}`;
}

/** Parses and checks one text. */
export function parseConfigValue(own: ConfigField, text: string): ParsedValue {
  const trimmed = text.trim();
  switch (own.type) {
    case 'boolean': {
      const lower = trimmed.toLowerCase();
      if (lower !== 'true' && lower !== 'false')
        return bad('Expected value to be either true or false');
      return { ok: true, value: lower === 'true' };
    }
    case 'int':
    case 'short':
    case 'long':
      return parseWhole(own, trimmed);
    case 'double': {
      const value = trimmed === '' ? Number.NaN : Number(trimmed);
      return Number.isFinite(value) ? inRange(own, value) : bad('Not a number of type DOUBLE');
    }
    case 'list': {
      const items = trimmed === '' ? [] : trimmed.split(',').map((item) => item.trim());
      for (const item of items) {
        const problem = textProblem(own, item);
        if (problem !== null) return { ok: false, message: problem, text: item };
      }
      return { ok: true, value: items };
    }
    default: {
      const problem = textProblem(own, text);
      return problem === null ? { ok: true, value: text } : bad(problem);
    }
  }
}

/** The text of a value, as DescribeConfigs shows it. */
export function formatConfigValue(own: ConfigField, value: Exclude<ConfigValue, null>): string {
  if (typeof value === 'object') return value.join(',');
  if (own.type === 'long' && typeof value === 'number') {
    return value >= LONG_MAX ? '9223372036854775807' : BigInt(value).toString();
  }
  return String(value);
}

/** "[0,...,2147483647]" or "[a, b]", for docs; empty when anything goes. */
export function configRangeText(own: ConfigField): string {
  if (own.values !== null) return `[${own.values.join(', ')}]`;
  const full = own.type === 'int' ? 2 ** 31 : own.type === 'short' ? 2 ** 15 : LONG_MAX;
  const low = own.min === null || own.min === -full ? '' : String(own.min);
  const high = own.max === null || own.max >= full - 1 ? '' : String(own.max);
  if (low === '' && high === '') return '';
  return `[${[low, '...', high].filter((part) => part !== '').join(',')}]`;
}

function parseWhole(own: ConfigField, text: string): ParsedValue {
  if (!/^[+-]?\d{1,19}$/.test(text)) return bad(`Not a number of type ${own.type.toUpperCase()}`);
  const exact = BigInt(text.startsWith('+') ? text.slice(1) : text);
  if (exact > 2n ** 63n - 1n || exact < -(2n ** 63n)) return bad('Not a number of type LONG');
  return inRange(own, Number(exact));
}

function inRange(own: ConfigField, value: number): ParsedValue {
  if (own.min !== null && value < own.min) return bad(`Value must be at least ${own.min}`);
  if (own.max !== null && value > own.max) return bad(`Value must be no more than ${own.max}`);
  const problem = own.check === null ? null : own.check(String(value));
  return problem === null ? { ok: true, value } : bad(problem);
}

function textProblem(own: ConfigField, text: string): string | null {
  if (own.values !== null && !own.values.includes(text)) {
    return `String must be one of: ${own.values.join(', ')}`;
  }
  return own.check === null ? null : own.check(text);
}

function bad(message: string): ParsedValue {
  return { ok: false, message };
}
