/** The files of a segment under their names: where they are, and how they go away. */

import { join } from 'node:path';
import { MillraceError } from '../base/errors.js';
import type { Offset } from '../base/offset.js';
import type { Env } from '../file/env.js';
import { type FileKind, formatFileName } from './names.js';

/** In this order: a crash in between leaves indexes without a log, which the next start removes. */
const KINDS = ['log', 'index', 'timeindex', 'txnindex', 'checksum'] as const;

export class SegmentFiles {
  #env: Env;
  #dir: string;
  #baseOffset: Offset;
  #deleted = false;

  constructor(options: { readonly env: Env; readonly dir: string; readonly baseOffset: Offset }) {
    this.#env = options.env;
    this.#dir = options.dir;
    this.#baseOffset = options.baseOffset;
  }

  get deleted(): boolean {
    return this.#deleted;
  }

  path(kind: FileKind): string {
    const name = formatFileName(this.#baseOffset, kind, this.#deleted ? 'deleted' : 'live');
    return join(this.#dir, name);
  }

  /** Before the log is cut. False: there are none. */
  removeChecksums(): boolean {
    const path = this.path('checksum');
    const isThere = this.#env.exists(path);
    if (isThere) this.#env.unlink(path);
    return isThere;
  }

  /** The log must be there. Once it is renamed the segment is deleted, whatever becomes of the rest. */
  renameDeleted(): void {
    for (const kind of KINDS) {
      const from = join(this.#dir, formatFileName(this.#baseOffset, kind));
      const to = join(this.#dir, formatFileName(this.#baseOffset, kind, 'deleted'));
      if (kind === 'log' || this.#env.exists(from)) this.#env.rename(from, to);
      this.#deleted = true;
    }
  }

  unlinkDeleted(): void {
    for (const kind of KINDS) {
      const path = this.path(kind);
      if (this.#env.exists(path)) this.#env.unlink(path);
    }
  }
}

/** What a segment answers that is used after it was closed. */
export function closedError(path: string): MillraceError {
  return new MillraceError(`${path} was closed`, { code: 'CLOSED' });
}
