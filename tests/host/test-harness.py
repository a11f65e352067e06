#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: outside
"""Hosts leave nothing behind: not when they end, not when what booted them is terminated or killed. A test of a host that has failed
is run once more by run-tests, and what it says then is true."""

import contextlib
import importlib.util
import io
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import nspawn  # noqa: E402

SHELL = nspawn.HERE / "shell"


def left(name):
    """What there is of a host on this machine."""
    found = [str(mount / f"gantry-host-{name}") for mount in nspawn.cgroup_mounts() if (mount / f"gantry-host-{name}").exists()]
    found += [str(path) for path in (nspawn.CACHE / "run" / name, nspawn.CACHE / "locks" / name) if path.exists()]
    mounts = pathlib.Path("/proc/self/mounts").read_text()
    return found + ([f"a mount of {name}"] if f"/run/{name}/" in mounts else [])


def boot(name):
    """Boots a host that waits; its process, and the id and start time of the host's init."""
    process = subprocess.Popen([SHELL, "--bare", name, "--", "sh", "-c", "echo up; exec sleep infinity"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline() == "up\n", "the host did not come up"
    leader, since = (nspawn.CACHE / "run" / name / "leader").read_text().split()
    assert nspawn.started(leader) == since
    assert left(name), "a host that is up must be found"
    return process, leader, since


def main():
    name = f"harness-{os.getpid()}"
    process, leader, since = boot(name)
    joined = subprocess.run([SHELL, name, "--", "hostname"], capture_output=True, text=True, check=True)
    assert joined.stdout == f"gantry-{name}\n", joined.stdout
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143, process.returncode
    assert nspawn.started(leader) != since and not left(name), left(name)
    print("ok terminated")

    process, leader, since = boot(name)
    process.kill()
    process.wait()
    # Another run of hosts may be sweeping just now, and then this one leaves it to that.
    end = time.monotonic() + 120
    while True:
        nspawn.sweep()
        if nspawn.started(leader) != since and not left(name):
            break
        assert time.monotonic() < end, left(name)
        time.sleep(0.1)
    print("ok killed and swept")

    done = subprocess.run([SHELL, "--bare", name, "--", "sh", "-c", "exit 7"], stderr=subprocess.DEVNULL, check=False)
    assert done.returncode == 7, done.returncode
    assert not left(name), left(name)
    print("ok exit status")


def test_reboot():
    """A host that boots again is the same host: its disk stays, its processes and its run-time files don't."""
    base = nspawn.Base()
    base.make()
    with nspawn.Host(f"reboot-{os.getpid()}", base) as host:
        for again in (host.reboot, host.reset):
            host.call(["sh", "-c", "echo kept >/var/lib/kept; sync; echo gone >/run/gone"])
            before = host.call(["cat", "/proc/sys/kernel/random/boot_id"]).stdout
            again()
            assert host.call(["cat", "/var/lib/kept"]).stdout == "kept\n"
            assert host.call(["cat", "/run/gone"], check=False).returncode != 0
            assert host.call(["cat", "/proc/sys/kernel/random/boot_id"]).stdout != before
        boots = host.call(["journalctl", "--list-boots", "--no-pager"]).stdout
        assert len(re.findall(r"\b[0-9a-f]{32}\b", boots)) == 3, boots
    print("ok reboot and reset")


# Stands for tests/host/run: "good" passes, "once" fails the first time, "never" always.
HOST_RUN = """#!/bin/sh
cd "$(dirname "$0")"
[ "$1" != --list ] || { echo good; echo once; echo never; exit; }
mkdir -p logs/host
passed=0 failed=0
for name; do
        runs=$(($(cat "runs-$name" 2>/dev/null || echo 0) + 1))
        echo "$runs" >"runs-$name"
        echo "run $runs" >"logs/host/$name.log"
        if [ "$name" = good ] || { [ "$name" = once ] && [ "$runs" -gt 1 ]; }; then
                passed=$((passed + 1))
                echo "pass $name (0.1 s, 0.0 s of a processor)"
        else
                failed=$((failed + 1))
                echo "FAIL $name (0.1 s, 0.0 s of a processor)"
        fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
"""


def run_tests(place, most=5):
    """`run-tests host` over the script above; its exit code and what it says."""
    spec = importlib.util.spec_from_file_location("run_tests", nspawn.ROOT / "tests/run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.HOST_RUN, module.LOGS, module.AGAIN_MOST = place / "run", place / "logs", most
    module.ROOT = place
    (place / "run").write_text(HOST_RUN)
    (place / "run").chmod(0o755)
    said, sys.argv = io.StringIO(), ["run-tests", "host"]
    with contextlib.redirect_stdout(said):
        code = module.main()
    return code, said.getvalue().splitlines()


def test_again():
    """Once more, alone, after all others; what passes then counts and is told as flaky, and the log of its failure is kept."""
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        code, lines = run_tests(place)
        assert code == 1 and lines[-1] == "2 passed, 1 failed, 0 skipped", lines
        assert lines[-2] == "1 flaky", lines
        (told,) = [line for line in lines if line.startswith("FLAKY ")]
        assert told == ("FLAKY once: failed, then passed on a fresh host "
                        "(log of the failure: build/test-logs/host/once.failed.log)"), told
        assert [(place / f"runs-{name}").read_text() for name in ("good", "once", "never")] == ["1\n", "2\n", "2\n"]
        assert (place / "logs/host/once.failed.log").read_text() == "run 1\n"
        assert (place / "logs/host/once.log").read_text() == "run 2\n"
        assert any("never, once more: failed again" in line for line in lines), lines
    with tempfile.TemporaryDirectory() as directory:
        # Where this many fail it is no accident.
        code, lines = run_tests(pathlib.Path(directory), most=1)
        assert code == 1 and lines[-1] == "1 passed, 2 failed, 0 skipped" and not any("FLAKY" in line for line in lines), lines
        assert (pathlib.Path(directory) / "runs-once").read_text() == "1\n"
    print("ok once more")


if __name__ == "__main__":
    main()
    test_reboot()
    test_again()
