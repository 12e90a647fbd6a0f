/** How a command fails: one clear line on stderr and exit code 1; the stack only with --debug. */

import { MillraceError } from '../base/errors.js';
import { escapeControls } from './logger.js';

/** A mistake of the user's: its message is the whole story. */
export class UsageError extends MillraceError {
  override name = 'UsageError';

  constructor(message: string, cause?: unknown) {
    super(message, { code: 'USAGE', cause });
  }
}

/** The line, or with `debug` the lines, to print for `error`. */
export function failureText(error: unknown, debug: boolean): string {
  if (debug) return `${stackOf(error)}\n`;
  return `millrace: ${escapeControls(messageOf(error))}\n`;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  if (code === 'ERR_MODULE_NOT_FOUND') return `this installation is not complete: ${error.message}`;
  return error.message === '' ? error.name : error.message;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by: ${stackOf(error.cause)}`;
}
