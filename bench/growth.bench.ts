/**
 * The same small request on 1, 10, 100 and 1,000 partitions, and over 1, 10, 100 and 1,000 connections:
 * what a request costs the broker must not grow with what it serves besides.
 */

import { join } from 'node:path';
import { fetchLog, fillLog, makeBatch, writeProduceFrames } from './harness/broker-log.js';
import { type ClientResult, runC } from './harness/c-programs.js';
import { Millrace } from './harness/millrace.js';
import { warmLogs } from './harness/page-cache.js';
import type { Case, Suite, Target } from './harness/suite.js';

const COUNTS = [1, 10, 100, 1000];
const FIGURE = 'cpuMicrosPerRequest';

function target(name: string): Target {
  return { id: 'G', case: name, figure: FIGURE, atMost: 1.5 };
}

export const suite: Suite = {
  name: 'growth',
  title: 'Growth',
  question: 'What does a request cost with a thousand partitions or connections, against one?',
  parameters: { requests: { default: '20000', doc: 'requests a run' } },
  targets: ['fetch', 'produce'].flatMap((what) => [
    target(`${what}, 1000 partitions`),
    target(`${what}, 1000 connections`),
  ]),
  async open(context) {
    const dataDir = join(context.dir, 'data');
    const broker = await Millrace.start({ dataDir });
    const { port } = broker;
    const requests = context.number('requests');
    const batch = makeBatch(1, 1000);
    const cases: Case[] = [];
    const add = (
      what: string,
      of: string,
      count: number,
      run: () => Promise<ClientResult>,
    ): void => {
      cases.push({
        ...{ name: `${what}, ${count} ${of}`, unit: 'requests/s', better: 'higher' },
        ...(count === 1 ? {} : { baseline: `${what}, 1 ${of}` }),
        async run() {
          warmLogs(dataDir);
          const before = broker.cpuSeconds();
          const { seconds } = await run();
          const used = broker.cpuSeconds() - before;
          return {
            value: requests / seconds,
            rssMib: broker.rssMib(),
            more: { [FIGURE]: (used * 1e6) / requests },
          };
        },
      });
    };
    for (const partitions of COUNTS) {
      const topic = `topic-${partitions}`;
      const batchesEach = Math.max(20, 2000 / partitions);
      const log = await fillLog(port, context.dir, { topic, partitions, batch, batchesEach });
      const words = writeProduceFrames(context.dir, { topic, partitions, batch });
      const load = { requests, connections: 16, depth: 1 };
      add('fetch', 'partitions', partitions, () =>
        fetchLog(port, log, { ...load, batchesEach: 1 }),
      );
      add('produce', 'partitions', partitions, () =>
        runC('produce_client', { ...words, ...load, port }),
      );
    }
    const topic = 'topic-shared';
    const shared = { topic, partitions: 1, batch, batchesEach: 2000 };
    const log = await fillLog(port, context.dir, shared);
    const words = writeProduceFrames(context.dir, shared);
    for (const connections of COUNTS) {
      const load = { requests, connections, depth: 1 };
      add('fetch', 'connections', connections, () =>
        fetchLog(port, log, { ...load, batchesEach: 1 }),
      );
      add('produce', 'connections', connections, () =>
        runC('produce_client', { ...words, ...load, port }),
      );
    }
    return { cases, close: () => broker.stop() };
  },
};
