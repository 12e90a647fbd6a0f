import t from 'tap';
import { ByteReader } from '#src/base/byte-reader.js';
import { ByteWriter } from '#src/base/byte-writer.js';

t.test('what is written is read back', (t) => {
  const writer = new ByteWriter();
  writer.int8(-2);
  writer.int16(-300);
  writer.int32(-70_000);
  for (const value of [0, -1, 2 ** 32, -(2 ** 32), 2 ** 53 - 1, -(2 ** 53 - 1)])
    writer.int64(value);
  for (const value of [2 ** 63, 2 ** 64, -(2 ** 63), -(2 ** 64), 2 ** 60]) {
    writer.int64Rounded(value);
  }
  writer.float64(-0.1);
  writer.unsignedVarint(2 ** 32 - 1);
  writer.string('a漢');
  writer.raw(Buffer.from([7, 8]));
  writer.uuid('_____________________w');
  const reader = new ByteReader(writer.finish());
  t.equal(reader.int8(), -2);
  t.equal(reader.int16(), -300);
  t.equal(reader.int32(), -70_000);
  for (const value of [0, -1, 2 ** 32, -(2 ** 32), 2 ** 53 - 1, -(2 ** 53 - 1)]) {
    t.equal(reader.int64(), value);
  }
  t.equal(
    reader.view(8).reduce((text, byte) => text + byte.toString(16), ''),
    '7fffffffffffffff',
  );
  t.equal(reader.int64Rounded(), 2 ** 63, 'clamped');
  t.equal(reader.int64Rounded(), -(2 ** 63));
  t.equal(reader.int64Rounded(), -(2 ** 63), 'clamped');
  t.equal(reader.int64Rounded(), 2 ** 60);
  t.equal(reader.float64(), -0.1);
  t.equal(reader.unsignedVarint(), 2 ** 32 - 1);
  t.equal(reader.string(4), 'a漢');
  t.strictSame([...reader.view(2)], [7, 8]);
  t.strictSame([...reader.view(16)], new Array(16).fill(255));
  t.equal(reader.remaining, 0);
  t.end();
});

t.test('it grows, finishes with a copy of the exact size and serves again', (t) => {
  const writer = new ByteWriter();
  for (let i = 0; i < 100_000; i++) writer.int32(i);
  const first = writer.finish();
  t.equal(first.length, 400_000);
  writer.int8(1);
  const second = writer.finish();
  t.strictSame([...second], [1]);
  t.equal(first.readInt32BE(399_996), 99_999);
  t.ok(writer.bytes.length < 400_000, 'a big buffer is given back');
  t.end();
});

t.test('bytes are moved to make room before them', (t) => {
  const writer = new ByteWriter();
  writer.raw(Buffer.from('headbody'));
  writer.shift(4, 3);
  writer.bytes.write('---', 4);
  t.equal(writer.finish().toString(), 'head---body');
  t.end();
});

t.test('what does not fit an int64 or a uuid is an assertion', (t) => {
  const writer = new ByteWriter();
  for (const value of [2 ** 53, -(2 ** 53), 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => writer.int64(value), { name: 'AssertionError' });
  }
  for (const value of ['', 'AAAA', '*'.repeat(22), 'A'.repeat(23)]) {
    t.throws(() => writer.uuid(value), { name: 'AssertionError' });
  }
  t.end();
});
