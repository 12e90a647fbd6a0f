"""confluent-kafka as a member of a group."""

from confluent_kafka import Consumer
from member import main


def join(group, topic, settings, bootstrap, say, is_over):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,
            **settings,
        }
    )
    last = None
    consumer.subscribe([topic])
    while not is_over():
        for message in consumer.consume(100, timeout=0.1):
            if message.error():
                raise RuntimeError(message.error())
            say(partition=message.partition(), offset=message.offset())
            consumer.commit(message, asynchronous=False)
        assigned = sorted(one.partition for one in consumer.assignment())
        if assigned != last:
            say(assigned=assigned)
            last = assigned
    consumer.close()


main(join)
