#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=2400
"""T20-T23: hostile images. What an image is made of harms the host neither when it is brought nor when it runs; each attack has a
control that shows what it would do."""

import contextlib
import gzip
import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import threading
import time

sys.path.insert(0, "/mnt/tests/host")
from launchlib import *  # noqa: E402, F403
import podmanlib  # noqa: E402
from podmanlib import connector, import_image, member, podman  # noqa: E402

VICTIM = pathlib.Path("/srv/victim")
CONNECTOR = pathlib.Path("/mnt/build/tests/tools/image-connector")
PRELOADED = pathlib.Path("/mnt/build/tests/tools/preloaded.so")
HOOK = pathlib.Path("/usr/lib/gantry/gantry-container-hooks/container-check.json")
PROGRAMS = ("/usr/bin/podman", "/usr/bin/crun", "/usr/bin/conmon", "/usr/lib/gantry/gantry-shim", "/usr/lib/gantry/gantry-container-init",
            "/usr/lib/gantry/gantry-container-check")


def check_of(lab, image, **configuration):
    return lab.oneshot("check", actor(f"image:{image}", "source", configuration, "podman"))


def tree(path):
    """Everything below, with what could be changed of it."""
    return {str(p): (p.lstat().st_mode, p.lstat().st_uid, p.lstat().st_size) for p in sorted(path.rglob("*"))}


def fresh_victim():
    run("rm", "-rf", VICTIM)
    VICTIM.mkdir(mode=0o777)
    VICTIM.chmod(0o777)
    (VICTIM / "file").write_text("mine", encoding="utf-8")
    return tree(VICTIM)


def test_T20_paths_that_lead_out(lab):
    """WORKDIR, VOLUME and entry point behind links to the host's places."""
    before = fresh_victim()
    (VICTIM / "made").mkdir()
    require(tree(VICTIM) != before, "control: a change is not seen")
    (VICTIM / "made").rmdir()
    link = member("out", tarfile.SYMTYPE, str(VICTIM))
    up = member("up", tarfile.SYMTYPE, "../../../../../../../../srv/victim")
    for number, changes in enumerate((['WORKDIR /out/made'], ['WORKDIR /up/made/deeper'], ['VOLUME /out'], ['VOLUME /up/made'],
                                      ['WORKDIR /out/made', 'VOLUME /out/made'])):
        name = f"localhost/links:{number}"
        code, words = import_image(name, [link, up, connector()], 'ENTRYPOINT ["/connector"]', *changes)
        require(code == 0, words)
        workload = check_of(lab, name)
        require(workload["status"] in ("success", "failure"), f"{workload}")
        require(tree(VICTIM) == before, f"{changes}: {tree(VICTIM)}")
        wait_gone()
        require(not podmanlib.containers() and not podman("volume", "ls", "--quiet"), f"{changes}: left over")
    # An entry point that is a link to a program of the host's finds the container's, or nothing.
    code, words = import_image("localhost/links:entry", [member("go", tarfile.SYMTYPE, "/usr/bin/touch"), connector()],
                               f'ENTRYPOINT ["/go", "{VICTIM}/touched"]')
    require(code == 0, words)
    workload = check_of(lab, "localhost/links:entry")
    require(workload["status"] == "failure" and tree(VICTIM) == before, f"{workload}")


# Where containers of ours get something of their own.
PLACES = ("dev", "dev/pts", "dev/shm", "dev/mqueue", "etc", "etc/hosts", "etc/hostname", "etc/resolv.conf", "home", "proc", "run", "run/gantry",
          "sys", "tmp", "var", "var/tmp")
# … of which these are found by podman itself, inside the image: it puts the mount where the link leads there.
FOLLOWED = ("tmp", "var", "var/tmp")


def by_hand(name, *options):
    """As anybody runs it, with the same user namespace."""
    return subprocess.run(["podman", "run", "--rm", "--pull=never", "--network=none", "--uidmap=0:2147549184:65536",
                           "--gidmap=0:2147549184:65536", "--read-only", *options, name, "spec"], capture_output=True, text=True, check=False)


def test_T20_places_of_mounts_that_lead_out(lab):
    """crun 1.8 follows a "/dev" that is a link, and makes files where everybody may write. No image is run that has a link, a pipe
    or a device where its container gets a mount."""
    before = fresh_victim()
    code, words = import_image("localhost/places:dev", [member("dev", tarfile.SYMTYPE, str(VICTIM)), connector()], 'ENTRYPOINT ["/connector"]')
    require(code == 0, words)
    by_hand("localhost/places:dev")
    # A crun that does better needs no control.
    print(f"   control: crun by itself makes {sorted(set(tree(VICTIM)) - set(before))}", flush=True)
    before = fresh_victim()
    for place in PLACES:
        for target in (str(VICTIM), "../" * 8 + "srv/victim", "nowhere"):
            code, words = import_image("localhost/places:1", [member(place, tarfile.SYMTYPE, target), connector()], 'ENTRYPOINT ["/connector"]')
            require(code == 0, words)
            # With a network there are most of them.
            workload = lab.oneshot("check", actor("image:localhost/places:1", "source", {}, "podman", network="any"))
            require(tree(VICTIM) == before, f"{place} -> {target}: {tree(VICTIM)}")
            # What lies behind a mount of the container's is out of sight; the rest is refused with its name.
            hidden = place.startswith("dev/") or place == "run/gantry" or place in FOLLOWED
            reason = workload.get("failure", {}).get("reason", "")
            # Where there is no /etc for its users, or no /home for its directory, podman says so first.
            told = ("symbolic link" in reason and f"'/{place}'" in reason) or (place in ("etc", "home") and "podman could not start" in reason)
            require(hidden or (workload["status"] == "failure" and told), f"{place}: {workload}")
            require(not hidden or place in FOLLOWED or workload["status"] == "success", f"{place}: {workload}")
    for place, kind in (("etc/hosts", tarfile.FIFOTYPE), ("dev", tarfile.CHRTYPE), ("run", tarfile.FIFOTYPE)):
        code, words = import_image("localhost/places:1", [member(place, kind, devmajor=1, devminor=3), connector()], 'ENTRYPOINT ["/connector"]')
        require(code == 0, words)
        workload = check_of(lab, "localhost/places:1")
        require(workload["status"] == "failure" and "a device, pipe" in workload["failure"]["reason"] and tree(VICTIM) == before,
                f"{place}: {workload}")
    # A volume of the image's is one inside, wherever a link leads to.
    code, words = import_image("localhost/places:1", [member("data", tarfile.SYMTYPE, str(VICTIM)), connector()], 'ENTRYPOINT ["/connector"]',
                               "VOLUME /data/made")
    require(code == 0, words)
    workload = check_of(lab, "localhost/places:1")
    require(tree(VICTIM) == before, f"{workload}")
    # What images do have: the places themselves, empty files, links elsewhere.
    usual = [member(d, tarfile.DIRTYPE) for d in ("dev", "proc", "sys", "run", "tmp", "etc", "var", "var/tmp", "home")]
    usual += [member("etc/hosts"), member("etc/resolv.conf"), member("etc/mtab", tarfile.SYMTYPE, "/proc/mounts"),
              member("var/run", tarfile.SYMTYPE, "/run"), member("bin", tarfile.SYMTYPE, "usr/bin"), connector()]
    code, words = import_image("localhost/places:1", usual, 'ENTRYPOINT ["/connector"]')
    require(code == 0 and check_of(lab, "localhost/places:1")["status"] == "success", "a usual image")
    wait_gone()


def test_T20_nothing_runs_that_was_not_looked_at(lab):
    """podman takes hooks that aren't there for none."""
    podmanlib.make_static()
    require(check_of(lab, podmanlib.STATIC)["status"] == "success", "control")
    away = HOOK.with_suffix(".away")
    HOOK.rename(away)
    try:
        workload = check_of(lab, podmanlib.STATIC)
    finally:
        away.rename(HOOK)
    require(workload["status"] == "failure" and str(HOOK) in workload["failure"]["reason"], f"{workload}")


def test_T20_many_entries(lab):
    """A layer of more names than the store's file system has room for ends where that does; one that fits runs as any other.
    100,000 names; 10^6 with GANTRY_TEST_FULL=1."""
    before = fresh_victim()
    with small_store("nr_inodes=4000") as options:
        many = podmanlib.Layout()
        entry = many.image([(podmanlib.layer([member(f"many/{i}") for i in range(20_000)]), "tar")])
        code, words = many.load(entry, "localhost/many:1", options)
        require(code != 0 and "no space left" in words, f"{code} {words}")
        require(not podman(*options, "images", "--quiet"), "an image of half a layer")
        one = podmanlib.Layout()
        require(one.load(one.image(), "localhost/one:1", options)[0] == 0, "the store is of no more use")
    count = 1_000_000 if os.environ.get("GANTRY_TEST_FULL") else 100_000
    begun = time.monotonic()
    code, words = import_image("localhost/many:1", [member(f"many/{i}") for i in range(count)] + [connector()], 'ENTRYPOINT ["/connector"]')
    require(code == 0, words)
    print(f"   {count} entries came in {time.monotonic() - begun:.1f} s", flush=True)
    begun = time.monotonic()
    require(check_of(lab, "localhost/many:1")["status"] == "success" and tree(VICTIM) == before, "many entries")
    print(f"   and ran in {time.monotonic() - begun:.1f} s", flush=True)
    podman("rmi", "--force", "localhost/many:1")


def test_T20_full_places_are_the_containers_memory(lab):
    """crun copies what an image has in places that become memory: up to their size, and the connector's limit of memory."""
    tight = {"limits": {"memoryMax": 64 << 20, "tasksMax": 32}}
    for number, (place, changes, size) in enumerate((("data", ("VOLUME /data",), 4 << 20), ("data", ("VOLUME /data",), 80 << 20),
                                                     ("run/gantry", (), 80 << 20), ("tmp", (), 80 << 20))):
        name = f"localhost/full:{number}"
        code, words = import_image(name, [member(f"{place}/{i}", content=bytes(1 << 20)) for i in range(size >> 20)] + [connector()],
                                   'ENTRYPOINT ["/connector"]', *changes)
        require(code == 0, words)
        workload = lab.oneshot("check", dict(actor(f"image:{name}", "source", {}, "podman"), **tight))
        print(f"   {place}: {workload['status']}: {workload.get('failure', {}).get('reason')}", flush=True)
        # The first is the control.
        require(workload["status"] == ("failure" if number else "success"), f"{workload}")
        wait_gone()
        require(not podmanlib.containers(), "left over")
        podman("rmi", "--force", name)
    require(check_of(lab, podmanlib.STATIC)["status"] == "success", "afterwards")


def test_T20_layers_that_lead_out(lab):
    """Members of a layer with "..", absolute ones, links through which others go, devices, set-user-id, one name twice."""
    before = fresh_victim()
    device = member("disk", tarfile.BLKTYPE, mode=0o666, devmajor=254, devminor=0)
    for number, members in enumerate((
            [member("../../../../../../../../srv/victim/up", content=b"x")],
            [member("/srv/victim/absolute", content=b"x")],
            [member("door", tarfile.SYMTYPE, "/srv/victim"), member("door/through", content=b"x")],
            [member("door", tarfile.SYMTYPE, "../../../../../../../../../srv/victim"), member("door/through", content=b"x")],
            [member("hard", tarfile.LNKTYPE, "/srv/victim/file"), member("hard", content=b"overwritten")],
            [member("hard", tarfile.LNKTYPE, "../../../../../../../../srv/victim/file")],
            [member("door", tarfile.SYMTYPE, "/srv/victim"), member("door/.wh.file")],
            [member("door", tarfile.SYMTYPE, "/srv/victim"), member("door/.wh..wh..opq")],
            [member("connector", tarfile.DIRTYPE), member("connector", tarfile.SYMTYPE, str(VICTIM / "file")), connector()],
            [member("connector", tarfile.SYMTYPE, str(VICTIM / "file")), member("connector", tarfile.LNKTYPE, "connector"), connector()],
            [device, member("suid", content=CONNECTOR.read_bytes(), mode=0o6755), connector(), connector()])):
        name = f"localhost/layers:{number}"
        code, _ = import_image(name, [*members, connector()], 'ENTRYPOINT ["/connector"]')
        require(tree(VICTIM) == before, f"{number}: changed when it was brought: {tree(VICTIM)}")
        if code == 0:
            workload = check_of(lab, name)
            require(workload["status"] in ("success", "failure"), f"{workload}")
            require(tree(VICTIM) == before, f"{number}: changed when it ran: {tree(VICTIM)}")
    # Of the last, devices and set-user-id files are there and of no use.
    code, words = import_image("localhost/layers:suid", [device, connector(),
                                                         member("suid", content=CONNECTOR.read_bytes(), mode=0o6755)],
                               'ENTRYPOINT ["/suid"]', "USER 1000")
    require(code == 0, words)
    require(check_of(lab, "localhost/layers:suid")["status"] == "success", "control: it does run")


class Registry(http.server.BaseHTTPRequestHandler):
    asked = []

    def do_GET(self):
        self.asked.append(self.path)
        self.send_error(404)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_T21_nothing_is_pulled(lab):
    """An image that isn't here is not asked for anywhere, whatever its name says."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = f"127.0.0.1:{server.server_port}/evil/image:1"
    workload = check_of(lab, name)
    require(workload["status"] == "failure" and "podman pull" in workload["failure"]["reason"], f"{workload}")
    require(not Registry.asked, f"asked: {Registry.asked}")
    subprocess.run(["podman", "pull", "--quiet", "--tls-verify=false", name], capture_output=True, check=False, timeout=PATIENCE)
    require(Registry.asked, "control: nobody would have been asked")
    server.shutdown()


def test_T21_a_moved_tag_is_not_what_a_digest_names(lab):
    """A reference by image id or digest goes on meaning the same image when its tag is given to another; one with tag and digest is
    refused then, and says so."""
    podmanlib.make_static()
    repository = podmanlib.STATIC.rsplit(":", 1)[0]
    first, digest = podman("image", "inspect", "--format", "{{.Id}} {{.Digest}}", podmanlib.STATIC).split()
    others = "sha256:" + "0" * 64
    require(check_of(lab, first)["status"] == "success", "by id")
    require(check_of(lab, f"{repository}@{digest}")["status"] == "success", "by digest")
    require(check_of(lab, f"{podmanlib.STATIC}@{digest}")["status"] == "success", "by tag and digest")
    for reference in (f"{podmanlib.STATIC}@{others}", f"{repository}@{others}"):
        workload = check_of(lab, reference)
        require(workload["status"] == "failure" and others in workload["failure"]["reason"], f"{workload}")
    code, words = import_image("localhost/other:1", [connector()], 'ENTRYPOINT ["/connector", "no-such-verb"]')
    require(code == 0, words)
    podman("tag", "localhost/other:1", podmanlib.STATIC)
    second = podman("image", "inspect", "--format", "{{.Digest}}", podmanlib.STATIC)
    require(check_of(lab, podmanlib.STATIC)["status"] == "failure", "control: the tag has moved")
    require(check_of(lab, first)["status"] == "success", "by id, after the tag has moved")
    workload = check_of(lab, f"{podmanlib.STATIC}@{digest}")
    reason = workload.get("failure", {}).get("reason", "")
    require(workload["status"] == "failure" and all(w in reason for w in (podmanlib.STATIC, digest, second, "given to another")), f"{workload}")
    for reference in ("localhost/x@sha256:abc", "localhost/x:1@latest"):
        workload = check_of(lab, reference)
        require(workload["status"] == "failure" and "no digest" in workload["failure"]["reason"], f"{workload}")
    podmanlib.make_static()


@contextlib.contextmanager
def small_store(size):
    """podman with a store of its own that is soon full."""
    place = pathlib.Path("/run/small-store")
    place.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", size, "store", place)
    try:
        yield ("--root", str(place / "root"), "--runroot", str(place / "run"))
    finally:
        subprocess.run(["umount", "--recursive", place / "root/overlay"], capture_output=True, check=False)
        run("umount", "--lazy", place)


def bombs(size):
    """Layers of a few KB that are one file of zeros."""
    info = tarfile.TarInfo("zeros")
    info.size = size
    head = info.tobuf()
    plain = hashlib.sha256(head)
    for _ in range(size >> 20):
        plain.update(bytes(1 << 20))
    # The frame ends with 128 KiB of zeros more: the end of the archive.
    gzipped, zstd = gzip.compress(head + bytes(size) + bytes(128 << 10)), podmanlib.zstd_zeros(head, size + (128 << 10))
    plain.update(bytes(128 << 10))
    require(len(gzipped) < size >> 8 and len(zstd) < size >> 8, "no bombs")
    return "sha256:" + plain.hexdigest(), ((gzipped, "tar+gzip"), (zstd, "tar+zstd"))


def test_T21_bombs(lab):
    """podman unpacks all of a layer when somebody brings the image: what bounds it is the store's file system. Gantry reads no layer,
    and an image with such a file runs as any other."""
    size = 256 << 20
    diff_id, layers = bombs(size)
    first = podmanlib.layer([connector()])
    both = ["sha256:" + hashlib.sha256(first).hexdigest(), diff_id]
    for data, kind in layers:
        images = podman("images", "--quiet", "--all")
        with small_store("size=64m") as options:
            bomb = podmanlib.Layout()
            code, words = bomb.load(bomb.image([(first, "tar"), (data, kind)], diff_ids=both), "localhost/bomb:1", options)
            require(code != 0 and "no space left" in words, f"{kind}: {code} {words}")
            require(not podman(*options, "images", "--quiet"), f"{kind}: an image of half a layer")
            one = podmanlib.Layout()
            code, words = one.load(one.image(), "localhost/one:1", options)
            require(code == 0, f"{kind}: the store is of no more use: {words}")
        require(podman("images", "--quiet", "--all") == images, f"{kind}: the host's own store has changed")
        bomb = podmanlib.Layout()
        code, words = bomb.load(bomb.image([(first, "tar"), (data, kind)], diff_ids=both), "localhost/bomb:1")
        require(code == 0, f"{kind}: {words}")
        grown = int(podman("image", "inspect", "--format", "{{.Size}}", "localhost/bomb:1"))
        require(grown >= size, f"control: {kind} came to {grown} bytes")
        digest = podman("image", "inspect", "--format", "{{.Digest}}", "localhost/bomb:1")
        require(check_of(lab, f"localhost/bomb:1@{digest}")["status"] == "success", f"{kind}: does not run")
        podman("rmi", "--force", "localhost/bomb:1")
    wait_gone()


def test_T21_manifests(lab):
    """Lists that lead to themselves or to many others, manifests of 100 MB, and parts that aren't what they are called."""
    good = podmanlib.Layout()
    entry = good.image()
    require(good.load(good.index(entry), "localhost/manifest:good")[0] == 0, "control")
    require(check_of(lab, "localhost/manifest:good")["status"] == "success", "control")
    platform = {"platform": {"architecture": "amd64", "os": "linux"}}
    tries = {}
    loop = podmanlib.Layout()
    itself = "sha256:" + "1" * 64
    tries["a list that names itself"] = loop, loop.index({"mediaType": podmanlib.OCI + "index.v1+json", "digest": itself, "size": 300, **platform},
                                                         digest=itself)
    deep = podmanlib.Layout()
    chain = dict(deep.image(), **platform)
    for _ in range(500):
        chain = dict(deep.index(chain), **platform)
    tries["lists in lists"] = deep, chain
    # A layer that is known already is not read again.
    fresh = podmanlib.layer([connector(), member("fresh", content=os.urandom(16))])
    wrong = podmanlib.Layout()
    entry = wrong.image([(fresh, "tar")])
    blob = next(d for d, content in wrong.blobs.items() if content[:9] == b"connector")
    wrong.blobs[blob] = wrong.blobs[blob].replace(b"ELF", b"FLE", 1)
    tries["a layer that isn't what its digest says"] = wrong, entry
    config = podmanlib.Layout()
    entry = config.image()
    blob = next(d for d, content in config.blobs.items() if b"Entrypoint" in content)
    config.blobs[blob] = config.blobs[blob].replace(b"/connector", b"/connectos")
    tries["a configuration that isn't"] = config, entry
    manifest = podmanlib.Layout()
    entry = manifest.image([(podmanlib.layer([connector(), member("other", content=os.urandom(16))]), "tar")])
    manifest.blobs[entry["digest"]] = manifest.blobs[entry["digest"]].replace(b'"schemaVersion"', b' "schemaVersion"', 1)
    # podman takes that, and calls it what it is.
    podman("rmi", "--force", "localhost/manifest:other", check=False)
    code, words = manifest.load(entry, "localhost/manifest:other")
    require(code == 0, words)
    digest = podman("image", "inspect", "--format", "{{.Digest}}", "localhost/manifest:other")
    require(digest != entry["digest"], "control")
    require(digest == "sha256:" + hashlib.sha256(manifest.blobs[entry["digest"]]).hexdigest() != entry["digest"], digest)
    require(check_of(lab, f"localhost/manifest:other@{digest}")["status"] == "success", "control")
    workload = check_of(lab, f"localhost/manifest:other@{entry['digest']}")
    require(workload["status"] == "failure" and "held to" in workload["failure"]["reason"], f"{workload}")
    for number, (what, (layout, entry)) in enumerate(tries.items()):
        podman("rmi", "--force", f"localhost/manifest:{number}", check=False)
        start = time.monotonic()
        code, words = layout.load(entry, f"localhost/manifest:{number}")
        print(f"   {what}: {code} after {time.monotonic() - start:.1f} s: {words.strip()[-160:]}", flush=True)
        require(code != 0, f"{what} is taken")
        require(check_of(lab, f"localhost/manifest:{number}")["status"] == "failure", f"{what}: runs")
    huge = podmanlib.Layout()
    start = time.monotonic()
    code, words = huge.load(huge.image([(podmanlib.layer([connector(), member("huge", content=os.urandom(16))]), "tar")],
                                           annotations={"x": "x" * (100 << 20)}), "localhost/manifest:huge")
    print(f"   a manifest of 100 MB: {code} after {time.monotonic() - start:.1f} s: {words.strip()[-160:]}", flush=True)
    if code == 0:
        # podman takes it from a file, and reads all of it each time: in a unit it meets the unit's limit of memory, and nobody else's.
        digest = podman("image", "inspect", "--format", "{{.Digest}}", "localhost/manifest:huge")
        for reference in ("localhost/manifest:huge", f"localhost/manifest:huge@{digest}"):
            start = time.monotonic()
            workload = check_of(lab, reference)
            print(f"   … runs: {workload['status']} after {time.monotonic() - start:.1f} s: {workload.get('failure', {}).get('reason')}", flush=True)
        wait_gone()
        other = check_of(lab, podmanlib.STATIC)
        require(other["status"] == "success", f"others suffer: {other}")
        podman("rmi", "--force", "localhost/manifest:huge")
    wait_gone()


def test_T22_words_are_no_commands(lab):
    """Entry points, arguments and environment with what a shell or a loader would act upon."""
    before = fresh_victim()
    touch = f"touch {VICTIM}/made"
    subprocess.run(["sh", "-c", touch], check=True)
    require(tree(VICTIM) != before, "control")
    (VICTIM / "made").unlink()
    one_word = touch.replace(" ", "${IFS}")
    env = (f"ENV AIRBYTE_ENTRYPOINT=/connector;{one_word}", f"ENV GANTRY_X=$({one_word})", "ENV LD_PRELOAD=/evil.so", "ENV PATH=/evil",
           "ENV BASH_ENV=/evil.sh", "ENV _CONTAINERS_USERNS_CONFIGURED=1", "ENV CONTAINERS_CONF=/evil.conf")
    code, words = import_image("localhost/words:env", [connector(), member("evil.so", content=b"x")], 'ENTRYPOINT ["/connector"]', *env)
    require(code == 0, words)
    require(check_of(lab, "localhost/words:env")["status"] == "success", "with an environment like that it still runs")
    for number, entry in enumerate(([f"/connector; {touch}"], [f"$({touch})"], ["/connector\n/bin/touch /srv/victim/made"],
                                    ["--privileged", "/connector"], ["-v", "/:/host"])):
        name = f"localhost/words:{number}"
        code, words = import_image(name, [connector()], f"ENTRYPOINT {json.dumps(entry)}")
        require(code == 0, words)
        workload = check_of(lab, name)
        require(workload["status"] == "failure", f"{entry}: {workload}")
        require(tree(VICTIM) == before, f"{entry}: {tree(VICTIM)}")
    # Of its arguments each is one, as it stands.
    code, words = import_image("localhost/words:arguments", [connector()], f'ENTRYPOINT ["/connector"]', f"CMD {json.dumps([';', touch])}")
    require(code == 0, words)
    require(check_of(lab, "localhost/words:arguments")["status"] == "success" and tree(VICTIM) == before, "arguments")
    # What a manifest can say and no command line: newlines, and a library for all that is started. Programs of the host's that get
    # such an environment would load it; ours is without an interpreter, and podman keeps its own.
    loud = {"LD_PRELOAD": str(PRELOADED), "LD_LIBRARY_PATH": str(PRELOADED.parent), "LD_BIND_NOW": "1"}
    subprocess.run(["/bin/true"], env=loud, check=True)
    require(tree(VICTIM) != before, "control: the library does nothing")
    (VICTIM / "preloaded").unlink()
    library = [member(str(PRELOADED).lstrip("/"), content=PRELOADED.read_bytes())]
    env = [f"{k}={v}" for k, v in loud.items()] + [f"AIRBYTE_ENTRYPOINT=/connector; {touch}\n{touch}\n", f"GANTRY_X=\n{touch}",
                                                   f"HOME=$({touch})", "_OCI_SYNCPIPE=3", "_CONTAINERS_ROOTLESS_UID=0", "LISTEN_FDS=1"]
    for user, more in (("", []), ("0:0\n1", []), (f"$({touch})", []), ("", ["=", "X", f"=$({touch})"])):
        preload = podmanlib.Layout()
        entry = preload.image([(podmanlib.layer([connector(), *library]), "tar")],
                              {"Env": env + more, "Entrypoint": ["/connector"], "Cmd": ["\n", touch], "Labels": {"x": f"$({touch})\n"}, "User": user,
                               "Healthcheck": {"Test": ["CMD-SHELL", touch], "Interval": 10**9}})
        code, words = preload.load(entry, "localhost/words:preload")
        require(code == 0, words)
        workload = check_of(lab, "localhost/words:preload")
        print(f"   user {user!r} {more}: {workload['status']}: {workload.get('failure', {}).get('reason')}", flush=True)
        require(tree(VICTIM) == before, f"user {user!r}: {tree(VICTIM)}")
        require(user or more or workload["status"] == "success", f"{workload}")
    # A program that does load it can do so inside only.
    dynamic = podman("image", "inspect", "--format", "{{.Id}}", "localhost/runtime:1")
    subprocess.run(["podman", "build", "--quiet", "--pull=never", "--network=none", "--tag", "localhost/words:dynamic", "--file", "-", str(PRELOADED.parent)],
                   input=f"FROM {dynamic}\nCOPY preloaded.so /preloaded.so\nENV LD_PRELOAD=/preloaded.so\n", text=True, capture_output=True, check=True)
    require(check_of(lab, "localhost/words:dynamic")["status"] == "success" and tree(VICTIM) == before, "a program that loads it")
    wait_gone()


def digests():
    return {path: hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() for path in PROGRAMS}


def test_T23_the_programs_of_the_host(lab):
    """The way back through /proc/self/exe, the mounted first process, and what /proc and /sys must not show."""
    before = digests()
    found = lab.oneshot("check", actor("image:localhost/runtime:1", "source", {}, "podman"))
    require(found["status"] == "success", f"{found}")
    found = json.loads(found["output"]["message"])
    outside = json.loads(json.loads(run("/usr/bin/python3", "/mnt/tests/host/runtime-probe.py", "check", "--outside").splitlines()[-1])
                         ["connectionStatus"]["message"])
    require(outside["read /proc/timer_list"] == "ok" and outside["read /proc/keys"] == "ok", f"control: {outside}")
    bad = {k: v for k, v in found.items() if v == "ok"}
    require(not bad, f"inside: {bad}")
    # In the network of the host, /sys is the host's.
    found = lab.oneshot("check", actor("image:localhost/runtime:1", "source", {}, "podman", network="any"))
    require(found["status"] == "success", f"{found}")
    bad = {k: v for k, v in json.loads(found["output"]["message"]).items() if v == "ok"}
    require(not bad, f"inside, with a network: {bad}")
    # By a name that was taken while it ran, a program is written to when it has ended (CVE-2019-5736): by who may.
    require(outside["write later"] == "ok", f"control: {outside}")
    require(digests() == before, "a program of the host was changed")
    for entry in (["/proc/self/exe"], ["/proc/1/exe"], ["/run/podman-init"], ["/proc/self/fd/3"]):
        code, words = import_image("localhost/runtime:entry", [connector()], f"ENTRYPOINT {json.dumps(entry)}")
        require(code == 0, words)
        workload = check_of(lab, "localhost/runtime:entry")
        require(workload["status"] == "failure", f"{entry}: {workload}")
        require(digests() == before, f"{entry}: a program of the host was changed")
    wait_gone()
    require(not podmanlib.containers(), "left over")


def test_T23_a_runtime_of_old(lab):
    """crun says its version at each start; one that is older than what all this was tried on runs nothing."""
    real, away = pathlib.Path("/usr/bin/crun"), pathlib.Path("/usr/bin/crun.away")
    require(check_of(lab, podmanlib.STATIC)["status"] == "success", "control")
    for says, words in (("crun version 1.8", "too old"), ("crun version 0.17", "too old"), ("crun version 1.7.9", "too old"),
                        ("runc version 1.1.5", "does not say"), ("x" * 100_000, "does not say"), ("crun version 1.8.1", None),
                        ("crun version 1.14.4-dirty", None), ("crun version 2.0", None)):
        real.rename(away)
        try:
            real.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && echo '{says}' && exit 0\nexec {away} \"$@\"\n", encoding="utf-8")
            real.chmod(0o755)
            workload = check_of(lab, podmanlib.STATIC)
        finally:
            away.rename(real)
        reason = workload.get("failure", {}).get("reason", "")
        require(workload["status"] == ("failure" if words else "success") and (words or "") in reason, f"{says[:40]}: {workload}")
    require(check_of(lab, podmanlib.STATIC)["status"] == "success", "afterwards")


def set_up():
    podmanlib.make_static()
    podmanlib.make_python("localhost/runtime:1", "/mnt/tests/host/runtime-probe.py")


if __name__ == "__main__":
    set_up()
    run_tests([value for name, value in list(globals().items()) if name.startswith("test_") and callable(value)
               and (len(sys.argv) < 2 or any(word in name for word in sys.argv[1:]))])
