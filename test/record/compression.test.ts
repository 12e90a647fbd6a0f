import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { seededRandom } from '#src/base/random.js';
import { writeInt32 } from '#src/record/batch-patch.js';
import { type CompressionName, compressionNames } from '#src/record/compression/codec.js';
import { codecById, codecByName } from '#src/record/compression/codecs.js';
import { compressWasm, decompressWasm } from '#src/record/compression/zstd-wasm.js';

const MIB = 1024 * 1024;
const tooLarge = { name: 'CompressionError', code: 'DECOMPRESSED_TOO_LARGE' };
const corrupt = { name: 'CompressionError', code: 'CORRUPT_COMPRESSION' };
const codecs = compressionNames.filter((name) => name !== 'none');

function samples(): Uint8Array[] {
  const random = seededRandom(5);
  const text = Buffer.from('the quick brown fox jumps over the lazy dog. '.repeat(7000));
  const noise = random.fill(new Uint8Array(200_000));
  const mixed = Buffer.concat([text.subarray(0, 70_000), noise.subarray(0, 70_000), text]);
  const sizes = [0, 1, 2, 11, 12, 13, 100, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 131_073];
  return [text, noise, mixed, new Uint8Array(300_000)].concat(
    sizes.map((size) => mixed.subarray(0, size)),
  );
}

t.test('what is compressed is decompressed, up to exactly sizeMax', (t) => {
  for (const name of compressionNames) {
    const codec = codecByName(name);
    t.equal(codecById(codec.id), codec);
    for (const bytes of samples()) {
      const compressed = codec.compress(bytes);
      const result = codec.decompress(compressed, { sizeMax: Math.max(bytes.length, 1) });
      t.ok(Buffer.from(bytes).equals(result), `${name}, ${bytes.length} bytes`);
      if (bytes.length < 2) continue;
      const sizeMax = bytes.length - 1;
      t.throws(() => codec.decompress(compressed, { sizeMax }), tooLarge, `${name} at ${sizeMax}`);
    }
  }
  t.end();
});

t.test('an id that no codec has is a typed error', (t) => {
  const expected = { name: 'CompressionError', code: 'UNSUPPORTED_COMPRESSION_TYPE' };
  for (const id of [5, 6, 7, -1]) t.throws(() => codecById(id), expected);
  t.end();
});

t.test('levels are taken', (t) => {
  const random = seededRandom(3);
  const words = ['segment ', 'offset ', 'index ', 'epoch ', 'roll '];
  const text = Buffer.from(Array.from({ length: 9000 }, () => words[random.below(5)]).join(''));
  for (const name of ['gzip', 'zstd'] as const) {
    const codec = codecByName(name);
    const fast = codec.compress(text, { level: 1 });
    const small = codec.compress(text, { level: 9 });
    t.ok(small.length < fast.length, name);
    t.ok(text.equals(codec.decompress(small, { sizeMax: MIB })));
  }
  t.end();
});

t.test('every cut, and every flipped byte, is a typed error or the right length', (t) => {
  const bytes = Buffer.from('abcabcabcabc defdefdefdef '.repeat(20));
  for (const name of codecs) {
    const codec = codecByName(name);
    const compressed = codec.compress(bytes);
    for (let size = 0; size < compressed.length; size++) {
      const cut = compressed.subarray(0, size);
      t.ok(isSane(name, cut, size === 0 || name === 'snappy'), `${name} cut at ${size}`);
    }
    for (let at = 0; at < compressed.length; at++) {
      const flipped = Buffer.from(compressed);
      flipped[at] = (flipped[at] as number) ^ 0x55;
      t.ok(isSane(name, flipped, true), `${name} flipped at ${at}`);
    }
  }
  t.end();
});

/** Ends in a typed error, or, where `mayPass`, in a result within the bound. */
function isSane(name: CompressionName, bytes: Uint8Array, mayPass: boolean): boolean {
  try {
    const result = codecByName(name).decompress(bytes, { sizeMax: 600 });
    return mayPass && result.length <= 600;
  } catch (error) {
    return (error as Error).name === 'CompressionError';
  }
}

t.test('1 GiB of zeros ends at the bound, in every codec', (t) => {
  for (const [name, bomb] of Object.entries(bombs())) {
    const before = process.memoryUsage.rss();
    const codec = codecByName(name.split(' ')[0] as CompressionName);
    t.throws(() => codec.decompress(bomb, { sizeMax: 8 * MIB }), tooLarge, name);
    const grown = process.memoryUsage.rss() - before;
    t.ok(grown < 64 * MIB, `${name}: ${bomb.length} bytes, memory grew by ${grown >> 20} MiB`);
  }
  t.end();
});

/** 1 GiB of zeros each, made by repeating what one piece compresses to. */
function bombs(): Record<string, Uint8Array> {
  const zeros = Buffer.alloc(8 * MIB);
  const snappyBlock = codecByName('snappy').compress(zeros.subarray(0, 32768)).subarray(16);
  const lz4Frame = codecByName('lz4').compress(zeros.subarray(0, 65536));
  const lz4Block = lz4Frame.subarray(7, -4);
  const zstdFrame = codecByName('zstd').compress(zeros);
  return {
    gzip: repeated(gzipSync(zeros), 128),
    'snappy of many blocks': Buffer.concat([
      Buffer.from('82534e4150505900 00000001 00000001'.replaceAll(' ', ''), 'hex'),
      repeated(snappyBlock, 32768),
    ]),
    'lz4 of many blocks': Buffer.concat([
      lz4Frame.subarray(0, 7),
      repeated(lz4Block, 16384),
      Buffer.alloc(4),
    ]),
    'lz4 of many frames': repeated(lz4Frame, 16384),
    'zstd of many frames': repeated(zstdFrame, 128),
    // No content size; 8192 runs of 128 KiB.
    'zstd of runs': Buffer.concat([
      Buffer.from('28b52ffd0058', 'hex'),
      repeated(Buffer.from([0x02, 0x00, 0x10, 0x00]), 8191),
      Buffer.from([0x03, 0x00, 0x10, 0x00]),
    ]),
  };
}

function repeated(bytes: Uint8Array, count: number): Buffer {
  return Buffer.alloc(bytes.length * count, bytes);
}

t.test('a raw snappy block is read, its lying size is not believed', (t) => {
  const snappy = codecByName('snappy');
  const xerial = snappy.compress(Buffer.from('hello hello hello hello'));
  const raw = xerial.subarray(20);
  t.equal(
    Buffer.from(snappy.decompress(raw, { sizeMax: 100 }))
      .toString()
      .slice(0, 5),
    'hello',
  );
  t.throws(() => snappy.decompress(raw, { sizeMax: 22 }), tooLarge);
  const liar = Buffer.concat([Buffer.from('ffffffff0f', 'hex'), raw.subarray(1)]);
  t.throws(() => snappy.decompress(liar, { sizeMax: 2 ** 32 }), corrupt, 'beyond any ratio');
  const smallLiar = Buffer.from(raw);
  smallLiar[0] = 30;
  t.throws(() => snappy.decompress(smallLiar, { sizeMax: 100 }), corrupt);
  t.end();
});

t.test('xerial streams: Java’s header and block size, concatenation, bad block sizes', (t) => {
  const snappy = codecByName('snappy');
  const text = Buffer.from('0123456789'.repeat(5000));
  const stream = Buffer.from(snappy.compress(text));
  t.equal(stream.subarray(0, 16).toString('hex'), '82534e41505059000000000100000001');
  const first = stream.readInt32BE(16);
  t.ok(20 + first < stream.length, 'more than one block for 50,000 bytes');
  const twice = snappy.decompress(Buffer.concat([stream, stream]), { sizeMax: MIB });
  t.ok(Buffer.concat([text, text]).equals(twice));
  for (const size of [0, -1, 0x7fffffff, stream.length]) {
    const bad = Buffer.from(stream);
    writeInt32(bad, 16, size);
    t.throws(() => snappy.decompress(bad, { sizeMax: MIB }), corrupt, `block of ${size}`);
  }
  t.throws(() => snappy.decompress(stream.subarray(0, 18), { sizeMax: MIB }), corrupt);
  t.end();
});

t.test('lz4 is written as Java reads it: independent blocks of 64 KiB, no checksums', (t) => {
  const lz4 = codecByName('lz4');
  const noise = seededRandom(1).fill(new Uint8Array(70_000));
  const frame = Buffer.from(lz4.compress(noise));
  t.equal(frame.subarray(0, 7).toString('hex'), '04224d18604082');
  t.equal(frame.readUInt32LE(7), 0x80000000 + 65536, 'stored where that is smaller');
  t.equal(frame.readUInt32LE(frame.length - 4), 0);
  t.equal(frame.length, 7 + 4 + 65536 + 4 + 4464 + 4);
  t.end();
});

t.test('lz4 frames: what is not one is told', (t) => {
  const lz4 = codecByName('lz4');
  const frame = Buffer.from(lz4.compress(Buffer.from('abc'.repeat(100))));
  const cases: [string, number, number][] = [
    ['magic', 0, 5],
    ['version', 4, 0xa0],
    ['reserved flag', 4, 0x62],
    ['dictionary', 4, 0x61],
    ['block size', 5, 0x30],
    ['reserved descriptor bits', 5, 0x41],
    ['header checksum', 6, 0x83],
    ['block size field', 9, 0x7f],
  ];
  for (const [name, at, value] of cases) {
    const bad = Buffer.from(frame);
    bad[at] = value;
    t.throws(() => lz4.decompress(bad, { sizeMax: MIB }), corrupt, name);
  }
  t.throws(() => lz4.decompress(new Uint8Array(0), { sizeMax: MIB }), corrupt, 'nothing');
  const skippable = Buffer.from('5a2a4d18 03000000 616263'.replaceAll(' ', ''), 'hex');
  const behind = lz4.decompress(Buffer.concat([skippable, frame]), { sizeMax: MIB });
  t.equal(behind.length, 300, 'a skippable frame is skipped');
  t.end();
});

/** Legal forms that we do not write, made by the reference programs where they are installed. */
t.test('reads what lz4 and zstd programs write', (t) => {
  const text = Buffer.from('a line of a log, and another one\n'.repeat(20_000));
  const commands: [CompressionName, string, string[]][] = [
    ...['-B4', '-B5', '-B6', '-B7'].map((size): [CompressionName, string, string[]] => [
      'lz4',
      'lz4',
      ['-c', size, '--no-frame-crc'],
    ]),
    ['lz4', 'lz4', ['-c', '-B4', '-BD']],
    ['lz4', 'lz4', ['-c', '-B4', '-BX', '--content-size', '--no-frame-crc']],
    ['lz4', 'lz4', ['-c', '-B7', '-9']],
    ['zstd', 'zstd', ['-c', '-3', '--no-check']],
    ['zstd', 'zstd', ['-c', '-19', '--long=27']],
    ['gzip', 'gzip', ['-c', '-9']],
  ];
  for (const [name, program, args] of commands) {
    const compressed = runProgram(program, args, text);
    if (compressed === null) {
      t.comment(`${program} is not installed`);
      continue;
    }
    const codec = codecByName(name);
    const what = `${program} ${args.join(' ')}`;
    t.ok(text.equals(codec.decompress(compressed, { sizeMax: text.length })), what);
    const twice = Buffer.concat([compressed, compressed]);
    t.equal(codec.decompress(twice, { sizeMax: MIB * 2 }).length, 2 * text.length, 'two frames');
    const cut = compressed.subarray(0, -6);
    t.throws(() => codec.decompress(cut, { sizeMax: MIB }), corrupt, 'cut');
    const back = runProgram(program, ['-d', '-c'], codec.compress(text));
    t.ok(back !== null && text.equals(back), `${program} reads ours`);
  }
  t.end();
});

function runProgram(program: string, args: string[], input: Uint8Array): Buffer | null {
  try {
    return execFileSync(program, args, { input, maxBuffer: 16 * MIB, stdio: 'pipe' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

t.test('zstd: an impossible content size is told before memory is asked for', (t) => {
  const zstd = codecByName('zstd');
  // Single segment, 8 bytes of content size (2^50), one stored block of 1 byte.
  const frame = Buffer.from('28b52ffde0 0000000000000400 090000 61'.replaceAll(' ', ''), 'hex');
  t.throws(() => zstd.decompress(frame, { sizeMax: Number.MAX_SAFE_INTEGER }), corrupt);
  t.throws(() => zstd.decompress(Buffer.from('28b52ffd', 'hex'), { sizeMax: 1 }), corrupt);
  t.throws(() => zstd.decompress(Buffer.from('28b52ffe00', 'hex'), { sizeMax: 1 }), corrupt);
  t.end();
});

t.test('zstd: a small frame with a window of 128 MiB is read without it', (t) => {
  const zstd = codecByName('zstd');
  const frame = Buffer.from('28b52ffd00 88 190000 616263'.replaceAll(' ', ''), 'hex');
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 20; i++) t.equal(zstd.decompress(frame, { sizeMax: 3 }).length, 3);
  t.ok(process.memoryUsage().rss - before < 64 * MIB);
  t.end();
});

t.test('the WebAssembly zstd does the same on every Node, and gives large memory back', (t) => {
  const zstd = codecByName('zstd');
  for (const bytes of samples()) {
    const compressed = compressWasm(bytes, 3);
    t.ok(Buffer.from(bytes).equals(zstd.decompress(compressed, { sizeMax: MIB })));
    const other = zstd.compress(bytes);
    t.ok(Buffer.from(bytes).equals(decompressWasm(other, bytes.length, MIB)));
    if (bytes.length === 0) continue;
    t.throws(() => decompressWasm(other, bytes.length, bytes.length - 1), tooLarge);
  }
  const large = Buffer.alloc(40 * MIB, 'large ');
  const compressed = compressWasm(large, 1);
  t.equal(decompressWasm(compressed, large.length, large.length).length, large.length);
  t.equal(decompressWasm(compressWasm(Buffer.from('again'), 3), 5, 5).length, 5);
  t.throws(() => decompressWasm(Buffer.from('not zstd'), 100, 100), corrupt);
  t.end();
});
