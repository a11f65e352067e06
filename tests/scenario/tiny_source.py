#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source for tests of the command line, in plain Python. Its configuration says what it does:

streams: {name: rows}; state_every: N; pause_after: N (then waits for a signal); crash_after: N; exit: code;
password: a secret that it logs; control: a configuration that it announces; say_after_control: a line it logs then;
deaf: it takes no notice of SIGTERM; stderr_lines, log_lines: so many lines on standard error, LOG messages, half way."""

import json
import os
import signal
import sys
import time

SPEC = {"connectionSpecification": {
    "$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "required": ["streams"],
    "properties": {"streams": {"type": "object"}, "state_every": {"type": "integer", "minimum": 1},
                   "pause_after": {"type": "integer"}, "crash_after": {"type": "integer"},
                   "exit": {"type": "integer"}, "check": {"type": "string"},
                   "password": {"type": "string", "airbyte_secret": True}, "control": {"type": "object"},
                   "say_after_control": {"type": "string"}, "deaf": {"type": "boolean"},
                   "stderr_lines": {"type": "integer"}, "log_lines": {"type": "integer"}}}}


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")


def status(name, word):
    say(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": time.time() * 1000.0,
                             "stream_status": {"stream_descriptor": {"name": name}, "status": word}})


def state(name, cursor, count):
    say(type="STATE", state={"type": "STREAM", "stream": {"stream_descriptor": {"name": name},
                                                          "stream_state": {"id": cursor}},
                             "sourceStats": {"recordCount": float(count)}})


def option(name):
    return json.load(open(sys.argv[sys.argv.index(name) + 1])) if name in sys.argv else None


def discover(config):
    schema = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": ["null", "string"]},
                                               "email": {"type": ["null", "string"]}}}
    say(type="CATALOG", catalog={"streams": [
        {"name": name, "json_schema": schema, "supported_sync_modes": ["full_refresh", "incremental"],
         "source_defined_cursor": True, "default_cursor_field": ["id"], "source_defined_primary_key": [["id"]]}
        for name in config["streams"]]})


def flood(config):
    """As fast as the other side takes it."""
    line = b"a line that a connector writes when it has gone mad, again and again\n"
    for _ in range(config.get("stderr_lines", 0) // 1000):
        os.write(2, line * 1000)
    for _ in range(config.get("log_lines", 0) // 1000):
        sys.stdout.write('{"type":"LOG","log":{"level":"INFO","message":"a message of one that has gone mad"}}\n' * 1000)


def read(config, catalog, states):
    if isinstance(states, dict):  # what it wrote before there were states of streams, as the platform hands it back
        states = [{"stream": {"stream_descriptor": {"name": name}, "stream_state": of}} for name, of in states.items()]
    cursors = {s["stream"]["stream_descriptor"]["name"]: s["stream"]["stream_state"].get("id", 0) for s in states or []
               if "stream" in s}
    every, total = config.get("state_every", 1000), 0
    if "password" in config:
        say(type="LOG", log={"level": "WARN", "message": f"connecting with {config['password']}"})
    if "control" in config:
        say(type="CONTROL", control={"type": "CONNECTOR_CONFIG", "emitted_at": time.time() * 1000.0,
                                     "connectorConfig": {"config": dict(config, **config["control"])}})
    if "say_after_control" in config:
        say(type="LOG", log={"level": "INFO", "message": config["say_after_control"]})
    if config.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for entry in catalog["streams"]:
        name, pending = entry["stream"]["name"], 0
        status(name, "STARTED")
        first = cursors.get(name, 0) if entry["sync_mode"] == "incremental" else 0
        rows = config["streams"][name]
        for i in range(first + 1, rows + 1):
            say(type="RECORD", record={"stream": name, "emitted_at": int(time.time() * 1000),
                                       "data": {"id": i, "name": f"name {i}", "email": f"{i}@example.org"}})
            pending, total = pending + 1, total + 1
            if pending == every:
                state(name, i, pending)
                pending = 0
            if i == rows // 2:
                flood(config)
            if total == config.get("crash_after"):
                sys.stdout.flush()
                signal.raise_signal(signal.SIGKILL)
            if total == config.get("pause_after"):
                sys.stdout.flush()
                while True:
                    signal.pause()
        state(name, max(rows, first), pending)
        status(name, "COMPLETE")


def main():
    verb, config = sys.argv[1], option("--config")
    if verb == "spec":
        say(type="SPEC", spec=SPEC)
    elif verb == "check":
        say(type="CONNECTION_STATUS", connectionStatus={"status": "FAILED" if "check" in config else "SUCCEEDED",
                                                        "message": config.get("check", "").replace("PASSWORD", config.get("password", ""))})
    elif verb == "discover":
        discover(config)
    elif verb == "read":
        read(config, option("--catalog"), option("--state"))
    sys.stdout.flush()
    sys.exit(config.get("exit", 0) if config and verb == "read" else 0)


if __name__ == "__main__":
    main()
