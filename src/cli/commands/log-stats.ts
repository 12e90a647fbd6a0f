/** `millrace log stats`: what is in the logs, by partition. Reads every batch, changes nothing. */

import { findTargets, type VerifyTarget, verifyTarget } from '../../log/verify.js';
import {
  WALK_ATTRIBUTES,
  WALK_BASE_OFFSET,
  WALK_FIRST,
  WALK_LAST_OFFSET_DELTA,
  WALK_MAX_TIMESTAMP,
  WALK_PRODUCER_ID,
  WALK_RECORDS_COUNT,
  WALK_SIZE,
  WALK_STRIDE,
} from '../../record/batch-walk.js';
import { COMPRESSION_MASK, CONTROL_BIT, TRANSACTIONAL_BIT } from '../../record/layout.js';
import { formatBytes, Progress } from '../progress.js';
import { findingsOf, sizeOfAll, type ToolIo } from './log-verify.js';

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

class PartitionStats {
  segments = 0;
  bytes = 0;
  batches = 0;
  records = 0;
  controlBatches = 0;
  transactionalBatches = 0;
  firstOffset = -1;
  nextOffset = -1;
  minTimestampMs = -1;
  maxTimestampMs = -1;
  largestBatchBytes = 0;
  problems = 0;
  readonly codecs: Record<string, number> = {};
  readonly producers = new Set<number>();

  readonly take = (batches: Float64Array, count: number): void => {
    for (let batch = 0; batch < count; batch++) {
      const slot = WALK_FIRST + batch * WALK_STRIDE;
      const at = (field: number): number => batches[slot + field] as number;
      const attributes = at(WALK_ATTRIBUTES);
      const codec = CODECS[attributes & COMPRESSION_MASK] ?? 'unknown';
      this.batches++;
      this.records += at(WALK_RECORDS_COUNT);
      this.codecs[codec] = (this.codecs[codec] ?? 0) + 1;
      if ((attributes & CONTROL_BIT) !== 0) this.controlBatches++;
      else if ((attributes & TRANSACTIONAL_BIT) !== 0) this.transactionalBatches++;
      if (this.firstOffset < 0) this.firstOffset = at(WALK_BASE_OFFSET);
      this.nextOffset = at(WALK_BASE_OFFSET) + at(WALK_LAST_OFFSET_DELTA) + 1;
      this.largestBatchBytes = Math.max(this.largestBatchBytes, at(WALK_SIZE));
      if (at(WALK_PRODUCER_ID) >= 0) this.producers.add(at(WALK_PRODUCER_ID));
      const timestamp = at(WALK_MAX_TIMESTAMP);
      this.maxTimestampMs = Math.max(this.maxTimestampMs, timestamp);
      if (timestamp >= 0 && (this.minTimestampMs < 0 || timestamp < this.minTimestampMs)) {
        this.minTimestampMs = timestamp;
      }
    }
  };
}

/** Answers 0, or 1 if something is damaged. */
export async function runStats(
  path: string,
  { json }: { readonly json: boolean },
  { env, clock, out, terminal }: ToolIo,
): Promise<0 | 1> {
  const targets = findTargets(env, path);
  const progress = new Progress(terminal, clock, sizeOfAll(targets));
  let bytes = 0;
  let problems = 0;
  for (const target of targets) {
    const stats = new PartitionStats();
    for await (const segment of verifyTarget(env, target, { onBatches: stats.take })) {
      stats.segments++;
      stats.bytes += segment.file.size;
      stats.problems += findingsOf(segment).filter(({ type }) => type !== 'note').length;
      bytes += segment.file.size;
      progress.show(bytes, target.name);
    }
    progress.clear();
    problems += stats.problems;
    if (json) out(JSON.stringify(jsonOf(target, stats)));
    else for (const line of linesOf(target, stats)) out(line);
  }
  return problems === 0 ? 0 : 1;
}

function jsonOf({ name }: VerifyTarget, stats: PartitionStats): Record<string, unknown> {
  const { take: _, producers, ...plain } = stats;
  return { type: 'partition', name, ...plain, producers: producers.size };
}

function linesOf({ name }: VerifyTarget, stats: PartitionStats): string[] {
  const { segments, bytes, batches, records, firstOffset, nextOffset, problems } = stats;
  const lines = [`${name}: ${formatBytes(bytes)} in ${segments} segments`];
  if (batches > 0) {
    const codecs = Object.entries(stats.codecs).map(([codec, count]) => `${codec} ${count}`);
    const size = formatBytes(bytes / batches);
    lines.push(`  offsets ${firstOffset} to ${nextOffset}, end excluded; ${records} records`);
    lines.push(`  ${batches} batches of ${size}, ${(records / batches).toFixed(1)} records each`);
    lines.push(
      `  compression: ${codecs.join(', ')}; largest ${formatBytes(stats.largestBatchBytes)}`,
    );
    lines.push(`  time: ${timeText(stats.minTimestampMs)} to ${timeText(stats.maxTimestampMs)}`);
    if (stats.producers.size > 0) {
      const { controlBatches, transactionalBatches } = stats;
      const marks = `${transactionalBatches} transactional batches, ${controlBatches} markers`;
      lines.push(`  ${stats.producers.size} idempotent producers, ${marks}`);
    }
  }
  if (problems > 0) lines.push(`  ${problems} problems: see log verify`);
  return lines;
}

function timeText(timestampMs: number): string {
  const date = new Date(timestampMs);
  return timestampMs < 0 || Number.isNaN(date.getTime()) ? String(timestampMs) : date.toISOString();
}
