# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that others wrote against the API, unmodified: Airbyte's SDK, and schemathesis over our own OpenAPI document.

They live in a virtual environment of their own, $GANTRY_CLIENTS (an existing one) or one made from PyPI."""

import os
import pathlib
import subprocess
import sys

import pytest

from conftest import TIMEOUT

CLIENTS = ["airbyte-api==1.0.1", "schemathesis==4.32.5"]


@pytest.fixture(scope="module")
def clients(suite, tmp_path_factory):
    programs = install(tmp_path_factory)
    # Whom nobody has asked anything for so long has left, as it should.
    if suite.server.poll() is not None:
        assert suite.server.returncode == 0
        suite.start_server()
    return programs


def install(tmp_path_factory):
    if given := os.environ.get("GANTRY_CLIENTS"):
        return pathlib.Path(given) / "bin"
    place = tmp_path_factory.mktemp("clients")
    subprocess.run([sys.executable, "-m", "venv", place], check=True, timeout=TIMEOUT)
    installed = subprocess.run([place / "bin/pip", "install", "-q", *CLIENTS], capture_output=True, check=False,
                               timeout=10 * TIMEOUT)
    if installed.returncode != 0:
        pytest.skip("PyPI is out of reach")
    return place / "bin"


def test_the_sdk_is_content(suite, clients):
    done = subprocess.run([clients / "python3", pathlib.Path(__file__).parent / "sdk_client.py", suite.url, *suite.credentials],
                          capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr[-4000:]


def test_T59_schemathesis_finds_no_answer_that_the_document_does_not_foresee(suite, clients):
    document = suite.directory / "openapi.json"
    document.write_text(suite.get("/openapi.json", token=None).body.decode())
    done = subprocess.run([
        clients / "schemathesis", "run", document, "--url", suite.url, "-H", f"Authorization: Bearer {suite.new_token()[1]}",
        "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--max-examples", "10", "--phases", "coverage,fuzzing", "--seed", "1"],
        capture_output=True, text=True, check=False, timeout=10 * TIMEOUT, cwd=suite.directory)
    assert done.returncode == 0, done.stdout[-6000:]
