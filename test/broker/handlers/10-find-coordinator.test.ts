import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { findCoordinator } from '#src/protocol/messages/10-find-coordinator.js';
import { connectTo, startBroker } from '../../support/test-broker.js';

t.test('this node coordinates every group and transaction', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const here = { errorCode: 0, nodeId: 1, host: '127.0.0.1', port: broker.port };
  for (let version = 0; version <= 6; version++) {
    for (const keyType of version === 0 ? [0] : [0, 1]) {
      const answer = await client.request(findCoordinator, version, {
        key: 'g',
        keyType,
        coordinatorKeys: ['g', 'h'],
      });
      if (version < 4) t.match(answer, here);
      else
        t.match(answer.coordinators, [
          { ...here, key: 'g' },
          { ...here, key: 'h' },
        ]);
    }
  }
});

t.test('a key type that is not known is refused', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  const old = await client.request(findCoordinator, 3, { key: 'g', keyType: 9 });
  t.match(old, { errorCode: errorCodes.INVALID_REQUEST, nodeId: -1, host: '', port: -1 });
  const batch = await client.request(findCoordinator, 4, { keyType: 9, coordinatorKeys: ['g'] });
  t.match(batch.coordinators, [{ key: 'g', errorCode: errorCodes.INVALID_REQUEST, nodeId: -1 }]);
});
