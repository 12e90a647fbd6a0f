/**
 * The answer to any request of any API that says one error in every place where that API has one: the
 * top level, and each topic, partition, group or resource that the request named. Built from the
 * schemas of request and response, so that a new API needs nothing here but maybe a name in PAIRED.
 *
 *     request   topics: [{ name: 't', partitions: [{ partitionIndex: 1 }] }]
 *     answer    topics: [{ name: 't', partitions: [{ partitionIndex: 1, errorCode: E, offset: -1 }] }]
 *
 * Pure.
 */

import { type Api, type Field, type Fields, inRange } from '../protocol/schema.js';
import { type Body, isBody } from './request-shape.js';

/** Array of a response -> arrays of the request that it answers, the first that the version has. */
const PAIRED: Readonly<Record<string, readonly string[]>> = {
  responses: ['topicData', 'resources', 'topics', 'topicNames'],
  partitionResponses: ['partitionData'],
  results: ['resources', 'topics', 'groupsNames', 'featureUpdates', 'dirs', 'users'],
  coordinators: ['coordinatorKeys'],
  partitions: ['partitions', 'partitionIndexes'],
  resultsByTransaction: ['transactions'],
  topicResults: ['topics'],
  resultsByPartition: ['partitions'],
  resultsByTopicV3AndBelow: ['v3AndBelowTopics'],
  groups: ['groups', 'groupIds'],
  transactionStates: ['transactionalIds'],
  replicaElectionResults: ['topicPartitions'],
  partitionResult: ['partitions'],
};

/** Fields of an element that say what it is about; their request has them by one of these names. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  name: ['name', 'topic'],
  topic: ['topic', 'name'],
  topicName: ['topicName', 'name'],
  topicId: ['topicId'],
  index: ['index'],
  partition: ['partition'],
  partitionIndex: ['partitionIndex', 'partition', 'index'],
  partitionId: ['partitionIndex'],
  key: ['key'],
  groupId: ['groupId'],
  transactionalId: ['transactionalId'],
  memberId: ['memberId'],
  groupInstanceId: ['groupInstanceId'],
  resourceType: ['resourceType'],
  resourceName: ['resourceName'],
  feature: ['feature'],
  user: ['name'],
  entity: ['entity'],
  sessionId: ['sessionId'],
  clientInstanceId: ['clientInstanceId'],
};

/** Numbers that are -1 where there is nothing to tell. */
const NOTHING: readonly string[] = [
  ...['baseOffset', 'highWatermark', 'lastStableOffset', 'logStartOffset', 'offset', 'timestamp'],
  ...['committedOffset', 'lowWatermark', 'endOffset', 'leaderEpoch', 'leaderId', 'nodeId', 'port'],
  ...['producerId', 'producerEpoch', 'generationId', 'committedLeaderEpoch'],
];

const ERROR_FIELDS: readonly string[] = ['errorCode', 'partitionErrorCode'];
const MESSAGE_FIELDS: readonly string[] = ['errorMessage'];

export interface AnswerError {
  readonly code: number;
  /** For the fields of messages. */
  readonly message: string;
}

export interface ErrorAnswerOptions {
  /** False: only elements say the error, the top level says that all is well. */
  readonly topLevel?: boolean;
}

/** An answer for the encoder. `request` as it was decoded in that version. */
export function errorAnswer(
  api: Api,
  version: number,
  request: Body,
  error: AnswerError,
  options: ErrorAnswerOptions = {},
): Record<string, unknown> {
  // Of all directories together; the response has no level for them.
  const asked = api.name === 'AlterReplicaLogDirs' ? flatDirs(request) : request;
  const context = { api, version, error };
  const answer = structAnswer(context, api.response.fields, asked, api.request.fields);
  if (options.topLevel === false) {
    for (const field of ERROR_FIELDS) if (field in answer) answer[field] = 0;
    for (const field of MESSAGE_FIELDS) if (field in answer) answer[field] = null;
  }
  return answer;
}

/** Whether elements of the answer have error codes of their own. */
export function hasElementErrors(api: Api, version: number): boolean {
  return Object.values(api.response.fields).some(
    (field) => inRange(field.versions, version) && isElements(field) && holdsError(field, version),
  );
}

interface Context {
  readonly api: Api;
  readonly version: number;
  readonly error: AnswerError;
}

function structAnswer(
  context: Context,
  fields: Fields,
  request: unknown,
  requestFields: Fields | null,
): Record<string, unknown> {
  const { version, error } = context;
  const answer: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (!inRange(field.versions, version)) continue;
    if (ERROR_FIELDS.includes(name)) answer[name] = error.code;
    else if (MESSAGE_FIELDS.includes(name)) answer[name] = error.message;
    else if (isElements(field) && holdsError(field, version)) {
      answer[name] = elementsAnswer(context, name, field, request, requestFields);
    } else answer[name] = plainValue(name, field, request, version);
  }
  return answer;
}

function elementsAnswer(
  context: Context,
  name: string,
  field: Field,
  request: unknown,
  requestFields: Fields | null,
): unknown[] {
  const { version } = context;
  const inner = (field.element as Field).fields as Fields;
  const paired = pairedField(context, name, requestFields);
  if (paired === null) {
    // Of all directories together, where the top level has no place for an error.
    const top = context.api.response.fields.errorCode;
    const told = top !== undefined && inRange(top.versions, version);
    if (context.api.name !== 'DescribeLogDirs' || told) return [];
    return [structAnswer(context, inner, {}, null)];
  }
  const elements = isBody(request) ? request[paired.name] : null;
  if (!Array.isArray(elements)) return [];
  return elements.map((element: unknown) => structAnswer(context, inner, element, paired.fields));
}

function pairedField(
  { api, version }: Context,
  name: string,
  requestFields: Fields | null,
): { readonly name: string; readonly fields: Fields | null } | null {
  if (requestFields === null || api.name === 'DescribeLogDirs') return null;
  for (const candidate of [...(PAIRED[name] ?? []), name]) {
    const field = requestFields[candidate];
    if (field === undefined || field.element === null) continue;
    if (!inRange(field.versions, version)) continue;
    // What is flattened has the fields of its topics.
    if (candidate === 'dirs') return topicsOfDirs(field);
    return { name: candidate, fields: field.element.fields };
  }
  return null;
}

function plainValue(name: string, field: Field, request: unknown, version: number): unknown {
  const key = KEYS[name];
  if (key !== undefined) {
    if (isBody(request)) {
      const from = key.find((one) => request[one] !== undefined);
      // A topic of the request may be named by its id alone.
      if (from !== undefined && request[from] !== null) return request[from];
    } else if (request !== null && request !== undefined) {
      const wanted = field.kind === 'string' ? 'string' : 'number';
      if (typeof request === wanted) return request;
    }
  }
  if (NOTHING.includes(name) && field.kind.startsWith('int')) return -1;
  if (field.default === null && !inRange(field.nullable, version)) return '';
  return field.default;
}

function isElements({ kind, element }: Field): boolean {
  return kind === 'array' && element?.kind === 'struct';
}

function holdsError({ element }: Field, version: number): boolean {
  return Object.entries(element?.fields ?? {}).some(
    ([name, field]) =>
      inRange(field.versions, version) &&
      (ERROR_FIELDS.includes(name) || (isElements(field) && holdsError(field, version))),
  );
}

function flatDirs(request: Body): Body {
  const dirs = Array.isArray(request.dirs) ? request.dirs : [];
  return { dirs: dirs.flatMap((dir: { readonly topics: readonly unknown[] }) => dir.topics) };
}

function topicsOfDirs(dirs: Field): { readonly name: string; readonly fields: Fields | null } {
  return { name: 'dirs', fields: dirs.element?.fields?.topics?.element?.fields ?? null };
}

/**
 * The answer to the rest of a request with the errors of its other part put in: elements that both
 * have (a topic of which one partition is wrong) are made one.
 */
export function mergeAnswers(answer: Body, errors: Body): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...answer };
  for (const [name, value] of Object.entries(errors)) {
    if (!Array.isArray(value) || !value.some(isBody)) continue;
    const list = [...((answer[name] as readonly unknown[] | undefined) ?? [])];
    for (const element of value) {
      const at = list.findIndex((other) => isSame(other, element));
      if (at < 0) list.push(element);
      else list[at] = mergeAnswers(list[at] as Body, element as Body);
    }
    merged[name] = list;
  }
  return merged;
}

/** Whether two elements that hold others are about the same thing. */
function isSame(a: unknown, b: unknown): boolean {
  if (!isBody(a) || !isBody(b)) return false;
  const keys = ['name', 'topic', 'topicName', 'topicId', 'groupId', 'transactionalId'];
  const told = keys.filter((key) => a[key] !== undefined && b[key] !== undefined);
  if (told.length === 0 || !told.every((key) => a[key] === b[key])) return false;
  return Object.values(b).some((value) => Array.isArray(value) && value.some(isBody));
}
