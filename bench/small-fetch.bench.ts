/**
 * Small fetches, one batch of 4 KiB each: the broker against an epoll loop in C that answers 4 KiB from
 * memory with one send and speaks no protocol; and one that sends them from a file, by sendfile(2)
 * behind a head; and a loop in Node that answers from memory, without a protocol too. One request in flight on each of 16 connections, and 16 in flight on each of 4. The
 * client is the same program, and is half the work of the machine.
 */

import { join } from 'node:path';
import { native } from '#src/native/binding.js';
import { fetchLog, fillLog, makeBatch } from './harness/broker-log.js';
import { type ClientResult, CServer, runC } from './harness/c-programs.js';
import { Millrace } from './harness/millrace.js';
import { NodeServer } from './harness/node-servers.js';
import { logFiles, warmLogs } from './harness/page-cache.js';
import { cpuSeconds, rssMib } from './harness/processes.js';
import type { Case, OpenSuite, Suite } from './harness/suite.js';

const LOADS = { '16 x 1': { connections: 16, depth: 1 }, '4 x 16': { connections: 4, depth: 16 } };

export const suite: Suite = {
  name: 'small-fetch',
  title: 'Small fetches',
  question: 'What does a fetch of 4 KiB cost against a C loop without a protocol?',
  parameters: { requests: { default: '200000', doc: 'requests a run' } },
  targets: [
    { id: 'F5', case: 'millrace, 16 x 1', atLeast: 0.8 },
    { id: 'F5 pipelined', case: 'millrace, 4 x 16', atLeast: 0.8 },
  ],
  async open(context): Promise<OpenSuite> {
    // 61 bytes of head, 10 of the record's own: 4 KiB in all.
    const batch = makeBatch(1, 4096 - 61 - 12);
    const dataDir = join(context.dir, 'data');
    const broker = await Millrace.start({ dataDir });
    const log = await fillLog(broker.port, context.dir, {
      ...{ topic: 'small', partitions: 1, batch, batchesEach: 16_384 },
    });
    const plain = await CServer.start('file_server', { memory: batch.bytes.length });
    const [file = ''] = logFiles(dataDir).filter((path) => path.includes('small-0'));
    const files = await CServer.start('file_server', { file });
    const bare = native === null ? null : await NodeServer.start('memory', batch.bytes.length);
    const requests = context.number('requests');

    const measured = (
      name: string,
      server: Millrace | CServer | NodeServer,
      fetch: () => Promise<ClientResult>,
    ): Case => ({
      ...{ name, unit: 'requests/s', better: 'higher' },
      async run() {
        warmLogs(dataDir);
        const before = cpuSeconds(server.pid);
        const { seconds, cpuSeconds: clientSeconds } = await fetch();
        const used = cpuSeconds(server.pid) - before;
        return {
          value: requests / seconds,
          rssMib: rssMib(server.pid),
          more: {
            cpuMicrosPerRequest: (used * 1e6) / requests,
            clientMicrosPerRequest: (clientSeconds * 1e6) / requests,
          },
        };
      },
    });
    const cases = Object.entries(LOADS).flatMap(([label, load]) => {
      const baseline = `C epoll, ${label}`;
      const words = { requests, max_bytes: batch.bytes.length };
      const fileWords = { ...words, port: files.port, file_bytes: 16_384 * batch.bytes.length };
      const own = () => fetchLog(broker.port, log, { requests, batchesEach: 1, ...load });
      return [
        measured(baseline, plain, () =>
          runC('fetch_client', { ...words, ...load, port: plain.port }),
        ),
        {
          ...measured(`C sendfile, ${label}`, files, () =>
            runC('fetch_client', { ...fileWords, ...load }),
          ),
          baseline,
        },
        ...(bare === null
          ? []
          : [
              {
                ...measured(`Node, ${label}`, bare, () =>
                  runC('fetch_client', { ...words, ...load, port: bare.port }),
                ),
                baseline,
              },
            ]),
        { ...measured(`millrace, ${label}`, broker, own), baseline },
      ];
    });
    return {
      cases,
      async close() {
        await broker.stop();
        await plain.stop();
        await files.stop();
        await bare?.stop();
      },
    };
  },
};
