# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program that owns the name of one of the suite's daemons on a test's bus, so that a test sees what the daemon under test
tells it: `bus_peer.py ADDRESS NAME`. Each call is a line on standard output, {"member", "arguments"} (a descriptor is
its text). It is answered with what was last read from standard input: an empty line for success, "=TEXT" for success with a text,
else the error's name."""

import json
import os
import sys

import dbus
import dbus.bus
import dbus.lowlevel
import dbus.types
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib


def plain(argument):
    if isinstance(argument, dbus.types.UnixFd):
        fd = argument.take()
        os.lseek(fd, 0, os.SEEK_SET)
        with os.fdopen(fd, "rb") as f:
            return f.read().decode()
    if isinstance(argument, dbus.String):
        return str(argument)
    return int(argument)


def main():
    address, name = sys.argv[1:]
    error = [""]
    bus = dbus.bus.BusConnection(address, mainloop=DBusGMainLoop())

    def on_message(connection, message):
        if message.get_type() != 1 or not str(message.get_interface()).startswith("org.gantry."):
            return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED
        print(json.dumps({"member": message.get_member(), "arguments": [plain(a) for a in message.get_args_list()],
                          "error": error[0]}), flush=True)
        if error[0] and not error[0].startswith("="):
            reply = dbus.lowlevel.ErrorMessage(message, error[0], "as the test wants")
        else:
            reply = dbus.lowlevel.MethodReturnMessage(message)
            if error[0]:
                reply.append(error[0][1:], signature="s")
        connection.send_message(reply)
        return dbus.lowlevel.HANDLER_RESULT_HANDLED

    def on_input(_channel, _condition):
        line = sys.stdin.readline()
        if not line:
            loop.quit()
            return False
        error[0] = line.strip()
        print(json.dumps({"set": error[0]}), flush=True)
        return True

    bus.add_message_filter(on_message)
    bus.request_name(name)
    GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, on_input)
    print(json.dumps({"ready": name}), flush=True)
    loop = GLib.MainLoop()
    loop.run()


main()
