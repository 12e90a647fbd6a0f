/**
 * A broker in a process of its own that can be asked for the size of its heap and for the stalls of its
 * event loop. This file is both: imported it is the handle, run it is the process.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Broker } from '#src/broker/broker.js';

const HOST = 'gate-broker';

/** A broker with a heap so large that a measured run of it needs no collection. */
export class GateBroker {
  readonly pid: number;
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.pid = process.pid as number;
    this.port = port;
  }

  static async start(dataDir: string): Promise<GateBroker> {
    const child = fork(import.meta.filename, [HOST, dataDir], {
      execArgv: ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64'],
    });
    const [port] = (await once(child, 'message')) as [number];
    return new GateBroker(child, port);
  }

  async heapUsed(collected = true): Promise<number> {
    const answer = once(this.#process, 'message') as Promise<[number]>;
    this.#process.send(collected ? 'collect' : 'look');
    return (await answer)[0];
  }

  /** The event loop since the last call: by how much a timer of 1 ms came late. */
  async stall(): Promise<{ p999Ms: number; maxMs: number }> {
    const answer = once(this.#process, 'message') as Promise<[{ p999Ms: number; maxMs: number }]>;
    this.#process.send('stall');
    return (await answer)[0];
  }

  async stop(): Promise<void> {
    const end = once(this.#process, 'exit');
    this.#process.disconnect();
    await end;
  }
}

async function host(dataDir: string): Promise<void> {
  const config = { 'log.dirs': dataDir, listeners: 'PLAINTEXT://127.0.0.1:0' };
  const broker = await Broker.start({ config });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  process.on('message', (message) => {
    if (message === 'stall') {
      // Of the delay itself the interval is a part.
      const p999Ms = delay.percentile(99.9) / 1e6 - 1;
      process.send?.({ p999Ms, maxMs: delay.max / 1e6 - 1 });
      delay.reset();
      return;
    }
    if (message === 'collect') globalThis.gc?.();
    process.send?.(process.memoryUsage().heapUsed);
  });
  process.once('disconnect', () => void broker.close().then(() => process.exit(0)));
  process.send?.(broker.listeners[0]?.port);
}

if (process.argv[2] === HOST && process.argv[1] === import.meta.filename) {
  await host(process.argv[3] ?? '');
}
