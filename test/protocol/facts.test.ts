import t from 'tap';
import { apis } from '#src/protocol/api-table.js';
import { errorCodes, errorName, isRetriable } from '#src/protocol/error-codes.js';
import { requestHeaderVersion, responseHeaderVersion } from '#src/protocol/headers.js';
import { type FieldLayout, layoutOf, type StructLayout } from '#src/protocol/layout.js';
import { INT64_MAX, UUID_ZERO } from '#src/protocol/schema.js';
import { facts } from './golden.js';

const SCALARS: Readonly<Record<string, string>> = {
  bool: 'BOOLEAN',
  int8: 'INT8',
  int16: 'INT16',
  uint16: 'UINT16',
  int32: 'INT32',
  uint32: 'UINT32',
  int64: 'INT64',
  float64: 'FLOAT64',
  uuid: 'UUID',
};

/** The lines that facts.json has for a struct. */
function structLines(prefix: string, struct: StructLayout): string[] {
  const lines = struct.body.flatMap((layout) => fieldLines(prefix, '', layout, struct.flexible));
  if (!struct.flexible) return lines;
  lines.push(`${prefix}(tagged section)`);
  for (const layout of struct.tagged) {
    lines.push(...fieldLines(prefix, `tag ${layout.field.tag} `, layout, true));
  }
  return lines;
}

function fieldLines(prefix: string, tag: string, layout: FieldLayout, flexible: boolean): string[] {
  const { element, struct, name } = layout;
  const path = `${prefix}${name}`;
  const line = `${path} ${tag}${typeName(layout, flexible)}`;
  const fallback = struct === null ? ` = ${defaultText(layout)}` : '';
  const inner = struct ?? element?.struct ?? null;
  return [line + fallback, ...(inner === null ? [] : structLines(`${path}.`, inner))];
}

function typeName(layout: FieldLayout, flexible: boolean): string {
  const compact = flexible ? 'COMPACT_' : '';
  const nullable = layout.nullable ? 'NULLABLE_' : '';
  switch (layout.field.kind) {
    case 'string':
      return `${compact}${nullable}STRING`;
    case 'bytes':
      return `${compact}${nullable}BYTES`;
    case 'records':
      return `${compact}RECORDS`;
    case 'struct':
      return 'STRUCT';
    case 'array':
      return `${nullable}${compact}ARRAY(${typeName(layout.element as FieldLayout, flexible)})`;
    default:
      return SCALARS[layout.field.kind] as string;
  }
}

function defaultText(layout: FieldLayout): string {
  const { default: value, kind } = layout.field;
  if (value === null) return 'null';
  if (kind === 'array') return '[]';
  if (kind === 'bytes') return 'empty';
  if (value === INT64_MAX) return '9223372036854775807';
  if (kind === 'float64') return (value as number).toFixed(1);
  return String(value);
}

t.test('every message has the fields that Kafka has, in every version', (t) => {
  for (const api of apis) {
    const fact = facts.apis.find(({ key }) => key === api.key);
    if (fact === undefined) {
      t.fail(`no facts of ${api.name}`);
      continue;
    }
    t.equal(api.name, fact.name);
    t.same(api.versions, { min: fact.min, max: fact.max }, `${api.name}: versions`);
    for (const direction of ['request', 'response'] as const) {
      for (let version = fact.min; version <= fact.max; version++) {
        const expected = Object.entries(fact[direction]).find(([range]) => {
          const [from, to] = range.split('-').map(Number) as [number, number];
          return version >= from && version <= to;
        })?.[1];
        const lines = structLines('', layoutOf(api[direction], version));
        t.strictSame(lines, expected, `${api.name} ${direction} ${version}`);
      }
    }
  }
  t.equal(UUID_ZERO.length, 22);
  t.end();
});

t.test('headers have the versions that Kafka gives them', (t) => {
  for (const fact of facts.apis) {
    const api = apis.find(({ key }) => key === fact.key);
    if (api === undefined) continue;
    fact.requestHeaders.forEach((expected, i) => {
      t.equal(requestHeaderVersion(api, fact.min + i), expected, `${api.name} ${fact.min + i}`);
    });
    fact.responseHeaders.forEach((expected, i) => {
      t.equal(responseHeaderVersion(api, fact.min + i), expected, `${api.name} ${fact.min + i}`);
    });
  }
  t.end();
});

t.test('error codes are those of Kafka', (t) => {
  t.equal(Object.keys(errorCodes).length, facts.errors.length);
  for (const [code, name, retriable] of facts.errors) {
    const ours = errorName(code);
    if (ours === undefined) {
      t.fail(`no error ${code}`);
      continue;
    }
    t.equal(ours, name);
    t.equal(errorCodes[ours], code);
    t.equal(isRetriable(ours), retriable, `${name} retriable`);
  }
  t.equal(errorName(9999), undefined);
  t.end();
});
