// Steering by every client: a consumer pauses a partition while records come, goes on, and seeks back.

import { deepEqual, equal, ok } from 'node:assert/strict';
import type { Client } from './client.js';
import { runOk } from './process.js';
import type { Server } from './servers.js';

const BEFORE = 20;
const MEANWHILE = 5;
/** Where the programs seek to, on both partitions. */
const SOUGHT = 5;

export async function steering({
  server,
  client,
}: {
  readonly server: Server;
  readonly client: Client;
}): Promise<void> {
  ok(client.steer !== undefined);
  const { bootstrap } = server;
  const name = client.name.replaceAll(' ', '-');
  const [topic, group] = [`${name}-steered`, `${name}-steering`];
  await client.create(bootstrap, topic, 2, {});
  const write = async (count: number): Promise<void> => {
    const input = Buffer.from('value\n'.repeat(count));
    for (const partition of ['0', '1']) {
      await runOk('kcat', ['-P', '-b', bootstrap, '-t', topic, '-p', partition], { input });
    }
  };
  await write(BEFORE);
  /** Offsets by partition, of the time up to each step. */
  const stages: number[][][] = [[[], []]];
  const steps: string[] = [];
  let written: Promise<void> | null = null;
  await client.steer(bootstrap, topic, group, (event) => {
    if (event.did === undefined) {
      stages.at(-1)?.[event.partition]?.push(event.offset);
      return;
    }
    steps.push(event.did);
    stages.push([[], []]);
    if (event.did === 'pause') {
      written = write(MEANWHILE);
      // It is awaited below, where a failure counts.
      written.catch(() => {});
    }
  });
  await written;
  const all = BEFORE + MEANWHILE;
  deepEqual(steps, ['pause', 'resume', 'seek']);
  const [first, paused, resumed, sought] = stages;
  deepEqual(first, [offsets(0, BEFORE), offsets(0, BEFORE)], 'before the pause');
  deepEqual(paused?.[0], [], 'of the paused partition');
  deepEqual(resumed?.[0], offsets(BEFORE, all), 'of the partition that was paused');
  const other = [...(paused?.[1] ?? []), ...(resumed?.[1] ?? [])];
  deepEqual(other, offsets(BEFORE, all), 'of the other partition');
  if (!('steer' in client.remarks)) equal(resumed?.[1]?.length, 0, 'the other one waited');
  deepEqual(sought, [offsets(SOUGHT, all), offsets(SOUGHT, all)], 'after the seek');
}

function offsets(from: number, end: number): number[] {
  return Array.from({ length: end - from }, (_, i) => from + i);
}
