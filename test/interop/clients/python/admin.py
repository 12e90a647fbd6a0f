"""An administrator's round trip with librdkafka; prints what it sees. Usage: admin.py HOST:PORT"""

import sys

from confluent_kafka import ElectionType, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)

TOPIC = "by-librdkafka"
servers = {"bootstrap.servers": sys.argv[1]}
admin = AdminClient(servers)


def answer(futures):
    """What the one future answers, or the name of its error."""
    (future,) = futures.values()
    try:
        return future.result()
    except Exception as error:
        return error.args[0].name()


def configs(operation, name, value):
    entry = ConfigEntry(name, value, incremental_operation=operation)
    resource = ConfigResource(ConfigResource.Type.TOPIC, TOPIC, incremental_configs=[entry])
    return answer(admin.incremental_alter_configs([resource]))


def described(name):
    resource = ConfigResource(ConfigResource.Type.TOPIC, TOPIC)
    return answer(admin.describe_configs([resource]))[name].value


print("create", answer(admin.create_topics([NewTopic(TOPIC, 2, 1)])))
print("again", answer(admin.create_topics([NewTopic(TOPIC, 2, 1)])))
print("three replicas", answer(admin.create_topics([NewTopic("x", 1, 3)])))
print("grow", answer(admin.create_partitions([NewPartitions(TOPIC, 3)])))
print("shrink", answer(admin.create_partitions([NewPartitions(TOPIC, 1)])))
producer = Producer(servers)
for _ in range(5):
    producer.produce(TOPIC, b"x", partition=0)
producer.flush()
print("trim", answer(admin.delete_records([TopicPartition(TOPIC, 0, 3)])).low_watermark)
print("append", configs(AlterConfigOpType.APPEND, "cleanup.policy", "compact"))
print("set", configs(AlterConfigOpType.SET, "retention.ms", "123456789"))
print("set wrongly", configs(AlterConfigOpType.SET, "retention.ms", "x"))
print("subtract a number", configs(AlterConfigOpType.SUBTRACT, "retention.ms", "1"))
end = answer(admin.list_offsets({TopicPartition(TOPIC, 0): OffsetSpec.latest()}))
print("end", end.offset)
print("configs", described("cleanup.policy"), described("retention.ms"))
topic = answer(admin.describe_topics(TopicCollection([TOPIC])))
print("partitions", len(topic.partitions))
elected = admin.elect_leaders(ElectionType.PREFERRED, [TopicPartition(TOPIC, 0)]).result()
print("elect", [error.name() for error in elected.values()])
print("delete", answer(admin.delete_topics([TOPIC])))
