/**
 * Control records: what brokers write between the records of users.
 *
 *     key    0  2  version
 *            2  2  type: 0 abort, 1 commit, 2 leader change, 3 snapshot header, 4 snapshot footer,
 *                  5 KRaft version, 6 KRaft voters
 *     value of an end-of-transaction marker (types 0 and 1):
 *            0  2  version
 *            2  4  coordinator epoch
 *
 * A control batch holds one control record. Later versions only add fields at the end.
 */

import { BatchBuilder } from './batch-builder.js';
import { writeInt16, writeInt32 } from './batch-patch.js';
import { readInt16, readInt32 } from './batch-view.js';

export const controlTypes = [
  'abort',
  'commit',
  'leader-change',
  'snapshot-header',
  'snapshot-footer',
  'kraft-version',
  'kraft-voters',
] as const;
export type ControlType = (typeof controlTypes)[number];

const KEY_SIZE = 4;
const END_TXN_VALUE_SIZE = 6;

export type ControlRecord =
  | {
      readonly type: 'abort' | 'commit';
      readonly version: number;
      readonly coordinatorEpoch: number;
    }
  | { readonly type: Exclude<ControlType, 'abort' | 'commit'>; readonly version: number }
  /** A type of a later Kafka: readers pass over it. */
  | { readonly type: 'unknown'; readonly version: number; readonly id: number };

/** What a control record says; null if its key or value is too short or of a negative version. */
export function parseControlRecord(
  key: Uint8Array | null,
  value: Uint8Array | null,
): ControlRecord | null {
  if (key === null || key.length < KEY_SIZE) return null;
  const version = readInt16(key, 0);
  const id = readInt16(key, 2);
  if (version < 0) return null;
  const type = controlTypes[id];
  if (type === undefined) return { type: 'unknown', version, id };
  if (type !== 'abort' && type !== 'commit') return { type, version };
  if (value === null || value.length < END_TXN_VALUE_SIZE || readInt16(value, 0) < 0) return null;
  return { type, version, coordinatorEpoch: readInt32(value, 2) };
}

export interface EndTxnMarker {
  readonly type: 'abort' | 'commit';
  readonly coordinatorEpoch: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly timestamp: number;
}

/** The control batch that ends a transaction on a partition, base offset 0. */
export function buildEndTxnMarker(marker: EndTxnMarker): Uint8Array {
  const key = new Uint8Array(KEY_SIZE);
  writeInt16(key, 2, controlTypes.indexOf(marker.type));
  const value = new Uint8Array(END_TXN_VALUE_SIZE);
  writeInt32(value, 2, marker.coordinatorEpoch);
  const { producerId, producerEpoch, timestamp } = marker;
  const builder = new BatchBuilder({
    producerId,
    producerEpoch,
    baseSequence: -1,
    isTransactional: true,
    isControl: true,
  });
  builder.append({ timestamp, key, value });
  return builder.build();
}
