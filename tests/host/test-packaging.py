#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: outside
"""The packages as files: lintian has nothing against them, a second build from nothing gives the same bytes, and what the
build needs is the same in debian/control and in tools/packages."""

import hashlib
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEB = ROOT / "build/deb"
# The same in other words: debhelper brings autotools, build-essential the compiler and make.
IMPLIED = {"autoconf", "automake", "gcc", "make", "libc6-dev", "xz-utils"}
SAME = {"pkg-config": "pkgconf"}


def test_lintian_is_silent():
    changes = sorted(DEB.glob("gantry_*.changes"))
    assert len(changes) == 1, changes
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", changes[0]],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stdout.strip(), done.stdout + done.stderr


def test_lintian_can_find_fault():
    """The positive control: the same packages with a fault."""
    place = ROOT / "build/deb-fault"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    tree = place / "tree"
    subprocess.run(["dpkg-deb", "-R", next(DEB.glob("gantry-web_*.deb")), tree], check=True)
    (tree / "usr/local/share").mkdir(parents=True)
    (tree / "usr/local/share/fault").write_text("not here")
    subprocess.run(["dpkg-deb", "-b", "--root-owner-group", tree, place / "gantry-web.deb"], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", place / "gantry-web.deb"],
                          capture_output=True, text=True, check=False)
    shutil.rmtree(place)
    assert done.returncode != 0 and "usr/local/share/fault" in done.stdout, done.stdout + done.stderr


def hashes(place):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(place.glob("*.deb"))}


def test_builds_twice_to_the_same_bytes():
    again = ROOT / "build/deb-again"
    shutil.rmtree(again, ignore_errors=True)
    subprocess.run([ROOT / "tools/build-deb", "--clean", "--quiet", "--output", again], check=True)
    first, second = hashes(DEB), hashes(again)
    differ = [name for name in first.keys() | second.keys() if first.get(name) != second.get(name)]
    assert first and not differ, f"{differ} differ; see {DEB} and {again}"
    shutil.rmtree(again)
    shutil.rmtree(ROOT / "build/deb-clean")


def test_build_dependencies_are_told_once():
    lines = (ROOT / "tools/packages").read_text()
    ours = {name.split("=")[0] for line in re.findall(r"^build: *(.*)$", lines, re.M) for name in line.split()}
    field = re.search(r"^Build-Depends:\n((?: .*\n)+)", (ROOT / "debian/control").read_text(), re.M).group(1)
    theirs = {re.split(r"[ :(<|]", entry.strip())[0] for entry in field.split(",") if entry.strip()}
    missing = sorted(SAME.get(name, name) for name in ours - IMPLIED if SAME.get(name, name) not in theirs)
    assert not missing, f"debian/control does not build-depend on {', '.join(missing)}"


def main():
    failed = 0
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                print(f"ok {name}", flush=True)
            except (AssertionError, subprocess.CalledProcessError) as error:
                failed += 1
                print(f"not ok {name}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
