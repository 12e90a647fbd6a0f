/**
 * How fast does the broker serve, and how much memory does it take?
 *
 *     node dist-test/bench/start.bench.js [--runs 5] [--fetch-mib 1024]
 *
 * A run spawns `millrace broker` with an empty directory, connects as soon as it says where it
 * listens, and measures from the spawn to the first ApiVersions answer; then RSS after two idle
 * seconds; then RSS after that many MiB of records were fetched. Medians of the runs, min and max.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Chunk } from '#src/base/chunk.js';
import { encodeRequest } from '#src/protocol/codec.js';
import { produce } from '#src/protocol/messages/00-produce.js';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import { apiVersions } from '#src/protocol/messages/18-api-versions.js';
import { createTopics } from '#src/protocol/messages/19-create-topics.js';
import { BatchBuilder } from '#src/record/batch-builder.js';

const MIB = 2 ** 20;
const BATCH_MIB = 1;
const LOG_MIB = 64;
const TARGETS = { startMs: 150, idleMib: 80, fetchedMib: 120 };

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    'fetch-mib': { type: 'string', default: '1024' },
  },
});
const runs = Number(values.runs);
const fetchMib = Number(values['fetch-mib']);

async function measure() {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const main = join(import.meta.dirname, '../../dist/cli/main.js');
  const started = performance.now();
  const broker = spawn(
    process.execPath,
    [main, 'broker', '--listen', '127.0.0.1:0', '--data-dir', dir],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    const port = await listeningPort(broker);
    const client = await Client.connect(port);
    await client.exchange(
      encodeRequest(apiVersions, 3, 1, 'bench', {
        clientSoftwareName: 'bench',
        clientSoftwareVersion: '1',
      }),
    );
    const elapsedMs = performance.now() - started;
    await sleep(2000);
    const idle = rssMib(broker);
    if (fetchMib > 0) await fetchMuch(client);
    const fetched = rssMib(broker);
    client.close();
    return { startMs: elapsedMs, idleMib: idle, fetchedMib: fetched };
  } finally {
    broker.kill('SIGTERM');
    await new Promise((resolve) => broker.once('exit', resolve));
    rmSync(dir, { recursive: true, force: true });
  }
}

async function fetchMuch(client: Client): Promise<void> {
  const topic = { name: 'bench', numPartitions: 1, replicationFactor: 1 };
  await client.exchange(
    encodeRequest(createTopics, 4, 2, 'bench', {
      topics: [{ ...topic, assignments: [], configs: [] }],
    }),
  );
  const builder = new BatchBuilder({});
  const value = Buffer.alloc(1000, 'x');
  const count = Math.floor((BATCH_MIB * MIB) / 1024);
  for (let i = 0; i < count; i++) builder.append({ timestamp: Date.now(), value });
  const records = builder.build();
  for (let sent = 0; sent < LOG_MIB; sent += BATCH_MIB) {
    await client.exchange(
      encodeRequest(produce, 9, 3, 'bench', {
        acks: 1,
        timeoutMs: 5000,
        topicData: [{ name: 'bench', partitionData: [{ index: 0, records }] }],
      }),
    );
  }
  for (let bytes = 0, at = 0; bytes < fetchMib * MIB; at = (at + 8) % LOG_MIB) {
    bytes += await client.exchange(
      encodeRequest(fetch, 11, 4, 'bench', {
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: 50 * MIB,
        topics: [
          {
            topic: 'bench',
            partitions: [{ partition: 0, fetchOffset: at * count, partitionMaxBytes: 8 * MIB }],
          },
        ],
        forgottenTopicsData: [],
      }),
    );
  }
}

/** Sends one request at a time and counts the bytes of its response, without keeping them. */
class Client {
  readonly #socket: Socket;
  #left = 0;
  #size = 0;
  #head: Buffer = Buffer.alloc(0);
  #done: ((size: number) => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#take(bytes));
  }

  static connect(port: number): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Client(socket)));
    });
  }

  exchange(request: readonly Chunk[]): Promise<number> {
    for (const chunk of request) this.#socket.write(chunk as Uint8Array);
    return new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    let rest = bytes;
    if (this.#left === 0) {
      rest = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes]);
      if (rest.length < 4) {
        this.#head = rest;
        return;
      }
      this.#head = Buffer.alloc(0);
      this.#size = rest.readInt32BE(0);
      this.#left = this.#size;
      rest = rest.subarray(4);
    }
    this.#left -= rest.length;
    if (this.#left === 0) this.#done?.(this.#size);
  }
}

function listeningPort(broker: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = '';
    broker.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)));
    broker.stdout?.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      const match = /listening on .*:(\d+)/.exec(text);
      if (match !== null) resolve(Number(match[1]));
    });
  });
}

function rssMib(broker: ChildProcess): number {
  const status = readFileSync(`/proc/${broker.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

function report(what: string, numbers: number[], unit: string, target: number): void {
  if (numbers.length === 0) return;
  const sorted = [...numbers].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] as number;
  const range = `${sorted[0]?.toFixed(1)}-${sorted[sorted.length - 1]?.toFixed(1)}`;
  const verdict = median < target ? 'reached' : 'MISSED';
  console.log(`${what}: ${median.toFixed(1)} ${unit} (${range}); target < ${target} ${verdict}`);
}

const startMs: number[] = [];
const idleMib: number[] = [];
const fetchedMib: number[] = [];
for (let run = 0; run < runs; run++) {
  const result = await measure();
  startMs.push(result.startMs);
  idleMib.push(result.idleMib);
  if (fetchMib > 0) fetchedMib.push(result.fetchedMib);
}
console.log(`node ${process.version}, ${runs} runs, median (min-max)`);
report('start to first ApiVersions answer', startMs, 'ms', TARGETS.startMs);
report('RSS idle', idleMib, 'MiB', TARGETS.idleMib);
report(`RSS after ${fetchMib} MiB of fetches`, fetchedMib, 'MiB', TARGETS.fetchedMib);
