/** Every API that has a schema, by key. The broker serves those that it has a handler for. */

import { produce } from './messages/00-produce.js';
import { fetch } from './messages/01-fetch.js';
import { listOffsets } from './messages/02-list-offsets.js';
import { metadata } from './messages/03-metadata.js';
import { offsetCommit } from './messages/08-offset-commit.js';
import { offsetFetch } from './messages/09-offset-fetch.js';
import { findCoordinator } from './messages/10-find-coordinator.js';
import { joinGroup } from './messages/11-join-group.js';
import { heartbeat } from './messages/12-heartbeat.js';
import { leaveGroup } from './messages/13-leave-group.js';
import { syncGroup } from './messages/14-sync-group.js';
import { describeGroups } from './messages/15-describe-groups.js';
import { listGroups } from './messages/16-list-groups.js';
import { saslHandshake } from './messages/17-sasl-handshake.js';
import { apiVersions } from './messages/18-api-versions.js';
import { createTopics } from './messages/19-create-topics.js';
import { deleteTopics } from './messages/20-delete-topics.js';
import { deleteRecords } from './messages/21-delete-records.js';
import { initProducerId } from './messages/22-init-producer-id.js';
import { offsetForLeaderEpoch } from './messages/23-offset-for-leader-epoch.js';
import { addPartitionsToTxn } from './messages/24-add-partitions-to-txn.js';
import { addOffsetsToTxn } from './messages/25-add-offsets-to-txn.js';
import { endTxn } from './messages/26-end-txn.js';
import { writeTxnMarkers } from './messages/27-write-txn-markers.js';
import { txnOffsetCommit } from './messages/28-txn-offset-commit.js';
import { describeConfigs } from './messages/32-describe-configs.js';
import { alterConfigs } from './messages/33-alter-configs.js';
import { alterReplicaLogDirs } from './messages/34-alter-replica-log-dirs.js';
import { describeLogDirs } from './messages/35-describe-log-dirs.js';
import { saslAuthenticate } from './messages/36-sasl-authenticate.js';
import { createPartitions } from './messages/37-create-partitions.js';
import { deleteGroups } from './messages/42-delete-groups.js';
import { electLeaders } from './messages/43-elect-leaders.js';
import { incrementalAlterConfigs } from './messages/44-incremental-alter-configs.js';
import { alterPartitionReassignments } from './messages/45-alter-partition-reassignments.js';
import { listPartitionReassignments } from './messages/46-list-partition-reassignments.js';
import { offsetDelete } from './messages/47-offset-delete.js';
import { describeClientQuotas } from './messages/48-describe-client-quotas.js';
import { alterClientQuotas } from './messages/49-alter-client-quotas.js';
import { describeUserScramCredentials } from './messages/50-describe-user-scram-credentials.js';
import { describeQuorum } from './messages/55-describe-quorum.js';
import { updateFeatures } from './messages/57-update-features.js';
import { describeCluster } from './messages/60-describe-cluster.js';
import { describeProducers } from './messages/61-describe-producers.js';
import { describeTransactions } from './messages/65-describe-transactions.js';
import { listTransactions } from './messages/66-list-transactions.js';
import { consumerGroupHeartbeat } from './messages/68-consumer-group-heartbeat.js';
import { consumerGroupDescribe } from './messages/69-consumer-group-describe.js';
import { getTelemetrySubscriptions } from './messages/71-get-telemetry-subscriptions.js';
import { pushTelemetry } from './messages/72-push-telemetry.js';
import { listConfigResources } from './messages/74-list-config-resources.js';
import { describeTopicPartitions } from './messages/75-describe-topic-partitions.js';
import type { Api } from './schema.js';

/** In order of their keys. */
export const apis: readonly Api[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  saslHandshake,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  addPartitionsToTxn,
  addOffsetsToTxn,
  endTxn,
  writeTxnMarkers,
  txnOffsetCommit,
  describeConfigs,
  alterConfigs,
  alterReplicaLogDirs,
  describeLogDirs,
  saslAuthenticate,
  createPartitions,
  deleteGroups,
  electLeaders,
  incrementalAlterConfigs,
  alterPartitionReassignments,
  listPartitionReassignments,
  offsetDelete,
  describeClientQuotas,
  alterClientQuotas,
  describeUserScramCredentials,
  describeQuorum,
  updateFeatures,
  describeCluster,
  describeProducers,
  describeTransactions,
  listTransactions,
  consumerGroupHeartbeat,
  consumerGroupDescribe,
  getTelemetrySubscriptions,
  pushTelemetry,
  listConfigResources,
  describeTopicPartitions,
];

const byKey = new Map<number, Api>(apis.map((api) => [api.key, api]));

/** The API of a key as it came in a request header. */
export function apiByKey(key: number): Api | undefined {
  return byKey.get(key);
}
