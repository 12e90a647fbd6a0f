/** Every way that the kernel may answer, by a socket and a page cache that the test makes up. */

import t from 'tap';
import { type Chunk, type FileSlice, isFileSlice, type OpenFile } from '#src/base/chunk.js';
import { ManualClock } from '#src/base/clock.js';
import { HotRange } from '#src/base/hot-range.js';
import {
  defaultNetLimits,
  PREFETCH_JOBS_MAX,
  SEND_TURN_BYTES,
  SLICE_COPY_BYTES_MAX,
} from '#src/base/limits.js';
import { seededRandom } from '#src/base/random.js';
import type { Native, SocketHandle } from '#src/native/binding.js';
import { ColdReads } from '#src/net/cold-reads.js';
import { newNetCounters } from '#src/net/counters.js';
import { SendfileWriter } from '#src/net/sendfile-writer.js';
import { turn, until } from './harness.js';

const EAGAIN = 11;
const EIO = 5;
const EPIPE = 32;

/** A file whose byte at position n is n % 251, and whose slices count. */
class MadeUpFile {
  size: number;
  live = 0;
  readonly openFile: OpenFile = { fd: 5, hot: new HotRange() };
  released = 0;

  constructor(size: number) {
    this.size = size;
  }

  slice(position: number, length: number): FileSlice {
    let holderCount = 1;
    this.live++;
    return {
      fd: this.openFile.fd,
      position,
      length,
      openFile: this.openFile,
      intactLength: length,
      copyTo: (target, targetOffset, from, count) => {
        if (holderCount === 0) throw new Error('used after release');
        const there = Math.max(0, Math.min(count, this.size - position - from));
        for (let i = 0; i < there; i++) target[targetOffset + i] = (position + from + i) % 251;
        return there;
      },
      retain: () => {
        holderCount++;
      },
      release: () => {
        if (holderCount-- === 0) t.fail('released twice');
        if (holderCount > 0) return;
        this.live--;
        this.released++;
      },
    };
  }

  bytes(position: number, length: number): Buffer {
    return Buffer.from(Uint8Array.from({ length }, (_, i) => (position + i) % 251));
  }
}

/** A socket that takes as much as `room` says at each call, and keeps what it took. */
class MadeUpSocket implements SocketHandle {
  readonly fd = 9;
  readonly received: Buffer[] = [];
  readonly calls: string[] = [];
  readonly #file: MadeUpFile;
  readonly #room: (wanted: number) => number;
  armed = false;

  constructor(file: MadeUpFile, room: (wanted: number) => number) {
    this.#file = file;
    this.#room = room;
  }

  send(buffers: readonly Uint8Array[], firstOffset: number, more: 0 | 1): number {
    const bytes = Buffer.concat(buffers).subarray(firstOffset);
    return this.#take(bytes, `send ${buffers.length}${more === 1 ? ' more' : ''}`);
  }

  sendfile(_fd: number, position: number, length: number): number {
    const there = Math.max(0, Math.min(length, this.#file.size - position));
    if (there === 0) {
      this.calls.push('sendfile 0');
      return 0;
    }
    return this.#take(this.#file.bytes(position, there), 'sendfile');
  }

  arm(): number {
    this.armed = true;
    this.calls.push('arm');
    return 0;
  }

  disarm(): number {
    this.armed = false;
    return 0;
  }

  shutdown(): number {
    return 0;
  }

  close(): number {
    return 0;
  }

  all(): Buffer {
    return Buffer.concat(this.received);
  }

  #take(bytes: Buffer, call: string): number {
    const room = this.#room(bytes.length);
    this.calls.push(room < 0 ? `${call} -${-room}` : call);
    if (room < 0) return room;
    const taken = Buffer.from(bytes.subarray(0, Math.min(room, bytes.length)));
    this.received.push(taken);
    return taken.length;
  }
}

interface PendingPrefetch {
  readonly position: number;
  readonly length: number;
  readonly ahead: number;
  readonly callback: (result: number) => void;
}

function setUp(fileSize: number, room: (wanted: number) => number = (wanted) => wanted) {
  const file = new MadeUpFile(fileSize);
  const socket = new MadeUpSocket(file, room);
  const prefetches: PendingPrefetch[] = [];
  const looks: string[] = [];
  const page = { resident: (_position: number, length: number): number => length };
  const addon = {
    constants: { EAGAIN },
    residentBytes(fd: number, position: number, length: number) {
      looks.push(`${fd}: ${position}+${length}`);
      return page.resident(position, length);
    },
    prefetch(
      _fd: number,
      position: number,
      length: number,
      ahead: number,
      callback: PendingPrefetch['callback'],
    ) {
      prefetches.push({ position, length, ahead, callback });
      return 0;
    },
  };
  const native = addon as unknown as Native;
  const clock = new ManualClock();
  const counters = newNetCounters();
  const context = {
    native,
    clock,
    coldReads: new ColdReads(native, clock, defaultNetLimits, counters),
  };
  const errors: Error[] = [];
  const sent: number[] = [];
  const newWriter = (): SendfileWriter => {
    const writer = new SendfileWriter(
      socket,
      {
        onSent: (bytes) => sent.push(bytes),
        onWriteError(error) {
          errors.push(error);
          writer.destroy();
        },
      },
      counters,
      context,
    );
    return writer;
  };
  return { file, socket, prefetches, looks, page, errors, sent, counters, newWriter };
}

/** Turns of the loop; fires the writability event as often as it is armed. */
async function drain(writer: SendfileWriter, socket: MadeUpSocket): Promise<void> {
  for (let i = 0; i < 10_000 && writer.queuedBytes > 0; i++) {
    await turn();
    if (!socket.armed) continue;
    socket.armed = false;
    writer.onWritable(0);
  }
}

function expected(file: MadeUpFile, chunks: readonly Chunk[]): Buffer {
  return Buffer.concat(
    chunks.map((chunk) => (isFileSlice(chunk) ? file.bytes(chunk.position, chunk.length) : chunk)),
  );
}

t.test('the bytes are right however little the socket takes at a time', async (t) => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = seededRandom(seed);
    const { file, socket, newWriter, errors, sent } = setUp(200_000, (wanted) => {
      const kind = random.below(4);
      if (kind === 0) return -EAGAIN;
      return kind === 1 ? wanted : 1 + random.below(wanted);
    });
    const writer = newWriter();
    const all: Chunk[] = [];
    for (let i = 0; i < 40; i++) {
      const length = 1 + random.below(random.below(3) === 0 ? 20_000 : 500);
      const position = random.below(200_000 - length);
      const chunk =
        random.below(2) === 0 ? file.slice(position, length) : file.bytes(position, length);
      all.push(chunk);
      writer.enqueue([chunk, new Uint8Array(0)]);
      if (random.below(4) === 0) await turn();
    }
    const wanted = expected(file, all);
    await drain(writer, socket);
    if (!socket.all().equals(wanted)) t.fail(`bytes differ with seed ${seed}`);
    if (file.live !== 0 || errors.length !== 0) t.fail(`leak or error with seed ${seed}`);
    const total = sent.reduce((sum, bytes) => sum + bytes, 0);
    if (total !== wanted.length) t.fail(`progress differs with seed ${seed}`);
  }
  t.pass('30 seeds');
});

t.test('small parts leave in one call, announcing the range that follows', async (t) => {
  const { file, socket, newWriter, counters } = setUp(100_000);
  const writer = newWriter();
  writer.enqueue([
    Buffer.from('head'),
    file.slice(10, SLICE_COPY_BYTES_MAX),
    Buffer.from('between'),
    file.slice(20, SLICE_COPY_BYTES_MAX + 1),
    Buffer.from('tail'),
  ]);
  writer.enqueue([Buffer.from('next head'), file.slice(30, 1)]);
  t.same(socket.calls, [], 'nothing leaves before the end of the tick');
  await turn();
  t.same(socket.calls, ['send 3 more', 'sendfile', 'send 3']);
  t.equal(writer.queuedBytes, 0);
  t.equal(counters.bytesSentBySendfile, SLICE_COPY_BYTES_MAX + 1);
  t.equal(counters.bytesCopiedFromFiles, SLICE_COPY_BYTES_MAX + 1);
  t.equal(
    counters.bytesSentFromMemory,
    SLICE_COPY_BYTES_MAX + 1 + 'headbetweentailnext head'.length,
  );
});

t.test('a partial answer arms at once, and enqueueing does not send past it', async (t) => {
  let room = 10_000;
  const { file, socket, newWriter } = setUp(100_000, () => room);
  const writer = newWriter();
  writer.enqueue([file.slice(0, 50_000)]);
  await turn();
  t.same(socket.calls, ['sendfile', 'arm']);
  writer.enqueue([Buffer.from('later')]);
  await turn();
  await turn();
  t.same(socket.calls, ['sendfile', 'arm'], 'it waits for the event');
  room = 1_000_000;
  writer.onWritable(0);
  t.same(socket.calls, ['sendfile', 'arm', 'sendfile', 'send 1'], 'then it goes on at once');
  t.equal(file.live, 0);
});

t.test('two connections take turns of 1 MiB', async (t) => {
  const { file, socket, newWriter } = setUp(8 * SEND_TURN_BYTES);
  const [first, second] = [newWriter(), newWriter()];
  first.enqueue([file.slice(0, 4 * SEND_TURN_BYTES)]);
  second.enqueue([Buffer.from('short')]);
  await turn();
  t.same(socket.calls, ['sendfile', 'send 1'], 'the short one does not wait for the long one');
  t.equal(first.queuedBytes, 3 * SEND_TURN_BYTES);
  await until(() => first.queuedBytes === 0);
  t.equal(socket.calls.length, 5);
});

t.test('errors end it, and every slice is released once', async (t) => {
  const cases: [string, number, RegExp][] = [
    ['EIO', -EIO, /sendfile: EIO/],
    ['EPIPE', -EPIPE, /sendfile: EPIPE/],
  ];
  for (const [name, status, message] of cases) {
    const { file, newWriter, errors } = setUp(100_000, () => status);
    const writer = newWriter();
    writer.enqueue([file.slice(0, 20_000), Buffer.from('x'), file.slice(5, 10)]);
    await turn();
    t.equal(errors.length, 1, name);
    t.match(errors[0]?.message, message);
    t.equal(file.live, 0);
    t.equal(file.released, 2);
    writer.enqueue([file.slice(0, 5)]);
    t.equal(file.released, 3, 'what comes after the end is released at once');
  }
});

t.test('a range beyond the end of its file ends it, also after a part was sent', async (t) => {
  const { file, socket, newWriter, errors } = setUp(30_000);
  const writer = newWriter();
  writer.enqueue([file.slice(0, 40_000), Buffer.from('never')]);
  await turn();
  socket.armed = false;
  writer.onWritable(0);
  t.equal(socket.all().length, 30_000);
  t.match(errors, [{ code: 'SHORT_FILE_SLICE' }]);
  t.equal(file.live, 0);
});

t.test('an error of the poll ends it', async (t) => {
  const { file, newWriter, errors } = setUp(30_000, () => -EAGAIN);
  const writer = newWriter();
  writer.enqueue([file.slice(0, 20_000)]);
  await turn();
  writer.onWritable(-104);
  t.match(errors, [{ message: /ECONNRESET/ }]);
  writer.onWritable(0);
  t.equal(errors.length, 1, 'later events are nothing');
  t.equal(file.live, 0);
});

t.test('a cold range is read in the pool first, while others are served', async (t) => {
  const { file, socket, newWriter, page, prefetches, looks, counters } = setUp(4 << 20);
  page.resident = (position, length) => (position < 1 << 20 ? length : 0);
  const [cold, warm] = [newWriter(), newWriter()];
  cold.enqueue([file.slice(0, 3 << 20)]);
  warm.enqueue([Buffer.from('served')]);
  await until(() => prefetches.length === 1);
  t.same(socket.calls, ['sendfile', 'send 1'], 'the first step was resident');
  t.match(prefetches, [{ position: 1 << 20, length: 1 << 20 }]);
  prefetches[0]?.callback(1 << 20);
  await until(() => prefetches.length === 2);
  t.equal(cold.queuedBytes, 1 << 20);
  t.equal(looks.length, 3, 'what was prefetched is not looked at again');
  prefetches[1]?.callback(1 << 20);
  await until(() => cold.queuedBytes === 0);
  t.equal(counters.prefetches, 2);
  looks.length = 0;
  warm.enqueue([file.slice(0, 3 << 20)]);
  await until(() => warm.queuedBytes === 0);
  t.same(looks, [], 'what was just sent is hot');
  const next = new MadeUpFile(4 << 20);
  page.resident = (_, length) => length;
  warm.enqueue([next.slice(0, 3 << 20)]);
  await until(() => warm.queuedBytes === 0);
  t.equal(looks.length, 3, 'of that file, not of the next one with its descriptor');
  t.equal(file.live + next.live, 0);
});

t.test('where residency cannot be told, it just sends', async (t) => {
  const { file, socket, newWriter, page } = setUp(1 << 20);
  page.resident = () => -38;
  const writer = newWriter();
  writer.enqueue([file.slice(0, 50_000)]);
  await turn();
  t.same(socket.calls, ['sendfile']);
});

t.test('a failed prefetch ends the connection', async (t) => {
  const { file, newWriter, page, prefetches, errors } = setUp(1 << 20);
  page.resident = () => 0;
  const writer = newWriter();
  writer.enqueue([file.slice(0, 50_000)]);
  await turn();
  prefetches[0]?.callback(-EIO);
  t.match(errors, [{ message: /read: EIO/ }]);
  t.equal(file.live, 0);
});

t.test('prefetch jobs are few, and hold no slice', async (t) => {
  const { file, newWriter, page, prefetches, errors } = setUp(1 << 20);
  page.resident = () => 0;
  const writers = Array.from({ length: PREFETCH_JOBS_MAX + 2 }, newWriter);
  for (const [i, writer] of writers.entries()) writer.enqueue([file.slice(0, 50_000 + i)]);
  await turn();
  t.equal(prefetches.length, PREFETCH_JOBS_MAX);
  for (const writer of writers) writer.destroy();
  t.equal(file.live, 0);
  for (let i = 0; i < writers.length; i++) prefetches[i]?.callback(50_000);
  t.equal(prefetches.length, writers.length);
  t.equal(errors.length, 0);
});
