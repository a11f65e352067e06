#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: vm-too timeout=1800
"""Limits of a definition hold for what the launcher starts, and who meets one is told so: memory with its limit as the reason,
tasks, processor time, addresses. The same on cgroup v1 (hosts) and v2 (the virtual machine)."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402

PROBE = pathlib.Path("/opt/probe/probe")
PORT = 8099
METADATA = ("169.254.169.254", "fd00:ec2::254")
# Name, executor, network, limits. What is held below is more than the tight ones and less than the wide ones.
DEFINITIONS = [("tight", "service", "none", {"memoryMax": 64 << 20, "tasksMax": 24, "cpuQuota": 20}),
               ("tight-lite", "lite", "none", {"memoryMax": 64 << 20, "tasksMax": 24, "cpuQuota": 20}),
               ("wide", "service", "none", {"memoryMax": 400 << 20, "tasksMax": 200}),
               ("wide-lite", "lite", "none", {"memoryMax": 400 << 20, "tasksMax": 200}),
               ("any", "service", "any", {}), ("any-lite", "lite", "any", {})]
# On an emulated machine, which takes ten times as long and more: that limits hold and are told, once each.
SHORT = bool(os.environ.get("GANTRY_TEST_SHORT"))
IN_SHORT = ("check_that_needs_more_memory", "sync_that_needs_more_memory", "daemon_that_is_killed", "tasks")
SUFFIXES = ("",) if SHORT else ("", "-lite")
V2 = pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists()
API = suite.Api()


def set_up():
    PROBE.parent.mkdir(parents=True, exist_ok=True)
    suite.out("install", "-m", "0755", "/mnt/tests/host/hostile-connector.py", PROBE)
    for number, (name, executor, network, limits) in enumerate(DEFINITIONS):
        told = {"definitionId": f"00000000-0000-4000-8000-00000000010{number}", "name": f"Probe {name}", "sourceType": f"probe-{name}",
                "reference": f"exec:{PROBE}", "executor": executor, "network": network, "limits": limits,
                "spec": {"connectionSpecification": {"type": "object", "properties": {}, "additionalProperties": True}}}
        pathlib.Path(f"/usr/share/gantry/definitions.d/probe-{name}.json").write_text(json.dumps(told))
    # The suite's own start after the boot is over; what runs since then knows other definitions.
    suite.out("systemctl", "start", "gantry-schedules.service")
    suite.until(lambda: suite.code("systemctl", "stop", "gantry-schema.service") == 0, "the stop of the suite")


def got(name, do, **configuration):
    """What a probe got in its unit."""
    source = API.source(f"{name}-{do}", sourceType=f"probe-{name}", do=do, **configuration)
    answer = API.ask("POST", "/api/v1/sources/check_connection", {"sourceId": source})
    assert answer["status"] == "succeeded", f"{name} {do}: {answer}"
    return json.loads(answer["message"])


def connect(name, **configuration):
    source = API.source(f"read-{name}", sourceType=f"probe-{name}", **configuration)
    return API.connect(f"read-{name}", source, API.destination(f"read-{name}", destinationType="dev-null"))


def test_a_sync_by_the_api():
    path = suite.FILES / "first.db"
    connection = API.connect("first", API.source("first", sourceType="faker", count=1000, seed=1),
                             API.destination("first", destinationType="sqlite", path=str(path)))
    job = API.start(connection)
    API.wait(job, "succeeded")
    assert suite.rows(path, "SELECT count(*) FROM users") == [(1000,)]
    told = json.loads(suite.rows(suite.DATABASE, "SELECT output FROM attempt WHERE job_id = ?", job)[0][0])
    for role in ("source", "destination"):
        assert told[role]["maxRssKib"] > 1000 and told[role]["cpuUsec"] > 0 and not told[role]["oom"], told
    print(f"   cgroup {'v2' if V2 else 'v1'}; source {told['source']}, destination {told['destination']}", flush=True)


def test_T18_this_host_isolates():
    found = json.loads(pathlib.Path("/run/gantry/isolation.json").read_text())
    assert not found.get("missing"), found


def test_a_check_that_needs_more_memory_names_the_limit():
    for suffix in SUFFIXES:
        assert got(f"wide{suffix}", "eat", mib=128) == {"mib": 128}
        source = API.source("eat", sourceType=f"probe-tight{suffix}", do="eat", mib=128)
        answer = API.ask("POST", "/api/v1/sources/check_connection", {"sourceId": source})
        assert answer["status"] == "failed" and "limit of 64 MiB" in answer["message"], answer


def test_a_sync_that_needs_more_memory_names_the_limit():
    assert SHORT or API.wait(API.start(connect("wide", mib=128)), "succeeded")["rowsSynced"] == 1
    for name in ("tight-lite",) if SHORT else ("tight", "tight-lite"):
        job = API.start(connect(name, mib=128))
        suite.until(lambda: any("failure" in a for a in API.story_of(job)["attempts"]), "a failed attempt")  # noqa: B023
        attempt = API.story_of(job)["attempts"][0]
        reason = attempt["failure"]["failures"][0]
        print(f"   {name}: {reason['externalMessage']}", flush=True)
        assert reason["failureOrigin"] == "source" and "limit of 64 MiB" in reason["externalMessage"], attempt
        if API.job(job)["status"] not in suite.ENDED[:3]:
            API.ask("DELETE", f"/jobs/{job}", status=(200, 409))  # it would be tried again, later
        told = json.loads(suite.rows(suite.DATABASE, "SELECT output FROM attempt WHERE job_id = ? AND number = 0", job)[0][0])
        assert told["source"]["oom"] and told["source"]["signal"] == 9 and not told["destination"]["oom"], told


def test_what_a_running_attempt_holds_is_shown():
    connection = connect("wide-lite", mib=64, seconds=3600)
    job = API.start(connection)
    slices = f"gantry-jobs-j{job}a0.slice"
    suite.until(lambda: suite.show(slices, "MemoryCurrent").isdigit() and int(suite.show(slices, "MemoryCurrent")) > 64 << 20,
                "64 MiB in the attempt's slice")
    (source,) = [u for u in suite.job_units(job) if u.endswith("-source.service")]
    for unit in (source, "gantry-jobs.slice", "gantry.slice"):
        print(f"   {unit}: {int(suite.show(unit, 'MemoryCurrent')) >> 20} MiB, {suite.show(unit, 'TasksCurrent')} tasks", flush=True)
        assert int(suite.show(unit, "MemoryCurrent")) > 64 << 20, unit
    assert suite.show(source, "MemoryMax") == str(400 << 20)
    API.ask("DELETE", f"/jobs/{job}")
    API.wait(job, "cancelled")


def test_a_daemon_that_is_killed_for_memory_comes_back():
    if not V2:
        print("   not here: cgroup v1 refuses a limit below what is used", flush=True)
        return
    pid = suite.main_pid("gantry-server.service")
    suite.out("systemctl", "set-property", "--runtime", "gantry-server.service", "MemoryMax=1M")
    suite.until(lambda: suite.main_pid("gantry-server.service") != pid, "the server's end")
    suite.out("systemctl", "set-property", "--runtime", "gantry-server.service", "MemoryMax=1G")
    suite.out("systemctl", "reset-failed", "gantry-server.service", "gantry-server.socket")
    suite.out("systemctl", "start", "gantry-server.socket")
    assert API.ask("GET", "/sources")["data"]
    suite.until(lambda: "oom-kill" in suite.out("journalctl", "--output=cat", "--unit=gantry-server.service", "--grep=oom-kill", check=False),
                "the cause in the journal")


def test_tasks():
    for suffix in SUFFIXES:
        assert got(f"wide{suffix}", "forks", n=60) == {"forks": 60}
        forks = got(f"tight{suffix}", "forks", n=60)["forks"]
        assert 0 < forks < 24, forks


def test_processor_time():
    for suffix in SUFFIXES:
        # An emulated machine that is held up itself counts wrongly now and then.
        for _ in range(5):
            slow, free = (got(f"{name}{suffix}", "burn", seconds=2)["share"] for name in ("tight", "wide"))
            print(f"   CPUQuota=20%: {slow:.2f} of a processor; without: {free:.2f}", flush=True)
            if slow < 0.5:
                break
        assert slow < 0.5, slow


def test_T08_class_any_does_not_lead_to_this_machine_or_to_metadata():
    for address in (*METADATA, "10.99.0.1"):
        suite.out("ip", "address", "replace", address, "dev", "lo", *(["nodad"] if ":" in address else []))
    with contextlib.ExitStack() as servers:
        for address in (*METADATA, "10.99.0.1", "127.0.0.1", "::1"):
            server = servers.enter_context(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM))
            server.bind((address, PORT))
            threading.Thread(target=greet, args=(server,), daemon=True).start()
        PROBE.with_name("config.json").write_text('{"do": "heard"}')
        outside = json.loads(subprocess.run([PROBE, "check", "--config", PROBE.with_name("config.json")], check=True, text=True,
                                            capture_output=True).stdout)
        assert set(json.loads(outside["connectionStatus"]["message"]).values()) == {"hello"}, outside
        for name in ("any", "any-lite"):
            found = got(name, "heard")
            assert "hello" not in found.values(), f"{name}: {found}"
            # Who asks for this machine, by loopback or another of its addresses, gets it, and no metadata.
            assert got(name, "heard", host="10.99.0.1")["10.99.0.1"] == "hello", name
            found = got(name, "heard", host="127.0.0.1")
            assert found["127.0.0.1"] == "hello" and "hello" not in [found[a] for a in METADATA], f"{name}: {found}"


def greet(server):
    while True:
        server.sendto(b"hello", server.recvfrom(5)[1])


if __name__ == "__main__":
    set_up()
    sys.exit(suite.main({name: value for name, value in globals().items() if not SHORT or any(word in name for word in IN_SHORT)}))
