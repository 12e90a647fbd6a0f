/**
 * `millrace log repair`: makes indexes anew that the log does not confirm, and cuts a torn tail, as a
 * broker does after a crash, and says so. Damage inside a log stays: it is served around. Only with
 * `force` is a damaged end cut that cannot be told from a torn one, and may have held records.
 */

import { dirname, join } from 'node:path';
import { MillraceError } from '../../base/errors.js';
import { silentLogger } from '../../base/logger.js';
import { posixLockHolder } from '../../file/dir-lock.js';
import { findTargets, type VerifiedSegment, verifyTarget } from '../../log/verify.js';
import { formatFileName } from '../../segment/names.js';
import { Segment } from '../../segment/segment.js';
import { Progress } from '../progress.js';
import { findingsOf, sizeOfAll, type ToolIo } from './log-verify.js';

export interface RepairOptions {
  readonly json: boolean;
  readonly force: boolean;
}

interface Action {
  readonly type: 'cut' | 'rebuilt' | 'kept';
  readonly file: string;
  readonly message: string;
}

/** Answers 0, or 1 if damage is left. Throws DIRECTORY_LOCKED while a broker has the directory. */
export async function runRepair(path: string, options: RepairOptions, io: ToolIo): Promise<0 | 1> {
  const { env, clock, out, terminal } = io;
  const targets = findTargets(env, path);
  const first = targets[0];
  const dataDir = first === undefined ? path : dirname(first.dir);
  const holder = posixLockHolder(join(dataDir, '.lock'));
  if (holder !== null) {
    const message = `${dataDir} is in use by process ${holder}`;
    throw new MillraceError(message, { code: 'DIRECTORY_LOCKED' });
  }
  const lock = env.lockDir(dataDir);
  const progress = new Progress(terminal, clock, sizeOfAll(targets));
  let left = 0;
  let done = 0;
  let bytes = 0;
  try {
    for (const target of targets) {
      for await (const segment of verifyTarget(env, target)) {
        bytes += segment.file.size;
        progress.show(bytes, target.name);
        if (segment.sound) continue;
        const actions = await repairSegment(segment, options.force, io);
        progress.clear();
        for (const action of actions) {
          if (action.type === 'kept') left++;
          else done++;
          out(options.json ? JSON.stringify(action) : `${action.file}: ${action.message}`);
        }
      }
    }
  } finally {
    progress.clear();
    lock.release();
  }
  if (options.json) out(JSON.stringify({ type: 'summary', repaired: done, left }));
  else out(done + left === 0 ? 'nothing to repair' : `${done} repaired, ${left} left as they are`);
  return left === 0 ? 0 : 1;
}

async function repairSegment(
  segment: VerifiedSegment,
  force: boolean,
  { env, clock }: ToolIo,
): Promise<readonly Action[]> {
  const { target, baseOffset, file, isLast, indexes } = segment;
  const { dir, bases, recoveryPoint } = target;
  const name = `${target.name}/${formatFileName(baseOffset, 'log')}`;
  const actions: Action[] = [];
  const last = file.check.damaged[file.check.damaged.length - 1];
  if (force && isLast && file.check.tailDamaged && last?.endPosition === file.size) {
    const log = env.open(join(dir, formatFileName(baseOffset, 'log')), 'update');
    try {
      log.truncate(last.position);
      await log.datasync();
    } finally {
      log.close();
    }
    const cut = file.size - last.position;
    const message = `cut ${cut} damaged bytes at the end, behind position ${last.position} (--force)`;
    actions.push({ type: 'cut', file: name, message });
  }
  const torn = file.size - file.check.size;
  if (torn > 0 || indexes.length > 0 || actions.length > 0) {
    // Opening as after a crash does it all.
    const opened = await Segment.open({
      env,
      clock,
      logger: silentLogger,
      dir,
      baseOffset,
      config: { indexIntervalBytes: 4096, indexBytesMax: 10_485_760, segmentBytes: 0 },
      clean: false,
      recoveryPoint,
      nextBaseOffset: bases[bases.indexOf(baseOffset) + 1] ?? null,
    });
    const { truncatedBytes, reservedBytes, indexesRebuilt } = opened.recovery;
    opened.close();
    if (truncatedBytes > reservedBytes) {
      const message = `cut a torn tail of ${truncatedBytes - reservedBytes} bytes`;
      actions.push({ type: 'cut', file: name, message });
    }
    if (indexesRebuilt || indexes.length > 0) {
      actions.push({ type: 'rebuilt', file: name, message: 'made its indexes anew' });
    }
    await env.syncDir(dir);
  }
  for (const { type, message, position } of findingsOf(segment)) {
    if (type !== 'damage' || (actions.some(isForced) && position === last?.position)) continue;
    actions.push({ type: 'kept', file: name, message: `${message}; left as it is` });
  }
  return actions;
}

function isForced({ message }: Action): boolean {
  return message.endsWith('(--force)');
}
