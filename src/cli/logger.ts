/**
 * Log lines of the command: plain text to stderr, one line each.
 *
 *     2026-01-31T12:00:00.000Z WARN closing a connection reason="malformed request" remote=10.0.0.1:5
 *
 * What comes from a client (ids, names) may hold anything: control characters and the like are
 * escaped, so that no value can begin a line of its own or speak to a terminal.
 */

import type { Clock } from '../base/clock.js';
import type { LogFields, Logger } from '../base/logger.js';

export type LogLevel = 'info' | 'warn' | 'error';

const LEVELS: readonly LogLevel[] = ['info', 'warn', 'error'];

/** Longest value written; a longer one is cut. */
const VALUE_LENGTH_MAX = 4096;

export interface LineLoggerOptions {
  readonly clock: Clock;
  /** Lines below it are not written. */
  readonly level: LogLevel;
  readonly write: (line: string) => void;
}

export function lineLogger({ clock, level, write }: LineLoggerOptions): Logger {
  const least = LEVELS.indexOf(level);
  const logAt =
    (own: LogLevel) =>
    (message: string, fields?: LogFields): void => {
      if (LEVELS.indexOf(own) < least) return;
      write(formatLine(new Date(clock.nowMs()).toISOString(), own, message, fields));
    };
  return { info: logAt('info'), warn: logAt('warn'), error: logAt('error') };
}

export function formatLine(
  time: string,
  level: LogLevel,
  message: string,
  fields: LogFields = {},
): string {
  let line = `${time} ${level.toUpperCase()} ${escapeControls(message)}`;
  for (const [name, value] of Object.entries(fields)) line += ` ${name}=${formatValue(value)}`;
  return `${line}\n`;
}

function formatValue(value: string | number | boolean | null): string {
  if (typeof value !== 'string') return String(value);
  const text = value.length > VALUE_LENGTH_MAX ? `${value.slice(0, VALUE_LENGTH_MAX)}...` : value;
  if (text !== '' && /^[\w.,:;/@+[\]()<>|*-]+$/.test(text)) return text;
  return `"${escapeControls(text.replaceAll('\\', '\\\\').replaceAll('"', '\\"'))}"`;
}

/** Control, format (bidirectional marks) and separator characters, and halves of pairs. */
export function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\r') return '\\r';
    if (character === '\t') return '\\t';
    return `\\u{${(character.codePointAt(0) as number).toString(16)}}`;
  });
}
