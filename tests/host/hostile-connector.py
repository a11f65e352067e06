#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A connector that tries to get out, and takes what it can get. `check` does what its configuration's "do" names and answers with
a JSON object: for each try "ok" or the errno's name, or what it got. `read` emits a record, holds memory, and ends or waits. Run by
hand as root, with --config FILE, it is its own positive control."""

import base64
import ctypes
import errno
import json
import mmap
import os
import re
import signal
import socket
import subprocess
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
# Not in the configuration: one that names an address is let there.
DATAGRAM_PORT = 8099
DATAGRAM_ADDRESSES = ("127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254", "10.99.0.1")


def attempt(function, *arguments):
    """What came of a try, as text."""
    try:
        function(*arguments)
    except TimeoutError:
        return "ETIMEDOUT"
    except socket.gaierror as error:
        return {socket.EAI_NONAME: "EAI_NONAME", socket.EAI_AGAIN: "EAI_AGAIN", socket.EAI_NODATA: "EAI_NODATA"}.get(error.errno, str(error))
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    except subprocess.CalledProcessError as error:
        return f"exit {error.returncode}"
    return "ok"


def read(path):
    with open(path, "rb") as file:
        file.read(1)


def files(config):
    return {path: attempt(os.listdir if path.endswith("/") else read, path) for path in config["paths"]}


def self_view(_):
    """What could tell a neighbour a secret, and who we are."""
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status", encoding="utf-8").read().splitlines() if ":\t" in line)
    return {"cmdline": open("/proc/self/cmdline", encoding="utf-8").read(), "environ": dict(os.environ),
            "uid": os.getuid(), "caps": [status[k] for k in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")],
            "no_new_privs": status["NoNewPrivs"], "groups": os.getgroups(),
            "config_mode": oct(os.stat(sys.argv[sys.argv.index("--config") + 1]).st_mode),
            "config_owner": os.stat(sys.argv[sys.argv.index("--config") + 1]).st_uid,
            "fds": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1]}


def others(_):
    """Every process that can be seen and isn't this or its parent."""
    ours = {os.getpid(), os.getppid(), 1}
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in ours:
            continue
        pid = int(name)
        found[name] = {"environ": attempt(read, f"/proc/{pid}/environ"), "mem": attempt(read, f"/proc/{pid}/mem"),
                       "kill": attempt(os.kill, pid, 0), "ptrace": attempt(ptrace, pid)}
    return found


def ptrace(pid):
    """Seizes, which does not stop it, so that the control harms nobody."""
    if libc.ptrace(0x4206, pid, 0, 0) < 0:  # PTRACE_SEIZE
        raise OSError(ctypes.get_errno(), "ptrace")


def connect_unix(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(5)
        s.connect("\0" + path[1:] if path.startswith("@") else path)


def connect_tcp(address):
    host, port = address.rsplit(":", 1)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(3)
        s.connect((host.strip("[]"), int(port)))
        if s.recv(5) != b"hello":
            raise OSError(errno.ENODATA, "an answer of somebody else")


def reach(config):
    """TCP by name, as libraries connect: what the answer of "hello" came to for each "host:port"."""
    def connect(target):
        host, port = target.rsplit(":", 1)
        with socket.create_connection((host.strip("[]"), int(port)), timeout=10) as s:
            if s.recv(5) != b"hello":
                raise OSError(errno.ENODATA, "an answer of somebody else")
    return {target: attempt(connect, target) for target in config["targets"]}


def datagrams(config):
    """The ways of a datagram to "address:port": connected, not connected, by sendmsg(), from an IPv6 socket; and TCP's that opens
    with data. A refusal comes at once, whether or not somebody is there."""
    def send(target, how):
        host, port = target.rsplit(":", 1)
        v6 = ":" in host or how == "mapped"
        address = (f"::ffff:{host}" if how == "mapped" else host.strip("[]"), int(port))
        with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM if how == "fastopen" else socket.SOCK_DGRAM) as s:
            s.settimeout(3)
            if how == "connect":
                s.connect(address)
                s.send(b"x")
            elif how == "sendmsg":
                s.sendmsg([b"x"], [], 0, address)
            elif how == "fastopen":
                s.sendto(b"x", 0x20000000, address)  # MSG_FASTOPEN
            else:
                s.sendto(b"x", address)
    return {f"{target} {how}": attempt(send, target, how) for target in config["targets"]
            for how in ("connect", "sendto", "sendmsg", "mapped", "fastopen") if how != "mapped" or ":" not in target.rsplit(":", 1)[0]}


def dns(config):
    """What the name server in resolv.conf says to questions of any type: {"name type": code and number of answers}."""
    def ask(name, kind):
        with open("/etc/resolv.conf", encoding="utf-8") as file:
            server = next(line.split()[1] for line in file if line.startswith("nameserver"))
        question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(10)
            s.sendto(b"\1\2\1\0\0\1\0\0\0\0\0\0" + question + kind.to_bytes(2, "big") + b"\0\1", (server, 53))
            answer = s.recv(4096)
        return f"code {answer[3] & 15}, {int.from_bytes(answer[6:8], 'big')} answers"
    def ask_or_errno(name, kind):
        try:
            return ask(name, kind)
        except OSError as error:
            return "ETIMEDOUT" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno, str(error))
    return {f"{name} {kind}": ask_or_errno(name, kind) for name, kind in config["questions"]}


def beside_resolver(config):
    """Another port of the name server's address."""
    with open("/etc/resolv.conf", encoding="utf-8") as file:
        server = next(line.split()[1] for line in file if line.startswith("nameserver"))
    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"x", (server, config["port"]))
    return {"resolver": server, "tcp": attempt(connect_tcp, f"{server}:{config['port']}"), "udp": attempt(send)}


def open_socket(family, kind, protocol):
    socket.socket(family, kind, protocol).close()


def network(config):
    found = {path: attempt(connect_unix, path) for path in config["unix"]}
    found.update({address: attempt(connect_tcp, address) for address in config["tcp"]})
    found["packet"] = attempt(open_socket, socket.AF_PACKET, socket.SOCK_RAW, 0)
    found["alg"] = attempt(open_socket, socket.AF_ALG, socket.SOCK_SEQPACKET, 0)
    found["vsock"] = attempt(open_socket, socket.AF_VSOCK, socket.SOCK_STREAM, 0)
    return found


def leave(config):
    """Files, a link out and shared memory for who comes next."""
    mark = config["mark"]
    found = {}
    for place in ("/tmp", "/var/tmp", "/dev/shm", os.environ["HOME"]):
        path = f"{place}/{mark}"
        found[place] = {"seen": os.path.lexists(path), "made": attempt(lambda p: open(p, "x").close(), path)}
    run = os.path.dirname(sys.argv[sys.argv.index("--config") + 1])
    attempt(os.symlink, config["victim"], f"{run}/link")
    attempt(os.mkfifo, f"{run}/fifo")
    key = 0x67616e74
    found["shm"] = {"seen": libc.shmget(key, 4096, 0o666) >= 0, "made": "ok" if libc.shmget(key, 4096, 0o1666) >= 0 else "no"}
    return found


def syscalls(config):
    done = subprocess.run([config["program"], "syscalls"], capture_output=True, text=True, check=False)
    return dict(line.split(None, 1) for line in done.stdout.splitlines())


def memory_map(_):
    found = {"write+exec": attempt(mmap.mmap, -1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
                                   mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)}
    path = "/tmp/setuid"
    open(path, "w", encoding="utf-8").close()
    found["setuid"] = attempt(os.chmod, path, 0o4755)
    with open("/tmp/program", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 0\n")
    attempt(os.chmod, "/tmp/program", 0o755)
    found["own program"] = attempt(subprocess.run, ["/tmp/program"])
    return found


def forks(config):
    children = 0
    try:
        while children < config["n"]:
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            children += 1
    except OSError:
        pass
    return {"forks": children}


def hold(mib):
    """Takes memory bit by bit, and uses it."""
    return [b"x" * (1 << 20) for _ in range(mib)]


def eat(config):
    return {"mib": len(hold(config["mib"]))}


def burn(config):
    """The share of a processor that it gets, whatever the machine's speed."""
    start, used = time.monotonic(), time.process_time()
    while time.monotonic() - start < config["seconds"]:
        pass
    return {"share": (time.process_time() - used) / (time.monotonic() - start)}


def heard(_):
    """What comes back for a datagram. One that may not leave is refused at once, a connection by silence only."""
    def ask(address):
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(60)
            try:
                s.sendto(b"who", (address, DATAGRAM_PORT))
                return s.recv(5).decode()
            except OSError as error:
                return type(error).__name__
    return {address: ask(address) for address in DATAGRAM_ADDRESSES}


def hog(config):
    held = []
    while True:
        held.append(bytearray(os.urandom(1)) * (config["mib"] << 20))


def linger(_):
    """A daemon that wants to stay: its own session, twice forked, deaf to SIGTERM."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            for fd in (0, 1, 2):
                os.close(fd)
            while True:
                time.sleep(1000)
        os._exit(0)
    return {"left": "ok"}


def notify(_):
    def send(path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect(path)
            s.send(b"MAINPID=1\nEXTEND_TIMEOUT_USEC=100000000\nSTATUS=mine")
    return {"variable": os.environ.get("NOTIFY_SOCKET"), "socket": attempt(send, "/run/systemd/notify")}


def wait(config):
    """Stays until it is stopped, after having said so."""
    say("log", {"level": "INFO", "message": "waiting"})
    time.sleep(config["seconds"])
    return {}


def say(kind, body):
    print(json.dumps({"type": re.sub("[A-Z]", lambda m: "_" + m[0], kind).upper(), kind: body}), flush=True)


def emit(config):
    say("record", {"stream": "taken", "data": {"id": 1}, "emitted_at": int(time.time() * 1000)})
    held = hold(config["mib"])
    time.sleep(config.get("seconds", 0))
    assert len(held) == config["mib"]


def main():
    if sys.argv[1] == "spec":
        say("spec", {"connectionSpecification": {"type": "object"}})
        return
    if sys.argv[1] == "discover":
        schema = {"type": "object", "properties": {"id": {"type": "integer"}}}
        say("catalog", {"streams": [{"name": "taken", "json_schema": schema, "supported_sync_modes": ["full_refresh"]}]})
        return
    with open(sys.argv[sys.argv.index("--config") + 1], encoding="utf-8") as file:
        config = json.load(file)
    if sys.argv[1] == "read":
        emit(config)
        return
    # Places that the configuration does not name, as far as anybody can read it.
    config.update(json.loads(base64.b64decode(config.get("hidden", "e30="))))
    result = {f.__name__: f for f in (files, self_view, others, network, reach, datagrams, dns, beside_resolver, leave, syscalls, memory_map, forks, eat, burn,
                                      heard, hog, linger, notify, wait)}[config["do"]](config) if "do" in config else {}
    say("connectionStatus", {"status": "SUCCEEDED", "message": json.dumps(result)})


main()
