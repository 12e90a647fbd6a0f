/**
 * Run by leftovers.test.ts in a process of its own.
 *
 *     use       starts, uses and disposes brokers; prints what is open before and after, as JSON
 *     leak      leaves two brokers as they are: the process ends by itself all the same
 */

import { readdirSync } from 'node:fs';
import { startBroker, type TestBroker } from '#src/public/testing.js';
import { RawClient } from '../support/raw-client.js';
import { fetchFrom, produceTo } from '../support/test-broker.js';

const MODES = [
  { inWorker: false },
  { inWorker: true },
  { inWorker: true, clock: 'virtual' },
  { inWorker: false, clock: 'virtual' },
] as const;

async function use(broker: TestBroker): Promise<void> {
  const client = await RawClient.connect(broker.port);
  await produceTo(client, 'a', ['x']);
  await broker.log('a').roll();
  await fetchFrom(client, 'a');
  await broker.restart();
  await client.closed();
  const snapshot = await broker.snapshot();
  await broker.kill();
  await broker.reset(snapshot);
  await snapshot.dispose();
}

async function open(): Promise<Record<string, unknown>> {
  // The callback in which the last promise was resolved counts as a resource until it returns.
  await new Promise(setImmediate);
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    resources: process.getActiveResourcesInfo().sort(),
  };
}

async function useAll(): Promise<string[]> {
  const dirs: string[] = [];
  for (const mode of MODES) {
    await using broker = await startBroker({ ...mode, topics: ['a'] });
    dirs.push(broker.dir);
    await use(broker);
  }
  return dirs;
}

if (process.argv[2] === 'leak') {
  const dirs: string[] = [];
  for (const inWorker of [false, true]) {
    const broker = await startBroker({ inWorker, topics: ['a'] });
    await broker.produce('a', 'x');
    await broker.snapshot();
    dirs.push(broker.dir);
  }
  console.log(JSON.stringify(dirs));
} else {
  // What is opened once and kept: threads of the pool, the addon.
  await useAll();
  const before = await open();
  const dirs = await useAll();
  console.log(JSON.stringify({ before, after: await open(), dirs }));
}
