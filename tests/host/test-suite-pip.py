#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: wheels timeout=3000
"""Python connectors on a host without uv: the suite installs them with venv and pip alone. What exists as source only is built in the same
sandbox, and that is told."""

import json
import pathlib
import pwd
import re
import shutil
import sys
import time

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402
import wheels  # noqa: E402

CATALOG = pathlib.Path("/usr/lib/systemd/catalog/gantry.catalog")


def add_packages():
    wheels.add(wheels.INDEX, "airbyte-source-tiny", "1.0.0", ["source-tiny"])
    wheels.add(wheels.INDEX, "airbyte-source-tiny", "1.1.0", ["source-tiny"])
    wheels.add(wheels.INDEX, "airbyte-source-needy", "2.0", ["source-needy"], requires=["only-source==3.1"])
    wheels.add_sdist(wheels.INDEX, "only-source", "3.1", [], wheels.HARMLESS_SETUP)
    wheels.add(wheels.INDEX, "no-connector", "1.0", ["one", "two"])


def marker_of(name, version):
    return json.loads((wheels.STORE / "pypi" / name / version / "gantry-installed.json").read_text())


def journal(reference):
    suite.out("journalctl", "--sync")
    message_id = re.search(r"^-- (\w+)\nSubject: A connector is installed$", CATALOG.read_text(), re.M).group(1)
    return suite.out("journalctl", "--no-pager", "--catalog", "--boot", f"MESSAGE_ID={message_id}", f"GANTRY_CONNECTOR={reference}", check=False)


def move(api, name, reference, config, streams=None):
    """A custom definition of the package, a source of it, a sync; where the records went."""
    repository, _, version = reference.partition("==")
    definition = api.ask("POST", f"/workspaces/{api.workspace}/definitions/sources",
                         {"name": name, "dockerRepository": repository, "dockerImageTag": version, "documentationUrl": ""})["id"]
    source = api.ask("POST", "/sources", {"name": name, "workspaceId": api.workspace, "definitionId": definition,
                                          "configuration": config})["sourceId"]
    path = suite.FILES / f"{name}.db"
    connection = api.connect(name, source, api.destination(name, destinationType="sqlite", path=str(path)), streams=streams)
    api.wait(api.start(connection), "succeeded", patience=900)
    return path


def test_there_is_no_uv():
    assert shutil.which("uv") is None


def test_a_wheel_is_installed_by_pip_and_moved():
    said = wheels.install("pypi:airbyte-source-tiny")
    assert "version 1.1.0, is installed" in said and "built from source" not in said, said
    assert marker_of("airbyte-source-tiny", "1.1.0")["installer"] == "pip"
    assert "built_from_source" not in marker_of("airbyte-source-tiny", "1.1.0")
    assert list((wheels.STORE / "pypi/airbyte-source-tiny/1.1.0").rglob("*.pyc")), "no bytecode"
    wanted = wheels.alone("pypi:airbyte-source-tiny==1.1.0", {"n": 50})
    assert len(wanted["s"]) == 50
    wheels.check_moved(move(suite.Api(), "tiny", "pypi:airbyte-source-tiny==1.1.0", {"n": 50}), wanted)


def test_what_exists_as_source_only_is_built_in_the_sandbox_and_told():
    said = wheels.install("pypi:airbyte-source-needy==2.0")
    assert "is installed, with parts built from source" in said, said
    marker = marker_of("airbyte-source-needy", "2.0")
    assert marker["installer"] == "pip" and marker["built_from_source"] is True, marker
    built = json.loads(next((wheels.STORE / "pypi/airbyte-source-needy/2.0").rglob("only_source/built.json")).read_text())
    assert built["uid"] == pwd.getpwnam("gantry-install").pw_uid and built["wrote"] == ["tmp"] and built["read"] == [], built
    told = journal("pypi:airbyte-source-needy==2.0")
    assert "with parts built from source" in told and "Subject: A connector is installed" in told, told
    # Who asks again hears it again.
    assert "with parts built from source" in wheels.install("pypi:airbyte-source-needy==2.0")
    wanted = wheels.alone("pypi:airbyte-source-needy==2.0", {"n": 5})
    wheels.check_moved(move(suite.Api(), "needy", "pypi:airbyte-source-needy==2.0", {"n": 5}), wanted)


def test_what_fails_says_why_and_leaves_nothing():
    for reference, words in (("pypi:airbyte-source-nowhere", "no such package"), ("pypi:airbyte-source-tiny==9.9", "9.9"),
                             ("pypi:no-connector==1.0", "is no connector")):
        code, said = wheels.install(reference, check=False)
        assert code != 0 and words in said, said
        suite.until(lambda: not wheels.STAGING.is_dir() or not list(wheels.STAGING.iterdir()), "the end of what was begun")
    assert not (wheels.STORE / "pypi/no-connector").exists() or not list((wheels.STORE / "pypi/no-connector").iterdir())


def test_airbytes_faker_by_pip():
    start = time.monotonic()
    wheels.install("pypi:airbyte-source-faker==7.2.1")
    print(f"   installed in {time.monotonic() - start:.1f} s", flush=True)
    assert marker_of("airbyte-source-faker", "7.2.1")["installer"] == "pip"
    config = {"count": 50, "seed": 7, "parallelism": 1, "records_per_slice": 50, "always_updated": False}
    wanted = wheels.alone("pypi:airbyte-source-faker==7.2.1", config, {"users"})
    path = move(suite.Api(), "faker", "pypi:airbyte-source-faker==7.2.1", config, ["users"])
    wheels.check_moved(path, wanted, {"created_at", "updated_at"})


if __name__ == "__main__":
    wheels.set_up(uv=False)
    add_packages()
    sys.exit(suite.main(globals()))
