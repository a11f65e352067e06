#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody meets on the first day: gantryctl asks for a password where it must, says what is wrong and what to do, and an upgrade
in the middle of a sync neither loses a row nor leaves the old services behind."""
# host: timeout=900

import contextlib
import os
import pathlib
import pty
import re
import select
import socket
import subprocess
import sys
import termios
import threading
import time

sys.path.insert(0, "/mnt/tests/host")
import heldsync
import suite

API = suite.Api()
PASSWORD = "of-the-root-of-this-host"


def on_terminal(user, answers, *argv):
    """A command of that user's on a terminal; `answers`: what is typed when a text has appeared and the terminal shows no more what is
    typed (what comes before is thrown away). What was seen, and the exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("runuser", ["runuser", "-u", user, "--", *argv])
    seen, end = "", time.monotonic() + suite.PATIENCE
    answers = list(answers)
    while time.monotonic() < end:
        if answers and answers[0][0] in seen and not termios.tcgetattr(terminal)[3] & termios.ECHO:
            os.write(terminal, answers.pop(0)[1].encode() + b"\n")
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            some = os.read(terminal, 65536)
        except OSError:  # nobody has the other side any more
            break
        if not some:
            break
        seen += some.decode(errors="replace")
    else:
        os.kill(pid, 9)
        raise AssertionError(f"still there: {seen}")
    os.close(terminal)
    return seen, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def said(*argv, code, user=None):
    """What a command that must fail says; one line."""
    argv = [*(["runuser", "-u", user, "--"] if user else []), *argv]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == code and not done.stdout and done.stderr.count("\n") == 1, (argv, done)
    return done.stderr.strip()


def test_a_stranger_is_asked_for_a_password_on_his_terminal():
    suite.out("useradd", "--create-home", "stranger")
    subprocess.run(["chpasswd"], input=f"root:{PASSWORD}\n", text=True, check=True)
    seen, code = on_terminal("stranger", [("assword:", PASSWORD)], "gantryctl", "status", "--no-pager")
    assert code == 0 and "Connections: " in seen and "AUTHENTICATING FOR org.gantry.read" in seen and PASSWORD not in seen, seen
    # A wrong one, and nobody who could be asked.
    seen, code = on_terminal("stranger", [("assword:", "wrong")], "gantryctl", "web", "credentials")
    assert code == 5 and "Client secret" not in seen, seen
    for more in ([], ["--no-ask-password"]):
        words = said("gantryctl", "web", "credentials", *more, code=5, user="stranger")
        assert "as root, or as a member of the group gantry-admin" in words, words
    seen, code = on_terminal("stranger", [], "gantryctl", "web", "credentials", "--no-ask-password")
    assert code == 5 and "AUTHENTICATING" not in seen, seen
    # Who needs not be asked gets no agent.
    suite.out("usermod", "--append", "--groups", "gantry-admin", "stranger")
    seen, code = on_terminal("stranger", [], "gantryctl", "web", "credentials", "--no-pager")
    assert code == 0 and "Client secret" in seen and "AUTHENTICATING" not in seen, seen


def make(name, count):
    """A connection from generated rows into a database of its own."""
    pathlib.Path("/root/faker.json").write_text('{"count": %d, "records_per_slice": 500}' % count)
    pathlib.Path("/root/lake.json").write_text('{"path": "/srv/gantry/%s.db"}' % name)
    suite.out("gantryctl", "source", "add", name, "--connector=faker", "--config=/root/faker.json")
    suite.out("gantryctl", "destination", "add", name, "--connector=sqlite", "--config=/root/lake.json", "--quiet")
    suite.out("gantryctl", "connection", "add", name, f"--source={name}", f"--destination={name}")


def test_messages_name_what_and_what_to_do():
    make("small", 20)
    assert "did you mean 'users'?" in said("gantryctl", "sync", "start", "small", "--stream=user", code=78)
    assert "The connection 'small' uses it" in said("gantryctl", "source", "remove", "small", code=1)
    assert "did you mean 'small'?" in said("gantryctl", "connection", "show", "smal", code=4)
    assert "not 5" in said("gantryctl", "connection", "update", "small", "--schedule=0 3 * * *", code=78)
    suite.out("gantryctl", "sync", "start", "small", "--wait")
    # The journal speaks of jobs, so that `journalctl -u 'gantry-run-*'` and `systemctl status` can be read.
    journal = suite.out("journalctl", "--boot", "--output=cat", "--identifier=systemd")
    for role in ("source", "destination", "worker"):
        assert re.search(rf"Started .* - Gantry {role} of job \d+, attempt 0\.", journal), role


@contextlib.contextmanager
def called_all_the_while():
    """Somebody calls the daemons again and again, and by that starts what is being stopped."""
    over, answers = threading.Event(), []

    def by_socket(name):
        while not over.wait(0.05):
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as one:  # it may just be being replaced
                one.settimeout(suite.PATIENCE)
                one.connect(f"/run/gantry/{name}.sock")
                one.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answers.extend(one.recv(1))

    def by_bus():
        # Where a start is undone the bus keeps the call for 25 s: no other may have to wait for this one.
        while not over.wait(0.05):
            suite.code("busctl", "call", "org.gantry.Workflow1", "/", "org.freedesktop.DBus.Peer", "Ping")

    threads = [threading.Thread(target=by_socket, args=("server",)), threading.Thread(target=by_socket, args=("workload",)),
               threading.Thread(target=by_bus)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()


def is_renewed(unit, invocation):
    """It runs, and not as what it was. Between the two it may not run at all, until the next call."""
    return suite.show(unit, "ActiveState") == "active" and suite.show(unit, "InvocationID") != invocation


def test_an_upgrade_in_the_middle_of_a_sync():
    """What runs after an upgrade is the new version, also of what is called and so started in its midst; the sync is not touched."""
    sync = heldsync.HeldSync(API, "upgraded")
    debs = sorted(str(p) for p in pathlib.Path("/mnt/deb").glob("gantry*.deb") if "dbgsym" not in p.name)
    try:
        with called_all_the_while() as answers:
            for _ in range(3):
                before = {unit: suite.show(f"gantry-{unit}.service", "InvocationID") for unit in ("setup", "schema")}
                answers.clear()
                text = suite.out("apt-get", "install", "-y", "-qq", "--reinstall", *debs)
                assert answers, "nobody called meanwhile"
                assert "anceled" not in text and "still run in the version" not in text, text
                for unit, invocation in before.items():
                    suite.until(lambda u=unit, i=invocation: is_renewed(f"gantry-{u}.service", i), f"a new gantry-{unit}", patience=120)
                assert API.job(sync.job)["status"] == "running"
                sync.check_untouched()
    finally:
        sync.go()
    sync.check_end()


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
