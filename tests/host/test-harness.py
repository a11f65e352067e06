#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: outside
"""Hosts leave nothing behind: not when they end, not when what booted them is terminated or killed."""

import os
import pathlib
import re
import signal
import subprocess
import sys

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
    nspawn.sweep()
    assert nspawn.started(leader) != since and not left(name), left(name)
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


if __name__ == "__main__":
    main()
    test_reboot()
