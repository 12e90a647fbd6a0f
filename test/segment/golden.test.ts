/** Directories that a real Kafka wrote: our segments find in them what Kafka's client read. */

import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Offset, offset } from '#src/base/offset.js';
import { sizeOf } from '#src/record/batch-view.js';
import { formatFileName, parseFileName } from '#src/segment/names.js';
import { Segment } from '#src/segment/segment.js';
import { tempDir } from '../file/temp-dir.js';
import { config, logPath, open, segmentOptions } from './support.js';

const root = join(import.meta.dirname, '../../../test/golden/kafka-data');

interface GoldenRecord {
  readonly offset: number;
  readonly timestamp: number;
}

interface GoldenPartition {
  readonly partition: number;
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  readonly maxTimestampOffset: number;
  readonly records: readonly GoldenRecord[];
}

interface Golden {
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly GoldenPartition[];
  }[];
}

const golden = JSON.parse(readFileSync(join(root, 'expected.json'), 'utf8')) as Golden;
const partitions = golden.topics.flatMap(({ topic, partitions }) =>
  partitions.map((partition) => ({ name: `${topic}-${partition.partition}`, ...partition })),
);

/** The interval of topics that were made with a small one. */
const intervals: Readonly<Record<string, number>> = { segments: 1024, compacted: 4096 };

function configOf(name: string): typeof config {
  const indexIntervalBytes = intervals[name.slice(0, name.lastIndexOf('-'))] ?? 4096;
  return { ...config, indexIntervalBytes };
}

function basesIn(dir: string): Offset[] {
  return readdirSync(dir)
    .map((name) => parseFileName(name))
    .filter((name) => name !== null && name.kind === 'log')
    .map((name) => name?.baseOffset as Offset)
    .sort((a, b) => a - b);
}

t.test('there is something to test', (t) => {
  t.ok(partitions.length >= 10);
  for (const { name } of partitions) t.ok(existsSync(join(root, 'data', name)), name);
  t.end();
});

for (const { name, logEndOffset, records, maxTimestampOffset, logStartOffset } of partitions) {
  t.test(
    `${name}: opened clean and unclean, its offsets and times are those Kafka tells`,
    async (t) => {
      for (const clean of [true, false]) {
        const dir = join(tempDir(t), name);
        cpSync(join(root, 'data', name), dir, { recursive: true });
        const bases = basesIn(dir);
        const segments: Segment[] = [];
        for (const [index, base] of bases.entries()) {
          // The last one as a rolled one, too: Kafka ends its time index on close.
          const nextBaseOffset = bases[index + 1] ?? offset(logEndOffset);
          const segment = await open(dir, base, { clean, nextBaseOffset, config: configOf(name) });
          t.equal(segment.recovery.indexesRebuilt, false, 'indexes are byte for byte as ours');
          t.same(segment.damaged, []);
          segments.push(segment);
        }
        const last = await open(dir, bases.at(-1), { clean, config: configOf(name) });
        t.equal(last.nextOffset, logEndOffset);
        last.close();
        const missing: number[] = [];
        for (const record of records) {
          const segment = segments.findLast((one) => one.baseOffset <= record.offset) as Segment;
          const found = segment.positionFor(record.offset);
          if (found === null || found.lastOffset < record.offset) missing.push(record.offset);
          if ((found?.baseOffset ?? 0) > record.offset) missing.push(record.offset);
          const at = segment.offsetForTimestamp(record.timestamp, record.offset);
          if (at?.offset !== record.offset || at.timestampMs !== record.timestamp) {
            missing.push(record.offset);
          }
        }
        t.same(missing, []);
        const largest = segments.reduce((a, b) => (b.maxTimestampMs > a.maxTimestampMs ? b : a));
        if (records.length > 0 && logStartOffset === 0) {
          t.equal(largest.maxTimestampOffset()?.offset, maxTimestampOffset);
        }
        for (const segment of segments) segment.close();
      }
    },
  );

  t.test(`${name}: appended by us, its files are byte for byte as Kafka wrote them`, async (t) => {
    const source = join(root, 'data', name);
    for (const base of basesIn(source)) {
      const dir = tempDir(t);
      const bytes = readFileSync(logPath(source, base));
      const segment = Segment.create(segmentOptions(dir, base, { config: configOf(name) }));
      for (let at = 0; at < bytes.length; at += sizeOf(bytes, at)) {
        segment.append([bytes.subarray(at, at + sizeOf(bytes, at))]);
      }
      segment.seal();
      segment.close();
      for (const kind of ['log', 'index', 'timeindex'] as const) {
        const file = formatFileName(base, kind);
        t.ok(readFileSync(join(dir, file)).equals(readFileSync(join(source, file))), file);
      }
    }
  });
}
