import assert from 'node:assert/strict';
import t from 'tap';
import { apiByKey, apis } from '#src/protocol/api-table.js';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '#src/protocol/codec.js';
import { compile } from '#src/protocol/compile.js';
import { decodeRequestHeader, decodeResponseHeader } from '#src/protocol/headers.js';
import { interpret } from '#src/protocol/interpret.js';
import {
  decodeBody,
  encodeBody,
  fromJson,
  type GoldenFrame,
  goldenFrames,
  toJson,
} from './golden.js';

for (const api of apis) {
  t.test(`${api.name}: frames of Kafka decode to their values and encode to their bytes`, (t) => {
    const frames = goldenFrames(api);
    const seen = new Set<string>();
    for (const frame of frames) {
      seen.add(`${frame.version} ${frame.request}`);
      const schema = frame.request ? api.request : api.response;
      const bytes = Buffer.from(frame.hex, 'hex');
      const position = checkFrame(frame, bytes);
      const body = bytes.subarray(position);
      const input = fromJson(schema.fields, frame.body);
      for (const codec of [compile(schema, frame.version), interpret(schema, frame.version)]) {
        const decoded = decodeBody(codec, body);
        assert.deepStrictEqual(toJson(schema.fields, frame.version, decoded), frame.body);
        assert.equal(encodeBody(codec, input).toString('hex'), body.toString('hex'));
        assert.equal(encodeBody(codec, decoded).toString('hex'), body.toString('hex'));
      }
    }
    t.equal(seen.size, 2 * (api.versions.max - api.versions.min + 1), 'all versions');
    t.end();
  });

  /** Header and body by the public functions; answers where the body starts. */
  function checkFrame(frame: GoldenFrame, bytes: Buffer): number {
    const { version, correlationId, request, clientId } = frame;
    const schema = request ? api.request : api.response;
    const input = fromJson(schema.fields, frame.body) as never;
    const header = request
      ? decodeRequestHeader(bytes, apiByKey)
      : decodeResponseHeader(api, version, bytes);
    if (request) {
      const expected = { apiKey: api.key, apiVersion: version, correlationId, clientId, api };
      assert.deepStrictEqual({ ...expected, bodyPosition: header.bodyPosition }, header);
    }
    assert.equal(header.correlationId, correlationId);
    const decode = request ? decodeRequest : decodeResponse;
    const body = decode(api, version, bytes, header.bodyPosition);
    assert.deepStrictEqual(toJson(schema.fields, version, body), frame.body);
    const chunks = request
      ? encodeRequest(api, version, correlationId, clientId, input)
      : encodeResponse(api, version, correlationId, input);
    const encoded = Buffer.concat(chunks as Uint8Array[]);
    assert.equal(encoded.readInt32BE(0), encoded.length - 4);
    assert.equal(encoded.subarray(4).toString('hex'), frame.hex);
    return header.bodyPosition;
  }
}
