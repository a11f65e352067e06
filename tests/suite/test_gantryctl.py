# SPDX-License-Identifier: LGPL-2.1-or-later
"""gantryctl against gantry-server, gantry-workflow and gantry-workload as processes; the runners are the test."""

import calendar
import json
import os
import subprocess
import threading
import time

import pytest
from workflow_host import SPEC, Suite, completed, failed, well
from workload_host import BUILD, PATIENCE

EVIL = "a\x1b]52;c;aGk=\x07b\u009b31mc\u202ed"


class Control(Suite):
    def __init__(self, directory):
        super().__init__(directory)
        self.start_all()
        self.server = subprocess.Popen([BUILD / "gantry-server", f"--listen={self.directory}/server.sock",
                                        f"--database={self.database}"], env=self.environment)
        while not self.owns("Server1"):
            assert self.server.poll() is None
            time.sleep(0.02)

    def stop(self):
        self.server.terminate()
        self.server.wait(PATIENCE)
        super().stop()

    def ctl(self, *arguments, code=0, **options):
        options = {"env": self.environment} | options
        result = subprocess.run([BUILD / "gantryctl", *arguments], text=True, capture_output=True, timeout=PATIENCE, check=False, **options)
        assert result.returncode == code, (arguments, result)
        return result

    def json(self, *arguments, code=0, **options):
        return json.loads(self.ctl(*arguments, "--json=short", code=code, **options).stdout)

    def take_sync(self):
        """The runner of the next sync; what comes before it is answered."""
        while True:
            for workload_id in self.poll():
                runner = self.runner(workload_id)
                if workload_id.endswith("_sync"):
                    return runner
                assert self.answer(runner).status == 204
            time.sleep(0.02)

    def serving(self, script):
        return Serving(self, script)


class Serving:
    """Runners in a thread, while the with block is in it."""

    def __init__(self, host, script):
        self.done = False
        self.thread = threading.Thread(target=lambda: host.serve(lambda: self.done, script))

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.done = True
        self.thread.join()


@pytest.fixture
def control(tmp_path):
    control = Control(tmp_path)
    yield control
    control.stop()


def test_help_and_usage_need_no_daemon(tmp_path):
    environment = dict(os.environ, GANTRY_BUS_ADDRESS=f"unix:path={tmp_path}/nobody")

    def run(*arguments):
        return subprocess.run([BUILD / "gantryctl", *arguments], env=environment, text=True, capture_output=True, check=False)

    for arguments in (("--help",), ("help",), ("--version",), ("job", "--help"), ("sync", "start", "--help")):
        result = run(*arguments)
        assert result.returncode == 0 and result.stdout and not result.stderr, arguments
    for arguments in ((), ("wash",), ("job",), ("job", "wash"), ("job", "show"), ("job", "show", "1", "2"), ("job", "show", "x"),
                      ("job", "list", "--source=x"), ("status", "x"), ("status", "--nonsense"), ("job", "list", "--limit=x"),
                      ("source", "add", "x"), ("connection", "add", "x", "--source=y"), ("status", "--json=xml")):
        result = run(*arguments)
        assert result.returncode == 2 and result.stderr.count("\n") == 1 and not result.stdout, (arguments, result)
    assert "did you mean 'status'?" in run("statsu").stderr and "did you mean 'list'?" in run("job", "lst").stderr
    assert "see 'gantryctl job --help'" in run("job", "polish").stderr and "see 'gantryctl --help'" in run("xyzzy").stderr
    # Of one verb, by either way; of all of a noun; of all.
    one = run("source", "add", "--help").stdout
    assert one == run("help", "source", "add").stdout and "--connector=" in one and "source list" not in one
    assert run("help", "source").stdout == run("source", "--help").stdout != run("help").stdout == run("--help").stdout
    assert run("help", "sourc").returncode == 2 and run("help", "source", "ad").returncode == 2
    assert "'source' or 'destination', not 'both'" in run("connector", "list", "--type=both").stderr
    for arguments in (("status",), ("job", "list"), ("sync", "start", "x")):
        result = run(*arguments)
        assert result.returncode == 69 and "bus" in result.stderr, (arguments, result)


def test_no_server_is_unavailable(control):
    control.server.terminate()
    control.server.wait(PATIENCE)
    assert "does not answer" in control.ctl("status", code=69).stderr


def test_lists_in_tables_and_json(control):
    assert control.json("source", "list")[0]["sourceId"] == "source-actor"
    table = control.ctl("source", "list").stdout
    assert table.splitlines()[0].split() == ["NAME", "CONNECTOR", "ID"] and "1 listed." in table
    assert control.ctl("source", "list", "--no-legend").stdout.split() == ["source", "source", "source-actor"]
    assert control.json("status")["connections"] == 1 and control.json("status")["runningJobs"] == []
    assert control.json("connector", "list", "--type=source")[0]["reference"] == "native:source"
    assert "did you mean 'source'?" in control.ctl("source", "show", "sour", code=4).stderr
    assert "There is no job 99" in control.ctl("job", "show", "99", code=4).stderr
    assert control.json("job", "list") == []


HOST = {"isolation": {"state": "incomplete", "missing": "memory limits, limits of tasks", "allowUnisolated": False}, "cgroupVersion": 1,
        "podman": {"version": "4.3.1"}, "crun": {"version": "1.7.0", "oldest": "1.8.1"},
        "refused": [{"what": "connectors that are not native", "why": "memory limits, limits of tasks"},
                    {"what": "connectors in images", "why": "crun 1.7.0 is too \x1bold"}]}


def test_the_status_says_what_the_launcher_has_found(control):
    """On a host with what makes it true: tests/host/test-suite-podman.py."""
    shown = control.json("status")
    assert shown["host"].keys() == {"error"} and shown["connections"] == 1  # a launcher that says nothing is no reason to fail
    assert "Launcher: " in control.ctl("status").stdout
    control.ctl("launcher", code=69)
    control.peers["Launcher1"].answer("=" + json.dumps(HOST))
    assert control.json("status")["host"] == control.json("launcher")["host"] == HOST
    for noun in ("status", "launcher"):
        lines = [line.strip() for line in control.ctl(noun).stdout.splitlines()]
        for line in ("Isolation: incomplete: memory limits, limits of tasks", "Control groups: 1", "podman: 4.3.1", "crun: 1.7.0",
                     "Not run here: connectors that are not native: memory limits, limits of tasks"):
            assert line in lines, (line, lines)
        assert lines[-1].startswith("Not run here: connectors in images: crun 1.7.0 is too ") and "\x1b" not in lines[-1], lines
    control.peers["Launcher1"].answer("=" + json.dumps(HOST | {"isolation": {"state": "holds"}, "refused": [], "podman": {}, "crun": {}}))
    said = control.ctl("status").stdout
    assert "Isolation: holds\n" in said and "Not run" not in said and "podman" not in said, said


def test_things_are_made_found_by_name_and_removed(control):
    config = control.directory / "config.json"
    config.write_text('{"host": "h"}')
    # the server asks connectors for what it doesn't know yet
    with control.serving(well):
        made = control.json("source", "add", "two words", "--connector=source", f"--config={config}")
        assert control.json("source", "show", "two words")["sourceId"] == made["sourceId"]
        assert control.json("source", "show", made["sourceId"])["configuration"] == {"host": "h"}
        config.write_text('{"port": 5}')
        assert "Changed the source" in control.ctl("source", "update", "two words", f"--config={config}", "--name=three words").stdout
        changed = control.json("source", "show", "three words")
        assert changed["configuration"] == {"host": "h", "port": 5} and changed["sourceId"] == made["sourceId"]
        control.ctl("source", "update", "three words", "--name=two words")
        control.ctl("source", "update", "two words", code=2)
        control.ctl("destination", "update", "two words", "--name=x", code=4)
        control.ctl("connection", "update", "test", "--schedule=0 0 3 * * ?", "--name=test")
        assert control.json("connection", "show", "test")["schedule"]["scheduleType"] == "cron"
        control.ctl("connection", "update", "test", "--schedule=manual")
        control.ctl("connection", "update", "test", "--schedule=odd", code=78)
        again = control.ctl("source", "add", "two words", "--connector=source", "--config=-", input="{}", code=1)
        assert "There is a source 'two words' already" in again.stderr
        control.sql("UPDATE actor SET name = 'two words' WHERE id = 'source-actor'")
        several = control.ctl("source", "show", "two words", code=1).stderr
        assert "2 sources are called 'two words', give an id: " in several and made["sourceId"] in several and "source-actor" in several
        assert not control.ctl("source", "remove", made["sourceId"], "--quiet").stdout
        assert control.json("source", "show", "two words")["sourceId"] != made["sourceId"]
        broken = control.ctl("source", "add", "x", "--connector=source", "--config=-", input="[", code=78)
        assert "standard input: line 1, column 2: The JSON ends too early" in broken.stderr
        for text, said in (("", "is empty"), (" \n", "is empty"), ("\ufeff{}", "byte order mark"), ('{\n "a": 1,\n}', "line 3, column 1: Not"),
                           ("[" * 5000, "column 513: The JSON is nested too deeply"), ("[1]", "holds no JSON object, which is wanted, but array"),
                           ("null", "but null"), ("{} {}", "line 1, column 4")):
            assert said in control.ctl("source", "add", "x", "--connector=source", "--config=-", input=text, code=78).stderr, text
        control.ctl("source", "add", "x", "--connector=nothing", code=4)
        control.ctl("connection", "disable", "test")
        assert control.json("connection", "show", "test")["status"] == "inactive"
        control.ctl("connection", "enable", "test")
    control.ctl("connection", "remove", "test")
    control.ctl("connection", "show", "test", code=4)
    control.ctl("workspace", "add", "second")
    assert {w["name"] for w in control.json("workspace", "list")} == {"test", "second"}
    assert control.json("source", "list", "--workspace=second") == []
    assert "Removed the workspace" in control.ctl("workspace", "remove", "second").stdout
    assert {w["name"] for w in control.json("workspace", "list")} == {"test"}
    control.ctl("workspace", "remove", "second", code=4)
    assert "has sources" in control.ctl("workspace", "remove", "test", code=1).stderr


def test_a_sync_is_started_waited_for_and_shown(control):
    with control.serving(lambda kind, attempt: completed(7) if kind == "sync" else well(kind, attempt)):
        assert control.ctl("sync", "start", "test", "--wait").stdout == "Job 1 succeeded: 7 records.\n"
        assert control.json("sync", "start", "test", "--wait")["rowsSynced"] == 7
    job = control.json("job", "show", "1")
    assert (job["status"], len(job["attempts"])) == ("succeeded", 1)
    table = control.ctl("job", "list", "--no-legend").stdout.splitlines()[-1].split()
    assert table[1:3] == ["sync", "succeeded"] and table[6].endswith("s") and table[-1] == "test"
    assert [j["jobId"] for j in control.json("job", "list", "test")] == [2, 1]
    assert [j["jobId"] for j in control.json("job", "list", "--limit=1")] == [2]
    assert control.json("job", "list", "--status=failed") == []
    control.ctl("job", "wait", "1")


def test_what_failed_in_part_and_what_was_cancelled_have_codes_of_their_own(control):
    job = control.json("sync", "start", "test")["jobId"]
    waiter = subprocess.Popen([BUILD / "gantryctl", "job", "wait", str(job)], env=control.environment, stdout=subprocess.PIPE)
    control.ctl("sync", "start", "test", code=75)
    assert "cancelled" in control.ctl("job", "cancel", str(job)).stdout
    assert waiter.wait(PATIENCE) == 6
    control.ctl("job", "cancel", str(job), code=1)
    with control.serving(lambda kind, attempt: failed(0, "config_error") if kind == "sync" else well(kind, attempt)):
        assert "source: it broke" in control.ctl("sync", "start", "test", "--wait", code=1).stdout
    failed_job = str(control.json("job", "list", "--status=failed")[0]["jobId"])
    assert "source: it broke" in control.ctl("job", "show", failed_job).stdout
    assert "There is no job '99'" in control.ctl("job", "logs", "99", code=4).stderr


def test_workflows_are_listed_shown_and_cancelled(control):
    with control.serving(lambda kind, attempt: completed(2) if kind == "sync" else well(kind, attempt)):
        control.ctl("sync", "start", "test", "--wait")
        control.ctl("source", "check", "source")
    listed = control.json("workflow", "list")
    assert [(w["type"], w["status"]) for w in listed] == [("check", "completed"), ("sync", "completed")], listed
    job = control.json("sync", "start", "test")["jobId"]
    listed = control.json("workflow", "list")
    assert [(w["id"], w["status"]) for w in listed][0] == (f"job-{job}", "open") and len(listed) == 3
    assert [w["id"] for w in control.json("workflow", "list", "--status=open")] == [f"job-{job}"]
    assert len(control.json("workflow", "list", "--limit=2")) == 2 and control.json("workflow", "list", "--type=spec") == []
    assert {w["type"] for w in control.json("workflow", "list", "test")} == {"sync"}
    shown = control.json("workflow", "show", str(job))
    assert shown["jobId"] == job and shown["history"][0]["type"] == "started" and shown["input"]["jobId"] == job
    assert "activity-scheduled" in control.ctl("workflow", "show", f"job-{job}").stdout
    assert "told to end" in control.ctl("workflow", "cancel", f"job-{job}").stdout
    control.ctl("job", "wait", str(job), code=6)
    control.ctl("workflow", "cancel", str(job), code=1)
    for verb in ("show", "cancel"):
        assert "There is no workflow" in control.ctl("workflow", verb, "job-99", code=4).stderr
    for wrong in (("--status=odd",), ("--type=odd",)):
        control.ctl("workflow", "list", *wrong, code=78)
    control.ctl("workflow", "list", "--limit=0", code=2)
    assert "WORKFLOW" in control.ctl("workflow", "list").stdout


def test_the_history_of_a_workflow_shows_no_secret(control):
    """Neither what it refers to nor what was sealed for it, though that is stored."""
    control.sql("UPDATE definition SET spec = ?", (json.dumps(SPEC),))
    config = control.directory / "config.json"
    config.write_text('{"password": "open sesame"}')
    with control.serving(lambda kind, attempt: completed(2) if kind == "sync" else well(kind, attempt)):
        made = control.json("source", "add", "secret", "--connector=source", f"--config={config}")["sourceId"]
        control.ctl("source", "check", "secret", f"--config={config}")
        connection = control.json("connection", "add", "secret", "--source=secret", "--destination=destination")["connectionId"]
        control.ctl("sync", "start", "secret", "--wait")
    assert made in str(control.sql("SELECT payload FROM workflow_event"))
    stored = str(control.sql("SELECT payload FROM workflow_event")) + str(control.sql("SELECT content FROM workload_text"))
    assert "_secret" in stored and "_sealed" in stored and "open sesame" not in stored
    listed = control.json("workflow", "list")
    assert {w["type"] for w in listed} >= {"check", "discover", "sync"} and connection in str(listed)
    whole = "".join(control.ctl("workflow", "show", w["id"], "--json").stdout for w in listed)
    assert "**********" in whole and not any(word in whole for word in ("_secret", "_sealed", "open sesame"))
    for path in control.directory.iterdir():
        if path.is_file() and path != config:
            assert b"open sesame" not in path.read_bytes(), path


def test_T31_logs_and_names_cannot_steer_a_terminal(control):
    control.sql("UPDATE actor SET name = ? WHERE role = 'source'", (EVIL,))
    job = control.json("sync", "start", "test")["jobId"]
    runner = control.take_sync()
    lines = [{"t": 1700000000000000, "level": "INFO", "origin": "source", "message": EVIL + "\nsecond line"},
             {"t": 1700000000000001, "level": "ERROR", "origin": "destination", "message": "last"}]
    assert runner.log("".join(json.dumps(line) + "\n" for line in lines)).status == 204
    text = control.ctl("job", "logs", str(job)).stdout
    assert "second line" in text and "ERROR destination: last" in text
    assert control.ctl("job", "logs", str(job), "-n1").stdout.count("\n") == 1
    assert control.ctl("logs", str(job)).stdout == text == control.ctl("logs", "test").stdout
    control.ctl("logs", "nobody", code=4)
    outputs = [text, control.ctl("job", "logs", str(job), "--json").stdout, control.ctl("source", "list").stdout,
               control.ctl("source", "list", "--json").stdout, control.ctl("source", "show", "nobody" + EVIL, code=4).stderr]
    for output in outputs:
        assert not any(c in output for c in "\x1b\x07\u009b\u202e"), output
    assert [json.loads(line)["message"] for line in outputs[1].splitlines()] == [EVIL + "\nsecond line", "last"]
    assert json.loads(outputs[3])[0]["name"] == EVIL
    follower = subprocess.Popen([BUILD / "gantryctl", "job", "logs", "-f", str(job)], env=control.environment,
                                stdout=subprocess.PIPE, text=True)
    while "ERROR destination: last" not in follower.stdout.readline():
        pass
    assert runner.log(json.dumps(dict(lines[1], message="one more")) + "\n").status == 204
    assert "one more" in follower.stdout.readline()
    assert runner.put("success", output=completed(3)).status == 204
    assert follower.stdout.readline() == f"Job {job} succeeded: 3 records.\n"
    assert follower.wait(PATIENCE) == 0


def test_state_is_printed_byte_for_byte_enough_to_set_it_again(control):
    job = control.json("sync", "start", "test")["jobId"]
    runner = control.take_sync()
    state = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": {"id": 2**60 + 1}}}
    assert runner.state(state).status == 204
    assert control.json("connection", "state", "test") == control.json("state", "show", "test") == [state]
    assert "job" in control.ctl("state", "reset", "test", code=75).stderr  # while it runs
    runner.put("success", output=completed())
    control.ctl("job", "wait", str(job))


def test_state_is_set_copied_and_forgotten(control, tmp_path):
    def state(name, namespace=None):
        descriptor = {"name": name} | ({"namespace": namespace} if namespace else {})
        return {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": {"id": 2**60 + 1}}}

    def stored():
        return sorted(s["stream"]["stream_descriptor"]["name"] for s in control.json("state", "show", "test"))
    assert control.json("state", "show", "test") == []
    whole = [state("users"), state("orders", "shop"), state("items")]
    path = tmp_path / "state.json"
    path.write_text(json.dumps(whole))
    control.ctl("state", "set", "test", f"--config={path}")
    assert stored() == ["items", "orders", "users"]
    # What was printed can be set again.
    printed = control.ctl("state", "show", "test").stdout
    control.ctl("state", "reset", "test")
    assert stored() == []
    control.ctl("state", "set", "test", "--config=-", input=printed)
    assert control.ctl("state", "show", "test").stdout == printed
    control.ctl("state", "reset", "test", "--stream=users", "--stream=shop.orders")
    assert stored() == ["items"]
    for arguments, code, word in ((["reset", "test", "--stream=users"], 4, "users"), (["reset", "nothing"], 4, "nothing"),
                                  (["set", "test"], 2, "--config"), (["set", "test", "--config=/nonexistent"], 4, "nonexistent"),
                                  (["set", "test", "--limit=1", f"--config={path}"], 2, "--limit"), (["copy", "test"], 2, "TO")):
        assert word in control.ctl("state", *arguments, code=code).stderr, arguments
    for text in ("{}", "[3]", "[", '[{"type":"STREAM"}]'):
        path.write_text(text)
        control.ctl("state", "set", "test", f"--config={path}", code=78)
    assert stored() == ["items"]
    control.ctl("state", "copy", "test", "test")
    assert stored() == ["items"]


def test_output_that_nobody_takes(control):
    """A full disk is told with its reason; a reader who has seen enough is not told anything."""
    def run(command):
        return subprocess.run(["bash", "-c", command], env=control.environment | {"CTL": str(BUILD / "gantryctl")}, text=True,
                              capture_output=True, timeout=PATIENCE, check=False)
    full = run("$CTL connector list > /dev/full")
    assert full.returncode == 1 and "standard output: No space left on device" in full.stderr, full
    # The reader is gone before anything is written.
    gone = run("{ sleep 0.1; $CTL connector list; echo $? >&2; } | true")
    assert gone.stderr == "141\n", gone
    closed = run("$CTL connector list >&-")
    assert closed.returncode == 1 and "Bad file descriptor" in closed.stderr, closed


def on_terminal(environment, *arguments, columns=80, keys=b"", **more):
    """gantryctl on a terminal of its own: what it wrote, and its status as of waitpid(). `keys` are pressed when the first of them
    is due: a function of what was written so far says so."""
    import fcntl
    import pty
    import struct
    import termios
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(BUILD / "gantryctl", ["gantryctl", *arguments], environment | more)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    written = b""
    while True:
        if keys and keys[0](written):
            os.write(terminal, keys[1])
            keys = None
        try:
            some = os.read(terminal, 65536)
        except OSError:  # EIO: nobody has the other side any more
            break
        if not some:
            break
        written += some
    os.close(terminal)
    return written.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_no_pager_where_the_terminal_cannot_page(control):
    marked = {"GANTRY_PAGER": "sed s/^/paged:/"}
    text, code = on_terminal(control.environment, "source", "list", TERM="dumb", **marked)
    assert code == 0 and "NAME" in text and "paged:" not in text
    text, code = on_terminal(control.environment, "source", "list", TERM="xterm", **marked)
    assert code == 0 and "paged:NAME" in text
    # JSON that people look at is laid out for them.
    with control.serving(well):
        assert on_terminal(control.environment, "connector", "show", "source", TERM="dumb")[0].startswith("{\r\n")
        assert control.ctl("connector", "show", "source").stdout.count("\n") == 1


def test_interrupted_watching_leaves_the_job_and_says_so(control):
    import signal
    job = control.json("sync", "start", "test")["jobId"]
    runner = control.take_sync()
    text, code = on_terminal(control.environment, "job", "wait", str(job), TERM="xterm", columns=20,
                             keys=(lambda written: b"Job" in written, b"\x03"))
    assert code == -signal.SIGINT, (code, text)
    assert f"Job {job} goes on. 'gantryctl job cancel {job}' ends it" in text
    # The bar fits: no line of it is longer than the terminal leaves room for.
    bars = [part for part in text.split("\r\x1b[K") if part.startswith(f"Job {job}, attempt")]
    assert bars and all(len(bar.split("^C")[0]) <= 19 for bar in bars), bars
    assert control.json("job", "show", str(job))["status"] == "running"
    assert "has no attempt 5, its last one is 0" in control.ctl("job", "logs", str(job), "--attempt=5", code=4).stderr
    # By name, and not by id, on the whole's page.
    assert control.ctl("status").stdout.rstrip().endswith("test")
    with control.serving(well):
        control.ctl("job", "cancel", str(job))
    del runner


def test_times_are_those_of_the_place(control):
    """Tables show local time with its zone, in every noun the same; JSON has the API's."""
    job = control.json("sync", "start", "test")["jobId"]
    control.take_sync()
    started = control.json("job", "show", str(job))["startTime"]
    assert started.endswith("Z")
    table = control.ctl("job", "list", env=control.environment | {"TZ": "ABC-5"}).stdout
    local = time.strftime("%Y-%m-%d %H:%M:%S ABC", time.gmtime(calendar.timegm(time.strptime(started, "%Y-%m-%dT%H:%M:%SZ")) + 5 * 3600))
    assert local in table, (local, table)
    assert local in control.ctl("job", "show", str(job), env=control.environment | {"TZ": "ABC-5"}).stdout
    with control.serving(well):
        control.ctl("job", "cancel", str(job))


def test_a_host_that_ssh_does_not_reach_is_named(control):
    """With an ssh that fails, as it does for a name that is unknown."""
    (control.directory / "ssh").write_text("#!/bin/sh\nexit 255\n")
    (control.directory / "ssh").chmod(0o755)
    environment = control.environment | {"PATH": f"{control.directory}:{os.environ['PATH']}"}
    for _ in range(5):  # it may go at any moment of the first call
        said = control.ctl("status", "-H", "away", code=69, env=environment).stderr
        assert "the bus of 'away' over ssh" in said, said
