# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random calls on every method of the four names (T66): arguments of the right types at their extremes, wrong types, wrong objects.
A daemon may refuse whatever it likes; it must neither die nor grow."""

import json
import os
import pathlib
import random
import re
import time
import xml.etree.ElementTree as xml

import bususer
import suite

UNITS = {name: f"gantry-{name.split('.')[2][:-1].lower()}.service" for name in bususer.SERVICES}
PATIENCE = 2  # for one answer; what takes longer is left to itself
TEXTS = ["", "x", "-", "0", "-1", "%s%n%n", "\u202e\u0001", "a" * 70000, "{", "[]", "{}", "null", '{"streams":[]}', '{"streams":[{"name":"users"}]}',
         '{"status":"ended"}', '{"connectionId":5}', "[" * 3000, '{"a":' * 3000, "job-1", "sync", "clear", "check", "../../etc/passwd",
         "00000000-0000-0000-0000-000000000007", "' OR 1=1 --", "\U0010ffff" * 100, '{"name":"fuzz","configuration":{"sourceType":"faker"}}']
NUMBERS = [0, 1, 2, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1]


class Fuzz:
    def __init__(self, seed, known):
        self.random = random.Random(seed)
        self.known = known  # ids and names that exist
        self.calls = dict.fromkeys(bususer.SERVICES, 0)

    def value(self, kind):
        import dbus
        pick = self.random.choice
        number = pick(NUMBERS) if self.random.random() < 0.7 else self.random.getrandbits(pick((8, 16, 32, 63)))
        if kind in "ybnqiuxtd":
            bits = {"y": 8, "n": 16, "q": 16, "i": 32, "u": 32, "x": 64, "t": 64}.get(kind, 53)
            signed = kind in "nixd"
            number %= 2 ** (bits - signed)
            make = {"y": dbus.Byte, "b": dbus.Boolean, "n": dbus.Int16, "q": dbus.UInt16, "i": dbus.Int32, "u": dbus.UInt32, "x": dbus.Int64,
                    "t": dbus.UInt64, "d": dbus.Double}[kind]
            return make(-number if signed and self.random.random() < 0.3 else number % 2 if kind == "b" else number)
        if kind == "o":
            return dbus.ObjectPath(pick(["/", "/org/gantry/Server1", "/a" * 500]))
        if kind == "h":
            descriptor = self.descriptor()
            copy = dbus.types.UnixFd(descriptor)  # which is another one
            os.close(descriptor)
            return copy
        if kind == "v":
            return dbus.String(pick(TEXTS), variant_level=self.random.randint(1, 30))
        if kind.startswith("a"):
            return dbus.Array([self.value(kind[1:]) for _ in range(pick([0, 1, 3]))], signature=kind[1:])
        return dbus.String(pick(self.known) if self.random.random() < 0.4 else pick(TEXTS))

    def descriptor(self):
        which = self.random.random()
        if which < 0.2:
            return os.open(self.random.choice(["/dev/null", "/dev/zero", "/etc"]), os.O_RDONLY)
        descriptor = os.memfd_create("fuzz", os.MFD_ALLOW_SEALING)
        text = self.random.choice(TEXTS) if self.random.random() < 0.6 else json.dumps(self.tree(4))
        os.write(descriptor, text.encode())
        if which > 0.3:
            suite.seal(descriptor)
        return descriptor

    def tree(self, depth):
        """JSON that has the members which bodies have, of any type."""
        pick = self.random.choice
        if depth == 0 or self.random.random() < 0.3:
            return pick([None, True, 0, -1, 2**64, 1.5, *TEXTS[:12], *self.known])
        if self.random.random() < 0.3:
            return [self.tree(depth - 1) for _ in range(self.random.randint(0, 4))]
        names = ["name", "workspaceId", "configuration", "sourceId", "destinationId", "configurations", "streams", "schedule", "status", "states",
                 "stream", "type", "id", "input", "actor", "tags", "mappers", "syncMode", "autoId", "jobId", "_secret", "_sealed"]
        return {pick(names): self.tree(depth - 1) for _ in range(self.random.randint(0, 6))}

    def signature(self, wanted):
        if self.random.random() < 0.85:
            return wanted
        return "".join(self.random.choice(["s", "t", "u", "x", "b", "h", "v", "o", "as", "ay"]) for _ in range(self.random.randint(0, 5)))

    def call(self, bus, name, path, interface, member, wanted):
        import dbus
        signature = self.signature(wanted)
        kinds = re.findall(r"a*[a-z]", signature)
        message = dbus.lowlevel.MethodCallMessage(name, path, interface, member)
        values = [self.value(kind) for kind in kinds]
        try:
            message.append(*values, signature=signature)
        except (MemoryError, TypeError, ValueError, OverflowError):
            return  # the library doesn't build it, so nobody can send it by way of it
        # Nobody answers for what was cut: the daemon's state is looked at instead.
        bus.send_message_with_reply(message, lambda _: None, PATIENCE).block()
        self.calls[name] += 1


def methods(bus, name, paths):
    """(path, interface, member, signature) of all that is there."""
    found = []
    for path in paths:
        text = str(bus.get_object(name, path, introspect=False).Introspect(dbus_interface="org.freedesktop.DBus.Introspectable"))
        for interface in xml.fromstring(text).iter("interface"):
            for method in interface.iter("method"):
                signature = "".join(a.get("type") for a in method.iter("arg") if a.get("direction", "in") == "in")
                found.append((path, interface.get("name"), method.get("name"), signature))
    return found


def run(seconds, seed, paths, known):
    """Calls until the time is over, all names in turn; how many there were of each. In the process of whoever calls."""
    fuzz, bus, end = Fuzz(seed, known), bususer.connect(), time.monotonic() + seconds
    targets = {}
    for name in bususer.SERVICES:
        base = f"/{name.replace('.', '/')}"
        try:
            targets[name] = methods(bus, name, [base, *(p for p in paths if p.startswith(base + "/"))])
        except Exception:  # not for this user: its calls are refused by the bus
            targets[name] = [(base, f"{name}.Manager", member, "s") for member in ("Cancel", "Get", "Wake", "StartJob")]
    while time.monotonic() < end:
        for name, members in targets.items():
            for path, interface, member, signature in fuzz.random.sample(members, len(members)):
                # A path that is not there, now and then.
                where = path if fuzz.random.random() < 0.95 else fuzz.random.choice([path + "/x", "/", path.rsplit("/", 1)[0] or "/"])
                if not bus.get_is_connected():
                    bus = bususer.connect()
                fuzz.call(bus, name, where, interface, member, signature)
                if time.monotonic() >= end:
                    return fuzz.calls
    return fuzz.calls


def deaths():
    """What the journal says of daemons that did not leave by themselves."""
    text = suite.out("journalctl", "--no-pager", "-q", "-o", "cat", "-u", "gantry-*", "-g",
                     "code=(killed|dumped)|Assertion|core dump|Watchdog timeout|Failed with result", check=False)
    return [line for line in text.splitlines() if line and "gantry-run-" not in line]


def memory(unit):
    """Of a daemon that runs, in KiB; 0: it does not."""
    pid = suite.main_pid(unit)
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))
    except (OSError, AttributeError):
        return 0


def harden():
    """glibc checks each block that the daemons give back, and what is freed or new holds garbage: what hurts the heap ends the daemon
    there, and not some calls later or not at all."""
    for unit in UNITS.values():
        path = pathlib.Path(f"/run/systemd/system/{unit}.d/heap.conf")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[Service]\nEnvironment=LD_PRELOAD=libc_malloc_debug.so.0 MALLOC_CHECK_=3 MALLOC_PERTURB_=165\n")
    suite.out("systemctl", "daemon-reload")
    suite.out("systemctl", "stop", *UNITS.values())
    suite.out("systemctl", "start", *UNITS.values())
    for unit in UNITS.values():
        maps = pathlib.Path(f"/proc/{suite.main_pid(unit)}/maps").read_text()
        assert "libc_malloc_debug" in maps, f"{unit} checks nothing"


def new_seed():
    """Another one each time, or that of $GANTRY_FUZZ_SEED; told, so that it can be had again."""
    seed = int(os.environ.get("GANTRY_FUZZ_SEED") or random.randrange(2**32))
    print(f"seed {seed}", flush=True)
    return seed


def test(seconds):
    """A host's fuzz: as root, who is let through everywhere, and as a user who is not."""
    api = suite.Api()
    source = api.source("fuzz", sourceType="faker", count=3)
    destination = api.destination("fuzz", destinationType="dev-null")
    connection = api.connect("fuzz", source, destination)
    job = api.start(connection)
    api.wait(job, "succeeded")
    paths = [f"/org/gantry/Server1/{kind}/{bususer.encode(str(key))}" for kind, key in
             (("source", source), ("destination", destination), ("connection", connection), ("job", job))]
    known = [source, destination, connection, str(job), f"job-{job}", "fuzz", api.workspace]
    suite.out("useradd", "mallory")
    harden()
    seed = new_seed()
    before = {unit: memory(unit) for unit in UNITS.values()}
    for user, share in (("root", 0.8), ("mallory", 0.2)):
        calls = bususer.as_user(user, run, seconds * share, seed, paths, known)
        print(f"as {user}: {calls}", flush=True)
        assert all(n > 0 for n in calls.values()), calls
    assert not deaths(), deaths()
    after = {unit: memory(unit) for unit in UNITS.values()}
    for unit, kib in after.items():
        assert kib < 2 * max(before[unit], 16384) + 8192, (unit, before, after)
    # It still does what it is for. Root may have deleted the workspace, as he may.
    if not api.ask("GET", "/workspaces")["data"]:
        api.ask("POST", "/workspaces", {"name": "another"})
    again = api.connect("fuzz again", api.source("fuzz again", sourceType="faker", count=3), api.destination("again", destinationType="dev-null"))
    api.wait(api.start(again), "succeeded")
    assert not deaths(), deaths()
    return calls
