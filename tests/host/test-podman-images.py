#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=900
"""T20-T23: hostile images. What an image is made of harms the host neither when it is brought nor when it runs; each attack has a
control that shows what it would do."""

import hashlib
import http.server
import io
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
from podmanlib import podman  # noqa: E402

VICTIM = pathlib.Path("/srv/victim")
CONNECTOR = "/mnt/build/tests/tools/image-connector"
PROGRAMS = ("/usr/bin/podman", "/usr/bin/crun", "/usr/bin/conmon", "/usr/lib/gantry/gantry-shim", "/usr/lib/gantry/gantry-container-init")


def check_of(lab, image, **configuration):
    return lab.oneshot("check", actor(f"image:{image}", "source", configuration, "podman"))


def tree(path):
    """Everything below, with what could be changed of it."""
    return {str(p): (p.lstat().st_mode, p.lstat().st_uid, p.lstat().st_size) for p in sorted(path.rglob("*"))}


def import_image(name, members, *changes):
    """An image of one layer made of TarInfos with their bytes: what no tar program would write. (exit code, words)."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    options = [part for change in changes for part in ("--change", change)]
    done = subprocess.run(["podman", "import", "--quiet", *options, "-", name], input=raw.getvalue(), capture_output=True, check=False)
    return done.returncode, done.stderr.decode(errors="replace")


def member(name, kind=tarfile.REGTYPE, link="", content=b"", mode=0o755, **more):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def connector():
    return member("connector", content=pathlib.Path(CONNECTOR).read_bytes())


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
    # Directories that podman and crun themselves put something into. crun 1.8 follows such a link to make the files that devices
    # are bound to, as the container's user: that goes wrong only where everybody may write (docs/SECURITY.md).
    for place in ("dev", "etc", "home", "proc", "run", "run/gantry", "sys", "tmp", "var"):
        for target in (str(VICTIM), "../../../../../../../../srv/victim"):
            code, words = import_image("localhost/links:place", [member(place, tarfile.SYMTYPE, target), connector()],
                                       'ENTRYPOINT ["/connector"]')
            require(code == 0, words)
            VICTIM.chmod(0o755 if place == "dev" else 0o777)
            workload = check_of(lab, "localhost/links:place")
            VICTIM.chmod(0o777)
            require(tree(VICTIM) == before, f"{place} -> {target}: {tree(VICTIM)}")
            require(workload["status"] in ("success", "failure"), f"{workload}")
    # An entry point that is a link to a program of the host's finds the container's, or nothing.
    code, words = import_image("localhost/links:entry", [member("go", tarfile.SYMTYPE, "/usr/bin/touch"), connector()],
                               f'ENTRYPOINT ["/go", "{VICTIM}/touched"]')
    require(code == 0, words)
    workload = check_of(lab, "localhost/links:entry")
    require(workload["status"] == "failure" and tree(VICTIM) == before, f"{workload}")


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
            [device, member("suid", content=pathlib.Path(CONNECTOR).read_bytes(), mode=0o6755), connector(), connector()])):
        name = f"localhost/layers:{number}"
        code, _ = import_image(name, [*members, connector()], 'ENTRYPOINT ["/connector"]')
        require(tree(VICTIM) == before, f"{number}: changed when it was brought: {tree(VICTIM)}")
        if code == 0:
            workload = check_of(lab, name)
            require(workload["status"] in ("success", "failure"), f"{workload}")
            require(tree(VICTIM) == before, f"{number}: changed when it ran: {tree(VICTIM)}")
    # Of the last, devices and set-user-id files are there and of no use.
    code, words = import_image("localhost/layers:suid", [device, connector(),
                                                         member("suid", content=pathlib.Path(CONNECTOR).read_bytes(), mode=0o6755)],
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
    """A reference by image id goes on meaning the same image when its tag is given to another."""
    podmanlib.make_static()
    first = podman("image", "inspect", "--format", "{{.Id}}", podmanlib.STATIC)
    require(check_of(lab, first)["status"] == "success", "by id")
    code, words = import_image("localhost/other:1", [connector()], 'ENTRYPOINT ["/connector", "no-such-verb"]')
    require(code == 0, words)
    podman("tag", "localhost/other:1", podmanlib.STATIC)
    require(check_of(lab, podmanlib.STATIC)["status"] == "failure", "control: the tag has moved")
    require(check_of(lab, first)["status"] == "success", "by id, after the tag has moved")
    podmanlib.make_static()


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
    require(digests() == before, "a program of the host was changed")
    for entry in (["/proc/self/exe"], ["/proc/1/exe"], ["/run/podman-init"], ["/proc/self/fd/3"]):
        code, words = import_image("localhost/runtime:entry", [connector()], f"ENTRYPOINT {json.dumps(entry)}")
        require(code == 0, words)
        workload = check_of(lab, "localhost/runtime:entry")
        require(workload["status"] == "failure", f"{entry}: {workload}")
        require(digests() == before, f"{entry}: a program of the host was changed")
    wait_gone()
    require(not podmanlib.containers(), "left over")


def set_up():
    podmanlib.make_python("localhost/runtime:1", "/mnt/tests/host/runtime-probe.py")


if __name__ == "__main__":
    set_up()
    run_tests([value for name, value in list(globals().items()) if name.startswith("test_") and callable(value)
               and (len(sys.argv) < 2 or any(word in name for word in sys.argv[1:]))])
