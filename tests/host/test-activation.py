#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls start the daemons, by bus name and by socket, through the schema unit, as the right user; left alone, they leave.

Prints what a cold start takes; nothing fails for slowness."""

import os
import pathlib
import pwd
import re
import socket
import subprocess
import sys
import time

SERVICES = pathlib.Path("/usr/share/dbus-1/system-services")
# Daemons leave after 30 s without work; ten times that, and the machine's slowness on top.
PATIENCE = 400


def out(*argv, check=True):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}"
    return done.stdout.strip()


def show(unit, name):
    return out("systemctl", "show", "--property", name, "--value", unit)


def settle():
    """The schedules, which boot and each reload have looked at, are left alone from now on; what is being started has started: a
    start that is cancelled is one that the bus goes on waiting for, 25 s."""
    out("systemctl", "stop", "gantry-schedules.timer")
    wait_for_jobs()
    out("systemctl", "stop", "gantry-schedules.service")


def wait_for_jobs():
    end = time.monotonic() + PATIENCE
    while "gantry" in out("systemctl", "list-jobs"):
        assert time.monotonic() < end, out("systemctl", "list-jobs")
        time.sleep(0.1)


def stop_all():
    """Back to a host where nobody has asked for anything yet."""
    end = time.monotonic() + PATIENCE
    while True:
        # One that is being called just then cancels its stop, or comes back.
        wait_for_jobs()
        out("systemctl", "stop", "gantry.target", "gantry-schema.service", *daemons(), check=False)
        # Sockets that come and go this often meet their start limit.
        out("systemctl", "reset-failed")
        out("systemctl", "start", "gantry.target")
        if not running():
            return
        assert time.monotonic() < end, running()


def daemons():
    return sorted(p.name for p in pathlib.Path("/lib/systemd/system").glob("gantry-*.service")
                  if p.stem.removeprefix("gantry-") in ("launcher", "proxy", "server", "workflow", "workload"))


def running():
    return [unit for unit in daemons() if show(unit, "ActiveState") != "inactive"]


def bus_names():
    return sorted(p.stem for p in SERVICES.glob("org.gantry.*.service"))


def unit_of(name):
    return show(re.search(r"^SystemdService=(\S+)$", (SERVICES / f"{name}.service").read_text(), re.M).group(1), "Id")


def check_process(unit):
    """The daemon runs as the user that its unit names, and can't gain what it hasn't."""
    pid = int(show(unit, "MainPID"))
    assert pid > 0, f"{unit} has no process"
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    uid = int(re.search(r"^Uid:\s+(\d+)", status, re.M).group(1))
    wanted = show(unit, "User") or "root"
    assert uid == pwd.getpwnam(wanted).pw_uid, f"{unit} runs as {uid}, not as {wanted}"
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M), f"{unit} may gain privileges"
    assert re.search(r"^Seccomp:\s+2$", status, re.M), f"{unit} has no system call filter"


def test_a_call_starts_the_owner_of_the_name():
    for name in bus_names():
        stop_all()
        start = time.monotonic()
        out("busctl", "call", name, "/", "org.freedesktop.DBus.Peer", "Ping")
        took = time.monotonic() - start
        unit = unit_of(name)
        assert unit in running(), f"{name} did not start {unit}"
        check_process(unit)
        print(f"   {name}: {1000 * took:.0f} ms cold, schema included; {int(show(unit, 'MemoryCurrent')) >> 10} KiB")
        assert show(unit, "NRestarts") == "0" and show(unit, "Result") == "success", unit


def connect(path):
    """One request to a socket; the first line of what comes back."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return client.makefile("rb").readline()


def test_a_request_starts_the_owner_of_the_socket():
    for unit in ("gantry-server.service", "gantry-workload.service"):
        if unit not in daemons():
            continue
        stop_all()
        path = f"/run/gantry/{unit.removeprefix('gantry-').removesuffix('.service')}.sock"
        start = time.monotonic()
        answer = connect(path)
        print(f"   {path}: {1000 * (time.monotonic() - start):.0f} ms cold, schema included; {answer.decode().strip()}")
        assert answer.startswith(b"HTTP/1.1 "), answer
        assert unit in running(), unit


def test_the_workload_socket_is_for_the_few():
    if "gantry-workload.service" not in daemons():
        return
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            connect("/run/gantry/workload.sock")
        except PermissionError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0, "nobody reached the workload API"


def test_left_alone_they_leave():
    stop_all()
    for name in bus_names():
        out("busctl", "call", name, "/", "org.freedesktop.DBus.Peer", "Ping")
    started = running()
    assert started, "nothing runs, so nothing can leave"
    end = time.monotonic() + PATIENCE
    while running() and time.monotonic() < end:
        time.sleep(1)
    assert not running(), f"{running()} of {started} stay"
    for unit in started:
        assert show(unit, "Result") == "success", f"{unit} left with {show(unit, 'Result')}"


def test_an_upgrade_makes_the_schema_anew():
    out("systemctl", "start", "gantry-schema.service")
    before = show("gantry-schema.service", "InvocationID")
    out("sh", "-c", "DEBIAN_FRONTEND=noninteractive apt-get install --reinstall -y -qq /mnt/deb/gantry_*.deb")
    # Whoever was set off by the reload may have called it back already.
    assert show("gantry-schema.service", "ActiveState") == "inactive" or show("gantry-schema.service", "InvocationID") != before
    out("busctl", "call", "org.gantry.Server1", "/", "org.freedesktop.DBus.Peer", "Ping")
    assert show("gantry-schema.service", "ActiveState") == "active"
    assert show("gantry-schema.service", "InvocationID") != before


def main():
    failed = 0
    settle()
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                print(f"ok {name}", flush=True)
            except (AssertionError, OSError) as error:
                failed += 1
                print(f"not ok {name}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
