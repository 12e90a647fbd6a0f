import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { seededRandom } from '#src/base/random.js';
import {
  ClientTelemetry,
  type ClientTelemetryPush,
  type Subscription,
} from '#src/broker/telemetry/client-telemetry.js';
import { MetadataImage } from '#src/cluster/metadata-image.js';
import { UUID_ZERO } from '#src/protocol/schema.js';
import { codecById } from '#src/record/compression/codecs.js';
import { keepingLogger } from '../../support/keeping-logger.js';

const client = {
  clientId: 'shop-7',
  softwareName: 'librdkafka',
  softwareVersion: '2.15.0',
  address: '10.1.2.3',
  port: 5000,
};

function telemetryOf(
  configs: Record<string, Record<string, string>>,
  receive?: (push: ClientTelemetryPush) => void,
) {
  const clock = new ManualClock();
  const image = new MetadataImage();
  const set = (name: string, own: Record<string, string>) =>
    image.putConfigs({ type: 'client-metrics', name, configs: own });
  for (const [name, own] of Object.entries(configs)) set(name, own);
  const received: ClientTelemetryPush[] = [];
  const telemetry = new ClientTelemetry({
    clock,
    random: seededRandom(1),
    logger: keepingLogger(),
    image: () => image,
    pushBytesMax: 1000,
    receive: receive ?? ((push) => received.push(push)),
  });
  const subscribe = (id = UUID_ZERO, who = client): Subscription => {
    const subscription = telemetry.subscribe(id, who);
    if (typeof subscription === 'string') throw new Error(subscription);
    return subscription;
  };
  return { clock, telemetry, received, subscribe, set };
}

function push(subscription: Subscription, more: object = {}) {
  return {
    clientInstanceId: subscription.clientInstanceId,
    subscriptionId: subscription.subscriptionId,
    terminating: false,
    compressionType: 0,
    metrics: Buffer.from('metrics'),
    ...more,
  };
}

t.test('without a subscription nothing is asked for', async (t) => {
  const { subscribe } = telemetryOf({});
  const subscription = subscribe();
  t.not(subscription.clientInstanceId, UUID_ZERO);
  t.match(subscription, { pushIntervalMs: 300_000, requestedMetrics: [] });
  t.not(subscribe().clientInstanceId, subscription.clientInstanceId, 'each has its own id');
});

t.test('what matches is put together; all metrics go before some', async (t) => {
  const { subscribe, set } = telemetryOf({
    a: { metrics: 'org.a.,org.b.', 'interval.ms': '60000' },
    b: { metrics: 'org.b.,org.c.', 'interval.ms': '5000', match: 'client_id=shop-.*' },
    c: { metrics: 'org.d.', match: 'client_id=shop' },
    d: { metrics: 'org.e.', match: 'client_id=shop-7,client_software_name=java' },
  });
  t.match(subscribe(), { pushIntervalMs: 5000, requestedMetrics: ['org.a.', 'org.b.', 'org.c.'] });
  const other = subscribe(UUID_ZERO, { ...client, clientId: 'x' });
  t.match(other, { pushIntervalMs: 60_000, requestedMetrics: ['org.a.', 'org.b.'] });
  set('e', { metrics: '*', match: 'client_source_port=5000,client_source_address=10\\..*' });
  t.match(subscribe(), { requestedMetrics: ['*'] });
  set('f', { metrics: 'x', match: 'client_software_version=3.*' });
  t.match(subscribe(UUID_ZERO, { ...client, port: 1 }).requestedMetrics.includes('x'), false);
});

t.test('pushes are taken in their time, decompressed, counted', async (t) => {
  const { clock, telemetry, received, subscribe } = telemetryOf({
    a: { metrics: '*', 'interval.ms': '1000' },
  });
  const subscription = subscribe();
  for (const compressionType of [0, 1, 2, 3, 4]) {
    const metrics = codecById(compressionType).compress(Buffer.from('a metric '.repeat(9)));
    t.equal(telemetry.push(push(subscription, { compressionType, metrics }), client), null);
    t.equal(Buffer.from(received.at(-1)?.metrics ?? []).toString(), 'a metric '.repeat(9));
    clock.advance(1000);
  }
  t.match(received[0], { client, terminating: false });
  t.same(telemetry.counters, { pushes: 5, refused: 0, bytes: 5 * 81 });
  t.equal(telemetry.push(push(subscription), client), null);
  t.equal(telemetry.push(push(subscription), client), 'THROTTLING_QUOTA_EXCEEDED', 'too early');
  t.equal(
    telemetry.subscribe(subscription.clientInstanceId, client),
    'THROTTLING_QUOTA_EXCEEDED',
    'and so is asking',
  );
  t.equal(telemetry.push(push(subscription, { terminating: true }), client), null, 'but the last');
  clock.advance(1000);
  t.equal(telemetry.push(push(subscription), client), 'INVALID_REQUEST', 'it said it would end');
});

t.test('what is wrong with a push', async (t) => {
  const { clock, telemetry, subscribe, set } = telemetryOf({
    a: { metrics: '*', 'interval.ms': '1000' },
  });
  const subscription = subscribe();
  const refused = (more: object) => {
    clock.advance(1000);
    return telemetry.push(push(subscription, more), client);
  };
  t.equal(refused({ clientInstanceId: UUID_ZERO }), 'INVALID_REQUEST');
  t.equal(refused({ metrics: Buffer.alloc(1001) }), 'TELEMETRY_TOO_LARGE');
  t.equal(refused({ compressionType: 5 }), 'UNSUPPORTED_COMPRESSION_TYPE');
  t.equal(refused({ compressionType: 1 }), 'INVALID_RECORD', 'not gzip');
  const bomb = codecById(1).compress(Buffer.alloc(100_000));
  t.ok(bomb.length < 1000);
  t.equal(refused({ compressionType: 1, metrics: bomb }), 'TELEMETRY_TOO_LARGE');
  t.equal(refused({ subscriptionId: 1 }), 'UNKNOWN_SUBSCRIPTION_ID');
  t.ok(typeof telemetry.subscribe(subscription.clientInstanceId, client) === 'object', 'ask again');
  set('a', { metrics: 'org.', 'interval.ms': '1000' });
  t.equal(refused({}), 'UNKNOWN_SUBSCRIPTION_ID', 'the configs have changed');
  const unknown = 'BBBBBBBBBBBBBBBBBBBBBA';
  t.equal(refused({ clientInstanceId: unknown }), 'UNKNOWN_SUBSCRIPTION_ID');
  t.equal(telemetry.counters.refused, 8);
});

t.test('whoever takes the metrics may refuse them', async (t) => {
  const { telemetry, subscribe } = telemetryOf({ a: { metrics: '*' } }, () => {
    throw new Error('full');
  });
  t.equal(telemetry.push(push(subscribe()), client), 'INVALID_RECORD');
});
