#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source and destination for an image with Python: the records of image-connector.c, and their check."""

import json
import os
import sys

STREAM = {"name": "numbers", "json_schema": {"type": "object", "properties": {"id": {"type": "integer"}, "text": {"type": "string"}}},
          "supported_sync_modes": ["full_refresh"]}


def say(kind, **more):
    print(json.dumps({"type": kind, **more}), flush=kind != "RECORD")


def status(word):
    say("TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1,
                        "stream_status": {"stream_descriptor": {"name": "numbers"}, "status": word}})


def read(config):
    status("STARTED")
    for n in range(1, config.get("count", 10) + 1):
        say("RECORD", record={"stream": "numbers", "data": {"id": n, "text": f"number {n}"}, "emitted_at": 1})
    say("STATE", state={"type": "STREAM", "stream": {"stream_descriptor": {"name": "numbers"}, "stream_state": {"last": n}}})
    status("COMPLETE")


def write(config):
    with open(f"{config['path']}/numbers.jsonl", "a", encoding="utf-8") as out:
        for line in sys.stdin:
            message = json.loads(line)
            if message["type"] == "RECORD":
                out.write(line)
            elif message["type"] == "STATE":
                out.flush()
                os.fsync(out.fileno())
                print(line, end="", flush=True)


def main():
    verb = sys.argv[1]
    if verb == "spec":
        say("SPEC", spec={"connectionSpecification": {"type": "object", "properties": {
            "count": {"type": "integer"}, "path": {"type": "string", "gantry_path": "write"}}},
            "supported_destination_sync_modes": ["append", "overwrite"]})
        return
    path = sys.argv[sys.argv.index("--config") + 1]
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    # As Airbyte's CDK does.
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    if verb == "discover":
        say("CATALOG", catalog={"streams": [STREAM]})
    elif verb == "check":
        say("CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
    else:
        {"read": read, "write": write}[verb](config)


main()
