/** Order, bounds and endings of a connection that need no files. */

import t from 'tap';
import type { Chunk } from '#src/base/chunk.js';
import { ManualClock } from '#src/base/clock.js';
import type { Connection } from '#src/net/connection.js';
import { Server } from '#src/net/server.js';
import {
  CapturedLog,
  Client,
  connectionOf,
  frameOf,
  inEachMode,
  serve,
  turn,
  until,
} from './harness.js';

/** A handler whose answers the test gives, in any order. */
function deferred() {
  const waiting = new Map<string, (chunks: Chunk[] | null) => void>();
  const rejects = new Map<string, (error: Error) => void>();
  return {
    waiting,
    rejects,
    handle: (_connection: unknown, frame: Uint8Array): Promise<Chunk[] | null> => {
      const key = Buffer.from(frame).toString();
      return new Promise((resolve, reject) => {
        waiting.set(key, resolve);
        rejects.set(key, reject);
      });
    },
  };
}

inEachMode('responses leave in the order of the requests', async (t, mode) => {
  const { waiting, handle } = deferred();
  const server = await serve(t, { ...mode.options, handle });
  const client = await Client.connect(t, server);
  for (const key of ['a', 'b', 'c', 'd', 'e']) client.send(key);
  await until(() => waiting.size === 5);
  const answer = (key: string, chunks: Chunk[] | null = [frameOf(`re ${key}`)]): void =>
    waiting.get(key)?.(chunks);
  answer('e');
  answer('c');
  answer('b', null);
  await turn();
  await turn();
  t.equal(client.bytesReceived, 0, 'nothing overtakes the first');
  answer('a');
  t.equal(String(await client.response()), 're a');
  t.equal(String(await client.response()), 're c', 'b has no response');
  answer('d');
  t.equal(String(await client.response()), 're d');
  t.equal(String(await client.response()), 're e');
});

inEachMode('an answer given at once waits for an earlier one', async (t, mode) => {
  let resolve: (chunks: Chunk[]) => void = () => {};
  const server = await serve(t, {
    ...mode.options,
    handle: (_connection, frame) => {
      const key = Buffer.from(frame).toString();
      if (key !== 'slow') return key === 'none' ? null : [frameOf(`re ${key}`)];
      return new Promise((r) => {
        resolve = r;
      });
    },
  });
  const client = await Client.connect(t, server);
  for (const key of ['one', 'slow', 'none', 'two']) client.send(key);
  t.equal(String(await client.response()), 're one');
  const connection = await connectionOf(server);
  await until(() => connection.inFlightCount === 2);
  t.equal(connection.queuedBytes, 're two'.length + 4, 'what waits for its turn is counted');
  resolve([frameOf('re slow')]);
  t.equal(String(await client.response()), 're slow');
  t.equal(String(await client.response()), 're two');
});

inEachMode('requests in flight are bounded: reading stops, then goes on', async (t, mode) => {
  const { waiting, handle } = deferred();
  const server = await serve(t, { ...mode.options, handle, limits: { inFlightCountMax: 4 } });
  const client = await Client.connect(t, server);
  const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
  client.socket.write(Buffer.concat(keys.map(frameOf)));
  const connection = await connectionOf(server);
  for (const [i, key] of keys.entries()) {
    await until(() => waiting.has(key));
    if (connection.inFlightCount > 4) t.fail('more in flight than allowed');
    if (i < 46) t.ok(connection.paused, 'reading is stopped');
    waiting.get(key)?.([frameOf(key)]);
    if (String(await client.response()) !== key) t.fail('out of order');
  }
  await until(() => !connection.paused);
  client.send('after');
  await until(() => waiting.has('after'));
});

inEachMode('bytes of requests in flight are bounded', async (t, mode) => {
  const { waiting, handle } = deferred();
  const limits = { inFlightBytesMax: 100_000 };
  const server = await serve(t, { ...mode.options, handle, limits });
  const client = await Client.connect(t, server);
  const large = 'x'.repeat(200_000);
  for (const key of ['a', 'b', 'c']) client.send(key + large);
  const connection = await connectionOf(server);
  for (const key of ['a', 'b', 'c']) {
    await until(() => waiting.has(key + large) && connection.paused);
    t.equal(connection.inFlightCount, 1, 'one is let in, however large');
    waiting.get(key + large)?.([frameOf(key)]);
    t.equal(String(await client.response()), key);
  }
});

inEachMode('a handler that throws or rejects ends its own connection only', async (t, mode) => {
  const logger = new CapturedLog();
  const server = await serve(t, {
    ...mode.options,
    logger,
    handle: (_connection, frame) => {
      const key = Buffer.from(frame).toString();
      if (key === 'throw') throw new Error('thrown here');
      if (key === 'reject') return Promise.reject(new Error('rejected here'));
      return [frameOf('fine')];
    },
  });
  const bystander = await Client.connect(t, server);
  for (const key of ['throw', 'reject']) {
    const client = await Client.connect(t, server);
    client.send(key);
    client.send('another');
    await client.closed;
    t.equal(client.bytesReceived, 0);
  }
  bystander.send('hello');
  t.equal(String(await bystander.response()), 'fine');
  t.same(logger.messages(), ['request handler failed', 'request handler failed']);
  t.match(logger.lines[0]?.fields, { error: /thrown here/ });
  t.match(logger.lines[1]?.fields, { error: /rejected here/ });
  t.equal(server.counters.connections, 1);
});

inEachMode('hostile sizes close the connection with one line', async (t, mode) => {
  const logger = new CapturedLog();
  const limits = { frameBytesMax: 1000 };
  const server = await serve(t, { ...mode.options, logger, limits, handle: () => null });
  for (const size of [-1, 1001, 2 ** 31 - 1]) {
    const client = await Client.connect(t, server);
    const head = Buffer.alloc(4);
    head.writeInt32BE(size);
    client.socket.write(head);
    await client.closed;
    t.match(logger.lines.pop(), {
      level: 'warn',
      message: 'request of a bad size',
      fields: { error: `frame size ${size}`, remote: /127\.0\.0\.1:\d+/ },
    });
    t.equal(logger.lines.length, 0);
  }
});

inEachMode('large frames arrive whole and owned', async (t, mode) => {
  const frames: Uint8Array[] = [];
  const server = await serve(t, {
    ...mode.options,
    handle: (_connection, frame, owned) => {
      if (owned) frames.push(frame);
      return [frameOf('ok')];
    },
  });
  const client = await Client.connect(t, server);
  const large = Buffer.alloc(5_000_000, 'abcdefghijk');
  client.send('small');
  client.send(large);
  client.send(large);
  for (let i = 0; i < 3; i++) t.equal(String(await client.response()), 'ok');
  t.equal(frames.length, 2);
  t.ok(frames.every((frame) => Buffer.compare(frame, large) === 0));
  t.equal(server.counters.frames, 3);
  t.equal(server.counters.bytesReceived, 2 * (large.length + 4) + 'small'.length + 4);
});

inEachMode('state, addresses, onClose and the signal', async (t, mode) => {
  const seen: Connection<{ n: number }>[] = [];
  const server = await serve<{ n: number }>(t, {
    ...mode.options,
    newState: () => ({ n: 0 }),
    handle: (connection) => {
      if (!seen.includes(connection)) seen.push(connection);
      return [frameOf(String(++connection.state.n))];
    },
  });
  const client = await Client.connect(t, server);
  client.send('');
  client.send('');
  t.equal(String(await client.response()), '1');
  t.equal(String(await client.response()), '2');
  const [connection] = seen;
  if (connection === undefined) throw new Error('it was seen');
  t.equal(connection.remoteAddress, '127.0.0.1');
  t.equal(connection.remotePort, client.socket.localPort);
  t.equal(connection.localPort, server.port);
  const events: unknown[] = [];
  connection.signal.subscribe(() => events.push('abort'));
  const off = connection.onClose(() => events.push('never'));
  off();
  const closed = new Promise<void>((resolve) => {
    connection.onClose((error) => {
      events.push(error);
      resolve();
    });
  });
  const reason = new Error('enough');
  connection.destroy(reason);
  connection.destroy(new Error('a later one'));
  t.same(events, ['abort'], 'whoever waits is woken at once');
  await closed;
  t.same(events, ['abort', reason]);
  connection.onClose((error) => events.push(error));
  t.equal(events.length, 3, 'a late listener is called at once');
  await connection.close();
  await client.closed;
});

inEachMode('graceful close finishes what is in flight', async (t, mode) => {
  const { waiting, handle } = deferred();
  const server = await serve(t, { ...mode.options, handle });
  const client = await Client.connect(t, server);
  client.send('a');
  client.send('b');
  await until(() => waiting.size === 2);
  const connection = await connectionOf(server);
  t.notOk(connection.signal.aborted);
  const closing = server.close();
  t.ok(connection.signal.aborted, 'delayed answers are asked for');
  client.send('too late');
  waiting.get('b')?.([frameOf('re b')]);
  await turn();
  waiting.get('a')?.([frameOf('re a')]);
  t.equal(String(await client.response()), 're a');
  t.equal(String(await client.response()), 're b');
  t.equal(await client.response(), null, 'then the stream ends');
  client.socket.end();
  await closing;
  t.equal(waiting.size, 2, 'what came after the close was not handled');
  t.equal(server.counters.connections, 0);
  await t.rejects(Client.dial(server.port), { code: 'ECONNREFUSED' });
});

inEachMode('a close called by the handler comes after its answer', async (t, mode) => {
  const server = await serve(t, {
    ...mode.options,
    handle: (connection) => {
      void connection.close();
      return [frameOf('bye')];
    },
  });
  const client = await Client.connect(t, server);
  client.send('one');
  client.send('two');
  t.equal(String(await client.response()), 'bye');
  t.equal(await client.response(), null);
});

inEachMode('a peer that ends its half still gets its answers', async (t, mode) => {
  const { waiting, handle } = deferred();
  const server = await serve(t, { ...mode.options, handle });
  const client = await Client.connect(t, server);
  client.send('a');
  client.socket.end();
  const connection = await connectionOf(server);
  await until(() => waiting.size === 1 && connection.signal.aborted);
  waiting.get('a')?.([frameOf('re a')]);
  t.equal(String(await client.response()), 're a');
  await client.closed;
  await until(() => server.counters.connections === 0);
});

inEachMode('server close destroys what is not done in time', async (t, mode) => {
  const clock = new ManualClock();
  const { waiting, handle } = deferred();
  const server = await serve(t, { ...mode.options, handle, clock });
  const client = await Client.connect(t, server);
  client.send('never answered');
  await until(() => waiting.size === 1);
  const closing = server.close(1_000);
  clock.advance(999);
  t.equal(server.counters.connections, 1);
  clock.advance(1);
  await closing;
  await client.closed;
  waiting.get('never answered')?.([frameOf('late')]);
  t.equal(server.counters.connections, 0);
  t.equal(clock.timerCount, 0, 'no timer is left');
  t.equal(await server.close(), undefined, 'idempotent');
});

inEachMode('a peer that stays after a graceful end is cut off', async (t, mode) => {
  const clock = new ManualClock();
  const server = await serve(t, { ...mode.options, clock, handle: () => [frameOf('x')] });
  const client = await Client.connect(t, server);
  client.socket.allowHalfOpen = true;
  client.send('a');
  await client.response();
  const connection = await connectionOf(server);
  const closing = connection.close();
  await until(() => client.ended);
  t.equal(server.counters.connections, 1, 'our half is ended, theirs is not');
  clock.advance(2_000);
  await closing;
  t.equal(server.counters.connections, 0);
});

inEachMode('deadline of the first frame', async (t, mode) => {
  const clock = new ManualClock();
  const logger = new CapturedLog();
  const options = { ...mode.options, clock, logger, limits: { firstFrameMsMax: 5_000 } };
  const server = await serve(t, { ...options, handle: () => [frameOf('x')] });
  const silent = await Client.connect(t, server);
  const half = await Client.connect(t, server);
  const good = await Client.connect(t, server);
  half.socket.write(frameOf('never whole').subarray(0, 9));
  good.send('whole');
  await good.response();
  await until(() => server.counters.bytesReceived === 9 + 9);
  clock.advance(4_999);
  t.equal(server.counters.connections, 3);
  clock.advance(1);
  await Promise.all([silent.closed, half.closed]);
  t.same(logger.messages(), ['no request in time', 'no request in time']);
  good.send('still here');
  t.equal(String(await good.response()), 'x');
});

inEachMode('idle deadline', async (t, mode) => {
  const clock = new ManualClock();
  const { waiting, handle } = deferred();
  const server = await serve(t, { ...mode.options, clock, handle });
  const client = await Client.connect(t, server);
  const connection = await connectionOf(server);
  client.send('a');
  await until(() => waiting.size === 1);
  clock.advance(600_000 * 3);
  t.notOk(connection.signal.aborted, 'a request with its handler is not idleness');
  waiting.get('a')?.([frameOf('re a')]);
  await client.response();
  await until(() => connection.queuedBytes === 0);
  clock.advance(599_999);
  t.notOk(connection.signal.aborted);
  client.send('b');
  await until(() => waiting.size === 2);
  waiting.get('b')?.([frameOf('re b')]);
  await client.response();
  clock.advance(599_999);
  t.notOk(connection.signal.aborted, 'the second request put it off');
  clock.advance(1);
  t.ok(connection.signal.aborted);
  await client.closed;
});

inEachMode('connections are bounded, in total and per address', async (t, mode) => {
  for (const limits of [{ connectionCountMax: 2 }, { connectionCountPerAddressMax: 2 }]) {
    const logger = new CapturedLog();
    const server = await serve(t, {
      ...mode.options,
      limits,
      logger,
      handle: () => [frameOf('x')],
    });
    const clients = [await Client.connect(t, server), await Client.connect(t, server)];
    await until(() => server.counters.connections === 2);
    const refused = await Client.connect(t, server);
    await refused.closed;
    t.equal(server.counters.connectionsRefused, 1);
    t.match(logger.lines, [{ level: 'warn', message: /^too many connections/ }]);
    clients[0]?.socket.destroy();
    await until(() => server.counters.connections === 1);
    const next = await Client.connect(t, server);
    next.send('a');
    t.equal(String(await next.response()), 'x', 'a place that is free is given again');
  }
});

t.test('an address that is taken is an error that says so', async (t) => {
  const server = await serve(t as never, { handle: () => null });
  await t.rejects(Server.listen({ port: server.port, handle: () => null }), {
    code: 'LISTEN_FAILED',
    message: new RegExp(`cannot listen on 127\\.0\\.0\\.1:${server.port}: .*EADDRINUSE`),
  });
  await t.rejects(Server.listen({ host: 'no-such-host.invalid', port: 0, handle: () => null }), {
    code: 'LISTEN_FAILED',
  });
});

t.test('localhost is the IPv4 one', async (t) => {
  const server = await serve(t as never, { host: 'localhost', handle: () => null });
  t.equal(server.host, '127.0.0.1');
  t.ok(server.port > 0);
});

inEachMode('a throttled connection takes no requests until the time is over', async (t, mode) => {
  const clock = new ManualClock();
  const seen: string[] = [];
  const server = await serve(t, {
    ...mode.options,
    clock,
    handle: (connection, frame) => {
      const key = Buffer.from(frame).toString();
      seen.push(key);
      if (key === 'slow down') connection.throttle(5000);
      return [frameOf(`re ${key}`)];
    },
  });
  const client = await Client.connect(t, server);
  client.socket.write(Buffer.concat([frameOf('slow down'), frameOf('a'), frameOf('b')]));
  t.equal(String(await client.response()), 're slow down', 'answered at once');
  const connection = await connectionOf(server);
  t.equal(connection.paused, true);
  connection.throttle(1000);
  clock.advance(4999);
  await turn();
  await turn();
  t.same(seen, ['slow down'], 'a shorter time shortens nothing');
  clock.advance(1);
  t.equal(String(await client.response()), 're a');
  t.equal(String(await client.response()), 're b');
  connection.throttle(700_000);
  clock.advance(650_000);
  t.equal(connection.paused, true, 'throttled is not idle');
  await connection.close();
  t.equal(client.ended, true, 'and it closes in order');
});

inEachMode('who is not admitted is turned away, limits change at run time', async (t, mode) => {
  let admitted = true;
  const handle = () => [frameOf('ok')];
  const server = await serve(t, { ...mode.options, handle, admit: () => admitted });
  const first = await Client.connect(t, server);
  first.send('a');
  t.equal(String(await first.response()), 'ok');
  admitted = false;
  const second = await Client.connect(t, server);
  await second.closed;
  t.equal(server.counters.connectionsRefused, 1);
  admitted = true;
  server.updateLimits({ connectionCountMax: 1, connectionCountPerAddressMax: 1 });
  const third = await Client.connect(t, server);
  await third.closed;
  t.equal(server.counters.connectionsRefused, 2);
  server.updateLimits({ connectionCountMax: 5, connectionCountPerAddressMax: 5 });
  const fourth = await Client.connect(t, server);
  fourth.send('a');
  t.equal(String(await fourth.response()), 'ok');
});
