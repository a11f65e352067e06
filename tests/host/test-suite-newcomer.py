#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody meets on the first day: gantryctl asks for a password where it must, says what is wrong and what to do, and an upgrade
in the middle of a sync neither loses a row nor leaves the old services behind."""
# host: timeout=900

import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import termios
import time

sys.path.insert(0, "/mnt/tests/host")
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


def test_an_upgrade_in_the_middle_of_a_sync():
    """The worker calls all the while, and by that starts what is being stopped: what runs afterwards is the new version all the same."""
    make("long", 60000)
    suite.out("systemctl", "set-property", "--runtime", "gantry-jobs.slice", "CPUQuota=3%")
    job = API.start(next(c["connectionId"] for c in API.ask("GET", "/connections?limit=100")["data"] if c["name"] == "long"))
    debs = sorted(str(p) for p in pathlib.Path("/mnt/deb").glob("gantry*.deb") if "dbgsym" not in p.name)
    suite.until(lambda: API.job(job)["status"] == "running", "the sync")
    for _ in range(3):
        before = {unit: suite.show(f"gantry-{unit}.service", "InvocationID") for unit in ("setup", "schema")}
        text = suite.out("apt-get", "install", "-y", "-qq", "--reinstall", *debs)
        assert "anceled" not in text and "still run in the version" not in text, text
        assert API.job(job)["status"] == "running", "the sync ended before it could be disturbed: more rows"
        for unit, invocation in before.items():
            assert suite.show(f"gantry-{unit}.service", "InvocationID") != invocation, f"gantry-{unit} is the old one"
    suite.out("systemctl", "set-property", "--runtime", "gantry-jobs.slice", "CPUQuota=")
    API.wait(job, "succeeded")
    ((rows,),) = suite.rows("/srv/gantry/long.db", "SELECT count(*) FROM users")
    assert rows == 60000, rows
    assert not suite.out("systemctl", "--failed", "--plain", "--no-legend")


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
