import fc from 'fast-check';
import t from 'tap';
import {
  readUnsignedVarint,
  readVarint,
  readVarlong,
  unsignedVarintSize,
  varintEnd,
  varintSize,
  varlongSize,
  writeUnsignedVarint,
  writeVarint,
  writeVarlong,
} from '#src/base/varint.js';

const room = new Uint8Array(16);

t.test('every value comes back and takes as many bytes as its size says', (t) => {
  const cases = [
    { write: writeVarint, read: readVarint, size: varintSize, min: -(2 ** 31), max: 2 ** 31 - 1 },
    {
      write: writeUnsignedVarint,
      read: readUnsignedVarint,
      size: unsignedVarintSize,
      min: 0,
      max: 2 ** 32 - 1,
    },
    {
      write: writeVarlong,
      read: readVarlong,
      size: varlongSize,
      min: Number.MIN_SAFE_INTEGER,
      max: Number.MAX_SAFE_INTEGER,
    },
  ];
  for (const { write, read, size, min, max } of cases) {
    const values = fc.oneof(
      fc.integer({ min, max }),
      fc.constantFrom(min, max, 0, 1, 63, 64, 127, 128),
    );
    const result = fc.check(
      fc.property(values, (value) => {
        const end = write(room, 1, value);
        return read(room, 1, end) === value && varintEnd === end && end - 1 === size(value);
      }),
    );
    t.notOk(
      result.failed,
      fc.defaultReportMessage(result) ?? `${write.name} and ${read.name} agree`,
    );
  }
  t.end();
});

t.test('the bytes are those of Protocol Buffers', (t) => {
  const bytesOf = (value: number) => [...room.subarray(0, writeVarlong(room, 0, value))];
  t.same(bytesOf(0), [0x00]);
  t.same(bytesOf(-1), [0x01]);
  t.same(bytesOf(1), [0x02]);
  t.same(bytesOf(-64), [0x7f]);
  t.same(bytesOf(64), [0x80, 0x01]);
  t.same(bytesOf(-8192), [0xff, 0x7f]);
  t.same([...room.subarray(0, writeUnsignedVarint(room, 0, 300))], [0xac, 0x02]);
  t.end();
});

t.test('malformed input answers NaN and leaves the end at -1', (t) => {
  const bad = [[], [0x80], [0x80, 0x80, 0x80, 0x80, 0x80, 0x01], [0xff, 0xff, 0xff, 0xff, 0x7f]];
  for (const bytes of bad) {
    t.ok(Number.isNaN(readVarint(Uint8Array.from(bytes), 0, bytes.length)), `${bytes}`);
    t.equal(varintEnd, -1);
  }
  const long = Uint8Array.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
  t.ok(Number.isNaN(readVarlong(long, 0, long.length)), 'beyond 2^53');
  t.equal(varintEnd, -1);
  t.end();
});
