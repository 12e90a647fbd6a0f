import { MillraceError } from '../base/errors.js';

/** A directory taken for this process until `release` or its end. */
export interface DirLock {
  readonly path: string;
  /** True: held by the kernel. False: only a file with a pid, without the addon. */
  readonly kernel: boolean;
  /** Idempotent. */
  release(): void;
}

/** Another process has the directory. */
export class DirLockedError extends MillraceError {
  override name = 'DirLockedError';
  readonly path: string;
  /** Null if the holder did not say. */
  readonly holderPid: number | null;

  constructor(path: string, holderPid: number | null) {
    const holder = holderPid === null ? 'another process' : `process ${holderPid}`;
    super(`${path} is in use by ${holder}`, { code: 'DIRECTORY_LOCKED' });
    this.path = path;
    this.holderPid = holderPid;
  }
}
