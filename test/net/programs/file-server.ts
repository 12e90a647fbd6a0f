/**
 * A program: serves ranges of the file named as its argument. A request is "POSITION LENGTH" in
 * ASCII, "usage" for the CPU time used so far, or "bye"; prints its port, ends with its stdin.
 */

import { openSync, readSync } from 'node:fs';
import type { FileSlice } from '#src/base/chunk.js';
import { HotRange } from '#src/base/hot-range.js';
import { Server } from '#src/net/server.js';

const fd = openSync(process.argv[2] ?? '', 'r');
const openFile = { fd, hot: new HotRange() };

function sliceOf(position: number, length: number): FileSlice {
  return {
    fd,
    position,
    length,
    openFile,
    intactLength: length,
    copyTo: (target, targetOffset, from, count) =>
      readSync(fd, target, targetOffset, count, position + from),
    retain() {},
    release() {},
  };
}

function sized(length: number): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(length);
  return size;
}

const server: Server = await Server.listen({
  port: 0,
  handle: (_connection, frame) => {
    const text = Buffer.from(frame).toString();
    if (text === 'usage') {
      const { user, system } = process.cpuUsage();
      const answer = Buffer.from(JSON.stringify({ cpuUs: user + system, ...server.counters }));
      return [sized(answer.length), answer];
    }
    const [position = 0, length = 0] = text.split(' ').map(Number);
    return [sized(length), sliceOf(position, length)];
  },
});

process.stdin.resume();
process.stdin.once('end', () => void server.close());
console.log(server.port);
