# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the API's edges share: every operation there is, objects to aim them at, and tokens that nobody issued."""

import base64
import hashlib
import hmac
import json
import re
import sqlite3
import time
import uuid

import pytest
from conftest import ROOT, V1, Suite

NAME = "zanzibar"  # of everything in the world: what tells of it has this word
OPEN = {"/health", "/applications/token"}
KEY = bytes(range(32))  # the sealing key that conftest gives to the suite


@pytest.fixture(scope="module", name="suite")
def own_suite(tmp_path_factory):
    """A control plane of a module's own: these tests leave many things behind."""
    suite = Suite(tmp_path_factory.mktemp("api"))
    try:
        suite.start()
        yield suite
    finally:
        suite.stop()


def operations(suite):
    """(method, path with {names}) of the OpenAPI document; those that need credentials."""
    document = suite.get("/openapi.json", token=None).json
    found = [(method.upper(), V1 + path) for path, item in document["paths"].items() for method in item if path not in OPEN]
    assert len(found) > 50, len(found)
    return found


def config_operations():
    """The same of the config API, which no document lists: read where the server keeps them."""
    text = "".join(path.read_text() for path in sorted((ROOT / "src/server").glob("routes-config-*.c")))
    paths = re.findall(r'(?:ROW|ROW_204)\("([^"]+)", (?!refuse)|"/api/v1/([a-z_/]+)", \w+, FLAGS', text)
    suffixes = re.findall(r'ROW(?:_204)?\(name_ "([^"]+)"', text)
    found = {a or b for a, b in paths} | {kind + suffix for kind in ("source", "destination") for suffix in suffixes}
    assert len(found) > 45, sorted(found)
    return [("POST", f"/api/v1/{path}") for path in sorted(found)]


def refused_operations():
    """What Airbyte has and Gantry answers with 501, read likewise."""
    text = (ROOT / "src/server/routes-refused.c").read_text().split("routes_refused_rows")[1]
    found = []
    for kind, method, path in re.findall(r'REFUSED(_LIST|_ITEM|)\((?:"(\w+)", )?"([^"]+)"\)', text):
        methods = {"": [method], "_LIST": ["GET", "POST"], "_ITEM": ["GET", "PATCH", "PUT", "DELETE"]}[kind]
        found += [(m, V1 + re.sub(r"\{\w+\}", "7", path)) for m in methods]
    config = re.findall(r'ROW\("([^"]+)", refuse\)', (ROOT / "src/server/routes-config-builder.c").read_text())
    found += [("POST", f"/api/v1/{path}") for path in config]
    assert len(found) > 35 and config, found
    return found


class World:
    """Objects of the first workspace, one of each kind."""

    def __init__(self, suite):
        self.suite = suite
        self.workspace = suite.workspace
        source = suite.new_source(name=f"{NAME} source")["sourceId"]
        destination = suite.new_destination(name=f"{NAME} destination")["destinationId"]
        connection = suite.post("/connections", {"name": f"{NAME} connection", "sourceId": source, "destinationId": destination}).json
        base = f"/workspaces/{self.workspace}/definitions"
        definitions = {kind: suite.post(f"{base}/{kind}", {"name": f"{NAME} {kind}", "dockerRepository": f"{NAME}/{kind}",
                                                           "dockerImageTag": "1"}).json["id"] for kind in ("sources", "destinations")}
        manifest = {"version": "6.0.0", "type": "DeclarativeSource", "spec": {"connection_specification": {"type": "object"}}}
        declarative = suite.post(f"{base}/declarative_sources", {"name": f"{NAME} low", "manifest": manifest}).json["id"]
        job = suite.post("/jobs", {"connectionId": connection["connectionId"], "jobType": "sync"}).json["jobId"]
        tag = suite.post("/tags", {"name": f"{NAME} {uuid.uuid4()}", "color": "000000", "workspaceId": self.workspace}).json["tagId"]
        assert suite.patch(f"/connections/{connection['connectionId']}", {"tags": [{"tagId": tag}]}).status == 200
        application = suite.post("/applications", {"name": f"{NAME} application"}).json["id"]
        permission = next(p for p in suite.get("/permissions").json["data"] if p["userId"] == application)["permissionId"]
        for kind in ("source", "destination"):  # stored once it was asked for, by whomever
            answer = suite.request("POST", f"/api/v1/{kind}_definition_specifications/get",
                                   {f"{kind}DefinitionId": definitions[f"{kind}s"], "workspaceId": self.workspace})
            assert answer.status == 200, answer
        self.declarative = declarative
        self.ids = {"workspaceId": self.workspace, "sourceId": source, "destinationId": destination, "jobId": str(job),
                    "connectionId": connection["connectionId"], "tagId": tag, "applicationId": application,
                    "permissionId": permission, "sourceDefinitionId": definitions["sources"],
                    "destinationDefinitionId": definitions["destinations"]}

    def url(self, path):
        """The path with this world's ids in it."""
        definition = {"sources": self.ids["sourceDefinitionId"], "destinations": self.ids["destinationDefinitionId"],
                      "declarative_sources": self.declarative}
        kind = path.split("/definitions/")[1].split("/")[0] if "/definitions/" in path else None
        return re.sub(r"\{(\w+)\}", lambda m: definition[kind] if m.group(1) == "definitionId" else self.ids[m.group(1)], path)

    def body(self, path):
        """A body for any call: all ids that there are, and what else calls need."""
        catalog = {"streams": [{"stream": {"name": "users"}, "config": {"selected": True}}]}
        kind = "sourceType" if "source" in path else "destinationType"
        return self.ids | {
            "name": "taken over", "actorDefinitionId": self.declarative, "builderProjectId": self.declarative, "id": int(self.ids["jobId"]), "configId": self.ids["connectionId"], "userId": "uid:1000",
            "permissionType": "workspace_admin", "color": "FFFFFF", "jobType": "clear", "dockerRepository": "evil/evil",
            "dockerImageTag": "9", "manifest": {"version": "6.0.0", "type": "DeclarativeSource", "spec": {}}, "status": "inactive",
            "configuration": {kind: "faker", "count": 666}, "connectionConfiguration": {"count": 666}, "syncCatalog": catalog,
            "connectionState": {"stateType": "stream", "streamState": [{"streamDescriptor": {"name": "users"},
                                                                        "streamState": {"c": 1}}]}}

    def ask(self, method, path, token, **kwargs):
        query = None
        if method == "GET" and path.endswith(("/streams", "/connector_definitions")):
            query = {"sourceId": self.ids["sourceId"], "type": "source", "workspaceId": self.workspace}
        body = self.body(path) if method in ("POST", "PUT", "PATCH") else None
        return self.suite.request(method, self.url(path), body, token=token, query=query, **kwargs)

    def rows(self):
        """Everything that the server stores."""
        with sqlite3.connect(f"file:{self.suite.database}?mode=ro", uri=True) as db:
            return {table: db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
                    for table in ("workspace", "definition", "actor", "secret", "connection", "tag", "connection_tag", "application",
                                  "permission", "job", "state")}


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Forge:
    """Tokens by somebody who has the sealing key, so that each claim can be wrong alone (src/secrets/jwt.c)."""

    def __init__(self, suite, key=KEY):
        self.key = hashlib.blake2b(b"gantry jwt HS256\0", digest_size=32, key=key).digest()
        claims = json.loads(base64.urlsafe_b64decode(suite.token.split(".")[1] + "=="))
        self.claims = claims | {"exp": int(time.time()) + 600}

    def token(self, header=None, drop=(), sign=None, **changes):
        claims = {k: v for k, v in (self.claims | changes).items() if k not in drop}
        header = header or {"alg": "HS256", "typ": "JWT"}
        text = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        signature = sign(text.encode()) if sign else hmac.new(self.key, text.encode(), hashlib.sha256).digest()
        return f"{text}.{base64url(signature)}"
