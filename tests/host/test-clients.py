#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that others wrote, unmodified, against the installed suite: Airbyte's SDK, Airflow's provider, dagster's, PyAirbyte.
They come through the proxy; their syncs run.

One client alone: run-client NAME in a host that has /mnt/clients (this file with arguments)."""
# host: clients compat timeout=3600

import base64
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

URL = "http://127.0.0.1:8000"
CLIENTS = pathlib.Path("/mnt/clients")
PROGRAMS = pathlib.Path("/mnt/tests/compat/clients")
FILES = "/srv/gantry/clients"
USERS = 25
# Of a destination that takes a millisecond for each record: what is not cancelled would take days, and what is ends when the
# destination has taken what lies in its pipe: some seconds, for which the answer of the cancel is held.
SLOW = {"destinationType": "dev-null", "test_destination": {"test_destination_type": "THROTTLED", "millis_per_record": 1}}


def credentials():
    """What an administrator gets from the bus."""
    answer = subprocess.run(["busctl", "--json=short", "call", "org.gantry.Server1", "/org/gantry/Server1",
                             "org.gantry.Server1.Manager", "GetCredentials"], stdout=subprocess.PIPE, check=True).stdout
    return json.loads(answer)["data"]


class Api:
    def __init__(self):
        self.client_id, self.secret = credentials()
        self.basic = "Basic " + base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()

    def ask(self, path, body=None):
        request = urllib.request.Request(f"{URL}/api/public/v1{path}", data=json.dumps(body).encode() if body else None,
                                         headers={"Authorization": self.basic, "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from error

    def connect(self, workspace, name, source, destination):
        source = self.ask("/sources", {"name": name, "workspaceId": workspace, "configuration": source})["sourceId"]
        destination = self.ask("/destinations", {"name": name, "workspaceId": workspace, "configuration": destination})
        return self.ask("/connections", {
            "name": name, "sourceId": source, "destinationId": destination["destinationId"],
            "configurations": {"streams": [{"name": "users", "syncMode": "full_refresh_append"}]}})["connectionId"]


def prepare():
    """A connection that ends and one that doesn't; where the clients find them."""
    os.makedirs(FILES, exist_ok=True)
    subprocess.run(["chown", "-R", "gantry-files:", FILES], check=True)
    api = Api()
    workspace = api.ask("/workspaces")["data"][0]["workspaceId"]
    place = {"url": URL, "clientId": api.client_id, "clientSecret": api.secret, "workspaceId": workspace, "files": FILES,
             "records": USERS, "lines": f"{FILES}/people/users.jsonl",
             "connection": api.connect(workspace, "people", {"sourceType": "faker", "count": USERS},
                                       {"destinationType": "jsonl", "path": f"{FILES}/people"}),
             "slow": api.connect(workspace, "slow", {"sourceType": "faker", "count": 300_000_000}, SLOW)}
    path = pathlib.Path("/run/clients.json")
    path.write_text(json.dumps(place))
    path.chmod(0o600)
    return path


def run_client(name, place):
    start = time.monotonic()
    done = subprocess.run([CLIENTS / name / "bin/python", PROGRAMS / f"by_{name}.py", place], check=False,
                          env=dict(os.environ, HOME="/root"))
    print(f"{'ok' if done.returncode == 0 else 'not ok'} {name} ({time.monotonic() - start:.1f} s)", flush=True)
    return done.returncode == 0


def main(names):
    place = prepare()
    return 0 if all([run_client(name, place) for name in names]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["sdk", "airflow", "dagster", "pyairbyte"]))
