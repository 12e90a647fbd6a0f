"""confluent-kafka: librdkafka 2.x by assign()."""

import confluent_kafka
from common import BOOTSTRAP, main
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)

TIMEOUT = 20


class Client:
    def version(self):
        return f"{confluent_kafka.version()} (librdkafka {confluent_kafka.libversion()[0]})"

    def metadata(self):
        found = admin().list_topics(timeout=TIMEOUT)
        return {
            "brokers": [f"{node.host}:{node.port}" for node in found.brokers.values()],
            "controller": found.controller_id in found.brokers,
            "topics": {name: len(topic.partitions) for name, topic in found.topics.items()},
        }

    def create(self, topic, partitions, configs):
        client = admin()
        wait(client.create_topics([NewTopic(topic, partitions, 1, config=configs)]))

    def delete(self, topic):
        client = admin()
        wait(client.delete_topics([topic]))

    def configs(self, topic):
        client = admin()
        [found] = wait(client.describe_configs([ConfigResource("topic", topic)]))
        return {name: entry.value for name, entry in found.items()}

    def offset(self, topic, at):
        specs = {
            "earliest": OffsetSpec.earliest(),
            "latest": OffsetSpec.latest(),
            "max-timestamp": OffsetSpec.max_timestamp(),
        }
        spec = OffsetSpec.for_timestamp(int(at)) if isinstance(at, float) else specs[at]
        client = admin()
        [found] = wait(client.list_offsets({TopicPartition(topic, 0): spec}))
        return found.offset

    def produce(self, topic, records, codec, idempotent):
        producer = Producer(
            {
                "bootstrap.servers": BOOTSTRAP,
                "enable.idempotence": idempotent,
                "acks": "all",
                "compression.type": codec,
                "linger.ms": 500,
                "message.max.bytes": 10_000_000,
                "message.timeout.ms": TIMEOUT * 1000,
            }
        )
        errors = []

        def on_delivery(error, _):
            if error is not None:
                errors.append(error)

        for key, value, headers, timestamp in records:
            producer.produce(
                topic, value, key, 0, on_delivery, timestamp=timestamp or 0, headers=headers
            )
        left = producer.flush(TIMEOUT)
        if errors or left:
            raise KafkaException(errors[0]) if errors else TimeoutError(f"{left} not delivered")

    def consume(self, topic, start, count, on_record):
        consumer = Consumer(
            {
                "bootstrap.servers": BOOTSTRAP,
                "group.id": "none",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_uncommitted",
                "check.crcs": True,
                "fetch.wait.max.ms": 100,
                "queued.max.messages.kbytes": 32 * 1024,
                # Not a second's rest whenever 100,000 records wait.
                "fetch.queue.backoff.ms": 10,
            }
        )
        if isinstance(start, float):
            [found] = consumer.offsets_for_times(
                [TopicPartition(topic, 0, int(start))], timeout=TIMEOUT
            )
            start = found.offset
        at = confluent_kafka.OFFSET_BEGINNING if start == "earliest" else start
        consumer.assign([TopicPartition(topic, 0, at)])
        while count > 0:
            for message in consumer.consume(min(count, 10_000), timeout=0.1):
                if message.error():
                    raise KafkaException(message.error())
                on_record(
                    message.offset(),
                    message.timestamp()[1],
                    message.key(),
                    message.value(),
                    message.headers(),
                )
                count -= 1

    def transactional(self, transactional_id):
        return Transactional(transactional_id)

    def read_committed(self, topic, count):
        consumer = Consumer(
            {
                "bootstrap.servers": BOOTSTRAP,
                "group.id": "none",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 100,
            }
        )
        consumer.assign([TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
        values = []
        while len(values) < count:
            for message in consumer.consume(count, timeout=0.1):
                if message.error():
                    raise KafkaException(message.error())
                values.append(message.value())
        return values

    def steered(self, topic, group):
        return Steered(topic, group)

    def create_partitions(self, topic, count):
        client = admin()
        wait(client.create_partitions([NewPartitions(topic, count)]))

    def alter(self, topic, name, value):
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        client = admin()
        resource = ConfigResource("topic", topic, incremental_configs=[entry])
        wait(client.incremental_alter_configs([resource]))

    def delete_records(self, topic, before):
        client = admin()
        wait(client.delete_records([TopicPartition(topic, 0, before)]))

    def groups(self):
        client = admin()
        return [one.group_id for one in client.list_consumer_groups().result(TIMEOUT).valid]

    def group_state(self, group):
        client = admin()
        [found] = wait(client.describe_consumer_groups([group]))
        return found.state.name.title()

    def delete_group(self, group):
        client = admin()
        wait(client.delete_consumer_groups([group]))

    def error_code(self, error):
        return error.args[0].code() if isinstance(error, KafkaException) else "?"


class Steered:
    def __init__(self, topic, group):
        self.topic = topic
        self.consumer = Consumer(
            {
                "bootstrap.servers": BOOTSTRAP,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
            }
        )
        self.consumer.subscribe([topic])

    def poll(self):
        found = self.consumer.consume(100, timeout=0.1)
        for message in found:
            if message.error():
                raise KafkaException(message.error())
        return [(message.partition(), message.offset()) for message in found]

    def pause(self, partition):
        self.consumer.pause([TopicPartition(self.topic, partition)])

    def resume(self, partition):
        self.consumer.resume([TopicPartition(self.topic, partition)])

    def seek(self, partition, offset):
        self.consumer.seek(TopicPartition(self.topic, partition, offset))

    def close(self):
        self.consumer.close()


class Transactional:
    def __init__(self, transactional_id):
        self.producer = Producer(
            {"bootstrap.servers": BOOTSTRAP, "transactional.id": transactional_id, "linger.ms": 0}
        )
        self.producer.init_transactions(TIMEOUT)

    def begin(self):
        self.producer.begin_transaction()

    def send(self, topic, value):
        self.producer.produce(topic, value, partition=0)
        # An abort drops what has not left yet, and there would be nothing to abort.
        self.producer.flush(TIMEOUT)

    def offsets(self, group, topic, offset):
        consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group})
        offsets = [TopicPartition(topic, 0, offset)]
        metadata = consumer.consumer_group_metadata()
        self.producer.send_offsets_to_transaction(offsets, metadata, TIMEOUT)

    def commit(self):
        self.producer.commit_transaction(TIMEOUT)

    def abort(self):
        self.producer.abort_transaction(TIMEOUT)


def admin():
    """Its futures fail once nothing refers to the client any more."""
    return AdminClient({"bootstrap.servers": BOOTSTRAP})


def wait(futures):
    return [future.result(TIMEOUT) for future in futures.values()]


main(Client())
