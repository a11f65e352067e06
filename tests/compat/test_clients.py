# SPDX-License-Identifier: LGPL-2.1-or-later
"""T59: schemathesis over our OpenAPI document for some minutes, with chains of calls, as an administrator, an editor and a reader:
$GANTRY_TEST_SECONDS each, an hour in all with GANTRY_TEST_FULL=1. The short run of the ci tier is in tests/suite/test_server_sdk.py;
clients that others wrote are in tests/host/test-clients.py."""

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import threading
import time

import pytest
from conftest import COMPAT, HERE, PINS, TIMEOUT

_spec = importlib.util.spec_from_file_location("suite_conftest", HERE.parent / "suite/conftest.py")
suite_conftest = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(suite_conftest)

SECONDS = int(os.environ.get("GANTRY_TEST_SECONDS", "1200" if os.environ.get("GANTRY_TEST_FULL") else "90"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"


@pytest.fixture(scope="module")
def schemathesis(uv):
    venv = COMPAT / f"schemathesis-{PINS['schemathesis']}"
    if not (venv / "whole").exists():
        shutil.rmtree(venv, ignore_errors=True)
        env = dict(os.environ, UV_CACHE_DIR=str(COMPAT / "cache/uv"))
        subprocess.run([uv, "venv", "-q", "--python", "/usr/bin/python3", venv], check=True, env=env)
        subprocess.run([uv, "pip", "install", "-q", "--python", venv / "bin/python", f"schemathesis=={PINS['schemathesis']}"],
                       check=True, env=env, timeout=TIMEOUT)
        (venv / "whole").touch()
    return venv / "bin/schemathesis"


@pytest.fixture
def suite(tmp_path):
    suite = suite_conftest.Suite(tmp_path)
    try:
        suite.start()
        yield suite
    finally:
        suite.stop()


def credentials_of(suite, role):
    """Those of an application that has one role, on the instance (admin) or on the first workspace; the ids of what gives it to them."""
    made = suite.post("/applications", {"name": "tester"}).json
    permission = next(p for p in suite.get("/permissions").json["data"] if p["userId"] == made["id"])["permissionId"]
    if role != "admin":
        given = suite.post("/permissions", {"permissionType": f"workspace_{role}", "userId": made["id"], "workspaceId": suite.workspace})
        assert given.status == 200 and suite.delete(f"/permissions/{permission}").status == 204, given
        permission = given.json["permissionId"]
    return made["clientId"], made["clientSecret"], [made["id"], permission, suite.workspace]


@contextlib.contextmanager
def company(suite):
    """A server that nobody asks leaves; on a busy machine, schemathesis thinks for longer than that."""
    over = threading.Event()

    def ask():
        while not over.wait(5) and suite.server.poll() is None:
            suite.get("/health", token=None)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def run(schemathesis, suite, role, document, *arguments):
    """What it said, and how often each status was answered."""
    counts = suite.directory / "counts.json"
    client, secret, own = credentials_of(suite, role)
    env = dict(os.environ, PYTHONPATH=str(HERE), SCHEMATHESIS_HOOKS="schemathesis_hooks", GANTRY_T59_URL=suite.url,
               GANTRY_T59_COUNTS=str(counts), GANTRY_T59_CLIENT=client, GANTRY_T59_SECRET=secret, GANTRY_T59_OWN=" ".join(own),
               GANTRY_T59_FILES=str(suite.files))
    path = suite.directory / "openapi.json"
    path.write_text(json.dumps(document))
    with company(suite):
        done = subprocess.run([schemathesis, "run", path, "--url", suite.url, "--checks", CHECKS, "--no-color", *arguments],
                              capture_output=True, text=True, check=False, timeout=2 * SECONDS + 2 * TIMEOUT, cwd=suite.directory, env=env)
    return done, json.loads(counts.read_text())


@pytest.mark.parametrize("role", ["admin", "editor", "reader"])
def test_T59_no_chain_of_calls_ends_in_a_5xx_or_an_answer_of_another_shape(suite, schemathesis, role, capsys):
    suite.new_connection()
    seed = os.environ.get("GANTRY_TEST_SEED", "1")
    begun = time.monotonic()
    done, counts = run(schemathesis, suite, role, suite.get("/openapi.json", token=None).json, "--max-time", str(SECONDS),
                       "--max-examples", "100", "--seed", seed)
    print(done.stdout[-30000:])
    total = sum(counts["answers"].values())
    with capsys.disabled():
        print(f"\n{role}: {total} calls in {time.monotonic() - begun:.0f} s, seed {seed}: {dict(sorted(counts['answers'].items()))}")
    assert done.returncode == 0, done.stderr[-2000:]
    assert suite.server.poll() is None and suite.get("/health", token=None).status == 200
    assert "Something went wrong" not in (suite.directory / "gantry-server.log").read_text()
    # It was let in until the end, and met its role: what no answer shows has not been tried.
    assert time.time() - counts["lastGood"] < 60 + SECONDS / 10, "the last answers were none"
    assert counts["answers"].get("200", 0) > total / 20 and counts["refused"] == 0, counts
    if role != "reader":
        made = ("POST /sources", "POST /destinations", "POST /connections", "POST /jobs", "POST /tags")
        assert all(counts["operations"][o].get("200") for o in made), {o: counts["operations"].get(o) for o in made}
    assert ("403" in counts["answers"]) == (role != "admin"), counts["answers"]


def test_T59_schemathesis_sees_an_answer_that_the_document_does_not_have(suite, schemathesis):
    """The control: of the same server, a document that tells something else."""
    document = suite.get("/openapi.json", token=None).json
    limit = ["--include-path", "/workspaces", "--include-method", "GET", "--max-examples", "5", "--seed", "1"]
    done, _ = run(schemathesis, suite, "admin", document, *limit)
    assert done.returncode == 0, done.stdout[-4000:]
    document["paths"]["/workspaces"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = {"type": "array"}
    done, _ = run(schemathesis, suite, "admin", document, *limit)
    assert done.returncode == 1 and "Response violates schema" in done.stdout, done.stdout[-4000:]
