import t from 'tap';
import type { ClientTelemetryPush } from '#src/broker/telemetry/client-telemetry.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import { apiVersions } from '#src/protocol/messages/18-api-versions.js';
import { incrementalAlterConfigs } from '#src/protocol/messages/44-incremental-alter-configs.js';
import { getTelemetrySubscriptions } from '#src/protocol/messages/71-get-telemetry-subscriptions.js';
import { pushTelemetry } from '#src/protocol/messages/72-push-telemetry.js';
import { UUID_ZERO } from '#src/protocol/schema.js';
import { connectTo, startBroker } from '../../support/test-broker.js';

t.test('telemetry is advertised only where somebody takes it', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  const software = { clientSoftwareName: 'x', clientSoftwareVersion: '1' };
  const { apiKeys } = await client.request(apiVersions, 3, software);
  const keys = apiKeys.map(({ apiKey }) => apiKey);
  t.notOk(keys.includes(71) || keys.includes(72));
  client.send(getTelemetrySubscriptions, 0, { clientInstanceId: UUID_ZERO }).frame.catch(() => {});
  await client.closed();
});

t.test('a client asks, and pushes what it is asked for', async (t) => {
  const pushes: ClientTelemetryPush[] = [];
  const clientTelemetry = (push: ClientTelemetryPush) => pushes.push(push);
  const broker = await startBroker(t, {}, { clientTelemetry });
  const client = await connectTo(t, broker);
  await client.request(incrementalAlterConfigs, 1, {
    resources: [
      {
        resourceType: 16,
        resourceName: 'all',
        configs: [
          { name: 'metrics', configOperation: 0, value: '*' },
          { name: 'match', configOperation: 0, value: 'client_software_name=soft.*' },
        ],
      },
    ],
    validateOnly: false,
  });
  await client.request(apiVersions, 3, {
    clientSoftwareName: 'software',
    clientSoftwareVersion: '1.2',
  });
  const subscription = await client.request(getTelemetrySubscriptions, 0, {
    clientInstanceId: UUID_ZERO,
  });
  t.match(subscription, {
    errorCode: 0,
    acceptedCompressionTypes: [4, 3, 1, 2],
    telemetryMaxBytes: 2 ** 20,
    deltaTemporality: true,
    requestedMetrics: ['*'],
  });
  const { clientInstanceId, subscriptionId } = subscription;
  const push = (id: number, terminating = false) =>
    client.request(pushTelemetry, 0, {
      clientInstanceId,
      subscriptionId: id,
      terminating,
      compressionType: 0,
      metrics: Buffer.from('otlp'),
    });
  t.equal((await push(subscriptionId)).errorCode, 0);
  t.match(pushes, [
    { clientInstanceId, client: { clientId: 'raw-client', softwareName: 'software' } },
  ]);
  t.equal((await push(subscriptionId)).errorCode, errorCodes.THROTTLING_QUOTA_EXCEEDED);
  t.equal((await push(1, true)).errorCode, errorCodes.UNKNOWN_SUBSCRIPTION_ID);
  t.same(broker.services.telemetry?.counters, { pushes: 1, refused: 2, bytes: 4 });
});
