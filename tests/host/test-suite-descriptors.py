#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=1200
"""No program of the suite closes a descriptor twice, while syncs end in all ways and the bus is asked at random: the second time it would
be somebody else's, the bus's connection perhaps. strace follows all of the host from process 1 on."""

import pathlib
import re
import subprocess
import sys

sys.path.insert(0, "/mnt/tests/host")
import busfuzz  # noqa: E402
import bususer  # noqa: E402
import heldsync  # noqa: E402
import suite  # noqa: E402

TRACE = pathlib.Path("/tmp/closes")
API = suite.Api()
OURS = re.compile(r"<(gantry|source-|destination-)[^>]*> close\(\d+\)")


def begin():
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-Y", "-Z", "-e", "trace=close", "-o", str(TRACE), "-p", "1"])
    suite.until(lambda: (suite.code("systemd-run", "--wait", "--quiet", "python3", "-c", "import os\ntry: os.close(777)\nexcept OSError: pass") == 0
                         and TRACE.exists() and "close(777)" in TRACE.read_text()), "a close of nothing, which must be seen")
    return tracer


def syncs():
    """That end well, are cancelled, lose their units, fail; and what is asked beside them."""
    destination = API.destination("closes", destinationType="dev-null")
    short = API.connect("short", API.source("short", sourceType="faker", count=3), destination)
    long = API.connect("long", API.source("long", sourceType="faker", count=heldsync.ENDLESS), destination)
    API.wait(API.start(short), "succeeded")
    API.wait(API.start(short, "reset"))
    job = API.start(long)
    suite.until(lambda: suite.attempt_slices(job), "its units")
    API.ask("DELETE", f"/jobs/{job}")
    API.wait(job, "cancelled")
    job = API.start(long)
    suite.until(lambda: suite.attempt_slices(job), "its units")
    suite.out("systemctl", "stop", *suite.attempt_slices(job))
    # Stopped while it was still being launched, an attempt has failed, and another one follows, which would not end by itself.
    suite.until(lambda: API.job(job)["status"] in suite.ENDED[:3] or len(API.attempts(job)) > 1, "the end of the attempt")
    API.ask("DELETE", f"/jobs/{job}", status=(200, 409))
    API.wait(job)
    return short, long


def test_no_descriptor_is_closed_twice():
    tracer = begin()
    try:
        suite.out("systemctl", "restart", *busfuzz.UNITS.values())
        known = [*syncs(), API.workspace]
        paths = [f"/org/gantry/Server1/connection/{bususer.encode(k)}" for k in known[:2]]
        print(bususer.as_user("root", busfuzz.run, 10, busfuzz.new_seed(), paths, known), flush=True)
        suite.out("systemctl", "stop", *busfuzz.UNITS.values())
    finally:
        tracer.terminate()
        tracer.wait()
    lines = [line for line in TRACE.read_text().splitlines() if OURS.search(line)]
    assert not lines, "\n".join(lines[:40])


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
