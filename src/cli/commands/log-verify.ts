/** `millrace log verify`: reads everything, changes nothing, says what is damaged and where. */

import type { Clock } from '../../base/clock.js';
import type { Env } from '../../file/env.js';
import {
  findTargets,
  type VerifiedSegment,
  type VerifyTarget,
  verifyTarget,
} from '../../log/verify.js';
import { formatFileName } from '../../segment/names.js';
import { formatBytes, Progress, type ProgressOutput } from '../progress.js';

export interface ToolIo {
  readonly env: Env;
  readonly clock: Clock;
  /** Takes a line without its end. */
  readonly out: (line: string) => void;
  /** Where progress goes. */
  readonly terminal: ProgressOutput;
}

export interface VerifyCommandOptions {
  readonly json: boolean;
}

export interface Finding {
  readonly type: 'damage' | 'torn-tail' | 'index' | 'checksum' | 'note';
  readonly file: string;
  readonly message: string;
  readonly position?: number;
  readonly endPosition?: number;
  readonly offset?: number;
  readonly endOffset?: number;
}

/** Answers the exit code: 0, or 1 if anything is wrong. Throws if `path` holds no log. */
export async function runVerify(
  path: string,
  { json }: VerifyCommandOptions,
  { env, clock, out, terminal }: ToolIo,
): Promise<0 | 1> {
  const targets = findTargets(env, path);
  const progress = new Progress(terminal, clock, sizeOfAll(targets));
  const totals = { partitions: targets.length, segments: 0, batches: 0, records: 0, bytes: 0 };
  let problems = 0;
  for (const target of targets) {
    const before = totals.bytes;
    const options = {
      onTurn(read: number): Promise<void> | undefined {
        progress.show(totals.bytes + read, target.name);
        return terminal.isTTY === true ? new Promise(setImmediate) : undefined;
      },
    };
    for await (const segment of verifyTarget(env, target, options)) {
      totals.segments++;
      totals.batches += segment.file.batchCount;
      totals.records += segment.file.recordCount;
      totals.bytes += segment.file.size;
      for (const finding of findingsOf(segment)) {
        progress.clear();
        if (finding.type !== 'note') problems++;
        out(json ? JSON.stringify(finding) : `${finding.file}: ${finding.message}`);
      }
    }
    if (!json && targets.length > 1 && terminal.isTTY === true) {
      progress.clear();
      out(`${target.name}: ${formatBytes(totals.bytes - before)}`);
    }
  }
  progress.clear();
  if (json) out(JSON.stringify({ type: 'summary', ...totals, problems }));
  else out(summaryLine(totals, problems));
  return problems === 0 ? 0 : 1;
}

/** What is wrong with a segment, or worth a note. */
export function findingsOf(segment: VerifiedSegment): readonly Finding[] {
  const { target, baseOffset, file, indexes, isLast, changing } = segment;
  const name = (kind: 'log' | 'index' | 'timeindex' | 'checksum'): string =>
    `${target.name}/${formatFileName(baseOffset, kind)}`;
  const findings: Finding[] = [];
  for (const { position, endPosition, offset, endOffset } of file.check.damaged) {
    const bytes = `bytes ${position} to ${endPosition} are damaged`;
    const message = `${bytes} (offsets ${offset} to ${endOffset}, end excluded)`;
    const where = { position, endPosition, offset, endOffset };
    findings.push({ type: 'damage', file: name('log'), message, ...where });
  }
  for (const { position, endPosition } of file.wrong) {
    const message = `bytes ${position} to ${endPosition} are not what they were when it was sealed`;
    findings.push({ type: 'damage', file: name('log'), message, position, endPosition });
  }
  const torn = file.size - file.check.size;
  if (torn > 0) {
    const position = file.check.size;
    const live = isLast && changing;
    const message = live
      ? `${torn} bytes at the end were being written`
      : `a torn tail of ${torn} bytes behind position ${position}`;
    const type = live ? 'note' : 'torn-tail';
    findings.push({ type, file: name('log'), message, position, endPosition: file.size });
  }
  for (const { kind, message } of indexes) {
    findings.push({ type: 'index', file: name(kind), message });
  }
  if (file.checksumState === 'corrupt' || (file.checksumState === 'stale' && !isLast)) {
    const message = `${file.checksumState}: ignored, and made anew by a broker`;
    findings.push({ type: 'note', file: name('checksum'), message });
  }
  return findings;
}

function summaryLine(totals: Readonly<Record<string, number>>, problems: number): string {
  const { partitions, segments, batches, records, bytes = 0 } = totals;
  const what = `${partitions} partitions, ${segments} segments, ${batches} batches, ${records} records, ${formatBytes(bytes)}`;
  return `${problems === 0 ? 'all good' : `${problems} problems`}: ${what}`;
}

export function sizeOfAll(targets: readonly VerifyTarget[]): number {
  return targets.reduce((sum, { size }) => sum + size, 0);
}
