import t from 'tap';
import { AssemblyBudget } from '#src/net/assembly-budget.js';
import { FrameDecoder, type FrameSink } from '#src/net/frame-decoder.js';
import { frameOf } from './harness.js';

const MIB = 1 << 20;

/** Keeps copies of what it gets; stops after every frame if asked to. */
class Sink implements FrameSink {
  readonly frames: Buffer[] = [];
  readonly owned: boolean[] = [];
  readonly ownedFrames: Uint8Array[] = [];
  badSize: number | null = null;
  givenUp = false;
  stopAfterEach = false;

  onFrame(frame: Uint8Array, owned: boolean): boolean {
    this.frames.push(Buffer.from(frame));
    this.owned.push(owned);
    if (owned) this.ownedFrames.push(frame);
    return !this.stopAfterEach;
  }

  onBadSize(size: number): void {
    this.badSize = size;
  }

  onGivenUp(): void {
    this.givenUp = true;
  }
}

function decoderOf(frameBytesMax = 100 * MIB, budget = new AssemblyBudget(512 * MIB)) {
  const sink = new Sink();
  return { sink, budget, decoder: new FrameDecoder(sink, budget, frameBytesMax) };
}

/** Pushes through one shared buffer that is overwritten after each push, as in the server. */
function pushShared(decoder: FrameDecoder, bytes: Uint8Array): void {
  const shared = Buffer.from(bytes);
  decoder.push(shared, shared.length);
  shared.fill(0xee);
}

t.test('every split of a stream at every two bytes gives the same frames', async (t) => {
  const payloads = ['first', '', 'x', 'a longer one, of some bytes', 'last'];
  const stream = Buffer.concat(payloads.map(frameOf));
  let differing = 0;
  for (let a = 0; a <= stream.length; a++) {
    for (let b = a; b <= stream.length; b++) {
      for (const stopAfterEach of [false, true]) {
        const { decoder, sink, budget } = decoderOf();
        sink.stopAfterEach = stopAfterEach;
        for (const part of [stream.subarray(0, a), stream.subarray(a, b), stream.subarray(b)]) {
          pushShared(decoder, part);
          while (decoder.stopped) decoder.resume();
        }
        const same = sink.frames.map(String).join('|') === payloads.join('|');
        if (!same || budget.bytes !== 0) differing++;
      }
    }
  }
  t.equal(differing, 0);
});

t.test('byte by byte', async (t) => {
  const { decoder, sink } = decoderOf();
  for (const byte of frameOf('slowly')) pushShared(decoder, Uint8Array.of(byte));
  t.same(sink.frames.map(String), ['slowly']);
});

t.test('whole small frames are delivered in place, others owned', async (t) => {
  const { decoder, sink } = decoderOf();
  const small = Buffer.alloc(64 * 1024, 1);
  const large = Buffer.alloc(64 * 1024 + 1, 2);
  pushShared(
    decoder,
    Buffer.concat([frameOf(small), frameOf(large), frameOf('abc').subarray(0, 6)]),
  );
  pushShared(decoder, frameOf('abc').subarray(6));
  t.same(sink.owned, [false, true, true]);
  t.ok(sink.frames[0]?.equals(small));
  t.ok(sink.frames[1]?.equals(large));
  t.ok(Buffer.from(sink.ownedFrames[0] ?? []).equals(large), 'an owned frame is not touched again');
  t.equal(String(sink.ownedFrames[1] && Buffer.from(sink.ownedFrames[1])), 'abc');
});

t.test('the buffer grows with what is received, not with the size field', async (t) => {
  const size = 100 * MIB;
  const { decoder, sink, budget } = decoderOf(size);
  const head = Buffer.alloc(4);
  head.writeInt32BE(size);
  decoder.push(head, 4);
  t.equal(decoder.bufferBytes, 0, 'a size alone costs nothing');
  const piece = Buffer.alloc(10_000, 7);
  let received = 0;
  for (let i = 0; i < 300; i++) {
    decoder.push(piece, piece.length);
    received += piece.length;
    if (decoder.bufferBytes > Math.max(4096, 2 * received)) t.fail(`too large at ${received}`);
    if (decoder.bufferBytes !== budget.bytes) t.fail('the budget knows');
  }
  t.equal(sink.frames.length, 0);
  decoder.close();
  t.equal(budget.bytes, 0, 'closing gives it back');
});

t.test('sizes that are negative or too large close the decoder', async (t) => {
  for (const size of [-1, -(2 ** 31), 1001, 2 ** 31 - 1]) {
    const { decoder, sink } = decoderOf(1000);
    const head = Buffer.alloc(4);
    head.writeInt32BE(size);
    pushShared(decoder, Buffer.concat([frameOf('good'), head, frameOf('never seen')]));
    t.equal(sink.badSize, size);
    t.same(sink.frames.map(String), ['good']);
    t.equal(decoder.bufferBytes, 0);
    t.notOk(decoder.stopped);
  }
});

t.test('the bound of a frame can be changed', async (t) => {
  const { decoder, sink } = decoderOf(10);
  pushShared(decoder, frameOf('0123456789'));
  decoder.frameBytesMax = 11;
  pushShared(decoder, frameOf('0123456789a'));
  decoder.frameBytesMax = 5;
  pushShared(decoder, frameOf('012345'));
  t.equal(sink.frames.length, 2);
  t.equal(sink.badSize, 6);
});

t.test('closing inside a frame callback ends the delivery', async (t) => {
  const { decoder, sink } = decoderOf();
  sink.onFrame = (frame) => {
    sink.frames.push(Buffer.from(frame));
    decoder.close();
    return true;
  };
  pushShared(decoder, Buffer.concat([frameOf('one'), frameOf('two')]));
  t.equal(sink.frames.length, 1);
  t.notOk(decoder.stopped);
});

t.test('when the budget is used up, the decoder that waited longest is given up', async (t) => {
  const budget = new AssemblyBudget(100_000);
  const [a, b, c] = [0, 1, 2].map(() => decoderOf(MIB, budget));
  if (a === undefined || b === undefined || c === undefined) throw new Error('three were made');
  const partial = frameOf(Buffer.alloc(90_000)).subarray(0, 20_004);
  for (const { decoder } of [a, b]) decoder.push(partial, partial.length);
  t.equal(budget.bytes, 80_000);
  a.decoder.push(Buffer.alloc(1), 1);
  c.decoder.push(partial, partial.length);
  t.notOk(a.sink.givenUp, 'it has just received something');
  t.ok(b.sink.givenUp);
  t.notOk(c.sink.givenUp);
  t.ok(budget.bytes <= 100_000);
  a.decoder.push(Buffer.alloc(69_998), 69_998);
  t.ok(c.sink.givenUp, 'the next stalest pays');
  t.equal(budget.bytes, 90_000);
  a.decoder.push(Buffer.alloc(1), 1);
  t.equal(a.sink.frames.length, 1);
  t.equal(budget.bytes, 0);
});
