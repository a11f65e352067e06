# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Source of the CDK that is a program of ours: each verb runs it and hands its messages on. $GANTRY_CONNECTOR names it.
Used by the CDK's standard tests, which call connectors in their own process."""

import json
import os
import subprocess
import tempfile

from airbyte_cdk.models import (AirbyteConnectionStatus, AirbyteMessageSerializer, AirbyteStateMessageSerializer,
                                ConfiguredAirbyteCatalogSerializer, Type)
from airbyte_cdk.sources import Source


class ProgramFailed(Exception):
    pass


class NativeSource(Source):
    def _run(self, verb, **files):
        """The program's messages, one by one; afterwards its exit code counts."""
        with tempfile.TemporaryDirectory() as directory:
            argv = [os.environ["GANTRY_CONNECTOR"], verb]
            for name, content in files.items():
                path = os.path.join(directory, f"{name}.json")
                with open(path, "w", encoding="utf-8") as f:
                    json.dump(content, f)
                argv += [f"--{name}", path]
            with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
                for line in process.stdout:
                    yield AirbyteMessageSerializer.load(json.loads(line))
            if process.returncode != 0:
                raise ProgramFailed(f"{verb} ended with {process.returncode}")

    def _one(self, kind, verb, **files):
        found = [m for m in self._run(verb, **files) if m.type == kind]
        if len(found) != 1:
            raise ProgramFailed(f"{verb} said {len(found)} {kind} messages")
        return found[0]

    def spec(self, logger):
        return self._one(Type.SPEC, "spec").spec

    def check(self, logger, config) -> AirbyteConnectionStatus:
        return self._one(Type.CONNECTION_STATUS, "check", config=config).connectionStatus

    def discover(self, logger, config):
        return self._one(Type.CATALOG, "discover", config=config).catalog

    def read(self, logger, config, catalog, state=None):
        files = {"config": config, "catalog": ConfiguredAirbyteCatalogSerializer.dump(catalog)}
        if state:
            files["state"] = [AirbyteStateMessageSerializer.dump(s) for s in state]
        yield from self._run("read", **files)
