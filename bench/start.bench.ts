/**
 * `millrace broker` on an empty directory: from the spawn to the answer of the first produce (connect,
 * topic made and all), memory when idle, and memory after a GiB was fetched.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { batchOfSize, fetchLog, fillLog } from './harness/broker-log.js';
import { Millrace } from './harness/millrace.js';
import { anonymousRssMib } from './harness/processes.js';
import type { Measurement, OpenSuite, Suite } from './harness/suite.js';

const IDLE_MS = 2000;

export const suite: Suite = {
  name: 'start',
  title: 'Start and memory',
  question: 'How fast does the broker serve, and how much memory does it take?',
  parameters: { mib: { default: '1024', doc: 'fetched before memory is looked at again' } },
  targets: [
    { id: 'X1', case: 'millrace', against: null, atMost: 150 },
    { id: 'X2', case: 'millrace', figure: 'rssMib', against: null, atMost: 80 },
  ],
  open(context): Promise<OpenSuite> {
    const mib = context.number('mib');
    return Promise.resolve({
      cases: [
        { name: 'millrace', unit: 'ms', better: 'lower', run: () => measure(context.dir, mib) },
      ],
    });
  },
};

async function measure(parent: string, mib: number): Promise<Measurement> {
  const dir = mkdtempSync(join(parent, 'run-'));
  const batch = batchOfSize(64 << 10);
  const startMs = performance.now();
  const broker = await Millrace.start({ dataDir: join(dir, 'data') });
  try {
    const log = { topic: 'first', partitions: 1, batch, batchesEach: 1 };
    await fillLog(broker.port, dir, log);
    const firstProduceMs = performance.now() - startMs;
    await sleep(IDLE_MS);
    const idleMib = broker.rssMib();
    const idleAnonymousMib = anonymousRssMib(broker.pid);
    const bulk = { topic: 'bulk', partitions: 1, batch, batchesEach: 1024 };
    await fillLog(broker.port, dir, bulk);
    await fetchLog(broker.port, bulk, { requests: mib, batchesEach: 16, depth: 2 });
    return {
      value: firstProduceMs,
      rssMib: idleMib,
      more: { listeningMs: broker.startMs, idleAnonymousMib, rssAfterFetchMib: broker.rssMib() },
    };
  } finally {
    await broker.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}
