# SPDX-License-Identifier: LGPL-2.1-or-later
"""For tests of connectors in images: the images, made of what this host has, since no registry can be reached."""

import hashlib
import io
import json
import pathlib
import shutil
import subprocess
import sysconfig
import tarfile
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


def member(name, kind=tarfile.REGTYPE, link="", content=b"", mode=0o755, **more):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def layer(members):
    """A layer made of TarInfos with their bytes: what no tar program would write."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def import_image(name, members, *changes):
    """An image of one such layer. (exit code, words)."""
    options = [part for change in changes for part in ("--change", change)]
    done = subprocess.run(["podman", "import", "--quiet", *options, "-", name], input=layer(members), capture_output=True, check=False)
    return done.returncode, done.stderr.decode(errors="replace")


def connector():
    return member("connector", content=pathlib.Path("/mnt/build/tests/tools/image-connector").read_bytes())


OCI = "application/vnd.oci.image."


class Layout:
    """An image as OCI lays it out, made by hand: each part can lie about the next."""

    def __init__(self):
        self.blobs = {}

    def add(self, content, kind, digest=None, **more):
        """Puts a blob there; its descriptor. `digest`: what it is called though it isn't that."""
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        digest = digest or "sha256:" + hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return {"mediaType": OCI + kind, "digest": digest, "size": len(content), **more}

    def image(self, layers=None, config=None, annotations=None, diff_ids=None):
        """`layers`: (bytes as they travel, suffix of their type)."""
        layers = layers or [(layer([connector()]), "tar")]
        diff_ids = diff_ids or ["sha256:" + hashlib.sha256(data).hexdigest() for data, _ in layers]
        made = self.add({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids},
                         "config": {"Entrypoint": ["/connector"], **(config or {})}}, "config.v1+json")
        return self.add({"schemaVersion": 2, "config": made, "annotations": annotations or {},
                         "layers": [self.add(data, f"layer.v1.{kind}") for data, kind in layers]}, "manifest.v1+json")

    def index(self, *entries, digest=None):
        return self.add({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": list(entries)}, "index.v1+json", digest)

    def load(self, entry, name, options=(), timeout=600):
        """As an administrator brings it. (exit code, words)."""
        entry = dict(entry, annotations={"org.opencontainers.image.ref.name": name})
        files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()}
        files |= {"blobs/" + digest.replace(":", "/"): content for digest, content in self.blobs.items()}
        with tempfile.NamedTemporaryFile(dir="/var/tmp", suffix=".tar") as archive:
            with tarfile.open(archive.name, "w") as tar:
                for path, content in files.items():
                    info = tarfile.TarInfo(path)
                    info.size, info.mode = len(content), 0o644
                    tar.addfile(info, io.BytesIO(content))
            done = subprocess.run(["podman", *options, "load", "--quiet", "--input", archive.name], capture_output=True, check=False,
                                  timeout=timeout)
        return done.returncode, done.stderr.decode(errors="replace")


def zstd_zeros(head, zeros):
    """A zstd frame (RFC 8878) of `head` and then zeros by the 128 KiB, four bytes each."""
    def block(last, kind, size, data):
        return (last | kind << 1 | size << 3).to_bytes(3, "little") + data
    each = 128 << 10
    return b"\x28\xb5\x2f\xfd\x00\x38" + block(0, 0, len(head), head) + block(0, 1, each, b"\0") * (zeros // each) + block(1, 0, 0, b"")
