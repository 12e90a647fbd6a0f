/** Who may commit offsets of a group: a member in its present generation, or anybody while it is empty. */

import type { ErrorName } from '../../protocol/error-codes.js';
import type { ConsumerGroup } from './consumer-group.js';
import type { GroupEntry } from './group-table.js';
import type { Committer } from './offset-commits.js';

export interface CommitKind {
  readonly isTransactional: boolean;
  /** As in OffsetCommitRequest. */
  readonly knowsEpochs: boolean;
}

/** The error that answers, null if there is none. Undefined as group: there is none yet. */
export function commitProblem(
  group: GroupEntry['group'] | undefined,
  committer: Committer,
  { isTransactional, knowsEpochs }: CommitKind,
): ErrorName | null {
  const { memberId, groupInstanceId, generationId } = committer;
  if (group === undefined) {
    if (generationId < 0) return null;
    return knowsEpochs && !isTransactional ? 'GROUP_ID_NOT_FOUND' : 'ILLEGAL_GENERATION';
  }
  if (group.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
  if (generationId < 0 && group.state === 'Empty') return null;
  if (group.type === 'consumer')
    return consumerProblem(group, committer, { isTransactional, knowsEpochs });
  if (generationId >= 0 || memberId !== '' || groupInstanceId !== null) {
    const problem = group.memberProblem(memberId, groupInstanceId);
    if (problem !== null) return problem;
    if (generationId !== group.generationId) return 'ILLEGAL_GENERATION';
  } else if (!isTransactional) {
    return 'UNKNOWN_MEMBER_ID';
  }
  // The member was told to sync; it commits again afterwards.
  if (!isTransactional && group.state === 'CompletingRebalance') return 'REBALANCE_IN_PROGRESS';
  return null;
}

function consumerProblem(
  group: ConsumerGroup,
  { memberId, groupInstanceId, generationId }: Committer,
  { isTransactional, knowsEpochs }: CommitKind,
): ErrorName | null {
  const isNobody = generationId < 0 && memberId === '' && groupInstanceId === null;
  if (isTransactional && isNobody) return null;
  const member = group.members.get(memberId);
  if (member === undefined) return 'UNKNOWN_MEMBER_ID';
  if (member.subscription.classic === null && !knowsEpochs) return 'UNSUPPORTED_VERSION';
  if (member.current.memberEpoch === generationId) return null;
  return member.subscription.classic === null ? 'STALE_MEMBER_EPOCH' : 'ILLEGAL_GENERATION';
}
