#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Custom definitions of container images, made by the API with dockerRepository and dockerImageTag, move data from image to image; a
stop, a new version and a missing image are told as such."""

import contextlib
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, "/mnt/tests/host")
import heldsync  # noqa: E402
import podmanlib  # noqa: E402
import suite  # noqa: E402


def define(api, kind, image, name, tag=None):
    repository, own = image.rsplit(":", 1)
    tag = tag or own
    return api.ask("POST", f"/workspaces/{api.workspace}/definitions/{kind}s",
                   {"name": name, "dockerRepository": repository, "dockerImageTag": tag})


def make(api, kind, definition, name, **configuration):
    return api.ask("POST", f"/{kind}s", {"name": name, "workspaceId": api.workspace, "definitionId": definition["id"],
                                         "configuration": configuration})[f"{kind}Id"]


def place(name):
    path = suite.FILES / name
    suite.out("install", "-d", "-o", "gantry-files", "-g", "gantry-files", "-m", "0750", path)
    (path / "numbers.jsonl").unlink(missing_ok=True)
    return path


def moved(path):
    return [json.loads(line)["record"]["data"] for line in (path / "numbers.jsonl").read_text().splitlines()]


def gone():
    suite.until(lambda: not suite.job_units(), "the end of the units")
    suite.until(lambda: not podmanlib.containers(), "the end of the containers")


def pair(name, source_image=podmanlib.STATIC, destination_image=podmanlib.PYTHON, **configuration):
    api = suite.Api()
    path = place(name)
    source = make(api, "source", define(api, "source", source_image, f"{name} source"), name, **configuration)
    destination = make(api, "destination", define(api, "destination", destination_image, f"{name} destination"), name, path=str(path))
    return api, path, api.connect(name, source, destination)


def test_a_sync_from_image_to_image():
    for name, images in (("to-python", (podmanlib.STATIC, podmanlib.PYTHON)), ("to-static", (podmanlib.PYTHON, podmanlib.STATIC))):
        api, path, connection = pair(name, *images, count=2500)
        job = api.start(connection)
        api.wait(job, "succeeded")
        assert moved(path) == [{"id": n, "text": f"number {n}"} for n in range(1, 2501)], f"{name}: other records"
        assert api.job(job)["rowsSynced"] == 2500, api.job(job)
        gone()


def test_the_specification_is_the_images():
    """Of a definition that nobody has asked yet; a secret of it is masked."""
    api = suite.Api()
    definition = define(api, "source", podmanlib.STATIC, "asked")
    source = make(api, "source", definition, "asked", count=1, password="correct-horse")
    shown = api.ask("GET", f"/sources/{source}")
    assert shown["configuration"]["password"] == "**********" and shown["configuration"]["count"] == 1, shown
    gone()


def endless(name):
    """A sync that never ends by itself and has moved records; its source stands still."""
    api, path, connection = pair(name, count=heldsync.ENDLESS)
    job = api.start(connection)
    source = heldsync.hold(f"gantry-jobs-j{job}a0.slice", lambda: api.job(job)["status"] in suite.ENDED[:3], word="/connector")
    assert source, api.story(job)

    def arrived():
        assert heldsync.step(source), api.story(job)
        return (path / "numbers.jsonl").exists() and (path / "numbers.jsonl").stat().st_size > 0
    suite.until(arrived, "records", pause=0.2)
    return api, job, heldsync.unit_of(job, "source"), source


def test_units_are_seen_and_a_stopped_slice_cancels():
    api, job, unit, source = endless("stopped")
    (attempt,) = suite.attempt_slices(job)
    status = suite.out("systemctl", "status", "--no-pager", "--full", unit)
    assert "conmon" in status and "/connector read" in status, status
    tree = suite.out("systemd-cgls", "--no-pager", "--full", "-u", "gantry-jobs.slice")
    assert attempt in tree and unit in tree and "/connector read" in tree, tree
    heldsync.go_on(source)
    suite.out("systemctl", "stop", attempt)
    ended = api.wait(job)
    assert ended["status"] == "cancelled", f"{ended}\n{api.story(job)}"
    gone()


def test_a_killed_container_is_tried_again():
    api, job, unit, _ = endless("killed")
    name = unit.removesuffix(".service")
    os.kill(int(podmanlib.podman("inspect", "--format", "{{.State.Pid}}", name)), signal.SIGKILL)
    suite.until(lambda: len(api.attempts(job)) > 1, "another attempt")
    api.ask("DELETE", f"/jobs/{job}")
    api.wait(job, "cancelled")
    first = api.attempts(job)[0]
    assert first["attempt"]["status"] == "failed", first
    gone()


def test_a_missing_image_is_named():
    api = suite.Api()
    definition = define(api, "source", "localhost/nobody:7", "missing")
    status, text = api.raw("POST", f"{suite.V1}/sources", {"name": "missing", "workspaceId": api.workspace, "definitionId": definition["id"],
                                                           "configuration": {}}, api.token)
    assert status >= 400 and "localhost/nobody:7" in text and "podman" in text, f"{status} {text}"
    podmanlib.podman("tag", podmanlib.STATIC, "localhost/nobody:8")
    kinds = f"/workspaces/{api.workspace}/definitions/sources/{definition['id']}"
    api.ask("PUT", kinds, {"name": "missing", "dockerImageTag": "8"})
    make(api, "source", definition, "found", count=1)
    gone()


def runs(api, name, tag, words=None, repository="localhost/forms"):
    """A definition with this version: its source moves records, or is refused with these words."""
    definition = define(api, "source", f"{repository}:1", name, tag)
    assert definition["dockerImageTag"] == tag, definition
    status, text = api.raw("POST", f"{suite.V1}/sources", {"name": name, "workspaceId": api.workspace, "definitionId": definition["id"],
                                                           "configuration": {"count": 3}}, api.token)
    if words:
        assert status == 422 and all(w in text for w in words), f"{tag}: {status} {text}"
        return
    assert status == 200, f"{tag}: {status} {text}"
    source = json.loads(text)["sourceId"]
    path = place(f"{name}-moved")
    destination = make(api, "destination", define(api, "destination", podmanlib.PYTHON, f"{name} destination"), name, path=str(path))
    connection = api.connect(name, source, destination)
    sync(api, connection, path)
    assert pin_of(source) == tag


def sync(api, connection, path):
    api.wait(api.start(connection), "succeeded")
    assert len(moved(path)) == 3, path
    gone()


def pin_of(actor):
    return suite.rows(suite.DATABASE, "SELECT version_pin FROM actor WHERE id = ?", actor)[0][0]


def digest_of(image):
    return podmanlib.podman("image", "inspect", "--format", "{{.Digest}}", image)


def test_each_form_of_an_images_version():
    """A tag, a digest, both; a digest that no image here has, one that is another image's; each for a definition and for the sources
    that are pinned to it. What is no form is refused when the definition is made (tests/suite/test_server_definitions.py)."""
    api, repository = suite.Api(), "localhost/forms"
    podmanlib.podman("tag", podmanlib.STATIC, f"{repository}:1")
    podmanlib.podman("tag", podmanlib.PYTHON, f"{repository}:2")
    first, second = digest_of(f"{repository}:1"), digest_of(f"{repository}:2")
    unknown = "sha256:" + "0" * 64
    assert first != second
    # What is there runs, and is what its source is pinned to.
    for n, tag in enumerate(("1", f"1@{first}", first)):
        runs(api, f"form-{n}", tag)
    # What isn't there, or is another than it is said to be, is said with its name, and nothing runs in its place.
    runs(api, "unknown", unknown, (unknown, repository))
    runs(api, "tag and unknown", f"1@{unknown}", (unknown, first))
    runs(api, "tag and other", f"1@{second}", (second, first, "given to another"))
    runs(api, "no such tag", "7", (f"{repository}:7", "podman"))
    # The digest is what counts: `podman pull NAME:TAG@DIGEST` leaves no tag behind.
    make(api, "source", define(api, "source", f"{repository}:1", "digest of no tag", f"7@{first}"), "digest of no tag", count=3)
    api.ask("POST", f"/workspaces/{api.workspace}/definitions/sources", {"name": "none", "dockerRepository": repository}, 422)


def host_said():
    """What gantryctl says of this host, in both forms."""
    shown = json.loads(suite.out("gantryctl", "status", "--json=short"))["host"]
    assert json.loads(suite.out("gantryctl", "launcher", "--json=short"))["host"] == shown
    text = suite.out("gantryctl", "status")
    for each in shown["refused"]:
        assert f"Not run here: {each['what']}: {each['why']}" in text, text
    assert f"Control groups: {shown['cgroupVersion']}" in text and f"Isolation: {shown['isolation']['state']}" in text, text
    return shown, text


@contextlib.contextmanager
def in_the_place_of(program, says):
    """Another program, which says this of its version; None: no program."""
    real, away = pathlib.Path(program), pathlib.Path(f"{program}.away")
    real.rename(away)
    try:
        if says is not None:
            real.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && echo '{says}' && exit 0\nexec {away} \"$@\"\n", encoding="utf-8")
            real.chmod(0o755)
        yield
    finally:
        away.rename(real)


def test_the_status_says_what_is_refused_on_this_host():
    """And it is what happens to a connector."""
    shown, text = host_said()
    assert shown["isolation"]["state"] == "holds" and shown["refused"] == [], shown
    unified = pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists()
    assert shown["cgroupVersion"] == (2 if unified else 1), shown
    assert shown["podman"]["version"] == suite.out("podman", "--version").split()[-1] and shown["podman"]["version"] in text
    assert shown["crun"]["version"] == suite.out("crun", "--version").split()[2] and f"crun: {shown['crun']['version']}" in text
    api = suite.Api()
    source = make(api, "source", define(api, "source", podmanlib.STATIC, "gate"), "gate", count=1)

    def check():
        return api.ask("POST", "/api/v1/sources/check_connection", {"sourceId": source})

    assert check()["status"] == "succeeded"
    for program, says, words in (("/usr/bin/crun", "crun version 1.7.2", "crun 1.7.2 is too old"), ("/usr/bin/crun", "runc", "does not say"),
                                 ("/usr/bin/crun", None, "does not say"), ("/usr/bin/podman", None, "need podman")):
        with in_the_place_of(program, says):
            shown, _ = host_said()
            (refused,) = shown["refused"]
            assert refused["what"] == "connectors in images" and words in refused["why"], shown
            failed = check()
            assert failed["status"] == "failed" and words in json.dumps(failed), failed
    assert host_said()[0]["refused"] == []
    # What a try of the host would have found on one that does not hold.
    suite.out("systemctl", "stop", "gantry-launcher.service")
    kept = pathlib.Path("/run/gantry/isolation.json")
    was = kept.read_text()
    try:
        kept.write_text(json.dumps(json.loads(was) | {"missing": "memory limits"}))
        shown, text = host_said()
        assert shown["isolation"] == {"state": "incomplete", "missing": "memory limits", "allowUnisolated": False}, shown
        assert shown["refused"][0] == {"what": "connectors that are not native", "why": "memory limits"}
        assert "Isolation: incomplete: memory limits" in text
        failed = check()
        assert failed["status"] == "failed" and "memory limits" in json.dumps(failed), failed
        suite.out("systemctl", "stop", "gantry-launcher.service")
    finally:
        kept.write_text(was)
    assert host_said()[0]["refused"] == [] and check()["status"] == "succeeded"
    gone()


if __name__ == "__main__":
    podmanlib.make_static()
    podmanlib.make_python(podmanlib.PYTHON, "/mnt/tests/host/image-connector.py", user="airbyte")
    sys.exit(suite.main(globals()))
