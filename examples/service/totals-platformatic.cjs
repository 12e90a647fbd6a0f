// The same service for @platformatic/kafka, which has its clients as classes.

async function startTotals(
  { Consumer, Producer, stringDeserializers, stringSerializers },
  bootstrap,
) {
  const options = { clientId: 'totals', bootstrapBrokers: [bootstrap], retries: 5, retryDelay: 10 };
  const totals = new Map();
  const producer = new Producer({ ...options, serializers: stringSerializers });
  const consumer = new Consumer({
    ...options,
    groupId: 'totals',
    deserializers: stringDeserializers,
    maxWaitTime: 100,
  });
  const stream = await consumer.consume({ topics: ['orders'], mode: 'earliest', autocommit: true });
  const reading = (async () => {
    for await (const { key, value } of stream) {
      const total = (totals.get(key) ?? 0) + Number(value);
      totals.set(key, total);
      await producer.send({ messages: [{ topic: 'totals', key, value: String(total) }] });
    }
  })();
  return {
    async stop() {
      await stream.close();
      await reading;
      await consumer.close(true);
      await producer.close();
    },
  };
}

module.exports = { startTotals };
