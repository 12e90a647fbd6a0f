"""kafka-python as a member of a group."""

from kafka import KafkaConsumer
from member import main


def join(group, topic, settings, bootstrap, say, is_over):
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        heartbeat_interval_ms=300,
        session_timeout_ms=10_000,
        **settings,
    )
    last = None
    while not is_over():
        # A join that is under way when a poll ends is lost (README.md): few polls end.
        for records in consumer.poll(1000).values():
            for record in records:
                say(partition=record.partition, offset=record.offset)
            consumer.commit()
        assigned = sorted(one.partition for one in consumer.assignment())
        if assigned != last:
            say(assigned=assigned)
            last = assigned
    consumer.close()


main(join)
