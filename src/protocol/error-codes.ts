/**
 * Kafka's error codes, one table: name, code, whether a client may try again, what it means.
 *
 * Handlers answer names or codes; nothing throws them.
 */

const table = {
  UNKNOWN_SERVER_ERROR: [-1, false, 'unexpected error in the broker'],
  NONE: [0, false, 'no error'],
  OFFSET_OUT_OF_RANGE: [1, false, 'offset is outside of the log'],
  CORRUPT_MESSAGE: [2, true, 'CRC, size or content of a record batch is wrong'],
  UNKNOWN_TOPIC_OR_PARTITION: [3, true, 'this broker has no such partition'],
  INVALID_FETCH_SIZE: [4, false, 'fetch size is not valid'],
  LEADER_NOT_AVAILABLE: [5, true, 'the partition has no leader now'],
  NOT_LEADER_OR_FOLLOWER: [
    6,
    true,
    'this broker is not the leader of the partition, or not a replica',
  ],
  REQUEST_TIMED_OUT: [7, true, 'not done in time'],
  BROKER_NOT_AVAILABLE: [8, false, 'broker is not available'],
  REPLICA_NOT_AVAILABLE: [9, true, 'replica is not available'],
  MESSAGE_TOO_LARGE: [10, false, 'record batch is larger than max.message.bytes'],
  STALE_CONTROLLER_EPOCH: [11, false, 'another controller has taken over'],
  OFFSET_METADATA_TOO_LARGE: [12, false, 'metadata of a committed offset is too large'],
  NETWORK_EXCEPTION: [13, true, 'connection lost before the answer'],
  COORDINATOR_LOAD_IN_PROGRESS: [14, true, 'coordinator is still loading'],
  COORDINATOR_NOT_AVAILABLE: [15, true, 'there is no coordinator now'],
  NOT_COORDINATOR: [16, true, 'this broker is not the coordinator'],
  INVALID_TOPIC_EXCEPTION: [17, false, 'topic name is not valid'],
  RECORD_LIST_TOO_LARGE: [18, false, 'record batches are larger than a segment'],
  NOT_ENOUGH_REPLICAS: [19, true, 'fewer replicas in sync than min.insync.replicas'],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: [
    20,
    true,
    'written, but to fewer replicas than min.insync.replicas',
  ],
  INVALID_REQUIRED_ACKS: [21, false, 'acks must be -1, 0 or 1'],
  ILLEGAL_GENERATION: [22, false, 'generation is not that of the group'],
  INCONSISTENT_GROUP_PROTOCOL: [23, false, 'protocol type or protocols do not fit the group'],
  INVALID_GROUP_ID: [24, false, 'group id is not valid'],
  UNKNOWN_MEMBER_ID: [25, false, 'group has no such member'],
  INVALID_SESSION_TIMEOUT: [26, false, 'session timeout is outside of the allowed range'],
  REBALANCE_IN_PROGRESS: [27, false, 'group is rebalancing: join again'],
  INVALID_COMMIT_OFFSET_SIZE: [28, false, 'offset commit is too large'],
  TOPIC_AUTHORIZATION_FAILED: [29, false, 'not authorized for the topic'],
  GROUP_AUTHORIZATION_FAILED: [30, false, 'not authorized for the group'],
  CLUSTER_AUTHORIZATION_FAILED: [31, false, 'not authorized for the cluster'],
  INVALID_TIMESTAMP: [32, false, 'record timestamp is outside of the allowed range'],
  UNSUPPORTED_SASL_MECHANISM: [33, false, 'SASL mechanism is not enabled'],
  ILLEGAL_SASL_STATE: [34, false, 'request does not fit the state of SASL authentication'],
  UNSUPPORTED_VERSION: [35, false, 'version of the API is not supported'],
  TOPIC_ALREADY_EXISTS: [36, false, 'topic exists already'],
  INVALID_PARTITIONS: [37, false, 'number of partitions is not valid'],
  INVALID_REPLICATION_FACTOR: [
    38,
    false,
    'replication factor is below 1 or above the number of brokers',
  ],
  INVALID_REPLICA_ASSIGNMENT: [39, false, 'replica assignment is not valid'],
  INVALID_CONFIG: [40, false, 'config is not valid'],
  NOT_CONTROLLER: [41, true, 'this broker is not the controller'],
  INVALID_REQUEST: [42, false, 'malformed request'],
  UNSUPPORTED_FOR_MESSAGE_FORMAT: [43, false, 'record format does not support this'],
  POLICY_VIOLATION: [44, false, 'refused by policy'],
  OUT_OF_ORDER_SEQUENCE_NUMBER: [45, false, 'sequence number is not the next one'],
  DUPLICATE_SEQUENCE_NUMBER: [46, false, 'sequence number was written already'],
  INVALID_PRODUCER_EPOCH: [47, false, 'producer epoch is too old'],
  INVALID_TXN_STATE: [48, false, 'transaction is not in a state for this'],
  INVALID_PRODUCER_ID_MAPPING: [49, false, 'producer id is not that of the transactional id'],
  INVALID_TRANSACTION_TIMEOUT: [
    50,
    false,
    'transaction timeout is above transaction.max.timeout.ms',
  ],
  CONCURRENT_TRANSACTIONS: [51, true, 'another operation on the transaction is in progress'],
  TRANSACTION_COORDINATOR_FENCED: [52, false, 'another transaction coordinator has taken over'],
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: [53, false, 'not authorized for the transactional id'],
  SECURITY_DISABLED: [54, false, 'security is not enabled'],
  OPERATION_NOT_ATTEMPTED: [55, false, 'not attempted, because another part of the request failed'],
  KAFKA_STORAGE_ERROR: [56, true, 'I/O error in the log directory'],
  LOG_DIR_NOT_FOUND: [57, false, 'no such log directory'],
  SASL_AUTHENTICATION_FAILED: [58, false, 'authentication failed'],
  UNKNOWN_PRODUCER_ID: [59, false, 'nothing is known about the producer id'],
  REASSIGNMENT_IN_PROGRESS: [60, false, 'a reassignment is in progress'],
  DELEGATION_TOKEN_AUTH_DISABLED: [61, false, 'delegation tokens are not enabled'],
  DELEGATION_TOKEN_NOT_FOUND: [62, false, 'no such delegation token'],
  DELEGATION_TOKEN_OWNER_MISMATCH: [63, false, 'principal does not own the delegation token'],
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: [
    64,
    false,
    'delegation tokens are not allowed on this connection',
  ],
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: [65, false, 'not authorized for delegation tokens'],
  DELEGATION_TOKEN_EXPIRED: [66, false, 'delegation token has expired'],
  INVALID_PRINCIPAL_TYPE: [67, false, 'principal type is not supported'],
  NON_EMPTY_GROUP: [68, false, 'group has members'],
  GROUP_ID_NOT_FOUND: [69, false, 'no such group'],
  FETCH_SESSION_ID_NOT_FOUND: [70, true, 'no such fetch session'],
  INVALID_FETCH_SESSION_EPOCH: [71, true, 'fetch session epoch is not the next one'],
  LISTENER_NOT_FOUND: [72, true, 'leader has no such listener'],
  TOPIC_DELETION_DISABLED: [73, false, 'delete.topic.enable is false'],
  FENCED_LEADER_EPOCH: [74, true, 'leader epoch is older than that of the broker'],
  UNKNOWN_LEADER_EPOCH: [75, true, 'leader epoch is newer than that of the broker'],
  UNSUPPORTED_COMPRESSION_TYPE: [76, false, 'client cannot read the compression of the partition'],
  STALE_BROKER_EPOCH: [77, false, 'broker epoch has changed'],
  OFFSET_NOT_AVAILABLE: [78, true, 'high watermark of the new leader is not known yet'],
  MEMBER_ID_REQUIRED: [79, false, 'join again with the member id given'],
  PREFERRED_LEADER_NOT_AVAILABLE: [80, true, 'preferred leader is not available'],
  GROUP_MAX_SIZE_REACHED: [81, false, 'group is full'],
  FENCED_INSTANCE_ID: [82, false, 'another member has this group.instance.id'],
  ELIGIBLE_LEADERS_NOT_AVAILABLE: [83, true, 'no replica may become leader'],
  ELECTION_NOT_NEEDED: [84, true, 'an election is not needed'],
  NO_REASSIGNMENT_IN_PROGRESS: [85, false, 'no reassignment is in progress'],
  GROUP_SUBSCRIBED_TO_TOPIC: [86, false, 'group is subscribed to the topic'],
  INVALID_RECORD: [87, false, 'record is refused'],
  UNSTABLE_OFFSET_COMMIT: [88, true, 'offsets of an open transaction are pending'],
  THROTTLING_QUOTA_EXCEEDED: [89, true, 'quota exceeded'],
  PRODUCER_FENCED: [90, false, 'a newer producer has the transactional id'],
  RESOURCE_NOT_FOUND: [91, false, 'no such resource'],
  DUPLICATE_RESOURCE: [92, false, 'resource is named twice'],
  UNACCEPTABLE_CREDENTIAL: [93, false, 'credential is not acceptable'],
  INCONSISTENT_VOTER_SET: [94, false, 'voter sets differ'],
  INVALID_UPDATE_VERSION: [95, false, 'update version is not valid'],
  FEATURE_UPDATE_FAILED: [96, false, 'features could not be updated'],
  PRINCIPAL_DESERIALIZATION_FAILURE: [97, false, 'principal could not be decoded'],
  SNAPSHOT_NOT_FOUND: [98, false, 'no such snapshot'],
  POSITION_OUT_OF_RANGE: [99, false, 'position is outside of the snapshot'],
  UNKNOWN_TOPIC_ID: [100, true, 'this broker has no topic of that id'],
  DUPLICATE_BROKER_REGISTRATION: [101, false, 'broker id is in use'],
  BROKER_ID_NOT_REGISTERED: [102, false, 'broker id is not registered'],
  INCONSISTENT_TOPIC_ID: [103, true, 'topic id is not that of the log'],
  INCONSISTENT_CLUSTER_ID: [104, false, 'cluster id is not that of this cluster'],
  TRANSACTIONAL_ID_NOT_FOUND: [105, false, 'no such transactional id'],
  FETCH_SESSION_TOPIC_ID_ERROR: [106, true, 'fetch session mixes topic names and ids'],
  INELIGIBLE_REPLICA: [107, false, 'replica may not be in sync'],
  NEW_LEADER_ELECTED: [108, false, 'written, but another leader was elected'],
  OFFSET_MOVED_TO_TIERED_STORAGE: [109, false, 'offset is in tiered storage'],
  FENCED_MEMBER_EPOCH: [110, false, 'member epoch is fenced: release all and join again'],
  UNRELEASED_INSTANCE_ID: [111, false, 'another member still has this instance id'],
  UNSUPPORTED_ASSIGNOR: [112, false, 'assignor is not supported'],
  STALE_MEMBER_EPOCH: [113, false, 'member epoch is old'],
  MISMATCHED_ENDPOINT_TYPE: [114, false, 'wrong kind of endpoint'],
  UNSUPPORTED_ENDPOINT_TYPE: [115, false, 'kind of endpoint is not supported'],
  UNKNOWN_CONTROLLER_ID: [116, false, 'no such controller'],
  UNKNOWN_SUBSCRIPTION_ID: [117, false, 'telemetry subscription is not valid'],
  TELEMETRY_TOO_LARGE: [118, false, 'telemetry is too large'],
  INVALID_REGISTRATION: [119, false, 'broker registration is not valid'],
  TRANSACTION_ABORTABLE: [120, false, 'transaction must be aborted'],
  INVALID_RECORD_STATE: [121, false, 'record is not in a state to be acknowledged'],
  SHARE_SESSION_NOT_FOUND: [122, true, 'no such share session'],
  INVALID_SHARE_SESSION_EPOCH: [123, true, 'share session epoch is not valid'],
  FENCED_STATE_EPOCH: [124, false, 'share group state epoch does not match'],
  INVALID_VOTER_KEY: [125, false, 'key of the voter does not match'],
  DUPLICATE_VOTER: [126, false, 'replica is a voter already'],
  VOTER_NOT_FOUND: [127, false, 'replica is not a voter'],
  INVALID_REGULAR_EXPRESSION: [128, false, 'regular expression is not valid'],
  REBOOTSTRAP_REQUIRED: [129, false, 'metadata is too old: bootstrap again'],
  STREAMS_INVALID_TOPOLOGY: [130, false, 'topology is not valid'],
  STREAMS_INVALID_TOPOLOGY_EPOCH: [131, false, 'topology epoch is not valid'],
  STREAMS_TOPOLOGY_FENCED: [132, false, 'topology epoch is old'],
  SHARE_SESSION_LIMIT_REACHED: [133, true, 'too many share sessions'],
} as const satisfies Record<string, readonly [number, boolean, string]>;

/** `NOT_LEADER_OR_FOLLOWER` ... */
export type ErrorName = keyof typeof table;
export type ErrorCode = (typeof table)[ErrorName][0];

const names = Object.keys(table) as ErrorName[];

/** `errorCodes.NOT_LEADER_OR_FOLLOWER === 6` */
export const errorCodes = Object.fromEntries(names.map((name) => [name, table[name][0]])) as {
  readonly [Name in ErrorName]: (typeof table)[Name][0];
};

const namesByCode = new Map<number, ErrorName>(names.map((name) => [table[name][0], name]));

/** The name of a code; undefined if Kafka 4.2 does not have it. */
export function errorName(code: number): ErrorName | undefined {
  return namesByCode.get(code);
}

/** Whether the same request may succeed later; clients retry by this. */
export function isRetriable(name: ErrorName): boolean {
  return table[name][1];
}

/** One short clause, for error_message fields and logs. */
export function errorMessage(name: ErrorName): string {
  return table[name][2];
}
