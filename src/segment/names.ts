/**
 * Names of the files of a partition directory, as Kafka writes them. Pure.
 *
 *     00000000000000004096.log         record batches
 *     00000000000000004096.index       offset index
 *     00000000000000004096.timeindex   time index
 *     00000000000000004096.txnindex    aborted transactions (absent if there were none)
 *     00000000000000004096.snapshot    producer state up to this offset
 *     00000000000000004096.checksum    checksums of a sealed log (Millrace's own)
 *                         .log.deleted     renamed, unlinked after file.delete.delay.ms
 *                         .log.cleaned     being written by compaction
 *                         .log.swap        complete, to replace the segments it was made from
 */

import { assert } from '../base/assert.js';
import type { Offset } from '../base/offset.js';

export const FILE_KINDS = [
  'log',
  'index',
  'timeindex',
  'txnindex',
  'snapshot',
  'checksum',
] as const;
export type FileKind = (typeof FILE_KINDS)[number];

export const FILE_STATES = ['deleted', 'cleaned', 'swap'] as const;
/** `live` has no suffix of its own. */
export type FileState = 'live' | (typeof FILE_STATES)[number];

export interface SegmentFileName {
  readonly baseOffset: Offset;
  readonly kind: FileKind;
  readonly state: FileState;
}

const DIGITS = 20;

export function formatFileName(
  baseOffset: Offset,
  kind: FileKind,
  state: FileState = 'live',
): string {
  assert(Number.isSafeInteger(baseOffset) && baseOffset >= 0, 'base offset of a file name');
  const name = `${String(baseOffset).padStart(DIGITS, '0')}.${kind}`;
  return state === 'live' ? name : `${name}.${state}`;
}

/** Null for a name that is none of a segment's files, or whose offset passes 2^53 - 1. */
export function parseFileName(name: string): SegmentFileName | null {
  const parts = name.split('.');
  const [digits = '', kind, state = 'live'] = parts;
  if (parts.length > 3 || !/^[0-9]{20}$/.test(digits)) return null;
  if (!isFileKind(kind) || (state === 'live' ? parts.length === 3 : !isFileState(state))) {
    return null;
  }
  const baseOffset = Number(digits);
  if (!Number.isSafeInteger(baseOffset)) return null;
  return { baseOffset: baseOffset as Offset, kind, state: state as FileState };
}

function isFileKind(kind: string | undefined): kind is FileKind {
  return kind !== undefined && (FILE_KINDS as readonly string[]).includes(kind);
}

function isFileState(state: string): boolean {
  return (FILE_STATES as readonly string[]).includes(state);
}
