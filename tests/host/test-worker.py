#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""T01, T03, T08, T11, T16: the worker reaches the workload API's socket and nothing else. A probe with the worker's own fence and its
unit's properties tries; outside of it, as root, the same tries succeed. A worker at work has that fence around it."""

import grp
import json
import os
import pathlib
import re
import socket
import subprocess
import sys

sys.path.insert(0, "/mnt/tests/host")
from launchlib import *  # noqa: E402, F403

PROBE = pathlib.Path("/opt/confined-probe")
# Of capability.h, in the order of their numbers.
CAPABILITIES = {6: "CAP_SETGID", 7: "CAP_SETUID", 8: "CAP_SETPCAP", 21: "CAP_SYS_ADMIN"}
# What is no fence and no limit, or has its own test.
PLAIN = {"Description", "Slice", "Type", "RemainAfterExit", "CollectMode", "KillMode", "StandardOutput", "StandardError", "NotifyAccess",
         "TimeoutStopUSec", "ExecStart"}
AUTO_ID = "0190a6c2-7c1e-7abc-8def-0123456789ab"


def worker_plan():
    """The worker's unit as the launcher would ask for it: its arguments, and those properties that fence it in."""
    workload = pathlib.Path("/run/workload.json")
    workload.write_text(json.dumps({
        "id": "check", "autoId": AUTO_ID, "type": "check", "leaseEpoch": 1,
        "input": {"actor": actor("native:source-faker", "source", {"count": 1}, "lite")}}))
    plan = json.loads(run("/usr/lib/gantry/gantry-launcher", "--print-plan", workload))
    (unit,) = [u for u in plan["units"] if u["role"] == "worker"]
    properties = {name: value for name, (_, value) in unit["properties"].items()}
    return properties["ExecStart"][0][1], {name: value for name, value in properties.items() if name not in PLAIN}


def as_assignments(properties):
    for name, value in properties.items():
        if name == "CapabilityBoundingSet":
            value = " ".join(CAPABILITIES[n] for n in range(64) if value >> n & 1)
        elif name == "UMask":
            value = f"{value:04o}"
        yield f"--property={name}={value}"


def tries(*argv, properties=()):
    """What the probe says, in a unit of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0gantry-test")
        abstract.listen()
        told = run("systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--setenv=PORT={server.getsockname()[1]}",
                   "--setenv=ABSTRACT=gantry-test", f"--setenv=PID={os.getpid()}", *properties, PROBE, *argv)
    return dict(line.rsplit(" ", 1) for line in told.splitlines())


def test_T08_it_reaches_one_socket(lab):
    run("install", "-m", "0755", "/mnt/build/tests/tools/confined-probe", PROBE)
    argv, properties = worker_plan()
    require(argv[0] == "/usr/lib/gantry/gantry-worker" and argv[4] == SOCKET, f"{argv}")
    require(int(argv[1]) >= 0x7f000000 and argv[2] == argv[1] and int(argv[3]) == grp.getgrnam("gantry-workload").gr_gid, f"{argv}")
    found = tries(*argv[1:], properties=as_assignments(properties))
    reached = [name for name, result in found.items() if result == "ok"]
    # Its own system calls are no way out: what is left of them is to talk to the API.
    require(reached == [f"connect:{SOCKET}"], f"it reaches {reached}")
    # The positive control: root without that fence does all of it.
    control = tries("free", SOCKET)
    require(control.keys() == found.keys(), f"{control.keys() ^ found.keys()}")
    refused = [name for name, result in control.items() if result != "ok"]
    require(not refused, f"control: {[(name, control[name]) for name in refused]}")
    print(f"   {len(found)} tries, one of them succeeds; outside all do", flush=True)


def test_a_worker_by_hand_does_nothing(lab):
    """Without what the launcher tells it, it does not run unfenced: it does not run."""
    for arguments in ((), ("0", "0", "0", SOCKET), ("1", "1", "0"), ("1", "1", "0", "/etc/../etc"), ("-1", "1", "0", SOCKET)):
        done = subprocess.run(["/usr/lib/gantry/gantry-worker", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
        require(done.returncode == 1 and done.stderr and "packet" not in done.stderr, f"{arguments}: {done}")


def status_of(pid):
    return dict(re.findall(r"^(\w+):\s*(.*)$", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M))


def test_T16_a_worker_at_work_is_fenced_in(lab):
    def source(count):
        return actor("native:source-faker", "source", {"count": count, "seed": 1}, "lite")
    destination = actor("native:destination-devnull", "destination", {}, "lite")
    workload_id, slice_name, stopped, _ = lab.hold(source, lambda: destination, lab.catalog(source(1)), heldsync.ENDLESS)
    unit = unit_of(slice_name, "worker")
    lab.api.wait(workload_id, "running", *TERMINAL)
    pid, me = main_pid(unit), os.getpid()
    status, mine = status_of(pid), status_of(me)
    uid = status["Uid"].split()
    require(len(set(uid)) == 1 and int(uid[0]) >= 0x7f000000, f"uid {uid}")
    require(status["Gid"].split() == uid and status["Groups"].split() == [str(grp.getgrnam("gantry-workload").gr_gid)], f"{status}")
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        require(int(status[capabilities], 16) == 0, f"{capabilities} {status[capabilities]}")
    # The host itself may be in a container with filters of its own.
    filters, ours = int(status["Seccomp_filters"]), int(mine["Seccomp_filters"])
    require((status["NoNewPrivs"], status["Seccomp"]) == ("1", "2") and filters >= ours + 2, f"{filters} filters, here {ours}")
    for name in ("mnt", "net", "ipc", "uts", "cgroup"):
        require(os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/{me}/ns/{name}"), f"the host's {name} namespace")
    mounts = sorted(line.split()[4:6] for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
    require([m[0] for m in mounts] == ["/", os.path.dirname(SOCKET)], f"{mounts}")
    require(all({"nosuid", "nodev"} <= set(m[1].split(",")) for m in mounts) and mounts[0][1].startswith("ro"), f"{mounts}")
    inside = [str(path.relative_to(f"/proc/{pid}/root")) for path in pathlib.Path(f"/proc/{pid}/root").rglob("*")]
    require(sorted(inside) == ["run", "run/gantry", "run/gantry/workload", "run/gantry/workload/api.sock"], f"{inside}")
    held = sorted({os.readlink(path).split(":")[0] for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()})
    require(set(held) <= {"socket", "pipe", "anon_inode", "/memfd", "/dev/null"}, f"{held}")
    heldsync.go_on(stopped)
    lab.api.call("PUT", "workload/cancel", {"workloadId": workload_id, "source": "test", "reason": "enough"})
    run("busctl", "call", "org.gantry.Launcher1", "/org/gantry/Launcher1", "org.gantry.Launcher1.Manager", "Cancel", "s", workload_id)


if __name__ == "__main__":
    run_tests([value for name, value in list(globals().items()) if name.startswith("test_") and callable(value)])
