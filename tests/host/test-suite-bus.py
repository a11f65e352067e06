#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=1800
"""What a local user can do to the daemons by the bus, by sockets, files and his environment (T46, T62 to T65, T67 to T72; T66:
test-suite-flood.py)."""

import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import sys
import threading
import time

sys.path.insert(0, "/mnt/tests/host")
import bususer  # noqa: E402
import suite  # noqa: E402

API = suite.Api()
MANAGER = ("/org/gantry/Server1", "org.gantry.Server1.Manager")
DENIED = "org.gantry.Error.AccessDenied"
UNITS = ("gantry-server.service", "gantry-workflow.service")


def setup():
    for user in ("alice", "carol"):
        suite.out("useradd", "--create-home", user)
    suite.out("useradd", "--create-home", "--groups", "gantry-admin", "bob")


def slow(user, seconds, verdict):
    """A rule that takes its time about one user."""
    return f'if (subject.user == "{user}") {{ polkit.spawn(["sleep", "{seconds}"]); return polkit.Result.{verdict}; }}'


def workspaces():
    return {w["name"] for w in API.ask("GET", "/workspaces?limit=100")["data"]}


def memory(unit):
    text = pathlib.Path(f"/proc/{suite.main_pid(unit)}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))


def journal_has(pattern):
    return re.search(pattern, suite.out("journalctl", "--no-pager", "-o", "cat", "-u", "gantry-*"))


# --- T46: no way out ----------------------------------------------------------------------------------------------------

CONNECT = "import socket; socket.create_connection(('127.0.0.1', 9999), 5).close()"


def test_T46_what_the_daemons_are_told_to_call_is_called_by_none_of_them():
    """URLs in whatever the API stores; a listener on the host's own loopback waits for any of them."""
    import socket
    with socket.create_server(("127.0.0.1", 9999)) as listener:
        url = "http://127.0.0.1:9999/latest/meta-data"
        events = ("failure", "success", "connectionUpdate", "connectionUpdateActionRequired", "syncDisabled", "syncDisabledWarning")
        workspace = API.ask("POST", "/workspaces", {"name": "t46", "notifications": {
            e: {"webhook": {"enabled": True, "url": url}} for e in events}})["workspaceId"]
        API.ask("POST", f"/workspaces/{workspace}/definitions/sources", {
            "name": "t46", "dockerRepository": "127.0.0.1:9999/x", "dockerImageTag": "1", "documentationUrl": url})
        API.ask("POST", f"/workspaces/{workspace}/definitions/declarative_sources", {
            "name": "t46", "manifest": {"version": "6.0.0", "definitions": {"$ref": url}, "spec": {"documentation_url": url}}})
        for unit in ("gantry-server", "gantry-workflow", "gantry-workload"):
            families = suite.show(f"{unit}.service", "RestrictAddressFamilies")
            assert families == "AF_UNIX", (unit, families)
            property_ = f"--property=RestrictAddressFamilies={families}"
            assert suite.code("systemd-run", "--wait", "-q", property_, "/usr/bin/python3", "-c", CONNECT) != 0, unit
        listener.settimeout(1)
        try:
            raise AssertionError(f"somebody came: {listener.accept()[0].recv(1000)}")
        except TimeoutError:
            pass
        # Positive control: without that property the listener is reached.
        assert suite.code("systemd-run", "--wait", "-q", "/usr/bin/python3", "-c", CONNECT) == 0
        listener.accept()[0].close()


# --- T62: gone before the answer ---------------------------------------------------------------------------------------

def send(bus, name):
    import dbus
    message = dbus.lowlevel.MethodCallMessage("org.gantry.Server1", *MANAGER, "CreateWorkspace")
    message.append(dbus.types.UnixFd(bususer.memfd({"name": name})), signature="h")
    bus.send_message(message)
    bus.flush()


def send_and_go(name, pause):
    """CreateWorkspace without waiting for anything; the connection is closed a moment later."""
    bus = bususer.connect()
    send(bus, name)
    time.sleep(pause)
    bus.close()
    return name


def send_and_stay(name, end):
    """The same, and the connection stays until a byte comes."""
    bus = bususer.connect()
    send(bus, name)
    os.read(end, 1)
    bus.close()
    return name


def test_T62_who_leaves_while_polkit_thinks_is_denied():
    suite.polkit_rules(slow("alice", 1, "NO"))
    before = workspaces()
    for i in range(8):
        bususer.as_user("alice", send_and_go, f"t62-{i}", i * 0.2)
    suite.polkit_rules(slow("alice", 0.1, "NOT_HANDLED"))
    for i in range(60):
        bususer.as_user("alice", send_and_go, f"t62-fast-{i}", i % 6 * 0.002)
    # A call of somebody else's comes after all of these, and the daemon is the same.
    pid = suite.main_pid(UNITS[0])
    assert bususer.as_user("bob", bususer.call, *MANAGER, "CreateWorkspace", [("h", {"name": "t62-bob"})]) == "done"
    assert workspaces() == before | {"t62-bob"} and suite.main_pid(UNITS[0]) == pid
    # Positive control: of one who may and waits until it is done, it is.
    reader, writer = os.pipe()
    wait = bususer.start("bob", send_and_stay, "t62-bob-stays", reader)
    suite.until(lambda: "t62-bob-stays" in workspaces(), "what bob asked for")
    os.write(writer, b"x")
    assert wait() == "t62-bob-stays"


# --- T63: what is judged is what is done -------------------------------------------------------------------------------

def two_calls(first, second, fd_first):
    """Two updates of one object in flight at a time; while they wait, the first one's memfd is written to."""
    import dbus
    bus = bususer.connect()
    answers, descriptor = [], bususer.memfd({"name": first})
    path, interface = fd_first
    for d in (descriptor, bususer.memfd({"name": second})):
        message = dbus.lowlevel.MethodCallMessage("org.gantry.Server1", path, interface, "Update")
        message.append(dbus.types.UnixFd(d), dbus.Int64(0), signature="hx")
        answers.append(message)
    pending = [bus.send_message_with_reply(m, lambda *_: None, 120) for m in answers]
    bus.flush()
    try:
        os.pwrite(descriptor, b'{"name": "swapped"}', 0)
        written = True
    except OSError:
        written = False
    for p in pending:
        p.block()
    bus.close()
    return written


def test_T63_what_is_judged_is_what_is_done():
    source = API.source("t63", sourceType="faker", count=1)
    where = f"/org/gantry/Server1/source/{bususer.encode(source)}", "org.gantry.Server1.Source"
    suite.polkit_rules(slow("carol", 2, "YES"))
    assert bususer.as_user("carol", two_calls, "one", "two", where) is False, "a memfd that was handed over could be changed"
    assert API.ask("GET", f"/sources/{source}")["name"] == "two"  # in their order
    suite.polkit_rules(slow("carol", 2, "NO"))
    bususer.as_user("carol", two_calls, "three", "four", where)
    assert API.ask("GET", f"/sources/{source}")["name"] == "two"


# --- T64: who is asked about -------------------------------------------------------------------------------------------

def test_T64_the_subject_is_the_callers_name_on_the_bus():
    suite.polkit_rules()
    monitor = subprocess.Popen(["busctl", "monitor", "--json=short", "--match=interface='org.freedesktop.PolicyKit1.Authority'"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen = []

    def listen():
        seen.extend(m for m in map(json.loads, monitor.stdout) if m.get("member") == "CheckAuthorization")
    reader = threading.Thread(target=listen)
    try:
        assert "Monitoring" in monitor.stderr.readline()
        reader.start()
        while not seen:
            assert bususer.as_user("bob", bususer.call, *MANAGER, "ListJobs", [("s", ""), ("t", 0), ("u", 1)]) == "done"
            assert bususer.as_user("bob", bususer.call, "/org/gantry/Workflow1", "org.gantry.Workflow1.Workflows", "List",
                                   [("s", ""), ("t", 0), ("u", 1)]) == "done"
    finally:
        monitor.terminate()
        monitor.wait()
    reader.join()
    for message in seen:
        (kind, details), action = message["payload"]["data"][:2]
        assert kind == "system-bus-name" and set(details) == {"name"} and action.startswith("org.gantry."), message


# --- T65: polkit that does not answer ----------------------------------------------------------------------------------

def many_calls(n, told=None):
    """n calls on some connections at a time; how each was answered. Writes a byte when the daemon has got all of them."""
    import dbus
    buses = [bususer.connect() for _ in range(4)]
    pending, errors = [], []
    for i in range(n):
        message = dbus.lowlevel.MethodCallMessage("org.gantry.Server1", *MANAGER, "ListJobs")
        message.append("", dbus.UInt64(0), dbus.UInt32(1), signature="stu")
        pending.append(buses[i % 4].send_message_with_reply(message, lambda m: errors.append(m.get_error_name() or "done"), 300))
    for bus in buses:
        bus.flush()
    if told is not None:
        for bus in buses:
            bus.get_object("org.gantry.Server1", "/", introspect=False).Ping(dbus_interface="org.freedesktop.DBus.Peer", timeout=suite.PATIENCE)
        os.write(told, b"x")
    for p in pending:
        p.block()
    for bus in buses:
        bus.close()
    return sorted(map(str, errors))


def test_T65_of_many_calls_that_wait_few_are_kept():
    gate, (reader, writer) = suite.Gate("alice", "YES"), os.pipe()
    wait = bususer.start("alice", many_calls, 60, writer)
    os.close(writer)
    assert os.read(reader, 1) == b"x", wait()
    gate.open()
    answers = wait()
    assert answers.count("done") == 16 and answers.count("org.gantry.Error.Busy") == 44, answers
    # Nothing is left of them, and others are served.
    suite.polkit_rules()
    assert bususer.as_user("bob", many_calls, 10) == ["done"] * 10


def test_T65_ten_thousand_calls_leave_nothing_behind():
    suite.polkit_rules(slow("alice", 1, "YES"))
    pid, before = suite.main_pid(UNITS[0]), memory(UNITS[0])
    answers = bususer.as_user("alice", many_calls, 10000)
    assert set(answers) <= {"done", "org.gantry.Error.Busy", "org.freedesktop.DBus.Error.LimitsExceeded"}, set(answers)
    assert len(answers) == 10000 and answers.count("org.gantry.Error.Busy") > 100, {a: answers.count(a) for a in set(answers)}
    suite.polkit_rules()
    assert bususer.as_user("bob", many_calls, 10) == ["done"] * 10
    assert suite.main_pid(UNITS[0]) == pid and memory(UNITS[0]) < 2 * before + 8192, (before, memory(UNITS[0]))


def start_waiting(user, *arguments):
    """A busctl of that user's which calls, with a question allowed, once it reads a line."""
    command = "read _; exec busctl --timeout=600 call " + " ".join((*suite.BUS[:3], *arguments))
    return subprocess.Popen(["/bin/sh", "-c", command], user=user, group=user, extra_groups=[], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def be_silent_agent(pids, told, end):
    """Registers as the authentication agent of these processes and never answers a question; what polkit says of each try."""
    import dbus
    bus = bususer.connect()
    authority = dbus.Interface(bus.get_object("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", introspect=False),
                               "org.freedesktop.PolicyKit1.Authority")
    for pid in pids:
        start = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
        subject = {"pid": dbus.UInt32(pid), "start-time": dbus.UInt64(start), "uid": dbus.Int32(os.getuid())}
        authority.RegisterAuthenticationAgent(("unix-process", dbus.Dictionary(subject, signature="sv")), "C", "/org/gantry/Silent")
    os.write(told, b"x")
    os.read(end, 1)
    bus.close()
    return len(pids)


def test_T65_an_agent_that_never_answers_is_a_refusal():
    suite.polkit_rules()
    target = API.ask("POST", "/workspaces", {"name": "t65-agent"})["workspaceId"]
    server = suite.main_pid(UNITS[0])
    clients = [start_waiting("alice", "DeleteWorkspace", "s", target) for _ in range(20)]
    told, end = os.pipe(), os.pipe()
    agent = bususer.start("alice", be_silent_agent, [c.pid for c in clients], told[1], end[0])
    os.close(told[1])
    assert os.read(told[0], 1) == b"x", agent()
    try:
        # Without an agent nothing is waited for.
        alone = start_waiting("alice", "DeleteWorkspace", "s", target)
        assert "nteractive" in alone.communicate("\n", suite.PATIENCE)[0]
        for client in clients:
            client.stdin.write("\n")
            client.stdin.flush()
        # A user's questions are few, over all connections: the others hear so at once, and so does whatever comes now.
        suite.until(lambda: sum(c.poll() is not None for c in clients) == 4, "refusals of what is too much")
        assert all("Too many calls" in c.stdout.read() for c in clients if c.poll() is not None)
        assert bususer.as_user("alice", bususer.call, *MANAGER, "ListJobs", [("s", ""), ("t", 0), ("u", 1)]) == "org.gantry.Error.Busy"
        # Nobody else minds.
        for user in ("bob", "root"):
            assert bususer.as_user(user, bususer.call, *MANAGER, "ListJobs", [("s", ""), ("t", 0), ("u", 1)]) == "done", user
        waiting = [c for c in clients if c.poll() is None]
        assert len(waiting) == 16
        for client in waiting:
            said = client.communicate(timeout=suite.PATIENCE)[0]
            assert client.returncode != 0 and "Not authorized for 'org.gantry.configure'" in said, said
    finally:
        os.write(end[1], b"x")
        for client in clients:
            client.kill()
            client.wait()
    assert agent() == 20
    # Nothing was done, nothing is left of it, and the daemon is the same.
    assert target in {w["workspaceId"] for w in API.ask("GET", "/workspaces?limit=100")["data"]}
    suite.polkit_rules('if (subject.user == "alice") return polkit.Result.YES;')
    assert bususer.as_user("alice", many_calls, 10) == ["done"] * 10
    assert suite.main_pid(UNITS[0]) == server
    suite.polkit_rules()


def test_T65_without_polkit_nobody_is_let_in_but_root():
    suite.out("systemctl", "mask", "--runtime", "--now", "polkit.service")
    try:
        for member, arguments in (("ListJobs", [("s", ""), ("t", 0), ("u", 1)]), ("CreateWorkspace", [("h", {"name": "t65"})])):
            for user in ("alice", "bob", "nobody"):
                assert bususer.as_user(user, bususer.call, *MANAGER, member, arguments) != "done", (user, member)
            assert bususer.call(*MANAGER, member, arguments) == "done", member
        assert [w for w in workspaces() if w == "t65"] == ["t65"]
    finally:
        suite.out("systemctl", "unmask", "--runtime", "polkit.service")
        suite.polkit_rules()
    assert bususer.as_user("bob", bususer.call, *MANAGER, "ListJobs", [("s", ""), ("t", 0), ("u", 1)]) == "done"


def test_T65_polkit_that_dies_while_it_thinks_denies():
    gate = suite.Gate("carol", "YES")
    wait = bususer.start("carol", bususer.call, *MANAGER, "CreateWorkspace", [("h", {"name": "t65-carol"})])
    gate.wait()
    os.kill(suite.main_pid("polkit.service"), signal.SIGKILL)
    answer = wait()
    assert answer != "done" and "t65-carol" not in workspaces(), answer
    suite.polkit_rules()


# --- T67: names --------------------------------------------------------------------------------------------------------

def own(name):
    import dbus
    bus = bususer.connect()
    try:
        return bus.request_name(name)
    except dbus.DBusException as error:
        return error.get_dbus_name()


def environment(_):
    import dbus
    bus = bususer.connect()
    try:
        daemon = dbus.Interface(bus.get_object("org.freedesktop.DBus", "/org/freedesktop/DBus"), "org.freedesktop.DBus")
        daemon.UpdateActivationEnvironment(dbus.Dictionary({"LD_PRELOAD": "/tmp/evil.so"}, signature="ss"))
        return "done"
    except dbus.DBusException as error:
        return error.get_dbus_name()


def test_T67_names_belong_to_the_daemons_users():
    suite.out("systemctl", "stop", "gantry-server.service", "gantry-workflow.service", "gantry-workload.service", "gantry-launcher.service")
    refused = "org.freedesktop.DBus.Error.AccessDenied"
    for name in bususer.SERVICES:
        for user in ("alice", "bob", "nobody", *(["gantry"] if "Launcher" in name else [])):
            assert bususer.as_user(user, own, name) == refused, (user, name)
        assert bususer.as_user("root" if "Launcher" in name else "gantry", own, name) == 1, name  # positive control
    for user in ("alice", "bob"):
        assert bususer.as_user(user, environment, None) == refused, user
    assert bususer.as_user("bob", bususer.call, *MANAGER, "ListJobs", [("s", ""), ("t", 0), ("u", 1)]) == "done"
    assert b"LD_PRELOAD" not in pathlib.Path(f"/proc/{suite.main_pid(UNITS[0])}/environ").read_bytes()


# --- T68: descriptors --------------------------------------------------------------------------------------------------

def hand_over(kind):
    """CreateWorkspace with a descriptor of some kind; the error, and how long it took."""
    import dbus
    bus = bususer.connect()
    reader = writer = None
    if kind == "pipe":
        reader, writer = os.pipe()
        descriptor = reader
    elif kind == "socket":
        import socket
        reader, writer = socket.socketpair()
        descriptor = reader.fileno()
    elif kind == "unsealed":
        descriptor = os.memfd_create("x", os.MFD_ALLOW_SEALING)
        os.write(descriptor, b'{"name": "t68"}')
    elif kind == "half sealed":
        import fcntl
        descriptor = os.memfd_create("x", os.MFD_ALLOW_SEALING)
        os.write(descriptor, b'{"name": "t68"}')
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    elif kind == "fifo":
        os.mkfifo(path := f"/tmp/fifo-{os.getpid()}")
        descriptor = os.open(path, os.O_RDWR)
    elif kind == "sparse":
        descriptor = os.memfd_create("x", os.MFD_ALLOW_SEALING)
        os.truncate(descriptor, 2**40)
        suite.seal(descriptor)
    else:
        descriptor = os.open(kind, os.O_PATH if kind == "/etc/shadow" else os.O_RDONLY)
    try:
        bus.get_object("org.gantry.Server1", MANAGER[0], introspect=False).get_dbus_method("CreateWorkspace", MANAGER[1])(
            dbus.types.UnixFd(descriptor), timeout=suite.PATIENCE)
    except dbus.DBusException as error:
        return error.get_dbus_name()
    return "done"


def test_T68_a_descriptor_that_is_no_sealed_memfd_is_refused_at_once():
    before = workspaces()
    for kind in ("pipe", "socket", "unsealed", "half sealed", "fifo", "sparse", "/dev/zero", "/dev/null", "/etc/passwd", "/etc", "/etc/shadow",
                 "/proc/self/status"):
        answer = bususer.as_user("bob", hand_over, kind)
        assert answer == "org.gantry.Error.InvalidArgument", (kind, answer)
    assert workspaces() == before
    # Nothing on the bus takes the name of a file.
    for name, path in ((bususer.SERVICES[0], MANAGER[0]), (bususer.SERVICES[1], "/org/gantry/Workflow1")):
        xml = suite.out("busctl", "introspect", "--xml-interface", name, path)
        assert not re.search(r'name="\w*(file|directory|filename|path)\w*" (type="s" )?direction="in"', xml, re.I), name


# --- T69, T70: files and sockets ---------------------------------------------------------------------------------------

def run_one(name):
    """A sync that has run."""
    connection = API.connect(name, API.source(name, sourceType="faker", count=3), API.destination(name, destinationType="dev-null"))
    job = API.start(connection)
    API.wait(job, "succeeded")
    return job


def test_T69_nothing_of_ours_lies_where_others_write():
    run_one("t69")
    for root in ("/tmp", "/var/tmp", "/dev/shm"):
        ours = [p for p in pathlib.Path(root).rglob("*") if not p.is_symlink() and p.owner() in ("gantry", "gantry-files") and p.is_file()]
        assert not ours, ours
    for path, mode in (("/run/gantry", 0o755), ("/var/lib/gantry", 0o750), ("/var/lib/gantry/logs", 0o750)):
        found = os.lstat(path)
        assert stat.S_ISDIR(found.st_mode) and found.st_mode & 0o7777 & ~mode == 0 and found.st_mode & 0o022 == 0, (path, oct(found.st_mode))
    for path in pathlib.Path("/var/lib/gantry").rglob("*"):
        assert path.is_symlink() or path.stat().st_mode & 0o002 == 0, path
    # What cleans up old files leaves what is in use.
    before = sorted(p.name for p in pathlib.Path("/run/gantry").iterdir())
    suite.out("systemd-tmpfiles", "--clean")
    suite.out("systemd-tmpfiles", "--create")
    assert sorted(p.name for p in pathlib.Path("/run/gantry").iterdir()) == before
    assert API.ask("GET", "/workspaces")["data"]


def test_T70_root_of_a_user_namespace_is_nobody():
    ask = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", "/run/gantry/workload.sock", "-H",
           "Content-Type: application/json", "-d", '{"name":"evil"}', "http://localhost/api/v1/dataplanes/initialize"]
    assert suite.out("unshare", "-Ur", "id", "-u", user="alice") == "0", "there are no user namespaces to try this with"
    assert suite.code("unshare", "-Ur", *ask, user="alice") == 7
    os.chmod("/run/gantry/workload.sock", 0o666)  # without this lock the other one is seen
    try:
        assert suite.out("unshare", "-Ur", *ask, user="alice") == "403"
        assert suite.out(*ask) == "200"
    finally:
        os.chmod("/run/gantry/workload.sock", 0o660)
    for member in ("GetCredentials", "ListJobs"):
        arguments = ["stu", "", "0", "1"] if member == "ListJobs" else []
        assert suite.code("unshare", "-Ur", "busctl", "call", *suite.BUS, member, *arguments, user="alice") != 0, member


# --- T71: the environment of gantryctl ----------------------------------------------------------------------------------

def test_T71_gantryctl_minds_no_hostile_environment():
    for program in ("gantryctl", "gantry"):
        assert pathlib.Path(f"/usr/bin/{program}").stat().st_mode & (stat.S_ISUID | stat.S_ISGID) == 0
    setuid = [p for root in ("/usr/lib/gantry", "/usr/libexec/gantry") for p in pathlib.Path(root).rglob("*")
              if p.is_file() and p.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)]
    assert not setuid, setuid
    touched = pathlib.Path("/tmp/touched")
    hostile = {"PATH": "/tmp/evil:.", "GANTRY_PAGER": f"sh -c 'touch {touched}'; touch {touched}", "PAGER": f"touch {touched}",
               "TZ": ":../../../etc/shadow", "LANG": "../../x", "LC_ALL": "%n%n%n", "TERM": "../../evil", "COLUMNS": "-1", "LESS": f"!touch {touched}",
               "GANTRY_DATABASE": "/etc/shadow", "GANTRY_KEY_FILE": "/etc/shadow", "LISTEN_FDS": "99", "NOTIFY_SOCKET": "/tmp/x", "HOME": "/nonexistent"}
    for arguments, expected in ((["status"], 0), (["job", "list"], 0), (["--version"], 0), (["source", "show", "%s%n"], 4)):
        done = subprocess.run(["/usr/bin/gantryctl", *arguments], env=hostile, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert done.returncode == expected, (arguments, done)
    assert not touched.exists()
    # No argument at all, not even a name.
    code = "import ctypes; c = ctypes.CDLL(None); c.execve(b'/usr/bin/gantryctl', (ctypes.c_char_p * 1)(None), (ctypes.c_char_p * 1)(None))"
    done = subprocess.run(["/usr/bin/python3", "-c", code], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("gantryctl"), done


# --- T72: the journal ---------------------------------------------------------------------------------------------------

def test_T72_connectors_words_are_for_those_who_may():
    job = run_one("t72")
    assert suite.out("gantryctl", "job", "logs", job), "there is nothing to see"
    assert suite.out("journalctl", "--no-pager", "-q", "-u", "gantry-*")  # root sees them
    for user in ("alice", "nobody"):
        assert suite.code("gantryctl", "--no-ask-password", "job", "logs", job, user=user) == 5
        lines = suite.out("journalctl", "--no-pager", "-q", "-o", "json", "-u", "gantry-*", user=user, check=False).splitlines()
        assert not [line for line in lines if line.startswith("{")], (user, lines[:3])
        assert suite.code("ls", "/var/lib/gantry/logs", user=user) != 0


if __name__ == "__main__":
    setup()
    sys.exit(suite.main(globals()))
