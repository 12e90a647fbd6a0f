/**
 * The claim of the house, measured on the command as it is run: record bytes leave by sendfile(2). What a
 * fetch may read of a segment is batch headers, to find its place; and what an earlier run has written is
 * read once in the thread pool, to be checked before it leaves for the first time.
 */

import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { native, nativeError } from '#src/native/binding.js';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { HEADER_SIZE } from '#src/record/layout.js';
import { RawClient } from '../support/raw-client.js';
import { straceMissing, sumBytes, traceProgram } from '../support/strace.js';
import {
  connectTo,
  createTopic,
  fetchRequest,
  produceTo,
  startBroker,
  tempDir,
} from '../support/test-broker.js';

type Test = { teardown(callback: () => unknown): void };

const MIB = 1 << 20;
const BATCH_COUNT = 256;
const READS = ['read', 'readv', 'pread64', 'preadv', 'preadv2'];
const WRITES = ['write', 'writev', 'sendmsg', 'sendto'];
const main = join(import.meta.dirname, '../../../dist/cli/main.cjs');

const missing = native === null ? `no addon: ${nativeError?.message}` : straceMissing();
const mayBeSkipped = native === null || process.env['CI'] !== 'true';
const skip = missing !== null && mayBeSkipped ? missing : false;
if (skip !== false) console.log(`# SKIPPED: zero copy of the broker, ${skip}`);

t.test(
  '512 MiB leave by sendfile, and 256 MiB of an earlier run are read once',
  { skip },
  async (t) => {
    t.equal(missing, null, 'strace is there');
    const dir = tempDir(t);
    const batch = batchOf(MIB - 100);
    await writeLog(t, dir, batch);

    const traced = traceProgram(
      process.execPath,
      [main, 'broker', '--listen', '127.0.0.1:0', '--data-dir', dir],
      {
        syscalls: ['sendfile', ...READS, ...WRITES],
        spawn: { stdio: ['ignore', 'pipe', 'inherit'] },
      },
    );
    t.teardown(() => traced.child.kill('SIGKILL'));
    const port = await portOf(traced.child.stdout);
    const fetched = (await fetchAll(port, batch.length)) + (await fetchAll(port, batch.length));
    traced.child.kill('SIGTERM');
    const calls = await traced.calls();

    t.equal(fetched, 2 * BATCH_COUNT * batch.length, 'the client received every byte, twice');
    const segment = (files: readonly string[]) => files.some((file) => file.endsWith('.log'));
    const sent = sumBytes(calls, ({ name, files }) => name === 'sendfile' && segment(files));
    t.ok(sent >= 0.99 * fetched, `sendfile moved ${sent} of ${fetched} bytes`);
    const reads = calls.filter(({ name, files }) => READS.includes(name) && segment(files));
    const ofLoop = reads.filter(({ pid }) => pid === traced.child.pid);
    const records = ofLoop.filter(({ result }) => result > HEADER_SIZE);
    t.same(records, [], `${ofLoop.length} reads on the loop, none longer than a batch header`);
    const checked = sumBytes(reads, ({ pid }) => pid !== traced.child.pid);
    // The first MiB that a job reads need not end with a batch: that one is read again.
    t.ok(checked <= 2.1 * (fetched / 2), `${checked} bytes were read to be checked`);
    const written = sumBytes(
      calls,
      ({ name, files }) => WRITES.includes(name) && /^(socket|TCP)/.test(files[0] ?? ''),
    );
    t.ok(written > 0 && written < 0.01 * fetched, `${written} bytes of headers written to sockets`);
  },
);

function batchOf(valueBytes: number): Uint8Array {
  const builder = new BatchBuilder();
  builder.append({ timestamp: 1_700_000_000_000, value: new Uint8Array(valueBytes).fill(0x6d) });
  return builder.build();
}

/** In a broker of its own, ended in order: the traced one has written nothing and cached nothing. */
async function writeLog(t: Test, dir: string, batch: Uint8Array): Promise<void> {
  const broker = await startBroker(t, { 'log.dirs': dir });
  const client = await connectTo(t, broker);
  await createTopic(client, 'bulk');
  for (let i = 0; i < BATCH_COUNT; i++) await produceTo(client, 'bulk', [], { records: batch });
  client.close();
  await broker.close();
}

async function portOf(stdout: NodeJS.ReadableStream | null): Promise<number> {
  if (stdout === null) throw new Error('stdout is piped');
  let text = '';
  for (;;) {
    const found = /listening on [\d.]+:(\d+)/.exec(text);
    if (found !== null) return Number(found[1]);
    const [data] = (await once(stdout, 'data')) as [Buffer];
    text += data.toString();
  }
}

/** Fetches from offset 0, a batch at a time; answers the bytes of records that came. */
async function fetchAll(port: number, batchBytes: number): Promise<number> {
  await using client = await RawClient.connect(port);
  let bytes = 0;
  for (let offset = 0; offset < BATCH_COUNT; offset++) {
    const request = fetchRequest('bulk', { offset, partitionMaxBytes: batchBytes });
    const { responses } = await client.request(fetch, 11, request);
    bytes += responses[0]?.partitions[0]?.records?.length ?? 0;
  }
  return bytes;
}
