#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: wheels timeout=3000
"""Connectors from the Python package index, installed by the suite on a host without a way out (an index on its own loopback) and run
by it: every record is the one that the connector prints alone. What goes wrong leaves nothing and says why (T05, T24, T79)."""

import json
import os
import pathlib
import pwd
import stat
import subprocess
import sys
import threading
import time

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402
import wheels  # noqa: E402

FAKER = "airbyte-source-faker"
VERSION = "7.2.1"
CONFIG = {"count": 200, "seed": 7, "parallelism": 1, "records_per_slice": 50, "always_updated": False}


def add_packages():
    """What is made here, beside what was fetched."""
    wheels.add(wheels.INDEX, "airbyte-source-tiny", "1.0.0", ["source-tiny"])
    wheels.add(wheels.INDEX, "airbyte-source-tiny", "1.1.0", ["source-tiny"])
    wheels.add(wheels.INDEX, "no-connector", "1.0", ["one", "two"])
    wheels.add_sdist(wheels.INDEX, "airbyte-source-built", "1.0", ["source-built"], wheels.HARMLESS_SETUP)
    wheels.add_sdist(wheels.INDEX, "airbyte-source-fifo", "1.0", ["source-fifo"], wheels.FIFO_SETUP)
    wheels.add_sdist(wheels.INDEX, "airbyte-source-link", "1.0", ["source-link"], wheels.LINK_SETUP)
    wheels.add_sdist(wheels.INDEX, "airbyte-source-slow", "1.0", ["source-slow"], wheels.SLOW_SETUP)


def versions(name):
    return sorted(p.name for p in (wheels.STORE / "pypi" / name).glob("*")) if (wheels.STORE / "pypi" / name).is_dir() else []


def nothing_half(name):
    suite.until(lambda: not wheels.STAGING.is_dir() or not os.listdir(wheels.STAGING), "the end of what was begun")
    assert all((wheels.STORE / "pypi" / name / v / "gantry-installed.json").exists() for v in versions(name)), versions(name)


def check_installed(name, version):
    """Root's, for everybody to read, by nobody to write; its bytecode is made; its files have the hashes that were taken down."""
    place = wheels.STORE / "pypi" / name / version
    marker = json.loads((place / "gantry-installed.json").read_text())
    assert marker["reference"] == f"pypi:{name}=={version}" and marker["command"][0].startswith(f"{place}/bin/"), marker
    for path in (place, *place.rglob("*")):
        status = path.lstat()
        assert status.st_uid == status.st_gid == 0, path
        assert stat.S_ISLNK(status.st_mode) or not status.st_mode & 0o7022, (path, oct(status.st_mode))
    assert os.readlink(place / "bin/python3").startswith(("/usr/bin/", "python")), os.readlink(place / "bin/python3")
    assert list(place.rglob("*.pyc")), "no bytecode"
    suite.out("sh", "-c", f"cd {place} && sha256sum --check --quiet --strict gantry-files.sha256")
    listed = {line.split("  ", 1)[1] for line in (place / "gantry-files.sha256").read_text().splitlines()}
    there = {str(p.relative_to(place)) for p in place.rglob("*") if p.is_file() and not p.is_symlink()}
    assert there - listed == {"gantry-files.sha256"}, there ^ listed
    nothing_half(name)


# Made at the moment of running, in Airbyte's faker: of these only the presence is compared.
TIMES = {"created_at", "updated_at", "added_to_cart_at", "purchased_at", "returned_at"}


def test_an_installation_is_seen_at_work():
    """A sandboxed unit of a user of its own below gantry-jobs.slice does it; nobody else may write there."""
    child, unit = begin("pypi:airbyte-source-slow==1.0")
    place = suite.show(unit, "Slice")
    properties, status = suite.out("systemctl", "show", unit), suite.out("systemctl", "status", "--no-pager", "--full", unit)
    tree = suite.out("systemd-cgls", "--no-pager", "--full", "-u", "gantry-jobs.slice")
    next(wheels.STAGING.glob("*/scratch/tmp")).joinpath("slow-end").touch()
    said, _ = child.communicate(timeout=suite.PATIENCE)
    assert child.returncode == 0, said
    assert place.startswith("gantry-jobs-install"), place
    assert "gantry-installer install" in status and place in tree and "gantry-installer install" in tree, (status, tree)
    for told in ("User=gantry-install", "NoNewPrivileges=yes", "ProtectSystem=strict"):
        assert f"\n{told}\n" in properties, told
    check_installed("airbyte-source-slow", "1.0")
    suite.out("gantryctl", "connector", "remove", "pypi:airbyte-source-slow==1.0")


def test_installed_by_gantryctl():
    start = time.monotonic()
    said = wheels.install(f"pypi:{FAKER}=={VERSION}")
    print(f"   installed in {time.monotonic() - start:.1f} s", flush=True)
    assert f"version {VERSION}, is installed" in said, said
    check_installed(FAKER, VERSION)
    listed = json.loads(suite.out("gantryctl", "--json=short", "connector", "list"))
    assert [d["installed"] for d in listed if d["reference"] == f"pypi:{FAKER}"] == [True], listed
    assert "connectionSpecification" in json.loads(suite.out("gantryctl", "connector", "show", f"pypi:{FAKER}"))
    # Again: it is there, and nothing is done.
    before = (wheels.STORE / "pypi" / FAKER / VERSION).stat().st_ino
    assert "is installed" in wheels.install(f"pypi:{FAKER}=={VERSION}")
    assert (wheels.STORE / "pypi" / FAKER / VERSION).stat().st_ino == before


def test_a_sync_with_airbytes_faker():
    """Source, discover, connection, sync by the API; in `service`, then in `lite`."""
    api = suite.Api()
    wanted = wheels.alone(f"pypi:{FAKER}=={VERSION}", CONFIG)
    assert {k: len(v) > 0 for k, v in wanted.items()} == {"users": True, "products": True, "purchases": True}
    for executor in ("service", "lite"):
        suite.out("sqlite3", "-cmd", ".timeout 300000", suite.DATABASE,
                  f"UPDATE definition SET executor = '{executor}' WHERE reference = 'pypi:{FAKER}'")
        path = suite.FILES / f"faker-{executor}.db"
        source = api.source(f"faker {executor}", sourceType="faker-airbyte", **CONFIG)
        destination = api.destination(f"base {executor}", destinationType="sqlite", path=str(path))
        connection = api.connect(f"faker {executor}", source, destination)
        job = api.wait(api.start(connection), "succeeded", patience=900)
        assert job["rowsSynced"] == sum(map(len, wanted.values())), job
        wheels.check_moved(path, wanted, TIMES)
        ((pin,),) = suite.rows(suite.DATABASE, "SELECT version_pin FROM actor WHERE id = ?", source)
        assert pin == VERSION, pin


def test_a_custom_definition_installs_what_it_names():
    """The public API's and the SDK's way: a repository "pypi:…" and a tag; without that package there is no definition."""
    api = suite.Api()
    base = f"/workspaces/{api.workspace}/definitions/sources"
    made = api.ask("POST", base, {"name": "Tiny", "dockerRepository": "pypi:airbyte-source-tiny", "dockerImageTag": "1.0.0",
                                  "documentationUrl": "https://example.com"})
    check_installed("airbyte-source-tiny", "1.0.0")
    source = api.ask("POST", "/sources", {"name": "tiny", "workspaceId": api.workspace, "definitionId": made["id"],
                                          "configuration": {"n": 5}})["sourceId"]
    path = suite.FILES / "tiny.db"
    connection = api.connect("tiny", source, api.destination("tiny base", destinationType="sqlite", path=str(path)))
    api.wait(api.start(connection), "succeeded")
    assert suite.rows(path, "SELECT id, name FROM s ORDER BY id") == [(n, "1.0.0") for n in range(5)]

    # T79: a newer version of the definition is for those made of it from then on.
    api.ask("PUT", f"{base}/{made['id']}", {"name": "Tiny", "dockerRepository": "pypi:airbyte-source-tiny", "dockerImageTag": "1.1.0",
                                            "documentationUrl": ""})
    assert versions("airbyte-source-tiny") == ["1.0.0", "1.1.0"]
    api.wait(api.start(connection), "succeeded")
    assert {name for (name,) in suite.rows(path, "SELECT name FROM s")} == {"1.0.0"}
    newer = api.ask("POST", "/sources", {"name": "tiny 2", "workspaceId": api.workspace, "definitionId": made["id"],
                                         "configuration": {"n": 2}})["sourceId"]
    path2 = suite.FILES / "tiny2.db"
    connection2 = api.connect("tiny 2", newer, api.destination("tiny base 2", destinationType="sqlite", path=str(path2)))
    api.wait(api.start(connection2), "succeeded")
    assert {name for (name,) in suite.rows(path2, "SELECT name FROM s")} == {"1.1.0"}

    before = len(api.ask("GET", base)["data"])
    for body, words in (({"dockerRepository": "pypi:airbyte-source-nowhere", "dockerImageTag": "1.0"}, "no such package"),
                        ({"dockerRepository": "pypi:airbyte-source-tiny", "dockerImageTag": "9.9"}, "9.9"),
                        ({"dockerRepository": "pypi:--index-url=http://evil/", "dockerImageTag": "1"}, "NAME==VERSION"),
                        ({"dockerRepository": "pypi:../../etc", "dockerImageTag": "1"}, "no name"),
                        ({"dockerRepository": "pypi:airbyte-source-tiny", "dockerImageTag": "../../x"}, "dockerImageTag")):
        answer = api.ask("POST", base, {"name": "Bad", "documentationUrl": ""} | body, status=(400, 422))
        assert words in json.dumps(answer), answer
    assert len(api.ask("GET", base)["data"]) == before
    nothing_half("airbyte-source-tiny")


def test_remove_names_who_uses_it():
    done, said = subprocess.getstatusoutput("gantryctl connector remove pypi:airbyte-source-tiny==1.0.0")
    assert done != 0 and "source 'tiny'" in said, said
    assert versions("airbyte-source-tiny") == ["1.0.0", "1.1.0"]
    api = suite.Api()
    for name in ("tiny", "tiny 2"):
        connection = next(c for c in api.ask("GET", "/connections")["data"] if c["name"] == name)
        api.ask("DELETE", f"/connections/{connection['connectionId']}")
        api.ask("DELETE", f"/sources/{connection['sourceId']}")
    suite.out("gantryctl", "connector", "remove", "pypi:airbyte-source-tiny==1.0.0")
    assert versions("airbyte-source-tiny") == ["1.1.0"]
    assert suite.code("gantryctl", "connector", "remove", "pypi:airbyte-source-tiny==1.0.0") == 4


def test_what_fails_says_why_and_leaves_nothing():
    for reference, words in (("pypi:airbyte-source-nowhere", "no such package"), ("pypi:airbyte-source-tiny==9.9", "9.9"),
                             ("pypi:no-connector==1.0", "is no connector")):
        code, said = wheels.install(reference, check=False)
        assert code != 0 and words in said, said
        nothing_half(reference.removeprefix("pypi:").partition("=")[0])
    for reference in ("pypi:--index-url=http://evil/simple", "pypi:../x", "pypi:x==../../y", "exec:/bin/sh", "npm:-g"):
        code, said = wheels.install(reference, check=False)
        assert code not in (0, 69) and ("is no" in said or "NAME==VERSION" in said or "nothing to install" in said), said
    suite.out("systemctl", "stop", "wheel-index.service")
    try:
        code, said = wheels.install("pypi:airbyte-source-tiny==1.0.0", check=False)
        assert code != 0 and "can't be reached" in said, said
    finally:
        wheels.serve()
    nothing_half("airbyte-source-tiny")
    # T24: nobody on the way may change what is installed.
    wheels.configure("IndexUrl=http://mirror.example/simple/")
    code, said = wheels.install("pypi:airbyte-source-tiny==1.0.0", check=False)
    assert code != 0 and "https://" in said, said
    wheels.configure(f"IndexUrl={wheels.URL}")


def test_source_only_packages_are_built_inside_and_judged_outside():
    """T05: what a package's own setup leaves behind is judged before it is used; what it tries to reach is not there."""
    wheels.install("pypi:airbyte-source-built==1.0")
    check_installed("airbyte-source-built", "1.0")
    told = json.loads(next((wheels.STORE / "pypi/airbyte-source-built/1.0").rglob("built.json")).read_text())
    assert told["uid"] == pwd.getpwnam("gantry-install").pw_uid, told
    # The positive control of what it could not do: it could write where it was to.
    assert told["wrote"] == ["tmp"] and told["read"] == [], told
    for name, words in (("airbyte-source-fifo", "neither a file nor a directory"), ("airbyte-source-link", "left nothing of version")):
        code, said = wheels.install(f"pypi:{name}==1.0", check=False)
        assert code != 0 and words in said, said
        assert versions(name) == []
        nothing_half(name)


def begin(reference):
    child = subprocess.Popen(["gantryctl", "connector", "install", reference], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    unit = suite.until(lambda: next((u for u in suite.job_units() if u.endswith("-connector.service") and
                                     suite.show(u, "User") == "gantry-install" and suite.main_pid(u) > 0), None), "the installation's unit")
    suite.until(lambda: list(wheels.STAGING.glob("*/scratch/tmp/slow-began")), "the slow setup")
    return child, unit


def test_a_killed_installation_leaves_nothing():
    for how in ("connector", "worker", "slice", "launcher"):
        child, unit = begin("pypi:airbyte-source-slow==1.0")
        if how == "connector":
            suite.kill(unit)
        elif how == "worker":
            suite.kill(unit.replace("-connector.", "-worker."))
        elif how == "slice":
            suite.out("systemctl", "stop", suite.show(unit, "Slice"))
        else:
            suite.kill("gantry-launcher.service")
            suite.until(lambda: suite.show("gantry-launcher.service", "ActiveState") == "active", "the launcher's return")
            next(wheels.STAGING.glob("*/scratch/tmp")).joinpath("slow-end").touch()
        said, _ = child.communicate(timeout=suite.PATIENCE)
        if how == "launcher":
            # Its unit lived on, and the next launcher takes what it made.
            assert child.returncode == 0, said
            check_installed("airbyte-source-slow", "1.0")
            suite.out("gantryctl", "connector", "remove", "pypi:airbyte-source-slow==1.0")
        else:
            assert child.returncode != 0, said
            assert versions("airbyte-source-slow") == [], versions("airbyte-source-slow")
        nothing_half("airbyte-source-slow")


def test_two_at_once_end_with_one():
    first, unit = begin("pypi:airbyte-source-slow==1.0")
    second = subprocess.Popen(["gantryctl", "connector", "install", "pypi:airbyte-source-slow==1.0"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    next(wheels.STAGING.glob("*/scratch/tmp")).joinpath("slow-end").touch()
    outputs = [child.communicate(timeout=suite.PATIENCE)[0] for child in (first, second)]
    assert first.returncode == second.returncode == 0, outputs
    assert suite.show(unit, "LoadState") in ("not-found", "loaded")
    check_installed("airbyte-source-slow", "1.0")


def test_no_space_is_said():
    wheels.STAGING.mkdir(mode=0o700, exist_ok=True)
    suite.out("mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", wheels.STAGING)
    try:
        code, said = wheels.install("pypi:airbyte-cdk", check=False)
        assert code != 0 and "no space" in said, said
        nothing_half("airbyte-cdk")
    finally:
        suite.out("umount", "--lazy", wheels.STAGING)


if __name__ == "__main__":
    wheels.set_up()
    add_packages()
    sys.exit(suite.main(globals()))
