import t from 'tap';
import { AssemblyBudget } from '#src/net/assembly-budget.js';
import { FrameDecoder } from '#src/net/frame-decoder.js';
import { FramePool, framePool } from '#src/net/frame-pool.js';

t.test('what comes back is used again, once', (t) => {
  const pool = new FramePool(1000);
  const buffer = Buffer.allocUnsafeSlow(400);
  t.equal(pool.take(100), null, 'nothing is kept');
  pool.giveBack(buffer);
  t.equal(pool.freeBytes, 0, 'it was not lent');
  pool.lend(buffer);
  pool.giveBack(buffer.subarray(0, 300));
  pool.giveBack(buffer);
  t.equal(pool.freeBytes, 400, 'the second time it was not out');
  t.equal(pool.take(401), null, 'too small');
  t.equal(pool.take(350)?.buffer, buffer.buffer);
  t.equal(pool.freeBytes, 0);
  t.end();
});

t.test('the smallest that fits is taken, and larger ones are kept', (t) => {
  const pool = new FramePool(1000);
  const back = (size: number): void => {
    const buffer = Buffer.allocUnsafeSlow(size);
    pool.lend(buffer);
    pool.giveBack(buffer);
  };
  for (const size of [300, 100, 500]) back(size);
  t.equal(pool.freeBytes, 900);
  back(450);
  t.equal(pool.freeBytes, 950, '100 and 300 made room');
  back(50);
  t.equal(pool.freeBytes, 1000);
  back(40);
  t.equal(pool.freeBytes, 1000, 'none is smaller');
  back(1001);
  t.equal(pool.freeBytes, 1000, 'larger than all that may be kept');
  t.equal(pool.take(40)?.length, 50);
  t.equal(pool.take(40)?.length, 450);
  t.equal(pool.take(40)?.length, 500);
  t.equal(pool.take(40), null);
  t.end();
});

t.test('a decoder fills a buffer that was given back, and delivers the frame alone', (t) => {
  const frames: Uint8Array[] = [];
  const sink = {
    onFrame: (frame: Uint8Array) => frames.push(frame) > 0,
    onBadSize: () => t.fail('a good size'),
    onGivenUp: () => t.fail('there is room'),
  };
  const decoder = new FrameDecoder(sink, new AssemblyBudget(1 << 30), 1 << 24);
  const push = (size: number, fill: number): Uint8Array => {
    const bytes = Buffer.alloc(size + 4, fill);
    bytes.writeInt32BE(size);
    // In two pieces, the first so small that no large buffer is lent for it.
    decoder.push(bytes, 1000);
    decoder.push(bytes.subarray(1000), bytes.length - 1000);
    const frame = frames.pop() as Uint8Array;
    t.ok(Buffer.from(frame).equals(bytes.subarray(4)), `${size} bytes of ${fill}`);
    return frame;
  };
  const first = push(300_000, 1);
  const second = push(300_000, 2);
  t.not(second.buffer, first.buffer, 'the first is still out');
  framePool.giveBack(first);
  const third = push(200_000, 3);
  t.equal(third.buffer, first.buffer);
  t.equal(third.length, 200_000);
  t.ok(second.every((byte) => byte === 2));
  t.end();
});
