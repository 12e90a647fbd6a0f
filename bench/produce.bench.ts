/**
 * Produce with acks=1: received, checked, appended, answered; against C that receives, takes the CRC
 * and writes. `stream` is C without frames and answers (one CRC and one pwrite for each full MiB),
 * `frames` with a CRC, a pwrite and an answer for each, and "Node frames" the same in Node with the addon. The client sends requests that were encoded
 * beforehand. Every log is new for every run: both pay for fresh blocks.
 */

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { native } from '#src/native/binding.js';
import { batchOfSize, writeProduceFrames } from './harness/broker-log.js';
import { CServer, runC } from './harness/c-programs.js';
import { Millrace } from './harness/millrace.js';
import { NodeServer } from './harness/node-servers.js';
import { warmMemory } from './harness/page-cache.js';
import { cpuSeconds, rssMib } from './harness/processes.js';
import type { Case, Measurement, OpenSuite, Suite } from './harness/suite.js';
import { createTopic, deleteTopic } from './harness/wire-client.js';

const SIZES = { '16 KiB': 16 << 10, '1 MiB': (1 << 20) - 1024 };

export const suite: Suite = {
  name: 'produce',
  title: 'Produce',
  question: 'How near is an acknowledged, checked append over TCP to recv, CRC and pwrite in C?',
  parameters: {
    mib: { default: '512', doc: 'bytes a run' },
    depth: { default: '16', doc: 'requests in flight at 16 KiB, and a quarter of it at 1 MiB' },
  },
  targets: [
    { id: 'P1', case: 'millrace, 1 MiB', atLeast: 0.75 },
    { id: 'P1', case: 'millrace, 16 KiB', atLeast: 0.65 },
  ],
  async open(context): Promise<OpenSuite> {
    const dataDir = join(context.dir, 'data');
    const broker = await Millrace.start({
      dataDir,
      config: { 'message.max.bytes': String(2 << 20), 'log.segment.delete.delay.ms': '0' },
    });
    const sinkFile = join(context.dir, 'sink');
    const sinks = {
      stream: await CServer.start('sink', { file: sinkFile, mode: 'stream' }),
      frames: await CServer.start('sink', { file: sinkFile, mode: 'frames' }),
    };
    const bareFile = join(context.dir, 'bare');
    const bare = native === null ? null : await NodeServer.start('frames', bareFile);
    const cases: Case[] = [];
    let topics = 0;
    for (const [label, size] of Object.entries(SIZES)) {
      const batch = batchOfSize(size);
      const requests = Math.floor((context.number('mib') << 20) / size);
      const depth = Math.ceil(context.number('depth') / (size > 1 << 16 ? 4 : 1));
      const load = async (
        server: Millrace | CServer | NodeServer,
        words: Readonly<Record<string, string | number>>,
      ): Promise<Measurement> => {
        warmMemory(context.dir, requests * size);
        const before = cpuSeconds(server.pid);
        const { seconds, bytes } = await runC('produce_client', {
          ...{ port: server.port, requests, depth, ...words },
        });
        const gb = bytes / 1e9;
        return {
          value: gb / seconds,
          cpuSecondsPerGb: (cpuSeconds(server.pid) - before) / gb,
          rssMib: rssMib(server.pid),
        };
      };
      const shape = { unit: 'GB/s', better: 'higher' } as const;
      const { file } = writeProduceFrames(context.dir, { topic: 'any', partitions: 1, batch });
      const baseline = `C stream, ${label}`;
      cases.push(
        {
          ...{ name: baseline, ...shape },
          run: () => load(sinks.stream, { file, answers: 0 }),
        },
        {
          ...{ name: `C frames, ${label}`, ...shape, baseline },
          run: () => load(sinks.frames, { file }),
        },
        ...(bare === null
          ? []
          : [
              {
                ...{ name: `Node frames, ${label}`, ...shape, baseline },
                run: () => load(bare, { file }),
              },
            ]),
        {
          ...{ name: `millrace, ${label}`, ...shape, baseline },
          async run() {
            const topic = `topic-${String(topics++).padStart(5, '0')}`;
            await createTopic(broker.port, topic, 1);
            const words = writeProduceFrames(context.dir, { topic, partitions: 1, batch });
            const measured = await load(broker, words);
            rmSync(words.file);
            await deleteTopic(broker.port, topic);
            // Its pages are freed when the files go; that is not to be paid by the next case.
            while (readdirSync(dataDir).some((name) => name.startsWith(topic))) await sleep(20);
            return measured;
          },
        },
      );
    }
    return {
      cases,
      async close() {
        await broker.stop();
        await sinks.stream.stop();
        await sinks.frames.stop();
        await bare?.stop();
      },
    };
  },
};
