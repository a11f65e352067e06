#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: vm-too timeout=1800
"""Limits and address rules of a unit hold for the container in it, and who meets one is told so; the same with control groups of
version 1 (hosts) and 2 (the virtual machine), where podman makes groups of its own below the unit's."""

import json
import os
import pathlib
import socket
import sys
import threading
import time

sys.path.insert(0, "/mnt/tests/host")
from launchlib import *  # noqa: E402, F403
import podmanlib  # noqa: E402

SHORT = bool(os.environ.get("GANTRY_TEST_SHORT"))
REFUSED = ("EPERM", "EACCES", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT", "EAFNOSUPPORT")
METADATA = "169.254.169.254"


def hostile(do, network="none", limits=None, allowedHosts=(), **configuration):
    return actor(f"image:{podmanlib.HOSTILE}", "source", {"do": do, **configuration}, "podman", network=network, allowedHosts=list(allowedHosts),
                 **({"limits": limits} if limits else {}))


def inside(lab, do, **more):
    workload = lab.oneshot("check", hostile(do, **more))
    require(workload["status"] == "success", f"{do}: {workload.get('failure')}")
    return json.loads(workload["output"]["message"])


def test_the_limit_is_told(lab):
    """By an image of one program: making and running it takes an emulated machine little."""
    found = {}
    for what in (None, "hog"):
        source = actor(f"image:{podmanlib.STATIC}", "source", {"count": 1} | ({"do": what} if what else {}), "podman",
                       limits={"memoryMax": 64 << 20, "tasksMax": 32})
        found[what] = lab.oneshot("check", source)
    require(found[None]["status"] == "success", f"control: {found[None]}")
    require(found["hog"]["status"] == "failure" and "its limit of 64 MiB" in found["hog"]["failure"]["reason"], f"{found['hog']}")
    require(not podmanlib.containers(), "left over")


def test_memory(lab):
    tight = {"memoryMax": 64 << 20, "tasksMax": 32}
    inside(lab, "self_view", limits=tight)
    # In the host's network, too, a container sees its own control group.
    for network in ("none", "any"):
        workload = lab.oneshot("check", hostile("hog", network=network, limits=tight, mib=8))
        require(workload["status"] == "failure" and "its limit of 64 MiB" in workload["failure"]["reason"], f"{network}: {workload}")


def test_tasks(lab):
    for most in (32, 100):
        found = inside(lab, "forks", limits={"memoryMax": 256 << 20, "tasksMax": most}, n=500)
        require(most / 2 <= found["forks"] <= most, f"{most}: {found}")


def test_addresses(lab):
    """This machine and the cloud's metadata are out of reach, unless the configuration names them; what the fence of a unit says holds
    in the groups that podman makes below the unit's."""
    run("ip", "address", "replace", f"{METADATA}/32", "dev", "lo")
    listener = socket.create_server(("0.0.0.0", 0))
    port = listener.getsockname()[1]
    threading.Thread(target=greet, args=(listener,), daemon=True).start()
    here, metadata = f"127.0.0.1:{port}", f"{METADATA}:{port}"
    with socket.create_connection((METADATA, port)) as control:
        require(control.recv(5) == b"hello", "control: nobody answers there")
    found = inside(lab, "network", network="any", unix=[], tcp=[here], host=f"localhost:{port}")
    require(found[here] == "ok", f"named: {found}")
    for network, hosts in (("any", []), ("hosts", ["example.com"]), ("none", [])):
        found = inside(lab, "network", network=network, allowedHosts=hosts, hidden=hide(unix=[], tcp=[here, metadata]))
        require(all(v in REFUSED for k, v in found.items() if ":" in k), f"{network}: {found}")


def test_the_container_is_in_its_unit(lab):
    workload_id = lab.create("check", {"actor": hostile("wait", seconds=600)})
    lab.api.wait(workload_id, "running", *TERMINAL)
    unit = f"gantry-run-{lab.api.get(workload_id)['autoId']}-e1-connector.service"
    end = time.monotonic() + PATIENCE
    while not podmanlib.podman("ps", "--quiet", "--filter", f"name={unit.removesuffix('.service')}", check=False):
        require(time.monotonic() < end and lab.api.get(workload_id)["status"] not in TERMINAL, "it never ran")
        time.sleep(0.1)
    pid = podmanlib.podman("inspect", "--format", "{{.State.Pid}}", unit.removesuffix(".service"))
    group = run("systemctl", "show", "--value", "-p", "ControlGroup", unit)
    lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    require(all(line.split(":", 2)[2].startswith(group) for line in lines if "memory" in line or "pids" in line or line.startswith("0::")),
            f"{unit}: {lines}")
    lab.api.call("PUT", "workload/cancel", {"workloadId": workload_id, "source": "test", "reason": "enough"})
    run("busctl", "call", "org.gantry.Launcher1", "/org/gantry/Launcher1", "org.gantry.Launcher1.Manager", "Cancel", "s", workload_id)
    wait_gone()
    require(not podmanlib.containers() and not pathlib.Path(f"/proc/{pid}").exists(), "left over")


if __name__ == "__main__":
    podmanlib.make_static()
    if not SHORT:
        podmanlib.make_python(podmanlib.HOSTILE, "/mnt/tests/host/hostile-connector.py", user="airbyte")
    run("systemctl", "start", "gantry-workload.service")
    run_tests([value for name, value in list(globals().items()) if name.startswith("test_") and callable(value)
               and any(word in name for word in sys.argv[1:] or (("the_limit_is_told",) if SHORT else ("",)))])
