/** Sets of partitions, by topic. Never changed once made: a transaction's next state shares them. */

export type PartitionSet = ReadonlyMap<string, ReadonlySet<number>>;

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export const NO_PARTITIONS: PartitionSet = new Map();

export function partitionSet(partitions: Iterable<TopicPartition>): PartitionSet {
  const set = new Map<string, Set<number>>();
  for (const { topic, partition } of partitions) {
    const known = set.get(topic);
    if (known === undefined) set.set(topic, new Set([partition]));
    else known.add(partition);
  }
  return set;
}

export function hasPartition(set: PartitionSet, topic: string, partition: number): boolean {
  return set.get(topic)?.has(partition) ?? false;
}

/** Whether everything in `part` is in `set`. */
export function containsAll(set: PartitionSet, part: PartitionSet): boolean {
  for (const { topic, partition } of partitionsOf(part)) {
    if (!hasPartition(set, topic, partition)) return false;
  }
  return true;
}

export function union(a: PartitionSet, b: PartitionSet): PartitionSet {
  return partitionSet([...partitionsOf(a), ...partitionsOf(b)]);
}

export function* partitionsOf(set: PartitionSet): Generator<TopicPartition> {
  for (const [topic, partitions] of set) {
    for (const partition of partitions) yield { topic, partition };
  }
}
