/**
 * Bulk fetch: 1 MiB a request over the Kafka protocol, against an epoll loop in C that sends the same
 * segment file by sendfile(2) without a protocol, with the same client and congestion control.
 *
 * "Node sendfile" does what the C loop does in Node with the addon: what is missing to C there, no broker
 * in Node can have. The client of `trunc` throws bytes away in the kernel, so that the server is the limit; that of `copy`
 * reads them. CPU is that of the server alone.
 */

import { join } from 'node:path';
import { native } from '#src/native/binding.js';
import { batchOfSize, type FilledLog, fetchLog, fillLog } from './harness/broker-log.js';
import { type ClientResult, CServer, runC } from './harness/c-programs.js';
import { Millrace } from './harness/millrace.js';
import { NodeServer } from './harness/node-servers.js';
import { logFiles, warmFile } from './harness/page-cache.js';
import { cpuSeconds, rssMib } from './harness/processes.js';
import type { Case, OpenSuite, Suite } from './harness/suite.js';

const BATCHES_PER_FETCH = 16;

interface Server {
  readonly pid: number;
  readonly port: number;
}

export const suite: Suite = {
  name: 'fetch',
  title: 'Bulk fetch',
  question: 'How near is a fetch of 1 MiB to sendfile(2) in C, and how far from what Node does?',
  parameters: {
    mib: { default: '1024', doc: 'size of the log' },
    passes: { default: '4', doc: 'times that a run fetches it; pipe once' },
    depth: { default: '4', doc: 'requests in flight' },
    warm: {
      default: '12',
      doc: 'times that each broker is fetched from before anything is measured',
    },
  },
  targets: [
    { id: 'F1', case: 'millrace, trunc', atLeast: 0.95 },
    { id: 'F1', case: 'millrace, copy', atLeast: 0.95 },
    { id: 'F2', case: 'millrace, trunc', figure: 'cpuSecondsPerGb', atMost: 1.1 },
    {
      ...{ id: 'F3', case: 'millrace, copy', figure: 'cpuSecondsPerGb' },
      ...{ against: 'millrace without the addon, copy', atMost: 1 / 3 },
    },
    {
      ...{ id: 'F3', case: 'millrace, copy', figure: 'cpuSecondsPerGb' },
      ...{ against: 'createReadStream.pipe, copy', atMost: 1 / 8 },
    },
  ],
  async open(context): Promise<OpenSuite> {
    const batch = batchOfSize(64 << 10);
    const size = BATCHES_PER_FETCH * batch.bytes.length;
    const requests = Math.floor((context.number('mib') << 20) / size);
    const log: FilledLog = {
      ...{ topic: 'bulk', partitions: 1, batch },
      batchesEach: requests * BATCHES_PER_FETCH,
    };
    const configs = { 'segment.bytes': String(2 ** 31 - 1) };
    const dirs = { addon: join(context.dir, 'addon'), portable: join(context.dir, 'portable') };
    const ours = await Millrace.start({ dataDir: dirs.addon });
    const portable = await Millrace.start({
      dataDir: dirs.portable,
      env: { MILLRACE_NATIVE: '0' },
    });
    for (const broker of [ours, portable]) {
      await fillLog(broker.port, context.dir, { ...log, configs });
      // V8 compiles what is hot after some ten thousand requests, which is more than a run has.
      const warm = {
        requests: context.number('warm') * requests,
        kind: 'trunc',
        depth: 4,
      } as const;
      await fetchLog(broker.port, log, { ...warm, batchesEach: BATCHES_PER_FETCH });
    }
    const [segment = ''] = logFiles(dirs.addon).filter((path) => path.includes('bulk-0'));
    const [copied = ''] = logFiles(dirs.portable).filter((path) => path.includes('bulk-0'));
    const plain = await CServer.start('file_server', { file: segment });
    const pipe = await NodeServer.start('pipe', segment);
    const bare = native === null ? null : await NodeServer.start('file', segment);
    const depth = context.number('depth');
    const passes = context.number('passes');

    const measured = (
      name: string,
      server: Server,
      file: string,
      fetch: () => Promise<ClientResult>,
    ): Case => ({
      ...{ name, unit: 'GB/s', better: 'higher' },
      async run() {
        warmFile(file);
        const before = cpuSeconds(server.pid);
        const { seconds, bytes, cpuSeconds: clientSeconds } = await fetch();
        const gb = bytes / 1e9;
        return {
          value: gb / seconds,
          cpuSecondsPerGb: (cpuSeconds(server.pid) - before) / gb,
          rssMib: rssMib(server.pid),
          more: { clientCpuSecondsPerGb: clientSeconds / gb },
        };
      },
    });
    const cases: Case[] = [];
    for (const kind of ['trunc', 'copy'] as const) {
      const baseline = `C sendfile, ${kind}`;
      const words = { port: plain.port, requests: passes * requests, depth, kind };
      const sizes = { max_bytes: size, file_bytes: requests * size };
      cases.push(
        measured(baseline, plain, segment, () => runC('fetch_client', { ...words, ...sizes })),
      );
      if (bare !== null) {
        const fetch = () => runC('fetch_client', { ...words, ...sizes, port: bare.port });
        cases.push({ ...measured(`Node sendfile, ${kind}`, bare, segment, fetch), baseline });
      }
      const load = { requests: passes * requests, batchesEach: BATCHES_PER_FETCH, depth, kind };
      const brokers: [string, Millrace, string][] = [
        [`millrace, ${kind}`, ours, segment],
        [`millrace without the addon, ${kind}`, portable, copied],
      ];
      if (native === null) brokers.shift();
      for (const [name, broker, file] of brokers) {
        const fetch = () => fetchLog(broker.port, log, load);
        cases.push({ ...measured(name, broker, file, fetch), baseline });
      }
      const whole = { port: pipe.port, requests: 1, kind, max_bytes: requests * size };
      const name = `createReadStream.pipe, ${kind}`;
      cases.push({
        ...measured(name, pipe, segment, () => runC('fetch_client', whole)),
        baseline,
      });
    }
    return {
      cases,
      async close() {
        await ours.stop();
        await portable.stop();
        await plain.stop();
        await pipe.stop();
        await bare?.stop();
      },
    };
  },
};
