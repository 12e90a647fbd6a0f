/**
 * The broker's thread where it is a worker: starts it, carries calls, ends it. The worker keeps the
 * process alive while a call is under way and not otherwise, so that a broker that nobody disposes
 * does not hang a test run.
 */

import { Worker } from 'node:worker_threads';
import { MillraceError } from '../base/errors.js';
import { modifiedMs } from '../file/modified-time.js';
import type { HostEvents, HostOptions } from './broker-host.js';
import type { CallPart } from './faces.js';
import { receivedError, type SentError, type WorkerMessage } from './rpc.js';

/** Where a broker runs. */
export interface BrokerThread {
  readonly port: number;
  /** What its clock showed when it began. */
  readonly startMs: number;
  /** It takes no calls any more: another one is needed. */
  readonly isGone: boolean;
  readonly call: CallPart;
  /** Of the broker, as kill -9. A worker goes with it. */
  kill(): Promise<void>;
  /** After the broker was closed. Idempotent. */
  end(): Promise<void>;
}

interface Waiting {
  /** Has the stack of the call. */
  readonly caller: { readonly stack?: string };
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export function openInWorker(options: HostOptions, log: HostEvents['log']): Promise<BrokerThread> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(workerFile(), {
      name: 'millrace',
      workerData: options,
      // Loaders and hooks of the test's thread are none of the broker's.
      execArgv: [],
    });
    const thread = new WorkerThread(worker, log);
    thread.opened.then(() => resolve(thread), reject);
  });
}

class WorkerThread implements BrokerThread {
  readonly opened: Promise<void>;
  port = 0;
  startMs = 0;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  /** Why it takes no calls. */
  #gone: Error | null = null;

  constructor(worker: Worker, log: HostEvents['log']) {
    this.#worker = worker;
    this.#exited = new Promise((resolve) => {
      worker.on('exit', () => {
        this.#end(new MillraceError('the broker is down: restart() brings it back', GONE));
        resolve();
      });
    });
    worker.on('error', (error) => {
      const message = `the broker's thread ended: ${error.message}`;
      this.#end(new MillraceError(message, { code: 'BROKER_CRASHED', cause: error }));
    });
    this.opened = new Promise((resolve, reject) => {
      this.#waiting.set(0, { caller: stackOf(openInWorker), resolve: () => resolve(), reject });
    });
    worker.on('message', (message: WorkerMessage) => {
      if (message.type === 'log') log(message.level, message.message, message.fields);
      else if (message.type === 'open') this.#opened(message.port, message.startMs);
      else if (message.type === 'failed') void this.#failed(message.error);
      else if (message.type === 'answer') this.#settle(message.id)?.resolve(message.value);
      else this.#refused(message.id, message.error);
    });
  }

  get isGone(): boolean {
    return this.#gone !== null;
  }

  readonly call: CallPart = (part, method, given) => {
    if (this.#gone !== null) return Promise.reject(this.#gone);
    const caller = stackOf(this.call);
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#worker.postMessage({ id, part, method, given });
      if (this.#waiting.size === 0) this.#worker.ref();
      this.#waiting.set(id, { caller, resolve, reject });
    });
  };

  async kill(): Promise<void> {
    await this.end();
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
    await this.#exited;
  }

  #opened(port: number, startMs: number): void {
    this.port = port;
    this.startMs = startMs;
    this.#settle(0)?.resolve(undefined);
  }

  async #failed(error: SentError): Promise<void> {
    const opening = this.#settle(0);
    await this.end();
    opening?.reject(receivedError(error, opening.caller));
  }

  #refused(id: number, error: SentError): void {
    const waiting = this.#settle(id);
    waiting?.reject(receivedError(error, waiting.caller));
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
    return waiting;
  }

  #end(error: Error): void {
    this.#gone ??= error;
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(this.#gone);
  }
}

/** The stack above `below`. */
function stackOf(below: (...given: never[]) => unknown): { readonly stack?: string } {
  const caller: { stack?: string } = {};
  Error.captureStackTrace(caller, below);
  return caller;
}

const GONE = { code: 'BROKER_DOWN' };

/** One file, which loads faster, where the build has made it and it is not older than the modules. */
function workerFile(): URL {
  const bundle = new URL('./worker-bundle.js', import.meta.url);
  const bundledMs = modifiedMs(bundle);
  const builtMs = modifiedMs(new URL('../src.tsbuildinfo', import.meta.url));
  const isFresh = bundledMs > 0 && bundledMs >= builtMs;
  return isFresh ? bundle : new URL('./worker-main.js', import.meta.url);
}
