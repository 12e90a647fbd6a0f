/**
 * Leaves everything of the addon in the middle of its work: armed handles on full sockets, syncs and
 * reads in the pool, maps. What happens then (terminate, process.exit) is the test's.
 *
 *     as a worker: posts 'busy' when it is
 *     as a process: argv[2] 'exit' calls process.exit(0) then, 'close' closes all and ends by itself
 */

import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parentPort } from 'node:worker_threads';
import type { SocketHandle } from '#src/native/binding.js';
import { addon, descriptorOf } from './support.js';

const HANDLE_COUNT = 8;

const native = addon();
const size = 1 << 20;
const directory = mkdtempSync(join(tmpdir(), 'millrace-environment-'));
const path = join(directory, 'file');
writeFileSync(path, Buffer.alloc(size));
const fd = openSync(path, 'r+');
rmSync(directory, { recursive: true });

const handles: SocketHandle[] = [];
const maps: (ArrayBuffer | number)[] = [];
const listener = createServer({ pauseOnConnect: true }, (socket) => {
  socket.on('error', () => {});
  const handle = new native.SocketHandle(descriptorOf(socket), () => {});
  while (handle.sendfile(fd, 0, size) > 0);
  handle.arm();
  handles.push(handle);
  maps.push(native.mapFile(fd, 0, size));
  native.fdatasync(fd, () => {});
  native.prefetch(fd, 0, size, 0, () => {});
  if (handles.length === HANDLE_COUNT) busy();
});
listener.listen(0, '127.0.0.1', () => {
  const { port } = listener.address() as { port: number };
  for (let i = 0; i < HANDLE_COUNT; i++) {
    const client = connect(port, '127.0.0.1');
    client.pause();
    client.on('error', () => {});
  }
});

function busy(): void {
  const everything = maps.length === HANDLE_COUNT && handles.every((handle) => handle.armed);
  if (parentPort !== null) parentPort.postMessage(everything ? 'busy' : 'not busy');
  if (process.argv[2] === 'exit') process.exit(everything ? 0 : 1);
  if (process.argv[2] === 'close') {
    for (const handle of handles) {
      handle.shutdown();
      handle.close();
    }
    for (const map of maps) if (typeof map !== 'number') native.unmapFile(map);
    closeSync(fd);
    listener.close();
  }
}
