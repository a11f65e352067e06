# SPDX-License-Identifier: LGPL-2.1-or-later
"""`gantry` as a person uses it: the main job, wrong input, signals, twice at once."""

import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from conftest import TIMEOUT, program

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture
def tiny(workspace):
    """A copy of the tiny source in a directory of its own, as `exec:` reference."""
    directory = workspace / "tiny"
    directory.mkdir()
    shutil.copy(HERE / "tiny_source.py", directory / "tiny_source.py")
    return f"exec:{directory}/tiny_source.py"


def rows(path, sql):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        return database.execute(sql).fetchall()


def report(result):
    assert result.stdout, repr(result)
    return json.loads(result.stdout)


def wait_for(condition, what, process=None):
    """Waits for a condition; gives up when the process that should bring it about has ended."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        assert not process or process.poll() is None, f"exit {process.returncode} before: {what}"
        time.sleep(0.05)


CSV = "id,name,born\n1,Ada,1815-12-10\n2,Grace,1906-12-09\n3,Jean,1903-12-28\n"


def test_a_csv_lands_in_sqlite_and_the_second_run_reads_nothing(gantry, workspace, put):
    put("people.csv", CSV)
    arguments = ["sync", "csv:people.csv", "sqlite:out.db", "--mode", "incremental_append", "--json"]
    first = gantry(*arguments)
    assert first.code == 0, first
    told = report(first)
    assert told["status"] == "completed"
    assert told["records_emitted"] == told["records_committed"] == 3
    assert [s["name"] for s in told["streams"]] == ["people"]
    assert rows("out.db", 'SELECT id, name, born FROM people ORDER BY id')[1] == (2, "Grace", "1906-12-09")
    second = gantry(*arguments)
    assert second.code == 0, second
    assert report(second)["records_emitted"] == 0
    assert rows("out.db", "SELECT count(*) FROM people") == [(3,)]


def test_a_file_without_a_key_is_mirrored(gantry, workspace, put):
    """Without --mode the best that is possible is chosen, and said: the table is what the file is."""
    put("people.csv", CSV)
    first = gantry("sync", "csv:people.csv", "sqlite:out.db")
    assert first.code == 0 and b"full_refresh_overwrite" in first.stderr, first
    put("people.csv", CSV.replace("3,Jean,1903-12-28\n", "4,Kay,1921-02-12\n"))
    assert gantry("sync", "csv:people.csv", "sqlite:out.db").code == 0
    assert rows("out.db", "SELECT id FROM people ORDER BY id") == [(1,), (2,), (4,)]


def test_a_file_of_nothing_but_malformed_rows_fails(gantry, put):
    put("not.jsonl", b"\x00\x01binary\n" * 50)
    result = gantry("sync", "jsonl:not.jsonl", "sqlite:out.db", "--json")
    assert result.code == 78, result
    assert "malformed" in json.dumps(report(result)["failures"])


def test_the_json_report_has_all_the_promised_members(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 5}})
    told = report(gantry("sync", tiny, "native:destination-devnull", "--source-config", config, "--json"))
    for name in ("status", "sync_id", "records_emitted", "records_committed", "bytes_emitted", "bytes_committed",
                 "duration_seconds", "streams", "failures"):
        assert name in told
    assert set(told["streams"][0]) >= {"name", "namespace", "mode", "status", "records_emitted", "records_committed",
                                       "bytes_committed"}
    assert told["failures"] == []


def test_an_interrupted_run_keeps_what_is_committed_and_the_next_goes_on(gantry, put, tiny, workspace):
    pausing = put("pause.json", {"streams": {"a": 1000}, "state_every": 100, "pause_after": 450})
    whole = put("whole.json", {"streams": {"a": 1000}, "state_every": 100})
    process = subprocess.Popen([str(program("gantry")), "sync", tiny, "sqlite:out.db", "--source-config", str(pausing),
                                "--mode", "incremental_append", "--name", "n", "--json"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: os.path.exists("out.db") and seen("out.db", "a") >= 400, "400 durable rows", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 6, err
    told = json.loads(out)
    assert told["status"] == "cancelled"
    assert told["records_committed"] >= 400
    done = gantry("sync", tiny, "sqlite:out.db", "--source-config", whole, "--mode", "incremental_append", "--name", "n",
                  "--json")
    assert done.code == 0, done
    assert report(done)["records_emitted"] <= 600
    assert rows("out.db", "SELECT count(DISTINCT id) FROM a") == [(1000,)]


@pytest.mark.parametrize("ignored", [False, True], ids=["closed terminal", "nohup"])
def test_a_hangup_cancels_unless_it_is_ignored(gantry, put, tiny, workspace, ignored):
    config = put("c.json", {"streams": {"a": 1000}, "state_every": 100, "pause_after": 450})
    process = subprocess.Popen([str(program("gantry")), "sync", tiny, "sqlite:out.db", "--source-config", str(config),
                                "--mode", "incremental_append", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL))
    wait_for(lambda: os.path.exists("out.db") and seen("out.db", "a") >= 400, "400 durable rows", process)
    process.send_signal(signal.SIGHUP)
    if ignored:
        process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 6, err
    told = json.loads(out)
    assert told["status"] == "cancelled" and told["records_committed"] >= 400
    assert told["failures"][0]["externalMessage"] == ("Terminated" if ignored else "The terminal was closed")


def test_a_second_interrupt_ends_at_once_and_still_reports(gantry, put, tiny, workspace):
    config = put("c.json", {"streams": {"a": 1000}, "state_every": 100, "pause_after": 450, "deaf": True})
    process = subprocess.Popen([str(program("gantry")), "sync", tiny, "sqlite:out.db", "--source-config", str(config),
                                "--mode", "incremental_append", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: os.path.exists("out.db") and seen("out.db", "a") >= 400, "400 durable rows", process)
    process.send_signal(signal.SIGINT)
    assert any(b"Once more" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, err
    told = json.loads(out)
    assert told["status"] == "cancelled" and told["failures"]


def seen(path, table):
    try:
        return rows(path, f'SELECT count(*) FROM "{table}"')[0][0]
    except sqlite3.OperationalError:
        return 0


def test_S20_killed_at_any_moment_no_row_is_lost(gantry, put, tiny, workspace):
    """SIGKILL of gantry itself: the connectors go with it, the state is never ahead of the rows."""
    pausing = put("pause.json", {"streams": {"a": 1000}, "state_every": 50, "pause_after": 730})
    whole = put("whole.json", {"streams": {"a": 1000}, "state_every": 50})
    process = subprocess.Popen([str(program("gantry")), "sync", tiny, "sqlite:out.db", "--source-config", str(pausing),
                                "--mode", "incremental_append", "--name", "n"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: os.path.exists("out.db") and seen("out.db", "a") >= 500, "500 durable rows", process)
    process.kill()
    process.wait()
    wait_for(lambda: not running("tiny_source.py") and not running("destination-sqlite"), "the end of the connectors")
    done = gantry("sync", tiny, "sqlite:out.db", "--source-config", whole, "--mode", "incremental_append", "--name", "n")
    assert done.code == 0, done
    assert rows("out.db", "SELECT count(DISTINCT id), max(id) FROM a") == [(1000, 1000)]


def running(name):
    """Whether a process that was started from this test's workspace runs `name`."""
    here = os.getcwd().encode()
    for entry in pathlib.Path("/proc").iterdir():
        try:
            command, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
        except OSError:
            continue
        if name.encode() in command and here in command + environment:
            return True
    return False


def test_a_source_that_crashes_fails_the_sync_and_says_so(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 100}, "state_every": 10, "crash_after": 55})
    result = gantry("sync", tiny, "sqlite:out.db", "--source-config", config, "--mode", "incremental_append", "--json")
    told = report(result)
    assert result.code == 3, result
    assert told["status"] == "partial"
    assert told["failures"][0]["failureOrigin"] == "source"
    assert 50 <= rows("out.db", "SELECT count(*) FROM a")[0][0] <= 55


def test_a_non_zero_exit_is_never_a_success(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 10}, "exit": 7})
    result = gantry("sync", tiny, "native:destination-devnull", "--source-config", config, "--json")
    assert result.code != 0
    assert "7" in json.dumps(report(result)["failures"])


@pytest.mark.parametrize("arguments, code, words", [
    ([], 2, "a source and a destination are needed"),
    (["csv:x.csv"], 2, "a source and a destination are needed"),
    (["a", "b", "c"], 2, "one argument too many"),
    (["csv:x.csv", "sqlite:y.db", "--limit", "many"], 2, "--limit"),
    (["csv:x.csv", "sqlite:y.db", "--progress", "loud"], 2, "--progress"),
    (["csv:x.csv", "sqlite:y.db", "--mode", "upsert"], 2, "--mode"),
    (["csv:x.csv", "sqlite:y.db", "--state", "s", "--no-state"], 2, "exclude"),
    (["csv:x.csv", "sqlite:y.db", "--name", "a/b"], 2, "--name"),
    (["csv:x.csv", "sqlite:y.db", "--wrong"], 2, "wrong"),
    (["native:source-fake", "sqlite:y.db"], 4, "source-fake"),
    (["pypi:airbyte-source-nowhere", "sqlite:y.db"], 4, "install"),
    (["exec:./missing", "sqlite:y.db"], 4, "missing"),
    (["native:source-faker?cuont=10", "sqlite:y.db"], 78, "did you mean 'count'"),
    (["native:source-faker?count=many", "sqlite:y.db"], 78, "/count"),
    (["csv:missing.csv", "sqlite:y.db"], 78, "missing.csv"),
    (["image:airbyte/source-faker", "sqlite:y.db"], 78, "image"),
])
def test_wrong_command_lines_get_one_clear_sentence(gantry, workspace, arguments, code, words):
    result = gantry("sync", *arguments)
    assert result.code == code, result
    assert words in result.stderr.decode(), result
    assert len(result.stderr.splitlines()) <= 3


def test_a_connector_that_is_not_executable_is_denied(gantry, put):
    put("x/source", "#!/bin/sh\n")
    result = gantry("sync", "exec:x/source", "sqlite:y.db")
    assert result.code == 5, result
    assert "executable" in result.stderr.decode()


def test_a_configuration_that_fails_the_spec_names_the_field(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 1}, "state_every": "often"})
    result = gantry("sync", tiny, "sqlite:y.db", "--source-config", config)
    assert result.code == 78, result
    assert "state_every" in result.stderr.decode()
    missing = gantry("sync", tiny, "sqlite:y.db", "--source-config", put("d.json", {}))
    assert missing.code == 78 and "streams" in missing.stderr.decode(), missing


def test_a_check_that_fails_is_a_configuration_error_with_the_connectors_words(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 1}, "check": "no such account"})
    result = gantry("sync", tiny, "sqlite:y.db", "--source-config", config, "--json")
    assert result.code == 78, result
    assert "no such account" in report(result)["failures"][0]["externalMessage"]
    assert report(result)["failures"][0]["failureType"] == "config_error"


def test_an_unknown_stream_is_named_with_its_neighbour(gantry, put, tiny):
    config = put("c.json", {"streams": {"users": 1}})
    result = gantry("sync", tiny, "sqlite:y.db", "--source-config", config, "--stream", "user")
    assert result.code == 78, result
    assert "'users'" in result.stderr.decode()


@pytest.mark.parametrize("option", [("--select", "a:nowhere"), ("--cursor", "nowhere"), ("--primary-key", "nowhere"),
                                    ("--mapper", "a:field-filtering:targetField=nowhere")])
def test_an_unknown_field_is_named(gantry, put, tiny, option):
    config = put("c.json", {"streams": {"a": 1}})
    result = gantry("sync", tiny, "sqlite:y.db", "--source-config", config, *option)
    assert result.code == 78, result
    assert b"nowhere" in result.stderr


def test_a_corrupt_state_file_is_refused_and_kept(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 1}})
    state = put("state.json", '[{"type":"STREAM","stream"')
    result = gantry("sync", tiny, "sqlite:y.db", "--source-config", config, "--state", state)
    assert result.code == 78, result
    assert "state.json" in result.stderr.decode()
    assert state.read_text().startswith('[{"type"')


def test_the_second_of_two_runs_of_one_name_is_refused(gantry, put, tiny, workspace):
    config = put("c.json", {"streams": {"a": 500}, "state_every": 10, "pause_after": 100})
    first = subprocess.Popen([str(program("gantry")), "sync", tiny, "sqlite:out.db", "--source-config", str(config),
                              "--name", "same"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: os.path.exists("out.db") and seen("out.db", "a") >= 100 or first.poll() is not None, "rows")
    try:
        assert first.poll() is None
        second = gantry("sync", tiny, "sqlite:out.db", "--source-config", config, "--name", "same")
        assert second.code == 75, second
        assert "same" in second.stderr.decode()
    finally:
        first.send_signal(signal.SIGTERM)
        first.wait(TIMEOUT)


def test_a_missing_directory_of_the_destination_is_named(gantry, put):
    put("people.csv", CSV)
    result = gantry("sync", "csv:people.csv", "sqlite:nowhere/out.db")
    assert result.code == 4, result
    assert "nowhere" in result.stderr.decode()


def test_T29_a_secret_is_masked_in_what_the_source_logs(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 1}, "password": "correct-horse-battery"})
    result = gantry("sync", tiny, "native:destination-devnull", "--source-config", config, "--verbose", "--json")
    assert result.code == 0, result
    assert b"connecting with" in result.stderr
    assert b"correct-horse" not in result.stderr + result.stdout


def test_T29_a_secret_is_masked_in_what_a_check_says(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 1}, "password": "correct-horse-battery", "check": "no access with PASSWORD"})
    result = gantry("sync", tiny, "native:destination-devnull", "--source-config", config, "--verbose", "--json")
    assert result.code == 78 and b"no access with" in result.stderr, result
    assert b"correct-horse" not in result.stderr + result.stdout


def test_T29_a_secret_that_came_by_control_is_masked_too(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 1}, "password": "old-password", "control": {"password": "rotated-horse"},
                            "say_after_control": "now it is rotated-horse"})
    result = gantry("sync", tiny, "native:destination-devnull", "--source-config", config, "--verbose", "--json")
    assert result.code == 0 and b"now it is" in result.stderr, result
    assert b"rotated-horse" not in result.stderr + result.stdout


def test_T29_the_key_of_a_mapper_is_masked(gantry, put, tiny):
    key = "000102030405060708090a0b0c0d0e0f"
    config = put("c.json", {"streams": {"a": 1}, "say_after_control": f"the key is {key}"})
    mapper = {"type": "encryption", "mapperConfiguration": {
        "algorithm": "AES", "mode": "CBC", "padding": "PKCS5Padding", "targetField": "email",
        "fieldNameSuffix": "_encrypted", "key": {"$env": "MAPPER_KEY"}}}
    put("m.json", json.dumps(mapper))
    result = gantry("sync", tiny, "native:destination-devnull", "--source-config", config, "--verbose", "--mapper",
                    "a:@m.json", env={"MAPPER_KEY": key})
    assert result.code == 0 and b"the key is" in result.stderr, result
    assert key.encode() not in result.stderr + result.stdout


def test_a_secret_comes_from_the_environment(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 1}, "password": {"$env": "TINY_PASSWORD"}})
    good = gantry("sync", tiny, "native:destination-devnull", "--source-config", config, env={"TINY_PASSWORD": "seventeen"})
    assert good.code == 0, good
    bad = gantry("sync", tiny, "native:destination-devnull", "--source-config", config)
    assert bad.code == 78 and b"TINY_PASSWORD" in bad.stderr, bad


def test_T28_a_control_message_changes_secrets_only(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 1}, "password": "old-password",
                            "control": {"password": "new-password", "state_every": 5}})
    result = gantry("sync", tiny, "native:destination-devnull", "--source-config", config)
    assert result.code == 0, result
    stored = json.loads(config.read_text())
    assert stored["password"] == "new-password"
    assert "state_every" not in stored
    assert b"state_every" in result.stderr


def test_a_changed_secret_keeps_the_syncs_state(gantry, put, tiny):
    for password, expected in (("first-one", 30), ("second-one", 0)):
        config = put("c.json", {"streams": {"a": 30}, "password": password})
        told = report(gantry("sync", tiny, "sqlite:out.db", "--source-config", config, "--mode", "incremental_append",
                             "--json"))
        assert told["records_emitted"] == expected


def test_streams_fields_names_and_mappers_are_the_persons(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 3, "b": 2, "c": 1}})
    result = gantry("sync", tiny, "sqlite:out.db", "--source-config", config, "--exclude", "c", "--prefix", "p_",
                    "--select", "a:id,name", "--mapper",
                    "b:hashing:targetField=email,method=SHA-256,fieldNameSuffix=_hashed", "--mapper",
                    "b:field-renaming:originalFieldName=name,newFieldName=title")
    assert result.code == 0, result
    tables = {name for name, in rows("out.db", "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"p_a", "p_b"} <= tables and "p_c" not in tables
    columns = {name for _, name, *_ in rows("out.db", "PRAGMA table_info(p_a)")}
    assert "email" not in columns and {"id", "name"} <= columns
    assert rows("out.db", "SELECT title, length(email_hashed) FROM p_b WHERE id = 1") == [("name 1", 64)]


def test_a_limit_ends_each_stream_early_and_commits_no_more(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 100000, "b": 5}, "state_every": 10})
    result = gantry("sync", tiny, "sqlite:out.db", "--source-config", config, "--limit", "20", "--json")
    assert result.code == 0, result
    assert rows("out.db", "SELECT count(*) FROM a") == [(20,)]
    assert rows("out.db", "SELECT count(*) FROM b") == [(5,)]


def test_a_dry_run_writes_nothing(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 3}})
    result = gantry("sync", tiny, "sqlite:out.db", "--source-config", config, "--dry-run", "--json")
    assert result.code == 0, result
    plan = json.loads(result.stdout)
    assert plan["source_catalog"]["streams"][0]["stream"]["name"] == "a"
    assert not os.path.exists("out.db")


def test_a_full_refresh_begins_anew(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 30}})
    for _ in range(2):
        assert gantry("sync", tiny, "sqlite:out.db", "--source-config", config, "--mode", "incremental_append").code == 0
    again = gantry("sync", tiny, "sqlite:out.db", "--source-config", config, "--mode", "incremental_append",
                   "--full-refresh", "--json")
    assert again.code == 0, again
    assert report(again)["records_emitted"] == 30
    assert rows("out.db", "SELECT count(*) FROM a") == [(30,)]


def test_a_full_refresh_that_failed_goes_on_for_streams_that_were_read_whole(gantry, put, tiny):
    """The destination swaps at the end of a good sync only: until then the refresh of each stream is unfinished."""
    whole = put("whole.json", {"streams": {"a": 10, "b": 10}, "state_every": 5})
    crash = put("crash.json", {"streams": {"a": 8, "b": 8}, "state_every": 4, "crash_after": 12})
    arguments = ["sync", tiny, "sqlite:out.db", "--mode", "incremental_append", "--name", "n", "--source-config"]
    assert gantry(*arguments, whole).code == 0
    assert gantry(*arguments, crash, "--full-refresh").code == 3
    assert rows("out.db", "SELECT count(*) FROM a") == [(10,)]
    done = gantry(*arguments, whole)
    assert done.code == 0, done
    for table in "ab":
        assert rows("out.db", f"SELECT count(*), count(DISTINCT id) FROM {table}") == [(10, 10)]


@pytest.mark.parametrize("elsewhere", [["--no-state"], ["--state", "other.json"]], ids=["no state", "another file"])
def test_a_failed_refresh_never_goes_on_from_an_older_state(gantry, put, tiny, elsewhere):
    """The usual state says that all was read, before the refresh: going on from there would leave only the new rows."""
    whole = put("whole.json", {"streams": {"a": 10}, "state_every": 5})
    crash = put("crash.json", {"streams": {"a": 10}, "state_every": 2, "crash_after": 4})
    arguments = ["sync", tiny, "sqlite:out.db", "--mode", "incremental_append", "--name", "n", "--source-config"]
    assert gantry(*arguments, whole).code == 0
    assert gantry(*arguments, crash, "--full-refresh", *elsewhere).code in (1, 3)
    done = gantry(*arguments, whole)
    assert done.code == 0, done
    assert rows("out.db", "SELECT count(*), count(DISTINCT id) FROM a") == [(10, 10)]


def test_a_changed_destination_under_an_old_state_is_said(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 10}})
    arguments = ["--source-config", config, "--mode", "incremental_append", "--name", "n"]
    for _ in range(2):
        assert b"has changed" not in gantry("sync", tiny, "sqlite:one.db", *arguments).stderr
    other = gantry("sync", tiny, "sqlite:two.db", *arguments)
    assert other.code == 0 and b"--full-refresh" in other.stderr, other


def test_the_key_of_a_mapper_is_in_no_error(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 1}})
    result = gantry("sync", tiny, "native:destination-devnull", "--source-config", config, "--json", "--mapper",
                    "a:encryption:algorithm=AES,mode=CBC,padding=PKCS5Padding,targetField=email,key=0123456789abcdefWRONG")
    assert result.code == 78 and b"a:encryption" in result.stderr, result
    assert b"abcdefWRONG" not in result.stderr + result.stdout


def test_a_state_file_that_is_a_link_stays_one(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 10}})
    put("real.json", "[]")
    os.symlink("real.json", "link.json")
    assert gantry("sync", tiny, "sqlite:out.db", "--mode", "incremental_append", "--source-config", config, "--state",
                  "link.json").code == 0
    assert os.path.islink("link.json") and json.load(open("real.json"))[0]["stream"]["stream_state"] == {"id": 10}


def test_a_full_refresh_of_one_stream_keeps_the_state_of_the_others(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 10, "b": 10}})
    arguments = ["sync", tiny, "sqlite:out.db", "--source-config", config, "--mode", "incremental_append", "--json"]
    assert gantry(*arguments).code == 0
    again = gantry(*arguments, "--stream", "a", "--full-refresh")
    assert again.code == 0 and report(again)["records_emitted"] == 10, again
    assert report(gantry(*arguments))["records_emitted"] == 0
    assert rows("out.db", "SELECT count(*) FROM b") == [(10,)]


def test_a_legacy_state_gives_way_to_states_of_streams(gantry, put, tiny):
    """A connector that was upgraded: what it says now replaces the one state it wrote before."""
    config = put("c.json", {"streams": {"a": 10}})
    put("my-state.json", '{"a": {"id": 3}}')
    arguments = ["sync", tiny, "sqlite:out.db", "--source-config", config, "--mode", "incremental_append", "--state",
                 "my-state.json", "--json"]
    first = gantry(*arguments)
    assert first.code == 0 and report(first)["records_emitted"] == 7, first
    assert json.load(open("my-state.json"))[0]["stream"]["stream_state"] == {"id": 10}
    assert report(gantry(*arguments))["records_emitted"] == 0


def test_a_state_file_of_the_persons_own_is_used_and_written(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 30}})
    arguments = ["sync", tiny, "sqlite:out.db", "--source-config", config, "--mode", "incremental_append", "--state",
                 "my-state.json", "--json"]
    assert report(gantry(*arguments))["records_emitted"] == 30
    stored = json.load(open("my-state.json"))
    assert stored[0]["stream"]["stream_state"] == {"id": 30}
    assert report(gantry(*arguments))["records_emitted"] == 0


def test_the_protocol_verbs_speak_plain_protocol(gantry, put, tiny):
    config = put("c.json", {"streams": {"a": 3}})
    assert gantry("spec", tiny).of("SPEC")[0]["spec"]["connectionSpecification"]["required"] == ["streams"]
    assert gantry("check", tiny, "--config", config).of("CONNECTION_STATUS")[0]["connectionStatus"]["status"] == "SUCCEEDED"
    found = gantry("discover", tiny, "--config", config).of("CATALOG")[0]["catalog"]["streams"][0]
    catalog = put("catalog.json", {"streams": [{"stream": found, "sync_mode": "full_refresh",
                                                "destination_sync_mode": "append"}]})
    read = gantry("read", tiny, "--config", config, "--catalog", catalog)
    assert [r["data"]["id"] for r in read.records] == [1, 2, 3]
    write = gantry("write", "native:destination-devnull", "--catalog", catalog, input=read.stdout)
    assert write.code == 0 and len(write.states) == len(read.states), write


def test_a_connector_is_registered_shown_listed(gantry, tiny):
    shown = gantry("connector", "show", tiny)
    assert shown.code == 0 and b"streams" in shown.stdout, shown
    listed = gantry("connector", "list", "--json")
    assert any("source-faker" in c["reference"] for c in json.loads(listed.stdout)), listed
    assert gantry("connector", "frobnicate").code == 2
    assert gantry("connector", "remove", "pypi:airbyte-source-nowhere").code == 4


def test_the_catalog_of_a_repeated_run_is_not_asked_for_again(gantry, put, tiny):
    """The source starts once, to read: its check and discover leave no trace in the log of the second run."""
    config = put("c.json", {"streams": {"a": 3}})
    arguments = ["sync", tiny, "sqlite:out.db", "--source-config", config, "--verbose"]
    first, second = gantry(*arguments), gantry(*arguments)
    third = gantry(*arguments, "--refresh-catalog")
    assert b"catalog of the last run" not in first.stderr
    assert b"catalog of the last run" in second.stderr, second
    assert b"catalog of the last run" not in third.stderr


def test_help_and_version_are_on_standard_output(gantry):
    for arguments in (["--help"], ["sync", "--help"], ["read", "--help"], ["connector", "--help"], ["--version"]):
        result = gantry(*arguments)
        assert result.code == 0 and result.stdout and not result.stderr, result
        assert all(len(line) <= 100 for line in result.stdout.decode().splitlines())
    assert gantry("synk").code == 2
    assert gantry().code == 2


def test_D29_a_full_disk_fails_the_sync_and_the_next_run_completes_it(gantry, put, tiny, workspace):
    """The destination's directory is a file system of 1 MiB; then the same sync with room."""
    config = put("c.json", {"streams": {"a": 40000}, "state_every": 1000})
    (workspace / "small").mkdir()
    arguments = [str(program("gantry")), "sync", tiny, "sqlite:small/out.db", "--source-config", str(config), "--mode",
                 "incremental_append", "--name", "full", "--json"]
    script = ('mount -t tmpfs -o size=1m tmpfs small && { "$@"; code=$?; mkdir -p saved; cp -a small/. saved/; exit $code; }')
    probe = subprocess.run(["unshare", "-rm", "true"], check=False)
    if probe.returncode != 0:
        pytest.skip("no user namespaces here: a small file system can't be mounted")
    full = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", *arguments], capture_output=True, timeout=TIMEOUT,
                          check=False)
    assert full.returncode in (1, 3), full
    told = json.loads(full.stdout)
    assert told["status"] in ("failed", "partial")
    assert "full" in json.dumps(told["failures"]).lower(), told
    shutil.copytree("saved", "small", dirs_exist_ok=True)
    again = gantry(*arguments[1:])
    assert again.code == 0, again
    assert rows("small/out.db", "SELECT count(DISTINCT id), max(id) FROM a") == [(40000, 40000)]
    # A run that had committed does not read everything again.
    if told["records_committed"] > 0:
        assert report(again)["records_emitted"] < 40000


def high_water(pid):
    """The most memory that a process has had, in MiB; None when it is gone."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    return next((int(line.split()[1]) >> 10 for line in status.splitlines() if line.startswith("VmHWM:")), None)


@pytest.mark.memory
@pytest.mark.parametrize("where", ["stderr_lines", "log_lines"])
def test_T13_a_million_log_lines_are_passed_on_in_bounded_memory(put, tiny, workspace, where):
    """Measured against the same sync with a tenth of the lines; what is not bounded grows by 60 MB and more."""
    peaks = {}
    for lines in (100_000, 1_000_000):
        config = put(f"{lines}.json", {"streams": {"a": 4000}, "state_every": 100, where: lines})
        process = subprocess.Popen([program("gantry"), "sync", tiny, f"sqlite:{lines}.db", "--source-config", config, "--json",
                                    "--verbose", "--mode", "incremental_append", "--name", str(lines)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # Its standard error is read slower than the source writes: the backlog must be the source's, not the worker's.
        count = 0
        for line in process.stderr:
            count += line.count(b"gone mad")
            if count % 10000 == 0:
                peaks[lines] = high_water(process.pid) or peaks[lines]
        told = json.loads(process.stdout.read())
        assert process.wait() == 0 and told["status"] == "completed", told
        assert rows(f"{lines}.db", "SELECT count(*), count(DISTINCT id), max(id) FROM a") == [(4000, 4000, 4000)]
        # The control: the lines did come.
        assert count == lines
    assert 0 < peaks[1_000_000] < peaks[100_000] + 16, f"MiB: {peaks}"


def test_a_closed_standard_output_is_an_error_and_no_hang(put, tiny, workspace):
    config = put("c.json", {"streams": {"a": 100000}})
    catalog = put("catalog.json", {"streams": [{"stream": {"name": "a", "json_schema": {"type": "object"},
                                                           "supported_sync_modes": ["full_refresh"]},
                                                "sync_mode": "full_refresh", "destination_sync_mode": "append"}]})
    process = subprocess.Popen([str(program("gantry")), "read", tiny, "--config", str(config), "--catalog", str(catalog)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    process.stderr.read()
    assert process.wait(TIMEOUT) != 0


@pytest.mark.parametrize("arguments", [["sync", "native:source-faker?count=5", "native:destination-devnull", "--json"],
                                       ["sync", "native:source-faker?count=5", "native:destination-devnull", "--dry-run",
                                        "--json"],
                                       ["--help"]], ids=["sync", "dry run", "help"])
def test_a_full_disk_under_standard_output_is_told(workspace, arguments):
    with open("/dev/full", "wb") as full:
        result = subprocess.run([str(program("gantry"))] + arguments, stdout=full, stderr=subprocess.PIPE, check=False,
                                timeout=TIMEOUT)
    assert result.returncode == 1 and b"standard output" in result.stderr, result


def test_T31_hostile_names_cannot_steer_the_terminal(gantry, put, tiny):
    name = "evil\u001b]52;c;aGk=\u0007\u202e"
    config = put("c.json", {"streams": {name: 2}})
    result = gantry("sync", tiny, "native:destination-devnull", "--source-config", config)
    assert result.code == 0, result
    assert b"\x1b" not in result.stderr + result.stdout and b"\x07" not in result.stderr
    assert "\u202e".encode() not in result.stderr
    assert b"evil" in result.stderr


def test_every_option_stands_in_the_man_page(gantry):
    page = (HERE.parents[1] / "man/gantry.1").read_text().replace("\\-", "-")
    for verb in ("sync", "read", "connector"):
        for word in gantry(verb, "--help").stdout.decode().split():
            option = word.strip("[],:")
            if option.startswith("--"):
                assert option in page, f"{option} of 'gantry {verb}' is not in gantry(1)"
