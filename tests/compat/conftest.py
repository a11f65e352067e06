# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the compat tier shares: pinned packages, the tools they need, connectors installed by `gantry connector install`.

All of it lies in $GANTRY_COMPAT_DIR (default build/compat) and is kept between runs. Without a way to PyPI every test is
skipped, saying so."""

import importlib.util
import json
import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
_spec = importlib.util.spec_from_file_location("scenario_conftest", HERE.parent / "scenario/conftest.py")
scenario = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(scenario)

BUILD = scenario.BUILD
COMPAT = pathlib.Path(os.environ.get("GANTRY_COMPAT_DIR", BUILD / "compat")).resolve()
TIMEOUT = 10 * scenario.TIMEOUT
native, put, gantry = scenario.native, scenario.put, scenario.gantry

PINS = dict(line.split("==") for line in (HERE / "pins.txt").read_text().splitlines() if "==" in line)


def pip(venv, *arguments):
    return subprocess.run([venv / "bin/python", "-m", "pip", *arguments], capture_output=True, timeout=TIMEOUT,
                          check=False)


@pytest.fixture(scope="session")
def uv():
    """The installer, in a venv of its own. The first thing that needs PyPI."""
    venv = COMPAT / f"uv-{PINS['uv']}"
    program = venv / "bin/uv"
    if not program.exists():
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run(["/usr/bin/python3", "-m", "venv", venv], check=True)
        done = pip(venv, "install", "-q", f"uv=={PINS['uv']}")
        if done.returncode != 0:
            pytest.skip(f"PyPI is out of reach: {done.stderr.decode(errors='replace').strip().splitlines()[-1:]}")
    return program


@pytest.fixture(scope="session")
def store(uv):
    """The environment in which `gantry` sees the installed connectors of this tier, and uv."""
    return {"GANTRY_DATA_DIR": str(COMPAT / "data"), "GANTRY_CACHE_DIR": str(COMPAT / "cache"),
            "PATH": f"{uv.parent}:{os.environ['PATH']}"}


@pytest.fixture(scope="session")
def installed(store):
    """Installs a pinned package and returns what the marker says of it."""
    done = {}

    def install(name):
        if name not in done:
            reference = f"pypi:{name}=={PINS[name]}"
            result = scenario.run([scenario.program("gantry"), "connector", "install", reference], env=store,
                                  timeout=TIMEOUT)
            assert result.code == 0, result
            marker = COMPAT / "data/connectors/pypi" / name / PINS[name] / "gantry-installed.json"
            done[name] = json.loads(marker.read_text())
        return done[name]
    return install


@pytest.fixture(scope="session")
def cdk(uv):
    """A venv with the CDK and its standard tests."""
    venv = COMPAT / f"cdk-{PINS['airbyte-cdk']}"
    if not (venv / "whole").exists():
        shutil.rmtree(venv, ignore_errors=True)
        env = dict(os.environ, UV_CACHE_DIR=str(COMPAT / "cache/uv"))
        subprocess.run([uv, "venv", "-q", "--python", "/usr/bin/python3", venv], check=True, env=env)
        subprocess.run([uv, "pip", "install", "-q", "--python", venv / "bin/python",
                        f"airbyte-cdk[dev]=={PINS['airbyte-cdk']}"], check=True, env=env, timeout=TIMEOUT)
        (venv / "whole").touch()
    return venv


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """An empty directory as cwd; states of syncs lie in it too."""
    monkeypatch.setenv("GANTRY_STATE_DIR", str(tmp_path / "state"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work
