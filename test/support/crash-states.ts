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

/** A change that is not part of the durable image of a moment. */
export interface LateChange {
  readonly change: DiskChange;
  /** It is on disk, but follows one of the same file or directory that a failed sync has dropped. */
  readonly durable: boolean;
}

/** One moment of a disk's history. */
export class CrashPoint {
  /** The moment: what happened before it has happened. */
  readonly moment: number;
  readonly #durable: DiskImage;
  /** In order. */
  readonly #late: readonly LateChange[];

  constructor(moment: number, durable: DiskImage, late: readonly LateChange[]) {
    this.moment = moment;
    this.#durable = durable;
    this.#late = late;
  }

  get pendingCount(): number {
    return this.#late.length;
  }

  image(kind: CrashKind, random: Random): DiskImage {
    const builder = new ImageBuilder(this.#durable);
    if (kind === 'killed') this.#keep(builder, this.#late.length);
    else if (kind === 'killed-torn') this.#tearLast(builder, random);
    else if (kind === 'durable') this.#keep(builder, 0);
    else if (kind === 'prefix') this.#keepPrefix(builder, random);
    else if (kind === 'subset') this.#keepSome(builder, random);
    else if (kind === 'blocks-512') this.#keepBlocks(builder, random, 512);
    else this.#keepBlocks(builder, random, 4096);
    return builder.build();
  }

  /** The first `count`, and what is durable anyway. */
  #keep(builder: ImageBuilder, count: number): void {
    for (const [i, { change, durable }] of this.#late.entries()) {
      if (i < count || durable) builder.apply(change);
    }
  }

  #tearLast(builder: ImageBuilder, random: Random): void {
    const last = this.#late[this.#late.length - 1]?.change;
    if (last === undefined || last.kind !== 'write' || last.moment !== this.moment - 1) {
      this.#keep(builder, this.#late.length);
      return;
    }
    this.#keep(builder, this.#late.length - 1);
    applyPart(builder, last, random.below(last.bytes.length + 1));
  }

  #keepPrefix(builder: ImageBuilder, random: Random): void {
    const count = random.below(this.#late.length + 1);
    this.#keep(builder, count);
    const torn = this.#late[count];
    if (torn === undefined || torn.durable || torn.change.kind !== 'write') return;
    applyPart(builder, torn.change, cutAtSector(torn.change, random));
  }

  #keepSome(builder: ImageBuilder, random: Random): void {
    const percent = [10, 50, 90][random.below(3)] as number;
    const journal = this.#journalEnd(random);
    for (const { change, durable } of this.#late) {
      const kept =
        journal !== null && !isFileChange(change)
          ? change.moment < journal
          : random.below(100) < percent;
      if (!kept && !durable) continue;
      if (durable || change.kind !== 'write' || random.below(4) > 0) builder.apply(change);
      else applyPart(builder, change, cutAtSector(change, random));
    }
  }

  #keepBlocks(builder: ImageBuilder, random: Random, blockSize: number): void {
    const journal = this.#journalEnd(random);
    const byFile = new Map<number, FileChange[]>();
    for (const { change, durable } of this.#late) {
      if (isFileChange(change)) {
        const changes = byFile.get(change.node);
        if (durable) builder.apply(change);
        else if (changes === undefined) byFile.set(change.node, [change]);
        else changes.push(change);
      } else if (durable || (journal === null ? random.below(2) > 0 : change.moment < journal)) {
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
    const late = this.#late[random.below(this.#late.length + 1)];
    return late?.change.moment ?? this.moment;
  }
}

function applyPart(
  builder: ImageBuilder,
  write: FileChange & { readonly kind: 'write' },
  size: number,
): void {
  if (size > 0) builder.apply({ ...write, bytes: write.bytes.subarray(0, size) });
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
