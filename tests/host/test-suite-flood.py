#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Floods on the bus neither end nor grow a daemon (T66); with $GANTRY_TEST_FULL in full size (docs/evidence/long-runs.md)."""

import os
import sys

sys.path.insert(0, "/mnt/tests/host")
import busflood  # noqa: E402
import busfuzz  # noqa: E402
import suite  # noqa: E402

FULL = os.environ.get("GANTRY_TEST_FULL")


def test_T66_floods_do_not_grow_or_end_a_daemon():
    suite.out("useradd", "alice", check=False)
    for name in busflood.TARGETS:
        busflood.flood(name, *((10**6, 10**5, 8, 1000) if FULL else (8000, 1000, 2, 64)))
    assert not busfuzz.deaths(), busfuzz.deaths()


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
