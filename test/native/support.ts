/** What the tests of the addon share: how they skip, temporary files, sockets in pairs. */

import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Native, native, nativeError } from '#src/native/binding.js';

interface Test {
  teardown(undo: () => void): void;
}

/** Options of a test that needs the addon: skipped without it, failed where it is required. */
export const needsNative: { skip: string } | Record<string, never> =
  native !== null || (isRequired() && !isSwitchedOff())
    ? {}
    : { skip: `no addon: ${nativeError?.message}` };

function isRequired(): boolean {
  return process.env['MILLRACE_REQUIRE_NATIVE'] === '1';
}

function isSwitchedOff(): boolean {
  return process.env['MILLRACE_NATIVE'] === '0';
}

/** The addon, in a test that needs it. */
export function addon(): Native {
  if (native === null) throw new Error('the addon is required', { cause: nativeError });
  return native;
}

/** A new directory, removed after the test. */
export function temporaryDirectory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'millrace-native-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A file with these bytes, open for reading and writing until the test ends. */
export function temporaryFile(t: Test, bytes: Uint8Array): { path: string; fd: number } {
  const path = join(temporaryDirectory(t), 'file');
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r+');
  t.teardown(() => closeSync(fd));
  return { path, fd };
}

/** The descriptor of a connected or listening socket; -1 once it is closed. */
export function descriptorOf(socket: Socket | Server): number {
  const { _handle } = socket as unknown as { _handle: { fd: number } | null };
  return _handle?.fd ?? -1;
}

export interface Pair {
  readonly server: Socket;
  readonly client: Socket;
}

/** Gives connected TCP sockets, both ends paused; all are destroyed after the test. */
export async function socketPairs(t: Test): Promise<() => Promise<Pair>> {
  const waiting: ((socket: Socket) => void)[] = [];
  const listener = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {});
    waiting.shift()?.(socket);
  });
  const all: Socket[] = [];
  t.teardown(() => {
    for (const socket of all) socket.destroy();
    listener.close();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as { port: number };
  return async () => {
    const accepted = new Promise<Socket>((resolve) => waiting.push(resolve));
    const client = connect(port, '127.0.0.1');
    client.pause();
    client.on('error', () => {});
    const server = await accepted;
    all.push(client, server);
    return { server, client };
  };
}

/** Everything that `socket` still receives until its end. */
export async function readToEnd(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(chunks);
}

/** Descriptors that this process has open, the one of the question itself left out. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length - 1;
}

/** Collects garbage now; finalizers run in a later turn of the loop. */
export async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let turn = 0; turn < 5; turn++) {
    collect();
    await nextTurn();
  }
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Turns the loop until `condition` holds; a bound instead of a sleep. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const endMs = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Bytes in memory of their own, so that a sanitizer sees a read past their end. */
export function unpooled(bytes: Uint8Array | string): Buffer {
  const source = Buffer.from(bytes);
  const copy = Buffer.alloc(source.length);
  source.copy(copy);
  return copy;
}

/** `size` bytes in which every position is recognisable. */
export function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 7 + (at >>> 8) * 13 + (at >>> 16)) & 0xff;
  return bytes;
}
