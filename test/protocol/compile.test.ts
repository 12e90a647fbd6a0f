import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import t from 'tap';
import { apis } from '#src/protocol/api-table.js';
import { canCompile, compile } from '#src/protocol/compile.js';
import { interpret } from '#src/protocol/interpret.js';
import {
  api,
  array,
  bytes,
  float64,
  int8,
  int64,
  string,
  struct,
  uint16,
  uint32,
  uuid,
} from '#src/protocol/schema.js';
import { decodeBody, encodeBody } from './golden.js';
import { messageArbitrary } from './random-message.js';

const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 2 ** 31);
const RUNS_PER_SCHEMA = 12;

/** Every kind of field in every place, also those that no API of Kafka has yet. */
const exotic = api({
  key: 999,
  name: 'Exotic',
  versions: '0-2',
  flexible: '1+',
  request: {
    floats: array(float64()),
    unsigned: uint32(),
    small: uint16({ versions: '1+', default: 7 }),
    inner: struct({ a: int8(), b: string({ versions: '2+' }) }, { nullable: '0-1' }),
    taggedText: string({ versions: '1+', tag: 3, nullable: '2+', default: 'x' }),
    taggedFloat: float64({ versions: '1+', tag: 200 }),
    taggedUuid: uuid({ versions: '2+', tag: 1 }),
    taggedBytes: bytes({ versions: '1+', tag: 0, nullable: '1+', default: null }),
    taggedStruct: struct(
      { x: int64(), deep: struct({ y: int8({ default: 5 }) }, { versions: '2+', tag: 0 }) },
      { versions: '1+', tag: 7, nullable: '1+' },
    ),
    taggedArray: array({ z: bytes(), w: array(array(uuid())) }, { versions: '1+', tag: 2 }),
  },
  response: {},
});

t.test('compiled and interpreted codecs do the same with random messages', (t) => {
  t.comment(`seed ${seed}; MILLRACE_SEED repeats it`);
  t.ok(canCompile());
  for (const { request, response, versions, name } of [exotic, ...apis]) {
    for (let version = versions.min; version <= versions.max; version++) {
      for (const schema of [request, response]) {
        const compiled = compile(schema, version);
        const interpreted = interpret(schema, version);
        const property = fc.property(messageArbitrary(schema.fields, version), (message) => {
          const encoded = encodeBody(compiled, message);
          assert.equal(encodeBody(interpreted, message).toString('hex'), encoded.toString('hex'));
          const decoded = decodeBody(compiled, encoded);
          assert.deepStrictEqual(decodeBody(interpreted, encoded), decoded);
          assert.equal(encodeBody(compiled, decoded).toString('hex'), encoded.toString('hex'));
        });
        const runs = schema === exotic.request ? 500 : RUNS_PER_SCHEMA;
        fc.assert(property, { seed, numRuns: runs });
      }
    }
    t.pass(name);
  }
  t.end();
});

t.test('without code generation the interpreter serves', (t) => {
  const codec = new URL('../../../dist/protocol/codec.js', import.meta.url);
  const message = new URL(
    '../../../dist/protocol/messages/60-describe-cluster.js',
    import.meta.url,
  );
  const program = `
    import { encodeRequest } from '${codec}';
    import { describeCluster } from '${message}';
    const chunks = encodeRequest(describeCluster, 0, 1, null, {
      includeClusterAuthorizedOperations: true,
    });
    console.log(Buffer.concat(chunks).toString('hex'));
  `;
  const run = (options: string[], env: NodeJS.ProcessEnv = {}) =>
    execFileSync(process.execPath, [...options, '--input-type=module', '--eval', program], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    }).trim();
  const expected = run([]);
  t.equal(expected, '0000000d003c000000000001ffff000100');
  t.equal(run([], { MILLRACE_CODEGEN: '0' }), expected);
  t.equal(run(['--disallow-code-generation-from-strings']), expected);
  t.end();
});
