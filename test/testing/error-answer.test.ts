/**
 * Errors in the right places: for every API and version, random requests; the answer encodes, each of
 * its error codes is the one asked for, and what the request named is there by its name.
 */

import fc from 'fast-check';
import t from 'tap';
import { chunksSize } from '#src/base/chunk.js';
import { apis } from '#src/protocol/api-table.js';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '#src/protocol/codec.js';
import { decodeRequestHeader, decodeResponseHeader } from '#src/protocol/headers.js';
import { produce } from '#src/protocol/messages/00-produce.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { type Api, type Field, type Fields, inRange } from '#src/protocol/schema.js';
import { errorAnswer, mergeAnswers } from '#src/testing/error-answer.js';
import { type Body, inScope, splitRequest } from '#src/testing/request-shape.js';
import { messageArbitrary } from '../protocol/random-message.js';

const CODE = 56;
const error = { code: CODE, message: 'planned' };

/** A body as the other side would see it. */
function overTheWire(api: Api, version: number, kind: 'request' | 'response', body: unknown): Body {
  const chunks =
    kind === 'request'
      ? encodeRequest(api, version, 1, 'c', body as never)
      : encodeResponse(api, version, 1, body as never);
  const frame = Buffer.concat(chunks as Uint8Array[], chunksSize(chunks)).subarray(4);
  if (kind === 'request') {
    const { bodyPosition } = decodeRequestHeader(frame, () => api);
    return decodeRequest(api, version, frame, bodyPosition) as Body;
  }
  const { bodyPosition } = decodeResponseHeader(api, version, frame);
  return decodeResponse(api, version, frame, bodyPosition) as Body;
}

const ERROR_FIELD = /^(partitionErrorCode|errorCode)$/;

/** [path, code] of every error code in a message. */
function codesIn(value: unknown, path = ''): [string, number][] {
  if (Array.isArray(value)) return value.flatMap((one) => codesIn(one, path));
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
  return Object.entries(value).flatMap(([name, inner]): [string, number][] =>
    ERROR_FIELD.test(name)
      ? [[`${path}.${name}`, inner as number]]
      : codesIn(inner, `${path}.${name}`),
  );
}

/** Where a response of that version has error codes. */
function errorPaths(fields: Fields, version: number, path = ''): string[] {
  return Object.entries(fields).flatMap(([name, { versions, element, fields: inner }]) => {
    if (!inRange(versions, version)) return [];
    if (ERROR_FIELD.test(name)) return [`${path}.${name}`];
    return errorPaths(element?.fields ?? inner ?? {}, version, `${path}.${name}`);
  });
}

/** Two elements in every array. */
function fullMessage(fields: Fields, version: number): Record<string, unknown> {
  const valueFor = (field: Field, i: number): unknown => {
    if (field.kind === 'array') return [0, 1].map((n) => valueFor(field.element as Field, n));
    if (field.fields !== null) return fullMessage(field.fields, version);
    if (field.kind === 'string') return `s${i}`;
    return field.default ?? new Uint8Array(0);
  };
  return Object.fromEntries(Object.entries(fields).map(([name, f]) => [name, valueFor(f, 0)]));
}

/** What no request names: the broker lists it by itself. */
const NEVER_NAMED: readonly string[] = [
  'Metadata.topics.partitions.errorCode',
  'DescribeTopicPartitions.topics.partitions.errorCode',
];

t.test('every API and version: the error is in each place that there is', (t) => {
  for (const api of apis) {
    for (let version = api.versions.min; version <= api.versions.max; version++) {
      const request = overTheWire(
        api,
        version,
        'request',
        fullMessage(api.request.fields, version),
      );
      const answer = errorAnswer(api, version, request, error);
      overTheWire(api, version, 'response', answer);
      const found = new Set(codesIn(answer).map(([path]) => path));
      const missing = errorPaths(api.response.fields, version).filter(
        (path) => !found.has(path) && !NEVER_NAMED.includes(api.name + path),
      );
      const logDirs = api.name === 'DescribeLogDirs' && version >= 3;
      t.same(missing, logDirs ? ['.results.errorCode'] : [], `${api.name} ${version}`);
    }
  }
  t.end();
});

t.test('every API and version: random requests are answered by that error alone', (t) => {
  for (const api of apis) {
    for (let version = api.versions.min; version <= api.versions.max; version++) {
      fc.assert(
        fc.property(messageArbitrary(api.request.fields, version), (input) => {
          const request = overTheWire(api, version, 'request', input);
          const answer = errorAnswer(api, version, request, error);
          overTheWire(api, version, 'response', answer);
          return codesIn(answer).every(([, code]) => code === CODE);
        }),
        { numRuns: 20 },
      );
    }
  }
  t.pass();
  t.end();
});

t.test('an answer names the topics and partitions of its request', (t) => {
  const request = {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1,
    topicData: [
      { name: 'a', topicId: 'x', partitionData: [{ index: 0 }, { index: 3 }] },
      { name: 'b', topicId: 'y', partitionData: [{ index: 1 }] },
    ],
  };
  const answer = overTheWire(produce, 9, 'response', errorAnswer(produce, 9, request, error));
  const shown = (answer.responses as readonly Body[]).map(({ name, partitionResponses }) => [
    name,
    (partitionResponses as readonly Body[]).map(({ index, errorCode, baseOffset }) => [
      index,
      errorCode,
      baseOffset,
    ]),
  ]);
  t.same(shown, [
    [
      'a',
      [
        [0, CODE, -1],
        [3, CODE, -1],
      ],
    ],
    ['b', [[1, CODE, -1]]],
  ]);
  t.same(errorAnswer(metadata, 9, { topics: null }, error).topics, []);
  t.end();
});

t.test('a request is parted by a topic and a partition, and the answers are put together', (t) => {
  const request = {
    topicData: [
      { name: 'a', partitionData: [{ index: 0 }, { index: 3 }] },
      { name: 'b', partitionData: [{ index: 3 }] },
    ],
  };
  const { matched, rest } = splitRequest(
    request,
    inScope({ topic: 'a', partition: 3 }),
    () => undefined,
  );
  t.same(matched, { topicData: [{ name: 'a', partitionData: [{ index: 3 }] }] });
  t.same(rest, {
    topicData: [
      { name: 'a', partitionData: [{ index: 0 }] },
      { name: 'b', partitionData: [{ index: 3 }] },
    ],
  });
  const whole = splitRequest(request, inScope({ topic: 'a' }), () => undefined);
  t.same(whole.rest, { topicData: [request.topicData[1]] });
  t.equal(splitRequest(request, inScope({ topic: 'c' }), () => undefined).matched, null);

  const merged = mergeAnswers(
    { throttleTimeMs: 5, responses: [{ name: 'a', partitionResponses: [{ index: 0 }] }] },
    { throttleTimeMs: 0, responses: [{ name: 'a', partitionResponses: [{ index: 3 }] }] },
  );
  t.same(merged, {
    throttleTimeMs: 5,
    responses: [{ name: 'a', partitionResponses: [{ index: 0 }, { index: 3 }] }],
  });
  t.end();
});
