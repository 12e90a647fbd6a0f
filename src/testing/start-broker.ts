/**
 * `startBroker`: a broker for one test, or for many.
 *
 *     startBroker > directory > thread (worker-thread.ts, local-thread.ts) > BrokerHost > Broker
 *     dispose     > report of leaks > close > thread > directory
 *
 * The test's thread has the directory, so that it can be removed whatever became of the broker. It
 * loads no broker unless that is to run in it.
 */

import { MillraceError } from '../base/errors.js';
import { silentLogger } from '../base/logger.js';
import { Mutex } from '../base/mutex.js';
import { keepTempDir, makeDir, makeTempDir, removeTree } from '../file/temp-dir.js';
import type { BrokerHost, HostEvents, HostOptions, HostReport } from './broker-host.js';
import { type BrokerFaces, type CallPart, makeFaces } from './faces.js';
import { unpackRecords } from './packed-records.js';
import { type Remote, remoteOf } from './remote.js';
import { dirOf, hostOptions, newTopic } from './start-options.js';
import type { TestBroker } from './test-broker.js';
import type {
  BrokerSnapshot,
  ClientConnectionInfo,
  Condition,
  ConsumeAllOptions,
  ConsumedRecord,
  Duration,
  NewTopic,
  Produced,
  ProducedRecord,
  RecordText,
  StartBrokerOptions,
  TestLog,
  VirtualTime,
} from './types.js';
import { type BrokerThread, openInWorker } from './worker-thread.js';

const TEMP_PREFIX = 'millrace-test';

/**
 * Serves when it resolves. Rejects with INVALID_OPTION, INVALID_CONFIG, LISTEN_FAILED (the port is in
 * use), NOT_A_SNAPSHOT, SNAPSHOT_VERSION, DIRECTORY_LOCKED or an I/O error, and leaves nothing behind.
 */
export function startBroker(options: StartBrokerOptions = {}): Promise<TestBroker> {
  return startNodes(options, []);
}

/** With a port for each node of a simulated cluster, in the part `cluster` (simulated-cluster.ts). */
export async function startNodes(
  options: StartBrokerOptions,
  nodePorts: readonly number[],
): Promise<TestBroker & { readonly callPart: CallPart }> {
  const { inWorker = true, logger = silentLogger, dir, from } = options;
  const given = { ...hostOptions(options), nodePorts };
  const isTemporary = dir === undefined;
  const path = isTemporary ? makeTempDir(TEMP_PREFIX) : makeDir(dir, from !== undefined);
  const open = async (host: HostOptions): Promise<BrokerThread> => {
    const log: HostEvents['log'] = (level, message, fields) => logger[level](message, fields);
    if (inWorker) return openInWorker(host, log);
    const { openLocally } = await loadLocally();
    return openLocally(host, log);
  };
  const host = { ...given, dir: path };
  try {
    const thread = await open(host);
    const ports = nodePorts.length === 0 ? [] : await portsOf(thread);
    const bound = { ...host, nodePorts: ports };
    const started = new StartedBroker({ options, host: bound, open, thread });
    return Object.assign(started, makeFaces(started.callPart));
  } catch (error) {
    if (isTemporary) removeTree(path);
    throw startError(error, given.port);
  }
}

async function portsOf(thread: BrokerThread): Promise<readonly number[]> {
  const nodes = (await thread.call('cluster', 'nodes', [])) as readonly { readonly port: number }[];
  return nodes.map(({ port }) => port);
}

interface Started {
  readonly options: StartBrokerOptions;
  readonly host: HostOptions;
  readonly open: (host: HostOptions) => Promise<BrokerThread>;
  readonly thread: BrokerThread;
}

class StartedBroker implements Omit<TestBroker, keyof BrokerFaces> {
  readonly bootstrap: string;
  readonly port: number;
  readonly dir: string;
  readonly inWorker: boolean;
  readonly clock: VirtualTime;
  readonly #options: StartBrokerOptions;
  readonly #hostOptions: HostOptions;
  readonly #open: Started['open'];
  readonly #host: Remote<BrokerHost>;
  /** One change of the broker's life at a time. */
  readonly #life = new Mutex();
  #thread: BrokerThread;
  #threadCount = 1;
  /** The last that is known of its clock. */
  #nowMs: number;
  #disposing: Promise<void> | null = null;

  constructor({ options, host, open, thread }: Started) {
    this.#options = options;
    this.#hostOptions = host;
    this.#open = open;
    this.#thread = thread;
    this.port = thread.port;
    this.bootstrap = `127.0.0.1:${thread.port}`;
    this.dir = host.dir;
    this.inWorker = options.inWorker ?? true;
    this.#nowMs = thread.startMs;
    this.#host = remoteOf<BrokerHost>('host', this.callPart);
    this.clock = {
      nowMs: () => this.#host.nowMs(),
      advance: (by) => this.#advance(by),
      resume: () => this.#host.resume(),
      pause: () => this.#pause(),
    };
  }

  /** For the faces: whichever thread the broker is in now. */
  get callPart(): CallPart {
    return (part, method, given) => {
      if (this.#disposing === null) return this.#thread.call(part, method, given);
      return Promise.reject(new MillraceError('the broker was disposed', { code: 'CLOSED' }));
    };
  }

  createTopic(topic: string | NewTopic): Promise<void> {
    return this.#host.createTopic(newTopic(topic));
  }

  produce(
    topic: string,
    records: ProducedRecord | RecordText | readonly (ProducedRecord | RecordText)[],
  ): Promise<Produced[]> {
    const all = Array.isArray(records) ? records : [records as ProducedRecord | RecordText];
    return this.#host.produce(topic, all.map(producedRecord));
  }

  async consumeAll(topic: string, options: ConsumeAllOptions = {}): Promise<ConsumedRecord[]> {
    const records = unpackRecords(topic, await this.#host.consumeAll(topic, options));
    return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
  }

  waitFor(condition: Condition): Promise<void> {
    return this.#host.waitFor(condition);
  }

  log(topic: string, partition = 0): TestLog {
    const host = this.#host;
    return {
      topic,
      partition,
      offsets: () => host.offsets(topic, partition),
      read: async (range = {}) => unpackRecords(topic, await host.read(topic, partition, range)),
      segments: () => host.segments(topic, partition),
      roll: () => host.roll(topic, partition),
      deleteRecordsBefore: (offset) => host.deleteRecordsBefore(topic, partition, offset),
    };
  }

  connections(): Promise<ClientConnectionInfo[]> {
    return this.#host.connections();
  }

  restart(): Promise<void> {
    return this.#life.run(async () => {
      if (this.#thread.isGone) await this.#reopen();
      else await this.#host.restart();
    });
  }

  kill(): Promise<void> {
    return this.#life.run(() => this.#thread.kill());
  }

  async snapshot({ dir }: { readonly dir?: string } = {}): Promise<BrokerSnapshot> {
    const path = dir === undefined ? makeTempDir(`${TEMP_PREFIX}-snapshot`) : makeDir(dir, true);
    const dispose = async (): Promise<void> => {
      if (dir === undefined) removeTree(path);
    };
    try {
      const takenMs = await this.#life.run(() => this.#host.snapshot(path));
      return { dir: path, takenMs, dispose, [Symbol.asyncDispose]: dispose };
    } catch (error) {
      await dispose();
      throw error;
    }
  }

  reset(snapshot: BrokerSnapshot | string): Promise<void> {
    return this.#life.run(async () => {
      // What a killed worker left is in nobody's use.
      if (this.#thread.isGone) await this.#reopen();
      await this.#host.reset(dirOf(snapshot));
    });
  }

  dispose(): Promise<void> {
    if (this.#disposing !== null) return this.#disposing;
    const report = this.#life.run(() => this.#close());
    this.#disposing = report.then((found) => this.#tell(found));
    return this.#disposing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #advance(by: Duration): Promise<number> {
    this.#nowMs = await this.#host.advance(by);
    return this.#nowMs;
  }

  async #pause(): Promise<void> {
    this.#nowMs = await this.#host.pause();
  }

  /** After a kill of its worker. */
  async #reopen(): Promise<void> {
    const { seed, virtual } = this.#hostOptions;
    try {
      this.#thread = await this.#open({
        ...this.#hostOptions,
        ...{ port: this.port, topics: [], from: null, afterKill: true },
        nowMs: virtual ? this.#nowMs : null,
        // The numbers that were drawn before are in use: ids of topics, producers, members.
        seed: seed === null ? null : seed + this.#threadCount++,
      });
    } catch (error) {
      throw startError(error, this.port);
    }
  }

  async #close(): Promise<HostReport> {
    const thread = this.#thread;
    let report: HostReport = { leaks: [], problems: [] };
    try {
      if (!thread.isGone) {
        const wanted = { leaks: this.#options.leaks !== 'ignore' };
        report = (await thread.call('host', 'report', [wanted])) as HostReport;
        await thread.call('host', 'close', []);
      }
    } catch (error) {
      // A worker that a fault killed meanwhile has nothing to close.
      if (!thread.isGone) throw error;
    } finally {
      await thread.end();
      const { dir, keep = false } = this.#options;
      if (dir === undefined && !keep) removeTree(this.dir);
      else keepTempDir(this.dir);
    }
    return report;
  }

  #tell({ leaks, problems }: HostReport): void {
    const { leaks: mode = 'warn', logger } = this.#options;
    const tell = (message: string, code: string): void => {
      if (logger === undefined) process.emitWarning(message, { type: 'MillraceWarning', code });
      else logger.warn(message, { code });
    };
    for (const problem of problems) tell(problem, 'MILLRACE_TEST');
    if (leaks.length === 0 || mode === 'ignore') return;
    const message = `clients were still connected when their test broker was disposed (disconnect them first): ${leaks.join(', ')}`;
    if (mode === 'error') throw new MillraceError(message, { code: 'LEAKED_CLIENTS' });
    tell(message, 'MILLRACE_LEAK');
  }
}

function producedRecord(record: ProducedRecord | RecordText): ProducedRecord {
  const isText = record === null || typeof record === 'string' || record instanceof Uint8Array;
  return isText ? { value: record } : record;
}

async function loadLocally(): Promise<typeof import('./local-thread.js')> {
  try {
    return await import('./local-thread.js');
  } catch (cause) {
    if (!String((cause as { code?: unknown })?.code).startsWith('ERR_VM_DYNAMIC')) throw cause;
    const message =
      'inWorker: false loads ECMAScript modules, which this runner cannot without --experimental-vm-modules: leave the broker in its worker';
    throw new MillraceError(message, { code: 'NO_MODULES', cause });
  }
}

/** With what to do about it. */
function startError(error: unknown, port: number): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (code !== 'LISTEN_FAILED' || port === 0) return error;
  const text = `${String(message)}. Leave out port for a free one; a broker that a test did not dispose may have it`;
  return new MillraceError(text, { code: 'LISTEN_FAILED', cause: error });
}
