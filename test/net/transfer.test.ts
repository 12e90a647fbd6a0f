/** File slices on their way: the same bytes in every mode, released once, nothing made up. */

import { createHash } from 'node:crypto';
import type { Chunk } from '#src/base/chunk.js';
import { chunksSize } from '#src/base/chunk.js';
import { seededRandom } from '#src/base/random.js';
import {
  CapturedLog,
  Client,
  connectionOf,
  inEachMode,
  type Mode,
  serve,
  sizeOf,
  type Test,
  TestFile,
  turn,
  until,
} from './harness.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Makes a response of `parts` with its size in front. */
function responseOf(parts: Chunk[]): Chunk[] {
  return [sizeOf(chunksSize(parts)), ...parts];
}

/** What `chunks` of slices of `file` are as bytes. */
function expected(file: TestFile, chunks: readonly Chunk[]): Buffer {
  return Buffer.concat(
    chunks.map((chunk) =>
      chunk instanceof Uint8Array ? chunk : file.bytes(chunk.position, chunk.length),
    ),
  );
}

/** The longest slice that a stalled peer's socket buffers cannot take whole. */
const STALLING_BYTES = 64 * MIB;

inEachMode('any mixture of bytes and slices arrives as it is', async (t, mode) => {
  const seed = 20_260;
  const random = seededRandom(seed);
  const file = new TestFile(t, 8 * MIB);
  const wanted: Buffer[] = [];
  const sizes = [1, 3, 100, 4096, 8 * KIB - 1, 8 * KIB, 8 * KIB + 1, 65_536, 1_000_001, 3 * MIB];
  const server = await serve(t, {
    ...mode.options,
    handle: () => {
      const parts: Chunk[] = [];
      for (let count = random.below(6); count >= 0; count--) {
        const length = sizes[random.below(sizes.length)] ?? 1;
        const position = random.below(8 * MIB - length + 1);
        if (random.below(2) === 0) parts.push(file.slice(position, length));
        else parts.push(file.bytes(position, length));
        if (random.below(8) === 0) parts.push(new Uint8Array(0));
      }
      wanted.push(expected(file, parts));
      return responseOf(parts);
    },
  });
  const client = await Client.connect(t, server);
  const requestCount = 60;
  for (let i = 0; i < requestCount; i++) client.send('next');
  for (let i = 0; i < requestCount; i++) {
    const body = await client.response();
    if (body === null || !body.equals(wanted[i] ?? Buffer.alloc(0))) {
      t.fail(`response ${i} differs (seed ${seed})`);
      return;
    }
  }
  t.equal(file.live.size, 0, 'every slice is released');
  const { counters } = server;
  if (mode.sendfile) t.ok(counters.bytesSentBySendfile > 10 * MIB);
  else t.equal(counters.bytesSentBySendfile, 0);
  t.equal(counters.bytesSentBySendfile + counters.bytesSentFromMemory, client.bytesReceived);
});

inEachMode('many small responses in one tick', async (t, mode) => {
  const file = new TestFile(t, MIB);
  const server = await serve(t, {
    ...mode.options,
    handle: (_connection, frame) => {
      const n = Number(Buffer.from(frame).toString());
      const parts = [Buffer.from(`#${n} `), file.slice(n, 1 + (n % 300))];
      return n % 7 === 0 ? Promise.resolve(responseOf(parts)) : responseOf(parts);
    },
  });
  const client = await Client.connect(t, server);
  for (let n = 0; n < 3_000; n++) client.send(String(n));
  for (let n = 0; n < 3_000; n++) {
    const wanted = Buffer.concat([Buffer.from(`#${n} `), file.bytes(n, 1 + (n % 300))]);
    const body = await client.response();
    if (body === null || !body.equals(wanted)) t.fail(`response ${n} differs`);
  }
  t.equal(file.live.size, 0);
  t.equal(server.counters.bytesSentBySendfile, 0, 'small slices are copied');
});

inEachMode('an unlinked file is still served', async (t, mode) => {
  const file = new TestFile(t, 24 * MIB);
  const server = await serve(t, {
    ...mode.options,
    handle: () => responseOf([file.slice(0, 24 * MIB)]),
  });
  const client = await Client.connect(t, server);
  client.socket.pause();
  client.send('x');
  await until(() => server.counters.frames === 1);
  file.unlink();
  client.socket.resume();
  const body = await client.response();
  const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');
  t.equal(digest(body ?? Buffer.alloc(0)), digest(file.bytes(0, 24 * MIB)));
  await until(() => file.live.size === 0);
});

inEachMode('a file that is cut under a send ends the connection, unpadded', async (t, mode) => {
  const file = new TestFile(t, STALLING_BYTES);
  const logger = new CapturedLog();
  const server = await serve(t, {
    ...mode.options,
    logger,
    handle: () => responseOf([file.slice(0, STALLING_BYTES), Buffer.from('never sent')]),
  });
  const client = await Client.connect(t, server);
  client.socket.pause();
  client.send('x');
  await stalled(server);
  const cut = STALLING_BYTES - 8 * MIB;
  const whole = file.bytes(0, STALLING_BYTES);
  file.truncate(cut);
  client.socket.resume();
  await client.closed;
  const received = await client.read(STALLING_BYTES * 2);
  t.ok(received.length <= 4 + cut, 'nothing beyond the new end was sent');
  t.ok(received.subarray(4).equals(whole.subarray(0, received.length - 4)));
  t.equal(file.live.size, 0);
  t.equal(file.releasedCount, 1);
  t.match(logger.lines, [{ level: 'error', message: 'sending failed' }]);
});

inEachMode('a small slice beyond the end of its file ends the connection', async (t, mode) => {
  const file = new TestFile(t, 1000);
  const logger = new CapturedLog();
  const server = await serve(t, {
    ...mode.options,
    logger,
    handle: () => responseOf([file.slice(0, 500), file.slice(900, 101)]),
  });
  const client = await Client.connect(t, server);
  client.send('x');
  t.equal(await client.response(), null, 'not even its first bytes are there');
  t.equal(file.releasedCount, 2);
  t.equal(file.live.size, 0);
  t.equal(logger.lines.length, 1);
});

inEachMode('slices are released once when the peer resets', async (t, mode) => {
  const file = new TestFile(t, STALLING_BYTES);
  const server = await serve(t, {
    ...mode.options,
    handle: () => responseOf([file.slice(0, STALLING_BYTES), file.slice(5, 100)]),
  });
  for (const stall of [true, false]) {
    const client = await Client.connect(t, server);
    if (stall) client.socket.pause();
    client.send('x');
    if (stall) await stalled(server);
    else await until(() => client.bytesReceived > MIB);
    client.socket.resetAndDestroy();
    await until(() => server.counters.connections === 0);
    t.equal(file.live.size, 0);
  }
  t.equal(file.releasedCount, 4);
});

inEachMode('slices are released once when a stalled connection is destroyed', async (t, mode) => {
  const file = new TestFile(t, STALLING_BYTES);
  let answerLate: () => void = () => {};
  const server = await serve(t, {
    ...mode.options,
    limits: { outputBytesMax: 8 * STALLING_BYTES },
    handle: (_connection, frame) => {
      const chunks = responseOf([file.slice(0, STALLING_BYTES), file.slice(7, 100)]);
      if (Buffer.from(frame).toString() !== 'late') return chunks;
      return new Promise<void>((resolve) => {
        answerLate = resolve;
      }).then(() => chunks);
    },
  });
  const client = await Client.connect(t, server);
  client.socket.pause();
  // One that stalls; one whose handler answers after the end; one that waits behind it.
  client.socket.write(Buffer.concat([request('x'), request('late'), request('y')]));
  await stalled(server);
  t.equal(server.counters.frames, 3);
  const connection = await connectionOf(server);
  connection.destroy();
  connection.destroy();
  await until(() => server.counters.connections === 0);
  t.equal(file.releasedCount, 4);
  t.equal(file.live.size, 2, 'only the late answer is not given up');
  answerLate();
  await turn();
  t.equal(file.live.size, 0);
});

inEachMode('slices are released once when the server closes on a stalled peer', async (t, mode) => {
  const { file, server } = await stalledPeer(t, mode);
  await server.close(1);
  t.equal(file.live.size, 0);
  t.equal(file.releasedCount, 1);
});

inEachMode('a graceful close sends the whole of a long answer', async (t, mode) => {
  const { file, server, client } = await stalledPeer(t, mode);
  const closing = server.close(60_000);
  client.socket.resume();
  const body = await client.response();
  t.equal(body?.length, STALLING_BYTES);
  t.equal(await client.response(), null);
  client.socket.end();
  await closing;
  t.equal(file.live.size, 0);
});

inEachMode('peers that never read are bounded, and others are served', async (t, mode) => {
  const file = new TestFile(t, 4 * MIB);
  const limits = { outputBytesMax: 4 * MIB };
  const server = await serve(t, {
    ...mode.options,
    limits,
    handle: () => responseOf([file.slice(0, MIB)]),
  });
  const stuck: Client[] = [];
  for (let i = 0; i < 20; i++) {
    const client = await Client.connect(t, server);
    client.socket.pause();
    client.socket.write(Buffer.concat(Array.from({ length: 60 }, () => request('fetch'))));
    stuck.push(client);
  }
  await until(() => allPaused(server, 20));
  await stalled(server);
  const before = server.counters.frames;
  const bystander = await Client.connect(t, server);
  for (let i = 0; i < 10; i++) {
    bystander.send('fetch');
    t.equal((await bystander.response())?.length, MIB, 'another connection is served');
  }
  bystander.socket.destroy();
  await until(() => server.counters.connections === 20);
  t.equal(server.counters.frames, before + 10, 'the stuck ones got nothing more');
  t.ok(allPaused(server, 20), 'and still are not read');
  for (const connection of server.connections()) {
    if (connection.queuedBytes > limits.outputBytesMax + 2 * MIB) t.fail('too much is queued');
  }
  t.ok(file.live.size <= 20 * 6, 'slices are bounded with the bytes');
  // Once they read, they get all that they asked for.
  const [first] = stuck;
  first?.socket.resume();
  for (let i = 0; i < 60; i++) {
    if ((await first?.response())?.length !== MIB) t.fail(`response ${i} is short`);
  }
  for (const client of stuck) client.socket.destroy();
  await until(() => server.counters.connections === 0);
  t.equal(file.live.size, 0);
});

inEachMode('no response reaches whoever gets a reused descriptor', async (t, mode) => {
  const file = new TestFile(t, 16 * MIB);
  const server = await serve(t, {
    ...mode.options,
    handle: (connection, frame) => {
      const tag = Buffer.from(frame);
      // The victim's answer is under way when its connection goes and the next one comes.
      if (tag[0] === 0x76 /* v */) {
        setImmediate(() => connection.destroy());
        return responseOf([tag, file.slice(0, 16 * MIB)]);
      }
      return responseOf([tag]);
    },
  });
  let wrong = 0;
  for (let pair = 0; pair < 200; pair++) {
    const victim = await Client.dial(server.port);
    victim.socket.pause();
    victim.send(`v${pair}`);
    await until(() => victim.socket.destroyed || server.counters.frames === pair * 2 + 1);
    const next = await Client.dial(server.port);
    next.send(`n${pair}`);
    const body = await next.response();
    if (String(body) !== `n${pair}` || next.bytesReceived !== 4 + `n${pair}`.length) wrong++;
    victim.socket.destroy();
    next.socket.destroy();
    await Promise.all([victim.closed, next.closed]);
  }
  t.equal(wrong, 0);
  await until(() => server.counters.connections === 0);
  t.equal(file.live.size, 0);
});

function request(payload: string): Buffer {
  return Buffer.concat([sizeOf(payload.length), Buffer.from(payload)]);
}

function allPaused(server: Awaited<ReturnType<typeof serve>>, count: number): boolean {
  const connections = [...server.connections()];
  return connections.length === count && connections.every((connection) => connection.paused);
}

/** A peer that reads nothing, and an answer that waits for it. */
async function stalledPeer(t: Test, mode: Mode) {
  const file = new TestFile(t, STALLING_BYTES);
  const server = await serve(t, {
    ...mode.options,
    handle: () => responseOf([file.slice(0, STALLING_BYTES)]),
  });
  const client = await Client.connect(t, server);
  client.socket.pause();
  client.send('x');
  await stalled(server);
  return { file, server, client };
}

/** Until no connection moves any more, though something is queued: the sockets are full. */
async function stalled(server: Awaited<ReturnType<typeof serve>>): Promise<void> {
  let before = '';
  for (let same = 0; same < 100; ) {
    await turn();
    const queued = [...server.connections()].map((connection) => connection.queuedBytes);
    const now = queued.join();
    same = now === before && queued.some((bytes) => bytes > 0) ? same + 1 : 0;
    before = now;
  }
}
