/**
 * A broker in a process of its own that can be asked for the size of its heap, for bench/gate.ts. This
 * file is both: imported it is the handle, run it is the process.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
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

  async stop(): Promise<void> {
    const end = once(this.#process, 'exit');
    this.#process.disconnect();
    await end;
  }
}

async function host(dataDir: string): Promise<void> {
  const config = { 'log.dirs': dataDir, listeners: 'PLAINTEXT://127.0.0.1:0' };
  const broker = await Broker.start({ config });
  process.on('message', (message) => {
    if (message === 'collect') globalThis.gc?.();
    process.send?.(process.memoryUsage().heapUsed);
  });
  process.once('disconnect', () => void broker.close().then(() => process.exit(0)));
  process.send?.(broker.listeners[0]?.port);
}

if (process.argv[2] === HOST && process.argv[1] === import.meta.filename) {
  await host(process.argv[3] ?? '');
}
