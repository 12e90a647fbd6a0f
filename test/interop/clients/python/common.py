"""The command line that the Python client programs share; README.md beside this folder describes it."""

import base64
import json
import os
import sys
import time

BOOTSTRAP = os.environ.get("BOOTSTRAP", "")


def main(client):
    command, args = sys.argv[1].replace("-", "_"), sys.argv[2:]
    try:
        globals()["do_" + command](client, *args)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        print(f"error {client.error_code(error)} {error}", file=sys.stderr)
        sys.stdout.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


def do_version(client):
    print(client.version())


def do_metadata(client):
    print(json.dumps(client.metadata()))


def do_create(client, topic, partitions, *configs):
    client.create(topic, int(partitions), dict(text.split("=") for text in configs))


def do_delete(client, topic):
    client.delete(topic)


def do_configs(client, topic):
    print(json.dumps(client.configs(topic)))


def do_offset(client, topic, at):
    print(client.offset(topic, parse_at(at)))


def do_produce(client, topic, file, *options):
    with open(file, encoding="utf-8") as lines:
        records = [parse_record(line) for line in lines if line.strip()]
    codec = options[options.index("--codec") + 1] if "--codec" in options else "none"
    client.produce(topic, records, codec, "--idempotent" in options)


def do_consume(client, topic, start, count):
    def write(offset, timestamp, key, value, headers):
        record = {
            "offset": offset,
            "timestamp": timestamp,
            "key": encode(key),
            "value": encode(value),
            "headers": [[name, encode(content)] for name, content in headers or []],
        }
        print(json.dumps(record))

    client.consume(topic, parse_at(start), int(count), write)


def do_transact(client, topic, source, group, transactional_id):
    def write(producer, values, offset=None):
        for value in values:
            producer.send(topic, value.encode())
        if offset is not None:
            producer.offsets(group, source, offset)

    producer = client.transactional(transactional_id)
    producer.begin()
    write(producer, ["committed 0", "committed 1"], 1)
    producer.commit()
    producer.begin()
    write(producer, ["aborted 0", "aborted 1"], 99)
    producer.abort()
    producer.begin()
    write(producer, ["committed 2"], 3)
    producer.commit()
    producer.begin()
    write(producer, ["zombie"])
    heir = client.transactional(transactional_id)
    heir.begin()
    try:
        producer.commit()
        fenced = False
    except Exception:
        fenced = True
    if not fenced:
        raise RuntimeError("a producer commits that has a successor")
    write(heir, ["committed 3"])
    heir.commit()
    print(json.dumps([value.decode() for value in client.read_committed(topic, 4)]))


def do_steer(client, topic, group):
    def say(**event):
        print(json.dumps(event), flush=True)

    def read(*counts):
        while tuple(seen) != counts:
            for partition, offset in consumer.poll():
                seen[partition] += 1
                say(partition=partition, offset=offset)

    seen = [0, 0]
    consumer = client.steered(topic, group)
    read(20, 20)
    consumer.pause(0)
    say(did="pause")
    read(20, 25)
    say(did="resume")
    consumer.resume(0)
    read(25, 25)
    say(did="seek")
    seen[:] = [0, 0]
    for partition in 0, 1:
        consumer.seek(partition, 5)
    read(20, 20)
    consumer.close()


def do_administer(client, topic, group):
    def partitions():
        return client.metadata()["topics"].get(topic)

    answer = {"again": 0}
    client.create(topic, 2, {})
    try:
        client.create(topic, 2, {})
    except Exception as error:
        answer["again"] = client.error_code(error)
    client.create_partitions(topic, 3)
    answer["partitions"] = soon(3, partitions)
    client.alter(topic, "retention.ms", "123456789")
    answer["retention"] = soon("123456789", lambda: client.configs(topic)["retention.ms"])
    client.produce(topic, [(None, b"x", [], None)] * 3, "none", False)
    client.delete_records(topic, 2)
    answer["earliest"] = client.offset(topic, "earliest")
    answer["listed"] = group in client.groups()
    answer["state"] = client.group_state(group)
    client.delete_group(group)
    answer["left"] = group in client.groups()
    client.delete(topic)
    answer["deleted"] = soon(None, partitions) is None
    print(json.dumps(answer))


def soon(wanted, read):
    """What read() answers once it is as wanted, or at last: a change may take a moment to be seen."""
    seen = read()
    for _ in range(50):
        if seen == wanted:
            break
        time.sleep(0.1)
        seen = read()
    return seen


def do_consume_text(client, topic, count):
    output = sys.stdout.buffer

    def write(offset, timestamp, key, value, headers):
        output.write(value)
        output.write(b"\n")

    client.consume(topic, "earliest", int(count), write)
    output.flush()


def parse_at(text):
    """An int is an offset, a float a time in milliseconds."""
    if text.startswith("@"):
        return float(text[1:])
    return int(text) if text.isdigit() else text


def parse_record(line):
    record = json.loads(line)
    headers = [(name, decode(content)) for name, content in record.get("headers", [])]
    return decode(record["key"]), decode(record["value"]), headers, record.get("timestamp")


def decode(text):
    return None if text is None else base64.b64decode(text)


def encode(content):
    return None if content is None else base64.b64encode(bytes(content)).decode()
