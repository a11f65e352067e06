# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bus starts the daemons, and somebody stops one just then (docs/decisions/0018): the bus waits for a name that doesn't come and
gives up. Who has called asks again; nothing is done twice, and nobody fails for it."""

import contextlib
import json
import os
import signal
import subprocess
import time

import dbus
import pytest
from test_progress import V1, Live, Wire, completed, reporting
from workload_host import BUILD, PATIENCE

STOPPED = """#!/bin/sh
# Somebody stops the first one before it has its name: nobody tells the bus.
if mkdir {directory}/stopped-{name} 2>/dev/null; then
        touch {directory}/stopped-{name}/seen
        exec sleep 10000
fi
exec {command}
"""


class Activated(Live):
    activates = True

    def __init__(self, directory):
        super().__init__(directory)
        environment = " ".join(f"{k}={v}" for k, v in self.environment.items() if k.startswith("GANTRY_"))
        commands = {"Server1": f"gantry-server --listen={directory}/server.sock", "Workflow1": "gantry-workflow",
                    "Workload1": f"gantry-workload --listen={self.socket} --log-directory={self.logs}"}
        for name, command in commands.items():
            starter = directory / f"start-{name}"
            starter.write_text(STOPPED.format(directory=directory, name=name, command=f"env {environment} {BUILD}/{command}"))
            starter.chmod(0o755)
            (directory / f"stopped-{name}").mkdir()  # not this time
            (directory / "services" / f"org.gantry.{name}.service").write_text(
                f"[D-BUS Service]\nName=org.gantry.{name}\nExec={starter}\n")
        with self.connected() as bus:
            bus.get_object("org.freedesktop.DBus", "/org/freedesktop/DBus", introspect=False).ReloadConfig()

    def lose(self, name, stopped=False):
        """Ends a daemon; whether the next one that the bus starts is stopped before it has its name."""
        with self.connected() as bus:
            driver = bus.get_object("org.freedesktop.DBus", "/org/freedesktop/DBus", introspect=False)
            pid = int(driver.GetConnectionUnixProcessID(f"org.gantry.{name}"))
            if stopped:
                (self.directory / f"stopped-{name}" / "seen").unlink(missing_ok=True)
                (self.directory / f"stopped-{name}").rmdir()
            os.kill(pid, signal.SIGKILL)
            for process in (self.server, self.process, self.workflow_process):
                if process.pid == pid:
                    process.wait()
            while bus.name_has_owner(f"org.gantry.{name}"):
                time.sleep(0.02)

    def was_stopped(self, name):
        return (self.directory / f"stopped-{name}" / "seen").exists()

    def alive(self):
        """Daemons come and go here."""

    def stop(self):
        for name in ("Server1", "Workflow1", "Workload1"):
            with contextlib.suppress(dbus.DBusException):
                self.lose(name)
        super().stop()


@pytest.fixture
def live(tmp_path):
    live = Activated(tmp_path)
    yield live
    live.stop()


def test_a_job_is_started_once_by_an_engine_that_was_stopped_while_it_started(live):
    live.lose("Workflow1", stopped=True)
    job = live.ask("POST", f"{V1}/jobs", {"connectionId": live.connection_id, "jobType": "sync"})["jobId"]
    assert live.was_stopped("Workflow1"), "nothing was in the way"
    assert live.sql("SELECT id FROM job") == [(job,)]
    # And the engine's own calls, to a queue of which the same is true.
    live.lose("Workload1", stopped=True)
    runner = live.take_sync()
    assert live.was_stopped("Workload1"), "nothing was in the way"
    assert runner.put("success", output=completed()).status == 204
    live.serve(live.ended(job))
    assert live.job(job)[:2] == ("succeeded", 1)


def test_gantryctl_asks_again(live):
    live.lose("Server1", stopped=True)
    assert live.json("status")["connections"] == 1
    assert live.was_stopped("Server1"), "nothing was in the way"
    # What changes something as well: nobody has seen the first call.
    live.lose("Server1", stopped=True)
    live.ctl("workspace", "add", "once")
    assert live.was_stopped("Server1")
    assert live.sql("SELECT count(*) FROM workspace WHERE name = 'once'") == [(1,)]


def test_a_daemon_that_never_comes_is_said(live):
    live.lose("Server1")
    (live.directory / "start-Server1").write_text("#!/bin/sh\nexec sleep 10000\n")
    began = time.monotonic()
    answer = live.ctl("status", code=69)
    assert "does not answer" in answer.stderr and "org.gantry.Server1" in answer.stderr, answer
    assert time.monotonic() - began >= 20, "asked once only"


def test_gantryctl_listens_instead_of_asking(live):
    """It subscribes, reads when it is told, and subscribes to a server that is started anew."""
    asked = Wire(live, "type='method_call',interface='org.gantry.Server1.Manager',member='Subscribe'")
    looks = Wire(live, "type='method_call',interface='org.gantry.Server1.Job',member='Get'")
    ctl = subprocess.Popen([BUILD / "gantryctl", "sync", "start", "test", "--wait", "--follow", "--progress=json"], text=True,
                           env=live.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        runner = live.take_sync()
        asked.until(lambda m: True)
        with reporting(runner):
            first = [json.loads(ctl.stderr.readline()) for _ in range(2)]
        live.lose("Server1")
        asked.until(lambda m: True)
        with reporting(runner, first=10_000):
            while json.loads(ctl.stderr.readline())["records_emitted"] < 10_000:
                pass
        # Nothing moves: it looks once a second, not twice. The first two may have been on their way.
        while looks.messages.qsize():
            looks.messages.get()
        begin = time.monotonic()
        for _ in range(6):
            looks.messages.get(timeout=PATIENCE)
        assert time.monotonic() - begin > 3, "it asks without being told"
        assert runner.put("success", output=completed()).status == 204
        out, err = ctl.communicate(timeout=PATIENCE)
        assert ctl.returncode == 0 and first[1]["records_emitted"] > first[0]["records_emitted"] > 0, (out, err)
    finally:
        ctl.kill()
        asked.close()
        looks.close()
