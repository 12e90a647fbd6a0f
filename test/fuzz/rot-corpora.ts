/** Small data directories for tests of rot: four made by the engine, two that Kafka wrote. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ManualClock } from '#src/base/clock.js';
import { silentLogger } from '#src/base/logger.js';
import { seededRandom } from '#src/base/random.js';
import type { AppendOptions } from '#src/log/append-options.js';
import type { LogManager } from '#src/log/log-manager.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import { Scrubber } from '#src/log/scrubber.js';
import type { LogConfig } from '#src/log/topic-config.js';
import { defaultLogConfig } from '#src/log/topic-config.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { DATA_DIR, LEADER_EPOCH, openManager, START_MS } from '../fault/world.js';
import { type DiskImage, filesOf, imageOf, ROOT } from '../support/disk-image.js';
import { SimulatedDisk } from '../support/simulated-disk.js';

export interface Corpus {
  readonly name: string;
  readonly topic: string;
  /** Offsets below were acknowledged. */
  readonly logEndOffset: number;
  readonly config: LogConfig;
  /** Made by this engine: its last producer is known, and what its segments hold is up to date. */
  readonly isOurs: boolean;
  /** After a clean shutdown. */
  readonly image: DiskImage;
}

const golden = join(import.meta.dirname, '../../../test/golden/kafka-data/data');

const keepAll: LogConfig = {
  ...defaultLogConfig,
  retentionMs: Number.POSITIVE_INFINITY,
  indexIntervalBytes: 150,
};

export const RECOVERY_POINT_PATH = `${DATA_DIR}/recovery-point-offset-checkpoint`;
const MARKER_PATH = `${DATA_DIR}/.kafka_cleanshutdown`;

interface Build {
  readonly name: string;
  readonly config: LogConfig;
  readonly write: (log: PartitionLog, manager: LogManager) => Promise<void>;
  /** Sealed segments get their checksum side files. */
  readonly checksums: boolean;
}

async function built({ name, config, write, checksums }: Build): Promise<Corpus> {
  // It stands still: the times of the files are what the checksums say they are.
  const clock = new ManualClock(START_MS);
  const random = seededRandom(7);
  const disk = new SimulatedDisk({ clock, random });
  const { env, kill } = disk.process();
  const manager = await openManager(env, clock, random, config);
  const topicId = 'tZ4NdPrERqqWzgiThXTbLA';
  const topic = name.replaceAll(/[^a-z]+/g, '-');
  const log = await manager.createLog({ topic, partition: 0, topicId, config });
  await write(log, manager);
  if (checksums) {
    const logs = (): readonly PartitionLog[] => manager.logs();
    const options = { env, clock, logger: silentLogger, bytesPerSecond: 2 ** 40, logs };
    await new Scrubber(options).run();
  }
  const { logEndOffset } = log;
  await manager.close();
  kill();
  return { name, topic, logEndOffset, config, isOurs: true, image: disk.imageNow() };
}

async function put(
  log: PartitionLog,
  bytes: Uint8Array,
  options: Partial<AppendOptions> = {},
): Promise<void> {
  const result = await log.append(bytes, { leaderEpoch: LEADER_EPOCH, owned: true, ...options });
  if (!result.ok) throw new Error(result.message);
}

/** Two segments, the second one active; every other batch is compressed. */
async function plain(log: PartitionLog): Promise<void> {
  for (let count = 0; count < 8; count++) {
    if (count === 5) await log.roll();
    const producer = { producerId: 9, producerEpoch: 0, baseSequence: count * 2 };
    const compression = count % 2 === 0 ? 'none' : 'gzip';
    const builder = new BatchBuilder({ ...producer, compression });
    for (let i = 0; i < 2; i++) {
      // Times that go up and down, so that the time index has something to say.
      const timestamp = START_MS + count * 1000 - (count % 3) * 1500;
      builder.append({ timestamp, key: Buffer.from(`k${i}`), value: Buffer.from(`v${count}`) });
    }
    await put(log, builder.build());
  }
}

/** The same under several leader epochs and above a log start that is in its first batch. */
async function plainInEpochs(log: PartitionLog): Promise<void> {
  for (let count = 0; count < 8; count++) {
    if (count === 5) await log.roll();
    const builder = new BatchBuilder({ producerId: 9, producerEpoch: 0, baseSequence: count * 2 });
    for (let i = 0; i < 2; i++) {
      const timestamp = START_MS + count * 1000 - (count % 3) * 1500;
      builder.append({ timestamp, key: null, value: Buffer.from(`v${count}`) });
    }
    await put(log, builder.build(), { leaderEpoch: LEADER_EPOCH + (count >> 1) });
  }
  await log.deleteRecordsBefore(1);
}

/** Two producers, their transactions committed, aborted, and one open, over two segments. */
async function transactional(log: PartitionLog): Promise<void> {
  const sequences = [0, 0];
  const steps = ['0', '1', 'abort 0', '-', '0', 'commit 1', 'roll', 'abort 0', '1', 'abort 1', '0'];
  for (const [number, step] of steps.entries()) {
    const timestamp = START_MS + number * 1000;
    const [verb, slot = verb] = step.split(' ');
    const producer = { producerId: 20 + Number(slot), producerEpoch: 0 };
    if (verb === 'roll') await log.roll();
    else if (verb === 'commit' || verb === 'abort') {
      const of = { coordinatorEpoch: 0, leaderEpoch: LEADER_EPOCH };
      await log.appendEndTxnMarker({ type: verb, ...producer, ...of });
    } else {
      const baseSequence = sequences[Number(verb)] ?? 0;
      const builder =
        verb === '-'
          ? new BatchBuilder()
          : new BatchBuilder({ ...producer, baseSequence, isTransactional: true });
      sequences[Number(verb)] = baseSequence + 1;
      builder.append({ timestamp, key: null, value: Buffer.from(`v${number}`) });
      await put(log, builder.build(), { transactional: true });
    }
  }
}

/** Two segments that were compacted, with gaps and a tombstone, and an active one. */
async function compacted(log: PartitionLog, manager: LogManager): Promise<void> {
  for (let count = 0; count < 9; count++) {
    if (count === 4 || count === 7) await log.roll();
    const builder = new BatchBuilder();
    for (let i = 0; i < 3; i++) {
      const key = Buffer.from(`k${(count * 3 + i * 5) % 11}`);
      const value = count === 5 && i === 1 ? null : Buffer.from(`v${count}`);
      builder.append({ timestamp: START_MS + count * 1000, key, value });
    }
    await put(log, builder.build());
  }
  await log.flush();
  await manager.runCompaction({ force: true });
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
  files.set(MARKER_PATH, Buffer.from('{"version":0,"brokerEpoch":-1}'));
  files.set(RECOVERY_POINT_PATH, offsets);
  const config = { ...keepAll, cleanupCompact: topic === 'compacted' };
  const image = imageOf(files, START_MS);
  return { name: `${topic} (Kafka's)`, topic, logEndOffset, config, isOurs: false, image };
}

const compactedConfig: LogConfig = {
  ...keepAll,
  cleanupDelete: false,
  cleanupCompact: true,
  minCleanableDirtyRatio: 0,
  // Its segments stay apart.
  segmentBytes: 500,
};

export async function makeCorpora(): Promise<readonly Corpus[]> {
  const config = keepAll;
  const checksums = true;
  return [
    await built({ name: 'plain', config, checksums: false, write: plain }),
    await built({ name: 'plain, checksums', config, checksums, write: plainInEpochs }),
    await built({ name: 'transactional, checksums', config, checksums, write: transactional }),
    await built({
      name: 'compacted, checksums',
      config: compactedConfig,
      checksums,
      write: compacted,
    }),
    fromKafka('transactions', 28),
    fromKafka('compacted', 600),
  ];
}

/**
 * How a directory was left: by a clean shutdown; killed before anything was said to be durable; killed after a
 * checkpoint, when everything was.
 */
export const rotModes = ['clean', 'unclean', 'unclean, all durable'] as const;
export type RotMode = (typeof rotModes)[number];

/** The disk of a corpus as it is in a mode: file numbers and times are those of the disk that it was on. */
export function imageIn({ image }: Corpus, mode: RotMode): DiskImage {
  const paths = [...filesOf(image).keys()];
  const logs = paths.filter((path) => path.endsWith('.log')).sort();
  const active = logs[logs.length - 1] ?? '';
  // Nobody reads them: the next start removes them.
  const gone = new Set(paths.filter((path) => path.endsWith('.deleted')));
  if (mode !== 'clean') gone.add(MARKER_PATH);
  if (mode === 'unclean') {
    gone.add(RECOVERY_POINT_PATH).add(`${RECOVERY_POINT_PATH}.copy`);
    gone.add(active.replace(/log$/, 'checksum'));
  }
  const dirs = new Map<number, ReadonlyMap<string, number>>();
  const visit = (node: number, path: string): void => {
    const entries = new Map(image.dirs.get(node));
    for (const [name, child] of entries) {
      if (image.dirs.has(child)) visit(child, `${path}/${name}`);
      else if (gone.has(`${path}/${name}`)) entries.delete(name);
    }
    dirs.set(node, entries);
  };
  visit(ROOT, '');
  return { files: image.files, dirs };
}
