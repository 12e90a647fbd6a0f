import t from 'tap';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { baseOffsetOf, codecIdOf, maxTimestampOf, producerIdOf } from '#src/record/batch-view.js';
import { WALK_CRC, walkBatches, walkOut } from '#src/record/batch-walk.js';
import { compressionNames } from '#src/record/compression/codec.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import {
  connectTo,
  createTopic,
  fetchFrom,
  produceTo,
  startBroker,
} from '../support/test-broker.js';

const out = walkOut(1);

function batchBy(compression: (typeof compressionNames)[number], baseSequence: number) {
  const builder = new BatchBuilder({
    compression,
    producerId: 5,
    producerEpoch: 0,
    baseSequence,
  });
  for (let i = 0; i < 3; i++) {
    const value = Buffer.from(`${compression} ${i} `.repeat(30));
    builder.append({ timestamp: 1_700_000_000_000 + i, key: null, value, headers: [] });
  }
  return builder.build();
}

for (const type of ['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd']) {
  t.test(`compression.type ${type}: batches of every codec are stored with it`, async (t) => {
    const broker = await startBroker(t);
    const client = await connectTo(t, broker);
    for (const timestampType of ['CreateTime', 'LogAppendTime']) {
      const name = `${type}-${timestampType}`;
      const configs = { 'compression.type': type, 'message.timestamp.type': timestampType };
      await createTopic(client, name, { configs });
      let offset = 0;
      for (const compression of compressionNames) {
        const records = batchBy(compression, offset);
        const produced = await produceTo(client, name, [], { records });
        t.match(produced, { errorCode: 0, baseOffset: offset }, compression);
        const again = await produceTo(client, name, [], { records });
        t.match(again, { errorCode: 0, baseOffset: offset }, 'a repeated batch is recognized');
        const { records: stored } = await fetchFrom(client, name, { offset });
        const batch = stored as Uint8Array;
        t.equal(compressionNames[codecIdOf(batch, 0)], type === 'uncompressed' ? 'none' : type);
        t.equal(walkBatches(batch, 0, batch.length, out, WALK_CRC), 1);
        t.equal(baseOffsetOf(batch, 0), offset);
        t.equal(producerIdOf(batch, 0), 5);
        const isAppendTime = timestampType === 'LogAppendTime';
        if (isAppendTime) t.equal(maxTimestampOf(batch, 0), produced.logAppendTimeMs);
        else t.equal(maxTimestampOf(batch, 0), 1_700_000_000_002);
        const read = [...decodeBatch(batch, 0)];
        t.same(
          read.map((record) => [record.offset, Buffer.from(record.value as Uint8Array).toString()]),
          [0, 1, 2].map((i) => [offset + i, `${compression} ${i} `.repeat(30)]),
        );
        t.equal(read[1]?.timestamp, isAppendTime ? produced.logAppendTimeMs : 1_700_000_000_001);
        offset += 3;
      }
    }
  });
}
