import t from 'tap';
import { crc32c } from '#src/native/crc32c.js';
import {
  frameMessage,
  MESSAGE_OVERHEAD,
  sealMessage,
  unframeMessage,
} from '#src/record/message.js';
import { goldenBytes } from './golden.js';

const text = Buffer.from('Some String');

t.test('CRC-32C is the one of Castagnoli', (t) => {
  t.equal(crc32c(text, 0, text.length), 608512271);
  t.end();
});

t.test('a message is magic, checksum and payload', (t) => {
  const message = frameMessage(text, { magic: 7 });
  t.equal(Buffer.from(message).toString('hex'), `072445290f${text.toString('hex')}`);
  const unframed = unframeMessage(message, { magic: 7 });
  const payload = unframed.ok ? unframed.payload : new Uint8Array(0);
  t.same(Buffer.from(payload), text);
  t.equal(payload.buffer, message.buffer, 'a view, not a copy');
  t.equal(payload.byteOffset, message.byteOffset + MESSAGE_OVERHEAD);
  t.end();
});

t.test('a v2 record batch is such a message behind 16 bytes of framing', (t) => {
  const batch = goldenBytes('plain');
  const unframed = unframeMessage(batch, { magic: 2 }, 16);
  t.ok(unframed.ok);
  t.equal(unframed.ok && unframed.payload.length, batch.length - 21);
  t.end();
});

t.test('an empty payload is a message', (t) => {
  const message = frameMessage(new Uint8Array(0), { magic: 0 });
  t.same([...message], [0, 0, 0, 0, 0]);
  t.ok(unframeMessage(message, { magic: 0 }).ok);
  t.end();
});

t.test('each flipped bit is told, and how', (t) => {
  const message = frameMessage(text, { magic: 2 });
  for (let bit = 0; bit < message.length * 8; bit++) {
    const bad = Uint8Array.from(message);
    bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
    const expected =
      bit < 8
        ? { ok: false, reason: 'WRONG_MAGIC', magic: bad[0] }
        : { ok: false, reason: 'WRONG_CHECKSUM' };
    t.match(unframeMessage(bad, { magic: 2 }), expected, `bit ${bit}`);
  }
  t.end();
});

t.test('what is too short for the overhead is told so', (t) => {
  for (let size = 0; size < MESSAGE_OVERHEAD; size++) {
    const expected = { ok: false, reason: 'TOO_SHORT', size };
    t.same(unframeMessage(new Uint8Array(size), { magic: 2 }), expected);
  }
  t.end();
});

t.test('the checksum is a parameter, and a range of a larger buffer will do', (t) => {
  const sum = (bytes: Uint8Array, offset: number, length: number): number => {
    let total = 0;
    for (let i = offset; i < offset + length; i++) total += bytes[i] as number;
    return total;
  };
  const bytes = Uint8Array.from([9, 9, 0, 0, 0, 0, 0, 200, 100, 9]);
  sealMessage(bytes, 2, 9, { magic: 3, checksum: sum });
  t.same([...bytes], [9, 9, 3, 0, 0, 1, 44, 200, 100, 9]);
  const unframed = unframeMessage(bytes, { magic: 3, checksum: sum }, 2, 9);
  t.same(unframed.ok && [...unframed.payload], [200, 100]);
  t.match(unframeMessage(bytes, { magic: 3 }, 2, 9), { reason: 'WRONG_CHECKSUM', stored: 300 });
  t.throws(() => unframeMessage(bytes, { magic: 3 }, 4, 11));
  t.throws(() => sealMessage(bytes, 0, 4, { magic: 3 }));
  t.throws(() => frameMessage(bytes, { magic: 256 }));
  t.end();
});
