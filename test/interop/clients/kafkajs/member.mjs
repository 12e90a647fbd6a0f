import kafkajs from 'kafkajs';
import { main, sorted } from '../member.mjs';

const { Kafka, logLevel } = kafkajs;

await main(async ({ group, topic, bootstrap }, say) => {
  const kafka = new Kafka({ brokers: [bootstrap], clientId: 'member', logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({
    groupId: group,
    heartbeatInterval: 300,
    sessionTimeout: 10_000,
  });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
    say({ assigned: sorted(payload.memberAssignment[topic] ?? []) }),
  );
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: true,
    eachMessage: async ({ partition, message }) =>
      say({ partition, offset: Number(message.offset) }),
  });
  return () => consumer.disconnect();
});
