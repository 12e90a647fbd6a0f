/**
 * A broker in a process of its own, at the limits of its machine: a full disk, a directory that is
 * taken, too few descriptors. Refused is allowed, lost is not.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { run, runBroker } from '../cli/cli.js';
import { RawClient } from '../support/raw-client.js';
import { createTopic, produceTo, tempDir } from '../support/test-broker.js';
import { encodeBatch } from './kill-batch.js';
import { fetchAll } from './kill-cycles.js';

const PORT_0 = ['--listen', '127.0.0.1:0'];

/** Produces records one by one until one is refused; answers its error, 0 if none was. */
async function produceUntilRefused(
  client: RawClient,
  topic: string,
  acknowledged: string[],
  bounds: { readonly countMax: number; readonly size: number },
): Promise<number> {
  for (let i = 0; i < bounds.countMax; i++) {
    const value = `${acknowledged.length} ${'x'.repeat(bounds.size)}`;
    const records = encodeBatch([value], null, -1, 1_700_000_000_000);
    const { errorCode, baseOffset } = await produceTo(client, topic, [], { records });
    if (errorCode !== 0) return errorCode;
    if (Number(baseOffset) !== acknowledged.length) throw new Error(`offset ${baseOffset}`);
    acknowledged.push(value);
  }
  return 0;
}

async function valuesOf(client: RawClient, topic: string): Promise<string[]> {
  return (await fetchAll(client, topic)).map(({ value }) => value);
}

/** Mounts a tmpfs; null, and why, if that is not possible here. */
function mountTmpfs(size: string): { readonly dir: string } | { readonly reason: string } {
  if (process.getuid?.() !== 0) return { reason: 'only root can mount a file system' };
  const dir = mkdtempSync(join(tmpdir(), 'millrace-tmpfs-'));
  const { status, stderr, error } = spawnSync(
    'mount',
    ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir],
    { encoding: 'utf8' },
  );
  if (status === 0) return { dir };
  rmSync(dir, { recursive: true });
  return { reason: `no tmpfs can be mounted: ${error?.message ?? stderr}` };
}

const mounted = mountTmpfs('2m');
const noTmpfs = 'reason' in mounted ? mounted.reason : false;
const noPrlimit = spawnSync('prlimit', ['--version']).status !== 0 && 'there is no prlimit';

t.test('a full disk refuses and heals, and loses nothing', { skip: noTmpfs }, async (t) => {
  if ('reason' in mounted) return;
  const { dir } = mounted;
  t.teardown(() => {
    spawnSync('umount', ['--lazy', dir]);
    rmSync(dir, { recursive: true, force: true });
  });
  const data = join(dir, 'data');
  const broker = await runBroker(t, [...PORT_0, '--data-dir', data]);
  const client = await RawClient.connect(broker.port);
  await createTopic(client, 'a', { configs: { 'segment.bytes': '300000' } });
  const acknowledged: string[] = [];
  for (const size of [5000, 500, 10]) {
    const refused = await produceUntilRefused(client, 'a', acknowledged, { countMax: 5000, size });
    t.equal(refused, errorCodes.KAFKA_STORAGE_ERROR, `full for records of ${size} bytes`);
  }
  t.ok(acknowledged.length > 300, `${acknowledged.length} acknowledged`);
  t.same(await valuesOf(client, 'a'), acknowledged, 'all of them are readable while it is full');

  const grown = spawnSync('mount', ['-o', 'remount,size=8m', dir]);
  t.equal(grown.status, 0, 'remounted larger');
  const more = { countMax: 300, size: 1000 };
  t.equal(await produceUntilRefused(client, 'a', acknowledged, more), 0, 'it is written to again');
  t.same(await valuesOf(client, 'a'), acknowledged);
  client.close();

  broker.child.kill('SIGKILL');
  await broker.finished;
  const again = await runBroker(t, [...PORT_0, '--data-dir', data]);
  await using reader = await RawClient.connect(again.port);
  t.same(await valuesOf(reader, 'a'), acknowledged, 'and after kill -9 it is all there');
  again.child.kill('SIGTERM');
  t.equal((await again.finished).code, 0);
});

t.test('one process a directory; a dead one does not hold it', async (t) => {
  const dir = tempDir(t);
  const args = ['broker', ...PORT_0, '--data-dir', dir];
  const first = await runBroker(t, [...PORT_0, '--data-dir', dir]);
  for (const signal of ['SIGSTOP', 'SIGCONT'] as const) {
    // A holder that does not run at the moment holds it all the same.
    first.child.kill(signal);
    const { code, stdout, stderr } = await run(args);
    t.equal(code, 1);
    t.equal(stdout, '');
    t.match(stderr, new RegExp(`in use by process ${first.child.pid}\\b`));
  }
  first.child.kill('SIGKILL');
  await first.finished;
  const second = await runBroker(t, [...PORT_0, '--data-dir', dir]);
  t.ok(second.port > 0, 'killed, it lets go');
});

t.test(
  'without descriptors it refuses, recovers, loses nothing',
  { skip: noPrlimit },
  async (t) => {
    const dir = tempDir(t);
    const { port, child, finished } = await runBroker(t, [...PORT_0, '--data-dir', dir]);
    const client = await RawClient.connect(port);
    await createTopic(client, 'a', { configs: { 'segment.bytes': '3000' } });
    const acknowledged: string[] = [];
    await produceUntilRefused(client, 'a', acknowledged, { countMax: 20, size: 100 });
    const open = readdirSync(`/proc/${child.pid}/fd`).length;
    const limit = open + 12;
    t.equal(
      spawnSync('prlimit', [`--pid=${child.pid}`, `--nofile=${limit}:${limit + 1000}`]).status,
      0,
    );

    const crowd: RawClient[] = [];
    for (let i = 0; i < 40; i++) {
      const one = await RawClient.connect(port).catch(() => null);
      if (one === null) continue;
      one.socket.on('error', () => {});
      crowd.push(one);
    }
    const used = readdirSync(`/proc/${child.pid}/fd`).length;
    // A file or two may have been opened between count and limit.
    t.ok(used <= limit + 4, `it keeps to the limit: ${used} of ${limit}, ${open} before`);
    // Segments of 3000 bytes: these need new files. Refused is allowed.
    let refused = 0;
    for (let i = 0; i < 60; i++) {
      const error = await produceUntilRefused(client, 'a', acknowledged, {
        countMax: 1,
        size: 100,
      });
      if (error === 0) continue;
      refused++;
      t.equal(error, errorCodes.KAFKA_STORAGE_ERROR);
    }
    t.comment(`${refused} of 60 appends refused, ${crowd.length} connections made`);
    for (const one of crowd) one.close();
    t.equal(spawnSync('prlimit', [`--pid=${child.pid}`, `--nofile=${limit + 1000}`]).status, 0);

    const more = { countMax: 60, size: 100 };
    t.equal(await produceUntilRefused(client, 'a', acknowledged, more), 0, 'appends go on');
    const late = await RawClient.connect(port);
    t.same(await valuesOf(late, 'a'), acknowledged, 'so do new connections; nothing is lost');
    late.close();
    client.close();
    child.kill('SIGKILL');
    await finished;
    const again = await runBroker(t, [...PORT_0, '--data-dir', dir]);
    await using reader = await RawClient.connect(again.port);
    t.same(await valuesOf(reader, 'a'), acknowledged, 'nor is it after a restart');
  },
);
