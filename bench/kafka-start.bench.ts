/**
 * X1 and X2: from the start of the process to the first produce that is answered, memory when idle and
 * memory after the first seconds of load, against Apache Kafka. Memory at full load is in kafka-produce,
 * whose brokers have been loaded for longer.
 *
 * Both begin with an empty data directory; Kafka's is formatted before, which is not counted. The load
 * generator tries to connect every millisecond, asks for the topic, which makes it, and produces. The
 * load is bulk produce over 16 connections; the figure is the highest RSS. CPU until that first answer
 * tells on a busy machine what the clock does not.
 */

import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cliPath } from './harness/paths.js';
import { cpuSecondsCoarse, peakRssMib, rssMib } from './harness/processes.js';
import type { BenchContext, Case, Measurement, Suite } from './harness/suite.js';
import { type BrokerName, brokerMissing, end, freePorts, prepareKafka } from './kafka/brokers.js';
import { runLoad } from './kafka/clients.js';
import { rivalsParameter } from './kafka/fleet.js';
import { loadPath } from './kafka/paths.js';

export const suite: Suite = {
  name: 'kafka-start',
  title: 'Start and memory against Apache Kafka (X1, X2)',
  question: 'How soon does a broker answer its first produce, and how much memory does it take?',
  parameters: {
    rivals: rivalsParameter('kafka,kafka-tuned'),
    idle: { default: '3', doc: 'seconds without load before the memory is read' },
    seconds: { default: '3', doc: 'of load' },
  },
  targets: [
    { id: 'X1', case: 'millrace', against: null, atMost: 150 },
    { id: 'X1', case: 'millrace', against: 'kafka', atMost: 1 / 20 },
    { id: 'X2', case: 'millrace', figure: 'idleRssMib', against: null, atMost: 80 },
    { id: 'X2', case: 'millrace', figure: 'idleRssMib', against: 'kafka', atMost: 1 / 5 },
  ],
  async open(context) {
    loadPath();
    const names = ['millrace', ...(context.parameters['rivals'] ?? '').split(',')];
    const cases: Case[] = [];
    for (const name of names as BrokerName[]) {
      if (name !== 'millrace' && name !== 'kafka' && name !== 'kafka-tuned') continue;
      const reason = brokerMissing(name);
      if (reason !== null) {
        context.note(`left out: ${reason}`);
        continue;
      }
      cases.push({
        name,
        unit: 'ms to first produce',
        better: 'lower',
        ...(name === 'kafka' ? {} : { baseline: 'kafka' }),
        run: (round) => run(context, name, round),
      });
    }
    return { cases };
  },
};

async function run(
  context: BenchContext,
  name: 'millrace' | 'kafka' | 'kafka-tuned',
  round: number,
): Promise<Measurement> {
  const dir = join(context.dir, `${name}-${round}`);
  const { port, start } = await prepared(name, dir);
  const since = process.hrtime.bigint();
  const child = start();
  const pid = child.pid as number;
  try {
    const { firstMs } = await runLoad('first', { port, topic: 'first', since: String(since) });
    const cpuMs = cpuSecondsCoarse(pid) * 1e3;
    await new Promise((resolve) => setTimeout(resolve, context.number('idle') * 1000));
    const idleRssMib = rssMib(pid);
    await runLoad('produce', {
      ...{ port, topic: 'first', connections: 16, depth: 2, records: 64, size: 1000 },
      seconds: context.number('seconds'),
    });
    return { value: firstMs, more: { cpuMs, idleRssMib, loadedRssMib: peakRssMib(pid) } };
  } finally {
    await end(child);
  }
}

async function prepared(name: 'millrace' | 'kafka' | 'kafka-tuned', dir: string) {
  if (name !== 'millrace') return prepareKafka(name, dir);
  mkdirSync(dir, { recursive: true });
  const [port] = await freePorts(1);
  const args = ['broker', '--data-dir', join(dir, 'data'), '--listen', `127.0.0.1:${port}`];
  const start = () =>
    spawn(process.execPath, [cliPath, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  return { port: port as number, start };
}
