#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A connector that goes for what runs it: `check` answers with what came of each try. With --outside it only reads: the control."""

import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys

PROGRAMS = ("/proc/1/exe", "/run/podman-init", "/dev/init", "/proc/1/fd/3", "/proc/1/root", "/proc/1/mem", "/proc/1/environ")
READ = ("/proc/kcore", "/proc/kallsyms", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats", "/sys/firmware/dmi")
WRITE = ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/panic_on_oom", "/proc/irq/0/smp_affinity",
         "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max", "/etc/passwd", "/connector")


def attempt(function, *arguments):
    try:
        # What is masked is there and empty.
        return "ok" if function(*arguments) else "empty"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))


def read(path):
    if os.path.isdir(path):
        return os.listdir(path)
    with open(path, "rb") as file:
        data = file.read(4096)
    # Addresses of zero say nothing.
    return data.strip(b"\0") and not (path.endswith("kallsyms") and data.startswith(b"0" * 16))


def write(path):
    with open(path, "r+b", buffering=0):
        return True


def write_later(path):
    """Through a descriptor that was got while the program ran: outside on a copy of this interpreter, which has then ended."""
    outside = "--outside" in sys.argv
    if outside:
        path = shutil.copy("/usr/bin/python3", "/run/runtime-probe-copy")
        child = subprocess.Popen([path, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
        held = os.open(f"/proc/{child.pid}/exe", os.O_PATH)
        child.communicate()
    else:
        held = os.open(path, os.O_PATH)
    os.close(os.open(f"/proc/self/fd/{held}", os.O_WRONLY))
    return True


def remount():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", b"/", None, 32 | 4096, None) < 0:  # MS_REMOUNT | MS_BIND
        raise OSError(ctypes.get_errno(), "mount")
    return True


def main():
    if sys.argv[1] == "spec":
        print(json.dumps({"type": "SPEC", "spec": {"connectionSpecification": {"type": "object"}}}))
        return
    found = {f"read {path}": attempt(read, path) for path in READ}
    if "--outside" in sys.argv:
        found["write later"] = attempt(write_later, None)
    else:
        found |= {f"write {path} later": attempt(write_later, path) for path in ("/proc/1/exe", "/run/podman-init", "/proc/self/exe")}
        found |= {f"write {path}": attempt(write, path) for path in (*WRITE, *PROGRAMS)}
        found["remount"] = attempt(remount)
    print(json.dumps({"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED", "message": json.dumps(found)}}))


main()
