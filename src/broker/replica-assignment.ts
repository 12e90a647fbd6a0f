/** Assignments of replicas as clients give them, checked for one node; in Kafka's words. */

/** Why a partition cannot have these replicas on a cluster of `nodeId` alone; null if it can. */
export function replicasProblem(brokerIds: readonly number[], nodeId: number): string | null {
  if (brokerIds.length === 0) {
    return 'The manual partition assignment includes an empty replica list.';
  }
  const sorted = [...brokerIds].sort((a, b) => a - b);
  const unknown = sorted.find((id) => id !== nodeId);
  if (unknown !== undefined) {
    return `The manual partition assignment includes broker ${unknown}, but no such broker is registered.`;
  }
  return sorted.length > 1
    ? `The manual partition assignment includes the broker ${nodeId} more than once.`
    : null;
}
