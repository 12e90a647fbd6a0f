/**
 * One consumer reads a log that is not in memory while ten others wait at the end of another one, to
 * which records come at a fixed rate. Latency is from the moment at which a record was due to be sent
 * until each consumer has it; the stall is the event loop's, as a timer of 1 ms in the broker's own
 * process sees it. Quiet is the same without the reader.
 */

import { join } from 'node:path';
import { HOT_MS_MAX } from '#src/base/limits.js';
import { decodeResponse, encodeRequest } from '#src/protocol/codec.js';
import { produce } from '#src/protocol/messages/00-produce.js';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { batchOfSize, type FilledLog, fetchLog, fillLog } from './harness/broker-log.js';
import { evict } from './harness/c-programs.js';
import { GateBroker } from './harness/gate-broker.js';
import { Latencies, offer } from './harness/offered-load.js';
import { logFiles } from './harness/page-cache.js';
import type { Measurement, OpenSuite, Suite } from './harness/suite.js';
import { createTopic, WireClient } from './harness/wire-client.js';

const CONSUMERS = 10;
const BATCHES_PER_FETCH = 16;
const FETCH_VERSION = 11;

export const suite: Suite = {
  name: 'cold',
  title: 'Cold reads',
  question: 'Does a reader of a log on disk hold up those at the end of another?',
  parameters: {
    gib: { default: '8', doc: 'size of the cold log; 50 is the target' },
    rate: { default: '200', doc: 'records a second' },
    seconds: { default: '8', doc: 'of the quiet case; the other lasts as long as the reader' },
  },
  rounds: 5,
  targets: [
    { id: 'F7', case: 'cold reader', figure: 'stallP999Ms', against: null, atMost: 5 },
    { id: 'F7', case: 'cold reader', atMost: 2 },
  ],
  async open(context): Promise<OpenSuite> {
    const dataDir = join(context.dir, 'data');
    const broker = await GateBroker.start(dataDir);
    const batch = batchOfSize(64 << 10);
    const requests = Math.floor(
      (context.number('gib') * 2 ** 30) / (BATCHES_PER_FETCH * batch.bytes.length),
    );
    const cold: FilledLog = await fillLog(broker.port, context.dir, {
      ...{ topic: 'cold', partitions: 1, batch, batchesEach: requests * BATCHES_PER_FETCH },
      // Its timestamps are of long ago.
      configs: { 'retention.ms': '-1' },
    });
    await createTopic(broker.port, 'tail', 1);
    const tail = new Tail(broker, context.number('rate'));
    const shape = { unit: 'ms p99', better: 'lower' } as const;
    return {
      cases: [
        {
          ...{ name: 'quiet', ...shape },
          run: () => tail.measure(context.number('seconds'), null),
        },
        {
          ...{ name: 'cold reader', ...shape, baseline: 'quiet' },
          async run() {
            evict(logFiles(dataDir).filter((path) => path.includes('cold-0')));
            // What it has sent a moment ago a broker takes for hot; nothing but this evicts such pages.
            await new Promise((resolve) => setTimeout(resolve, HOT_MS_MAX));
            const recordsMin = batch.bytes.length;
            const load = { requests, batchesEach: BATCHES_PER_FETCH, depth: 2, recordsMin };
            return tail.measure(0, () => fetchLog(broker.port, cold, load));
          },
        },
      ],
      close: () => broker.stop(),
    };
  },
};

/** The producer and the consumers of the log to which records come. */
class Tail {
  readonly #broker: GateBroker;
  readonly #rate: number;
  #nextOffset = 0;

  constructor(broker: GateBroker, rate: number) {
    this.#broker = broker;
    this.#rate = rate;
  }

  /** For so many seconds, or until `other` is done. */
  async measure(
    secondsMin: number,
    other: (() => Promise<{ bytes: number; seconds: number }>) | null,
  ): Promise<Measurement> {
    const { port } = this.#broker;
    const latencies = new Latencies();
    const stopped = new AbortController();
    const consumers = Array.from({ length: CONSUMERS }, () =>
      consume(port, this.#nextOffset, latencies, stopped.signal),
    );
    const producer = await WireClient.connect(port);
    await this.#broker.stall();
    let reading = other?.();
    let read: { bytes: number; seconds: number } | undefined;
    void reading?.then((result) => {
      read = result;
    });
    let last: Promise<unknown> = Promise.resolve();
    do {
      await offer({
        ...{ perSecond: this.#rate, seconds: other === null ? secondsMin : 0.5 },
        fire: (dueMs) => {
          this.#nextOffset++;
          // One after the other on one connection: a produce that waits delays the next, and it shows.
          last = last.then(() => producer.exchange(recordAt(dueMs)));
        },
      });
    } while (other !== null && read === undefined);
    await reading;
    reading = undefined;
    await last;
    const stall = await this.#broker.stall();
    stopped.abort();
    // Wakes those that wait.
    this.#nextOffset++;
    await producer.exchange(recordAt(Number.NaN));
    await Promise.all(consumers);
    producer.close();
    return {
      value: latencies.ms(99),
      more: {
        p50Ms: latencies.ms(50),
        p999Ms: latencies.ms(99.9),
        stallP999Ms: stall.p999Ms,
        stallMaxMs: stall.maxMs,
        ...(read === undefined ? {} : { readerGbPerS: read.bytes / 1e9 / read.seconds }),
      },
    };
  }
}

function recordAt(dueMs: number) {
  const builder = new BatchBuilder({});
  const value = Buffer.alloc(100);
  value.writeDoubleBE(dueMs);
  builder.append({ timestamp: Date.now(), value });
  return encodeRequest(produce, 7, 1, 'bench', {
    acks: 1,
    timeoutMs: 30_000,
    topicData: [{ name: 'tail', partitionData: [{ index: 0, records: builder.build() }] }],
  });
}

async function consume(
  port: number,
  fromOffset: number,
  latencies: Latencies,
  signal: AbortSignal,
): Promise<void> {
  const client = await WireClient.connect(port);
  let offset = fromOffset;
  while (!signal.aborted) {
    const frame = await client.exchange(
      encodeRequest(fetch, FETCH_VERSION, 1, 'bench', {
        ...{ maxWaitMs: 500, minBytes: 1, maxBytes: 1 << 20 },
        topics: [
          {
            topic: 'tail',
            partitions: [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 1 << 20 }],
          },
        ],
        forgottenTopicsData: [],
      }),
    );
    const { records } =
      decodeResponse(fetch, FETCH_VERSION, frame, 4).responses[0]?.partitions[0] ?? {};
    if (!(records instanceof Uint8Array)) continue;
    for (let at = 0; at < records.length; ) {
      const size = Buffer.from(records.buffer, records.byteOffset).readInt32BE(at + 8) + 12;
      const cursor = decodeBatch(records, at);
      for (let record = cursor.next(); record !== null; record = cursor.next()) {
        const value = Buffer.from(record.value as Uint8Array);
        const dueMs = value.readDoubleBE(0);
        if (!Number.isNaN(dueMs)) latencies.record(dueMs);
        offset++;
      }
      at += size;
    }
  }
  client.close();
}
