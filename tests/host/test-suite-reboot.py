#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: outside timeout=3600
"""A sync goes on by itself when the host is booted anew in its middle, in order or after a crash; one that runs while the bus is
started anew does not notice. Prints how soon after a boot the suite answers."""

import os
import pathlib
import subprocess
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import nspawn  # noqa: E402

PATIENCE = 1800
ASK = ["curl", "-sf", "--max-time", "300", "--unix-socket", "/run/gantry/server.sock", "http://localhost/api/public/v1/health"]


def sync(host, *words):
    host.call(["/mnt/tests/host/heldsync.py", *words], timeout=PATIENCE)


def test_the_bus_is_started_anew(host):
    sync(host, "hold", "bus")
    host.call(["systemctl", "restart", "dbus.service"])
    sync(host, "go", "bus")
    sync(host, "end", "bus", "1")


def booted(host, again):
    """Boots again; how long until the host was up, and until the suite has answered from cold."""
    start = time.monotonic()
    again()
    up = host.boot_seconds
    before = time.monotonic()
    host.call(ASK, timeout=PATIENCE)
    print(f"   up {up:.1f} s after the start of the boot (goal 10), the first answer {time.monotonic() - before:.2f} s later; "
          f"shut down before in {before - start - up:.1f} s", flush=True)


def test_a_crash_of_the_host(host):
    sync(host, "hold", "crash")
    booted(host, host.reset)
    sync(host, "end", "crash", "2")


def test_an_orderly_reboot(host):
    sync(host, "hold", "reboot")
    booted(host, host.reboot)
    sync(host, "end", "reboot", "2")  # the one that ended with the host failed; nobody cancelled the job


def main():
    base, failed = nspawn.Base(), 0
    nspawn.check_usable(base)
    with nspawn.Host(f"reboot-{os.getpid()}", base) as host:
        host.install()
        for name, test in list(globals().items()):
            if not name.startswith("test_") or (len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:])):
                continue
            start = time.monotonic()
            try:
                test(host)
                print(f"ok {name} ({time.monotonic() - start:.1f} s)", flush=True)
            except (nspawn.HostError, AssertionError, subprocess.TimeoutExpired):
                failed += 1
                print(f"not ok {name} ({time.monotonic() - start:.1f} s)\n{traceback.format_exc()}", flush=True)
        if failed:
            host.save_journal(nspawn.ROOT / "build/test-logs/host/suite-reboot.journal")
    return 1 if failed else 0


if __name__ == "__main__":
    nspawn.main("test-suite-reboot", main)
