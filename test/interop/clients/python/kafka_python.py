"""kafka-python: a protocol implementation in plain Python, by assign()."""

import kafka
from common import BOOTSTRAP, main
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.structs import OffsetAndMetadata


class Client:
    def version(self):
        return kafka.__version__

    def metadata(self):
        consumer = make_consumer()
        topics = consumer.topics()
        cluster = consumer._client.cluster
        return {
            "brokers": [f"{node.host}:{node.port}" for node in cluster.brokers()],
            "topics": {name: len(consumer.partitions_for_topic(name)) for name in topics},
        }

    def create(self, topic, partitions, configs):
        make_admin().create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])

    def delete(self, topic):
        make_admin().delete_topics([topic])

    def configs(self, topic):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        found = make_admin().describe_configs([resource], config_filter="all")
        return {name: entry["value"] for name, entry in found["topic"][topic].items()}

    def offset(self, topic, at):
        partition = TopicPartition(topic, 0)
        consumer = make_consumer()
        if isinstance(at, float):
            found = consumer.offsets_for_times({partition: int(at)})[partition]
            return -1 if found is None else found.offset
        ask = consumer.beginning_offsets if at == "earliest" else consumer.end_offsets
        return ask([partition])[partition]

    def produce(self, topic, records, codec, idempotent):
        producer = KafkaProducer(
            bootstrap_servers=BOOTSTRAP,
            acks="all",
            enable_idempotence=idempotent,
            compression_type=None if codec == "none" else codec,
            linger_ms=500,
            batch_size=1_000_000,
            max_request_size=10_000_000,
        )
        sent = [
            producer.send(topic, value, key, headers, partition=0, timestamp_ms=timestamp)
            for key, value, headers, timestamp in records
        ]
        for future in sent:
            future.get(20)

    def consume(self, topic, start, count, on_record):
        consumer = make_consumer()
        partition = TopicPartition(topic, 0)
        if isinstance(start, float):
            start = consumer.offsets_for_times({partition: int(start)})[partition].offset
        consumer.assign([partition])
        if start == "earliest":
            consumer.seek_to_beginning(partition)
        else:
            consumer.seek(partition, start)
        while count > 0:
            polled = consumer.poll(500, max_records=min(count, 10_000))
            for record in polled.get(partition, []):
                on_record(
                    record.offset, record.timestamp, record.key, record.value, record.headers
                )
                count -= 1

    def transactional(self, transactional_id):
        return Transactional(transactional_id)

    def read_committed(self, topic, count):
        consumer = make_consumer(isolation_level="read_committed")
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        values = []
        while len(values) < count:
            for record in consumer.poll(500).get(partition, []):
                values.append(record.value)
        return values

    def steered(self, topic, group):
        return Steered(topic, group)

    def create_partitions(self, topic, count):
        make_admin().create_partitions({topic: NewPartitions(count)})

    def alter(self, topic, name, value):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={name: value})
        make_admin().alter_configs([resource])

    def delete_records(self, topic, before):
        make_admin().delete_records({TopicPartition(topic, 0): before})

    def groups(self):
        return [one["group_id"] for one in make_admin().list_groups()]

    def group_state(self, group):
        found = make_admin().describe_groups([group])
        return found[group]["group_state"]

    def delete_group(self, group):
        make_admin().delete_groups([group])

    def error_code(self, error):
        return getattr(error, "errno", "?")


class Steered:
    def __init__(self, topic, group):
        self.topic = topic
        self.consumer = KafkaConsumer(
            topic,
            bootstrap_servers=BOOTSTRAP,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=100,
        )

    def poll(self):
        found = self.consumer.poll(100).values()
        return [(record.partition, record.offset) for records in found for record in records]

    def pause(self, partition):
        self.consumer.pause(TopicPartition(self.topic, partition))

    def resume(self, partition):
        self.consumer.resume(TopicPartition(self.topic, partition))

    def seek(self, partition, offset):
        self.consumer.seek(TopicPartition(self.topic, partition), offset)

    def close(self):
        self.consumer.close()


class Transactional:
    def __init__(self, transactional_id):
        self.producer = KafkaProducer(
            bootstrap_servers=BOOTSTRAP, transactional_id=transactional_id, linger_ms=0
        )
        self.producer.init_transactions()

    def begin(self):
        self.producer.begin_transaction()

    def send(self, topic, value):
        self.producer.send(topic, value, partition=0).get(20)

    def offsets(self, group, topic, offset):
        offsets = {TopicPartition(topic, 0): OffsetAndMetadata(offset, "", -1)}
        self.producer.send_offsets_to_transaction(offsets, group)

    def commit(self):
        self.producer.commit_transaction()

    def abort(self):
        self.producer.abort_transaction()


def make_admin():
    return KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def make_consumer(**more):
    return KafkaConsumer(
        bootstrap_servers=BOOTSTRAP,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=4 * 1024 * 1024,
        **more,
    )


main(Client())
