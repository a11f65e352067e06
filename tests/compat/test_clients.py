# SPDX-License-Identifier: LGPL-2.1-or-later
"""T59: schemathesis over our OpenAPI document for some minutes, with chains of calls, as an administrator, an editor and a reader.
The short run of the ci tier is in tests/suite/test_server_sdk.py; clients that others wrote are in tests/host/test-clients.py."""

import importlib.util
import os
import shutil
import subprocess

import pytest
from conftest import COMPAT, HERE, PINS, TIMEOUT

_spec = importlib.util.spec_from_file_location("suite_conftest", HERE.parent / "suite/conftest.py")
suite_conftest = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(suite_conftest)

SECONDS = os.environ.get("GANTRY_SCHEMATHESIS_SECONDS", "90")
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


@pytest.mark.parametrize("role", ["admin", "editor", "reader"])
def test_T59_no_chain_of_calls_ends_in_a_5xx_or_an_answer_of_another_shape(suite, schemathesis, role):
    suite.new_connection()
    token = suite.new_token()[1] if role == "admin" else suite.limited_token(role, suite.workspace)
    document = suite.directory / "openapi.json"
    document.write_text(suite.get("/openapi.json", token=None).body.decode())
    done = subprocess.run([schemathesis, "run", document, "--url", suite.url, "-H", f"Authorization: Bearer {token}", "--checks",
                           CHECKS,
                           "--max-time", SECONDS, "--max-examples", "500", "--seed", "1", "--no-color"],
                          capture_output=True, text=True, check=False, timeout=TIMEOUT, cwd=suite.directory)
    print(done.stdout[-6000:])
    assert done.returncode == 0, done.stderr[-2000:]
    assert suite.server.poll() is None and suite.get("/health", token=None).status == 200
    assert "Something went wrong" not in (suite.directory / "gantry-server.log").read_text()
