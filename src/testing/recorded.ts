/**
 * A recorded session: requests and responses as plain values, matching them, and printing them as a
 * table. Pure, and without the broker: it is used in the test's thread too.
 */

export interface RecordedTopic {
  readonly topic: string;
  /** Null: the request is about the topic as a whole. */
  readonly partitions: readonly number[] | null;
}

/**
 * - `answered`
 * - `no-response`: there is none (acks=0), or a fault kept it back
 * - `closed`: the connection was closed instead
 * - `pending`: the handler has not answered yet
 */
export type RequestOutcome = 'answered' | 'no-response' | 'closed' | 'pending';

/** The records of a partition in a message. */
export interface RecordsSummary {
  readonly batches: number;
  readonly records: number;
  readonly bytes: number;
  /** All of it, if the recorder was asked to keep records. */
  readonly base64?: string;
}

export interface RecordedRequest {
  /** Rising from 1 in the order in which requests came; never used again after `clear`. */
  readonly sequence: number;
  /** Connections are counted from 1 in the order of their first request. */
  readonly connection: number;
  /** Of the node that was asked. */
  readonly node: number;
  readonly api: string;
  readonly apiKey: number;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** By the broker's clock, from when recording began. */
  readonly startMs: number;
  /** Until the handler answered; null while it is pending. */
  readonly durationMs: number | null;
  readonly outcome: RequestOutcome;
  /** Every field that the version has; records are summarised. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly response: Readonly<Record<string, unknown>> | null;
  /** Names of the errors in the response, each once; empty if there are none. */
  readonly errors: readonly string[];
  readonly topics: readonly RecordedTopic[];
  readonly groups: readonly string[];
  readonly transactionalIds: readonly string[];
  /** What the fault plan did to it. */
  readonly faults: readonly string[];
}

export interface RecordedSession {
  readonly requests: readonly RecordedRequest[];
  /** Older ones that were let go, since memory is bounded. */
  readonly droppedCount: number;
}

/** Every criterion that is given must hold. */
export interface RequestMatch {
  /** Name or key. */
  readonly api?: string | number;
  readonly version?: number;
  readonly clientId?: string;
  readonly topic?: string;
  /** Only with `topic`. */
  readonly partition?: number;
  readonly group?: string;
  readonly transactionalId?: string;
  readonly node?: number;
  /** Name of an error that the response has; `NONE`: it has none. */
  readonly error?: string;
  readonly outcome?: RequestOutcome;
}

export function matchesRequest(match: RequestMatch, request: RecordedRequest): boolean {
  const { api, version, clientId, topic, partition, group, transactionalId } = match;
  if (api !== undefined && api !== request.api && api !== request.apiKey) return false;
  if (version !== undefined && version !== request.version) return false;
  if (clientId !== undefined && clientId !== request.clientId) return false;
  if (group !== undefined && !request.groups.includes(group)) return false;
  if (transactionalId !== undefined && !request.transactionalIds.includes(transactionalId)) {
    return false;
  }
  if (match.node !== undefined && match.node !== request.node) return false;
  if (match.outcome !== undefined && match.outcome !== request.outcome) return false;
  if (match.error === 'NONE' && request.errors.length > 0) return false;
  if (match.error !== undefined && match.error !== 'NONE') {
    if (!request.errors.includes(match.error)) return false;
  }
  if (topic === undefined) return true;
  return request.topics.some(
    (named) =>
      named.topic === topic && (partition === undefined || named.partitions?.includes(partition)),
  );
}

/** As it would be written in a test. */
export function describeMatch(match: RequestMatch): string {
  const parts = Object.entries(match).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`;
}

/**
 * The session as a sequence table, a line for each request:
 *
 *      ms from the start  connection client  > API version what it names  < answer  duration
 */
export function explainSession(
  { requests, droppedCount }: RecordedSession,
  mark: (request: RecordedRequest) => boolean = () => false,
): string {
  const rows = requests.map((request) => [
    mark(request) ? '*' : '',
    request.startMs.toFixed(1),
    `#${request.connection}`,
    request.clientId ?? '-',
    `${request.api} v${request.version}`,
    namesIn(request),
    answerOf(request),
    request.durationMs === null ? '' : `${request.durationMs.toFixed(1)} ms`,
  ]);
  const head = ['', 'ms', 'conn', 'client', 'request', 'about', 'answer', 'took'];
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => (row[i] as string).length)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) =>
        i === 1 ? cell.padStart(widths[i] as number) : cell.padEnd(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const lines = [head, ...rows].map(line);
  if (droppedCount > 0) lines.splice(1, 0, `(${droppedCount} older requests were let go)`);
  return `${lines.join('\n')}\n`;
}

function namesIn({ topics, groups, transactionalIds, request }: RecordedRequest): string {
  const byTopic = new Map<string, Set<number>>();
  for (const { topic, partitions } of topics) {
    const known = byTopic.get(topic) ?? new Set<number>();
    for (const partition of partitions ?? []) known.add(partition);
    byTopic.set(topic, known);
  }
  const parts = [...byTopic].map(([topic, partitions]) =>
    partitions.size === 0 ? topic : `${topic}[${[...partitions].join(',')}]`,
  );
  if (parts.length > 4) parts.splice(4, parts.length, `and ${parts.length - 4} topics`);
  for (const group of groups) parts.push(`group ${group}`);
  for (const id of transactionalIds) parts.push(`transaction ${id}`);
  const records = recordsIn(request);
  if (records > 0) parts.push(`${records} records`);
  return parts.join(' ');
}

function answerOf({ outcome, errors, faults, response }: RecordedRequest): string {
  const planned = faults.length === 0 ? '' : ` (fault: ${faults.join(', ')})`;
  if (outcome !== 'answered') return outcome + planned;
  const records = recordsIn(response);
  const what = errors.length > 0 ? errors.join(', ') : 'ok';
  return `${what}${records > 0 ? ` ${records} records` : ''}${planned}`;
}

function recordsIn(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, one) => sum + recordsIn(one), 0);
  if (typeof value !== 'object' || value === null) return 0;
  if ('batches' in value && 'records' in value && typeof value.records === 'number') {
    return value.records;
  }
  return Object.values(value).reduce<number>((sum, one) => sum + recordsIn(one), 0);
}

/**
 * What is the same in two runs of the same test with the same seed and a virtual clock: without the port
 * of the broker, which the system chooses.
 */
export function comparableSession({ requests, droppedCount }: RecordedSession): RecordedSession {
  return {
    droppedCount,
    requests: requests.map((request) => ({
      ...request,
      request: withoutPorts(request.request) as RecordedRequest['request'],
      response: withoutPorts(request.response) as RecordedRequest['response'],
    })),
  };
}

function withoutPorts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPorts);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, name === 'port' ? 0 : withoutPorts(inner)]),
  );
}
