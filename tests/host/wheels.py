# SPDX-License-Identifier: LGPL-2.1-or-later
"""For host tests that install connectors: an index of Python packages and a registry of npm ones, of what the machine fetched before and
of packages made here."""

import html
import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, "/mnt/tests/scenario")
import packages  # noqa: E402
import suite  # noqa: E402

STORE = pathlib.Path("/var/lib/gantry-connectors")
STAGING = STORE / ".staging"
INDEX = pathlib.Path("/srv/index")
URL = "http://127.0.0.1:8098/simple/"
REGISTRY = pathlib.Path("/srv/registry")
NPM_URL = "http://127.0.0.1:8097/"

# What each of these does while its package is built, as the user gantry-install, in the sandbox of an installation.
HARMLESS_SETUP = '''
import json, pathlib, tempfile
def setup(files):
    wrote, read = [], []
    for name, path in (("tmp", tempfile.gettempdir() + "/x"), ("usr", "/usr/local/bin/x"), ("etc", "/etc/x"), ("database", "/var/lib/gantry/x"),
                       ("srv", "/srv/gantry/x"), ("cron", "/etc/cron.d/x")):
        try:
            pathlib.Path(path).write_text("x")
            wrote.append(name)
        except OSError:
            pass
    for path in ("/etc/shadow", "/etc/gantry/gantry.conf", "/var/lib/gantry/gantry.db", "/root", "/etc/machine-id", "/run/gantry/workload.sock", "/var/lib/gantry-connectors/pypi/airbyte-source-tiny"):
        try:
            os.listdir(path) if os.path.isdir(path) else open(path).close()
            read.append(path)
        except OSError:
            pass
    place = next(p for p in files if p.endswith("/__init__.py")).rsplit("/", 1)[0]
    files[place + "/built.json"] = json.dumps({"uid": os.getuid(), "wrote": wrote, "read": read})
'''
PLACE = '''
import pathlib
def place(files):
    name, version = next(p for p in files if p.endswith("/METADATA")).split(".dist-info")[0].split("-")
    return pathlib.Path("/var/lib/gantry-connectors/pypi") / name.replace("_", "-") / version
'''
FIFO_SETUP = PLACE + '''
def setup(files):
    os.mkfifo(place(files) / "pipe")
'''
# The directory of the version becomes a link to another one.
LINK_SETUP = PLACE + '''
def setup(files):
    elsewhere = place(files).parent / "elsewhere"
    place(files).rename(elsewhere)
    place(files).symlink_to(elsewhere)
'''
# Goes on when it is told to.
SLOW_SETUP = '''
import pathlib, time
def setup(files):
    where = pathlib.Path("/var/cache/gantry-install/tmp")
    (where / "slow-began").touch()
    while not (where / "slow-end").exists():
        time.sleep(0.02)
'''


def link_all(fetched, index):
    """An index of our own with what was fetched."""
    (index / "files").mkdir(parents=True)
    for file in (pathlib.Path(fetched) / "files").iterdir():
        (index / "files" / file.name).symlink_to(file)
    for page in (pathlib.Path(fetched) / "simple").glob("*/index.html"):
        copy = index / "simple" / page.parent.name / "index.html"
        copy.parent.mkdir(parents=True)
        copy.write_text(page.read_text())


def publish(index, name, file):
    page = index / "simple" / name / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    with page.open("a") as out:
        out.write(f'<a href="../../files/{html.escape(file.name)}">{html.escape(file.name)}</a>\n')


def add(index, name, version, scripts, requires=()):
    publish(index, name, packages.make_wheel(index / "files", name, version, scripts, requires))


def add_sdist(index, name, version, scripts, setup):
    publish(index, name, packages.make_sdist(index / "files", name, version, scripts, setup))


def set_up(uv=True):
    """The index: what the machine fetched before, to which the caller adds; uv for whoever installs; gantry.conf."""
    link_all("/mnt/wheels", INDEX)
    if uv:
        shutil.copy("/mnt/wheels/bin/uv", "/usr/local/bin/uv")
    serve()
    configure(f"IndexUrl={URL}")


def serve():
    suite.out("systemctl", "reset-failed", "wheel-index.service", check=False)
    suite.out("systemd-run", "--quiet", "--unit=wheel-index", f"--working-directory={INDEX}", "--",
              "python3", "-m", "http.server", "--bind", "127.0.0.1", "8098")
    suite.until(lambda: suite.code("curl", "-sf", URL) == 0, "the index")


def set_up_npm():
    """Node and npm as an administrator would have put them there; a registry; gantry.conf."""
    where = pathlib.Path("/usr/local/lib/nodejs")
    shutil.copytree("/mnt/node", where)
    pathlib.Path("/usr/local/bin/node").symlink_to(where / "bin/node")
    pathlib.Path("/usr/local/bin/npm").symlink_to(where / "lib/node_modules/npm/bin/npm-cli.js")
    (REGISTRY / "-").mkdir(parents=True)
    for file in (where / "npm").glob("*.tgz"):
        shutil.copy(file, REGISTRY / "-" / file.name)
        publish_npm(REGISTRY / "-" / file.name)
    add_npm("tiny-words", "1.0.0", {"index.js": 'module.exports = "words";\n'}, main="index.js")
    for version in ("0.3.1", "0.4.0"):
        add_npm("@tiny/source-node", version, {"bin/main.js": packages.NODE_SOURCE}, bin={"source-node": "bin/main.js"},
                dependencies={"tiny-words": "1.0.0"}, scripts={k: "touch ran-a-script" for k in ("preinstall", "install", "postinstall")})
    add_npm("no-program", "1.0.0", {"index.js": ""}, main="index.js")
    add_npm("outside", "1.0.0", {"index.js": ""}, bin={"source-outside": "../../../../../../usr/bin/id"})
    serve_npm()
    configure(f"NpmRegistryUrl={NPM_URL}")


def add_npm(name, version, files, **more):
    publish_npm(packages.make_npm(REGISTRY / "-" / f"{name.rpartition('/')[2]}-{version}.tgz", name, version, files, **more))


def publish_npm(file):
    """One more version of a package: the newest."""
    version = packages.npm_version(file, f"{NPM_URL}-/{file.name}")
    page = REGISTRY / version["name"]
    page.parent.mkdir(exist_ok=True)
    package = json.loads(page.read_text()) if page.exists() else {"name": version["name"], "versions": {}}
    package["versions"][version["version"]] = version
    page.write_text(json.dumps(package | {"dist-tags": {"latest": version["version"]}}))


def spoil_npm(name, version):
    """The file is another one than the registry says."""
    file = REGISTRY / "-" / f"{name.rpartition('/')[2]}-{version}.tgz"
    packages.make_npm(file, name, version, {"bin/main.js": "#!/bin/sh\n"}, bin={"source-node": "bin/main.js"})


def serve_npm():
    suite.out("systemctl", "reset-failed", "npm-registry.service", check=False)
    suite.out("systemd-run", "--quiet", "--unit=npm-registry", f"--working-directory={REGISTRY}", "--",
              "python3", "-m", "http.server", "--bind", "127.0.0.1", "8097")
    suite.until(lambda: suite.code("curl", "-sf", f"{NPM_URL}tiny-words") == 0, "the registry")


def configure(*lines):
    pathlib.Path("/etc/gantry/gantry.conf").write_text("[Connectors]\n" + "\n".join(lines) + "\n")
    # Who reads it once has to read it again.
    suite.out("systemctl", "stop", "gantry-launcher.service")


def install(reference, check=True):
    done = subprocess.run(["gantryctl", "connector", "install", reference], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    assert not check or done.returncode == 0, f"{reference}: exit {done.returncode}\n{done.stdout}\n{journal()}"
    return done.stdout if check else (done.returncode, done.stdout)


def journal():
    return suite.out("journalctl", "--no-pager", "-o", "cat", "-n", "60", check=False)


def alone(reference, config, streams=None):
    """What the connector prints by itself, without the suite: records by stream."""
    where = pathlib.Path("/run/alone")
    where.mkdir(exist_ok=True)
    (where / "config").write_text(json.dumps(config))

    def run(*arguments):
        environment = dict(os.environ, GANTRY_CONNECTOR_DIR=str(STORE))
        done = subprocess.run(["gantry", *arguments, "--config", where / "config"], stdout=subprocess.PIPE, check=True, env=environment)
        return [json.loads(line) for line in done.stdout.splitlines()]

    catalog = next(m["catalog"] for m in run("discover", reference) if m["type"] == "CATALOG")
    chosen = [s for s in catalog["streams"] if streams is None or s["name"] in streams]
    (where / "catalog").write_text(json.dumps({"streams": [
        {"stream": s, "sync_mode": "full_refresh", "destination_sync_mode": "append"} for s in chosen]}))
    found = {s["name"]: [] for s in chosen}
    for message in run("read", reference, "--catalog", str(where / "catalog")):
        if message["type"] == "RECORD":
            found[message["record"]["stream"]].append(message["record"]["data"])
    return found


def norm(value):
    """A value as SQLite has it."""
    if isinstance(value, bool):
        return int(value)
    return json.dumps(value, sort_keys=True) if isinstance(value, (dict, list)) else value


def comparable(record, skip):
    return tuple(sorted((k, norm(v)) for k, v in record.items() if k not in skip and v is not None))


def stored(path, table, columns):
    names = [row[1] for row in suite.rows(path, f'PRAGMA table_info("{table}")')]
    kept = [n for n in names if n in columns]
    quoted = ", ".join(f'"{n}"' for n in kept)
    rows = suite.rows(path, f'SELECT {quoted} FROM "{table}"')
    return [{n: json.dumps(json.loads(v), sort_keys=True) if isinstance(v, str) and v[:1] in "{[" else v
             for n, v in zip(kept, row)} for row in rows]


def check_moved(path, wanted, skip=frozenset()):
    for table, records in wanted.items():
        columns = {k for r in records for k in r}
        found = stored(path, table, columns)
        assert len(found) == len(records), f"{table}: {len(found)} rows for {len(records)} records"
        assert sorted(comparable(r, skip) for r in found) == sorted(comparable(r, skip) for r in records), table
        for column in columns & skip:
            assert sum(r.get(column) is not None for r in found) == sum(r.get(column) is not None for r in records), column
