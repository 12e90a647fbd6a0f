// Differential replay: what clients said to a real Kafka is said to our broker in the same order, and
// the answers are compared field by field. Ids that the servers chose are exchanged in the requests;
// ids, hosts, times and epochs are not compared.

import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiByKey } from '#src/protocol/api-table.js';
import { decodeRequest, decodeResponse, encodeRequest, supports } from '#src/protocol/codec.js';
import { errorCodes, errorName } from '#src/protocol/error-codes.js';
import { decodeRequestHeader, decodeResponseHeader } from '#src/protocol/headers.js';
import { apiVersions } from '#src/protocol/messages/18-api-versions.js';
import { writeTxnMarkers } from '#src/protocol/messages/27-write-txn-markers.js';
import type { Api } from '#src/protocol/schema.js';
import type { Client } from '../interop/client.js';
import { clients } from '../interop/clients.js';
import { run as runProcess } from '../interop/process.js';
import { startKafka } from '../interop/servers.js';
import { Player, Recorder } from './recorder.js';
import type { Context, Suite } from './suite.js';

const NAME = 'replay';
const ANSWER_MS = 20_000;
/** Every client that speaks a protocol stack of its own. */
const CLIENTS = ['kcat', 'kafkajs', 'platformatic', 'franz-go', 'sarama', 'kafka-python', 'java'];
/** What may differ wherever it stands. */
const MASKED =
  /^(throttleTimeMs|clusterId|host|port|topicId|id|memberId|leaderId|producerId|sessionId|logAppendTimeMs|timestamp|.*[eE]poch|errorMessage|records|apiKeys|supportedFeatures|finalizedFeatures.*|clientHost|configs|.*authorizedOperations|.*Nodes|eligibleLeaderReplicas|lastKnownElr|acquireLocks|subscriptionId|clientInstanceId|documentation|metadata|assignment|members|leader)$/i;

/** Where the log ends when a fetch looks is a matter of time. */
const MOVING = /^(highWatermark|lastStableOffset)$/;

export const replay: Suite = {
  name: NAME,
  missing: () => clients.find(({ name }) => name === 'java')?.missing() ?? null,
  run,
};

/** One request of a recording and Kafka's answer to it. */
type Exchange = {
  readonly api: Api;
  readonly version: number;
  readonly clientId: string | null;
  readonly connection: number;
  readonly request: Record<string, unknown>;
  response: Record<string, unknown> | null;
};
type Step =
  | { readonly what: 'send'; readonly exchange: Exchange }
  | { readonly what: 'await'; readonly exchange: Exchange };

async function run(context: Context): Promise<void> {
  for (const name of CLIENTS) {
    const client = clients.find((one) => one.name === name);
    if (client === undefined || client.missing() !== null || !context.isWanted(name)) continue;
    const started = performance.now();
    const recorder = await Recorder.listen();
    const kafka = await startKafka(mkdtempSync(join(context.dir, 'replay-kafka-')), {
      properties: [`advertised.listeners=PLAINTEXT://${recorder.bootstrap}`],
    });
    recorder.forwardTo(kafka.bootstrap);
    let problem = '';
    try {
      await warmUp(recorder.bootstrap);
      recorder.forget();
      await work(client, recorder.bootstrap);
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    recorder.close();
    await kafka.kill();
    const server = await context.start(['log.retention.ms=-1']);
    // The same on ours, so that producer ids start with the same number.
    await warmUp(server.bootstrap);
    const { differences, compared } = await play(stepsOf(recorder), server.bootstrap);
    await server.stop();
    const seconds = (performance.now() - started) / 1000;
    const counted = `${compared} answers compared`;
    const base = { suite: NAME, test: name, seconds };
    const lines = [...differences].map(([what, count]) => `${count} x ${what}`);
    if (problem !== '') {
      context.report.add({ ...base, verdict: 'fail', reason: `against Kafka: ${problem}` });
    } else if (lines.length > 0) {
      const reason = [`${lines.length} differences; ${counted}`, ...lines].join('\n');
      context.report.add({ ...base, verdict: 'fail', reason });
    } else context.report.add({ ...base, verdict: 'pass', reason: counted });
  }
}

/** Coordinators are found and loaded: a fresh Kafka lets everybody try again until they are. */
async function warmUp(bootstrap: string): Promise<void> {
  const franz = clients.find(({ name }) => name === 'franz-go');
  for (const topic of ['w', 'w-in']) await franz?.create(bootstrap, topic, 1, {});
  const names = { topic: 'w', input: 'w-in', group: 'w-group', transactionalId: 'w-id' };
  await franz?.transact?.(bootstrap, names);
}

/** Some of everything that the client's program does. */
async function work(client: Client, bootstrap: string): Promise<void> {
  const can = (what: string): boolean => !(what in client.notApplicable);
  const creator = can('create') ? client : clients.find(({ name }) => name === 'franz-go');
  await client.metadata(bootstrap);
  for (const topic of ['r', 'r-in']) await creator?.create(bootstrap, topic, 1, {});
  const records = Array.from({ length: 5 }, (_, index) => ({
    timestamp: client.limits.has('timestamp') ? null : 1_700_000_000_000 + index,
    key: Buffer.from(`key ${index}`),
    value: Buffer.from(`value ${index}`),
    headers: [],
  }));
  await client.produce(bootstrap, 'r', records, { codec: 'none', idempotent: false });
  await client.produce(bootstrap, 'r', records, { codec: 'gzip', idempotent: false });
  await client.consume(bootstrap, 'r', 0, 10);
  await client.offset(bootstrap, 'r', 'latest');
  await client.offset(bootstrap, 'r', 'earliest');
  if (can('configs')) await client.configs(bootstrap, 'r');
  if (client.transact !== undefined && can('transactions')) {
    const names = { topic: 'r', input: 'r-in', group: 'r-group', transactionalId: 'r-id' };
    await client.transact(bootstrap, names);
  }
  if (client.name === 'kcat') {
    const args = ['-b', bootstrap, '-G', 'kcat-group', '-X', 'auto.offset.reset=earliest'];
    await runProcess('kcat', [...args, '-c', '10', '-q', 'r'], { timeoutMs: 30_000 });
  }
  if (can('create')) await client.remove(bootstrap, 'r-in');
}

/** What a broker may answer until it is ready, so that the client asks once more. */
const AGAIN = new Set([
  errorCodes.COORDINATOR_LOAD_IN_PROGRESS,
  errorCodes.COORDINATOR_NOT_AVAILABLE,
  errorCodes.NOT_COORDINATOR,
  errorCodes.CONCURRENT_TRANSACTIONS,
]);
const AGAIN_COUNT_MAX = 40;

/**
 * Sends and answers in the order in which they passed, without what had to be asked again, and what
 * Kafka says to itself by way of its advertised address (the rest of that is said while it warms up).
 */
function stepsOf(recorder: Recorder): Step[] {
  const steps: Step[] = [];
  const waiting = new Map<string, Exchange>();
  for (const { what, connection, frame } of recorder.passed) {
    if (what === 'request') {
      const header = decodeRequestHeader(frame, apiByKey);
      const { api, apiVersion: version, clientId, correlationId, bodyPosition } = header;
      if (api === undefined || !supports(api, version) || api === writeTxnMarkers) continue;
      const request = decodeRequest(api, version, frame, bodyPosition) as Exchange['request'];
      const exchange: Exchange = { api, version, clientId, connection, request, response: null };
      waiting.set(`${connection} ${correlationId}`, exchange);
      steps.push({ what: 'send', exchange });
    } else {
      const exchange = waiting.get(`${connection} ${frame.readInt32BE(0)}`);
      if (exchange === undefined) continue;
      const { bodyPosition } = decodeResponseHeader(exchange.api, exchange.version, frame);
      const { api, version } = exchange;
      exchange.response = decodeResponse(api, version, frame, bodyPosition) as Exchange['request'];
      steps.push({ what: 'await', exchange });
    }
  }
  return steps.filter(({ exchange }) => !wantsAgain(exchange.response));
}

async function play(
  steps: readonly Step[],
  bootstrap: string,
): Promise<{ differences: Map<string, number>; compared: number }> {
  const player = new Player(bootstrap);
  const served = await servedVersions(player);
  const differences = new Map<string, number>();
  const ids = new Map<unknown, unknown>();
  let compared = 0;
  for (const { what, exchange } of steps) {
    const { api, clientId, connection, request } = exchange;
    // Kafka's newest versions may be newer than ours: the same in the version that such a client takes.
    const version = Math.min(exchange.version, served.get(api.key) ?? exchange.version);
    const send = async (): Promise<void> => {
      const own = exchanged(request, ids) as never;
      const chunks = encodeRequest(api, version, compared, clientId, own);
      await player.send(connection, Buffer.concat(chunks as Uint8Array[]));
    };
    if (what === 'send') {
      await send();
      continue;
    }
    const note = (difference: string): void => {
      const text = `${api.name} ${version}: ${difference}`;
      differences.set(text, (differences.get(text) ?? 0) + 1);
    };
    let ours: unknown = null;
    for (let attempt = 0; attempt < AGAIN_COUNT_MAX; attempt++) {
      const frame = await player.receive(connection, ANSWER_MS);
      if (frame === null) break;
      const { bodyPosition } = decodeResponseHeader(api, version, frame);
      ours = decodeResponse(api, version, frame, bodyPosition);
      if (!wantsAgain(ours)) break;
      await sleep(50);
      await send();
    }
    if (ours === null) {
      note('no answer');
      continue;
    }
    compared++;
    learn(exchange.response, ours, ids);
    compare('', exchange.response, ours, note);
  }
  player.close();
  return { differences, compared };
}

/** The newest version of each API that the broker advertises. */
async function servedVersions(player: Player): Promise<Map<number, number>> {
  const [chunk] = encodeRequest(apiVersions, 0, 0, 'replay', {});
  await player.send(-1, chunk as Uint8Array);
  const frame = await player.receive(-1, ANSWER_MS);
  if (frame === null) throw new Error('no ApiVersions');
  const { apiKeys } = decodeResponse(apiVersions, 0, frame, 4);
  return new Map(apiKeys.map(({ apiKey, maxVersion }) => [apiKey, maxVersion]));
}

/** Whether an error code anywhere in the answer means "not now". */
function wantsAgain(response: unknown): boolean {
  if (Array.isArray(response)) return response.some(wantsAgain);
  if (!isObject(response)) return false;
  return Object.entries(response).some(([name, value]) =>
    /errorCode$/i.test(name) ? AGAIN.has(value as never) : wantsAgain(value),
  );
}

/** Which of our ids stands where Kafka's stood. */
function learn(theirs: unknown, ours: unknown, ids: Map<unknown, unknown>): void {
  if (Array.isArray(theirs) && Array.isArray(ours)) {
    for (const [index, one] of inOrder(theirs).entries()) learn(one, inOrder(ours)[index], ids);
  } else if (isObject(theirs) && isObject(ours)) {
    for (const [name, value] of Object.entries(theirs)) {
      const own = ours[name];
      const isId = /^(topicId|memberId|leader)$/.test(name) && typeof value === 'string';
      if (isId && typeof own === 'string' && value !== '') ids.set(value, own);
      else if (name === 'sessionId' && value !== 0) ids.set(`session ${String(value)}`, own);
      else learn(value, own, ids);
    }
  }
}

function exchanged(value: unknown, ids: ReadonlyMap<unknown, unknown>, name = ''): unknown {
  if (name === 'sessionId') return ids.get(`session ${String(value)}`) ?? value;
  if (typeof value === 'string') return ids.get(value) ?? value;
  if (Array.isArray(value)) return value.map((one) => exchanged(one, ids));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, exchanged(one, ids, key)]),
  );
}

function compare(
  path: string,
  theirs: unknown,
  ours: unknown,
  note: (difference: string) => void,
): void {
  if (Array.isArray(theirs) && Array.isArray(ours)) {
    if (theirs.length !== ours.length) {
      note(`${path}: ${theirs.length} entries, ours ${ours.length}`);
      return;
    }
    const own = inOrder(ours);
    inOrder(theirs).forEach((one, index) => {
      compare(`${path}[]`, one, own[index], note);
    });
  } else if (isObject(theirs) && isObject(ours)) {
    for (const [name, value] of Object.entries(theirs)) {
      if (MASKED.test(name) || MOVING.test(name)) continue;
      compare(path === '' ? name : `${path}.${name}`, value, ours[name], note);
    }
  } else if (theirs !== ours && !(theirs instanceof Uint8Array)) {
    note(`${path}: ${show(path, theirs)}, ours ${show(path, ours)}`);
  }
}

/** By what names an entry: servers answer in an order of their own. */
function inOrder(list: readonly unknown[]): unknown[] {
  const key = (one: unknown): string => {
    if (!isObject(one)) return String(one);
    const naming = one['name'] ?? one['topic'] ?? one['groupId'] ?? one['group'] ?? '';
    const number = one['partitionIndex'] ?? one['index'] ?? one['partition'] ?? one['nodeId'] ?? 0;
    return `${String(naming)} ${String(number).padStart(6, '0')}`;
  };
  return [...list].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

function show(path: string, value: unknown): string {
  if (/errorCode$/i.test(path) && typeof value === 'number')
    return errorName(value) ?? String(value);
  return JSON.stringify(value) ?? 'nothing';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
}
