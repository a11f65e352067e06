# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys of encryption mappers through the API: sealed where they are stored, masked on every way out, kept behind their mask (T57)."""

import contextlib
import copy
import sqlite3

from conftest import V1

KEY = "000102030405060708090a0b0c0d0e0f"
OTHER = "f0e0d0c0b0a090807060504030201000"
MASK = "**********"


def mapper(key=KEY, field="email", **more):
    return {"type": "encryption", "mapperConfiguration": {"algorithm": "AES", "targetField": field, "fieldNameSuffix": "_x",
                                                          "key": key, "mode": "GCM", "padding": "NoPadding"}} | more


def streams(*mappers):
    return {"configurations": {"streams": [{"name": "users", "syncMode": "full_refresh_overwrite", "mappers": list(mappers)}]}}


def secrets(suite, connection):
    with contextlib.closing(sqlite3.connect(suite.database)) as db:
        return [row[0] for row in db.execute("SELECT id FROM secret WHERE owner_id = ? ORDER BY id", (connection,))]


def shown(answer):
    (stream,) = answer["configurations"]["streams"]
    return [m["mapperConfiguration"]["key"] for m in stream["mappers"]]


def test_T57_a_key_is_sealed_and_masked(suite):
    made = suite.new_connection(**streams(mapper(), mapper(OTHER, "name")))
    connection = made["connectionId"]
    assert shown(made) == [MASK, MASK] and len(secrets(suite, connection)) == 2
    assert shown(suite.get(f"/connections/{connection}").json) == [MASK, MASK]
    listed = suite.get("/connections", query={"limit": 100}).body + suite.request(
        "POST", "/api/v1/web_backend/connections/get", {"connectionId": connection}).body
    assert MASK.encode() in listed
    log = b"".join(p.read_bytes() for p in suite.directory.glob("*.log"))
    stored = suite.database.read_bytes() + suite.database.with_name("gantry.db-wal").read_bytes()
    for key in (KEY, OTHER):
        assert key.encode() not in listed + stored + log


def test_a_masked_key_stays_and_others_go(suite):
    made = suite.new_connection(**streams(mapper(), mapper(OTHER, "name")))
    connection, before = made["connectionId"], secrets(suite, made["connectionId"])
    # What a client reads it may send back; here in another order, with a key changed.
    back = copy.deepcopy(made["configurations"]["streams"][0]["mappers"])[::-1]
    back[0]["mapperConfiguration"]["key"] = KEY
    assert shown(suite.patch(f"/connections/{connection}", streams(*back)).json) == [MASK, MASK]
    after = secrets(suite, connection)
    assert len(after) == 2 and len(set(after) & set(before)) == 1
    # A change of something else leaves them alone, one of the streams takes what is not referred to any more.
    assert suite.patch(f"/connections/{connection}", {"name": "other"}).status == 200
    assert secrets(suite, connection) == after
    assert suite.patch(f"/connections/{connection}", streams()).status == 200
    assert secrets(suite, connection) == []
    assert suite.patch(f"/connections/{connection}", streams(mapper())).status == 200
    assert len(secrets(suite, connection)) == 1
    assert suite.delete(f"/connections/{connection}").status == 204
    assert secrets(suite, connection) == []


def test_ids_tell_mappers_apart(suite):
    made = suite.new_connection(**streams(mapper(id="a"), mapper(OTHER, "name", id="b")))
    connection, before = made["connectionId"], secrets(suite, made["connectionId"])
    # The mapper "b" now is of another field and keeps its key.
    assert suite.patch(f"/connections/{connection}", streams(mapper(MASK, "address", id="b"))).status in (200, 400)
    assert suite.patch(f"/connections/{connection}", streams(mapper(MASK, "email", id="b"))).status == 200
    assert len(secrets(suite, connection)) == 1 and set(secrets(suite, connection)) < set(before)


def test_what_is_behind_no_mask_is_refused(suite):
    connection = suite.new_connection(**streams(mapper()))["connectionId"]
    before = secrets(suite, connection)
    for wrong in (mapper(MASK, "name"), mapper({"_secret": before[0]}), mapper({"_sealed": "x"}), mapper("short"), mapper(17),
                  {"type": "row-filtering", "mapperConfiguration": {"conditions": {"_secret": before[0]}}}):
        answer = suite.patch(f"/connections/{connection}", streams(wrong))
        assert answer.status == 400 and "invalid-mapper" in answer.json["type"], (wrong, answer)
    assert suite.post("/connections", {"sourceId": suite.new_source()["sourceId"], "destinationId": suite.new_destination()[
        "destinationId"]} | streams(mapper(MASK))).status == 400
    assert secrets(suite, connection) == before


def test_the_config_api_masks_and_keeps_too(suite):
    connection = suite.new_connection(**streams(mapper()))["connectionId"]
    before = secrets(suite, connection)
    got = suite.request("POST", "/api/v1/web_backend/connections/get", {"connectionId": connection}).json
    assert V1 and MASK in str(got["syncCatalog"]) and KEY not in str(got)
    answer = suite.request("POST", "/api/v1/web_backend/connections/update",
                           {"connectionId": connection, "syncCatalog": got["syncCatalog"]})
    assert answer.status == 200, answer
    assert secrets(suite, connection) == before
