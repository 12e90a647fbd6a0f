/**
 * The metadata file as text: a head line and a JSON document.
 *
 *     millrace-metadata 2 crc32c=<8 hex digits>\n
 *     {"revision":7,"nextProducerId":1000,"topics":[...],"configs":[...],"quotas":[...]}\n
 *
 * The checksum covers every byte after the head line. Documents of version 1 have another one,
 * sha256=<64 hex digits>, and are the same but for that. A file that fails it is not used; which file is
 * used instead is the store's business (metadata-store.ts).
 */

import { createRequire } from 'node:module';
import { topicNameProblem } from '../log/topic-name.js';
import { crc32c } from '../record/checksum.js';
import {
  type ClientQuota,
  type ConfigResourceType,
  type QuotaEntity,
  type ResourceConfigs,
  type Topic,
  topic,
} from './metadata-image.js';

const VERSION = 2;
const HEAD = /^millrace-metadata (\d+) (\S+)\n/;
const TOPIC_ID = /^[A-Za-z0-9_-]{22}$/;

export interface MetadataDocument {
  /** Grows by one with every write; the higher of two copies is the newer. */
  readonly revision: number;
  /** First producer id that was never handed out. */
  readonly nextProducerId: number;
  readonly topics: readonly Topic[];
  /** Of brokers, client metrics and groups. Not in documents of the first version of this program. */
  readonly configs?: readonly ResourceConfigs[];
  readonly quotas?: readonly ClientQuota[];
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
  const { revision, nextProducerId, configs = [], quotas = [] } = document;
  const content = { revision, nextProducerId, topics, configs, quotas };
  const body = Buffer.from(`${JSON.stringify(content)}\n`);
  const head = `millrace-metadata ${VERSION} ${checksumOf(body, VERSION)}\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

export function decodeMetadataDocument(bytes: Uint8Array): DecodedDocument {
  const head = HEAD.exec(Buffer.from(bytes.subarray(0, 128)).toString('latin1'));
  if (head === null) return problem('it does not begin with a millrace-metadata line');
  const [line, version, checksum] = head as unknown as [string, string, string];
  const number = Number(version);
  if (number !== 1 && number !== VERSION) {
    return problem(`its version is ${version}, known are 1 to ${VERSION}`);
  }
  const body = bytes.subarray(line.length);
  if (checksumOf(body, number) !== checksum) return problem('its checksum is wrong');
  try {
    return readDocument(JSON.parse(Buffer.from(body).toString('utf8')));
  } catch (error) {
    return problem(`it is not JSON: ${(error as Error).message}`);
  }
}

function checksumOf(bytes: Uint8Array, version: 1 | 2): string {
  if (version === 2) return `crc32c=${crc32c(bytes).toString(16).padStart(8, '0')}`;
  // Loaded where it is needed: 2 ms of a start.
  const { createHash } = createRequire(import.meta.url)(
    'node:crypto',
  ) as typeof import('node:crypto');
  return `sha256=${createHash('sha256').update(bytes).digest('hex')}`;
}

function readDocument(value: unknown): DecodedDocument {
  if (!isObject(value)) return problem('it holds no object');
  const { revision, nextProducerId, topics, configs = [], quotas = [] } = value;
  if (!isCount(revision) || !isCount(nextProducerId) || !Array.isArray(topics)) {
    return problem('a field is missing');
  }
  if (!Array.isArray(configs) || !configs.every(isResourceConfigs)) {
    return problem('a config entry is malformed');
  }
  if (!Array.isArray(quotas) || !quotas.every(isQuota)) {
    return problem('a quota entry is malformed');
  }
  const read: Topic[] = [];
  for (const entry of topics as unknown[]) {
    const found = readTopic(entry);
    if (found === null) return problem(`a topic entry is malformed: ${JSON.stringify(entry)}`);
    read.push(found);
  }
  return { ok: true, document: { revision, nextProducerId, topics: read, configs, quotas } };
}

function readTopic(value: unknown): Topic | null {
  if (!isObject(value)) return null;
  const { name, id, partitionCount, configs, state } = value;
  if (typeof name !== 'string' || topicNameProblem(name) !== null) return null;
  if (typeof id !== 'string' || !TOPIC_ID.test(id)) return null;
  if (!isCount(partitionCount) || partitionCount === 0) return null;
  if (state !== 'live' && state !== 'deleting') return null;
  if (!isTexts(configs)) return null;
  return topic({ name, id, partitionCount, configs, state });
}

const RESOURCE_TYPES: readonly unknown[] = [
  'broker',
  'client-metrics',
  'group',
] satisfies ConfigResourceType[];

function isResourceConfigs(value: unknown): value is ResourceConfigs {
  if (!isObject(value)) return false;
  const { type, name, configs } = value;
  return RESOURCE_TYPES.includes(type) && typeof name === 'string' && isTexts(configs);
}

const ENTITY_TYPES: readonly string[] = ['user', 'client-id', 'ip'] satisfies (keyof QuotaEntity)[];

function isQuota(value: unknown): value is ClientQuota {
  if (!isObject(value)) return false;
  const { entity, values } = value;
  if (!isObject(entity) || !isObject(values)) return false;
  return (
    Object.entries(entity).every(
      ([type, name]) => ENTITY_TYPES.includes(type) && (name === null || typeof name === 'string'),
    ) && Object.values(values).every((one) => typeof one === 'number' && Number.isFinite(one))
  );
}

function isTexts(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((text) => typeof text === 'string');
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
