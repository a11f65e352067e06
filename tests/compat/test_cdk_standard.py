# SPDX-License-Identifier: LGPL-2.1-or-later
"""The CDK's standard tests (airbyte_cdk.test.standard_tests), pointed at our native sources: the suite that runs a Source
in its own process (through standard/native_source.py) and the one that runs an image (through standard/docker).

Left out: test_docker_image_spec_backward_compatibility, which compares with what a public registry has published."""

import json
import os
import sqlite3
import subprocess
import xml.etree.ElementTree

import pytest

from conftest import HERE, TIMEOUT, scenario

METADATA = """\
metadataSpecVersion: "1.0"
data:
  name: {name}
  definitionId: 00000000-0000-4000-8000-000000000000
  connectorType: source
  connectorSubtype: file
  dockerRepository: gantry/{name}
  dockerImageTag: 0.1.0
  license: LGPL-2.1-or-later
  githubIssueLabel: {name}
  releaseStage: alpha
  documentationUrl: https://example.com/{name}
  tags: [language:c]
  connectorBuildOptions: {{baseImage: none}}
"""

ACCEPTANCE = """\
connector_image: gantry/{name}:dev
acceptance_tests:
  spec: {{tests: [{{config_path: config.json}}]}}
  connection:
    tests:
      - {{config_path: config.json, status: succeed}}
      - {{config_path: bad.json, status: failed}}
  discovery: {{tests: [{{config_path: config.json}}]}}
  basic_read: {{tests: [{{config_path: config.json}}]}}
"""

SUITE = """\
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase
from native_source import NativeSource

pytest_plugins = ["airbyte_cdk.test.standard_tests.pytest_hooks"]


class TestNative(SourceTestSuiteBase):
    connector = NativeSource
"""


def configs_faker(directory):
    return {"count": 40, "seed": 1}, {"count": 0}


def configs_file(directory):
    rows = "id,name,price,born,active\n" + "".join(f'{i},"n, {i}",{i}.5,2024-01-{i:02},true\n' for i in range(1, 29))
    (directory / "rows.csv").write_text(rows)
    return {"path": str(directory / "rows.csv")}, {"path": str(directory / "nothing.csv")}


def configs_sqlite(directory):
    with sqlite3.connect(directory / "in.db") as database:
        database.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT, at TEXT, x REAL)")
        database.execute("CREATE TABLE \"b b\" (k TEXT PRIMARY KEY, v BLOB)")
        database.executemany("INSERT INTO a VALUES (?,?,?,?)", [(i, f"n{i}", f"2024-01-{i:02}", i / 2) for i in range(1, 29)])
        database.execute("INSERT INTO \"b b\" VALUES ('k', x'00ff')")
    database.close()
    return {"path": str(directory / "in.db")}, {"path": str(directory / "nothing.db")}


def run_suite(cdk, root, name, program, good, bad):
    """{test: outcome} of the suite over one connector directory, which is made here."""
    root.mkdir(exist_ok=True)
    (root / "metadata.yaml").write_text(METADATA.format(name=name))
    (root / "acceptance-test-config.yml").write_text(ACCEPTANCE.format(name=name))
    (root / "config.json").write_text(json.dumps(good))
    (root / "bad.json").write_text(json.dumps(bad))
    (root / "test_standard.py").write_text(SUITE)
    env = dict(os.environ, GANTRY_CONNECTOR=str(program), PYTHONPATH=str(HERE / "standard"),
               PATH=f"{HERE / 'standard'}:{os.environ['PATH']}")
    report = root / "report.xml"
    done = subprocess.run([cdk / "bin/python", "-m", "pytest", "-q", "-p", "airbyte_cdk.test.standard_tests.pytest_hooks",
                           f"--junitxml={report}", "--connector-image", f"gantry/{name}:dev", "--read-from-streams=all",
                           "--deselect", "test_standard.py::TestNative::test_docker_image_spec_backward_compatibility",
                           "test_standard.py"], cwd=root, env=env, capture_output=True, timeout=TIMEOUT, check=False)
    assert report.exists(), done.stdout.decode() + done.stderr.decode()
    outcomes = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag: child.get("message") for child in case}
        outcomes[case.get("name")] = ("failed" if "failure" in kinds or "error" in kinds else
                                      "skipped" if "skipped" in kinds else "passed",
                                      kinds.get("failure") or kinds.get("error") or kinds.get("skipped") or "")
    print(done.stdout.decode())
    return outcomes


@pytest.mark.parametrize("name,configs", [("source-faker", configs_faker), ("source-file", configs_file),
                                          ("source-sqlite", configs_sqlite)])
def test_standard_tests_pass(cdk, tmp_path, name, configs):
    good, bad = configs(tmp_path)
    outcomes = run_suite(cdk, tmp_path / name, name, scenario.program(f"connectors/{name}"), good, bad)
    for test, (outcome, message) in sorted(outcomes.items()):
        print(f"{name} {outcome:8} {test} {message.splitlines()[0] if outcome == 'skipped' else ''}")
    assert not {t: o for t, o in outcomes.items() if o[0] == "failed"}
    passed = [t for t, o in outcomes.items() if o[0] == "passed"]
    for verb in ("test_spec", "test_check", "test_discover", "test_basic_read", "test_fail_read_with_bad_catalog",
                 "test_docker_image_build_and_spec", "test_docker_image_build_and_check",
                 "test_docker_image_build_and_discover", "test_docker_image_build_and_read"):
        assert any(t.startswith(verb) for t in passed), f"{verb} did not run: {outcomes}"


@pytest.mark.parametrize("lie,caught_by", [
    # The image suite doesn't look at records; what it finds is a failing program.
    ('PROGRAM "$@" | sed \'s/"data":{"id":\\([0-9]*\\)/"data":{"id":"\\1x"/\'', ["test_basic_read"]),
    ('PROGRAM "$@" | sed \'/"type":"RECORD"/d\'', ["test_basic_read"]),
    ('PROGRAM "$@"; test "$1" != read', ["test_basic_read", "test_docker_image_build_and_read"]),
    ('PROGRAM "$@" | sed \'s/SUCCEEDED/FAILED/\'', ["test_check", "test_docker_image_build_and_check"])],
    ids=["type", "no-records", "exit", "check"])
def test_standard_tests_find_a_lie(cdk, tmp_path, lie, caught_by):
    """Positive controls."""
    liar = tmp_path / "liar"
    liar.write_text("#!/bin/sh\n" + lie.replace("PROGRAM", str(scenario.program("connectors/source-faker"))) + "\n")
    liar.chmod(0o755)
    good, bad = configs_faker(tmp_path)
    outcomes = run_suite(cdk, tmp_path / "source-faker", "source-faker", liar, good, bad)
    failed = [t for t, o in outcomes.items() if o[0] == "failed"]
    for test in caught_by:
        assert any(t.startswith(test) for t in failed), outcomes
