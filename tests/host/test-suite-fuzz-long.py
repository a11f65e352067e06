#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: soak timeout=9000
"""An hour of random calls on the bus (T66): see test-suite-fuzz.py."""

import sys

sys.path.insert(0, "/mnt/tests/host")
import busfuzz  # noqa: E402
import suite  # noqa: E402


def test_T66_an_hour_of_random_calls():
    busfuzz.test(3600)


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
