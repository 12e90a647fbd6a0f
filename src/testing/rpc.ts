/**
 * Calls to a worker and their answers, as messages. What is thrown there is thrown here: with its
 * message and code, and the other thread's stack below this one's.
 */

import { MillraceError } from '../base/errors.js';
import type { LogFields } from '../base/logger.js';
import type { LogLevel } from './broker-host.js';

export interface CallMessage {
  readonly id: number;
  readonly part: string;
  readonly method: string;
  readonly given: readonly unknown[];
}

export interface SentError {
  readonly name: string;
  readonly message: string;
  /** Empty: none. */
  readonly code: string;
  readonly retriable: boolean;
  readonly stack: string;
}

export type WorkerMessage =
  | { readonly type: 'open'; readonly port: number; readonly startMs: number }
  | { readonly type: 'failed'; readonly error: SentError }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'refused'; readonly id: number; readonly error: SentError }
  | {
      readonly type: 'log';
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: LogFields | undefined;
    };

export function sentError(thrown: unknown): SentError {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { code } = error as { readonly code?: unknown };
  return {
    name: error.name,
    message: error.message,
    code: typeof code === 'string' ? code : '',
    retriable: error instanceof MillraceError && error.retriable,
    stack: error.stack ?? '',
  };
}

/** Its stack is that of `caller`, whose call was refused, then the one that was sent. */
export function receivedError(sent: SentError, caller: { readonly stack?: string }): Error {
  const { name, message, code, retriable, stack } = sent;
  const error =
    name === 'MillraceError' || code !== ''
      ? new MillraceError(message, { code, retriable })
      : new Error(message);
  error.name = name;
  const frames = (caller.stack ?? '').replace(/^.*\n/, '');
  const theirs = stack.replace(/^/gm, '    ');
  error.stack = `${name}: ${message}\n${frames}\n    in the broker's thread:\n${theirs}`;
  return error;
}
