/**
 * BrokerHost: a broker with its parts, in this thread; the same in the test's and in a worker. Its
 * public methods are what a test can ask of a broker: plain values in, promises of plain values out.
 *
 *     open -> serving -- restart, reset --> serving
 *                '----- kill ----> down -- restart, reset --> serving
 *
 * Clock, randomness and parts are the host's and outlive the broker.
 */

import { systemClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { LogFields, Logger } from '../base/logger.js';
import { Mutex } from '../base/mutex.js';
import { seededRandom } from '../base/random.js';
import { isTickIdle } from '../base/tick.js';
import { Broker } from '../broker/broker.js';
import type { BrokerConfigInput } from '../broker/config.js';
import type { BrokerServices } from '../broker/handler.js';
import { forgetLock } from '../file/dir-lock.js';
import { unlinkedFilesGone } from '../file/env.js';
import { systemRandom } from '../file/system-random.js';
import { consumeAll, type Waits, waitFor } from './conditions.js';
import { checkSnapshot, clearDataDir, copyDataDir, markSnapshot } from './data-dir.js';
import { durationMs } from './duration.js';
import type { PackedRecords } from './packed-records.js';
import { type BrokerParts, makeParts } from './parts.js';
import { testConfig } from './test-config.js';
import { TestEnv } from './test-env.js';
import { type ReadRange, TopicAccess } from './topic-access.js';
import type {
  ClientConnectionInfo,
  Condition,
  ConsumeAllOptions,
  Duration,
  LogOffsets,
  LogSegment,
  NewTopic,
  Produced,
  ProducedRecord,
} from './types.js';
import { VirtualClock } from './virtual-clock.js';

/** What crosses to a worker. */
export interface HostOptions {
  /** Exists. */
  readonly dir: string;
  readonly port: number;
  /** Of each node of a simulated cluster; empty: a single broker on `port`. */
  readonly nodePorts: readonly number[];
  readonly config: BrokerConfigInput;
  readonly topics: readonly NewTopic[];
  readonly virtual: boolean;
  /** Null: the snapshot's time, or the system's. */
  readonly nowMs: number | null;
  /** Null: FETCH_WAIT_MS, or none with a virtual clock. */
  readonly fetchWaitMs: number | null;
  readonly seed: number | null;
  /** Directory of a snapshot. */
  readonly from: string | null;
  /** The broker in the directory before was killed with its thread. */
  readonly afterKill: boolean;
}

export type LogLevel = 'info' | 'warn' | 'error';

export interface HostEvents {
  readonly log: (level: LogLevel, message: string, fields?: LogFields) => void;
  /** After a kill the thread is of no more use; in the test's own thread there is none to end. */
  readonly onKill: () => void;
}

/** What is wrong at dispose, for the author of the test. */
export interface HostReport {
  readonly leaks: readonly string[];
  readonly problems: readonly string[];
}

/** A client that has just disconnected gets so long to be gone: so many times so long. */
const LEAVING_LOOKS = 50;
const LEAVING_MS = 5;
/** With a virtual clock no timeout of the close would ever come. */
const CLOSE_MS = 3000;
const FETCH_WAIT_MS = 500;
/** Tails above it are rolled before a snapshot, so that they are linked and not copied. */
const TAIL_BYTES_MAX = 64 * 1024;

export class BrokerHost {
  readonly #options: HostOptions;
  readonly #events: HostEvents;
  readonly #env = new TestEnv();
  readonly #clock: VirtualClock | typeof systemClock;
  readonly #random: typeof systemRandom;
  readonly #topics: TopicAccess;
  readonly #parts: BrokerParts;
  /** One start or stop at a time: a fault may ask for one too. */
  readonly #life = new Mutex();
  readonly #closed = new AbortController();
  #port: number;
  #nodePorts: readonly number[];
  #broker: Broker | null = null;
  /** What is left of a killed broker. */
  #ending: Promise<void> = Promise.resolve();
  #muted = false;

  /** Serves when it resolves. */
  static async open(options: HostOptions, events: HostEvents): Promise<BrokerHost> {
    if (options.afterKill) forgetLock(options.dir);
    let takenMs: number | null = null;
    if (options.from !== null) {
      takenMs = checkSnapshot(options.from);
      copyDataDir(options.from, options.dir);
    }
    const nowMs = options.nowMs ?? takenMs ?? systemClock.nowMs();
    const host = new BrokerHost(options, events, nowMs);
    await host.#start();
    try {
      for (const topic of options.topics) await host.createTopic(topic);
    } catch (error) {
      await host.close();
      throw error;
    }
    return host;
  }

  private constructor(options: HostOptions, events: HostEvents, nowMs: number) {
    this.#options = options;
    this.#events = events;
    this.#port = options.port;
    this.#nodePorts = options.nodePorts;
    this.#clock = options.virtual ? new VirtualClock(nowMs, () => this.#settled()) : systemClock;
    this.#random = options.seed === null ? systemRandom : seededRandom(options.seed);
    this.#topics = new TopicAccess(() => this.#services(), this.#clock);
    this.#parts = makeParts({
      clock: this.#clock,
      random: this.#random,
      logger: this.#logger,
      env: this.#env.env,
      restart: () => this.restart(),
      kill: () => this.kill(),
      nodeCount: options.nodePorts.length,
      broker: () => this.broker,
    });
  }

  /**
   * By part and method: what a call from the test's side reaches. While the broker restarts, as a fault may
   * have it do, calls wait for it.
   */
  async call(part: string, method: string, given: readonly unknown[]): Promise<unknown> {
    if (part === 'host' && this.#life.held) await this.#life.run(() => {});
    const target = part === 'host' ? this : this.#parts.targets[part];
    const found = (target as Record<string, unknown> | undefined)?.[method];
    if (typeof found !== 'function') {
      throw new MillraceError(`there is no ${part}.${method}`, { code: 'INTERNAL' });
    }
    return (found as (...given: unknown[]) => unknown).apply(target, [...given]);
  }

  get port(): number {
    return this.#port;
  }

  createTopic(topic: NewTopic): Promise<void> {
    return this.#topics.create(topic);
  }

  produce(topic: string, records: readonly ProducedRecord[]): Promise<Produced[]> {
    return this.#topics.produce(topic, records);
  }

  consumeAll(topic: string, options: ConsumeAllOptions): Promise<PackedRecords> {
    return consumeAll(topic, options, this.#waits());
  }

  waitFor(condition: Condition): Promise<void> {
    return waitFor(condition, this.#waits());
  }

  async offsets(topic: string, partition: number): Promise<LogOffsets> {
    return this.#topics.offsets(topic, partition);
  }

  async segments(topic: string, partition: number): Promise<LogSegment[]> {
    return this.#topics.segments(topic, partition);
  }

  read(topic: string, partition: number, range: ReadRange): Promise<PackedRecords> {
    return this.#topics.read(topic, partition, range);
  }

  async roll(topic: string, partition: number): Promise<void> {
    await this.#topics.logOf(topic, partition).roll();
  }

  async deleteRecordsBefore(topic: string, partition: number, offset: number): Promise<number> {
    const result = await this.#topics.logOf(topic, partition).deleteRecordsBefore(offset);
    if (result.ok) return result.logStartOffset;
    throw new MillraceError(result.message, { code: result.error });
  }

  async nowMs(): Promise<number> {
    return this.#clock.nowMs();
  }

  async advance(by: Duration): Promise<number> {
    return this.#virtualClock().advance(durationMs(by));
  }

  async resume(): Promise<void> {
    this.#virtualClock().resume();
  }

  /** Answers the time at which it stands. */
  async pause(): Promise<number> {
    return this.#virtualClock().pause();
  }

  #virtualClock(): VirtualClock {
    if (this.#clock instanceof VirtualClock) return this.#clock;
    const message = "this broker has the system's clock: start it with { clock: 'virtual' }";
    throw new MillraceError(message, { code: 'NOT_VIRTUAL' });
  }

  async connections(): Promise<ClientConnectionInfo[]> {
    const { broker } = this;
    return [...broker.connections()].map(({ remoteAddress, remotePort, state }) => ({
      remote: `${remoteAddress}:${remotePort}`,
      clientId: state.clientId,
      software: state.software,
    }));
  }

  restart(): Promise<void> {
    return this.#life.run(async () => {
      await this.#stop();
      await this.#start();
    });
  }

  /** At once, before the next byte is read or written. */
  kill(): void {
    const broker = this.#broker;
    if (broker === null) return;
    this.#broker = null;
    this.#muted = true;
    this.#env.sever();
    for (const connection of broker.connections()) connection.destroy();
    this.#ending = this.#close(broker);
    this.#events.onKill();
  }

  /** Copies all data into `dir`, which exists and is empty; answers the broker's time. */
  async snapshot(dir: string): Promise<number> {
    const { logs } = this.broker.services;
    for (const log of logs.logs()) {
      const active = log.segments.at(-1);
      if (active !== undefined && active.size > TAIL_BYTES_MAX) await log.roll();
    }
    // From here to the end nothing else runs.
    for (const log of logs.logs()) log.writeQueued();
    copyDataDir(this.#options.dir, dir);
    const takenMs = this.#clock.nowMs();
    markSnapshot(dir, takenMs);
    return takenMs;
  }

  reset(from: string): Promise<void> {
    return this.#life.run(async () => {
      checkSnapshot(from);
      await this.#stop();
      clearDataDir(this.#options.dir);
      copyDataDir(from, this.#options.dir);
      await this.#start();
    });
  }

  /** What a dispose now would leave behind. */
  async report({ leaks: wanted }: { readonly leaks: boolean }): Promise<HostReport> {
    const leaks = this.#broker === null || !wanted ? [] : await this.#leaks(this.#broker);
    return { leaks, problems: this.#parts.problems() };
  }

  close(): Promise<void> {
    this.#closed.abort();
    return this.#life.run(async () => {
      await this.#stop();
      if (this.#clock instanceof VirtualClock) await this.#clock.pause();
      await unlinkedFilesGone();
    });
  }

  /** Throws BROKER_DOWN after a kill. */
  get broker(): Broker {
    if (this.#broker !== null) return this.#broker;
    throw new MillraceError('the broker is down: restart() brings it back', {
      code: 'BROKER_DOWN',
    });
  }

  #services(): BrokerServices {
    return this.broker.services;
  }

  #waits(): Waits {
    return {
      services: () => this.#services(),
      topics: this.#topics,
      signal: this.#closed.signal,
    };
  }

  async #start(): Promise<void> {
    await this.#ending;
    this.#env.revive();
    this.#muted = false;
    const { config, dir, virtual, fetchWaitMs } = this.#options;
    this.#broker = await Broker.start({
      ...this.#parts.brokerOptions,
      config: testConfig({
        ...{ config, dir, virtual },
        ...{ port: this.#port, nodePorts: this.#nodePorts },
      }),
      env: this.#parts.env,
      clock: this.#clock,
      random: this.#random,
      logger: this.#logger,
      keepAlive: false,
      fetchWaitMsMax: fetchWaitMs ?? (virtual ? Number.POSITIVE_INFINITY : FETCH_WAIT_MS),
    });
    // Of the first start; clients know it.
    this.#port = this.#broker.port;
    if (this.#nodePorts.length > 0) this.#nodePorts = this.#broker.listeners.map((l) => l.port);
  }

  async #stop(): Promise<void> {
    const broker = this.#broker;
    this.#broker = null;
    if (broker !== null) this.#ending = this.#close(broker);
    await this.#ending;
    // Reads that nobody waits for any more.
    await this.#env.idle();
  }

  async #close(broker: Broker): Promise<void> {
    const clock = this.#clock;
    if (!(clock instanceof VirtualClock)) return broker.close();
    const timer = systemClock.setTimer(CLOSE_MS, () => void clock.advance(CLOSE_MS), true);
    await broker.close();
    timer.cancel();
  }

  async #leaks(broker: Broker): Promise<string[]> {
    // By turns of the loop, not by time alone: each of them sees who has gone.
    for (let look = 0; look < LEAVING_LOOKS && [...broker.connections()].length > 0; look++) {
      await new Promise<void>((resolve) => systemClock.setTimer(LEAVING_MS, resolve, true));
    }
    const connected = await this.connections();
    return connected.map(({ remote, clientId, software }) => {
      const of = software === null ? '' : ` (${software})`;
      return `${clientId ?? 'a client without an id'}${of} from ${remote}`;
    });
  }

  /** Nothing that was begun is unfinished. */
  async #settled(): Promise<void> {
    do {
      await this.#env.idle();
      await new Promise(setImmediate);
    } while (!this.#env.isIdle || !isTickIdle());
  }

  readonly #logger: Logger = {
    info: (message, fields) => this.#log('info', message, fields),
    warn: (message, fields) => this.#log('warn', message, fields),
    error: (message, fields) => this.#log('error', message, fields),
  };

  /** What a killed broker still says is nobody's business. */
  #log(level: LogLevel, message: string, fields?: LogFields): void {
    if (!this.#muted) this.#events.log(level, message, fields);
  }
}
