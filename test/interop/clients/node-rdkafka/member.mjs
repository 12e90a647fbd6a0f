import { promisify } from 'node:util';
import kafka from 'node-rdkafka';
import { main, sorted } from '../member.mjs';

await main(async ({ group, topic, options, bootstrap }, say) => {
  const consumer = new kafka.KafkaConsumer(
    {
      'bootstrap.servers': bootstrap,
      'client.id': 'member',
      'group.id': group,
      'enable.auto.commit': false,
      'fetch.wait.max.ms': 100,
      ...options,
      rebalance_cb: true,
    },
    { 'auto.offset.reset': 'earliest' },
  );
  // node-rdkafka's own callback assigns first.
  let leaving = false;
  const tell = () => {
    // It has no assignments any more when it has begun to leave.
    if (leaving) return;
    say({ assigned: sorted(consumer.assignments().map(({ partition }) => partition)) });
  };
  consumer.on('rebalance', () => setImmediate(tell));
  consumer.on('data', ({ partition, offset }) => {
    say({ partition, offset });
    consumer.commit({ topic, partition, offset: offset + 1 });
  });
  await promisify(consumer.connect.bind(consumer))({});
  consumer.subscribe([topic]);
  consumer.consume();
  return () => {
    leaving = true;
    return promisify(consumer.disconnect.bind(consumer))();
  };
});
