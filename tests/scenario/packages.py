# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connectors as Python and npm packages, made by the tests that install them."""

import base64
import hashlib
import io
import json
import tarfile
import zipfile

SOURCE = '''\
import argparse, json, os, sys
SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
def say(**m):
    print(json.dumps(m), flush=True)
def run():
    p = argparse.ArgumentParser()
    p.add_argument("verb"); p.add_argument("--config"); p.add_argument("--catalog"); p.add_argument("--state")
    a = p.parse_args()
    if a.verb == "spec":
        say(type="SPEC", spec={"connectionSpecification": {"type": "object", "properties": {"n": {"type": "integer"}}}})
    elif a.verb == "check":
        say(type="CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
    elif a.verb == "discover":
        say(type="CATALOG", catalog={"streams": [{"name": "s", "json_schema": SCHEMA, "supported_sync_modes": ["full_refresh"]}]})
    elif a.verb == "read":
        for i in range(json.load(open(a.config)).get("n", 3)):
            say(type="RECORD", record={"stream": "s", "emitted_at": 1, "data": {"id": i, "name": VERSION}})
'''


def wheel_files(name, version, scripts, requires=()):
    """What a wheel holds, RECORD included (PEP 427)."""
    flat = name.replace("-", "_")
    info = f"{flat}-{version}.dist-info"
    files = {f"{flat}/__init__.py": f"VERSION = {version!r}\n{SOURCE}",
             f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
                                  + "".join(f"Requires-Dist: {r}\n" for r in requires),
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    if scripts:
        files[f"{info}/entry_points.txt"] = "[other]\nx = y:z\n\n[console_scripts]\n" + "".join(
            f"{s} = {flat}:run\n" for s in scripts)
    rows = [f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
            f"{len(text.encode())}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join(rows + [f"{info}/RECORD,,"]) + "\n"
    return files


def wheel_name(name, version):
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def make_wheel(directory, name, version, scripts, requires=()):
    """A wheel with these console scripts, which needs these packages."""
    path = directory / wheel_name(name, version)
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in wheel_files(name, version, scripts, requires).items():
            wheel.writestr(member, text)
    return path


# A build backend without any requirement: the wheel lies in it. `setup(place)` is what the package's author made of it.
BACKEND = '''\
import os, zipfile
FILES = {files!r}
{setup}
def build_wheel(directory, config_settings=None, metadata_directory=None):
    files = dict(FILES)
    setup(files)
    with zipfile.ZipFile(os.path.join(directory, {wheel!r}), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return {wheel!r}
'''


def make_sdist(directory, name, version, scripts, setup):
    """A package that exists as source only, whose build runs `setup(files)`."""
    flat = name.replace("-", "_")
    top = f"{flat}-{version}"
    members = {"PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
               "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
               "backend.py": BACKEND.format(files=wheel_files(name, version, scripts), wheel=wheel_name(name, version), setup=setup)}
    path = directory / f"{top}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member, text in members.items():
            entry = tarfile.TarInfo(f"{top}/{member}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


# A connector for node, which needs another package.
NODE_SOURCE = """\
#!/usr/bin/env node
const words = require("tiny-words"), version = require("../package.json").version;
const say = m => console.log(JSON.stringify(m));
const option = name => JSON.parse(require("fs").readFileSync(process.argv[process.argv.indexOf(name) + 1]));
const schema = {type: "object", properties: {id: {type: "integer"}, name: {type: "string"}}};
const verb = process.argv[2];
if (verb === "spec") say({type: "SPEC", spec: {connectionSpecification: {type: "object", properties: {n: {type: "integer"}}}}});
if (verb === "check") say({type: "CONNECTION_STATUS", connectionStatus: {status: "SUCCEEDED"}});
if (verb === "discover") say({type: "CATALOG", catalog: {streams: [{name: "s", json_schema: schema, supported_sync_modes: ["full_refresh"]}]}});
if (verb === "read")
  for (let id = 0; id < (option("--config").n ?? 3); id++)
    say({type: "RECORD", record: {stream: "s", emitted_at: 1, data: {id, name: `${words} ${version}`}}});
"""


def make_npm(path, name, version, files, **more):
    """An npm package of these files, with what package.json says beyond name and version."""
    members = {"package.json": json.dumps({"name": name, "version": version} | more)} | files
    with tarfile.open(path, "w:gz") as archive:
        for member, text in members.items():
            entry = tarfile.TarInfo(f"package/{member}")
            entry.size, entry.mode = len(text.encode()), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def npm_version(path, url):
    """What a registry says of such a file, which is to be had at this URL."""
    blob = path.read_bytes()
    with tarfile.open(path) as archive:
        package = json.load(archive.extractfile("package/package.json"))
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(blob).digest()).decode()
    return package | {"dist": {"tarball": url, "integrity": integrity, "shasum": hashlib.sha1(blob).hexdigest()}}
