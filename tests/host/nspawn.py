# SPDX-License-Identifier: LGPL-2.1-or-later
"""Throw-away Debian 12 hosts, booted by systemd-nspawn: real systemd, D-Bus, polkit, journal, and cgroups of their own.

Base is the root that all hosts share: made once by mmdebstrap, kept in $GANTRY_HOST_CACHE (~/.cache/gantry/host) under a
hash of its recipe. A Host is an overlay on it, booted in a second, gone without a trace when its process is."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = pathlib.Path(os.environ.get("GANTRY_HOST_CACHE") or pathlib.Path.home() / ".cache/gantry/host")
PACKAGES = HERE / "base-packages"

# A hundred times what a quiet machine needs: a host that isn't up, or down, by then never will be.
BOOT_SECONDS = 600

# What a host doesn't need to be a host: work in the background, and consoles that nobody looks at.
MASKED = """podman.service podman.socket podman-auto-update.service podman-auto-update.timer podman-restart.service
    apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer
    getty.target console-getty.service""".split()

# Without packages, documentation is no use; the rule is removed again, so that ours are installed whole.
HOOKS = [
    "rm -f $1/etc/dpkg/dpkg.cfg.d/99mmdebstrap; sed -i /Proxy/d $1/etc/apt/apt.conf.d/99mmdebstrap",
    *(f"ln -sf /dev/null $1/etc/systemd/system/{unit}" for unit in MASKED),
    "ln -sf /lib/systemd/system/multi-user.target $1/etc/systemd/system/default.target",
    ": >$1/etc/machine-id; mkdir -p $1/var/log/journal; rm -f $1/etc/resolv.conf; rm -rf $1/var/lib/apt/lists/*_*",
]
EXCLUDED = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"]

# A container's v1 controllers are mounted read-only. This stands in for init, makes them writable, and becomes systemd:
# only then do MemoryMax=, TasksMax= and CPUQuota= bite.
INIT = """#!/bin/sh
for controller in /sys/fs/cgroup/*; do mount -o remount,rw,bind "$controller" 2>/dev/null; done
exec /lib/systemd/systemd
"""

# Puts itself into the host's cgroups, mounts the overlay where nobody else sees it, becomes nspawn.
LAUNCH = """
lower=$1 run=$2; shift 2
while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$run/upper,workdir=$run/work" "$run/tree"
exec "$@"
"""

ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"]


class Unusable(Exception):
    """This machine can't boot a host; the text says why."""


class HostError(Exception):
    """A host didn't do what it should."""


@contextlib.contextmanager
def locked(path, wait=True):
    """Holds a lock file; BlockingIOError where it is held and wait is false."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # Its last holder may have removed the file between the two calls.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    yield file
                    return


def unused(path):
    """Whether no host was booted from a root for a month."""
    return time.time() - path.stat().st_mtime > 30 * 86400


def proxy_options():
    """The proxies that this machine's apt uses: mmdebstrap reads no apt.conf."""
    done = subprocess.run(["apt-config", "shell", "http", "Acquire::http::Proxy", "https", "Acquire::https::Proxy"],
                          capture_output=True, text=True, check=False)
    return [f'--aptopt=Acquire::{kind}::Proxy "{url}"' for kind, url in re.findall(r"^(https?)='(.*)'$", done.stdout, re.M)]


class Base:
    """The root below all hosts."""

    def __init__(self):
        packages = " ".join(line for line in PACKAGES.read_text().splitlines() if not line.startswith("#")).split()
        self.options = ["--variant=minbase", "--mode=root", "--aptopt=APT::Install-Recommends \"false\"",
                        "--aptopt=Acquire::Languages \"none\"", *(f"--dpkgopt=path-exclude={p}" for p in EXCLUDED),
                        f"--include={','.join(packages)}", *(f"--customize-hook={hook}" for hook in HOOKS)]
        self.key = hashlib.sha256("\0".join(self.options).encode()).hexdigest()[:12]
        self.path = CACHE / f"base-{self.key}"
        self.seconds = 0.0

    def make(self):
        """Makes the root where it isn't there yet. Two that come at once make it once."""
        CACHE.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(CACHE / "lock"):
            if self.path.is_dir():
                os.utime(self.path)
                return
            start = time.monotonic()
            print("host: making the root of the test hosts (once; some minutes)", file=sys.stderr, flush=True)
            for stale in [*CACHE.glob("base-*.partial"), *(p for p in CACHE.glob("base-*") if unused(p))]:
                shutil.rmtree(stale)
            partial = CACHE / f"{self.path.name}.partial"
            log = CACHE / "mmdebstrap.log"
            with log.open("wb") as out:
                done = subprocess.run(["mmdebstrap", *self.options, *proxy_options(), "bookworm", partial], stdin=subprocess.DEVNULL,
                                      stdout=out, stderr=subprocess.STDOUT, check=False)
            if done.returncode != 0:
                errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("E:")]
                raise Unusable(f"the hosts' root can't be made: {(errors or ['mmdebstrap failed'])[0]} (see {log})")
            partial.rename(self.path)
            self.seconds = time.monotonic() - start
            print(f"host: root made in {self.seconds:.0f} s: {self.path}", file=sys.stderr, flush=True)


def check_usable(base):
    """Raises Unusable with the reason unless this machine can boot a container from the base."""
    if os.geteuid() != 0:
        raise Unusable("systemd-nspawn needs root")
    for program in ("systemd-nspawn", "nsenter", "unshare", "setpriv"):
        if shutil.which(program) is None:
            raise Unusable(f"{program} is not installed")
    if not base.path.is_dir() and shutil.which("mmdebstrap") is None:
        raise Unusable("mmdebstrap is not installed")
    base.make()
    sweep()
    probe = subprocess.run(["systemd-nspawn", "-q", "--register=no", "--keep-unit", "--private-network", "--volatile=overlay",
                            "-D", base.path, "/bin/true"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if probe.returncode != 0:
        words = (probe.stderr or probe.stdout).strip().splitlines()
        raise Unusable(f"systemd-nspawn can't run here: {words[-1] if words else f'exit {probe.returncode}'}")


def cgroup_mounts():
    """Where each cgroup hierarchy of this machine is mounted."""
    mounts = (line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines())
    return [pathlib.Path(m[1]) for m in mounts if m[2] in ("cgroup", "cgroup2")]


def make_cgroups(name):
    """A cgroup in every hierarchy. Hosts without cgroups of their own would share one and its limits."""
    made = []
    for mount in cgroup_mounts():
        path = mount / name
        path.mkdir(exist_ok=True)
        if (path / "cpuset.cpus").exists() and (path / "cgroup.clone_children").exists():
            # An empty v1 cpuset takes no process.
            for key in ("cpuset.cpus", "cpuset.mems"):
                (path / key).write_text((mount / key).read_text())
            (path / "cgroup.clone_children").write_text("1")
        made.append(path)
    return made


def remove_cgroups(name):
    """Removes what is left of a host's cgroups; its processes are dead, but may not be reaped yet. False: they live."""
    deadline = time.monotonic() + 60
    for mount in cgroup_mounts():
        for directory, _, _ in os.walk(mount / name, topdown=False):
            while True:
                try:
                    os.rmdir(directory)
                except FileNotFoundError:
                    pass
                except OSError:
                    if time.monotonic() < deadline:
                        time.sleep(0.02)
                        continue
                    return False
                break
    return True


def started(pid):
    """When a process started, which with its id names it for good; None if it is gone."""
    with contextlib.suppress(OSError):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[19] if fields[0] not in "ZX" else None
    return None


def sweep():
    """Removes what hosts left behind whose owner was killed: nspawn dies with it, but the host's own init doesn't."""
    for run in (CACHE / "run").glob("*"):
        with contextlib.suppress(BlockingIOError), locked(CACHE / "locks" / run.name, wait=False):
            with contextlib.suppress(OSError, ValueError):
                pid, since = (run / "leader").read_text().split()
                if started(pid) == since:
                    os.kill(int(pid), signal.SIGKILL)
            if not remove_cgroups(f"gantry-host-{run.name}"):
                print(f"host: {run.name} was left behind and still runs", file=sys.stderr)
                continue
            shutil.rmtree(run, ignore_errors=True)
            (CACHE / "locks" / run.name).unlink()


def built_packages():
    """Our packages as tools/build-deb left them, without those for debuggers."""
    return sorted(deb for deb in (ROOT / "build/deb").glob("*.deb") if "-dbgsym_" not in deb.name)


def standard_binds():
    """What every host sees of this tree, read-only, below /mnt."""
    places = {"tests": ROOT / "tests", "deb": ROOT / "build/deb", "build": ROOT / "build", "autopkgtest": ROOT / "debian/tests",
              "fixtures": pathlib.Path(os.environ.get("GANTRY_HOST_FIXTURES") or ROOT / "build/host-fixtures")}
    return [(path, f"/mnt/{name}", False) for name, path in places.items() if path.is_dir()]


class Host:
    """One booted host. Use it in a with statement; what it started is ended at the end, and nothing else."""

    def __init__(self, name, base, binds=None, network="--private-network"):
        """binds: (source, path inside, writable) of what it sees of this machine; /mnt/{tests,deb,…} by default.
        network: an nspawn option."""
        self.name, self.base, self.network = name, base, network
        self.binds = standard_binds() if binds is None else list(binds)
        self.run_dir = CACHE / "run" / name
        self.cgroup = f"gantry-host-{name}"
        self.process = self.leader = None
        self.boot_seconds = 0.0
        self.exits = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.exits.enter_context(locked(CACHE / "locks" / self.name, wait=False))
        except BlockingIOError:
            raise HostError(f"host {self.name} is up already") from None
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def start(self):
        """Makes the host's directories and boots it."""
        shutil.rmtree(self.run_dir, ignore_errors=True)
        for part in ("tree", "upper", "work", "containers"):
            (self.run_dir / part).mkdir(parents=True)
        (self.run_dir / "init").write_text(INIT)
        (self.run_dir / "init").chmod(0o755)
        (self.run_dir / "upper/etc").mkdir()
        (self.run_dir / "upper/etc/hostname").write_text(f"gantry-{self.name}\n")
        self.boot()

    def boot(self):
        """Boots; returns when all units that start at boot have."""
        start = time.monotonic()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind("")
            environment = dict(os.environ, NOTIFY_SOCKET="@" + ready.getsockname()[1:].decode())
            with (self.run_dir / "console").open("ab") as console:
                self.process = subprocess.Popen(self.command(), env=environment, stdin=subprocess.DEVNULL, stdout=console,
                                                stderr=subprocess.STDOUT, start_new_session=True)
            self.leader = self.wait_ready(ready)
        state = self.call(["systemctl", "is-system-running", "--wait"], check=False).stdout.strip()
        self.boot_seconds = time.monotonic() - start
        if state != "running":
            failed = self.call(["systemctl", "--failed", "--plain", "--no-legend"], check=False).stdout
            print(f"host {self.name}: {state}\n{failed}", file=sys.stderr)

    def command(self):
        """The command line that becomes nspawn. Without systemd on this machine the cgroups are ours to make."""
        cgroups, options = [], []
        if not pathlib.Path("/run/systemd/system").is_dir():
            cgroups = make_cgroups(self.cgroup)
            options = ["--keep-unit"]
        binds = [("--bind=" if writable else "--bind-ro=") + f"{source}:{inside}" for source, inside, writable in self.binds]
        return [str(part) for part in (
            "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "slave",
            "sh", "-euc", LAUNCH, "launch", self.base.path, self.run_dir, *cgroups, "--",
            "systemd-nspawn", "-q", "-D", self.run_dir / "tree", "-M", f"gantry-{self.name}", "--register=no", *options,
            self.network, "--console=pipe", "--link-journal=no", "--notify-ready=yes", "--resolv-conf=off", "--timezone=off",
            # Without @keyring podman fails; without bpf IPAddressDeny= is silently not enforced; @sandbox is Landlock.
            # No --suppress-sync: it takes openat2() away.
            "--system-call-filter=@keyring bpf @sandbox",
            f"--bind-ro={self.run_dir / 'init'}:/sbin/test-host-init",
            # podman's storage can't be an overlay on an overlay.
            f"--bind={self.run_dir / 'containers'}:/var/lib/containers", *binds, "/sbin/test-host-init")]

    def wait_ready(self, ready):
        """Waits until the host's systemd says so; returns its process id here."""
        leader, deadline = None, time.monotonic() + BOOT_SECONDS
        pidfd = os.pidfd_open(self.process.pid)
        try:
            while time.monotonic() < deadline:
                readable, _, _ = select.select([ready, pidfd], [], [], max(0, deadline - time.monotonic()))
                if ready in readable:
                    message = ready.recv(65536).decode(errors="replace")
                    if found := re.search(r"^X_NSPAWN_LEADER_PID=(\d+)$", message, re.M):
                        leader = int(found.group(1))
                        (self.run_dir / "leader").write_text(f"{leader} {started(leader)}\n")
                    if re.search(r"^READY=1$", message, re.M) and leader:
                        return leader
                elif pidfd in readable:
                    raise HostError(f"host {self.name} ended while it booted:\n{self.console()}")
        finally:
            os.close(pidfd)
        raise HostError(f"host {self.name} isn't up after {BOOT_SECONDS} s:\n{self.console()}")

    def console(self):
        """What nspawn and the boot wrote."""
        with contextlib.suppress(OSError):
            return (self.run_dir / "console").read_text(errors="replace")
        return ""

    def enter(self, argv):
        """A command line that runs argv inside, outside of its cgroups: for systemctl and the like."""
        return ["nsenter", "--target", str(self.leader), "--all", "env", "-i", *ENVIRONMENT, *map(str, argv)]

    def unit(self, argv, *properties, pty=False):
        """A command line that runs argv inside as a unit, as root, with this process's input and output."""
        return self.enter(["systemd-run", "--quiet", "--wait", "--collect", "--pty" if pty else "--pipe",
                           *(f"--setenv={e}" for e in ENVIRONMENT[1:]), *properties, "--",
                           # systemd would put variables in.
                           *(str(word).replace("$", "$$") for word in argv)])

    def call(self, argv, check=True, timeout=BOOT_SECONDS, **options):
        """Runs a short command inside and takes its output."""
        done = subprocess.run(self.enter(argv), capture_output=True, text=True, errors="replace", timeout=timeout,
                              stdin=subprocess.DEVNULL, check=False, **options)
        if check and done.returncode != 0:
            raise HostError(f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def install(self, debs=None):
        """Installs .deb files that the host sees (ours, unless named), as a user would, without a network."""
        debs = debs or [f"/mnt/deb/{deb.name}" for deb in built_packages()]
        self.call(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", *debs], timeout=1800)

    def save_journal(self, path):
        """Writes the host's journal to a file; works on a dead host, too."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            if self.leader and self.process.poll() is None:
                subprocess.run(self.enter(["journalctl", "--no-pager", "--no-hostname", "-o", "short-precise"]), stdout=out,
                               stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False, timeout=BOOT_SECONDS)
            else:
                subprocess.run(["journalctl", "--no-pager", "-o", "short-precise", "-D", self.run_dir / "upper/var/log/journal"],
                               stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)

    def power_off(self):
        """Shuts down in order, as a machine does."""
        os.kill(self.leader, signal.SIGRTMIN + 4)
        self.process.wait(timeout=BOOT_SECONDS)

    def reboot(self):
        """Shuts down in order and boots again, with the disk as it was left."""
        self.power_off()
        self.boot()

    def reset(self):
        """Ends everything at once and boots again. What was written but not synced is still there: the kernel lives on."""
        self.kill()
        self.boot()

    def close(self):
        """Ends the host at once and removes it. Its mounts vanish with its last process."""
        self.kill()
        remove_cgroups(self.cgroup)
        shutil.rmtree(self.run_dir, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            (CACHE / "locks" / self.name).unlink()
        self.exits.close()

    def kill(self):
        """Ends all processes of the host."""
        if self.process is not None and self.process.poll() is None:
            if self.leader:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.leader, signal.SIGKILL)
            else:
                self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=120)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


def main(program, function):
    """Runs a command's function and turns what it raises into words and exit codes. Hosts are removed on any way out."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.umask(0o022)  # hosts have other users
    try:
        sys.exit(function())
    except Unusable as reason:
        print(f"{program}: no host on this machine: {reason}", file=sys.stderr)
        sys.exit(77)
    except (HostError, subprocess.CalledProcessError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def running_leader(name):
    """The leader of a host that another process holds up, or None."""
    lock = CACHE / "locks" / name
    try:
        if lock.exists():
            with locked(lock, wait=False):
                return None
    except BlockingIOError:
        with contextlib.suppress(OSError, ValueError):
            return int((CACHE / "run" / name / "leader").read_text().split()[0])
    return None
