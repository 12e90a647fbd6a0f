/**
 * The features that ApiVersions tells of: which protocols of several steps this node speaks as a
 * whole, where versions of single requests do not say it. Clients turn transactions of version 2 and
 * consumer groups of KIP-848 on by these; the levels are Kafka 4.2's.
 *
 * Nothing is upgraded here: what is supported is in force.
 */

export interface Feature {
  readonly name: string;
  readonly minVersion: number;
  readonly maxVersion: number;
  /** The level in force. */
  readonly level: number;
}

/** In order of their names. */
export const features: readonly Feature[] = [
  { name: 'group.version', minVersion: 0, maxVersion: 1, level: 1 },
  { name: 'transaction.version', minVersion: 0, maxVersion: 2, level: 2 },
];

/** Rises when a level changes, which none does while a node runs. */
export const FEATURES_EPOCH = 1;

/** Level of `transaction.version` with which this coordinator works (KIP-890). */
export const TRANSACTION_VERSION = 2;
