/**
 * kill -9 under commits: a committed offset that was answered never goes back, and none appears that was
 * never sent. Segments of the offsets topic are small, so that it rolls and is compacted meanwhile.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { offsetCommit } from '#src/protocol/messages/08-offset-commit.js';
import { offsetFetch } from '#src/protocol/messages/09-offset-fetch.js';
import { RawClient } from '../support/raw-client.js';
import { createTopic } from '../support/test-broker.js';

const MAIN = join(import.meta.dirname, '../../../dist/cli/main.cjs');
const GROUPS = ['one', 'two', 'three'];
const CYCLES = 5;

class Running {
  readonly child: ChildProcess;
  readonly port: number;

  constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.port = port;
  }

  static start(dir: string): Promise<Running> {
    const args = [MAIN, 'broker', '--listen', '127.0.0.1:0', '--data-dir', dir];
    const overrides = ['offsets.topic.segment.bytes=20000', 'log.cleaner.backoff.ms=50'];
    for (const one of overrides) args.push('--override', one);
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let stdout = '';
    return new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)));
      child.stdout.on('data', (bytes: Buffer) => {
        stdout += bytes.toString();
        const port = /listening on \S+:(\d+)/.exec(stdout)?.[1];
        if (port !== undefined) resolve(new Running(child, Number(port)));
      });
    });
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }
}

/** What a group was told, and what it has asked for. */
interface Progress {
  acknowledged: number;
  sent: number;
}

async function commit(client: RawClient, groupId: string, offset: number): Promise<void> {
  const { topics } = await client.request(offsetCommit, 7, {
    groupId,
    memberId: '',
    topics: [
      {
        name: 'a',
        partitions: [0, 1].map((partitionIndex) => ({
          partitionIndex,
          committedOffset: offset,
          committedMetadata: `note ${offset}`,
        })),
      },
    ],
  });
  for (const { errorCode } of topics[0]?.partitions ?? []) {
    if (errorCode !== 0) throw new Error(`error ${errorCode}`);
  }
}

t.test('kill -9 under commits', { timeout: 100_000 }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-kill-groups-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const progress = new Map<string, Progress>(
    GROUPS.map((group) => [group, { acknowledged: -1, sent: -1 }]),
  );
  for (let cycle = 0; cycle <= CYCLES; cycle++) {
    const broker = await Running.start(dir);
    t.teardown(() => broker.kill());
    const client = await RawClient.connect(broker.port);
    if (cycle === 0) await createTopic(client, 'a', { partitions: 2 });
    for (const [groupId, { acknowledged, sent }] of progress) {
      const { topics } = await client.request(offsetFetch, 7, { groupId, topics: null });
      if (cycle === 0) continue;
      const found = topics[0]?.partitions ?? [];
      t.equal(found.length, 2);
      for (const { committedOffset, metadata } of found) {
        const isBetween = committedOffset >= acknowledged && committedOffset <= sent;
        t.ok(isBetween, `${groupId}: ${acknowledged} <= ${committedOffset} <= ${sent}`);
        t.equal(metadata, `note ${committedOffset}`);
      }
      t.equal(found[0]?.committedOffset, found[1]?.committedOffset, 'one commit is whole');
    }
    client.close();
    if (cycle < CYCLES) await commitUntilKilled(broker, progress, 150 + 37 * cycle);
    else await broker.kill();
  }
});

/** Every group commits as fast as it is answered; the kill comes after so many answers. */
async function commitUntilKilled(
  broker: Running,
  progress: ReadonlyMap<string, Progress>,
  answers: number,
): Promise<void> {
  let left = answers;
  let killed: Promise<void> | null = null;
  const workers = [...progress].map(async ([groupId, state]) => {
    const client = await RawClient.connect(broker.port);
    try {
      while (killed === null) {
        const offset = ++state.sent;
        await commit(client, groupId, offset);
        state.acknowledged = offset;
        if (--left === 0) killed = broker.kill();
      }
    } catch (error) {
      if (killed === null) throw error;
    } finally {
      client.close();
    }
  });
  await Promise.all(workers);
  await killed;
}
