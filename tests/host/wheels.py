# SPDX-License-Identifier: LGPL-2.1-or-later
"""For host tests that install Python connectors: an index of what the machine fetched before and of packages made here."""

import html
import pathlib
import sys

sys.path.insert(0, "/mnt/tests/scenario")
import packages  # noqa: E402

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


def add(index, name, version, scripts):
    publish(index, name, packages.make_wheel(index / "files", name, version, scripts))


def add_sdist(index, name, version, scripts, setup):
    publish(index, name, packages.make_sdist(index / "files", name, version, scripts, setup))
