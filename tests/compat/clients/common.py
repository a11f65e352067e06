# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the client programs share. Each is run by test-clients.py on a host, with an interpreter that has its client:

    PYTHON CLIENT.py PLACE

PLACE is a JSON file: {"url": "http://127.0.0.1:8000", "clientId", "clientSecret", "workspaceId", "files": a directory below which
destinations may write, "connection": the id of a connection that ends, "lines": the file that it fills, "records": how many a sync
of it brings, "slow": the id of one that doesn't end by itself}."""

import json
import pathlib
import sys
import time

PATIENCE = 600


class Place:
    def __init__(self, path):
        given = json.loads(pathlib.Path(path).read_text())
        self.url, self.client_id, self.client_secret = given["url"], given["clientId"], given["clientSecret"]
        self.workspace, self.files = given["workspaceId"], given["files"]
        self.connection, self.slow, self.records = given["connection"], given["slow"], given["records"]
        self.lines = pathlib.Path(given["lines"])
        self.public, self.config = f"{self.url}/api/public/v1", f"{self.url}/api/v1"

    def count(self):
        """Records that the destination has, from all syncs so far."""
        return len(self.lines.read_text().splitlines()) if self.lines.exists() else 0


def wait_until(what, holds):
    """Clients have no events: they ask again and again. The end of patience is no measure."""
    end = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.2)
    return found


def raises(kind, call, *words):
    """The call must raise; the text of it must have all words."""
    try:
        result = call()
    except kind as error:
        for word in words:
            assert word in str(error), (word, str(error))
        return error
    raise AssertionError(f"was content with {result!r}")


def main(function):
    function(Place(sys.argv[1]))
    print("content")
