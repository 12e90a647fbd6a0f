/**
 * The metadata file as text: a head line and a JSON document.
 *
 *     millrace-metadata 1 sha256=<64 hex digits>\n
 *     {"revision":7,"nextProducerId":1000,"topics":[...]}\n
 *
 * The checksum covers every byte after the head line. A file that fails it is not used; which file is
 * used instead is the store's business (metadata-store.ts).
 */

import { createHash } from 'node:crypto';
import { topicNameProblem } from '../log/topic-name.js';
import type { Topic } from './metadata-image.js';
import { topic } from './metadata-image.js';

const VERSION = 1;
const HEAD = /^millrace-metadata (\d+) sha256=([0-9a-f]{64})\n/;
const TOPIC_ID = /^[A-Za-z0-9_-]{22}$/;

export interface MetadataDocument {
  /** Grows by one with every write; the higher of two copies is the newer. */
  readonly revision: number;
  /** First producer id that was never handed out. */
  readonly nextProducerId: number;
  readonly topics: readonly Topic[];
}

export type DecodedDocument =
  | { readonly ok: true; readonly document: MetadataDocument }
  | { readonly ok: false; readonly problem: string };

export function encodeMetadataDocument(document: MetadataDocument): Uint8Array {
  const topics = document.topics.map(({ name, id, partitionCount, configs, state }) => ({
    name,
    id,
    partitionCount,
    configs,
    state,
  }));
  const { revision, nextProducerId } = document;
  const body = Buffer.from(`${JSON.stringify({ revision, nextProducerId, topics })}\n`);
  const head = `millrace-metadata ${VERSION} sha256=${checksumOf(body)}\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

export function decodeMetadataDocument(bytes: Uint8Array): DecodedDocument {
  const head = HEAD.exec(Buffer.from(bytes.subarray(0, 128)).toString('latin1'));
  if (head === null) return problem('it does not begin with a millrace-metadata line');
  const [line, version, checksum] = head as unknown as [string, string, string];
  if (Number(version) !== VERSION) return problem(`its version is ${version}, known is ${VERSION}`);
  const body = bytes.subarray(line.length);
  if (checksumOf(body) !== checksum) return problem('its checksum is wrong');
  try {
    return readDocument(JSON.parse(Buffer.from(body).toString('utf8')));
  } catch (error) {
    return problem(`it is not JSON: ${(error as Error).message}`);
  }
}

function checksumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function readDocument(value: unknown): DecodedDocument {
  if (!isObject(value)) return problem('it holds no object');
  const { revision, nextProducerId, topics } = value;
  if (!isCount(revision) || !isCount(nextProducerId) || !Array.isArray(topics)) {
    return problem('a field is missing');
  }
  const read: Topic[] = [];
  for (const entry of topics as unknown[]) {
    const found = readTopic(entry);
    if (found === null) return problem(`a topic entry is malformed: ${JSON.stringify(entry)}`);
    read.push(found);
  }
  return { ok: true, document: { revision, nextProducerId, topics: read } };
}

function readTopic(value: unknown): Topic | null {
  if (!isObject(value)) return null;
  const { name, id, partitionCount, configs, state } = value;
  if (typeof name !== 'string' || topicNameProblem(name) !== null) return null;
  if (typeof id !== 'string' || !TOPIC_ID.test(id)) return null;
  if (!isCount(partitionCount) || partitionCount === 0) return null;
  if (state !== 'live' && state !== 'deleting') return null;
  if (!isObject(configs)) return null;
  if (!Object.values(configs).every((config) => typeof config === 'string')) return null;
  return topic({ name, id, partitionCount, configs: configs as Record<string, string>, state });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function problem(text: string): DecodedDocument {
  return { ok: false, problem: text };
}
