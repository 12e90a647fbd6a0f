/**
 * The same log at 1, 10 and more GiB, and in 1 to 100,000 segments: how long the broker takes to start
 * on it after a clean end, what it holds in memory then, and what the first fetch from the middle costs.
 */

import { join } from 'node:path';
import { batchOfSize, fetchLog, fillLog, makeBatch } from './harness/broker-log.js';
import { Millrace } from './harness/millrace.js';
import type { Case, Suite } from './harness/suite.js';

export const suite: Suite = {
  name: 'growth-log',
  title: 'Growth of a log',
  question: 'How long does the broker take to start on a large log, or on many segments?',
  parameters: {
    gib: { default: '1,8', doc: 'sizes of the log' },
    segments: { default: '1,100,1000,10000', doc: 'numbers of segments; 100000 takes minutes' },
  },
  rounds: 3,
  async open(context) {
    const cases: Case[] = [];
    const sizes = (context.parameters['gib'] ?? '').split(',').map(Number);
    const counts = (context.parameters['segments'] ?? '').split(',').map(Number);
    const large = batchOfSize(1_000_000);
    for (const gib of sizes) {
      const batchesEach = Math.floor((gib * 2 ** 30) / large.bytes.length);
      cases.push(
        await startCase(join(context.dir, `gib-${gib}`), `${gib} GiB`, `${sizes[0]} GiB`, {
          ...{ topic: 'large', partitions: 1, batch: large, batchesEach },
        }),
      );
    }
    const small = makeBatch(1, 2000);
    for (const count of counts) {
      // A segment holds one batch.
      const configs = { 'segment.bytes': '1048576', 'segment.index.bytes': '1024' };
      configs['segment.bytes'] = count === 1 ? configs['segment.bytes'] : '2100';
      const name = `${count} segments`;
      cases.push(
        await startCase(join(context.dir, `segments-${count}`), name, `${counts[0]} segments`, {
          ...{
            topic: 'many',
            partitions: 1,
            batch: small,
            batchesEach: Math.max(2, count),
            configs,
          },
        }),
      );
    }
    return { cases };
  },
};

async function startCase(
  dataDir: string,
  name: string,
  baseline: string,
  log: Parameters<typeof fillLog>[2],
): Promise<Case> {
  const writer = await Millrace.start({ dataDir });
  const filled = await fillLog(writer.port, join(dataDir, '..'), log);
  await writer.stop();
  return {
    ...{ name, unit: 'ms', better: 'lower' },
    ...(name === baseline ? {} : { baseline }),
    async run() {
      const broker = await Millrace.start({ dataDir });
      try {
        const rss = broker.rssMib();
        const startCpuMs = broker.cpuSeconds() * 1000;
        const startMs = performance.now();
        await fetchLog(broker.port, filled, { requests: 1, batchesEach: 1 });
        const firstFetchMs = performance.now() - startMs;
        return { value: broker.startMs, rssMib: rss, more: { startCpuMs, firstFetchMs } };
      } finally {
        await broker.stop();
      }
    },
  };
}
