#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Half a minute of random calls on the bus ends no daemon and grows none (T66); test-suite-fuzz-long.py goes on for an hour."""

import sys

sys.path.insert(0, "/mnt/tests/host")
import busfuzz  # noqa: E402
import suite  # noqa: E402


def test_T66_half_a_minute_of_random_calls():
    busfuzz.test(30)


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
