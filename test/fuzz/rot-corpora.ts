/** Small data directories for tests of rot: two made by the engine, two that Kafka wrote. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ManualClock } from '#src/base/clock.js';
import { seededRandom } from '#src/base/random.js';
import type { LogConfig } from '#src/log/topic-config.js';
import { defaultLogConfig } from '#src/log/topic-config.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { DATA_DIR, LEADER_EPOCH, openManager, START_MS } from '../fault/world.js';
import { filesOf } from '../support/disk-image.js';
import { SimulatedDisk } from '../support/simulated-disk.js';

export interface Corpus {
  readonly name: string;
  readonly topic: string;
  /** Offsets below were acknowledged. */
  readonly logEndOffset: number;
  readonly config: LogConfig;
  /** After a clean shutdown, by path; without the marker and the recovery point. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const golden = join(import.meta.dirname, '../../../test/golden/kafka-data/data');

const keepAll: LogConfig = {
  ...defaultLogConfig,
  retentionMs: Number.POSITIVE_INFINITY,
  indexIntervalBytes: 150,
};

export const RECOVERY_POINT_PATH = `${DATA_DIR}/recovery-point-offset-checkpoint`;
const MARKER_PATH = `${DATA_DIR}/.kafka_cleanshutdown`;

/** Two segments, the second one active. */
async function built(name: 'plain' | 'gzip'): Promise<Corpus> {
  const clock = new ManualClock(START_MS);
  const random = seededRandom(7);
  const disk = new SimulatedDisk({ clock, random });
  const { env, kill } = disk.process();
  const manager = await openManager(env, clock, random, keepAll);
  const topicId = 'tZ4NdPrERqqWzgiThXTbLA';
  const log = await manager.createLog({ topic: name, partition: 0, topicId, config: keepAll });
  for (let count = 0; count < 8; count++) {
    if (count === 5) await log.roll();
    const fields = { producerId: 9, producerEpoch: 0, baseSequence: count * 2 };
    const compression = name === 'gzip' ? ({ compression: 'gzip' } as const) : {};
    const builder = new BatchBuilder({ ...fields, ...compression });
    for (let i = 0; i < 2; i++) {
      // Times that go up and down, so that the time index has something to say.
      const timestamp = START_MS + count * 1000 - (count % 3) * 1500;
      builder.append({ timestamp, key: Buffer.from(`k${i}`), value: Buffer.from(`v${count}`) });
    }
    const result = await log.append(builder.build(), { leaderEpoch: LEADER_EPOCH, owned: true });
    if (!result.ok) throw new Error(result.message);
  }
  const { logEndOffset } = log;
  await manager.close();
  kill();
  return corpus(name, name, logEndOffset, filesOf(disk.imageNow()));
}

function fromKafka(topic: string, logEndOffset: number): Corpus {
  const files = new Map<string, Uint8Array>();
  const dir = `${topic}-0`;
  for (const name of readdirSync(join(golden, dir))) {
    files.set(`${DATA_DIR}/${dir}/${name}`, readFileSync(join(golden, dir, name)));
  }
  const meta = readFileSync(join(golden, 'meta.properties'));
  files.set(`${DATA_DIR}/meta.properties`, meta);
  const offsets = Buffer.from(`0\n1\n${topic} 0 ${logEndOffset}\n`);
  files.set(`${DATA_DIR}/replication-offset-checkpoint`, offsets);
  files.set(`${DATA_DIR}/log-start-offset-checkpoint`, Buffer.from('0\n0\n'));
  return corpus(`${topic} (Kafka's)`, topic, logEndOffset, files);
}

function corpus(
  name: string,
  topic: string,
  logEndOffset: number,
  all: ReadonlyMap<string, Uint8Array>,
): Corpus {
  const files = new Map(all);
  files.delete(MARKER_PATH);
  files.delete(RECOVERY_POINT_PATH);
  return { name, topic, logEndOffset, config: keepAll, files };
}

export async function makeCorpora(): Promise<readonly Corpus[]> {
  return [
    await built('plain'),
    await built('gzip'),
    fromKafka('transactions', 28),
    fromKafka('compacted', 600),
  ];
}

/** How a directory was left. */
export const rotModes = ['clean', 'unclean', 'unclean, all durable'] as const;
export type RotMode = (typeof rotModes)[number];

/** The files of a corpus as they are in a mode. */
export function filesIn(corpus: Corpus, mode: RotMode): Map<string, Uint8Array> {
  const files = new Map(corpus.files);
  if (mode === 'clean') files.set(MARKER_PATH, Buffer.from('{"version":0,"brokerEpoch":-1}'));
  if (mode !== 'unclean') {
    const text = `0\n1\n${corpus.topic} 0 ${corpus.logEndOffset}\n`;
    files.set(RECOVERY_POINT_PATH, Buffer.from(text));
  }
  return files;
}
