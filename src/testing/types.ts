/**
 * The public types of `millrace/testing`, but for faults and the recorder, which have files of their
 * own. Everything here is a plain value or a promise of one, since the broker may live in a worker.
 */

import type { Logger } from '../base/logger.js';
import type { BrokerConfigInput } from '../broker/config.js';

/** Milliseconds, or text as '250ms', '10s', '5m', '2h', '7d', '1w', also put together: '1d 12h'. */
export type Duration = number | string;

export interface NewTopic {
  readonly name: string;
  /** Default: `num.partitions` of the broker, which is 1. */
  readonly partitions?: number;
  /** Topic configs by Kafka's names. */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
}

export interface StartBrokerOptions {
  /** Made before the broker is handed out. */
  readonly topics?: readonly (string | NewTopic)[];
  /** Broker configs by Kafka's names; they go before the defaults of a test broker (test-config.ts). */
  readonly config?: BrokerConfigInput;
  /** Default: any free port of 127.0.0.1. */
  readonly port?: number;
  /** Data directory, kept at dispose. Default: a new temporary one, removed at dispose. */
  readonly dir?: string;
  /** Keeps the temporary directory too; `broker.dir` tells where it is. */
  readonly keep?: boolean;
  /** 'virtual': time stands still but for `broker.clock.advance`. Default 'system'. */
  readonly clock?: 'system' | 'virtual';
  /** What a virtual clock shows at the start. Default: that of the snapshot, else the system's now. */
  readonly now?: number | Date;
  /** Default true: in a thread of its own, so that a busy test does not hold it up. */
  readonly inWorker?: boolean;
  /**
   * The longest that a fetch waits for records. Clients that stop wait for their fetch: kafkajs asks for
   * 5 s. Default '500ms', with a virtual clock whatever the client says.
   */
  readonly fetchWait?: Duration;
  /** Of every number that the broker and its faults draw. Default: the system's randomness. */
  readonly seed?: number;
  /** Begins with the data of a snapshot, or of a directory that `snapshot({ dir })` made. */
  readonly from?: BrokerSnapshot | string;
  /** Takes what the broker says. Default: silent, but leaks are process warnings. */
  readonly logger?: Logger;
  /** Clients that are still connected at dispose: a warning (default), a rejection, or nothing. */
  readonly leaks?: 'warn' | 'error' | 'ignore';
}

/** A copy of a broker's data: immutable, for any number of brokers, until it is disposed. */
export interface BrokerSnapshot extends AsyncDisposable {
  readonly dir: string;
  /** What the broker's clock showed, milliseconds since the epoch. */
  readonly takenMs: number;
  /** Removes it, unless the caller chose the directory. Idempotent. */
  dispose(): Promise<void>;
}

export type RecordText = string | Uint8Array | null;

export interface ProducedRecord {
  readonly key?: RecordText;
  readonly value: RecordText;
  readonly headers?: Readonly<Record<string, RecordText>>;
  /** Milliseconds since the epoch. Default: the broker's clock. */
  readonly timestamp?: number;
  /** Default: by the key as Kafka's clients do it (murmur2), else round robin. */
  readonly partition?: number;
}

export interface Produced {
  readonly partition: number;
  readonly offset: number;
}

export interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** In their order; a name may come twice. */
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
}

export type Isolation = 'read_uncommitted' | 'read_committed';

export interface ConsumeAllOptions {
  /** Waits until there are so many; fewer than are there are answered. Default: all there are now. */
  readonly count?: number;
  /** Of real time. Default '10s'; then it rejects and tells what was there. */
  readonly timeout?: Duration;
  /** Default 'read_committed'. */
  readonly isolation?: Isolation;
  /** Only this one. */
  readonly partition?: number;
  /** The first offset in each partition. Default 0; what was removed is skipped. */
  readonly from?: number;
}

/** What `waitFor` waits for. */
export type Condition = (
  | {
      /** The group has members, and each has its assignment. */
      readonly group: string;
      readonly stable: true;
      /** Exactly so many. */
      readonly members?: number;
    }
  /** What the group has committed is so close to the end of the topic, all partitions together. */
  | { readonly group: string; readonly topic: string; readonly lag: number }
  /** Records up to and with `offset - 1` can be read: the high watermark is at least `offset`. */
  | { readonly topic: string; readonly partition?: number; readonly offset: number }
) & {
  /** Of real time. Default '10s'; then it rejects and tells how things are. */
  readonly timeout?: Duration;
};

/** The offsets of a partition. */
export interface LogOffsets {
  /** The first that is there. */
  readonly logStartOffset: number;
  readonly lastStableOffset: number;
  readonly highWatermark: number;
  /** The next to be written. */
  readonly logEndOffset: number;
}

export interface LogSegment {
  readonly baseOffset: number;
  readonly sizeInBytes: number;
}

/** A partition's log, without a socket. Rejects with UNKNOWN_TOPIC_OR_PARTITION if it is not there. */
export interface TestLog {
  readonly topic: string;
  readonly partition: number;
  offsets(): Promise<LogOffsets>;
  /** Records from `from` (default: the first) up to, without, `to` (default: all that may be seen). */
  read(options?: {
    readonly from?: number;
    readonly to?: number;
    readonly isolation?: Isolation;
  }): Promise<ConsumedRecord[]>;
  segments(): Promise<LogSegment[]>;
  /** Begins a new segment, so that retention and compaction may have what is there. */
  roll(): Promise<void>;
  /** As DeleteRecords; answers the log start offset. */
  deleteRecordsBefore(offset: number): Promise<number>;
}

/** A clock that moves when it is told to. */
export interface VirtualTime {
  /** What the broker's clock shows, milliseconds since the epoch. */
  nowMs(): Promise<number>;
  /**
   * Moves time on, from one due timer to the next; between two of them the broker finishes what the
   * first one began. Answers the new time. Rejects with NOT_VIRTUAL on a broker with the system's clock.
   */
  advance(by: Duration): Promise<number>;
  /**
   * Lets time pass as it does outside, from where it is, until `pause`: for clients that wait for the
   * broker, as a consumer does that stops. NOT_VIRTUAL as above.
   */
  resume(): Promise<void>;
  pause(): Promise<void>;
}

/** Who is connected. */
export interface ClientConnectionInfo {
  readonly remote: string;
  /** Of its last request; null before the first. */
  readonly clientId: string | null;
  /** As its ApiVersions told, NAME/VERSION. */
  readonly software: string | null;
}
