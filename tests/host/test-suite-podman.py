#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Custom definitions of container images, made by the API with dockerRepository and dockerImageTag, move data from image to image; a
stop, a new version and a missing image are told as such."""

import json
import os
import signal
import sys

sys.path.insert(0, "/mnt/tests/host")
import podmanlib  # noqa: E402
import suite  # noqa: E402


def define(api, kind, image, name):
    repository, tag = image.rsplit(":", 1)
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
    api, path, connection = pair(name, count=50_000_000)
    job = api.start(connection)
    (unit,) = suite.until(lambda: [u for u in suite.job_units(job) if u.endswith("-source.service")], "the source's unit")
    suite.until(lambda: (path / "numbers.jsonl").exists() and (path / "numbers.jsonl").stat().st_size > 0, "records")
    return api, job, unit


def test_units_are_seen_and_a_stopped_slice_cancels():
    api, job, unit = endless("stopped")
    (attempt,) = suite.attempt_slices(job)
    status = suite.out("systemctl", "status", "--no-pager", "--full", unit)
    assert "conmon" in status and "/connector read" in status, status
    tree = suite.out("systemd-cgls", "--no-pager", "--full", "-u", "gantry-jobs.slice")
    assert attempt in tree and unit in tree and "/connector read" in tree, tree
    suite.out("systemctl", "stop", attempt)
    ended = api.wait(job)
    assert ended["status"] == "cancelled", f"{ended}\n{api.story(job)}"
    gone()


def test_a_killed_container_is_tried_again():
    api, job, unit = endless("killed")
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


if __name__ == "__main__":
    podmanlib.make_static()
    podmanlib.make_python(podmanlib.PYTHON, "/mnt/tests/host/image-connector.py", user="airbyte")
    sys.exit(suite.main(globals()))
