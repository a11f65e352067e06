# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls on the bus by processes of other users, for host tests."""

import grp
import json
import os
import pwd
import sys

import suite

SERVICES = ("org.gantry.Server1", "org.gantry.Workflow1", "org.gantry.Workload1", "org.gantry.Launcher1")


def become(user):
    entry = pwd.getpwnam(user)
    os.setgroups([g.gr_gid for g in grp.getgrall() if user in g.gr_mem])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def start(user, function, *arguments):
    """Runs a function in a process of that user; returns a function that waits for its result, which must be JSON."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            become(user)
            os.write(writer, json.dumps(function(*arguments)).encode())
            code = 0
        except BaseException as error:  # it is told to the parent
            os.write(writer, json.dumps(repr(error)).encode())
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writer)

    def result():
        with os.fdopen(reader) as told:
            text = told.read()
        assert os.waitpid(child, 0)[1] == 0, f"{function.__name__} as {user}: {text}"
        return json.loads(text)
    result.pid = child
    return result


def as_user(user, function, *arguments):
    return start(user, function, *arguments)()


def connect():
    import dbus
    return dbus.bus.BusConnection(dbus.bus.BusConnection.TYPE_SYSTEM)


def call(path, interface, member, arguments):
    """One call; the name of the error, or "done"."""
    import dbus
    bus = connect()
    values = [dbus.types.UnixFd(memfd(a)) if isinstance(a, dict) else a for a in make_arguments(arguments)]
    try:
        name = next(n for n in SERVICES if interface.startswith(n))
        bus.get_object(name, path, introspect=False).get_dbus_method(member, interface)(*values, timeout=suite.PATIENCE)
    except dbus.DBusException as error:
        return error.get_dbus_name()
    return "done"


def make_arguments(arguments):
    import dbus
    types = {"s": dbus.String, "t": dbus.UInt64, "u": dbus.UInt32, "x": dbus.Int64, "b": dbus.Boolean, "h": dict}
    return [types[letter](value) for letter, value in arguments]


def memfd(body):
    descriptor = os.memfd_create("body", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, json.dumps(body).encode())
    suite.seal(descriptor)
    return descriptor


def encode(text):
    """As sd_bus_path_encode() does."""
    return "".join(c if c.isascii() and c.isalnum() and not (i == 0 and c.isdigit()) else f"_{ord(c):02x}" for i, c in enumerate(text))


if __name__ == "__main__":  # calls as JSON, by whoever runs this: the error of each, or "done"
    print(json.dumps([call(*each) for each in json.load(sys.stdin)]))
