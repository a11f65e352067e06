# SPDX-License-Identifier: LGPL-2.1-or-later
"""T01, T03, T04, T07, T08, T11-T14: what a hostile connector tries, inside the sandbox and, as the positive control,
outside it or with the layer off. Each runs as root and as a user without privileges, where this machine has both.

The tests speak gantry-shim's protocol themselves, so they need no other part of Gantry."""

import concurrent.futures
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from conftest import TIMEOUT, program

PYTHON = "/usr/bin/python3"
NOBODY = 65534
BASE = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives"]
NAMESPACES = ["user-namespace", "mount-namespace", "pid-namespace", "ipc-namespace", "uts-namespace",
              "cgroup-namespace", "network-namespace"]
USERS = ["root", "unprivileged"] if os.geteuid() == 0 else ["unprivileged"]


class Identity:
    """Runs programs as one of the two users; `place` is a directory of that user's that the other may read, too."""

    def __init__(self, name):
        self.name = name
        self.uid = NOBODY if name == "unprivileged" and os.geteuid() == 0 else os.geteuid()
        self.switch = self.uid != os.geteuid()
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="gantry-test-", dir="/var/tmp"))
        self.place.chmod(0o755)
        # Copies, because the build tree may lie where only its owner may look.
        self.shim = shutil.copy(program("gantry-shim"), self.place)
        self.probe = shutil.copy(program("tests/tools/sandbox-probe"), self.place)
        self.work = self.directory("work")

    def directory(self, name):
        path = self.place / name
        path.mkdir()
        if self.switch:
            os.chown(path, self.uid, self.uid)
        return path

    def options(self):
        return {"user": self.uid, "group": self.uid, "extra_groups": []} if self.switch else {}

    def run(self, argv, **more):
        """Outside any sandbox: the positive control."""
        return subprocess.run([str(a) for a in argv], capture_output=True, timeout=TIMEOUT, check=False, text=True,
                              cwd="/", **self.options(), **more)


@pytest.fixture(scope="module", params=USERS)
def who(request):
    identity = Identity(request.param)
    yield identity
    shutil.rmtree(identity.place, ignore_errors=True)


def mount(path, writable=False, source=True, optional=False):
    m = {"target": str(path), "writable": writable, "optional": optional}
    if source:
        m["source"] = str(path)
    return m


class Sandboxed:
    """A program in its sandbox. Output is read by a thread until every writer is gone."""

    def __init__(self, who, argv, mounts=(), stdin=False, pass_fds=(), **plan):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(TIMEOUT)
        self.control = ours
        self.shim = subprocess.Popen([who.shim], stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     pass_fds=pass_fds, start_new_session=True, cwd="/", **who.options())
        theirs.close()
        private = [mount(p, writable=True, source=False) for p in ("/tmp", "/var/tmp", "/dev/shm")]
        whole = {
            "argv": [str(a) for a in argv], "network": "none",
            # The leak checker of a build with sanitizers traces itself, which the sandbox forbids.
            "environment": ["PATH=/usr/bin:/bin", "LANG=C.UTF-8", "ASAN_OPTIONS=detect_leaks=0"],
            "mounts": [mount(p, optional=True) for p in BASE] + private + [mount(who.probe)] + list(mounts),
            "stop_grace_usec": 500_000, "tasks_max": 400, "files_max": 256, **plan}
        out_r, out_w = os.pipe()
        fds = [out_w, out_w]
        if stdin:
            in_r, self.stdin = os.pipe()
            fds.insert(0, in_r)
        packet = {"plan": whole, "stdin": stdin, "stdout": True, "stderr": True}
        socket.send_fds(ours, [json.dumps(packet).encode()], fds)
        for fd in set(fds):
            os.close(fd)
        self.output = b""
        self.first_bytes = threading.Event()
        self.reader = threading.Thread(target=self.read, args=(out_r,), daemon=True)
        self.reader.start()
        self.missing = []
        self.pid = None
        self.event = self.next_event()
        if self.event and "started" in self.event:
            self.missing = self.event["started"]["missing"]
            self.pid = self.event["started"]["pid"]

    def read(self, fd):
        while chunk := os.read(fd, 65536):
            self.output += chunk
            self.first_bytes.set()
        os.close(fd)

    def next_event(self):
        packet = self.control.recv(256 * 1024)
        return json.loads(packet) if packet else None

    def send(self, request):
        try:
            self.control.send(json.dumps(request).encode())
        except BrokenPipeError:
            pass  # it has ended by itself; the last event says how

    def end(self):
        """Waits for the last event and for everything that holds the output."""
        if self.event and "started" in self.event:
            self.event = self.next_event()
        self.shim.wait(TIMEOUT)
        self.reader.join(TIMEOUT)
        assert not self.reader.is_alive(), "something still holds the connector's output"
        self.control.close()
        return self

    @property
    def text(self):
        return self.output.decode(errors="replace")

    @property
    def code(self):
        return self.event["exited"]["code"] if "exited" in self.event else None

    def __repr__(self):
        return f"{self.event} missing {self.missing}\n{self.text[-4000:]}"


def inside(who, argv, **more):
    return Sandboxed(who, argv, **more).end()


def script(text, *arguments):
    return [PYTHON, "-I", "-c", text, *arguments]


def need(run, *layers):
    """Skips where the kernel or a missing privilege keeps a layer away."""
    gone = [layer for layer in layers if layer in run.missing]
    if gone:
        pytest.skip(f"this machine does not give: {', '.join(gone)}")


def errno_lines(text):
    return dict(line.rsplit(" ", 1) for line in text.splitlines())


READ = """
import errno, os, sys
for path in sys.argv[1:]:
    try:
        what = os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(64)
        print(path, 'ok')
    except OSError as e:
        print(path, errno.errorcode[e.errno])
"""


# What it is made of


def test_every_layer_holds_here_or_is_named(who):
    run = inside(who, ["/bin/true"])
    assert run.code == 0, run
    if run.missing:
        pytest.skip(f"this machine does not give: {', '.join(run.missing)}")


def test_layers_left_out_are_named_and_it_still_runs(who):
    everything = NAMESPACES + ["proc", "capabilities", "no-new-privileges", "landlock", "landlock-scope", "seccomp",
                               "limits", "tasks-limit"]
    run = inside(who, ["/bin/echo", "hello"], without=everything)
    assert run.text == "hello\n", run
    assert set(everything) <= set(run.missing) | {"tasks-limit"}


def test_root_without_user_namespaces_keeps_all_other_layers(who):
    if who.uid != 0:
        pytest.skip("only root can go on without a user namespace")
    run = inside(who, script(READ, "/etc/shadow", "/root", "/home", "/proc/sys/kernel/core_pattern"),
                 without=["user-namespace"])
    assert set(run.missing) <= {"user-namespace", "tasks-limit", "landlock-scope"}, run
    results = errno_lines(run.text)
    assert results.pop("/proc/sys/kernel/core_pattern") == "ok"
    assert set(results.values()) == {"ENOENT"}, run
    writes = "for f in /proc/sys/kernel/hostname /proc/sysrq-trigger; do (: >>$f) 2>/dev/null && echo $f; done; true"
    assert inside(who, ["/bin/sh", "-c", writes], without=["user-namespace"]).text == ""
    assert inside(who, ["/bin/sh", "-c", writes], without=["user-namespace", "landlock"]).text == ""
    assert "hostname" in who.run(["/bin/sh", "-c", writes]).stdout, "outside root may open it for writing"


NESTED = """
import json, os, socket, subprocess, sys
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
shim = subprocess.Popen([sys.argv[1]], stdin=theirs)
theirs.close()
os.mkdir('/tmp/scratch')
plan = {"argv": ["/bin/sh", "-c", "echo x >$TMPDIR/x && echo ran $TMPDIR"], "environment": ["TMPDIR=/tmp", "PATH=/bin"],
        "mounts": [{"source": "/usr", "target": "/usr"}, {"source": "/etc/ld.so.cache", "target": "/etc/ld.so.cache"},
                   {"target": "/tmp", "writable": True}],
        "network": "none", "scratch_directory": "/tmp/scratch"}
socket.send_fds(ours, [json.dumps({"plan": plan, "stdout": True, "stderr": True}).encode()], [1, 2])
while packet := ours.recv(65536):
    print(packet.decode(), flush=True)
print(os.path.exists('/tmp/scratch'))
"""


@pytest.mark.parametrize("outer", [[], ["seccomp"]], ids=["no-user-namespaces", "no-mounts-in-user-namespaces"])
def test_where_the_machine_refuses_namespaces_the_rest_still_holds(who, outer):
    """A sandbox within a sandbox stands for a container: our seccomp refuses namespaces, our Landlock alone lets a user
    namespace be made but nothing be mounted in it (as AppArmor does on some distributions)."""
    run = inside(who, script(NESTED, who.shim), mounts=[mount(who.shim)], without=outer)
    need(run, "landlock", "mount-namespace")
    # The connector's line may come before or after that it has started.
    events = [json.loads(line) for line in run.text.splitlines() if line.startswith("{")]
    ran, left = [line for line in run.text.splitlines() if not line.startswith("{")]
    missing = events[0]["started"]["missing"]
    assert {"user-namespace", "mount-namespace", "pid-namespace", "network-namespace"} <= set(missing), run
    assert not {"landlock", "capabilities", "no-new-privileges", "seccomp"} & set(missing), run
    assert ran.startswith("ran /tmp/scratch/private-"), "a private directory must stand for /tmp"
    assert events[1]["exited"]["code"] == 0
    assert left == "False", "the scratch directory is still there"


def test_files_that_it_writes_belong_to_the_caller(who):
    work = who.directory("owned")
    run = inside(who, ["/bin/sh", "-c", f"echo x >{work}/new && id -u"], mounts=[mount(work, writable=True)])
    assert run.code == 0 and run.text.strip() == str(who.uid), run
    assert (work / "new").stat().st_uid == who.uid


def test_root_may_give_what_belongs_to_somebody_else(who):
    """Root without capabilities has no power over other users' files; what root names must work all the same."""
    if who.uid != 0:
        pytest.skip("only root gives what isn't its own")
    kind = who.run(["/usr/bin/stat", "-f", "-c", "%T", who.place]).stdout.strip()
    if kind not in ("ext2/ext3", "xfs", "btrfs"):
        pytest.skip(f"{kind} may have no idmapped mounts")
    owned = who.directory("somebody-elses")
    (owned / "out").mkdir()
    (owned / "in.csv").write_text("private")
    for path in (owned / "in.csv", owned / "out", owned):
        path.chmod(0o600 if path.is_file() else 0o700)
        os.chown(path, NOBODY, NOBODY)
    run = inside(who, ["/bin/sh", "-c", f"cat {owned}/in.csv; echo x >{owned}/out/new"],
                 mounts=[mount(owned / "in.csv"), mount(owned / "out", writable=True)])
    assert run.code == 0 and run.text == "private", run
    assert (owned / "out/new").stat().st_uid == NOBODY
    other = inside(who, script(READ, str(owned / "in.csv"), str(owned)), mounts=[mount(owned / "out")])
    assert set(errno_lines(other.text).values()) <= {"ENOENT", "EACCES", "ok"} and f"{owned}/in.csv ENOENT" in other.text


def test_privileges_are_gone(who):
    run = inside(who, ["/bin/grep", "-E", "^(Cap|NoNewPrivs|Seccomp:)", "/proc/self/status"])
    status = dict(line.split(":\t") for line in run.text.splitlines())
    assert all(int(v, 16) == 0 for k, v in status.items() if k.startswith("Cap")), run
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


def test_the_root_is_read_only_and_a_mount_is_what_it_says(who):
    work, data = who.directory("rw"), who.directory("ro")
    attempt = f"for d in / /usr /etc {data} {work} /tmp; do (echo x >$d/new) 2>/dev/null && echo $d; done; true"
    run = inside(who, ["/bin/sh", "-c", attempt], mounts=[mount(work, writable=True), mount(data)])
    assert run.text.split() == [str(work), "/tmp"], run
    assert (work / "new").exists() and not (data / "new").exists()
    assert str(data) in who.run(["/bin/sh", "-c", attempt]).stdout, "the control could not write either"


def test_a_link_in_a_writable_directory_leads_nowhere(who):
    """What a run leaves behind must not move the mounts of the next."""
    work, victim = who.directory("linked"), who.directory("victim")
    (work / "sub").symlink_to(victim)
    run = inside(who, ["/bin/sh", "-c", "true"],
                 mounts=[mount(work, writable=True), {"source": "/etc", "target": f"{work}/sub/deep"}])
    assert not list(victim.iterdir()), run
    assert "failed" in run.event or run.code == 0


def test_a_missing_source_is_an_error_that_names_it(who):
    run = inside(who, ["/bin/true"], mounts=[mount("/nonexistent/data")])
    assert "/nonexistent/data" in run.event["failed"]["message"], run
    assert inside(who, ["/bin/true"], mounts=[mount("/nonexistent/data", optional=True)]).code == 0


def test_the_scratch_directory_is_gone_when_its_end_is_told(who):
    scratch = who.directory("scratch")
    (scratch / "config.json").write_text("{}")
    if who.switch:
        os.chown(scratch / "config.json", who.uid, who.uid)
    # Its parent belongs to somebody else: what is in it must go in any case.
    inside(who, ["/bin/true"], scratch_directory=str(scratch))
    assert not (scratch / "config.json").exists()


def test_a_scratch_directory_goes_when_the_starter_is_killed(who):
    scratch = who.directory("scratch-of-killed")
    (scratch / "config.json").write_text("{}")
    run = Sandboxed(who, ["/bin/sleep", "1000"], scratch_directory=str(scratch))
    run.control.close()
    run.shim.wait(TIMEOUT)
    assert not (scratch / "config.json").exists()


def test_a_scratch_directory_goes_when_the_starter_dies_before_it_sends_a_plan(who):
    """The starter writes secrets there while the shim waits, so the shim is told the directory beforehand."""
    scratch = who.directory("scratch-of-dead")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    shim = subprocess.Popen([who.shim, str(scratch)], stdin=theirs, **who.options())
    theirs.close()
    (scratch / "config.json").write_text("{}")
    if who.switch:
        os.chown(scratch / "config.json", who.uid, who.uid)
    ours.close()
    assert shim.wait(TIMEOUT) != 0
    assert not (scratch / "config.json").exists()


@pytest.mark.parametrize("packet", [b"", b"{", b"[]", b'{"plan":{}}', b'{"stop":true}', b'{"plan":{"argv":["x"]}}',
                                    b'{"plan":{"argv":["/bin/true"]},"stdin":true}'])
def test_a_bad_plan_is_an_error_with_a_sentence(who, packet):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    shim = subprocess.Popen([who.shim], stdin=theirs, **who.options())
    theirs.close()
    ours.settimeout(TIMEOUT)
    ours.send(packet)
    answer = ours.recv(65536)
    assert json.loads(answer)["failed"]["message"]
    assert shim.wait(TIMEOUT) != 0


# T01: files that are none of its business


@pytest.fixture
def secrets(who):
    """Files of the caller's own that outside nothing keeps a program from."""
    place = who.directory(f"secrets-{os.urandom(4).hex()}")
    paths = [place / "key", place / "gantry.db"]
    for path in paths:
        path.write_text("secret")
        if who.switch:
            os.chown(path, who.uid, who.uid)
    yield [str(p) for p in paths]
    shutil.rmtree(place, ignore_errors=True)


HOST_FILES = ["/etc/shadow", "/root", "/home", "/var/lib", "/run", "/run/credentials", "/var/lib/gantry", "/sys",
              "/boot", "/var/log", "/etc/gantry", "/etc/hostname", "/proc/1/root/etc/shadow", "/proc/self/root/home",
              "/../../root", "/dev/mem", "/dev/kmsg", "/dev/tty", "/proc/kcore"]


def test_T01_files_of_the_host_are_out_of_reach(who, secrets):
    paths = HOST_FILES + secrets + ["/proc/1/root" + secrets[0], "/usr/../" + secrets[1]]
    run = inside(who, script(READ, *paths))
    results = errno_lines(run.text)
    assert set(results.values()) <= {"ENOENT", "EACCES", "EPERM"}, run
    control = errno_lines(who.run(script(READ, *secrets, "/run")).stdout)
    assert set(control.values()) == {"ok"}, "outside the sandbox they must be readable"
    granted = inside(who, script(READ, secrets[0]), mounts=[mount(secrets[0])])
    assert errno_lines(granted.text) == {secrets[0]: "ok"}, "what the plan gives must be readable"


def test_T01_without_namespaces_landlock_still_keeps_them_away(who, secrets):
    run = inside(who, script(READ, "/etc/shadow", "/root", "/home", "/run", *secrets), without=NAMESPACES)
    need(run, "landlock")
    assert set(errno_lines(run.text).values()) == {"EACCES"}, run
    control = inside(who, script(READ, *secrets), without=NAMESPACES + ["landlock"])
    assert set(errno_lines(control.text).values()) == {"ok"}, "with Landlock off they must be readable"


# T03: other processes

SPY = """
import ctypes, errno, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, f):
    try:
        f()
        print(name, 'ok')
    except OSError as e:
        print(name, errno.errorcode[e.errno])
def call(*args):
    if libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in args]) < 0:
        raise OSError(ctypes.get_errno(), '')
pid = int(sys.argv[1])
buffer = ctypes.create_string_buffer(8)
iov = (ctypes.c_ulong * 2)(ctypes.addressof(buffer), 8)
address = ctypes.c_ulong(int(sys.argv[2], 16))
remote = (ctypes.c_ulong * 2)(address.value, 8)
attempt('environ', lambda: open(f'/proc/{pid}/environ').read())
attempt('mem', lambda: open(f'/proc/{pid}/mem', 'rb'))
attempt('fd', lambda: os.listdir(f'/proc/{pid}/fd'))
attempt('process_vm_readv', lambda: call(310, pid, iov, 1, remote, 1, 0))
attempt('kill', lambda: os.kill(pid, 0))
attempt('ptrace', lambda: call(101, 16, pid, 0, 0))
def steal():
    fd = os.pidfd_open(pid)
    call(438, fd, 0, 0)
attempt('pidfd_getfd', steal)
"""


def victim_of(who):
    """A process of the same user with something to hide, and an address in its memory."""
    p = subprocess.Popen(["/bin/sleep", "1000"], env={"SECRET": "x"}, **who.options())
    for line in pathlib.Path(f"/proc/{p.pid}/maps").read_text().splitlines():
        if "[stack]" in line:
            # The top holds the environment.
            return p, hex(int(line.split("-")[1].split()[0], 16) - 64)
    return p, "0x0"


def test_T03_other_processes_are_out_of_reach(who):
    if os.uname().machine != "x86_64":
        pytest.skip("the probe has the numbers of x86_64 only")
    victim, address = victim_of(who)
    sibling = Sandboxed(who, ["/bin/sleep", "1000"])
    try:
        for pid in (victim.pid, sibling.pid):
            run = inside(who, script(SPY, str(pid), address))
            results = errno_lines(run.text)
            need(run, "pid-namespace")
            assert len(results) == 7 and set(results.values()) <= {"ENOENT", "ESRCH", "EPERM"}, run
        listing = inside(who, ["/bin/sh", "-c", "echo /proc/[0-9]*"])
        assert len(listing.text.split()) <= 3, "it sees more than itself"
        control = errno_lines(who.run(script(SPY, str(victim.pid), address)).stdout)
        assert control["environ"] == control["kill"] == control["process_vm_readv"] == "ok", control
    finally:
        sibling.send({"kill": True})
        sibling.end()
        victim.kill()
        victim.wait()


def test_T03_without_namespaces_environments_stay_hidden(who):
    if os.uname().machine != "x86_64":
        pytest.skip("the probe has the numbers of x86_64 only")
    victim, address = victim_of(who)
    try:
        run = inside(who, script(SPY, str(victim.pid), address), without=NAMESPACES)
        need(run, "landlock", "landlock-scope")
        assert set(errno_lines(run.text).values()) <= {"EACCES", "EPERM"}, run
    finally:
        victim.kill()
        victim.wait()


def test_T03_its_own_supervisor_is_closed_to_it(who):
    names = ("environ", "maps", "mem", "root", "cwd")
    run = inside(who, script(READ, *(f"/proc/1/{name}" for name in names)))
    need(run, "pid-namespace", "proc")
    assert set(errno_lines(run.text).values()) == {"EACCES"}, run
    # The control: a parent of the same user that doesn't close itself, as the shim does. What lies at address 0 of its
    # memory can't be read; that it could be opened is what counts.
    parent = "import os, subprocess, sys; sys.exit(subprocess.run(sys.argv[1:] + [f'/proc/{os.getpid()}/{n}' for n in " \
             f"{names}]).returncode)"
    control = errno_lines(who.run(script(parent, *script(READ))).stdout)
    assert len(control) == len(names) and set(control.values()) <= {"ok", "EIO"}, control


# T04: descriptors


def test_T04_nothing_but_standard_streams_is_open(who):
    count = int(os.environ.get("GANTRY_TEST_STARTS", "1000" if who.uid == 0 else "100"))
    leak_r, leak_w = os.pipe()
    # Far up as well as next to ours.
    high = os.dup(leak_r)
    try:
        def start(_):
            return inside(who, [who.probe, "fds"], stdin=True, pass_fds=(leak_r, leak_w, high)).text

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            seen = set(pool.map(start, range(count)))
        assert seen == {"0\n1\n2\n"}
        control = who.run([who.probe, "fds"], pass_fds=(leak_r, leak_w, high))
        assert str(leak_w) in control.stdout.split(), "outside the descriptor must get through"
    finally:
        for fd in (leak_r, leak_w, high):
            os.close(fd)


# T07: what one run leaves for the next

LEAVE = """
import ctypes, os
for d in ('/tmp', '/var/tmp', '/dev/shm'):
    open(d + '/gantry-left-behind', 'w').write('x')
libc = ctypes.CDLL(None)
print(libc.shmget(0x67617279, 4096, 0o1666))
"""
FIND = """
import ctypes, os
for d in ('/tmp', '/var/tmp', '/dev/shm'):
    print(d, os.path.exists(d + '/gantry-left-behind'))
print('shm', ctypes.CDLL(None).shmget(0x67617279, 4096, 0) >= 0)
"""
CLEAN = """
import ctypes, os
for d in ('/tmp', '/var/tmp', '/dev/shm'):
    os.unlink(d + '/gantry-left-behind')
libc = ctypes.CDLL(None)
libc.shmctl(libc.shmget(0x67617279, 0, 0), 0, None)
"""


def test_T07_nothing_is_left_for_the_next(who):
    first = inside(who, script(LEAVE))
    need(first, "mount-namespace", "ipc-namespace")
    assert first.code == 0 and int(first.text) >= 0, first
    for found in (inside(who, script(FIND)).text, who.run(script(FIND)).stdout):
        assert "True" not in found and found.count("False") == 4
    try:
        assert who.run(script(LEAVE)).returncode == 0
        assert who.run(script(FIND)).stdout.count("True") == 4, "outside all must be found again"
        assert "True" not in inside(who, script(FIND)).text
    finally:
        who.run(script(CLEAN))


# T08: the network and local sockets

CONNECT = """
import errno, socket, sys
def attempt(name, f):
    try:
        print(name, f() or 'ok')
    except OSError as e:
        print(name, errno.errorcode.get(e.errno, 'timeout' if isinstance(e, TimeoutError) else str(e.errno)))
def tcp(host, port):
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
    s.settimeout(120)
    s.connect((host, port))
    return s.recv(64).decode()
def unix(path, kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_UNIX, kind)
    s.settimeout(120)
    s.connect(path)
    return s.recv(64).decode()
def family(*args):
    socket.socket(*args).close()
def udp(host):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (host, 53))
port, abstract, path, lan, far = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]
for host in ('127.0.0.1', '0.0.0.0', '::1', '::ffff:127.0.0.1', lan):
    attempt(host, lambda: tcp(host, port))
for host in far:
    attempt(host, lambda: tcp(host, 80))
if far:
    attempt('dns', lambda: udp('192.0.2.53'))
attempt('abstract', lambda: unix('\\0' + abstract))
attempt('path', lambda: unix(path))
for path in ('/run/dbus/system_bus_socket', '/run/systemd/private', '/run/podman/podman.sock', '/var/run/docker.sock',
             '/run/gantry/server.sock', '/var/run/postgresql/.s.PGSQL.5432'):
    attempt(path, lambda: unix(path))
attempt('netlink', lambda: family(socket.AF_NETLINK, socket.SOCK_RAW, 9))
attempt('packet', lambda: family(socket.AF_PACKET, socket.SOCK_DGRAM, 0))
attempt('vsock', lambda: family(socket.AF_VSOCK, socket.SOCK_STREAM, 0))
"""


# Metadata services and an address that is nobody's: only tried where no packet may leave.
FAR = ["169.254.169.254", "fd00:ec2::254", "192.0.2.1"]


class Listener:
    """Says hello to whoever connects: on all addresses, on an abstract name and on a path."""

    def __init__(self, who):
        self.abstract = f"gantry-test-{os.getpid()}-{os.urandom(4).hex()}"
        self.path = str(who.place / f"socket-{os.urandom(4).hex()}")
        tcp = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) \
            if socket.has_dualstack_ipv6() else socket.create_server(("0.0.0.0", 0))
        self.port = tcp.getsockname()[1]
        self.sockets = [tcp]
        for name in ("\0" + self.abstract, self.path):
            s = socket.socket(socket.AF_UNIX)
            s.bind(name)
            s.listen()
            self.sockets.append(s)
        os.chmod(self.path, 0o777)
        for s in self.sockets:
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            # Sends nothing: asks which address would be used.
            probe.connect(("192.0.2.1", 9))
            self.lan = probe.getsockname()[0]
        except OSError:
            self.lan = "127.0.0.1"

    def serve(self, s):
        while True:
            try:
                peer, _ = s.accept()
            except OSError:
                return
            peer.sendall(b"hello")
            peer.close()

    def arguments(self):
        return [str(self.port), self.abstract, self.path, self.lan]

    def close(self):
        for s in self.sockets:
            s.close()


@pytest.fixture
def listener(who):
    found = Listener(who)
    yield found
    found.close()


def test_T08_without_a_network_nothing_answers(who, listener):
    run = inside(who, script(CONNECT, *listener.arguments(), *FAR))
    need(run, "network-namespace", "mount-namespace")
    results = errno_lines(run.text)
    assert len(results) == 20 and not {"hello", "ok", "timeout"} & set(results.values()), run
    control = errno_lines(who.run(script(CONNECT, *listener.arguments())).stdout)
    for name in ("127.0.0.1", "0.0.0.0", "abstract", "path", listener.lan):
        assert control[name] == "hello", f"outside the listener must answer: {control}"


@pytest.mark.parametrize("layers", [[], ["landlock-scope"]], ids=["scope", "no-scope"])
def test_T08_with_a_network_local_sockets_stay_closed(who, listener, layers):
    run = inside(who, script(CONNECT, *listener.arguments()), network="any", without=layers)
    need(run, "mount-namespace")
    results = errno_lines(run.text)
    # Without Landlock's scope, as on older kernels, there are no AF_UNIX sockets at all.
    refused = {"EAFNOSUPPORT"} if "landlock-scope" in run.missing else {"ENOENT", "EACCES"}
    assert results["127.0.0.1"] == "hello", "the positive control: this class has the network"
    assert results["abstract"] == ("EAFNOSUPPORT" if "landlock-scope" in run.missing else "EPERM"), run
    assert results["path"] in refused, run
    assert {results[n] for n in results if n.startswith(("/run", "/var"))} <= refused, run
    assert results["netlink"] == results["packet"] == results["vsock"] == "EAFNOSUPPORT", run


def test_T08_abstract_sockets_stay_closed_without_landlock(who, listener):
    run = inside(who, script(CONNECT, *listener.arguments()), network="any", without=["landlock"])
    assert errno_lines(run.text)["abstract"] == "EAFNOSUPPORT", run
    both = inside(who, script(CONNECT, *listener.arguments()), network="any", without=["landlock", "seccomp"])
    assert errno_lines(both.text)["abstract"] == "hello", "with both layers off it must be reachable"


def test_T08_without_namespaces_seccomp_keeps_the_network_away(who, listener):
    run = inside(who, script(CONNECT, *listener.arguments(), *FAR), without=NAMESPACES)
    need(run, "seccomp")
    assert "hello" not in run.text and "ok" not in errno_lines(run.text).values(), run
    control = inside(who, script(CONNECT, *listener.arguments()), without=NAMESPACES + ["seccomp", "landlock"])
    assert errno_lines(control.text)["127.0.0.1"] == "hello"


# T11: system calls

REFUSED = {"EPERM", "ENOSYS", "EAFNOSUPPORT", f"SIG{int(signal.SIGSYS)}"}
# What a kernel says of a call that it was built without, whoever asks.
ABSENT = {"ENOSYS", "EAFNOSUPPORT"}


def probe_syscalls(who, **plan):
    return errno_lines(inside(who, [who.probe, "syscalls"], **plan).text)


@pytest.fixture(scope="module")
def controls(who):
    """The same calls without the filter: by the same user outside and inside, inside with the capabilities that a user
    has in a namespace of its own, and (some ask for capabilities before they look at anything) by root outside."""
    found = [errno_lines(who.run([who.probe, "syscalls"]).stdout), probe_syscalls(who, without=["seccomp"]),
             probe_syscalls(who, without=["seccomp", "capabilities", "no-new-privileges", "landlock"])]
    if os.geteuid() == 0:
        found.append(errno_lines(subprocess.run([who.probe, "syscalls"], capture_output=True, check=True, text=True).stdout))
    return found


def test_T11_system_calls_are_refused(who, controls):
    run = inside(who, [who.probe, "syscalls"])
    need(run, "seccomp")
    results = errno_lines(run.text)
    assert len(results) >= 85, run
    assert {n: r for n, r in results.items() if r not in REFUSED} == {}
    assert results.get("i386-getpid", "SIG31") == "SIG31"
    # Each of them reaches the kernel when nothing stands before it, but those that this kernel doesn't have.
    shown = {n for n in results if any(c[n] not in REFUSED for c in controls)}
    for name in set(results) - shown:
        assert {c[name] for c in controls} & ABSENT or os.geteuid() != 0, f"{name} has no control: {[c[name] for c in controls]}"


def test_T11_every_refused_call_has_a_control(who, controls):
    absent = sorted(n for n in controls[0] if all(c[n] in REFUSED for c in controls))
    if absent:
        pytest.skip(f"this kernel has no {', '.join(absent)}" if os.geteuid() == 0 else
                    f"only root could show that these do anything: {', '.join(absent)}")


def test_T11_programs_of_all_kinds_still_run(who):
    work = """
import concurrent.futures, ctypes, multiprocessing, os, socket, sqlite3, subprocess, tempfile, threading
assert concurrent.futures.ThreadPoolExecutor(4).submit(lambda: 42).result() == 42
assert subprocess.run(['/bin/echo', 'x'], capture_output=True).stdout == b'x\\n'
with multiprocessing.Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
sqlite3.connect(tempfile.mktemp()).execute('create table t (a)')
a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'
server = socket.create_server(('127.0.0.1', 0)); socket.create_connection(server.getsockname())
assert ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)() == 7
import pwd; assert pwd.getpwuid(os.getuid()).pw_dir == '/home/gantry'
print('fine')
"""
    run = inside(who, script(work))
    assert run.text == "fine\n", run


# T12: code and files that outlive their writer


def test_T12_memory_is_written_or_executed(who):
    results = errno_lines(inside(who, [who.probe, "syscalls"]).text)
    assert {results[n] for n in ("mmap-write-exec", "mprotect-exec", "shmat-exec")} == {"EPERM"}
    allowed = errno_lines(inside(who, [who.probe, "syscalls"], allow_write_exec=True).text)
    assert allowed["mmap-write-exec"] == allowed["mprotect-exec"] == "ok"


def test_T12_files_that_it_wrote_do_not_run(who):
    work = who.directory("dropped")
    attempt = "for d in /tmp /dev/shm {}; do cp /bin/echo $d/p && $d/p ran-in-$d; done 2>/dev/null; true".format(work)
    run = inside(who, ["/bin/sh", "-c", attempt], mounts=[mount(work, writable=True)])
    need(run, "mount-namespace")
    assert "ran-in" not in run.text, run
    (work / "p").unlink()
    allowed = inside(who, ["/bin/sh", "-c", attempt], mounts=[mount(work, writable=True)], allow_write_exec=True)
    assert allowed.text.count("ran-in") == 3, allowed


def test_T12_no_set_id_file_is_left(who):
    work = who.directory("suid")
    attempt = f"cp /bin/true {work}/p; chmod 4755 {work}/p; chmod 2755 {work}/p; stat -c %a {work}/p; rm -f {work}/p"
    run = inside(who, ["/bin/sh", "-c", attempt], mounts=[mount(work, writable=True)])
    assert run.text.splitlines()[-1] == "755", run
    assert who.run(["/bin/sh", "-c", attempt]).stdout.splitlines()[-1] in ("6755", "2755"), "outside it must work"


def test_T12_the_starters_loader_settings_do_not_reach_it(who):
    shown = "import os; print(sorted(os.environ))"
    os.environ["GANTRY_TEST_SECRET"] = "x"
    os.environ["LD_PRELOAD_TEST"] = "x"
    try:
        run = inside(who, script(shown))
        assert "GANTRY_TEST_SECRET" not in run.text and "LD_" not in run.text, run
        assert "GANTRY_TEST_SECRET" in who.run(script(shown)).stdout
    finally:
        del os.environ["GANTRY_TEST_SECRET"], os.environ["LD_PRELOAD_TEST"]


def test_T12_no_core_is_stored(who):
    work = who.directory("core")
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    run = inside(who, [who.probe, "abort"], mounts=[mount(work, writable=True)], working_directory=str(work))
    assert run.event["exited"]["signal"] == signal.SIGABRT, run
    assert not list(work.iterdir())
    limits = inside(who, script("import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"))
    # 1 forbids cores to files and, unlike 0, to programs.
    assert limits.text.strip() == "(1, 1)", limits
    if pattern.startswith(("|", "/")) or resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        return
    limit = (resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    subprocess.run([who.probe, "abort"], cwd=work, preexec_fn=lambda: resource.setrlimit(*limit), **who.options())
    assert list(work.iterdir()), "outside there must be a core"


# T13: too much of everything


def test_T13_forks_and_threads_end_at_the_limit(who):
    for what in ("forks", "threads"):
        run = inside(who, [who.probe, what, "2000"], tasks_max=310)
        need(run, "tasks-limit")
        assert int(run.text) < 320, run
        more = inside(who, [who.probe, what, "600"], tasks_max=2000)
        assert int(more.text) == 600, "with a higher limit it must get on"


def test_T13_a_fork_bomb_harms_nobody_else(who):
    need(inside(who, ["/bin/true"], tasks_max=310), "tasks-limit", "pid-namespace")
    bomb = Sandboxed(who, ["/bin/sh", "-c", "f() { f | f & }; f; while :; do f; done 2>/dev/null"], tasks_max=310)
    for _ in range(3):
        assert inside(who, ["/bin/echo", "alive"], tasks_max=310).text == "alive\n"
    bomb.send({"kill": True})
    assert "exited" in bomb.end().event


def test_T13_memory_ends_at_the_limit(who):
    run = inside(who, [who.probe, "memory", "512"], memory_max=64 << 20)
    need(run, "limits")
    assert int(run.text) < 64, run
    assert int(inside(who, [who.probe, "memory", "128"], memory_max=256 << 20).text) == 128


def test_T13_descriptors_end_at_the_limit(who):
    assert int(inside(who, [who.probe, "descriptors"], files_max=64).text) < 64
    assert int(inside(who, [who.probe, "descriptors"], files_max=200).text) > 150


def test_T13_files_end_at_the_limit(who):
    work = who.directory("large")
    mounts = [mount(work, writable=True)]
    sparse = [who.probe, "sparse", f"{work}/sparse", str(1 << 40)]
    assert inside(who, sparse, mounts=mounts, file_size_max=1 << 30).text == "EFBIG\n"
    assert inside(who, sparse, mounts=mounts).text == "ok\n"
    assert (work / "sparse").stat().st_size == 1 << 40


def test_T13_the_private_tmp_is_bounded(who):
    run = inside(who, [who.probe, "fill", "/tmp/full", "2048"])
    need(run, "mount-namespace")
    written, why = run.text.split()
    assert int(written) <= 512 and why == "ENOSPC", run
    made, why = inside(who, [who.probe, "inodes", "/tmp", "200000"]).text.split()
    assert int(made) <= 1 << 16 and why == "ENOSPC"
    # The control: a directory of the host's takes more.
    work = who.directory("roomy")
    try:
        assert who.run([who.probe, "fill", f"{work}/full", "513"]).stdout == "513 ok\n"
        assert who.run([who.probe, "inodes", work, "66000"]).stdout == "66000 ok\n"
    finally:
        shutil.rmtree(work)


def test_T13_what_it_wrote_to_its_tmp_is_given_back(who):
    """The private /tmp is memory: of ten connectors in turn that fill it, nothing may stay."""
    def shmem():
        text = pathlib.Path("/proc/meminfo").read_text()
        return int(next(line for line in text.splitlines() if line.startswith("Shmem:")).split()[1]) >> 10

    need(inside(who, ["/bin/true"]), "mount-namespace")
    full = Sandboxed(who, ["/bin/sh", "-c", f"{who.probe} fill /tmp/full 200; sleep 1000"])
    assert full.first_bytes.wait(TIMEOUT)
    held = shmem()
    full.send({"kill": True})
    full.end()
    for _ in range(10):
        assert inside(who, [who.probe, "fill", "/tmp/full", "200"]).text == "200 ok\n"
    # Others on this machine use such memory, too; ten times 200 MiB would show beside them.
    assert shmem() < held + 1000, f"{held} MiB while one was full, {shmem()} MiB after ten"


def test_T13_a_spinning_connector_is_stopped(who):
    run = Sandboxed(who, [who.probe, "spin"])
    run.send({"stop": True})
    assert run.end().event["exited"]["signal"] == signal.SIGTERM
    assert run.event["exited"]["user_usec"] + run.event["exited"]["system_usec"] > 0


def test_T13_spinning_connectors_do_not_keep_others_from_their_work(who):
    spinners = [Sandboxed(who, [who.probe, "spin"]) for _ in range(4 * os.cpu_count())]
    try:
        for _ in range(3):
            assert inside(who, ["/bin/echo", "alive"]).text == "alive\n"
    finally:
        for run in spinners:
            run.send({"stop": True})
        ends = [run.end().event["exited"] for run in spinners]
    assert {e["signal"] for e in ends} == {signal.SIGTERM}
    # The control: they did spin, each of them.
    assert all(e["user_usec"] + e["system_usec"] > 0 for e in ends), ends


def test_T13_a_spinning_connector_gets_a_bounded_share_of_the_processor(who):
    pytest.skip("only a cgroup limits the share (CPUQuota=, CPUWeight=); the sandbox of `gantry` alone has none")


def test_T13_page_cache_thrash_does_not_keep_others_from_their_work(who):
    work = who.directory("thrash")
    mounts = [mount(work, writable=True)]
    thrashers = [Sandboxed(who, [who.probe, "thrash", f"{work}/file-{i}", "256"], mounts=mounts) for i in range(2)]
    try:
        for run in thrashers:
            assert run.first_bytes.wait(TIMEOUT), "it has not gone through its file once"
        assert inside(who, [who.probe, "fill", f"{work}/other", "16"], mounts=mounts).text == "16 ok\n"
        for run in thrashers:
            run.send({"kill": True})
            assert run.end().event["exited"]["signal"] == signal.SIGKILL
    finally:
        shutil.rmtree(work)


def test_T13_the_page_cache_of_a_connector_is_bounded(who):
    pytest.skip("only a cgroup counts the page cache (MemoryMax=, MemoryHigh=); the sandbox of `gantry` alone has none")


# T14: it does not want to go


def descendants_of(marker):
    """Processes of the host with that marker among their arguments."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


def linger(who, **more):
    marker = f"linger-{os.urandom(8).hex()}"
    run = Sandboxed(who, [who.probe, "linger", marker], **more)
    assert run.first_bytes.wait(TIMEOUT), run
    assert len(descendants_of(marker)) >= 4, "the probe has not spread"
    return run, marker


@pytest.mark.parametrize("layers", [[], NAMESPACES], ids=["namespaces", "plain"])
@pytest.mark.parametrize("way", ["stop", "kill", "starter-gone", "shim-terminated"])
def test_T14_nothing_stays_behind(who, way, layers):
    run, marker = linger(who, without=layers)
    if way == "starter-gone":
        run.control.close()
        run.shim.wait(TIMEOUT)
        run.reader.join(TIMEOUT)
        assert not run.reader.is_alive()
    else:
        if way == "shim-terminated":
            os.kill(run.shim.pid, signal.SIGTERM)
        else:
            run.send({way: True})
        assert run.end().event["exited"]["signal"] == signal.SIGKILL, run
    assert descendants_of(marker) == []


def test_T14_nothing_stays_behind_when_the_shim_is_killed(who):
    need(inside(who, ["/bin/true"]), "pid-namespace")
    run, marker = linger(who)
    os.kill(run.shim.pid, signal.SIGKILL)
    run.reader.join(TIMEOUT)
    assert not run.reader.is_alive(), "its processes outlive the shim"
    assert run.next_event() is None
    run.shim.wait(TIMEOUT)
    assert descendants_of(marker) == []


def test_T14_a_daemon_does_not_outlive_its_connector(who):
    marker = f"daemon-{os.urandom(8).hex()}"
    daemon = f"setsid sh -c 'sleep 1000; : {marker}' >/dev/null 2>&1 & echo started"
    run = inside(who, ["/bin/sh", "-c", daemon])
    assert run.code == 0 and run.text == "started\n", run
    assert descendants_of(marker) == []
    assert who.run(["/bin/sh", "-c", daemon]).stdout == "started\n"
    left = descendants_of(marker)
    for pid in left:
        # Until it is in a session of its own its group is the one that these tests run in.
        while os.getpgid(pid) == os.getpgrp():
            time.sleep(0.01)
        os.killpg(os.getpgid(pid), signal.SIGKILL)
    assert left, "outside a daemon must outlive its parent"


def test_T14_it_cannot_leave_its_cgroup(who):
    find = "import os; print([os.path.join(d, n) for d, _, f in os.walk('/') for n in f if n in ('cgroup.procs', 'tasks')][:3])"
    run = inside(who, script(find))
    need(run, "mount-namespace")
    assert run.text == "[]\n", run
    attempt = "import ctypes, os; os.makedirs('/tmp/c'); l = ctypes.CDLL(None, use_errno=True); " \
              "print(l.mount(b'none', b'/tmp/c', b'cgroup2', 0, None), ctypes.get_errno())"
    assert inside(who, script(attempt)).text == "-1 1\n"
    if not pathlib.Path("/sys/fs/cgroup").is_dir() or not any(pathlib.Path("/sys/fs/cgroup").rglob("cgroup.procs")):
        pytest.skip("there is no control: this machine shows no cgroup outside either")
    assert who.run(script(find.replace("'/'", "'/sys/fs/cgroup'"))).stdout != "[]\n", "outside there are some"


def test_T14_a_destination_is_asked_to_stop_only_when_it_has_read_everything(who):
    reader = ["/bin/sh", "-c", "trap 'echo term' TERM; while read -r x; do echo $x; done; echo end; while :; do sleep 0.05; done"]
    run = Sandboxed(who, reader, stdin=True, hold_term_until_stdin_ends=True, stop_grace_usec=20_000_000)
    os.write(run.stdin, b"one\n")
    run.send({"stop": True})
    assert run.first_bytes.wait(TIMEOUT)
    os.write(run.stdin, b"two\n" * 1000)
    os.close(run.stdin)
    deadline = threading.Event()
    while "term" not in run.text and not deadline.wait(0.01):
        assert run.shim.poll() is None
    lines = run.text.split()
    assert lines[:1] == ["one"] and lines.count("two") >= 1000 - lines.count("term")
    run.send({"kill": True})
    run.end()
    # The positive control: without the rule the signal comes although nothing has been read.
    plain = Sandboxed(who, reader, stdin=True)
    plain.send({"stop": True})
    plain.end()
    os.close(plain.stdin)
    assert plain.event["exited"]["signal"] in (signal.SIGTERM, signal.SIGKILL)


# Reads all, then takes its time to commit; who asks it to stop meanwhile is heard, and there is no commit.
LATE = "trap 'echo term; exit 7' TERM; echo ready; cat >/dev/null; %s; echo committed"
A_SECOND = "i=0; while [ $i -lt 20 ]; do sleep 0.05; i=$((i + 1)); done"
FOR_EVER = "while :; do sleep 0.05; done"


def late_destination(who, then, grace=600_000_000, trap=None):
    program = (LATE if trap is None else LATE.replace("trap 'echo term; exit 7'", trap)) % then
    run = Sandboxed(who, ["/bin/sh", "-c", program], stdin=True, hold_term_until_stdin_ends=True, stop_grace_usec=grace)
    assert run.first_bytes.wait(TIMEOUT), run
    return run


def test_T14_the_last_commit_of_a_destination_has_the_whole_grace_period(who):
    """Its slice is stopped: it is told with everybody else, and its input ends; what it was given is committed all the same."""
    run = late_destination(who, A_SECOND)
    os.kill(run.shim.pid, signal.SIGTERM)
    os.close(run.stdin)
    assert run.end().code == 0 and run.text.split() == ["ready", "committed"], run
    # The positive control: the same program hears a signal in that time, as when the starter has waited enough.
    run = late_destination(who, FOR_EVER)
    os.kill(run.shim.pid, signal.SIGTERM)
    run.send({"stop": True})
    os.close(run.stdin)
    assert run.end().code == 7 and run.text.split()[-1] == "term", run


@pytest.mark.parametrize("ended", [True, False], ids=["after-its-input", "amid-its-input"])
def test_T14_a_destination_that_does_not_end_is_asked_to_when_the_grace_period_is_over(who, ended):
    run = late_destination(who, FOR_EVER, grace=300_000)
    os.kill(run.shim.pid, signal.SIGTERM)
    if ended:
        os.close(run.stdin)
    assert run.end().code == 7 and run.text.split()[-1] == "term", run
    if not ended:
        os.close(run.stdin)


def test_T14_a_deaf_destination_is_killed_after_the_grace_period(who):
    run = late_destination(who, FOR_EVER, grace=100_000, trap="trap ''")
    os.kill(run.shim.pid, signal.SIGTERM)
    os.close(run.stdin)
    assert run.end().event["exited"]["signal"] == signal.SIGKILL, run


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
