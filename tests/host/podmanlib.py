# SPDX-License-Identifier: LGPL-2.1-or-later
"""For tests of connectors in images: the images, made of what this host has, since no registry can be reached."""

import json
import pathlib
import shutil
import subprocess
import sysconfig
import tempfile

STATIC = "localhost/static-connector:1"
PYTHON = "localhost/python-connector:1"
HOSTILE = "localhost/hostile:1"


def podman(*arguments, check=True):
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"podman {' '.join(arguments)}: {done.returncode}\n{done.stderr}")
    return done.stdout.strip()


def make_image(name, root, *changes):
    """An image of one layer out of a directory."""
    options = [part for change in changes for part in ("--change", change)]
    with subprocess.Popen(["tar", "-C", root, "--owner=0", "--group=0", "-cf", "-", "."], stdout=subprocess.PIPE) as tar:
        subprocess.run(["podman", "import", "--quiet", *options, "-", name], stdin=tar.stdout, capture_output=True, check=True)
        tar.stdout.close()
        if tar.wait() != 0:
            raise RuntimeError(f"tar: {tar.returncode}")


def make_static():
    """An image with one static program and nothing else."""
    with tempfile.TemporaryDirectory() as root:
        shutil.copy("/mnt/build/tests/tools/image-connector", f"{root}/connector")
        make_image(STATIC, root, 'ENTRYPOINT ["/connector"]')


def copy(root, path):
    to = pathlib.Path(root + str(path))
    to.parent.mkdir(parents=True, exist_ok=True)
    if not to.exists():
        shutil.copy2(path, to)


def libraries(program):
    shown = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return [word for line in shown.splitlines() for word in line.split() if word.startswith("/")]


def make_python(name, program, inside="/connector", more=(), user=None):
    """An image with this host's Python and no shell, and `program` as its entry point, run by a user as many images are.
    `more`: pairs of files of the host and their places."""
    library = pathlib.Path(sysconfig.get_path("stdlib"))
    with tempfile.TemporaryDirectory() as root:
        for place in ("bin", "lib", "lib64", "usr/bin", "etc", "tmp"):
            pathlib.Path(root, place).mkdir(parents=True, exist_ok=True)
        interpreter = pathlib.Path("/usr/bin/python3").resolve()
        copy(root, interpreter)
        pathlib.Path(root, "usr/bin/python3").symlink_to(interpreter.name)
        shutil.copytree(library, root + str(library), symlinks=True,
                        ignore=shutil.ignore_patterns("__pycache__", "test", "ensurepip", "dist-packages", "config-*"))
        for path in [interpreter, *sorted((library / "lib-dynload").glob("*.so"))]:
            for needed in libraries(path):
                copy(root, needed)
        for path, place in [(program, inside), *more]:
            pathlib.Path(root + place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root + place)
            pathlib.Path(root + place).chmod(0o755)
        pathlib.Path(root, "etc/passwd").write_text("root:x:0:0::/:/bin/false\nairbyte:x:1000:1000::/:/bin/false\n", encoding="utf-8")
        make_image(name, root, 'ENTRYPOINT ["python3", "%s"]' % inside, "ENV PATH=/usr/bin", *([f"USER {user}"] if user else []))


def containers():
    """What podman knows of containers, ours or not."""
    return [line for line in podman("ps", "--all", "--format", "{{.Names}}").splitlines() if line]


def inspect(name):
    return json.loads(podman("inspect", name))
