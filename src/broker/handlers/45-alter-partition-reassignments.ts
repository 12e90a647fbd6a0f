/**
 * AlterPartitionReassignments 0-1: the only replicas that a partition can be given are those it has,
 * which is done at once. There is never a reassignment under way.
 */

import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { alterPartitionReassignments } from '../../protocol/messages/45-alter-partition-reassignments.js';
import { type BrokerServices, handler } from '../handler.js';
import { replicasProblem } from '../replica-assignment.js';

type Request = RequestOf<typeof alterPartitionReassignments>;
type PartitionRequest = ElementOf<ElementOf<Request['topics']>['partitions']>;
type PartitionResult = ElementOf<
  ElementOf<ResponseInput<typeof alterPartitionReassignments>['responses']>['partitions']
>;

export const alterPartitionReassignmentsHandler = handler({
  message: alterPartitionReassignments,
  versions: { min: 0, max: 1 },
  notes: 'One node: a partition keeps its only replica, anything else is refused.',
  handle({ broker }, { topics, allowReplicationFactorChange }) {
    return {
      allowReplicationFactorChange,
      errorCode: errorCodes.NONE,
      errorMessage: null,
      responses: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map((partition) =>
          reassign(broker, name, partition, allowReplicationFactorChange),
        ),
      })),
    };
  },
});

function reassign(
  { controller, nodeId }: BrokerServices,
  name: string,
  { partitionIndex, replicas }: PartitionRequest,
  mayChangeCount: boolean,
): PartitionResult {
  const answer = (
    error: keyof typeof errorCodes,
    errorMessage: string | null,
  ): PartitionResult => ({ partitionIndex, errorCode: errorCodes[error], errorMessage });
  const topic = controller.image.topic(name);
  if (topic === undefined) {
    return answer('UNKNOWN_TOPIC_OR_PARTITION', `Unable to find a topic named ${name}.`);
  }
  if (partitionIndex < 0 || partitionIndex >= topic.partitionCount) {
    const text = `Unable to find partition ${name}:${partitionIndex}.`;
    return answer('UNKNOWN_TOPIC_OR_PARTITION', text);
  }
  if (replicas === null) return answer('NO_REASSIGNMENT_IN_PROGRESS', null);
  const problem = replicasProblem(replicas, nodeId);
  if (problem !== null) return answer('INVALID_REPLICA_ASSIGNMENT', problem);
  if (!mayChangeCount && replicas.length !== 1) {
    return answer('INVALID_REPLICATION_FACTOR', 'The replication factor must not change.');
  }
  return answer('NONE', null);
}
