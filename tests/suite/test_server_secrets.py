# SPDX-License-Identifier: LGPL-2.1-or-later
"""Secrets: sealed in the database, masked on every way out, kept by the mask, and never sent to another place (T57)."""

import sqlite3

MASK = "**********"
SPEC = {"version": "6.0.0", "type": "DeclarativeSource", "spec": {"connection_specification": {
    "type": "object", "required": ["host"], "properties": {
        "host": {"type": "string"}, "user": {"type": "string"},
        "password": {"type": "string", "minLength": 4, "airbyte_secret": True},
        "key": {"type": "object", "airbyte_secret": True},
        "tunnel": {"type": "object", "properties": {"url": {"type": "string"}, "token": {"type": "string", "airbyte_secret": True}}}}}}}


def new(suite, **configuration):
    definition = suite.post(f"/workspaces/{suite.workspace}/definitions/declarative_sources",
                            {"name": "Guarded", "manifest": SPEC}).json["id"]
    return suite.new_source(definitionId=definition, configuration={"host": "here", "password": "swordfish"} | configuration)


def stored(suite):
    """Everything that the database holds, as bytes."""
    return b"".join(p.read_bytes() for p in suite.directory.glob("gantry.db*"))


def test_secrets_are_masked_and_sealed(suite):
    source = new(suite, key={"inner": "xyzzy-key"}, tunnel={"url": "http://t", "token": "plugh-token"})
    assert source["configuration"] == {"host": "here", "password": MASK, "key": MASK, "tunnel": {"url": "http://t", "token": MASK}}
    for secret in (b"swordfish", b"xyzzy-key", b"plugh-token"):
        assert secret not in stored(suite)
    assert b'"host"' in stored(suite)  # the search does find what is there


def test_masks_keep_and_new_values_replace(suite):
    source = new(suite)
    path = f"/sources/{source['sourceId']}"
    with sqlite3.connect(suite.database) as db:
        before = db.execute("SELECT configuration FROM actor WHERE id = ?", [source["sourceId"]]).fetchone()[0]
    answer = suite.put(path, {"name": "x", "configuration": {"host": "here", "user": "me", "password": MASK}})
    assert answer.status == 200 and answer.json["configuration"]["user"] == "me", answer
    with sqlite3.connect(suite.database) as db:
        kept = db.execute("SELECT configuration FROM actor WHERE id = ?", [source["sourceId"]]).fetchone()[0]
        assert kept.split("_secret")[1][:40] == before.split("_secret")[1][:40]
    assert suite.patch(path, {"configuration": {"password": "another"}}).status == 200
    with sqlite3.connect(suite.database) as db:
        changed = db.execute("SELECT configuration FROM actor WHERE id = ?", [source["sourceId"]]).fetchone()[0]
        assert changed != kept
        assert db.execute("SELECT count(*) FROM secret WHERE owner_id = ?", [source["sourceId"]]).fetchone()[0] == 1


def test_a_mask_without_a_secret_is_422(suite):
    source = new(suite)
    answer = suite.put(f"/sources/{source['sourceId']}",
                       {"name": "x", "configuration": {"host": "here", "password": MASK, "tunnel": {"url": "http://t", "token": MASK}}})
    assert answer.status == 422 and answer.json["data"]["errors"][0]["field"] == "/tunnel/token"


def test_T57_secrets_do_not_follow_a_host(suite):
    source = new(suite, tunnel={"url": "http://good", "token": "plugh-token"})
    path = f"/sources/{source['sourceId']}"
    masked = {"host": "here", "password": MASK, "tunnel": {"url": "http://good", "token": MASK}}
    assert suite.put(path, {"name": "x", "configuration": masked}).status == 200
    for change in ({"host": "evil"}, {"tunnel": {"url": "http://evil", "token": MASK}}, {"user": "http://evil"}):
        answer = suite.put(path, {"name": "x", "configuration": masked | change})
        assert answer.status == 422, (change, answer)
        assert suite.patch(path, {"configuration": change}).status == 422
    assert suite.get(path).json["configuration"]["host"] == "here"
    again = {"host": "new", "password": "swordfish", "tunnel": {"url": "http://good", "token": "plugh-token"}}
    assert suite.put(path, {"name": "x", "configuration": again}).status == 200


def test_a_marker_from_outside_is_422(suite):
    source = new(suite)
    for value in ({"_secret": source["sourceId"]}, {"_sealed": "AAAA"}):
        for field in ("user", "password", "key"):
            answer = suite.patch(f"/sources/{source['sourceId']}", {"configuration": {field: value}})
            assert answer.status == 422, (field, answer)


def test_rules_of_the_specification_hold_for_kept_secrets_too(suite):
    source = new(suite)
    answer = suite.patch(f"/sources/{source['sourceId']}", {"configuration": {"password": "xyz"}})
    assert answer.status == 422 and "xyz" not in answer.body.decode()
