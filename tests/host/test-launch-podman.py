#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=1800
"""Connectors in images, run by podman in units: every operation; ends told apart; whoever is killed or stopped, the workload has one
end that is true, and neither unit nor container is left."""

import json
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, "/mnt/tests/host")
from launchlib import *  # noqa: E402, F403
from podmanlib import *  # noqa: E402, F403

ENDLESS = heldsync.ENDLESS
SECRET = "correct-horse-battery-staple"


def image(role="source", name=STATIC, paths=(), **configuration):
    return actor(f"image:{name}", role, configuration, "podman", paths=[{"path": str(p), "write": True} for p in paths])


def empty_place(name):
    place = files_place(name)
    (place / "numbers.jsonl").unlink(missing_ok=True)
    return place


def destination_at(name, **more):
    place = empty_place(name)
    return image("destination", paths=[place], path=str(place), **more), place / "numbers.jsonl"


def moved(path):
    return [json.loads(line)["record"]["data"] for line in path.read_text(encoding="utf-8").splitlines()]


def n_moved(path):
    """Whole lines: the last one of somebody who was killed may be torn."""
    return path.read_bytes().count(b"\n")


def wanted(count):
    return [{"id": n, "text": f"number {n}"} for n in range(1, count + 1)]


def require_nothing_left():
    wait_gone()
    end = time.monotonic() + PATIENCE
    while left := containers():
        require(time.monotonic() < end, f"containers are left: {left}")
        time.sleep(0.1)
    left = run("sh", "-c", "ls /var/lib/containers/storage/*-containers | grep -E '^[0-9a-f]{64}$' || true")
    require(not left, f"of containers is left: {left}")


def test_operations(lab):
    for name in (STATIC, PYTHON):
        spec = lab.oneshot("spec", actor(f"image:{name}", "source", None, "podman"))
        require(spec["status"] == "success" and "count" in spec["output"]["spec"]["connectionSpecification"]["properties"], f"{spec}")
        check = lab.oneshot("check", image(name=name, count=3))
        require(check["status"] == "success" and check["output"]["status"] == "succeeded", f"check: {check}")
        require([s["name"] for s in lab.catalog(image(name=name))["streams"]] == ["numbers"], "streams")
    require_nothing_left()


def test_syncs(lab):
    """From and to images, of a static program and of Python; from an image to a native one."""
    catalog = lab.catalog(image())
    for number, (source, destination) in enumerate(((STATIC, STATIC), (STATIC, PYTHON), (PYTHON, STATIC))):
        place = empty_place(f"sync-{number}")
        workload = lab.api.wait(lab.sync(image(name=source, count=5000), image("destination", destination, [place], path=str(place)),
                                         catalog)[0])
        require(workload["status"] == "success" and workload["output"]["status"] == "completed", f"sync: {json.dumps(workload)[:2000]}")
        require(moved(place / "numbers.jsonl") == wanted(5000), "other records than were sent")
        require(os.stat(place / "numbers.jsonl").st_uid == os.stat(FILES).st_uid, "the file is not gantry-files'")
        require(workload["output"]["source"]["exitCode"] == 0, f"{workload['output']}")
        usage = workload["output"]["source"]
        require(usage.get("maxRssKib", usage.get("maxRss", 1)) > 0, f"{usage}")
    place = files_place("sync-native")
    native = actor("native:destination-jsonl", "destination", {"path": str(place)}, "lite", paths=[{"path": str(place), "write": True}])
    workload = lab.api.wait(lab.sync(image(count=5000), native, catalog)[0])
    require(workload["status"] == "success", f"sync: {json.dumps(workload)[:2000]}")
    require(sum(len(p.read_text().splitlines()) for p in place.rglob("*.jsonl")) == 5000, "records")
    require_nothing_left()


def test_paths_of_any_characters(lab):
    """What podman, systemd or a shell would take apart is a path like others; control characters are refused with a sentence."""
    catalog = lab.catalog(image())
    for executor in ("podman", "lite", "service"):
        for name, refused in ((f"{executor}, : \" ' \\ % = $HOME ü ", None), (f"{executor}\nExecStopPost=", "control characters")):
            place = files_place(name)
            destination = (image("destination", PYTHON, [place], path=str(place)) if executor == "podman" else
                           actor("native:destination-jsonl", "destination", {"path": str(place)}, executor, paths=[{"path": str(place), "write": True}]))
            workload = lab.api.wait(lab.sync(image(count=10), destination, catalog)[0])
            if refused:
                require(workload["status"] == "failure" and refused in workload["failure"]["reason"], f"{executor}: {workload}")
            else:
                require(workload["status"] == "success", f"'{place}': {workload.get('failure')}")
                require(sum(p.read_bytes().count(b"\n") for p in place.rglob("*.jsonl")) == 10, f"'{place}'")
    require_nothing_left()


def start_endless(lab, source=None, **more):
    destination, path = destination_at(f"endless-{lab.job}", **more)
    return *lab.hold_endless(lambda count: source or image(count=count), lambda: destination, lab.catalog(image()), "/connector"), path


def processes(unit):
    """Programs by process id in a unit and below, whatever podman has made of its control group."""
    group = run("systemctl", "show", "--value", "-p", "ControlGroup", unit)
    found = {}
    for root in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup"):
        for file in pathlib.Path(root + group).rglob("cgroup.procs"):
            for pid in file.read_text(encoding="utf-8").split():
                try:
                    found[int(pid)] = pathlib.Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").replace("\0", " ")
                except OSError:
                    pass
        if found:
            break
    return found


def process_of(unit, word):
    end = time.monotonic() + PATIENCE
    while not (pids := [pid for pid, line in processes(unit).items() if line.startswith(word)]):
        require(time.monotonic() < end, f"{unit} has no {word}: {processes(unit)}")
        time.sleep(0.02)
    return pids[0]


def test_units_are_seen(lab):
    """The container's processes are in the unit, the unit is where systemd's tools show it, and nothing secret is where podman
    shows what it runs."""
    workload_id, slice_name, _ = start_endless(lab, image(count=ENDLESS, password=SECRET))
    unit = unit_of(slice_name, "source")
    process_of(unit, "/connector")
    status = run("systemctl", "status", "--no-pager", "--full", unit)
    require("/connector read" in status and "gantry-shim" in status and "conmon" in status, f"status: {status}")
    tree = run("systemd-cgls", "--no-pager", "--full", "-u", "gantry-jobs.slice")
    require(slice_name in tree and unit in tree and "/connector read" in tree, f"cgls: {tree}")
    wanted_names = sorted(u.removesuffix(".service") for u in units("gantry-run-*") if "worker" not in u)
    end = time.monotonic() + PATIENCE
    while sorted(names := containers()) != wanted_names:  # the other side's may still be on its way
        require(time.monotonic() < end, f"names: {names}, not {wanted_names}")
        time.sleep(0.05)
    shown = json.dumps([inspect(name) for name in names])
    require('"/connector"' in shown and SECRET not in shown, "control, or the secret is in podman inspect")
    for pid, line in processes(unit).items():
        require(SECRET not in line, f"{pid}: {line}")
        try:
            require(SECRET not in pathlib.Path(f"/proc/{pid}/environ").read_text(errors="replace"), f"{pid}: environ")
        except OSError:
            pass
    cancel(lab, workload_id)


def cancel(lab, workload_id):
    lab.api.call("PUT", "workload/cancel", {"workloadId": workload_id, "source": "test", "reason": "enough"})
    run("busctl", "call", "org.gantry.Launcher1", "/org/gantry/Launcher1", "org.gantry.Launcher1.Manager", "Cancel", "s", workload_id)
    require(lab.api.wait(workload_id)["status"] == "cancelled", "the cancel is overwritten")
    require_nothing_left()


def test_a_stopped_slice_is_a_cancelled_attempt(lab):
    workload_id, slice_name, path = start_endless(lab)
    run("systemctl", "stop", slice_name)
    workload = lab.api.wait(workload_id)
    require(workload["output"]["status"] == "cancelled" and "stopped" in workload["failure"]["reason"], f"{workload}")
    committed = next(s["recordsCommitted"] for s in workload["output"]["streams"])
    require(committed <= n_moved(path), "more is committed than is there")
    require_nothing_left()


def test_who_does_not_hear_is_killed(lab):
    """A connector that ignores SIGTERM: killed when the grace time is over, in its container."""
    workload_id, slice_name = lab.sync(image(do="deaf"), destination_at("deaf")[0], lab.catalog(image()))
    unit = unit_of(slice_name, "source")
    process_of(unit, "/connector")
    run("systemctl", "stop", slice_name)
    workload = lab.api.wait(workload_id)
    require(workload["status"] in ("failure", "cancelled"), f"{workload}")
    require_nothing_left()


def test_killed_ones(lab):
    """kill -9 of the connector, the container's first process, conmon, podman and the shim, on either side."""
    for role in ("source", "destination"):
        for word in ("/connector", "/run/podman-init", "/usr/bin/conmon", "/usr/bin/podman", "/usr/lib/gantry/gantry-shim"):
            workload_id, slice_name, path = start_endless(lab)
            os.kill(process_of(unit_of(slice_name, role), word), signal.SIGKILL)
            workload = lab.api.wait(workload_id)
            require(workload["status"] == "failure", f"{role} {word}: {workload}")
            failures = workload["output"]["failures"]
            require(any(f["failureOrigin"] == role for f in failures), f"{role} {word}: {failures}")
            require(next(s["recordsCommitted"] for s in workload["output"]["streams"]) <= n_moved(path), f"{role} {word}: states")
            require_nothing_left()
            print(f"   {role} {word}: {failures[0].get('internalMessage') or failures[0].get('externalMessage')}", flush=True)


def test_ends_are_told_apart(lab):
    """Codes that are podman's own, too; signals; memory; a container that never was."""
    for what, word in (("exit:1", "exited with code 1"), ("exit:125", "exited with code 125"), ("exit:127", "exited with code 127"),
                       ("signal:11", "11"), ("signal:9", "9")):
        workload = lab.oneshot("check", image(do=what))
        reason = workload.get("failure", {}).get("reason", "")
        require(workload["status"] == "failure" and word in reason, f"{what}: {workload}")
        require("memory" not in reason and "did not run" not in reason, f"{what}: {reason}")
    hungry = image(do="hog")
    hungry["limits"] = {"memoryMax": 64 << 20, "tasksMax": 32}
    workload = lab.oneshot("check", hungry)
    require(workload["status"] == "failure" and "its limit of 64 MiB" in workload["failure"]["reason"], f"hog: {workload}")
    for reference, words in (("localhost/nobody:1", ("localhost/nobody:1", "podman pull", "podman load")),
                             ("localhost/broken:1", ("/missing",))):
        workload = lab.oneshot("check", image(name=reference))
        reason = workload.get("failure", {}).get("reason", "")
        require(workload["status"] == "failure" and all(w in reason for w in words), f"{reference}: {workload}")
    for executor, reference in (("podman", "native:source-faker"), ("lite", f"image:{STATIC}")):
        workload = lab.oneshot("check", actor(reference, "source", {}, executor))
        require(workload["status"] == "failure" and "executor" in workload["failure"]["reason"], f"{workload}")
    require_nothing_left()


def test_without_podman(lab):
    os.rename("/usr/bin/podman", "/usr/bin/podman.away")
    try:
        workload = lab.oneshot("check", image())
    finally:
        os.rename("/usr/bin/podman.away", "/usr/bin/podman")
    require(workload["status"] == "failure" and "apt install podman" in workload["failure"]["reason"], f"{workload}")


def test_many_at_once(lab):
    """podman's own locks: containers that come and go while others do (with --userns=auto podman 4.3 waits for itself for ever)."""
    waiting = [lab.create("check", {"actor": image(count=1)}) for _ in range(24)]
    for workload_id in waiting:
        workload = lab.api.wait(workload_id)
        require(workload["status"] == "success", f"{workload}")
    require_nothing_left()


def test_what_a_crash_has_left_goes(lab):
    """Containers without a unit go once per boot, before the first new one; those of others stay (T19)."""
    podman("create", "--name", "ours", "--label", "org.gantry.unit=x", "--network=none", STATIC, "spec")
    podman("create", "--name", "others", "--network=none", STATIC, "spec")
    run("systemctl", "restart", "gantry-containers.service")
    left = containers()
    podman("rm", "--force", "others")
    require(left == ["others"], f"left: {left}")


def test_a_killed_launcher_changes_nothing(lab):
    workload_id, slice_name, source, count = lab.hold(lambda count: image(count=count), lambda: destination_at("launcher-killed")[0],
                                                      lab.catalog(image()), 100_000, "/connector")
    unit = unit_of(slice_name, "worker")
    worker = invocation(unit), main_pid(unit)
    require(heldsync.step(source), "its source has ended")
    kill_daemon("gantry-launcher.service")
    wake()
    require((invocation(unit), main_pid(unit)) == worker, "another worker runs")
    heldsync.go_on(source)
    workload = lab.api.wait(workload_id)
    path = FILES / "launcher-killed/numbers.jsonl"
    require(workload["status"] == "success" and moved(path) == wanted(count), f"{workload['status']}: {workload.get('failure')}")
    require_nothing_left()


def set_up():
    make_static()
    make_python(PYTHON, "/mnt/tests/host/image-connector.py", user="airbyte")
    # An image whose entry point isn't there.
    empty = pathlib.Path("/run/empty")
    empty.mkdir(exist_ok=True)
    make_image("localhost/broken:1", str(empty), 'ENTRYPOINT ["/missing"]')


if __name__ == "__main__":
    set_up()
    run_tests([value for name, value in list(globals().items()) if name.startswith("test_") and callable(value)
               and (len(sys.argv) < 2 or any(word in name for word in sys.argv[1:]))])
