import t from 'tap';
import { ByteReader, MalformedBytesError } from '#src/base/byte-reader.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

t.test('values are read in order, big-endian', (t) => {
  const reader = new ByteReader(
    hex(
      'ff ff 8000 ffff 80000000 ffffffff ffffffffffffffff 0020000000000000 3ff8000000000000 ac02 ' +
        'c3a9 0001 7f',
    ),
  );
  t.equal(reader.int8(), -1);
  t.equal(reader.uint8(), 255);
  t.equal(reader.int16(), -32768);
  t.equal(reader.uint16(), 65535);
  t.equal(reader.int32(), -(2 ** 31));
  t.equal(reader.uint32(), 2 ** 32 - 1);
  t.equal(reader.int64(), -1);
  t.equal(reader.int64Rounded(), 2 ** 53);
  t.equal(reader.float64(), 1.5);
  t.equal(reader.unsignedVarint(), 300);
  t.equal(reader.string(2), 'é');
  t.equal(reader.nullableString(-1), null);
  t.equal(reader.nullableString(0), '');
  t.strictSame([...reader.view(2)], [0, 1]);
  t.equal(reader.remaining, 1);
  t.end();
});

t.test('a view shares memory, a copy does not', (t) => {
  const bytes = hex('01020304');
  const reader = new ByteReader(bytes);
  const view = reader.view(2);
  const copy = reader.copy(2);
  bytes.fill(9);
  t.strictSame([...view], [9, 9]);
  t.strictSame([...copy], [3, 4]);
  t.not(copy.buffer, bytes.buffer);
  t.equal(copy.buffer.byteLength, 2);
  t.end();
});

t.test('a uuid is 22 characters of base64url', (t) => {
  t.equal(new ByteReader(new Uint8Array(16)).uuid(), 'AAAAAAAAAAAAAAAAAAAAAA');
  t.equal(new ByteReader(new Uint8Array(16).fill(255)).uuid(), '_____________________w');
  t.end();
});

t.test('nothing is read past the end of the range, or before its start', (t) => {
  const bytes = Buffer.alloc(64, 0x80);
  const reads: readonly ((reader: ByteReader) => unknown)[] = [
    (reader) => reader.int8(),
    (reader) => reader.uint8(),
    (reader) => reader.int16(),
    (reader) => reader.uint16(),
    (reader) => reader.int32(),
    (reader) => reader.uint32(),
    (reader) => reader.int64(),
    (reader) => reader.int64Rounded(),
    (reader) => reader.float64(),
    (reader) => reader.uuid(),
    (reader) => reader.unsignedVarint(),
    (reader) => reader.string(1),
    (reader) => reader.view(1),
    (reader) => reader.copy(1),
    (reader) => reader.take(1),
  ];
  for (const read of reads) {
    t.throws(() => read(new ByteReader(bytes, 10, 10)), MalformedBytesError);
  }
  for (const size of [-1, 8, 2 ** 31, Number.NaN]) {
    const reader = new ByteReader(bytes, 10, 17);
    t.throws(() => reader.take(size), { code: 'MALFORMED_BYTES' });
    t.throws(() => reader.string(size), MalformedBytesError);
    t.equal(reader.position, 10, 'it stays where it was');
  }
  t.throws(() => new ByteReader(bytes, 10, 65), MalformedBytesError);
  t.throws(() => new ByteReader(bytes, 11, 10), MalformedBytesError);
  t.end();
});

t.test('an int64 beyond 2^53 is refused, with the error that the caller wants', (t) => {
  class Refused extends Error {
    override name = 'Refused';
  }
  const reader = () => new ByteReader(hex('0020000000000000'), 0, 8, Refused);
  t.throws(() => reader().int64(), Refused);
  t.equal(reader().int64Rounded(), 2 ** 53);
  t.equal(new ByteReader(hex('001fffffffffffff')).int64(), 2 ** 53 - 1);
  t.equal(new ByteReader(hex('ffe0000000000001')).int64(), -(2 ** 53 - 1));
  t.throws(() => new ByteReader(hex('ffe0000000000000')).int64(), MalformedBytesError);
  t.end();
});
