import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { ftruncateSync } from 'node:fs';
import t from 'tap';
import type { SocketHandle } from '#src/native/binding.js';
import {
  addon,
  collectGarbage,
  descriptorOf,
  needsNative,
  nextTurn,
  openDescriptors,
  type Pair,
  pattern,
  readToEnd,
  socketPairs,
  temporaryFile,
  unpooled,
  until,
} from './support.js';

const unexpected = (): void => {
  throw new Error('no event was expected');
};

function handleOf(pair: Pair, onEvent: (status: number) => void = unexpected): SocketHandle {
  return new (addon().SocketHandle)(descriptorOf(pair.server), onEvent);
}

/** Sends from `fd` until the socket is full; answers the bytes sent. */
function fill(handle: SocketHandle, fd: number, fileSize: number): number {
  let sent = 0;
  for (;;) {
    const result = handle.sendfile(fd, 0, fileSize);
    if (result === -addon().constants.EAGAIN) return sent;
    if (result <= 0) throw new Error(`sendfile answered ${result}`);
    sent += result;
  }
}

t.test(
  'a file many times the socket buffer arrives whole, in order, by re-arming',
  needsNative,
  async (t) => {
    const bytes = pattern(24 << 20);
    const { fd } = temporaryFile(t, bytes);
    const pair = await (await socketPairs(t))();
    const { EAGAIN } = addon().constants;
    let at = 0;
    let events = 0;
    const handle = handleOf(pair, (status) => {
      events++;
      t.equal(status, 0);
      send();
    });
    const send = (): void => {
      while (at < bytes.length) {
        const result = handle.sendfile(fd, at, bytes.length - at);
        if (result === -EAGAIN) {
          t.equal(handle.arm(), 0);
          t.equal(handle.arm(), 0, 'twice is once');
          return;
        }
        t.ok(result > 0);
        at += result;
      }
      handle.shutdown(addon().constants.SHUT_WR);
      handle.close();
    };
    t.equal(handle.send([unpooled('header')], 0, 1), 6);
    send();
    const received = await readToEnd(pair.client);
    t.equal(received.length, bytes.length + 6);
    const hash = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
    t.equal(hash(received.subarray(6)), hash(bytes));
    t.ok(events > 0, 'the socket was full at least once');
  },
);

t.test('a partial send goes on from where it stopped', needsNative, async (t) => {
  const parts = [pattern(3 << 20), pattern(100), pattern(5 << 20), unpooled('end')];
  const whole = Buffer.concat(parts);
  const pair = await (await socketPairs(t))();
  const { EAGAIN } = addon().constants;
  let at = 0;
  const send = (): void => {
    while (at < whole.length) {
      const result = handle.send(parts, at, 0);
      if (result === -EAGAIN) {
        handle.arm();
        return;
      }
      at += result;
    }
    t.equal(handle.send(parts, at, 0), 0, 'nothing left');
    t.equal(handle.send(parts, at + 1, 0), -addon().constants.EINVAL, 'past the end');
    handle.shutdown(addon().constants.SHUT_WR);
    handle.close();
  };
  const handle = handleOf(pair, send);
  send();
  t.ok(at < whole.length, 'did not fit at once');
  t.ok((await readToEnd(pair.client)).equals(whole));
});

t.test('no byte reaches whoever gets the number of a closed socket', needsNative, async (t) => {
  const size = 8 << 20;
  const { fd } = temporaryFile(t, Buffer.alloc(size, 'A'));
  const nextPair = await socketPairs(t);
  let reused = 0;
  for (let round = 0; round < 200; round++) {
    const first = await nextPair();
    const number = descriptorOf(first.server);
    let more = -1;
    const handle = handleOf(first, () => {
      more = handle.sendfile(fd, 0, size);
    });
    const sent = fill(handle, fd, size);
    handle.arm();
    // The second client has its number before this one is given up, so that the accepted socket,
    // which comes after both, takes it.
    const accepted = nextPair();
    await new Promise<void>((resolve) => process.nextTick(resolve));
    first.server.destroy();
    const second = await accepted;
    if (descriptorOf(second.server) === number) reused++;
    // Room at the first client: the handle, still armed, sends more, after its number went on.
    let received = 0;
    first.client.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    first.client.resume();
    await until(() => more > 0, 'the handle sent more');
    second.server.end('B');
    const bytes = await readToEnd(second.client);
    if (bytes.toString() !== 'B') t.fail(`round ${round}: ${bytes.length} bytes for another`);
    handle.shutdown();
    handle.close();
    await new Promise((resolve) => first.client.once('close', resolve));
    if (received !== sent + more) t.fail(`round ${round}: ${received} of ${sent + more}`);
  }
  t.ok(reused > 100, `numbers were taken again in ${reused} of 200 rounds`);
});

t.test('disarmed or closed, no event comes', needsNative, async (t) => {
  const nextPair = await socketPairs(t);
  const pair = await nextPair();
  const before = openDescriptors();
  const disarmed = handleOf(pair);
  const closed = handleOf(pair);
  for (const handle of [disarmed, closed]) {
    t.equal(handle.armed, false);
    t.equal(handle.arm(), 0);
    t.equal(handle.armed, true);
  }
  t.equal(disarmed.disarm(), 0);
  t.equal(disarmed.disarm(), 0, 'idempotent');
  t.equal(disarmed.armed, false);
  t.equal(closed.close(), 0);
  for (let turn = 0; turn < 5; turn++) await nextTurn();
  t.equal(disarmed.close(), 0);
  t.equal(openDescriptors(), before);
});

t.test('after close every method answers -EBADF, close answers 0', needsNative, async (t) => {
  const pair = await (await socketPairs(t))();
  const { EBADF } = addon().constants;
  const handle = handleOf(pair);
  t.ok(handle.fd > 2 && handle.fd !== descriptorOf(pair.server));
  t.equal(handle.close(), 0);
  t.equal(handle.close(), 0);
  t.equal(handle.fd, -1);
  t.equal(handle.send([unpooled('x')], 0, 0), -EBADF);
  t.equal(handle.sendfile(0, 0, 1), -EBADF);
  t.equal(handle.arm(), -EBADF);
  t.equal(handle.disarm(), -EBADF);
  t.equal(handle.shutdown(), -EBADF);
  pair.server.end('the socket itself lives on');
  t.equal((await readToEnd(pair.client)).toString(), 'the socket itself lives on');
});

t.test('closing inside the event, and arming again inside it', needsNative, async (t) => {
  const pair = await (await socketPairs(t))();
  let events = 0;
  await new Promise<void>((resolve) => {
    const handle = handleOf(pair, () => {
      events++;
      t.equal(handle.armed, false, 'one-shot');
      if (events < 3) handle.arm();
      else resolve(void handle.close());
    });
    handle.arm();
  });
  for (let turn = 0; turn < 5; turn++) await nextTurn();
  t.equal(events, 3);
});

t.test(
  'a reset by the peer comes as an event, and sending answers an error',
  needsNative,
  async (t) => {
    const { ECONNRESET, EPIPE } = addon().constants;
    const size = 1 << 20;
    const { fd } = temporaryFile(t, Buffer.alloc(size));
    const pair = await (await socketPairs(t))();
    const status = await new Promise((resolve) => {
      const handle = handleOf(pair, (status) => {
        const sent = handle.send([unpooled('x')], 0, 0);
        t.ok([-ECONNRESET, -EPIPE].includes(sent), `send answers ${sent}`);
        handle.close();
        resolve(status);
      });
      fill(handle, fd, size);
      handle.arm();
      pair.client.resetAndDestroy();
    });
    t.equal(status, -ECONNRESET);
  },
);

t.test('the reader still learns of the reset', needsNative, async (t) => {
  const size = 1 << 20;
  const { fd } = temporaryFile(t, Buffer.alloc(size));
  const pair = await (await socketPairs(t))();
  await new Promise<void>((resolve) => {
    const handle = handleOf(pair, () => resolve(void handle.close()));
    fill(handle, fd, size);
    handle.arm();
    pair.client.resetAndDestroy();
  });
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => {
    pair.server.once('error', resolve);
    pair.server.resume();
  });
  t.equal(error.code, 'ECONNRESET');
});

t.test('a file cut short under a response answers 0', needsNative, async (t) => {
  const { fd } = temporaryFile(t, pattern(10_000));
  const pair = await (await socketPairs(t))();
  const handle = handleOf(pair);
  t.equal(handle.sendfile(fd, 0, 4000), 4000);
  ftruncateSync(fd, 4000);
  t.equal(handle.sendfile(fd, 4000, 6000), 0);
  handle.close();
});

t.test('microtasks run between two events of one turn', needsNative, async (t) => {
  const nextPair = await socketPairs(t);
  const order: string[] = [];
  const handles = [await nextPair(), await nextPair()].map((pair, at) =>
    handleOf(pair, () => {
      order.push(`event ${at}`);
      void Promise.resolve().then(() => order.push(`microtask ${at}`));
      process.nextTick(() => order.push(`tick ${at}`));
    }),
  );
  for (const handle of handles) handle.arm();
  await until(() => order.length === 6, 'both events came');
  const own = (at: number): string[] => order.filter((entry) => entry.endsWith(`${at}`));
  const first = order[0] === 'event 0' ? 0 : 1;
  t.same(order, [...own(first), ...own(1 - first)]);
  t.same(own(0), ['event 0', 'tick 0', 'microtask 0']);
  for (const handle of handles) handle.close();
});

t.test('what the callback throws is an uncaught exception', needsNative, async (t) => {
  const script = `import { connect, createServer } from 'node:net';
    const { native } = await import(${JSON.stringify(import.meta.resolve('#src/native/binding.js'))});
    process.once('uncaughtException', (error) => {
      console.log(error.message);
      process.exit(7);
    });
    createServer((socket) => {
      new native.SocketHandle(socket._handle.fd, () => { throw new Error('from the event'); }).arm();
    }).listen(0, '127.0.0.1', function () { connect(this.address().port, '127.0.0.1'); });`;
  try {
    execFileSync(process.execPath, ['--input-type=module', '--eval', script], { timeout: 20_000 });
    t.fail('ended as if nothing had been');
  } catch (error) {
    const { status, stdout } = error as { status: number; stdout: Buffer };
    t.equal(status, 7);
    t.equal(stdout.toString(), 'from the event\n');
  }
});

t.test('a forgotten handle closes its descriptor, an armed one is kept', needsNative, async (t) => {
  const size = 1 << 20;
  const { fd } = temporaryFile(t, Buffer.alloc(size));
  const nextPair = await socketPairs(t);
  const pair = await nextPair();
  const waiting = await nextPair();
  await collectGarbage();
  const before = openDescriptors();
  for (let i = 0; i < 20; i++) handleOf(pair);
  let events = 0;
  const armForgotten = (): void => {
    const handle = handleOf(waiting, () => {
      events++;
      handle.close();
    });
    fill(handle, fd, size);
    handle.arm();
  };
  armForgotten();
  await collectGarbage();
  await until(() => openDescriptors() <= before + 1, 'the forgotten ones are closed');
  t.equal(events, 0);
  waiting.client.resume();
  await until(() => events === 1, 'the armed one had its event');
  t.equal(openDescriptors(), before);
});

t.test('a bad descriptor, a wrong callback, a wrong receiver', needsNative, async (t) => {
  const { SocketHandle, constants } = addon();
  const pair = await (await socketPairs(t))();
  const Loose = SocketHandle as unknown as new (...args: unknown[]) => SocketHandle;
  t.throws(() => new Loose(-1, unexpected), { code: 'EBADF', errno: -constants.EBADF });
  t.throws(() => new Loose(1_000_000, unexpected), { code: 'EBADF' });
  t.throws(() => new Loose(0.5, unexpected), { code: 'EINVAL' });
  t.throws(() => new Loose('1', unexpected), TypeError);
  t.throws(() => new Loose(descriptorOf(pair.server), 'x'), TypeError);
  t.throws(() => new Loose(), TypeError);
  t.throws(() => (Loose as unknown as () => void)(), TypeError, 'without new');
  const handle = handleOf(pair);
  const { send, arm, close } = handle;
  for (const receiver of [{}, null, new Map(), Object.create(handle)]) {
    t.throws(() => send.call(receiver as SocketHandle, [], 0, 0), TypeError);
    t.throws(() => arm.call(receiver as SocketHandle), TypeError);
    t.throws(() => close.call(receiver as SocketHandle), TypeError);
  }
  const fdOf = Object.getOwnPropertyDescriptor(SocketHandle.prototype, 'fd')?.get;
  for (const receiver of [{}, new Map(), process.stdout, new URL('a:b')]) {
    t.throws(() => fdOf?.call(receiver), TypeError);
  }
  t.throws(() => handle.send('x' as unknown as Uint8Array[], 0, 0), TypeError);
  t.throws(() => handle.send([unpooled('x')], 0, 'more' as unknown as 1), TypeError);
  t.equal(handle.send([unpooled('x')], 0, 2 as 1), -constants.EINVAL);
  t.equal(handle.send([unpooled('x')], -1, 0), -constants.EINVAL);
  t.throws(
    () => {
      (handle as unknown as { _onEvent: unknown })._onEvent = unexpected;
    },
    TypeError,
    'nobody replaces the callback',
  );
  handle.close();
});
