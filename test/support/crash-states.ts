/**
 * What a disk may hold after a crash: the changes that were synced, and of the others any part that a
 * POSIX file system may leave.
 *
 *     killed        the process died: the page cache has everything
 *     killed-torn   it died inside its last write: a part of that write is there
 *     durable       the power went: nothing but what was synced
 *     prefix        the disk wrote in order up to some point, the last write torn at 512 bytes
 *     subset        some changes are there, some are not: lost and reordered writes, lost renames
 *     blocks-512    each block of a file in any of its versions since the last sync, the size too:
 *     blocks-4096   torn and reordered writes, a size before its data (zeros)
 *
 * Changes of one directory are kept in order (a journal, as ext4 and xfs have it) or each by itself (all
 * that POSIX promises), by chance.
 */

import type { Random } from '#src/base/random.js';
import {
  type DiskChange,
  type DiskImage,
  type FileChange,
  ImageBuilder,
  isFileChange,
} from './disk-image.js';

export const crashKinds = [
  'killed',
  'killed-torn',
  'durable',
  'prefix',
  'subset',
  'blocks-512',
  'blocks-4096',
] as const;

export type CrashKind = (typeof crashKinds)[number];

/** Whether what was written and not synced survives. */
export function keepsAllWrites(kind: CrashKind): boolean {
  return kind === 'killed' || kind === 'killed-torn';
}

const SECTOR = 512;

/** One moment of a disk's history. */
export class CrashPoint {
  /** The moment: what happened before it has happened. */
  readonly moment: number;
  readonly #durable: DiskImage;
  /** Not durable yet, in order. */
  readonly #pending: readonly DiskChange[];

  constructor(moment: number, durable: DiskImage, pending: readonly DiskChange[]) {
    this.moment = moment;
    this.#durable = durable;
    this.#pending = pending;
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  image(kind: CrashKind, random: Random): DiskImage {
    const builder = new ImageBuilder(this.#durable);
    if (kind === 'killed') this.#keep(builder, this.#pending.length);
    else if (kind === 'killed-torn') this.#tearLast(builder, random);
    else if (kind === 'prefix') this.#keepPrefix(builder, random);
    else if (kind === 'subset') this.#keepSome(builder, random);
    else if (kind === 'blocks-512') this.#keepBlocks(builder, random, 512);
    else if (kind === 'blocks-4096') this.#keepBlocks(builder, random, 4096);
    return builder.build();
  }

  #keep(builder: ImageBuilder, count: number): void {
    for (let i = 0; i < count; i++) builder.apply(this.#pending[i] as DiskChange);
  }

  #tearLast(builder: ImageBuilder, random: Random): void {
    const last = this.#pending[this.#pending.length - 1];
    if (last === undefined || last.kind !== 'write' || last.moment !== this.moment - 1) {
      this.#keep(builder, this.#pending.length);
      return;
    }
    this.#keep(builder, this.#pending.length - 1);
    const bytes = last.bytes.subarray(0, random.below(last.bytes.length + 1));
    if (bytes.length > 0) builder.apply({ ...last, bytes });
  }

  #keepPrefix(builder: ImageBuilder, random: Random): void {
    const count = random.below(this.#pending.length + 1);
    this.#keep(builder, count);
    const torn = this.#pending[count];
    if (torn?.kind !== 'write') return;
    const bytes = torn.bytes.subarray(0, cutAtSector(torn, random));
    if (bytes.length > 0) builder.apply({ ...torn, bytes });
  }

  #keepSome(builder: ImageBuilder, random: Random): void {
    const percent = [10, 50, 90][random.below(3)] as number;
    const journal = this.#journalEnd(random);
    for (const change of this.#pending) {
      const kept =
        journal !== null && !isFileChange(change)
          ? change.moment < journal
          : random.below(100) < percent;
      if (!kept) continue;
      if (change.kind !== 'write' || random.below(4) > 0) {
        builder.apply(change);
        continue;
      }
      const bytes = change.bytes.subarray(0, cutAtSector(change, random));
      if (bytes.length > 0) builder.apply({ ...change, bytes });
    }
  }

  #keepBlocks(builder: ImageBuilder, random: Random, blockSize: number): void {
    const journal = this.#journalEnd(random);
    const byFile = new Map<number, FileChange[]>();
    for (const change of this.#pending) {
      if (isFileChange(change)) {
        const changes = byFile.get(change.node);
        if (changes === undefined) byFile.set(change.node, [change]);
        else changes.push(change);
      } else if (journal === null ? random.below(2) > 0 : change.moment < journal) {
        builder.apply(change);
      }
    }
    for (const [node, changes] of byFile) {
      const before = builder.fileOf(node);
      const bytes = mixVersions(before.bytes, changes, blockSize, random);
      builder.setFile(node, { bytes, modifiedMs: changes[0]?.timeMs ?? before.modifiedMs });
    }
  }

  /** The moment up to which directory changes are kept; null: each by itself. */
  #journalEnd(random: Random): number | null {
    if (random.below(3) === 0) return null;
    const change = this.#pending[random.below(this.#pending.length + 1)];
    return change?.moment ?? this.moment;
  }
}

/** A length of the write that ends at a sector of the file. */
function cutAtSector(
  write: { readonly position: number; readonly bytes: Uint8Array },
  random: Random,
): number {
  const first = SECTOR - (write.position % SECTOR);
  const count = Math.max(0, Math.ceil((write.bytes.length - first) / SECTOR));
  const cut = random.below(count + 2);
  return cut === 0 ? 0 : Math.min(write.bytes.length, first + (cut - 1) * SECTOR);
}

/** Each block, and the size, as they were after some number of `changes`. */
function mixVersions(
  before: Uint8Array,
  changes: readonly FileChange[],
  blockSize: number,
  random: Random,
): Uint8Array {
  let sizeMax = before.length;
  const sizes = [before.length];
  for (const change of changes) {
    const last = sizes[sizes.length - 1] as number;
    const size =
      change.kind === 'truncate'
        ? change.size
        : Math.max(last, change.position + change.bytes.length);
    sizes.push(size);
    sizeMax = Math.max(sizeMax, size);
  }
  const bytes = new Uint8Array(sizeMax);
  bytes.set(before);
  for (let start = 0; start < sizeMax; start += blockSize) {
    const end = Math.min(start + blockSize, sizeMax);
    const version = random.below(changes.length + 1);
    for (let i = 0; i < version; i++) applyWithin(bytes, changes[i] as FileChange, start, end);
  }
  return bytes.subarray(0, sizes[random.below(sizes.length)] as number);
}

function applyWithin(bytes: Uint8Array, change: FileChange, start: number, end: number): void {
  if (change.kind === 'truncate') {
    if (change.size < end) bytes.fill(0, Math.max(start, change.size), end);
    return;
  }
  const from = Math.max(start, change.position);
  const to = Math.min(end, change.position + change.bytes.length);
  if (from >= to) return;
  bytes.set(change.bytes.subarray(from - change.position, to - change.position), from);
}
