# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two who change the same object: nobody undoes what they have not seen, and nothing is lost unsaid."""

import concurrent.futures
import contextlib
import itertools
import sqlite3
import uuid

import dbus
import pytest
from api_world import own_suite  # noqa: F401
from conftest import V1
from test_server_bus import NAME, fails, memfd, properties, read

MANIFEST = {"version": "6.0.0", "type": "DeclarativeSource", "spec": {"connection_specification": {"type": "object"}}}


def make(suite, kind):
    """A new object: its path, and two bodies that change it, with what each shows."""
    workspace = suite.workspace
    base = f"/workspaces/{workspace}/definitions"
    renamed = [("PATCH", {"name": f"n{i}"}, {"name": f"n{i}"}) for i in range(2)]
    if kind in ("sources", "destinations", "connections"):
        made = {"sources": suite.new_source, "destinations": suite.new_destination, "connections": suite.new_connection}[kind]()
        return f"/{kind}/{made[kind[:-1] + 'Id']}", renamed
    if kind == "workspaces":
        return f"/workspaces/{suite.post('/workspaces', {'name': 'w'}).json['workspaceId']}", renamed
    if kind == "tags":
        made = suite.post("/tags", {"name": str(uuid.uuid4()), "color": "000000", "workspaceId": workspace}).json
        return f"/tags/{made['tagId']}", [("PATCH", {"color": c}, {"color": c}) for c in ("111111", "222222")]
    if kind == "permissions":
        made = suite.post("/permissions", {"permissionType": "workspace_reader", "userId": f"uid:{uuid.uuid4().int % 10**6}",
                                           "workspaceId": workspace}).json
        return f"/permissions/{made['permissionId']}", [("PATCH", {"permissionType": t}, {"permissionType": t})
                                                        for t in ("workspace_runner", "workspace_editor")]
    if kind == "declarative_sources":
        made = suite.post(f"{base}/{kind}", {"name": "d", "manifest": MANIFEST}).json
        return f"{base}/{kind}/{made['id']}", [("PUT", {"manifest": m}, {"manifest": m}) for m in (
            MANIFEST | {"version": "6.0.1"}, MANIFEST | {"version": "6.0.2"})]
    image = {"name": "d", "dockerRepository": f"me/{uuid.uuid4()}", "dockerImageTag": "1"}
    made = suite.post(f"{base}/{kind.split()[1]}", image).json
    return f"{base}/{kind.split()[1]}/{made['id']}", [("PUT", {"name": "d", "dockerImageTag": t}, {"dockerImageTag": t}) for t in "23"]


KINDS = ["sources", "destinations", "connections", "workspaces", "tags", "permissions", "declarative_sources", "images sources",
         "images destinations"]


def check_conflict(answer):
    assert answer.status == 409 and answer.json["title"] == "state-conflict" and "read it again" in answer.json["detail"], answer


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_what_was_not_seen_is_409(suite, kind):
    path, changes = make(suite, kind)
    (method, first, _), (_, second, shown) = changes
    seen = suite.get(path).headers["ETag"]
    assert seen.startswith('"') and seen.endswith('"') and suite.get(path).headers["ETag"] == seen

    def change(body, tag):
        return suite.request(method, V1 + path, body, headers={"If-Match": tag})
    done = change(first, seen)
    assert done.status == 200 and done.headers["ETag"] != seen, done
    now = suite.get(path)
    assert now.headers["ETag"] == done.headers["ETag"]
    for stale in (seen, f"W/{done.headers['ETag']}", '"0"', '""', f'{seen}, "x"'):
        check_conflict(change(second, stale))
        check_conflict(suite.delete(path, headers={"If-Match": stale}))
    for wrong in ("0", "", '"', "W/", f"{seen}{seen}", "*, x", ","):
        answer = change(second, wrong)
        assert answer.status == 400 and "If-Match" in answer.json["detail"], (wrong, answer)
    assert (suite.get(path).json, suite.get(path).headers["ETag"]) == (now.json, now.headers["ETag"])
    assert change(second, f'"x" , {seen},{done.headers["ETag"]}').json.items() >= shown.items()
    assert change(first, "*").status == 200
    assert suite.delete(path, headers={"If-Match": suite.get(path).headers["ETag"]}).status in (200, 204)
    assert change(second, seen).status == 404


def test_an_application_is_deleted_as_it_was_seen(suite):
    application, _ = suite.new_token()
    path = f"/applications/{application}"
    check_conflict(suite.delete(path, headers={"If-Match": '"another"'}))
    assert suite.delete(path, headers={"If-Match": suite.get(path).headers["ETag"]}).status == 200


def test_changes_of_secrets_are_seen_too(suite):
    """Two of them look alike from outside."""
    definition = suite.post(f"/workspaces/{suite.workspace}/definitions/declarative_sources", {
        "name": str(uuid.uuid4()), "manifest": MANIFEST | {"spec": {"connection_specification": {"type": "object", "properties": {
            "password": {"type": "string", "airbyte_secret": True}}}}}}).json["id"]
    source = suite.new_source(definitionId=definition, configuration={"password": "open sesame"})
    path = f"/sources/{source['sourceId']}"
    seen = suite.get(path)
    assert suite.patch(path, {"configuration": {"password": "open wheat"}}).status == 200
    assert suite.get(path).json == seen.json
    check_conflict(suite.patch(path, {"configuration": {"password": "open rye"}}, headers={"If-Match": seen.headers["ETag"]}))


def test_of_patches_at_the_same_time_none_is_lost(suite):
    """Without If-Match: they change different members, in no order."""
    path = f"/sources/{suite.new_source()['sourceId']}"
    connection = f"/connections/{suite.new_connection()['connectionId']}"
    bodies = [(path, {"name": "other"}), (path, {"configuration": {"count": 77}}), (path, {"configuration": {"seed": 5}}),
              (path, {"configuration": {"records_per_slice": 9}}), (connection, {"name": "c"}), (connection, {"prefix": "p_"}),
              (connection, {"status": "inactive"}), (connection, {"nonBreakingSchemaUpdatesBehavior": "propagate_fully"}),
              (connection, {"schedule": {"scheduleType": "cron", "cronExpression": "0 0 12 * * ? UTC"}})]
    before = int(suite.get(path).headers["ETag"].strip('"'))
    with concurrent.futures.ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda b: suite.patch(*b), bodies))
    assert {a.status for a in answers} == {200}, answers
    source = suite.get(path)
    assert source.json["name"] == "other" and source.json["configuration"] == {"count": 77, "seed": 5, "records_per_slice": 9}
    assert int(source.headers["ETag"].strip('"')) == before + 4
    shown = suite.get(connection).json
    assert (shown["name"], shown["prefix"], shown["status"]) == ("c", "p_", "inactive")
    assert shown["schedule"]["scheduleType"] == "cron" and shown["nonBreakingSchemaUpdatesBehavior"] == "propagate_fully"


def test_with_if_match_exactly_one_of_those_at_the_same_time_wins(suite):
    path = f"/sources/{suite.new_source(configuration={'sourceType': 'faker', 'count': 1})['sourceId']}"
    wins = itertools.count()

    def count_up():
        """Reads, adds one, writes; anew until it was nobody else's turn."""
        for tries in itertools.count(1):
            seen = suite.get(path)
            answer = suite.patch(path, {"configuration": {"count": seen.json["configuration"]["count"] + 1}},
                                 headers={"If-Match": seen.headers["ETag"]})
            if answer.status == 200:
                next(wins)
                return tries
            check_conflict(answer)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(count_up) for _ in range(24)]:
            future.result()
    assert suite.get(path).json["configuration"]["count"] == 1 + 24 == 1 + next(wins)


def test_the_config_api_heeds_it_too(suite):
    source, connection = suite.new_source()["sourceId"], suite.new_connection()["connectionId"]

    def ask(path, body, **kwargs):
        return suite.request("POST", f"/api/v1/{path}", body, **kwargs)
    for kind, body in (("sources", {"sourceId": source}), ("connections", {"connectionId": connection}),
                       ("web_backend/connections", {"connectionId": connection})):
        seen = ask(f"{kind}/get", body).headers["ETag"]
        public = f"/{kind.split('/')[-1]}/{source if kind == 'sources' else connection}"
        shown = suite.get(public).headers["ETag"]
        # What the config API shows of a connection has its streams' schemas, too.
        assert seen == shown or (kind != "sources" and seen.startswith(shown[:-1] + "-"))
        assert ask(f"{kind}/update", body | {"name": "one"}, headers={"If-Match": seen}).status == 200
        late = ask(f"{kind}/update", body | {"name": "two"}, headers={"If-Match": seen})
        assert late.status == 409 and "read it again" in late.json["message"] and suite.get(public).json["name"] == "one", late
    late = ask("sources/delete", {"sourceId": source}, headers={"If-Match": '"1"'})
    assert late.status == 409 and suite.get(f"/sources/{source}").status == 200


def test_the_bus_carries_the_revision(suite):
    bus = dbus.bus.BusConnection(suite.bus)
    try:
        for kind, made in (("source", suite.new_source()), ("destination", suite.new_destination()), ("connection", suite.new_connection())):
            path = encode(kind, made[f"{kind}Id"])
            o = dbus.Interface(bus.get_object(NAME, path), f"{NAME}.{kind.capitalize()}")
            shown, seen = o.Get()
            assert read(shown) == made and properties(bus, path, kind.capitalize())["Revision"] == seen
            assert suite.get(f"/{kind}s/{made[f'{kind}Id']}").headers["ETag"] == f'"{seen}"'
            o.Update(memfd({"name": "one"}), seen)
            assert "read it again" in fails("Conflict", o.Update, memfd({"name": "two"}), seen)
            fails("Conflict", o.Delete, seen)
            fails("InvalidArgument", o.Delete, -1)
            shown, now = o.Get()
            assert (read(shown)["name"], now) == ("one", seen + 1)
            o.Update(memfd({"name": "three"}), 0)
            if kind == "connection":
                o.Disable()
            fails("Conflict", o.Delete, now)
            o.Delete(o.Get()[1])
    finally:
        bus.close()


def encode(kind, text):
    """As sd_bus_path_encode() does."""
    return f"/org/gantry/Server1/{kind}/" + "".join(
        c if c.isalnum() and not (i == 0 and c.isdigit()) else f"_{ord(c):02x}" for i, c in enumerate(text))


def test_what_another_daemon_has_changed_is_a_conflict(suite):
    """gantry-workflow writes connections as well, and by the same rule."""
    connection = suite.new_connection()["connectionId"]
    seen = suite.get(f"/connections/{connection}").headers["ETag"]
    with contextlib.closing(sqlite3.connect(suite.database, timeout=60)) as db, db:
        db.execute("UPDATE connection SET status = 'inactive', revision = revision + 1 WHERE id = ?", (connection,))
    check_conflict(suite.patch(f"/connections/{connection}", {"status": "active"}, headers={"If-Match": seen}))
    assert suite.get(f"/connections/{connection}").json["status"] == "inactive"
