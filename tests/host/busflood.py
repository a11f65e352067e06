# SPDX-License-Identifier: LGPL-2.1-or-later
"""Floods on the bus (T66): calls without number, of every wrong kind, whose answers nobody reads, large messages, descriptors and match
rules. A daemon may refuse all of it; it must not die, not stop to answer others, and have its memory back when the flood is over.

The client speaks the bus's protocol by itself: a library would build each message anew, and not the ones that are too large."""

import array
import os
import pathlib
import re
import socket
import struct

import bususer
import suite

SOCKET = "/run/dbus/system_bus_socket"
NO_REPLY = 1
MIB = 1 << 20
IS_OVER = b"org.gantry.TheFloodIsOver"  # a name that nobody has: the error tells it
# Who may call each, and a call that changes nothing.
TARGETS = {
    "org.gantry.Server1": ("alice", "org.gantry.Server1.Manager", "ListJobs", "stu"),
    "org.gantry.Workflow1": ("gantry", "org.gantry.Workflow1.Workflows", "List", "stu"),
    "org.gantry.Workload1": ("gantry", "org.gantry.Workload1.Manager", "ReadWorkloadLogs", "stu"),
    "org.gantry.Launcher1": ("root", "org.gantry.Launcher1.Manager", "Cancel", "stu"),
}
# What Debian's bus allows a connection: match rules, and descriptors in a message.
RULES = 512
DESCRIPTORS = 16


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


def pad(data, to=8):
    return data + bytes(-len(data) % to)


def page(text, offset=2**64 - 1, limit=0):
    """The body of a call with the signature "stu"."""
    return pad(string(text)) + struct.pack("<QI", offset, limit)


def variants(depth):
    """A variant in a variant in …, with a byte in the last."""
    return b"\1v\0" * (depth - 1) + b"\1y\0\7"


def call(name, path, interface, member, signature="", body=b"", flags=NO_REPLY, n_fds=0):
    """A message; its serial is that of no other that waits."""
    fields = b""
    for code, kind, value in ((1, b"o", path), (2, b"s", interface), (3, b"s", member), (6, b"s", name), (8, b"g", signature), (9, b"u", n_fds)):
        if value:
            text = struct.pack("<I", value) if kind == b"u" else bytes([len(value)]) + value.encode() + b"\0" if kind == b"g" else string(value)
            fields = pad(fields) + bytes([code]) + b"\1" + kind + b"\0" + text
    return pad(struct.pack("<cBBBIII", b"l", 1, flags, 1, len(body), 1, len(fields)) + fields) + body


class Connection:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(SOCKET)
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        self.line(b"OK ")
        self.socket.sendall(b"NEGOTIATE_UNIX_FD\r\n")
        self.line(b"AGREE_UNIX_FD")
        self.socket.sendall(b"BEGIN\r\n" + call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", flags=0))
        # Our name: without it all else is refused. What comes after it is not read by anybody.
        assert self.socket.recv(4096), "the bus says nothing"

    def line(self, begin):
        text = b""
        while not text.endswith(b"\r\n"):
            text += self.socket.recv(1) or b"gone\r\n"
        assert text.startswith(begin), text

    def send(self, data, descriptors=()):
        """Whether the bus has taken it: it ends whoever sends what it doesn't allow."""
        try:
            if descriptors:
                sent = self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])
                data = data[sent:]
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def close(self):
        self.socket.close()

    def ended(self):
        """Waits until the bus has ended this connection or has answered is_alive()."""
        end = b""
        while data := self.take():
            if IS_OVER in end + data:
                return False
            end = data[-len(IS_OVER):]
        return True

    def take(self):
        try:
            return self.socket.recv(1 << 20)
        except OSError:
            return b""

    def is_alive(self):
        """Whether the bus still has us. Everything that was sent before has been read by it then."""
        sent = self.send(call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetNameOwner", "s", string(IS_OVER), flags=0))
        return sent and not self.ended()


def small_calls(name):
    """Eight calls, of which one is right."""
    _, interface, member, signature = TARGETS[name]
    path = f"/{name.replace('.', '/')}"
    return [call(name, path, interface, "Nothing", "s", string("x")),
            call(name, path, interface, member, "ay", struct.pack("<I", 10) + bytes(10)),
            call(name, path, interface, member, "v", variants(60)),
            call(name, path, interface, member, signature, page("")),
            call(name, path, interface, member, signature, page("{" * 3000, 0, 2**32 - 1)),
            call(name, path + "/x" * 50, interface, member, signature, page("")),
            call(name, path, "org.freedesktop.DBus.Introspectable", "Introspect"),
            call(name, path, "org.freedesktop.DBus.Properties", "GetAll", "s", string(interface))]


def calls(name, n):
    """`n` calls that want no answer; then as many as the bus allows that want one and read none."""
    bus, block = Connection(), b"".join(small_calls(name) * 16)
    sent = 0
    while sent < n and bus.send(block):
        sent += 128
    alive = bus.is_alive()
    bus.close()
    bus = Connection()
    for message in small_calls(name) * (min(n, 100000) // 8):
        # The flags are the third byte: an answer is wanted.
        if not bus.send(message[:2] + b"\0" + message[3:]):
            break
        sent += 1
    bus.close()
    return sent if alive else 0


def large(name, size, n):
    """`n` messages of that size, each a string; how many the bus took."""
    _, interface, member, signature = TARGETS[name]
    bus, taken = Connection(), 0
    message = call(name, f"/{name.replace('.', '/')}", interface, member, signature, page(b"x" * (size - 400)))
    for _ in range(n):
        if not bus.send(message) or not bus.is_alive():
            bus.close()
            bus = Connection()
        else:
            taken += 1
    bus.close()
    return taken


def descriptors(name, n):
    """`n` descriptors, as many in a message as the bus allows; how many went, and whether more in one message is refused."""
    _, interface, member, _ = TARGETS[name]
    path, bus, null, sent = f"/{name.replace('.', '/')}", Connection(), os.open("/dev/null", os.O_RDONLY), 0
    message = call(name, path, interface, member, "ah", struct.pack(f"<{DESCRIPTORS + 1}I", 4 * DESCRIPTORS, *range(DESCRIPTORS)), n_fds=DESCRIPTORS)
    while sent < n and bus.send(message, [null] * DESCRIPTORS):
        sent += DESCRIPTORS
    alive = bus.is_alive()
    refused = not bus.send(call(name, path, interface, member, "ah", struct.pack("<252I", 4 * 251, *range(251)), n_fds=251), [null] * 251) or not bus.is_alive()
    bus.close()
    os.close(null)
    return sent if alive and refused else 0


def rules(name, n):
    """`n` match rules for what that daemon says, by as many connections as it takes; all are there when this returns."""
    buses = []
    for first in range(0, n, RULES):
        buses.append(Connection())
        for i in range(first, min(first + RULES, n)):
            rule = f"type='signal',sender='{name}',path='/org/gantry/{i}'"
            if not buses[-1].send(call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", string(rule))):
                return 0
        if not buses[-1].is_alive():
            return 0
    for bus in buses:
        bus.close()
    return n


def memory(pid):
    """Now and at most, in KiB."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return tuple(int(re.search(rf"{key}:\s+(\d+)", text).group(1)) for key in ("VmRSS", "VmHWM"))


def n_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def is_answered(name):
    """Somebody else calls meanwhile or after that, and the daemon has taken all that came before."""
    suite.out("busctl", "call", "--timeout=900", name, f"/{name.replace('.', '/')}", "org.freedesktop.DBus.Peer", "Ping")


def look(name, unit):
    """Answers, and has taken all that came before: what it holds now. It may have left meanwhile for want of anything that counts as
    work, and this call has started the next."""
    is_answered(name)
    return memory(suite.main_pid(unit))


def flood(name, n_calls, n_rules, n_large, n_fds):
    """All of it on one daemon. That none died is for the caller to look at."""
    user, unit = TARGETS[name][0], f"gantry-{name.split('.')[2][:-1].lower()}.service"
    done = {"rules": bususer.as_user(user, rules, name, n_rules)}
    before = look(name, unit)
    fds = n_descriptors(suite.main_pid(unit))
    done["calls"] = bususer.as_user(user, calls, name, n_calls)
    small = look(name, unit)
    done["descriptors"] = bususer.as_user(user, descriptors, name, n_fds)
    assert all(done.values()), (name, done)
    for size in (1, 16, 31, 64):
        done[f"{size} MiB"] = bususer.as_user(user, large, name, size * MIB, n_large)
    after = look(name, unit)
    print(f"{name}: {done}; KiB before {before[0]}, after the small {small[0]}, at most {max(small[1], after[1])}, after all {after[0]}", flush=True)
    # 32 MiB is what Debian's bus takes.
    assert done["16 MiB"] == done["31 MiB"] == n_large and done["64 MiB"] == 0, done
    for kib in (small[0], after[0]):
        assert kib < 2 * before[0] + 8192, (unit, before, small, after)
    # It has connections of its own; less than one message brings.
    assert n_descriptors(suite.main_pid(unit)) < fds + DESCRIPTORS, (unit, fds)
