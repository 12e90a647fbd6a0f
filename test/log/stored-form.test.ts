import t from 'tap';
import { storedCodecOf } from '#src/log/stored-codec.js';
import { storedForm } from '#src/log/stored-form.js';
import { defaultBrokerLogSettings, deriveLogConfig } from '#src/log/topic-config.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { codecIdOf } from '#src/record/batch-view.js';

function configOf(overrides: Record<string, string>) {
  const derived = deriveLogConfig(defaultBrokerLogSettings, new Map(Object.entries(overrides)));
  if (!derived.ok) throw new Error(derived.message);
  return derived.config;
}

function batchOf(size: number): Uint8Array {
  const builder = new BatchBuilder({ compression: 'gzip' });
  builder.append({ timestamp: 1, key: null, value: Buffer.alloc(size), headers: [] });
  return builder.build();
}

t.test('compression.type and its level say what is stored', async (t) => {
  const levels = { gzip: -1, lz4: 9, zstd: 3 };
  t.equal(storedCodecOf('producer', levels), null);
  t.same(storedCodecOf('uncompressed', levels), { codec: 'none', level: null });
  t.same(storedCodecOf('gzip', levels), { codec: 'gzip', level: null });
  t.same(storedCodecOf('gzip', { ...levels, gzip: 4 }), { codec: 'gzip', level: 4 });
  t.same(storedCodecOf('snappy', levels), { codec: 'snappy', level: null });
  t.same(storedCodecOf('lz4', levels), { codec: 'lz4', level: 9 });
  t.same(storedCodecOf('zstd', { ...levels, zstd: 19 }), { codec: 'zstd', level: 19 });
});

t.test('a batch keeps its form, or gets another, or becomes too large by it', async (t) => {
  const batch = batchOf(5000);
  t.equal(storedForm(batch, configOf({})), batch);
  t.equal(storedForm(batch, configOf({ 'compression.type': 'gzip' })), batch);
  const plain = storedForm(batch, configOf({ 'compression.type': 'uncompressed' }));
  if (!(plain instanceof Uint8Array)) throw new Error(plain.message);
  t.equal(codecIdOf(plain, 0), 0);
  t.ok(plain.length > 5000);
  const small = configOf({ 'compression.type': 'uncompressed', 'max.message.bytes': '4000' });
  t.match(storedForm(batch, small), { error: 'MESSAGE_TOO_LARGE' });
});
