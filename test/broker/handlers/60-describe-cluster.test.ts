import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { describeCluster } from '#src/protocol/messages/60-describe-cluster.js';
import { connectTo, startBroker } from '../../support/test-broker.js';

t.test('this node, its own controller', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  for (let version = 0; version <= 2; version++) {
    const answer = await client.request(describeCluster, version, {
      includeClusterAuthorizedOperations: version === 1,
      includeFencedBrokers: false,
    });
    t.match(answer, {
      errorCode: 0,
      clusterId: broker.clusterId,
      controllerId: 1,
      brokers: [{ brokerId: 1, host: '127.0.0.1', port: broker.port, isFenced: false }],
      clusterAuthorizedOperations: version === 1 ? 8096 : -(2 ** 31),
    });
  }
  const controllers = await client.request(describeCluster, 1, {
    includeClusterAuthorizedOperations: false,
    includeFencedBrokers: false,
    endpointType: 2,
  });
  t.equal(controllers.errorCode, errorCodes.MISMATCHED_ENDPOINT_TYPE);
});
