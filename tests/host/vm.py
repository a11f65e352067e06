# SPDX-License-Identifier: LGPL-2.1-or-later
"""A virtual machine with Debian 12's own kernel: cgroup v2, where an OOM kill is told as one, limits and filters are the
kernel's, and podman has cgroups of its own. Emulated by qemu where there is no KVM, so it boots once for all its tests."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import nspawn

META = "linux-image-cloud-amd64"
MODULES = "virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk overlay veth".split()
# Devices are in devtmpfs; nothing here needs names or hotplug.
MASKED = ["systemd-udevd.service", "systemd-udev-trigger.service", "systemd-udev-settle.service",
          "systemd-udevd-kernel.socket", "systemd-udevd-control.socket", "systemd-tmpfiles-setup-dev.service"]
# How long the machine may say nothing: each test of a test file is told when it ends, and the longest takes an emulated machine of
# two slow cores that others share some minutes. No other bound: how long all of it takes is nobody's fault.
PATIENCE = 1800
# KVM that works has booted by then, however slow the machine; KVM may be there and not work, as in a machine that is virtual itself.
KVM_PATIENCE = 180
# Where the processor is emulated all takes ten times as long and more: tests have a short form for that, and some have none.
SHORT = "gantry.short"

UNIT = """[Unit]
Description=Tests
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=exec
ExecStart=/usr/bin/python3 -u /mnt/tests/host/vm-inside {tests}
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
"""

IMAGE = """
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/tree"
truncate -s 3G "$3"
mkfs.ext4 -q -F -d "$2/tree" "$3"
"""


def check_usable():
    """Raises Unusable with the reason unless this machine can run a virtual one."""
    if os.uname().machine != "x86_64":
        raise nspawn.Unusable(f"the test machine is an x86_64 one, this is {os.uname().machine}")
    for program in ("qemu-system-x86_64", "mkfs.ext4", "cpio", "gcc"):
        if shutil.which(program) is None:
            raise nspawn.Unusable(f"{program} is not installed")


def run(*argv, **options):
    return subprocess.run([str(a) for a in argv], check=True, stdin=subprocess.DEVNULL, **options)


def kernel():
    """Debian's cloud kernel, unpacked in the cache; its package is downloaded, not installed."""
    policy = subprocess.run(["apt-cache", "depends", META], capture_output=True, text=True, check=False).stdout
    names = [line.split()[-1] for line in policy.splitlines() if "Depends: linux-image-" in line]
    kept = sorted(nspawn.CACHE.glob("kernel-*-cloud-amd64"))
    if not names and not kept:
        raise nspawn.Unusable(f"apt knows no {META}")
    place = nspawn.CACHE / f"kernel-{names[0].removeprefix('linux-image-')}" if names else kept[-1]
    with nspawn.locked(nspawn.CACHE / "lock"):
        if not place.is_dir():
            with tempfile.TemporaryDirectory(dir=nspawn.CACHE) as directory:
                done = subprocess.run(["apt-get", "-q", "download", names[0]], cwd=directory, capture_output=True, text=True,
                                      check=False)
                debs = list(pathlib.Path(directory).glob("*.deb"))
                if done.returncode != 0 or not debs:
                    if kept:
                        return kept[-1]
                    raise nspawn.Unusable(f"{names[0]} can't be had: {(done.stderr.strip().splitlines() or ['apt failed'])[-1]}")
                run("dpkg-deb", "-x", debs[0], f"{directory}/unpacked")
                os.rename(f"{directory}/unpacked", place)
    return place


def make_initrd(place, work):
    root = work / "initrd"
    (root / "modules").mkdir(parents=True)
    run("gcc", "-static", "-O2", "-Wall", "-o", root / "init", nspawn.HERE / "vm-init.c")
    for name in MODULES:
        shutil.copy(next(place.rglob(f"{name}.ko")), root / "modules")
    names = "\n".join(str(p.relative_to(root)) for p in sorted(root.rglob("*")))
    with (work / "initrd.img").open("wb") as out:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=names.encode(), stdout=out, check=True)


def make_disk(base, work, tests):
    """A disk with the root of the test hosts, our packages, and a unit that runs the tests."""
    with nspawn.Host(f"vm-{os.getpid()}", base) as host:
        host.install()
        host.power_off()
        upper = host.run_dir / "upper"
        shutil.copytree(nspawn.ROOT / "tests/host", upper / "mnt/tests/host", ignore=shutil.ignore_patterns("__pycache__"))
        (upper / "mnt/build/tests/tools").mkdir(parents=True)
        for tool in ("image-connector", "sandbox-probe"):
            shutil.copy(nspawn.ROOT / "build/tests/tools" / tool, upper / "mnt/build/tests/tools")
        units = upper / "etc/systemd/system"
        (units / "multi-user.target.wants").mkdir(parents=True, exist_ok=True)
        for name in MASKED:
            (units / name).symlink_to("/dev/null")
        (units / "vm-tests.service").write_text(UNIT.format(tests=" ".join(test.path.name for test in tests)))
        (units / "multi-user.target.wants/vm-tests.service").symlink_to("../vm-tests.service")
        run("unshare", "--mount", "--propagation", "slave", "sh", "-euc", IMAGE, "image", base.path, host.run_dir, work / "disk.img")


def boot(place, work, whole):
    """Runs the machine until it powers off; what it wrote to its second serial line. Emulated it runs the tests' short forms
    unless the whole ones are wanted."""
    accelerators = [os.environ["GANTRY_VM_ACCEL"]] if os.environ.get("GANTRY_VM_ACCEL") else ["kvm", "tcg,thread=multi"]
    append = "console=ttyS0 quiet loglevel=3 random.trust_cpu=on mitigations=off systemd.show_status=0 8250.nr_uarts=2"
    for accelerator in accelerators:
        # What an older processor has, qemu emulates with a fifth less work.
        processor = "max" if accelerator == "kvm" else "Nehalem"
        # q35: microvm starts no faster, and hangs now and then.
        argv = ["qemu-system-x86_64", "-M", "q35", "-accel", accelerator, "-cpu", processor, "-smp", "2", "-m", "1024", "-nodefaults",
                "-display", "none", "-no-reboot", "-kernel", next(place.glob("boot/vmlinuz-*")), "-initrd", work / "initrd.img",
                "-append", append if whole or accelerator == "kvm" else f"{append} {SHORT}", "-serial", f"file:{work}/console", "-serial", f"file:{work}/results",
                "-drive", f"id=d,file={work}/disk.img,format=raw,if=none,snapshot=on,cache=unsafe", "-device", "virtio-blk-pci,drive=d"]
        results = work / "results"
        start_qemu(argv, work / "qemu", results, KVM_PATIENCE if accelerator == "kvm" else PATIENCE)
        # Nothing at all was written: that accelerator doesn't work here.
        if results.exists() and results.stat().st_size > 0:
            return results.read_text(errors="replace")
    return ""


def start_qemu(argv, log, results, patience):
    """Runs qemu until it ends, or until it has written no more results for so long that it hangs. `patience`: for the first."""
    with log.open("ab") as out:
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, argv)], stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        try:
            said, since = 0, time.monotonic()
            while time.monotonic() - since < (PATIENCE if said else patience):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=1)
                    return
                size = results.stat().st_size if results.exists() else 0
                if size != said:
                    said, since = size, time.monotonic()
            out.write(f"not a word for {time.monotonic() - since:.0f} s\n".encode())
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def run_tests(base, tests, logs, whole=False):
    """Boots a machine, runs the tests in it; yields (test, exit code, seconds). Their output goes to their logs."""
    place = kernel()
    (nspawn.CACHE / "run-vm").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=nspawn.CACHE / "run-vm") as directory, contextlib.ExitStack() as stack:
        work, start = pathlib.Path(directory), time.monotonic()
        stack.callback(keep_console, work, logs)
        make_initrd(place, work)
        make_disk(base, work, tests)
        made = time.monotonic()
        results = boot(place, work, whole)
        print(f"vm: image made in {made - start:.0f} s; boot, tests and power-off took {time.monotonic() - made:.0f} s", flush=True)
        yield from parse(results, tests, logs)


def keep_console(work, logs):
    """What the machine and qemu said, for whoever has to find out why a test gave no result."""
    for name in ("console", "qemu"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(work / name, logs / f"vm.{name}")


def parse(results, tests, logs):
    """vm-inside writes, for each test: BEGIN name, lines of output behind a '>', of the journal behind a '|', END name code
    seconds."""
    seen = {}
    lines, journal, name = [], [], None
    for line in results.replace("\r", "").splitlines():
        if line.startswith("BEGIN "):
            name, lines, journal = line.split()[1], [], []
        elif line.startswith(">"):
            lines.append(line[1:])
        elif line.startswith("|"):
            journal.append(line[1:])
        elif line.startswith("END ") and name:
            seen[name] = (int(line.split()[2]), float(line.split()[3]), lines, journal)
            name = None
    for test in tests:
        code, seconds, said, journal = seen.get(
            test.path.name, (1, 0.0, ["no result: the machine ended before; see vm.console and vm.qemu"], []))
        test.log.write_text("".join(f"{line}\n" for line in said))
        if journal:
            test.journal.write_text("".join(f"{line}\n" for line in journal))
        yield test, code, seconds
