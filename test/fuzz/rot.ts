/**
 * Rot: one file of a data directory with one bit flipped, or cut at one byte; then a start, and
 * everything is read.
 *
 *     starts    always
 *     altered   no batch is served that is not, to the byte, the one that was written at its offset
 *     lost      no batch outside the damage is missing
 *     reused    an offset that was durable is not given to another record
 *     answers   look-ups, epochs, ids and producer state are as if the file were whole
 *
 * What cannot be told from the truth today is in `undetected`, by kind of file and field; a case that
 * fails in another way is a violation.
 */

import { ManualClock } from '#src/base/clock.js';
import { seededRandom } from '#src/base/random.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import {
  baseOffsetOf,
  lastOffsetOf,
  producerIdOf,
  recordsCountOf,
  sizeOf,
} from '#src/record/batch-view.js';
import { HEADER_SIZE } from '#src/record/layout.js';
import { visibleOffsets } from '../fault/verify-transactions.js';
import { DATA_DIR, LEADER_EPOCH, openManager, START_MS } from '../fault/world.js';
import { type DiskImage, type FileImage, filesOf } from '../support/disk-image.js';
import { SimulatedDisk } from '../support/simulated-disk.js';
import { type Corpus, imageIn, type RotMode } from './rot-corpora.js';

export interface RotCase {
  readonly path: string;
  readonly kind: 'flip' | 'cut';
  /** The bit that is flipped, or the size that is left. */
  readonly at: number;
}

interface StoredBatch {
  readonly path: string;
  readonly position: number;
  readonly size: number;
  readonly baseOffset: number;
  readonly bytes: Uint8Array;
}

/** What a log answers to all that can be asked. */
interface Answers {
  readonly batches: ReadonlyMap<number, Uint8Array>;
  readonly corrupt: boolean;
  readonly nextOffset: number;
  /** Base offsets of what a read_committed consumer is given before it comes to an error. */
  readonly committed: readonly number[];
  /** Start, times, epochs, topic id, whether a repeated batch is known. */
  readonly others: string;
}

export type Finding =
  /** All is as if nothing had happened, or was answered with an error. */
  | { readonly kind: 'sound' }
  /** Something is wrong, and of the list. */
  | { readonly kind: 'undetected'; readonly what: string }
  | { readonly kind: 'violation'; readonly what: string };

const READ = { maxBytes: 1 << 20, minOneMessage: true, isolation: 'read_uncommitted' } as const;
const CRC_COVERS_FROM = 21;
const CORRUPT_STEPS_MAX = 100_000;

/** Fields of a batch by position. */
const FIELDS: readonly (readonly [number, string])[] = [
  [8, 'base offset'],
  [12, 'length'],
  [16, 'leader epoch'],
  [17, 'magic'],
  [21, 'CRC'],
];

/** Of one corpus in one mode. */
export class RotBench {
  readonly #corpus: Corpus;
  readonly #mode: RotMode;
  readonly #image: DiskImage;
  readonly #nodes: ReadonlyMap<string, number>;
  readonly #batches: readonly StoredBatch[];
  #intact: Answers | null = null;

  constructor(corpus: Corpus, mode: RotMode) {
    this.#corpus = corpus;
    this.#mode = mode;
    this.#image = imageIn(corpus, mode);
    this.#nodes = nodesOf(this.#image);
    const logs = [...filesOf(this.#image)].filter(([path]) => path.endsWith('.log'));
    logs.sort(([a], [b]) => (a < b ? -1 : 1));
    this.#batches = logs.flatMap(([path, bytes]) => batchesOf(path, bytes));
  }

  /** Every flip and cut of every file; `stride`: of every n-th bit and byte, from `first` on. */
  *cases(stride = 1, first = 0): Generator<RotCase> {
    let number = 0;
    const due = (): boolean => number++ % stride === first % stride;
    for (const [path, node] of this.#nodes) {
      const size = this.#image.files.get(node)?.bytes.length ?? 0;
      for (let at = 0; at < size * 8; at++) if (due()) yield { path, kind: 'flip', at };
      for (let at = 0; at < size; at++) if (due()) yield { path, kind: 'cut', at };
    }
  }

  /** The bits of all batches that their CRC does not cover. */
  *framingCases(): Generator<RotCase> {
    for (const { path, position } of this.#batches) {
      for (let bit = 0; bit < 21 * 8; bit++) {
        yield { path, kind: 'flip', at: position * 8 + bit };
      }
    }
  }

  async judge(rot: RotCase): Promise<Finding> {
    this.#intact ??= (await this.#answers(this.#image)) as Answers;
    const answers = await this.#answers(this.#damaged(rot));
    const problem = typeof answers === 'string' ? answers : this.#compare(rot, answers);
    if (problem === null) return { kind: 'sound' };
    const listed = this.#undetected(rot, problem);
    if (listed !== null) return { kind: 'undetected', what: listed };
    const { path, kind, at } = rot;
    const where = kind === 'flip' ? `bit ${at % 8} of byte ${at >> 3} flipped` : `cut to ${at}`;
    const what = `${this.#corpus.name}, ${this.#mode}: ${path.slice(DATA_DIR.length + 1)} ${where}: ${problem}`;
    return { kind: 'violation', what };
  }

  #damaged({ path, kind, at }: RotCase): DiskImage {
    const node = this.#nodes.get(path) as number;
    const { bytes: before, modifiedMs } = this.#image.files.get(node) as FileImage;
    let bytes = before.subarray(0, at);
    if (kind === 'flip') {
      bytes = new Uint8Array(before);
      bytes[at >> 3] = (before[at >> 3] as number) ^ (1 << (at % 8));
    }
    const files = new Map(this.#image.files);
    // Rot leaves the time as it was.
    files.set(node, { bytes, modifiedMs });
    return { files, dirs: this.#image.dirs };
  }

  /** Null: nothing is wrong. */
  #compare(rot: RotCase, answers: Answers): string | null {
    const intact = this.#intact as Answers;
    const isLog = rot.path.endsWith('.log');
    for (const [offset, bytes] of answers.batches) {
      const original = intact.batches.get(offset);
      // Stands for offsets that are lost, above the end of what there is.
      const isPlaceholder = bytes.length === HEADER_SIZE && offset >= intact.nextOffset;
      if (original === undefined && isPlaceholder) continue;
      if (original === undefined || Buffer.compare(original, bytes) !== 0) {
        return `altered at ${offset}`;
      }
    }
    for (const batch of this.#batches) {
      if (answers.batches.has(batch.baseOffset) || !intact.batches.has(batch.baseOffset)) continue;
      if (!this.#mayTouch(rot, batch)) return `lost at ${batch.baseOffset}`;
    }
    for (const offset of answers.committed) {
      if (!intact.committed.includes(offset)) return `committed is ${offset}`;
    }
    // Without a recovery point the last batch may be one that was never acknowledged.
    const durableEnd = this.#mode === 'unclean' && isLog ? 0 : intact.nextOffset;
    if (answers.nextOffset < durableEnd) return `offset ${answers.nextOffset} is given out again`;
    if (isLog) return null;
    if (answers.nextOffset !== intact.nextOffset) return 'other log end';
    return answers.others === intact.others ? null : difference(intact.others, answers.others);
  }

  async #answers(image: DiskImage): Promise<Answers | string> {
    const clock = new ManualClock(START_MS + 100_000);
    const random = seededRandom(1);
    const disk = new SimulatedDisk({ clock, random, image, history: false });
    const { env } = disk.process();
    const { config, topic } = this.#corpus;
    let log: PartitionLog | undefined;
    try {
      const manager = await openManager(env, clock, random, config);
      const failure = [...manager.failures.values()][0];
      if (failure !== undefined) return `does not start: ${String(failure)}`;
      log = manager.getLog(topic, 0);
    } catch (error) {
      return `does not start: ${String(error)}`;
    }
    if (log === undefined) return 'the partition is gone';
    return this.#ask(log);
  }

  async #ask(log: PartitionLog): Promise<Answers> {
    const batches = new Map<number, Uint8Array>();
    const { logStartOffset, logEndOffset } = log;
    let steps = 0;
    for (let at: number = logStartOffset; at < logEndOffset && steps < CORRUPT_STEPS_MAX; ) {
      const read = log.read(at, READ);
      if (!read.ok) {
        at++;
        steps++;
        continue;
      }
      if (read.slice === null) break;
      const bytes = new Uint8Array(read.slice.length);
      const size = read.slice.copyTo(bytes, 0, 0, bytes.length);
      read.slice.release();
      const from = at;
      for (let position = 0; position + 61 <= size; ) {
        const end = position + sizeOf(bytes, position);
        if (end > size || end < position + 61) break;
        // One without records stands for offsets that are lost.
        if (recordsCountOf(bytes, position) > 0) {
          batches.set(baseOffsetOf(bytes, position), bytes.subarray(position, end));
        }
        at = lastOffsetOf(bytes, position) + 1;
        position = end;
      }
      if (at <= from) break;
    }
    const others: string[] = [`start ${logStartOffset}`, `topic id ${log.topicId}`];
    const { seen: committed, problem } = visibleOffsets(log);
    others.push(`stable ${log.lastStableOffset}`, `committed ${committed.join()} ${problem ?? ''}`);
    others.push(`largest time ${JSON.stringify(log.maxTimestampOffset())}`);
    for (const { baseOffset, bytes } of this.#batches) {
      const time = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(35));
      others.push(`time ${time} ${JSON.stringify(log.offsetForTimestamp(time))}`);
      others.push(`epoch of ${baseOffset} ${log.leaderEpochFor(baseOffset)}`);
    }
    others.push(`repeat ${await this.#repeat(log)}`);
    const nextOffset = await appendOffset(log);
    return { batches, corrupt: steps > 0, nextOffset, committed, others: others.join('\n') };
  }

  /** What the last batch, sent again by its idempotent producer, is answered. */
  async #repeat(log: PartitionLog): Promise<string> {
    const last = this.#batches[this.#batches.length - 1];
    const { isOurs } = this.#corpus;
    if (last === undefined || !isOurs || producerIdOf(last.bytes, 0) < 0) return 'not asked';
    const bytes = new Uint8Array(last.bytes);
    bytes.fill(0, 0, 8);
    const options = { leaderEpoch: LEADER_EPOCH, owned: true, transactional: true };
    const result = await log.append(bytes, options);
    return result.ok ? `${result.baseOffset} ${result.duplicate}` : result.error;
  }

  /**
   * Whether a batch may be unreadable for it: the damaged one. Damage that only the checksum of its
   * block shows may be in any batch of the block, which here is the whole segment.
   */
  #mayTouch(rot: RotCase, batch: StoredBatch): boolean {
    if (touches(rot, batch)) return true;
    if (rot.path !== batch.path || rot.kind === 'cut' || !this.#hasChecksums(rot.path))
      return false;
    const damaged = this.#batches.find((stored) => touches(rot, stored));
    return damaged !== undefined && (rot.at >> 3) - damaged.position < CRC_COVERS_FROM;
  }

  #hasChecksums(logPath: string): boolean {
    return this.#nodes.has(logPath.replace(/log$/, 'checksum'));
  }

  /**
   * The entry of the list of what cannot be told that covers `problem`; null: none. Of what this engine has
   * written there are two. In a directory that Kafka wrote, and that was not opened here since, there is nothing
   * to hold these bytes against.
   */
  #undetected(rot: RotCase, problem: string): string | null {
    const name = rot.path.slice(rot.path.lastIndexOf('/') + 1);
    if (name.endsWith('.log')) return this.#undetectedInLog(rot, problem);
    if (this.#corpus.isOurs) return null;
    if (name === 'partition.metadata' && problem.startsWith('topic id')) {
      return "Kafka's partition.metadata: topic id";
    }
    // Without it, or with other digits in it, the log starts where its first segment does.
    if (name === 'log-start-offset-checkpoint' && /^(start|lost)/.test(problem)) {
      return "Kafka's log-start-offset-checkpoint: digits, or a part of it";
    }
    // Entries that are whole, and say what the log does at the places that are looked at.
    if (name.endsWith('.txnindex') && problem.startsWith('committed is')) {
      return rot.kind === 'cut'
        ? "Kafka's .txnindex: whole entries cut off, after a clean shutdown"
        : "Kafka's .txnindex: first offset of an entry";
    }
    if (rot.kind === 'cut') return null;
    if (name === 'meta.properties' && problem.includes('belongs to node')) {
      return "Kafka's meta.properties: node.id, the start is refused";
    }
    if (name === 'leader-epoch-checkpoint' && problem.startsWith('epoch of')) {
      return "Kafka's leader-epoch-checkpoint: digits";
    }
    if (name === 'recovery-point-offset-checkpoint' && problem === 'other log end') {
      return "Kafka's recovery-point-offset-checkpoint: digits, offsets are skipped";
    }
    return null;
  }

  #undetectedInLog(rot: RotCase, problem: string): string | null {
    if (rot.kind === 'cut' || !/^(altered|committed)/.test(problem)) return null;
    const batch = this.#batches.find((stored) => touches(rot, stored));
    if (batch === undefined) return null;
    // A segment with checksums of its own hides nothing.
    if (this.#hasChecksums(batch.path)) return null;
    const field = fieldOf((rot.at >> 3) - batch.position);
    const next = this.#batches[this.#batches.indexOf(batch) + 1];
    const isLastOfSegment = next?.path !== batch.path;
    if (this.#corpus.isOurs) {
      // The log is synced before the file that says which epochs there are: it may be that.
      if (next !== undefined) return null;
      if (field === 'leader epoch') {
        return '.log: leader epoch of the last batch before a kill, raised: a new one';
      }
      // Compaction leaves such gaps.
      const isGap = field === 'base offset' && this.#corpus.config.cleanupCompact;
      return isGap ? '.log: base offset of the last batch before a kill, raised, compacted' : null;
    }
    if (problem.startsWith('committed')) {
      return field === 'base offset' ? "Kafka's .log: base offset of an abort marker" : null;
    }
    if (field === 'leader epoch') return "Kafka's .log: leader epoch";
    const isCompacted = this.#corpus.config.cleanupCompact;
    if (field !== 'base offset' || !(isLastOfSegment || isCompacted)) return null;
    return "Kafka's .log: base offset of a batch that no batch follows closely";
  }
}

/** Whether the damage is in the batch, or has cut it off. */
function touches({ path, kind, at }: RotCase, batch: StoredBatch): boolean {
  if (path !== batch.path) return false;
  const end = batch.position + batch.size;
  if (kind === 'cut') return at < end;
  return at >> 3 >= batch.position && at >> 3 < end;
}

function fieldOf(at: number): string {
  return FIELDS.find(([end]) => at < end)?.[1] ?? 'what the CRC covers';
}

function batchesOf(path: string, bytes: Uint8Array): StoredBatch[] {
  const found: StoredBatch[] = [];
  for (let position = 0; position < bytes.length; ) {
    const size = sizeOf(bytes, position);
    const baseOffset = baseOffsetOf(bytes, position);
    found.push({
      path,
      position,
      size,
      baseOffset,
      bytes: bytes.slice(position, position + size),
    });
    position += size;
  }
  return found;
}

function nodesOf(image: DiskImage): Map<string, number> {
  const nodes = new Map<string, number>();
  const visit = (node: number, path: string): void => {
    for (const [name, child] of image.dirs.get(node) ?? []) {
      if (image.dirs.has(child)) visit(child, `${path}/${name}`);
      else nodes.set(`${path}/${name}`, child);
    }
  };
  visit(0, '');
  return nodes;
}

function difference(intact: string, found: string): string {
  const [a, b] = [intact.split('\n'), found.split('\n')];
  const line = a.findIndex((text, i) => text !== b[i]);
  return `${a[line]}, found ${b[line]}`;
}

async function appendOffset(log: PartitionLog): Promise<number> {
  const builder = new BatchBuilder();
  builder.append({ timestamp: START_MS, key: Buffer.from('k'), value: null });
  const result = await log.append(builder.build(), { leaderEpoch: LEADER_EPOCH, owned: true });
  return result.ok ? result.baseOffset : -1;
}
