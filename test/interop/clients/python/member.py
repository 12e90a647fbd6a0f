"""The command line of the Python member programs: GROUP TOPIC [NAME=VALUE]..., until standard input ends."""

import json
import os
import select
import sys


def main(join):
    group, topic, *texts = sys.argv[1:]
    settings = dict(text.split("=") for text in texts)

    def say(**event):
        print(json.dumps(event), flush=True)

    def is_over():
        return bool(select.select([sys.stdin], [], [], 0)[0])

    join(group, topic, settings, os.environ["BOOTSTRAP"], say, is_over)
    os._exit(0)
