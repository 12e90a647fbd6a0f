/** Records of coordinators: what Kafka's classes wrote decodes to its values and encodes to its bytes. */

import { readFileSync } from 'node:fs';
import t from 'tap';
import { MillraceError } from '#src/base/errors.js';
import { compile } from '#src/protocol/compile.js';
import { interpret } from '#src/protocol/interpret.js';
import type { Schema } from '#src/protocol/schema.js';
import * as group from '#src/protocol/stored/group-records.js';
import {
  decodeStored,
  encodeStored,
  storedVersionOf,
} from '#src/protocol/stored/stored-message.js';
import { transactionLogKey, transactionLogValue } from '#src/protocol/stored/transaction-log.js';
import { decodeBody, encodeBody, fromJson, type JsonObject, toJson } from './golden.js';

interface Golden {
  readonly part: 'Key' | 'Value';
  readonly version: number;
  readonly body: JsonObject;
  readonly hex: string;
}

const files: readonly (readonly [string, Schema, Schema])[] = [
  ['offset-commit', group.offsetCommitKey, group.offsetCommitValue],
  ['group-metadata', group.groupMetadataKey, group.groupMetadataValue],
  ['consumer-group-metadata', group.consumerGroupKey, group.consumerGroupMetadataValue],
  [
    'consumer-group-member-metadata',
    group.consumerGroupMemberKey,
    group.consumerGroupMemberMetadataValue,
  ],
  [
    'consumer-group-target-assignment-metadata',
    group.consumerGroupKey,
    group.consumerGroupTargetAssignmentMetadataValue,
  ],
  [
    'consumer-group-target-assignment-member',
    group.consumerGroupMemberKey,
    group.consumerGroupTargetAssignmentMemberValue,
  ],
  [
    'consumer-group-current-member-assignment',
    group.consumerGroupMemberKey,
    group.consumerGroupCurrentMemberAssignmentValue,
  ],
  [
    'consumer-group-regular-expression',
    group.consumerGroupRegularExpressionKey,
    group.consumerGroupRegularExpressionValue,
  ],
  ['transaction-log', transactionLogKey, transactionLogValue],
];

for (const [name, key, value] of files) {
  t.test(name, (t) => {
    const path = new URL(`../../../test/golden/protocol/stored-${name}.json`, import.meta.url);
    const golden = JSON.parse(readFileSync(path, 'utf8')) as Golden[];
    for (const { part, version, body, hex } of golden) {
      const schema = part === 'Key' ? key : value;
      const bytes = Buffer.from(hex, 'hex');
      t.equal(storedVersionOf(bytes), version);
      t.same(
        toJson(schema.fields, version, decodeStored(schema, bytes)),
        body,
        `${part} ${version}`,
      );
      const encoded = encodeStored(schema, version, fromJson(schema.fields, body) as never);
      t.equal(Buffer.from(encoded).toString('hex'), hex);
      for (let size = 0; size < bytes.length; size++) {
        try {
          decodeStored(schema, bytes.subarray(0, size));
        } catch (error) {
          if (!(error instanceof MillraceError)) throw error;
        }
      }
    }
    t.ok(golden.length >= 6);
    t.end();
  });
}

t.test('a struct in a tagged section that is null, as Kafka 4.2 writes it', (t) => {
  const schema = group.consumerGroupMemberMetadataValue;
  const hex = '0000010101010101ffffffff0101000100';
  for (const codec of [compile(schema, 0), interpret(schema, 0)]) {
    const decoded = decodeBody(codec, Buffer.from(hex, 'hex').subarray(2));
    t.match(decoded, { rebalanceTimeoutMs: -1, classicMemberMetadata: null });
    t.equal(encodeBody(codec, decoded).toString('hex'), hex.slice(4));
  }
  t.end();
});
