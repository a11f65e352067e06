# SPDX-License-Identifier: LGPL-2.1-or-later
"""`gantry connector install|list|show|remove`, without any network: packages made here, found through the package
managers' own settings."""

import base64
import hashlib
import http.server
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tarfile
import threading
import time

import pytest

from conftest import TIMEOUT, program
from packages import make_sdist, make_wheel


@pytest.fixture
def index(workspace, tmp_path):
    """A directory of wheels, and the environment in which pip and uv look there and nowhere else."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_wheel(wheels, "airbyte-source-tiny", "1.2.0", ["helper", "source-tiny"])
    make_wheel(wheels, "airbyte-source-tiny", "1.10.0", ["helper", "source-tiny"])
    make_wheel(wheels, "no-connector", "1.0", ["one", "two"])
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "UV_OFFLINE": "1", "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": str(wheels), "PATH": "/usr/local/bin:/usr/bin:/bin"}


@pytest.fixture(scope="session")
def uv(tmp_path_factory):
    """The directory of uv: the machine's, else one from PyPI in an environment of its own. The rest of these tests needs no network."""
    there = shutil.which("uv")
    if there:
        return os.path.dirname(there)
    venv = tmp_path_factory.mktemp("uv")
    subprocess.run(["/usr/bin/python3", "-m", "venv", venv], check=True)
    got = subprocess.run([venv / "bin/python", "-m", "pip", "install", "-q", "--retries", "1", "uv"], capture_output=True,
                         timeout=TIMEOUT, check=False)
    if got.returncode != 0:
        pytest.skip("PyPI is out of reach: " + got.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return str(venv / "bin")


def installations(tmp_path):
    root = tmp_path / "data/gantry/connectors"
    return sorted(str(p.relative_to(root)) for p in root.glob("*/*/*") if not p.name.startswith("."))


def check_life(gantry, put, tmp_path, index):
    """Installed without a version, read from, found again, removed."""
    installed = gantry("connector", "install", "pypi:airbyte-source-tiny", env=index)
    assert installed.code == 0, installed
    assert installations(tmp_path) == ["pypi/airbyte-source-tiny/1.10.0"]
    listed = json.loads(gantry("connector", "list", "--json").stdout)
    assert "pypi:airbyte-source-tiny==1.10.0" in json.dumps(listed)
    # The spec was asked at installation and is kept.
    assert list((tmp_path / "cache/gantry/specs").iterdir())

    catalog = {"streams": [{"stream": {"name": "s", "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
                            "sync_mode": "full_refresh", "destination_sync_mode": "append"}]}
    read = gantry("read", "source-tiny", "--config", put("c.json", {"n": 4}), "--catalog", put("cat.json", catalog))
    assert [r["data"] for r in read.records] == [{"id": i, "name": "1.10.0"} for i in range(4)], read

    again = gantry("connector", "install", "pypi:airbyte-source-tiny==1.10.0", env=dict(index, PATH="/nonexistent"))
    assert again.code == 0 and b"already" in again.stderr, again
    removed = gantry("connector", "remove", "pypi:airbyte-source-tiny")
    assert removed.code == 0, removed
    assert installations(tmp_path) == []
    gone = gantry("connector", "show", "source-tiny")
    assert gone.code == 4, gone


def test_a_python_package_is_installed_by_pip_and_removed(gantry, put, tmp_path, index):
    check_life(gantry, put, tmp_path, index)


def marker(tmp_path, place):
    return json.loads((tmp_path / "data/gantry/connectors" / place / "gantry-installed.json").read_text())


def test_a_python_package_is_installed_by_uv_and_removed(gantry, put, tmp_path, index, uv):
    check_life(gantry, put, tmp_path, dict(index, PATH=f"{uv}:{index['PATH']}"))


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_what_exists_as_source_only_is_built_and_told(gantry, tmp_path, index, request, tool):
    wheels = tmp_path / "wheels"
    make_wheel(wheels, "airbyte-source-needy", "1.0", ["source-needy"], ["only-source==3.1"])
    make_sdist(wheels, "only-source", "3.1", [], "def setup(files):\n    pass\n")
    path = f"{request.getfixturevalue('uv')}:{index['PATH']}" if tool == "uv" else index["PATH"]
    result = gantry("connector", "install", "pypi:airbyte-source-needy==1.0", env=dict(index, PATH=path))
    assert result.code == 0 and b"building what exists as source only" in result.stderr, result
    found = marker(tmp_path, "pypi/airbyte-source-needy/1.0")
    assert (found["installer"], found["built_from_source"]) == (tool, True), found
    result = gantry("connector", "install", "pypi:airbyte-source-tiny==1.2.0", env=dict(index, PATH=path))
    assert result.code == 0 and b"source only" not in result.stderr, result
    assert "built_from_source" not in marker(tmp_path, "pypi/airbyte-source-tiny/1.2.0")


def test_a_package_that_is_no_connector_leaves_nothing(gantry, tmp_path, index):
    result = gantry("connector", "install", "pypi:no-connector==1.0", env=index)
    assert result.code != 0
    assert b"is no connector" in result.stderr
    assert installations(tmp_path) == []


def test_an_unknown_package_leaves_nothing_and_says_why(gantry, tmp_path, index):
    result = gantry("connector", "install", "pypi:airbyte-source-tinny==1.0", env=index)
    assert result.code != 0
    assert b"pypi:airbyte-source-tinny==1.0 could not be installed: The package index has no such package" in result.stderr
    assert b"No matching distribution" in result.stderr
    assert installations(tmp_path) == []


def test_an_interrupted_installation_is_not_there_and_the_next_one_cleans_up(gantry, tmp_path, index):
    place = tmp_path / "data/gantry/connectors/pypi/airbyte-source-tiny/1.2.0"
    process = subprocess.Popen([program("gantry"), "connector", "install", "pypi:airbyte-source-tiny==1.2.0"],
                               env=dict(os.environ, **index), start_new_session=True, stderr=subprocess.PIPE)
    deadline = time.monotonic() + TIMEOUT
    while not (place / "pyvenv.cfg").exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert place.exists() and not (place / "gantry-installed.json").exists()
    (place / "rubbish").write_text("left over")
    found = gantry("connector", "show", "pypi:airbyte-source-tiny")
    assert found.code == 4 and b"is not installed" in found.stderr, found
    result = gantry("connector", "install", "pypi:airbyte-source-tiny==1.2.0", env=index)
    assert result.code == 0, result
    assert not (place / "rubbish").exists() and (place / "gantry-installed.json").exists()


def test_two_installations_at_once_make_one(tmp_path, index):
    argv = [program("gantry"), "connector", "install", "pypi:airbyte-source-tiny==1.2.0"]
    both = [subprocess.Popen(argv, env=dict(os.environ, **index), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            for _ in range(2)]
    said = [p.communicate(timeout=TIMEOUT)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0], said
    assert sum(b"Installing" in s for s in said) == 1 and sum(b"already" in s for s in said) == 1, said


def test_T12_the_installer_sees_nothing_of_the_users_environment(gantry, tmp_path, index):
    """A uv that only tells what it was given."""
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "uv").write_text(f"#!/bin/sh\nenv >{tmp_path}/seen\necho 'error: no, thanks' >&2\nexit 3\n")
    (fake / "uv").chmod(0o755)
    env = dict(index, PATH=f"{fake}:{index['PATH']}", MY_SECRET="s3cret", PIP_TARGET="/elsewhere", UV_INDEX_URL="u",
               https_proxy="http://p", HTTPS_PROXY="http://P", SSL_CERT_FILE="/c.pem", PYTHONPATH="/evil",
               LD_PRELOAD="", AWS_SECRET_ACCESS_KEY="s3cret")
    result = gantry("connector", "install", "pypi:airbyte-source-tiny==1.2.0", env=env)
    assert result.code != 0 and b"error: no, thanks" in result.stderr, result
    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines())
    assert seen["UV_INDEX_URL"] == "u" and seen["https_proxy"] == "http://p" and seen["HTTPS_PROXY"] == "http://P"
    assert seen["SSL_CERT_FILE"] == "/c.pem" and seen["PIP_NO_INDEX"] == "1"
    assert seen["HOME"] == str(tmp_path / "cache/gantry/home")
    assert not {"MY_SECRET", "PIP_TARGET", "PYTHONPATH", "LD_PRELOAD", "AWS_SECRET_ACCESS_KEY", "XDG_DATA_HOME"} & seen.keys()


NODE_SOURCE = '''\
#!/usr/bin/env node
const say = m => console.log(JSON.stringify(m));
const verb = process.argv[2];
if (verb === "spec") say({type: "SPEC", spec: {connectionSpecification: {type: "object", properties: {}}}});
if (verb === "check") say({type: "CONNECTION_STATUS", connectionStatus: {status: "SUCCEEDED"}});
'''


class Registry(http.server.BaseHTTPRequestHandler):
    """An npm registry with one package."""

    def do_GET(self):
        base = f"http://127.0.0.1:{self.server.server_port}"
        if self.path.endswith(".tgz"):
            self.answer(self.server.tarball, "application/octet-stream")
        elif self.path.startswith("/@tiny%2fsource-node") or self.path.startswith("/@tiny%2Fsource-node"):
            integrity = "sha512-" + base64.b64encode(hashlib.sha512(self.server.tarball).digest()).decode()
            version = {"name": "@tiny/source-node", "version": "0.3.1", "bin": {"source-node": "bin/main.js"},
                       "dist": {"tarball": f"{base}/source-node-0.3.1.tgz", "integrity": integrity}}
            self.answer(json.dumps({"name": "@tiny/source-node", "dist-tags": {"latest": "0.3.1"},
                                    "versions": {"0.3.1": version}}).encode(), "application/json")
        else:
            self.send_error(404)

    def answer(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def registry():
    blob = io.BytesIO()
    package = {"name": "@tiny/source-node", "version": "0.3.1", "bin": {"source-node": "bin/main.js"},
               "scripts": {"postinstall": "touch ran-a-script"}}
    with tarfile.open(fileobj=blob, mode="w:gz") as tar:
        for name, text in (("package/package.json", json.dumps(package)), ("package/bin/main.js", NODE_SOURCE)):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o755
            tar.addfile(info, io.BytesIO(text.encode()))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    server.tarball = blob.getvalue()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_version_that_is_a_path_removes_nothing(gantry, tmp_path):
    """The index chooses the version, and the version names a directory that is cleared first."""
    precious = tmp_path / "data" / "precious"
    precious.mkdir(parents=True)
    (precious / "file").write_text("x")
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\necho ../../../precious\n")
    npm.chmod(0o755)
    env = {**os.environ, "PATH": f"{npm.parent}:{os.environ['PATH']}", "GANTRY_DATA_DIR": str(tmp_path / "data"),
           "XDG_CACHE_HOME": str(tmp_path / "cache")}
    result = gantry("connector", "install", "npm:source-x", env=env)
    assert result.code != 0 and b"no version" in result.stderr, result
    assert (precious / "file").read_text() == "x"


def test_an_npm_package_is_installed_without_running_its_scripts(gantry, put, workspace, tmp_path, registry):
    if not shutil.which("npm"):
        pytest.skip("npm is not on PATH")
    # The user's own settings (of a proxy, say) are not this test's business.
    env = {"NPM_CONFIG_REGISTRY": registry, "NPM_CONFIG_USERCONFIG": "/dev/null", "http_proxy": "", "HTTP_PROXY": "",
           "https_proxy": "", "HTTPS_PROXY": "", "no_proxy": "127.0.0.1"}
    result = gantry("connector", "install", "npm:@tiny/source-node", env=env)
    assert result.code == 0, result
    assert installations(tmp_path) == ["npm/@tiny+source-node/0.3.1"]
    assert not list((tmp_path / "data").rglob("ran-a-script"))
    checked = gantry("check", "npm:@tiny/source-node", "--config", put("c.json", {}))
    assert checked.of("CONNECTION_STATUS")[0]["connectionStatus"]["status"] == "SUCCEEDED", checked
    assert gantry("connector", "remove", "npm:@tiny/source-node@0.3.1").code == 0
    assert installations(tmp_path) == []


@pytest.mark.sandbox
def test_a_real_connector_from_pypi_lands_in_sqlite(gantry, put, workspace, tmp_path, uv):
    """The one look at the outside in this tier; the compat tier has the rest. By uv, since pip needs minutes for what that
    does in seconds."""
    reference = "pypi:airbyte-source-hardcoded-records==0.0.48"
    result = gantry("connector", "install", reference, env={"PATH": f"{uv}:{os.environ['PATH']}"}, timeout=4 * TIMEOUT)
    assert result.code == 0, result
    synced = gantry("sync", "airbyte-source-hardcoded-records?count=5", "sqlite:out.db", "--json")
    assert synced.code == 0, synced
    streams = json.loads(synced.stdout)["streams"]
    assert len(streams) >= 3
    with sqlite3.connect("out.db") as database:
        for s in streams:
            assert s["records_committed"] == 5
            assert database.execute(f'SELECT count(*) FROM "{s["name"]}"').fetchone() == (5,)
