// @platformatic/kafka in two versions.

import { main, sorted } from '../member.mjs';

export async function member({ Consumer }) {
  await main(async ({ group, topic, options, bootstrap }, say) => {
    const consumer = new Consumer({
      clientId: 'member',
      bootstrapBrokers: [bootstrap],
      groupId: group,
      heartbeatInterval: 300,
      sessionTimeout: 10_000,
      rebalanceTimeout: 20_000,
      maxWaitTime: 200,
      ...(options['group.protocol'] === undefined
        ? {}
        : { groupProtocol: options['group.protocol'] }),
    });
    const tell = () => {
      const own = consumer.assignments?.find((one) => one.topic === topic);
      say({ assigned: sorted(own?.partitions ?? []) });
    };
    for (const event of [
      'consumer:group:join',
      'consumer:group:rebalance',
      'consumer:group:sync',
    ]) {
      consumer.on(event, tell);
    }
    const stream = await consumer.consume({
      topics: [topic],
      mode: 'committed',
      fallbackMode: 'earliest',
      autocommit: 100,
    });
    tell();
    stream.on('data', ({ partition, offset }) => say({ partition, offset: Number(offset) }));
    stream.on('error', (error) => console.error(error));
    const timer = setInterval(tell, 200);
    return async () => {
      clearInterval(timer);
      await stream.close();
      await consumer.close(true);
    };
  });
}
