/** TestBroker: what a test holds in its hand. */

import type { BrokerFaces } from './faces.js';
import type {
  BrokerSnapshot,
  ClientConnectionInfo,
  Condition,
  ConsumeAllOptions,
  ConsumedRecord,
  NewTopic,
  Produced,
  ProducedRecord,
  RecordText,
  TestLog,
  VirtualTime,
} from './types.js';

export interface TestBroker extends AsyncDisposable, BrokerFaces {
  /** '127.0.0.1:PORT': what a client calls brokers or bootstrap servers. Stays over restarts. */
  readonly bootstrap: string;
  readonly port: number;
  readonly dir: string;
  readonly inWorker: boolean;
  readonly clock: VirtualTime;
  /** Resolves when it can be written to. Rejects with the code that Kafka has for it. */
  createTopic(topic: string | NewTopic): Promise<void>;
  /** Appends without a socket; the topic is made if it is not there. Answers in their order. */
  produce(
    topic: string,
    records: ProducedRecord | RecordText | readonly (ProducedRecord | RecordText)[],
  ): Promise<Produced[]>;
  /** By partition, then offset. */
  consumeAll(topic: string, options?: ConsumeAllOptions): Promise<ConsumedRecord[]>;
  waitFor(condition: Condition): Promise<void>;
  log(topic: string, partition?: number): TestLog;
  connections(): Promise<ClientConnectionInfo[]>;
  /** Closes in order and starts again, on the same port and data. Clients are disconnected. */
  restart(): Promise<void>;
  /** Ends it as kill -9 does: nothing is flushed, answered or marked. `restart` brings it back. */
  kill(): Promise<void>;
  /** A copy of all data. The broker goes on. */
  snapshot(options?: { readonly dir?: string }): Promise<BrokerSnapshot>;
  /** Puts the data of the snapshot in the place of its own. As `restart` for clients. */
  reset(snapshot: BrokerSnapshot | string): Promise<void>;
  /** Idempotent. */
  dispose(): Promise<void>;
}
