import { createRequire } from 'node:module';
import t from 'tap';
import { compressionNames } from '#src/record/compression/codec.js';
import { codecByName } from '#src/record/compression/codecs.js';
import { compressWasm } from '#src/record/compression/zstd-wasm.js';
import '#src/record/validate-batch.js';

/** The codec libraries that this process has loaded. */
function loaded(): string[] {
  const paths = Object.keys(createRequire(import.meta.url).cache);
  const names = paths.map((path) => /node_modules\/(snappy|lz4-napi|@bokuweb)\//.exec(path)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}

t.test('a codec’s library is loaded when it is first used, and not before', (t) => {
  t.same(loaded(), [], 'a broker that only stores batches has none');
  codecByName('gzip').compress(Buffer.from('x'));
  t.same(loaded(), []);
  codecByName('lz4').compress(Buffer.from('x'));
  t.same(loaded(), ['lz4-napi']);
  for (const name of compressionNames) codecByName(name).compress(Buffer.from('x'));
  compressWasm(Buffer.from('x'), 1);
  t.same(loaded(), ['@bokuweb', 'lz4-napi', 'snappy']);
  t.end();
});
