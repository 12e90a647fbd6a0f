/**
 * A broker for each test: how long until it serves, what it weighs, what is left of it. Each case runs in
 * a process of its own (testing/child.ts). Beside it the mock cluster of librdkafka, which keeps no logs.
 */

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './harness/paths.js';
import type { Case, Measurement, Suite, Target } from './harness/suite.js';

const MOCK = 'node-rdkafka mock cluster: start to first produce';
const LOOP = 'start to first produce, in the same loop';
const WORKER = 'start to first produce, in a worker';
const FORK = 'fork of a seeded broker';
const MANY = 'brokers one after the other';
const VIRTUAL = ['retention', 'session', 'transaction', 'compaction'] as const;

/** Figures of MANY that are to be 0. */
const LEFT = ['descriptorsLeft', 'threadsLeft', 'timersAndSocketsLeft', 'filesLeft'];

export const suite: Suite = {
  name: 'testing',
  title: 'Brokers for tests',
  question: 'Can every test have a broker of its own?',
  parameters: {
    starts: { default: '15', doc: 'starts a round; the median counts' },
    brokers: { default: '1000', doc: 'brokers one after the other' },
    gib: { default: '1', doc: 'what the seeded broker has' },
  },
  rounds: 3,
  targets: [
    { id: 'X1', case: LOOP, against: null, atMost: 50 },
    { id: 'X1', case: WORKER, against: null, atMost: 150 },
    { id: 'X1', case: LOOP, figure: 'rssMib', against: null, atMost: 80 },
    { id: 'X1', case: WORKER, figure: 'rssMib', against: null, atMost: 80 },
    { id: 'X1', case: FORK, against: null, atMost: 30 },
    { id: 'X1', case: MANY, against: null, atMost: 60 },
    ...LEFT.map((figure): Target => ({ id: 'X1', case: MANY, figure, against: null, atMost: 0 })),
    ...VIRTUAL.map((test): Target => ({ id: 'X3', case: named(test), against: null, atMost: 100 })),
  ],
  async open(context) {
    const starts = context.number('starts');
    const child = (name: string, mode: string, count: number, unit = 'ms'): Case => ({
      ...{ name, unit, better: 'lower' },
      run: () => measure(mode, count, context.number('gib')),
    });
    const cases = [
      child(LOOP, 'loop', starts),
      child(WORKER, 'worker', starts),
      child(FORK, 'fork', starts),
      child(MANY, 'many', context.number('brokers'), 's'),
      ...VIRTUAL.map((test) => child(named(test), test, starts)),
    ];
    const mock = join(root, 'test/interop/clients/node-rdkafka/node_modules/node-rdkafka');
    if (existsSync(mock)) cases.push(child(MOCK, 'mock', starts));
    else context.note('no node-rdkafka beside it: npm run interop:install -- --only node-rdkafka');
    return { cases };
  },
};

function named(test: (typeof VIRTUAL)[number]): string {
  return `virtual days: ${test}`;
}

async function measure(mode: string, count: number, gib: number): Promise<Measurement> {
  const path = join(import.meta.dirname, 'testing/child.js');
  const child = spawn(process.execPath, [path, mode, String(count), String(gib)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (bytes) => {
    said += bytes;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`the process of ${mode} ended with ${code}`);
  return JSON.parse(said) as Measurement;
}
