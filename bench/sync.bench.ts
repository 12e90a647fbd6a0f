/**
 * Durable appends one at a time, against pwrite and fdatasync in C: `each` syncs in the call on this
 * thread, `group` in the pool and awaited. The floor is the disk's.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openLog } from '#src/storage/logs.js';
import { runC } from './harness/c-programs.js';
import { ownCpuSeconds } from './harness/processes.js';
import type { Case, Measurement, Suite } from './harness/suite.js';

const SECONDS = 0.5;

export const suite: Suite = {
  name: 'sync',
  title: 'Durable appends',
  question: 'How near is a durable append of one record to pwrite and fdatasync in C?',
  targets: [
    { id: 'E5', case: 'millrace, sync, 100 B', atLeast: 0.9 },
    { id: 'E5', case: 'millrace, awaited, 100 B', atLeast: 0.7 },
  ],
  open(context) {
    const cases: Case[] = [];
    for (const [label, size] of [
      ['100 B', 100],
      ['1 KiB', 1024],
    ] as const) {
      const shape = { unit: 'appends/s', better: 'higher' } as const;
      const baseline = `C pwrite + fdatasync, ${label}`;
      const value = Buffer.alloc(size, 1);
      cases.push({
        ...{ name: baseline, ...shape },
        async run() {
          const file = join(context.dir, 'c');
          const { seconds, count, cpuSeconds } = await runC('sync_loop', {
            ...{ file, size: size + 70, seconds: SECONDS },
          });
          rmSync(file);
          return { value: count / seconds, more: { cpuMicros: (cpuSeconds * 1e6) / count } };
        },
      });
      for (const [how, durability] of [
        ['sync', 'each'],
        ['awaited', 'group'],
      ] as const) {
        cases.push({
          ...{ name: `millrace, ${how}, ${label}`, ...shape, baseline },
          run: () => append(context.dir, durability, value),
        });
      }
    }
    return Promise.resolve({ cases });
  },
};

async function append(
  parent: string,
  durability: 'each' | 'group',
  value: Uint8Array,
): Promise<Measurement> {
  const dir = mkdtempSync(join(parent, 'log-'));
  const log = await openLog(join(dir, 'sync-0'), { durability });
  try {
    const cpuStart = ownCpuSeconds();
    const startMs = performance.now();
    let count = 0;
    for (; performance.now() - startMs < SECONDS * 1000; count++) {
      if (durability === 'each') log.appendSync([{ value }]);
      else await log.append({ value });
    }
    const seconds = (performance.now() - startMs) / 1000;
    const cpuMicros = ((ownCpuSeconds() - cpuStart) * 1e6) / count;
    return { value: count / seconds, more: { cpuMicros } };
  } finally {
    await log.close();
    rmSync(dir, { recursive: true, force: true });
  }
}
