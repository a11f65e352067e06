# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an administrator does to many things at once with gantryctl: overviews, names, tags, own definitions. As test_gantryctl.py."""

import json
import pathlib
import subprocess
import time

import pytest
from test_gantryctl import Control
from workflow_host import completed, failed, well
from workload_host import BUILD, PATIENCE, ROOT

MANY = 1200  # more than a page of the bus


@pytest.fixture
def control(tmp_path):
    control = Control(tmp_path)
    yield control
    control.stop()


def columns(table):
    """Rows of a table by its heads, which stand where their cells begin."""
    head, *rows = table.splitlines()
    names = head.split()
    starts = [head.index(name) for name in names] + [None]
    return [{n: row[a:b].strip() for n, a, b in zip(names, starts, starts[1:])} for row in rows if row and not row.endswith("listed.")]


def multiply(control, n):
    """`n` more connections like the first, of which each second has had two jobs; every tenth is deleted."""
    ((workspace, source, destination, catalog),) = control.sql("SELECT workspace_id, source_id, destination_id, catalog_hash "
                                                               "FROM connection")
    control.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO connection (id, workspace_id, "
                "source_id, destination_id, name, status, schedule_type, namespace_definition, catalog_hash, non_breaking_preference, "
                "created_at, updated_at) SELECT printf('%08x-0000-7000-8000-000000000000', i), ?, ?, ?, 'many ' || i, iif(i % 10 = 0, "
                "'deprecated', 'active'), 'manual', 'destination', ?, 'ignore', 1, 1 FROM n", (n, workspace, source, destination, catalog))
    control.sql("INSERT INTO job (id, connection_id, workspace_id, type, status, config, created_at, updated_at, ended_at) "
                "SELECT 10000 * k.k + c.rowid, c.id, c.workspace_id, 'sync', iif(k.k = 2, 'failed', 'succeeded'), '{}', k.k * 1000000, 1, 1 "
                "FROM connection AS c, (SELECT 1 AS k UNION SELECT 2 AS k) AS k WHERE c.name LIKE 'many %' AND c.rowid % 2 = 0")


def test_the_list_says_when_each_runs_next_and_how_its_last_job_ended(control):
    def row():
        (row,) = control.json("connection", "list")
        return row
    assert "nextRun" not in row() and "lastJob" not in row()
    (cells,) = columns(control.ctl("connection", "list").stdout)
    assert list(cells) == ["NAME", "STATE", "SCHEDULE", "NEXT", "LAST", "STATUS", "ID"]
    assert (cells["STATE"], cells["NEXT"], cells["LAST"], cells["STATUS"]) == ("active", "-", "-", "-")
    with control.serving(well):  # the server asks connectors for what it doesn't know yet
        control.ctl("connection", "update", "test", "--schedule=0 0 3 * * ?")
    while "nextRun" not in row():
        time.sleep(0.02)
    assert row()["nextRun"].endswith("T03:00:00Z")
    assert columns(control.ctl("connection", "list", env=control.environment | {"TZ": "ABC-5"}).stdout)[0]["NEXT"].endswith("08:00:00 ABC")
    job = control.json("sync", "start", "test")["jobId"]
    runner = control.take_sync()
    assert row()["lastJob"] == {"jobId": job, "jobType": "sync", "status": "running", "startTime": row()["lastJob"]["startTime"]}
    assert runner.put("success", output=completed()).status == 204
    control.ctl("job", "wait", str(job))
    with control.serving(lambda kind, attempt: failed(0, "config_error") if kind == "sync" else well(kind, attempt)):
        control.ctl("sync", "start", "test", "--wait", code=1)
    assert (row()["lastJob"]["jobId"], row()["lastJob"]["status"]) == (job + 1, "failed")
    shown = control.json("connection", "show", "test")
    assert shown["lastJob"] == row()["lastJob"] and shown["nextRun"] == row()["nextRun"] and "configurations" in shown
    text = control.ctl("connection", "show", "test").stdout
    assert "Next run: " in text and "Status: failed" in text and f"Last job: {job + 1}\n" in text
    # What is off runs at no time.
    control.ctl("connection", "disable", "test")
    (cells,) = columns(control.ctl("connection", "list").stdout)
    assert (cells["STATE"], cells["NEXT"], cells["STATUS"]) == ("inactive", "-", "failed") and "nextRun" not in row()


def test_a_long_list_is_a_call_for_each_page_and_each_row_has_its_own_job(control):
    multiply(control, MANY)
    monitor = subprocess.Popen(["busctl", f"--address={control.bus.address}", "monitor", "--json=short", "org.gantry.Server1"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "Monitoring" in monitor.stderr.readline()
    listed = control.json("connection", "list")
    assert control.json("connection", "show", listed[-1]["connectionId"])["name"] == listed[-1]["name"]
    calls = []
    while "Get" not in calls:
        message = json.loads(monitor.stdout.readline())
        if message["type"] == "method_call" and message.get("interface", "").startswith("org.gantry."):
            calls.append(message["member"])
    monitor.terminate()
    monitor.wait(PATIENCE)
    assert calls == ["ListConnections", "ListConnections", "Get"], calls
    assert len(listed) == 1 + MANY - MANY // 10 and len({c["connectionId"] for c in listed}) == len(listed)
    for connection in listed:
        wanted = control.sql("SELECT max(id) FROM job WHERE connection_id = ?", (connection["connectionId"],))[0][0]
        assert connection.get("lastJob", {}).get("jobId") == wanted, connection
    assert sum(1 for c in listed if "lastJob" in c) > MANY // 3
    # Of one workspace the same, of another nothing.
    control.ctl("workspace", "add", "other")
    assert control.json("connection", "list", "--workspace=test") == listed
    assert control.json("connection", "list", "--workspace=other") == []


def test_what_cannot_be_removed_says_why_and_what_to_do(control):
    for reference, code, word in (("native:source-faker", 1, "gantry-connectors"),
                                  ("image:airbyte/source-x:1.2", 1, "remove its definition"),
                                  ("exec:/bin/true", 78, "pypi:NAME==VERSION"), ("source-x", 4, "There is no connector"),
                                  ("pypy:x", 78, "did you mean 'pypi:'?"), ("pypi:airbyte-source-nowhere==1", 4, "is not installed")):
        said = control.ctl("connector", "remove", reference, code=code).stderr
        assert word in said and reference in said, said
    for kind in ("source", "destination"):
        in_use = control.ctl(kind, "remove", kind, code=1).stderr
        assert "'test'" in in_use, in_use


def test_tags_are_made_given_taken_and_removed(control):
    tag = control.json("tag", "add", "nightly")["tagId"]
    control.ctl("tag", "add", "été", "--color=0a0B0c")
    assert {(t["name"], t["color"]) for t in control.json("tag", "list")} == {("nightly", "808080"), ("été", "0a0B0c")}
    assert "NAME" in control.ctl("tag", "list").stdout
    for arguments, code, word in ((["tag", "add", "nightly"], 1, "a tag of this name"), (["tag", "add", "x", "--color=red"], 78, "six hexadecimal"),
                                  (["tag", "remove", "nightlx"], 4, "did you mean 'nightly'?"),
                                  (["connection", "tag", "test", "nightlx"], 4, "did you mean 'nightly'?"),
                                  (["connection", "untag", "test", "nightly"], 4, "There is no tag 'nightly'"),
                                  (["connection", "tag", "test"], 2, "needs NAME TAG"), (["tag", "add"], 2, "needs NAME"),
                                  (["connection", "tag", "tess", "nightly"], 4, "did you mean 'test'?")):
        assert word in control.ctl(*arguments, code=code).stderr, arguments
    with control.serving(well):
        def carried():
            return sorted(t["name"] for t in control.json("connection", "show", "test")["tags"])
        control.ctl("connection", "tag", "test", "nightly", "été")
        control.ctl("connection", "tag", "test", tag)  # by its id, and a second time
        assert carried() == ["nightly", "été"]
        assert "Tags: " in control.ctl("connection", "show", "test").stdout
        assert [t["name"] for t in control.json("connection", "list")[0]["tags"]] == ["nightly", "été"]
        control.ctl("connection", "untag", "test", "été")
        assert carried() == ["nightly"]
    # One of another workspace is not there for this connection, and may have the same name.
    control.ctl("workspace", "add", "other")
    control.ctl("tag", "add", "foreign", "--workspace=other")
    control.ctl("connection", "tag", "test", "foreign", code=4)
    assert [t["name"] for t in control.json("tag", "list", "--workspace=other")] == ["foreign"]
    assert "Removed the tag" in control.ctl("tag", "remove", "nightly").stdout
    assert carried() == []


def test_connectors_of_ones_own_are_defined_changed_and_removed(control):
    made = control.json("connector", "add", "image:registry.example:5000/team/source-x:1.2")
    assert (made["name"], made["role"], made["version"], made["custom"]) == ("source-x", "source", "1.2", True)
    assert "installed" not in made  # nobody has looked
    assert made["reference"] == "image:registry.example:5000/team/source-x:1.2"
    digest = "sha256:" + "ab" * 32
    said = control.ctl("connector", "add", f"image:team/loader@{digest}", "--type=destination", "--name=Our loader").stdout
    assert "Made the destination connector 'Our loader', version sha256:" in said
    changed = control.json("connector", "update", "source-x", "1.3")
    assert (changed["id"], changed["reference"]) == (made["id"], "image:registry.example:5000/team/source-x:1.3")
    assert control.json("connector", "update", made["id"], "--name=x of ours")["name"] == "x of ours"
    for arguments, code, word in ((["add", "image:team/loader:1"], 78, "source or a destination must be said"), (["add", "exec:/bin/true"], 78, "neither"),
                                  (["add", "image:acme/resource-loader:1"], 78, "must be said"),
                                  (["add", "image:team/source-x"], 78, "names no version"), (["add", "native:source"], 78, "neither"),
                                  (["add", "image:team/source-y:1", "--type=both"], 2, "not 'both'"), (["add", "wasm:x"], 78, "no connectors of kind"),
                                  (["add", "image:a/source-y:1", "--name=x of ours"], 1, "already"), (["update", "x of ours"], 2, "needs a VERSION"),
                                  (["update", "x of ours", "no tag"], 78, "'dockerImageTag'"), (["update", "source", "2"], 1, "comes with Gantry"),
                                  (["update", "x of our", "2"], 4, "did you mean 'x of ours'?"), (["remove", "source"], 1, "comes with Gantry")):
        assert word in control.ctl("connector", *arguments, code=code).stderr, arguments
    # Not while something is made of it, which is named.
    control.sql("UPDATE actor SET definition_id = ? WHERE role = 'source'", (made["id"],))
    assert "The source 'source' is made of it" in control.ctl("connector", "remove", "x of ours", code=1).stderr
    control.sql("UPDATE actor SET definition_id = (SELECT id FROM definition WHERE role = 'source' AND custom = 0) WHERE role = 'source'")
    control.ctl("connector", "remove", "x of ours")
    control.ctl("connector", "remove", f"image:team/loader@{digest}")
    assert not [d for d in control.json("connector", "list") if d["custom"]]
    control.ctl("connector", "remove", "x of ours", code=4)


def test_a_word_that_two_connectors_answer_to_is_refused_with_their_ids(control):
    one = control.json("connector", "add", "image:team/source-x:1", "--name=one")["id"]
    two = control.json("connector", "add", "image:other/source-x:1", "--name=two")["id"]
    said = control.ctl("connector", "remove", "x", code=1).stderr  # the type of both
    assert "2 connectors are called 'x', give an id: " in said and one in said and two in said
    assert "already" in control.ctl("connector", "update", two, "--name=one", code=1).stderr
    control.ctl("connector", "remove", two)
    control.ctl("connector", "remove", "x")


def typed_in_bash(control, line, library):
    """What gantryctl is called with when a person types this, TABs in it, into a bash of its own; with or without bash-completion(7)."""
    import os
    import pty
    import re
    calls = control.directory / "calls"
    calls.unlink(missing_ok=True)
    (control.directory / "bin").mkdir(exist_ok=True)
    program = control.directory / "bin/gantryctl"
    # Asked by the completion it answers; called by the line it says with what.
    program.write_text(f'#!/bin/bash\nfor a; do [[ $a == --no-ask-password ]] && exec {BUILD}/gantryctl "$@"; done\n'
                       f'printf "%s\\0" "$@" > {calls}.new && mv {calls}.new {calls}\n')
    program.chmod(0o755)
    (control.directory / "rc").write_text(("" if not library else ". /usr/share/bash-completion/bash_completion\n") +
                                          f". {ROOT}/completions/bash/gantryctl\nbind 'set bell-style none'\nPS1='ready> '\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(control.directory)
        os.execvpe("bash", ["bash", "--noprofile", "--rcfile", str(control.directory / "rc"), "-i"],
                   control.environment | {"PATH": f"{control.directory}/bin:{os.environ['PATH']}", "TERM": "xterm", "LC_ALL": "C.UTF-8"})
    written = b""
    while b"ready> " not in written:
        written += os.read(terminal, 65536)
    os.write(terminal, line.encode() + b"\n")
    os.write(terminal, b"exit\n")
    while True:
        try:
            some = os.read(terminal, 65536)
        except OSError:
            break
        written += some
    os.close(terminal)
    os.waitpid(pid, 0)
    assert calls.exists(), re.sub(rb"\x1b\S*", b"", written)
    return calls.read_text().split("\0")[:-1]


@pytest.mark.parametrize("library", [True, False])
def test_a_real_bash_completes_names_and_runs_nothing_of_them(control, library):
    if library and not pathlib.Path("/usr/share/bash-completion/bash_completion").exists():
        pytest.skip("bash-completion is not installed")
    control.sql("UPDATE connection SET name = ?", ("two $(touch pwned)`touch pwned` wörds",))
    control.sql("UPDATE actor SET name = 'it''s' WHERE role = 'source'")
    control.ctl("tag", "add", "zebra")
    (name,) = [c["name"] for c in control.json("connection", "list")]
    for line, wanted in (("gantryctl sync start tw\t", ["sync", "start", name]), ("gantryctl connectio\tsh\ttwo\\ \t", ["connection", "show", name]),
                         ("gantryctl connection tag two\t zeb\t", ["connection", "tag", name, "zebra"]),
                         ("gantryctl source show it\t", ["source", "show", "it's"]),
                         ("gantryctl job show 1 --prog\tj\t", ["job", "show", "1", "--progress=json"] if library else None),
                         ("gantryctl connector show native:s\t", ["connector", "show", "native:s"] if library else None)):
        if wanted:
            assert typed_in_bash(control, line, library) == wanted, line
    assert not (control.directory / "pwned").exists()


def test_odd_names_go_in_and_out_as_they_are(control):
    """A dash at the beginning, spaces, wide characters; what is no text or nothing is refused in words."""
    for name in ("-x", "--json", "two  words", "日本語", "a=b:c", "it's", "$(true)", "x" * 512):
        with control.serving(well):
            made = json.loads(control.ctl("--json=short", "source", "add", "--connector=source", "--", name).stdout)["sourceId"]
        assert json.loads(control.ctl("--json=short", "source", "show", "--", name).stdout)["sourceId"] == made, name
        assert made in control.ctl("source", "list").stdout
        control.ctl("source", "remove", "--", name)
    assert control.ctl("source", "show", "-x", code=2).stderr.count("\n") == 1
    for arguments, code, word in ((["source", "show", b"a\xffb"], 2, "is not UTF-8"), (["tag", "add", b"\xc0\x80"], 2, "is not UTF-8"),
                                  (["tag", "add", ""], 78, "from 1 to 512"), (["tag", "add", "a\nb"], 78, "control characters"),
                                  (["source", "show", ""], 4, "There is no source ''")):
        assert word in control.ctl(*arguments, code=code).stderr, arguments


def test_every_list_is_json_for_machines_and_plain_in_a_pipe(control):
    multiply(control, 1000)
    for words in ("status", "source list", "destination list", "connection list", "connector list", "workspace list", "tag list", "job list",
                  "workflow list", "connection show test", "connection events test", "source show source", "state show test"):
        for form in ("--json", "--json=short", "--json=pretty"):
            json.loads(control.ctl(*words.split(), form).stdout)
        assert json.loads(control.ctl(*words.split(), "--json=short", "--quiet", "--no-legend").stdout) is not None
        for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb", "COLUMNS": "40"}, {"LC_ALL": "C"}, {"TERM": "xterm-256color"}):
            said = control.ctl(*words.split(), env=control.environment | environment, stdin=subprocess.DEVNULL)
            assert said.stdout and not said.stderr and "\x1b" not in said.stdout, (words, environment)


def test_the_timeline_tells_how_jobs_ended(control):
    assert control.json("connection", "events", "test") == []
    with control.serving(lambda kind, attempt: completed(7) if kind == "sync" else well(kind, attempt)):
        control.ctl("sync", "start", "test", "--wait")
    with control.serving(lambda kind, attempt: failed(0, "config_error") if kind == "sync" else well(kind, attempt)):
        control.ctl("sync", "start", "test", "--wait", code=1)
    newest, oldest = control.json("connection", "events", "test")
    assert (newest["eventType"], oldest["eventType"]) == ("SYNC_FAILED", "SYNC_SUCCEEDED")
    assert (oldest["summary"]["jobId"], oldest["summary"]["recordsLoaded"]) == (1, 7) and newest["createdAt"] >= oldest["createdAt"] > 1e9
    assert control.json("connection", "events", "test", "--limit=1") == [newest]
    table = control.ctl("connection", "events", "test", env=control.environment | {"TZ": "UTC"}).stdout
    assert time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(newest["createdAt"])) in table and "source: it broke" in table
    assert "number from 1" in control.ctl("connection", "events", "test", "--limit=0", code=2).stderr
