#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: wheels compat timeout=3000
"""Another connector of Airbyte's from the index, installed and run by the suite: Hardcoded Records."""

import sys

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402
import wheels  # noqa: E402


def test_hardcoded_records():
    reference = "pypi:airbyte-source-hardcoded-records==0.0.48"
    wheels.install(reference)
    api = suite.Api()
    config = {"count": 500}
    wanted = wheels.alone(reference, config, {"products"})
    path = suite.FILES / "hardcoded.db"
    source = api.source("hardcoded", sourceType="hardcoded-records", **config)
    connection = api.connect("hardcoded", source, api.destination("hardcoded", destinationType="sqlite", path=str(path)),
                             streams=["products"])
    api.wait(api.start(connection), "succeeded", patience=900)
    wheels.check_moved(path, wanted)


if __name__ == "__main__":
    wheels.set_up()
    sys.exit(suite.main(globals()))
