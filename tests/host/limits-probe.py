#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A connector that takes what it can get: `check` does what its configuration's "do" names and answers with what it got, as JSON;
`read` emits a record, holds memory, and ends or waits."""

import json
import os
import socket
import sys
import time

# Not in the configuration: one that names an address is let there.
PORT = 8099
ADDRESSES = ("127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254", "10.99.0.1")


def say(kind, body):
    print(json.dumps({"type": kind.upper(), kind: body}), flush=True)


def hold(mib):
    """Takes memory bit by bit, and uses it."""
    held = []
    for _ in range(mib):
        held.append(b"x" * (1 << 20))
    return held


def eat(config):
    return {"mib": len(hold(config["mib"]))}


def fork(config):
    children = 0
    try:
        while children < config["n"]:
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            children += 1
    except OSError:
        pass
    return {"children": children}


def burn(config):
    """The share of a processor that it gets, whatever the machine's speed."""
    start, used = time.monotonic(), time.process_time()
    while time.monotonic() - start < config["seconds"]:
        pass
    return {"share": (time.process_time() - used) / (time.monotonic() - start)}


def heard(address):
    """What comes back from there. A datagram that may not leave is refused at once, a connection by silence only."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(60)
        try:
            s.sendto(b"who", (address, PORT))
            return s.recv(5).decode()
        except OSError as error:
            return type(error).__name__


def connect(_):
    return {address: heard(address) for address in ADDRESSES}


def main():
    if sys.argv[1] == "spec":
        say("spec", {"connectionSpecification": {"type": "object"}})
        return
    with open(sys.argv[sys.argv.index("--config") + 1], encoding="utf-8") as file:
        config = json.load(file)
    if sys.argv[1] == "check":
        done = {f.__name__: f for f in (eat, fork, burn, connect)}[config["do"]](config) if "do" in config else {}
        print(json.dumps({"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED", "message": json.dumps(done)}}), flush=True)
    elif sys.argv[1] == "discover":
        schema = {"type": "object", "properties": {"id": {"type": "integer"}}}
        say("catalog", {"streams": [{"name": "taken", "json_schema": schema, "supported_sync_modes": ["full_refresh"]}]})
    else:
        say("record", {"stream": "taken", "data": {"id": 1}, "emitted_at": int(time.time() * 1000)})
        held = hold(config["mib"])
        time.sleep(config.get("seconds", 0))
        assert len(held) == config["mib"]


if __name__ == "__main__":
    main()
