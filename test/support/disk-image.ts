/**
 * What is on a simulated disk at one moment, as values: directories by number, files by number, and
 * the operations that lead from one image to another. An image never changes; a builder copies a
 * file the first time it writes to it, so thousands of images share what they have in common.
 */

export const ROOT = 0;

export interface FileImage {
  readonly bytes: Uint8Array;
  readonly modifiedMs: number;
}

/** Node numbers are those of the disk that it was taken from. */
export interface DiskImage {
  readonly files: ReadonlyMap<number, FileImage>;
  readonly dirs: ReadonlyMap<number, ReadonlyMap<string, number>>;
}

export const emptyImage: DiskImage = { files: new Map(), dirs: new Map([[ROOT, new Map()]]) };

interface Change {
  /** File or directory that is changed, and that a sync makes durable. */
  readonly node: number;
  /** Number of the event. */
  readonly moment: number;
  readonly timeMs: number;
}

export type FileChange =
  | (Change & { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array })
  | (Change & { readonly kind: 'truncate'; readonly size: number });

export type DirChange =
  /** A new name; `directory`: of a new, empty directory. */
  | (Change & {
      readonly kind: 'link';
      readonly name: string;
      readonly child: number;
      readonly directory: boolean;
    })
  | (Change & { readonly kind: 'unlink'; readonly name: string; readonly child: number })
  | (Change & {
      readonly kind: 'rename';
      readonly name: string;
      readonly to: string;
      readonly child: number;
    });

export type DiskChange = FileChange | DirChange;

export function isFileChange(change: DiskChange): change is FileChange {
  return change.kind === 'write' || change.kind === 'truncate';
}

const NO_FILE: FileImage = { bytes: new Uint8Array(0), modifiedMs: 0 };

/** Applies changes to an image, in the order of the calls; those that find no ground do nothing. */
export class ImageBuilder {
  #files: Map<number, FileImage>;
  #dirs: Map<number, Map<string, number>>;
  #ownedFiles = new Set<number>();

  constructor(base: DiskImage) {
    this.#files = new Map(base.files);
    this.#dirs = new Map();
    for (const [node, entries] of base.dirs) this.#dirs.set(node, new Map(entries));
  }

  fileOf(node: number): FileImage {
    return this.#files.get(node) ?? NO_FILE;
  }

  setFile(node: number, file: FileImage): void {
    this.#files.set(node, file);
    this.#ownedFiles.delete(node);
  }

  apply(change: DiskChange): void {
    if (change.kind === 'write') this.#write(change.node, change);
    else if (change.kind === 'truncate') this.#truncate(change.node, change);
    else this.#applyToDir(change);
  }

  build(): DiskImage {
    return { files: this.#files, dirs: this.#dirs };
  }

  #applyToDir(change: DirChange): void {
    const entries = this.#entriesOf(change.node);
    if (change.kind === 'link') {
      if (change.directory) this.#entriesOf(change.child);
      entries.set(change.name, change.child);
      return;
    }
    // The name may be another's by now, or its making was lost.
    if (entries.get(change.name) === change.child) entries.delete(change.name);
    if (change.kind === 'rename') entries.set(change.to, change.child);
  }

  #entriesOf(node: number): Map<string, number> {
    let entries = this.#dirs.get(node);
    if (entries === undefined) {
      entries = new Map();
      this.#dirs.set(node, entries);
    }
    return entries;
  }

  #write(
    node: number,
    change: { readonly position: number; readonly bytes: Uint8Array; readonly timeMs: number },
  ): void {
    const size = Math.max(this.fileOf(node).bytes.length, change.position + change.bytes.length);
    const bytes = this.#ownedBytes(node, size);
    bytes.set(change.bytes, change.position);
    this.#files.set(node, { bytes, modifiedMs: change.timeMs });
  }

  #truncate(node: number, change: { readonly size: number; readonly timeMs: number }): void {
    const bytes = new Uint8Array(change.size);
    bytes.set(this.fileOf(node).bytes.subarray(0, change.size));
    this.#ownedFiles.add(node);
    this.#files.set(node, { bytes, modifiedMs: change.timeMs });
  }

  /** The file's bytes, `size` of them, to be written to. */
  #ownedBytes(node: number, size: number): Uint8Array {
    const { bytes } = this.fileOf(node);
    if (this.#ownedFiles.has(node) && bytes.length === size) return bytes;
    const own = new Uint8Array(size);
    own.set(bytes);
    this.#ownedFiles.add(node);
    return own;
  }
}

/** An image of directories and files given by path, all durable; for tests that begin with files. */
export function imageOf(files: ReadonlyMap<string, Uint8Array>, timeMs: number): DiskImage {
  const builder = new ImageBuilder(emptyImage);
  const nodes = new Map<string, number>([['', ROOT]]);
  let next = ROOT + 1;
  const nodeOf = (path: string, directory: boolean): number => {
    const known = nodes.get(path);
    if (known !== undefined) return known;
    const slash = path.lastIndexOf('/');
    const node = nodeOf(path.slice(0, slash), true);
    const child = next++;
    const name = path.slice(slash + 1);
    builder.apply({ kind: 'link', node, moment: 0, timeMs, name, child, directory });
    nodes.set(path, child);
    return child;
  };
  for (const [path, bytes] of files) {
    builder.setFile(nodeOf(path, false), { bytes, modifiedMs: timeMs });
  }
  return builder.build();
}

/** Every file of an image by its path. */
export function filesOf(image: DiskImage): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  const visit = (node: number, path: string): void => {
    for (const [name, child] of image.dirs.get(node) ?? []) {
      const childPath = `${path}/${name}`;
      if (image.dirs.has(child)) visit(child, childPath);
      else found.set(childPath, (image.files.get(child) ?? NO_FILE).bytes);
    }
  };
  visit(ROOT, '');
  return found;
}
