#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=3600
"""What a local user can make up on the bus (T60, T61), have judged together (T63), and what time and environments do to a host
(T69, T71, T72): beside test-suite-bus.py and test-suite-polkit.py."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, "/mnt/tests/host")
import bususer  # noqa: E402
import suite  # noqa: E402
from heldsync import HeldSync  # noqa: E402

API = suite.Api()
SERVER, MANAGER = "org.gantry.Server1", ("/org/gantry/Server1", "org.gantry.Server1.Manager")
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
LIST_JOBS = [("s", ""), ("t", 0), ("u", 1)]
BODY = {"name": "made up"}


def setup():
    for user in ("alice", "carol"):
        suite.out("useradd", "--create-home", user)
    suite.out("useradd", "--create-home", "--groups", "gantry-admin", "bob")


def workspaces():
    return {w["name"] for w in API.ask("GET", "/workspaces?limit=100")["data"]}


def owner(name):
    import dbus
    with contextlib.closing(bususer.connect()) as bus:
        return str(dbus.Interface(bus.get_object("org.freedesktop.DBus", "/org/freedesktop/DBus", introspect=False),
                                  "org.freedesktop.DBus").GetNameOwner(name))


# --- T60: who asks from where, and what isn't a method of ours ---------------------------------------------------------

SANDBOX = ("NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "PrivateDevices=yes", "PrivateTmp=yes", "PrivateNetwork=yes",
           "CapabilityBoundingSet=", "RestrictAddressFamilies=AF_UNIX", "SystemCallFilter=@system-service")


def in_a_unit(calls, *properties):
    """Calls by a process in a sandboxed unit: the error of each, or "done"."""
    options = [f"--property={p}" for p in (*SANDBOX, *properties)]
    done = subprocess.run(["systemd-run", "--wait", "--pipe", "--quiet", "--collect", *options, "/usr/bin/python3", "/mnt/tests/host/bususer.py"],
                          input=json.dumps(calls), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def test_T60_a_sandboxed_unit_is_judged_by_its_user():
    suite.polkit_rules()
    calls = [[*MANAGER, "ListJobs", LIST_JOBS], [*MANAGER, "CreateWorkspace", [("h", BODY)]], [*MANAGER, "GetCredentials", []],
             ["/org/gantry/Workflow1", "org.gantry.Workflow1.Workflows", "List", [("s", ""), ("t", 0), ("u", 1)]],
             ["/org/gantry/Workflow1", "org.gantry.Workflow1.Manager", "CancelJob", [("x", 999)]],
             ["/org/gantry/Workload1", "org.gantry.Workload1.Manager", "Sweep", []],
             ["/org/gantry/Launcher1", "org.gantry.Launcher1.Manager", "List", []]]
    before = workspaces()
    for properties in (("User=alice",), ("User=alice", "PrivateUsers=yes"), ("User=nobody",)):
        answers = in_a_unit(calls, *properties)
        assert "done" not in answers and all("Denied" in a or "Interactive" in a for a in answers), (properties, answers)
    assert workspaces() == before
    # Positive control: the same unit as one who may, and as root.
    answers = in_a_unit(calls, "User=bob")
    assert answers[:4] == ["done"] * 4 and answers[4:] == [ACCESS_DENIED] * 3, answers
    answers = in_a_unit(calls, "User=root")
    assert answers[:4] == ["done"] * 4 and not [a for a in answers if "Denied" in a], answers


def standard(name, path, interface, member, *arguments):
    """A call of one of the bus's own interfaces; the error's name and what came."""
    import dbus
    bus = bususer.connect()
    try:
        return "done", repr(bus.get_object(name, path, introspect=False).get_dbus_method(member, f"org.freedesktop.DBus.{interface}")(*arguments))
    except dbus.DBusException as error:
        return error.get_dbus_name(), ""
    finally:
        bus.close()


def test_T60_the_buss_own_interfaces_tell_nothing_and_change_nothing():
    source = API.source("t60", sourceType="faker", count=3)
    destination = API.destination("t60", destinationType="dev-null")
    connection = API.connect("t60", source, destination)
    job = API.start(connection)
    API.wait(job, "succeeded")
    suite.polkit_rules()
    paths = [f"/org/gantry/Server1/{kind}/{bususer.encode(str(key))}" for kind, key in
             (("source", source), ("destination", destination), ("connection", connection), ("job", job))]
    for path in paths:
        interface = f"{SERVER}.{path.split('/')[4].capitalize()}"
        properties = json.loads(suite.out("busctl", "--json=short", "call", SERVER, path, "org.freedesktop.DBus.Properties", "GetAll", "s", interface))
        names = list(properties["data"][0])
        for user in ("root", "bob", "alice", "nobody"):
            for name in [*names, "Nothing"]:
                for value in ("x", 7):
                    answer, _ = bususer.as_user(user, standard, SERVER, path, "Properties", "Set", interface, name, value)
                    assert answer != "done", (user, path, name)
        assert json.loads(suite.out("busctl", "--json=short", "call", SERVER, path, "org.freedesktop.DBus.Properties", "GetAll", "s",
                                    interface)) == properties
    for user in ("root", "bob", "alice", "nobody"):
        seen = []
        for interface, member in (("ObjectManager", "GetManagedObjects"), ("Introspectable", "Introspect"), ("Peer", "Ping"), ("Peer", "GetMachineId")):
            answer, text = bususer.as_user(user, standard, SERVER, "/org/gantry/Server1", interface, member)
            assert answer == "done", (user, member, answer)
            seen.append(text)
        seen += [bususer.as_user(user, standard, SERVER, p, "Introspectable", "Introspect")[1] for p in paths]
        assert "configuration" not in seen[0].lower(), user
        assert "GetManagedObjects" in seen[1], "positive control: it is described"
        # Of the daemons that talk among themselves a user doesn't even learn what they have.
        for name in ("Workflow1", "Workload1", "Launcher1"):
            for interface, member in (("ObjectManager", "GetManagedObjects"), ("Introspectable", "Introspect"), ("Peer", "Ping")):
                answer, _ = bususer.as_user(user, standard, f"org.gantry.{name}", f"/org/gantry/{name}", interface, member)
                assert (answer == ACCESS_DENIED) == (user != "root"), (user, name, member, answer)


# --- T61: what is made up ----------------------------------------------------------------------------------------------

def forge_sender(claimed):
    """A call that is for the daemons only, in somebody else's name; the error."""
    import dbus
    bus = bususer.connect()
    message = dbus.lowlevel.MethodCallMessage(SERVER, *MANAGER, "PutProgress")
    message.append(dbus.types.UnixFd(bususer.memfd({"jobId": 1, "attempt": 0, "streams": []})), signature="h")
    message.set_sender(claimed)
    answers = []
    bus.send_message_with_reply(message, lambda m: answers.append(str(m.get_error_name() or "done")), 60).block()
    bus.close()
    return answers[0]


def test_T61_a_forged_sender_is_replaced_by_the_bus():
    suite.out("systemctl", "start", "gantry-workload.service")
    names = [owner("org.gantry.Workload1"), owner("org.freedesktop.systemd1"), "org.freedesktop.DBus", "org.gantry.Workload1"]
    for user in ("alice", "bob"):
        for claimed in names:
            answer = bususer.as_user(user, forge_sender, claimed)
            assert "Denied" in answer, (user, claimed, answer)
    # Positive control: the same message of one whose it is; there is no such job.
    for user in ("gantry", "root"):
        assert "Denied" not in bususer.as_user(user, forge_sender, names[0]), user


def raw_answers(to, serials, seconds):
    """Method returns to a connection, by a client that speaks the protocol itself: any serial may be named."""
    import socket
    import struct
    s = socket.socket(socket.AF_UNIX)
    s.connect("/run/dbus/system_bus_socket")
    s.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
    assert s.recv(1000).startswith(b"OK")
    s.sendall(b"BEGIN\r\n")

    def pad(b, n):
        return b + b"\0" * (-len(b) % n)

    def text(t):
        return struct.pack("<I", len(t)) + t.encode() + b"\0"

    def field(code, signature, value):
        return bytes([code, len(signature)]) + signature.encode() + b"\0" + value

    def message(kind, serial, fields, body=b""):
        array = b""
        for f in fields:
            array = pad(array, 8) + f
        return pad(bytes([ord("l"), kind, 1, 1]) + struct.pack("<II", len(body), serial) + struct.pack("<I", len(array)) + array, 8) + body

    s.sendall(message(1, 1, [field(1, "o", text("/org/freedesktop/DBus")), field(6, "s", text("org.freedesktop.DBus")),
                             field(2, "s", text("org.freedesktop.DBus")), field(3, "s", text("Hello"))]))
    s.recv(10000)
    # ((bba{ss})): yes, no challenge, nothing more.
    body = struct.pack("<II", 1, 0) + struct.pack("<I", 0) + b"\0\0\0\0"
    sent, end, mine = 0, time.monotonic() + seconds, 2
    s.setblocking(True)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while time.monotonic() < end:
            for serial in range(1, serials):
                s.sendall(message(2, mine, [pad(field(5, "u", struct.pack("<I", serial)), 1), field(6, "s", text(to)),
                                            bytes([8, 1, ord("g"), 0, 9]) + b"(bba{ss})\0"], body))
                mine, sent = mine + 1, sent + 1
            s.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while s.recv(1 << 20):
                    pass
            s.setblocking(True)
    s.close()
    return sent


def slow(user, seconds, verdict):
    return f'if (subject.user == "{user}") {{ polkit.spawn(["sleep", "{seconds}"]); return polkit.Result.{verdict}; }}'


def test_T61_an_answer_that_somebody_guesses_is_not_polkits():
    gate = suite.Gate("carol", "NO")
    server, pid = owner(SERVER), suite.main_pid("gantry-server.service")
    wait = bususer.start("carol", bususer.call, *MANAGER, "CreateWorkspace", [("h", {"name": "guessed"})])
    gate.wait()
    guessed = [bususer.start(user, raw_answers, server, 3000, 4) for user in ("alice", "bob")]
    assert sum(g() for g in guessed) > 3000, "nothing was guessed"
    gate.open()
    assert wait() != "done" and "guessed" not in workspaces()
    # Positive control: polkit's own yes.
    suite.polkit_rules(slow("carol", 1, "YES"))
    assert bususer.as_user("carol", bususer.call, *MANAGER, "CreateWorkspace", [("h", {"name": "not guessed"})]) == "done"
    assert "not guessed" in workspaces() and suite.main_pid("gantry-server.service") == pid
    suite.polkit_rules()


def tell_lies(units, to):
    """Signals as systemd, the bus and the daemons send them, to everybody and to each of these names."""
    import dbus
    bus, sent = bususer.connect(), 0

    def tell(path, interface, member, signature, *values):
        nonlocal sent
        for destination in (None, *to):
            message = dbus.lowlevel.SignalMessage(path, interface, member)
            message.append(*values, signature=signature)
            if destination:
                message.set_destination(destination)
            bus.send_message(message)
            sent += 1

    systemd = "org.freedesktop.systemd1"
    for unit in units:
        path = f"/org/freedesktop/systemd1/unit/{bususer.encode(unit)}"
        tell("/org/freedesktop/systemd1", f"{systemd}.Manager", "JobRemoved", "uoss", dbus.UInt32(1), dbus.ObjectPath("/x"), unit, "failed")
        tell("/org/freedesktop/systemd1", f"{systemd}.Manager", "UnitRemoved", "so", unit, dbus.ObjectPath(path))
        state = dbus.Dictionary({"ActiveState": dbus.String("failed", variant_level=1), "SubState": dbus.String("failed", variant_level=1)}, signature="sv")
        tell(path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", f"{systemd}.Unit", state, dbus.Array([], signature="s"))
    for name in ("Server1", "Workflow1", "Workload1"):
        tell(f"/org/gantry/{name}", f"org.gantry.{name}.Manager", "Changed", "t", dbus.UInt64(2**63))
    tell("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", "sss", "org.gantry.Workload1", ":1.1", "")
    bus.flush()
    time.sleep(1)
    bus.close()
    return sent


def test_T61_signals_in_systemds_name_end_no_sync():
    sync = HeldSync(API, "spoofed")
    names = [owner(f"org.gantry.{name}") for name in ("Launcher1", "Server1", "Workload1")]
    pids = [suite.main_pid(f"gantry-{name}.service") for name in ("launcher", "server", "workload")]
    for user in ("alice", "bob"):
        assert bususer.as_user(user, tell_lies, sync.units(), names) > 10
    time.sleep(3)
    sync.check_untouched()
    assert API.job(sync.job)["status"] == "running"
    assert [suite.main_pid(f"gantry-{name}.service") for name in ("launcher", "server", "workload")] == pids
    # What they say of themselves is not shown: nothing says that job 2^63 has changed.
    changes = suite.bus("ListChanges", "tu", "0", "0")
    assert changes
    sync.go()
    sync.check_end()
    # Positive control: what systemd itself says of a unit does end one.
    sync = HeldSync(API, "spoofed no more")
    suite.out("systemctl", "stop", sync.unit("worker"))
    suite.until(lambda: API.attempts(sync.job)[0]["attempt"]["status"] == "failed" or API.job(sync.job)["status"] != "running", "the end of the attempt")
    API.raw("DELETE", f"{suite.V1}/jobs/{sync.job}", token=API.token)


# --- T63: two calls at a time, of which one may be made ----------------------------------------------------------------

def together(path, interface, order):
    """Calls of one object in flight at a time, in this order: the error of each, or "done"."""
    import dbus
    bus, answers = bususer.connect(), {}
    pending = []
    for member in order:
        message = dbus.lowlevel.MethodCallMessage(SERVER, path, interface, member)
        if member == "Update":
            message.append(dbus.types.UnixFd(bususer.memfd({"name": "by another's leave"})), dbus.Int64(0), signature="hx")
        elif member == "Delete":
            message.append(dbus.Int64(0), signature="x")
        pending.append(bus.send_message_with_reply(message, lambda m, member=member: answers.update({member: str(m.get_error_name() or "done")}), 120))
    bus.flush()
    for p in pending:
        p.block()
    bus.close()
    return answers


def test_T63_the_leave_for_one_call_is_none_for_another_that_waits_beside_it():
    source = API.source("t63 both", sourceType="faker", count=1)
    where = f"/org/gantry/Server1/source/{bususer.encode(source)}", f"{SERVER}.Source"
    suite.polkit_rules('if (subject.user == "carol") { polkit.spawn(["sleep", "1"]);'
                       ' return action.id == "org.gantry.read" ? polkit.Result.YES : polkit.Result.NO; }')
    for order in (("Get", "Update", "Delete"), ("Update", "Get", "Delete"), ("Delete", "Update", "Get")):
        answers = bususer.as_user("carol", together, *where, order)
        assert answers["Get"] == "done" and "Denied" in answers["Update"] and "Denied" in answers["Delete"], (order, answers)
    assert API.ask("GET", f"/sources/{source}")["name"] == "t63 both"
    suite.polkit_rules('if (subject.user == "carol") { polkit.spawn(["sleep", "1"]); return polkit.Result.YES; }')
    answers = bususer.as_user("carol", together, *where, ("Get", "Update"))
    assert answers == {"Get": "done", "Update": "done"}, answers
    assert API.ask("GET", f"/sources/{source}")["name"] == "by another's leave"
    suite.polkit_rules()


# --- T69: who cleans up ------------------------------------------------------------------------------------------------

def aged(path):
    """The host's rules of what is cleaned after how many days, after one second instead."""
    # Debian's own rules for these have no age.
    roots = ("/tmp", "/var/tmp")
    lines = [f"q {root} 1777 root root 1s" for root in roots]
    for line in suite.out("systemd-tmpfiles", "--cat-config").splitlines():
        words = line.split()
        if len(words) > 5 and words[5] != "-" and not line.startswith("#"):
            words[5] = "1s"
        if len(words) > 1 and words[1] not in roots:
            lines.append(" ".join(words))
    path.write_text("\n".join(lines) + "\n")


def test_T69_cleaning_up_takes_nothing_that_is_in_use():
    """As after weeks without a boot, in the middle of a sync: what a service of the host cleans is not what ours need."""
    sync = HeldSync(API, "cleaned")
    victims = [pathlib.Path(root) / "t69" for root in ("/tmp", "/var/tmp")]
    for path in victims:
        path.write_text("x")
    mine = sorted(str(p) for p in pathlib.Path("/run/gantry").rglob("*"))
    assert mine
    with tempfile.NamedTemporaryFile(dir="/root", suffix=".conf") as rules:
        aged(pathlib.Path(rules.name))
        time.sleep(3)
        suite.out("systemd-tmpfiles", "--clean", rules.name)
    assert not [p for p in victims if p.exists()], "positive control: nothing was cleaned"
    assert sorted(str(p) for p in pathlib.Path("/run/gantry").rglob("*")) == mine
    sync.check_untouched()
    sync.go()
    sync.check_end()
    # A name that is free again is nobody's to take: those are root's directories.
    for root in ("/run/gantry", "/var/lib/gantry", "/run/gantry/network"):
        assert suite.code("touch", f"{root}/evil", user="alice") != 0, root


# --- T71, T72 ----------------------------------------------------------------------------------------------------------

def test_T71_every_program_bears_no_arguments_and_a_hostile_environment():
    programs = [p for p in [*pathlib.Path("/usr/bin").glob("gantry*"), *pathlib.Path("/usr/lib/gantry").glob("gantry-*")]
                if p.is_file() and os.access(p, os.X_OK) and p.read_bytes()[:4] == b"\x7fELF"]
    assert len(programs) > 10, programs
    hostile = {"TZ": ":../../x", "LANG": "../../x", "LC_ALL": "../../x", "TERM": "../../x", "PATH": ".", "TMPDIR": "../../x", "HOME": "../x",
               "LD_LIBRARY_PATH": "../../x", "GANTRY_DATABASE": "../../x", "GANTRY_BUS_ADDRESS": "unix:path=/nonexistent",
               "GANTRY_KEY_FILE": "../../x", "NOTIFY_SOCKET": "@x", "LISTEN_PID": "1", "LISTEN_FDS": "-1", "JOURNAL_STREAM": "a:b",
               "CREDENTIALS_DIRECTORY": "../x"}
    bare = "import ctypes; c = ctypes.CDLL(None); c.execve({!r}.encode(), (ctypes.c_char_p * 1)(None), (ctypes.c_char_p * 1)(None))"
    for program in programs:
        for user in ("root", "alice"):
            if user == "alice" and not os.access(program, os.X_OK):
                continue
            for argv, environment in ((["/usr/bin/python3", "-c", bare.format(str(program))], {}), ([str(program), "--version"], hostile),
                                      ([str(program), "--help"], hostile)):
                done = subprocess.run(["timeout", "--signal=TERM", "20", *argv], env=environment | {"PATH": "/usr/bin"}, user=user, group=user,
                                      extra_groups=[], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
                # By itself, whatever it says (127: gantry-container-init has no such program to start): no signal, and no shell's word for one.
                assert 0 <= done.returncode <= 127, (program, user, argv, done)
    version = subprocess.run(["/usr/bin/gantryctl", "--version"], env=hostile, stdout=subprocess.PIPE, text=True, check=False)
    assert version.returncode == 0 and version.stdout.startswith("gantryctl "), version


def test_T72_the_journal_is_for_those_whom_the_host_lets():
    suite.out("gantryctl", "status")
    suite.out("useradd", "--groups", "systemd-journal", "dave")

    def lines(user):
        told = suite.out("journalctl", "--no-pager", "-q", "-o", "json", "-u", "gantry-*", user=user, check=False)
        return [line for line in told.splitlines() if line.startswith("{")]
    assert lines("dave") and lines("root"), "positive control"
    for user in ("alice", "bob", "nobody"):
        assert not lines(user), user


if __name__ == "__main__":
    setup()
    sys.exit(suite.main(globals()))
