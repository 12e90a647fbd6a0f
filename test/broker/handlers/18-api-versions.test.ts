import t from 'tap';
import { features } from '#src/broker/features.js';
import { servedApis } from '#src/broker/handler.js';
import { allHandlers } from '#src/broker/handlers/all.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import { apiVersions } from '#src/protocol/messages/18-api-versions.js';
import { connectTo, startBroker } from '../../support/test-broker.js';

/** size | api key 18 | version | correlation id 0x01020304 | client id "c" | body */
function request(version: number, body: string): Buffer {
  const hex = `0012${version.toString(16).padStart(4, '0')}01020304000163${body}`;
  const frame = Buffer.from(hex, 'hex');
  const size = Buffer.alloc(4);
  size.writeInt32BE(frame.length);
  return Buffer.concat([size, frame]);
}

/** Tagged section of the header, software "kcat" "1.7", tagged section. */
const FLEXIBLE_BODY = `0005${Buffer.from('kcat').toString('hex')}04312e3700`;

t.test(
  'behaviour 1: header and body bytes of versions 0 to 5, each on a new connection',
  async (t) => {
    const broker = await startBroker(t);
    const served = servedApis(broker.services.handlers);
    for (let version = 0; version <= 5; version++) {
      const client = await connectTo(t, broker);
      client.sendBytes(request(version, version < 3 ? '' : FLEXIBLE_BODY));
      const frame = await client.nextFrame();
      t.equal(frame.readInt32BE(0), 0x01020304, 'header v0: the correlation id and nothing else');
      const body = frame.subarray(4);
      const hex = (number: number) => (number & 0xffff).toString(16).padStart(4, '0');
      if (version <= 2) {
        const apis = served.map(
          ({ key, versions }) => hex(key) + hex(versions.min) + hex(versions.max),
        );
        const count = served.length.toString(16).padStart(8, '0');
        const throttle = version === 0 ? '' : '00000000';
        t.equal(body.toString('hex'), `0000${count}${apis.join('')}${throttle}`);
      } else if (version <= 4) {
        const apis = served.map(
          ({ key, versions }) => `${hex(key)}${hex(versions.min)}${hex(versions.max)}00`,
        );
        const count = (served.length + 1).toString(16).padStart(2, '0');
        const start = `0000${count}${apis.join('')}00000000`;
        t.equal(body.toString('hex').slice(0, start.length), start);
        // Tagged: features that clients may read (none before 4 begins at 0), their epoch, those in force.
        const tags = body.subarray(start.length / 2);
        t.equal(tags[0], version === 3 ? 2 : 3);
        const named = features.filter(({ name }) => tags.includes(name));
        t.equal(named.length, features.length);
      } else {
        // error 35, then one entry: ApiVersions 0-4, all in the form of version 0
        t.equal(body.toString('hex'), '0023' + '00000001' + '0012' + '0000' + '0004');
      }
      const again = await client.request(apiVersions, 0, {
        clientSoftwareName: '',
        clientSoftwareVersion: '',
      });
      t.equal(again.errorCode, 0, 'the connection goes on');
    }
  },
);

t.test('a version far in the future, with a body that nobody knows', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  client.sendBytes(request(0x7fff, 'ffffffffffffff'));
  const frame = await client.nextFrame();
  t.equal(frame.subarray(4, 6).toString('hex'), '0023');
});

t.test('behaviour 2: the ranges that every client needs are advertised', async (t) => {
  const needed: Record<string, [number, number]> = {
    Produce: [0, 7],
    Fetch: [4, 12],
    ListOffsets: [1, 5],
    Metadata: [0, 9],
    FindCoordinator: [0, 4],
    ApiVersions: [0, 4],
    CreateTopics: [2, 7],
    DeleteTopics: [1, 6],
    DeleteRecords: [1, 2],
    InitProducerId: [0, 3],
    OffsetForLeaderEpoch: [2, 4],
    DescribeConfigs: [1, 2],
    AlterConfigs: [0, 2],
    CreatePartitions: [0, 1],
    IncrementalAlterConfigs: [0, 1],
    DescribeCluster: [0, 1],
  };
  const served = new Map(servedApis(allHandlers).map((api) => [api.name, api.versions]));
  for (const [name, [min, max]] of Object.entries(needed)) {
    const versions = served.get(name);
    t.ok(versions !== undefined && versions.min <= min && versions.max >= max, name);
  }
});

t.test('every advertised version has exactly one handler', async (t) => {
  for (const { key, versions } of servedApis(allHandlers)) {
    for (let version = versions.min; version <= versions.max; version++) {
      const handlers = allHandlers.filter(
        ({ message, versions: own }) =>
          message.key === key && own.min <= version && version <= own.max,
      );
      t.equal(handlers.length, 1, `${key} ${version}`);
      const [handler] = handlers;
      t.ok(handler !== undefined && handler.message.versions.min <= version);
      t.ok(handler !== undefined && handler.message.versions.max >= version);
    }
  }
});

t.test('names of client software are checked as Kafka does', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  const ask = async (clientSoftwareName: string, clientSoftwareVersion: string) =>
    (await client.request(apiVersions, 3, { clientSoftwareName, clientSoftwareVersion })).errorCode;
  t.equal(await ask('apache-kafka-java', '4.1.0'), 0);
  t.equal(await ask('', '1'), errorCodes.INVALID_REQUEST);
  t.equal(await ask('x', '-1-'), errorCodes.INVALID_REQUEST);
  t.equal(await ask('a\nb', '1'), errorCodes.INVALID_REQUEST);
  t.equal(await ask('a', '1'.repeat(300)), errorCodes.INVALID_REQUEST);
});
