// The service under test: reads orders, keeps the total of each customer, and sends each new total on.
// It is given its Kafka client, so that a test can give it one that talks to a broker of its own.

async function startTotals(kafka) {
  const totals = new Map();
  const consumer = kafka.consumer({ groupId: 'totals', maxWaitTimeInMs: 100 });
  const producer = kafka.producer();
  await producer.connect();
  await consumer.connect();
  await consumer.subscribe({ topic: 'orders', fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      const customer = String(message.key);
      const total = (totals.get(customer) ?? 0) + Number(message.value);
      totals.set(customer, total);
      await producer.send({
        topic: 'totals',
        messages: [{ key: customer, value: String(total) }],
      });
    },
  });
  return {
    async stop() {
      await consumer.disconnect();
      await producer.disconnect();
    },
  };
}

module.exports = { startTotals };
