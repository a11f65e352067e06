#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=1800
"""The daemons under AddressSanitizer and UBSan, while callers, polkit and the daemons themselves go in any state of a call (T62, T65:
the class of CVE-2020-1712), then half a minute of random calls (T66). Needs build/asan (make check-asan).
The bus that goes is the unit tests' (test-bus-polkit, test-unit-manager): here the test itself would go with it."""

import os
import pathlib
import re
import sys
import time

sys.path.insert(0, "/mnt/tests/host")
import busfuzz  # noqa: E402
import bususer  # noqa: E402
import suite  # noqa: E402

BUILD = pathlib.Path("/mnt/build/asan")
DAEMONS = ("launcher", "server", "workflow", "workload")
LAUNCHER = ("org.gantry.Launcher1", "/org/gantry/Launcher1", "org.gantry.Launcher1.Manager")
API = suite.Api()
PAUSES = (0, 0.002, 0.02, 0.2)


def set_up():
    # What tries out the host is not the one with sanitizers: that needs more memory than it gives itself.
    suite.out("systemctl", "start", "gantry-launcher.service")
    suite.until(pathlib.Path("/run/gantry/isolation.json").exists, "what this host isolates")
    for name in DAEMONS:
        path = pathlib.Path(f"/run/systemd/system/gantry-{name}.service.d/asan.conf")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[Service]\nExecStart=\nExecStart={BUILD}/gantry-{name}\nMemoryMax=infinity\n"
                        "Environment=GANTRY_LIBEXEC_DIR=/usr/lib/gantry\n"
                        "Environment=ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:quarantine_size_mb=64\n"
                        "Environment=UBSAN_OPTIONS=print_stacktrace=1\n")
    suite.out("systemctl", "daemon-reload")
    suite.out("systemctl", "stop", *(f"gantry-{name}.service" for name in DAEMONS))
    for user in ("alice", "mallory"):
        suite.out("useradd", user, check=False)
    suite.out("systemctl", "start", "gantry-launcher.service", "gantry-server.service")
    for name in ("launcher", "server"):
        assert os.readlink(f"/proc/{suite.main_pid(f'gantry-{name}.service')}/exe") == f"{BUILD}/gantry-{name}"


def no_reports():
    text = suite.out("journalctl", "--no-pager", "-q", "-o", "cat", "-u", "gantry-*", "-g", "AddressSanitizer|runtime error:|code=(killed|dumped)", check=False)
    lines = [line for line in text.splitlines() if "gantry-run-" not in line]
    assert not lines, "\n".join(lines)


def message(where, member, signature="", *values):
    import dbus
    made = dbus.lowlevel.MethodCallMessage(*where, member)
    if signature:
        made.append(*values, signature=signature)
    return made


def send_and_go(calls, pause):
    """Calls without waiting for anything; the connection is closed a moment later."""
    import dbus
    bus = bususer.connect()
    for where, member, signature, *values in calls:
        values = [dbus.types.UnixFd(bususer.memfd(v)) if isinstance(v, dict) else v for v in values]
        bus.send_message(message(where, member, signature, *values))
    bus.flush()
    time.sleep(pause)
    bus.close()
    return len(calls)


def launcher_calls():
    """Each leads to another thing that is waited for: a tool, jobs of systemd's, the queue."""
    return [(LAUNCHER, "RemoveConnector", "s", "a" * 70000), (LAUNCHER, "RemoveConnector", "s", "pypi:airbyte-source-nowhere==1"),
            (LAUNCHER, "SetTimer", "st", "asan", 2**62 // 10**6 * 10**6), (LAUNCHER, "SetTimer", "st", "asan", 1), (LAUNCHER, "SetTimer", "st", "asan", 2**64 - 1),
            (LAUNCHER, "ClearTimer", "s", "asan"), (LAUNCHER, "ClearTimer", "s", "asan"), (LAUNCHER, "Wake", ""), (LAUNCHER, "List", ""),
            (LAUNCHER, "Cancel", "s", "nothing"), (LAUNCHER, "RemoveConnector", "u", 5)]


def server_calls(source, connection):
    where = {kind: ("org.gantry.Server1", f"/org/gantry/Server1/{kind}/{bususer.encode(key)}", f"org.gantry.Server1.{kind.capitalize()}")
             for kind, key in (("source", source), ("connection", connection))}
    return [(suite.BUS, "ListJobs", "stu", "", 0, 1), (suite.BUS, "CreateWorkspace", "h", {"name": "asan"}), (where["source"], "Get", ""),
            (where["source"], "Check", "h", {}), (where["source"], "Discover", "b", True), (where["source"], "Update", "hx", {"name": "asan"}, 0),
            (where["connection"], "Sync", "s", ""), (where["connection"], "GetState", ""), (suite.BUS, "RemoveConnector", "s", "pypi:airbyte-source-nowhere==1"),
            (suite.BUS, "GetCredentials", "")]


def things():
    source = API.source("asan", sourceType="faker", count=3)
    return source, API.connect("asan", source, API.destination("asan", destinationType="dev-null"))


def remove(reference):
    """The error of a RemoveConnector of the launcher's, with its sentence."""
    import dbus
    try:
        bususer.connect().get_object(*LAUNCHER[:2], introspect=False).get_dbus_method("RemoveConnector", LAUNCHER[2])(reference, timeout=suite.PATIENCE)
    except dbus.DBusException as error:
        return error.get_dbus_name(), error.get_dbus_message()
    return "done", ""


def settled():
    """The launcher still answers, and has nothing left of what was asked."""
    suite.until(lambda: remove("x")[0] != "org.gantry.Error.Busy", "the end of removals")


def test_what_a_tool_says_is_told_whole():
    reference = "a" * 65520  # the longest there are: with what stands around it, more than a pipe holds
    assert remove(reference) == ("org.gantry.Error.Failed", f"'{reference}' is no name of a connector")
    no_reports()


def test_T62_launcher_callers_go_in_any_state():
    pid = suite.main_pid("gantry-launcher.service")
    for i in range(60):
        # Another order each time, alone and together.
        calls = launcher_calls()
        calls = calls[i % len(calls):] + calls[:i % len(calls)]
        bususer.as_user("root", send_and_go, calls if i % 2 else calls[:2], PAUSES[i % len(PAUSES)])
    settled()
    assert suite.main_pid("gantry-launcher.service") == pid
    no_reports()


def test_T62_server_callers_go_in_any_state():
    source, connection = things()
    pid = suite.main_pid("gantry-server.service")
    for verdict in ("YES", "NO", "NOT_HANDLED"):
        suite.polkit_rules(f'if (subject.user == "alice") {{ polkit.spawn(["sleep", "0.05"]); return polkit.Result.{verdict}; }}')
        calls = server_calls(source, connection)
        for i in range(3 * len(calls)):
            bususer.as_user("alice", send_and_go, [calls[i % len(calls)]] if i % 3 else calls, PAUSES[i % len(PAUSES)])
        suite.until(lambda: bususer.as_user("alice", bususer.call, *suite.BUS[1:], "ListJobs", [("s", ""), ("t", 0), ("u", 1)])
                    != "org.gantry.Error.Busy", "the end of what was asked")
    assert suite.main_pid("gantry-server.service") == pid
    suite.polkit_rules()
    no_reports()


def test_T65_what_is_asked_about_goes_before_the_answer():
    """More often than a user may wait: none of these keeps a place."""
    gate = suite.Gate("alice", "YES")
    for i in range(20):
        gate.close()
        source = API.source(f"gone {i}", sourceType="faker", count=3)
        path = f"/org/gantry/Server1/source/{bususer.encode(source)}"
        wait = bususer.start("alice", bususer.call, path, "org.gantry.Server1.Source", "Get", [])
        gate.wait()
        API.ask("DELETE", f"/sources/{source}")
        gate.open()
        assert wait() in ("org.freedesktop.DBus.Error.UnknownObject", "org.freedesktop.DBus.Error.UnknownMethod", "org.gantry.Error.NotFound"), wait
    suite.polkit_rules('if (subject.user == "alice") return polkit.Result.YES;')
    assert bususer.as_user("alice", bususer.call, *suite.BUS[1:], "ListJobs", [("s", ""), ("t", 0), ("u", 1)]) == "done"
    suite.polkit_rules()
    no_reports()


def everything_at_once(source, connection):
    """All that can be waited for is, when this returns."""
    suite.polkit_rules('if (subject.user == "alice") { polkit.spawn(["sleep", "2"]); return polkit.Result.YES; }')
    waits = [bususer.start("root", send_and_go, launcher_calls(), 3), bususer.start("root", send_and_go, server_calls(source, connection), 3),
             bususer.start("alice", send_and_go, server_calls(source, connection), 3)]
    time.sleep(0.3)  # in the middle of it, wherever that is on this machine
    return waits


def come_back():
    suite.until(lambda: API.raw("GET", f"{suite.V1}/health")[0] == 200, "the server")
    settled()


def end(waits):
    for wait in waits:
        try:
            wait()
        except AssertionError:
            pass  # its bus went


def test_T65_the_daemons_are_stopped_in_any_state():
    source, connection = things()
    for i in range(4):
        waits = everything_at_once(source, connection)
        suite.out("systemctl", "restart", "gantry-launcher.service", "gantry-server.service", "gantry-workflow.service", "gantry-workload.service")
        end(waits)
        come_back()
        no_reports()


def test_T65_polkit_goes_in_any_state():
    source, connection = things()
    for i in range(4):
        waits = everything_at_once(source, connection)
        suite.kill("polkit.service")
        end(waits)
        come_back()
        no_reports()


def test_T66_half_a_minute_of_random_calls():
    source, connection = things()
    paths = [f"/org/gantry/Server1/{kind}/{bususer.encode(key)}" for kind, key in (("source", source), ("connection", connection))]
    seed = busfuzz.new_seed()
    for user, seconds in (("root", 25), ("mallory", 5)):
        print(f"as {user}: {bususer.as_user(user, busfuzz.run, seconds, seed, paths, [source, connection, API.workspace])}", flush=True)
    settled()
    no_reports()


if __name__ == "__main__":
    missing = [name for name in DAEMONS if not (BUILD / f"gantry-{name}").exists()]
    if missing:
        print(f"no gantry-{missing[0]} in build/asan: make check-asan")
        sys.exit(77)
    if re.search(r"libasan", suite.out("ldd", BUILD / "gantry-launcher", check=False)):
        print("build/asan was linked with a libasan that this host does not have")
        sys.exit(77)
    set_up()
    sys.exit(suite.main(globals()))
