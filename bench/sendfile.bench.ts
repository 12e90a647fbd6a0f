/**
 * How fast, and at what cost, does a file of the page cache leave through a socket?
 *
 *     node dist-test/bench/sendfile.bench.js [--mib 1024] [--runs 5]
 *
 * Compares, in interleaved runs on loopback with the same congestion control: our server with
 * sendfile(2), our server copying through buffers, and fs.createReadStream().pipe(socket). The
 * client is a process of its own that reads into one buffer and discards. The file is read before
 * every run. Prints GB/s, CPU seconds per GB of the server process, and ratios: medians.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  createReadStream,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { FileSlice } from '#src/base/chunk.js';
import { native } from '#src/native/binding.js';
import { Server } from '#src/net/server.js';

const MIB = 1 << 20;
const RESPONSE_BYTES = MIB;
const MODES = ['sendfile', 'copy', 'pipe'] as const;
type Mode = (typeof MODES)[number];

interface Run {
  readonly gbPerS: number;
  readonly cpuSPerGb: number;
}

const [role, ...roleArgs] = process.argv.slice(2);
if (role === 'serve') await serve(roleArgs[0] as Mode, roleArgs[1] ?? '');
else if (role === 'fetch') await fetchAll(Number(roleArgs[0]), Number(roleArgs[1]));
else await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mib: { type: 'string', default: '1024' },
      runs: { type: 'string', default: '5' },
    },
  });
  const fileBytes = Number(values.mib) * MIB;
  const dir = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const path = join(dir, 'file');
  const modes = native === null ? MODES.filter((mode) => mode !== 'sendfile') : MODES;
  const runs = new Map<Mode, Run[]>(modes.map((mode) => [mode, []]));
  const servers = new Map<Mode, ChildProcess>();
  try {
    writeFile(path, fileBytes);
    for (const mode of modes) servers.set(mode, program(['serve', mode, path]));
    const ports = new Map<Mode, number>();
    for (const [mode, server] of servers) ports.set(mode, Number(await message(server)));
    for (let i = 0; i < Number(values.runs); i++) {
      for (const [mode, server] of servers) {
        readFile(path);
        runs.get(mode)?.push(await measure(server, ports.get(mode) ?? 0, fileBytes));
      }
    }
  } finally {
    for (const server of servers.values()) server.disconnect();
    rmSync(dir, { recursive: true, force: true });
  }
  report(runs, fileBytes);
}

async function measure(server: ChildProcess, port: number, fileBytes: number): Promise<Run> {
  const before = await cpuSeconds(server);
  const client = program(['fetch', String(port), String(fileBytes)]);
  const seconds = Number(await message(client));
  client.disconnect();
  const cpuS = (await cpuSeconds(server)) - before;
  const gb = fileBytes / 1e9;
  return { gbPerS: gb / seconds, cpuSPerGb: cpuS / gb };
}

function report(runs: Map<Mode, Run[]>, fileBytes: number): void {
  console.log(
    `${fileBytes / MIB} MiB in responses of ${RESPONSE_BYTES / MIB} MiB, medians (range)`,
  );
  console.log('server      GB/s                 CPU s/GB                 x pipe: GB/s, CPU');
  const base = runs.get('pipe') ?? [];
  for (const [mode, list] of runs) {
    const speed = list.map((run) => run.gbPerS);
    const cost = list.map((run) => run.cpuSPerGb);
    const ratio = median(speed) / median(base.map((run) => run.gbPerS));
    const costRatio = median(cost) / median(base.map((run) => run.cpuSPerGb));
    console.log(
      `${mode.padEnd(10)}  ${spread(speed).padEnd(20)} ${spread(cost).padEnd(24)} ` +
        `${ratio.toFixed(2)}x, ${costRatio.toFixed(3)}x`,
    );
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function spread(values: readonly number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(3)} (${low.toFixed(3)}-${high.toFixed(3)})`;
}

function program(args: string[]): ChildProcess {
  return fork(fileURLToPath(import.meta.url), args, { env: { ...process.env } });
}

async function message(child: ChildProcess): Promise<unknown> {
  const [value] = (await once(child, 'message')) as [unknown];
  return value;
}

async function cpuSeconds(server: ChildProcess): Promise<number> {
  const answer = message(server);
  server.send('usage');
  return Number(await answer);
}

function writeFile(path: string, size: number): void {
  const fd = openSync(path, 'w');
  const block = Buffer.alloc(4 * MIB, 'not only zeros ');
  for (let at = 0; at < size; at += block.length) {
    writeSync(fd, block, 0, Math.min(block.length, size - at));
  }
  closeSync(fd);
}

/** Brings the file into the page cache. */
function readFile(path: string): void {
  const fd = openSync(path, 'r');
  const block = Buffer.allocUnsafeSlow(4 * MIB);
  while (readSync(fd, block, 0, block.length, null) > 0);
  closeSync(fd);
}

/** The server process: tells its port, then its CPU time whenever asked. */
async function serve(mode: Mode, path: string): Promise<void> {
  const port = mode === 'pipe' ? await servePipe(path) : await serveOurs(mode, path);
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.((user + system) / 1e6);
  });
  process.once('disconnect', () => process.exit(0));
  process.send?.(port);
}

async function serveOurs(mode: 'sendfile' | 'copy', path: string): Promise<number> {
  const fd = openSync(path, 'r');
  const server = await Server.listen({
    port: 0,
    writer: mode,
    handle: (_connection, frame) => {
      const [position = 0, length = 0] = Buffer.from(frame).toString().split(' ').map(Number);
      const slice: FileSlice = {
        fd,
        position,
        length,
        intactLength: length,
        copyTo: (target, at, from, count) => readSync(fd, target, at, count, position + from),
        retain() {},
        release() {},
      };
      return [Buffer.alloc(HEAD_BYTES), slice];
    },
  });
  return server.port;
}

/** What one writes without any of this; but the congestion control is made the same. */
async function servePipe(path: string): Promise<number> {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {});
    socket.once('data', () => createReadStream(path).pipe(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  native?.setCongestion(fd, 'cubic');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** In front of each response of ours, as a response header is. */
const HEAD_BYTES = 60;

/** The client process: asks for everything, reads until it has it, tells the seconds. */
async function fetchAll(port: number, fileBytes: number): Promise<void> {
  const startMs = performance.now();
  let received = 0;
  const done = (): void => {
    process.send?.((performance.now() - startMs) / 1e3);
    socket.destroy();
  };
  const socket = connect({
    port,
    host: '127.0.0.1',
    onread: {
      buffer: Buffer.allocUnsafeSlow(256 * 1024),
      callback(length) {
        received += length;
        // Heads come on top, so `pipe` is done a little earlier; the difference is 0.006 %.
        if (received >= fileBytes) done();
        return true;
      },
    },
  });
  await once(socket, 'connect');
  for (let position = 0; position < fileBytes; position += RESPONSE_BYTES) {
    const request = Buffer.from(
      `    ${position} ${Math.min(RESPONSE_BYTES, fileBytes - position)}`,
    );
    request.writeInt32BE(request.length - 4);
    socket.write(request);
  }
}
