# SPDX-License-Identifier: LGPL-2.1-or-later
"""Schema changes in odd orders (P09, P10), on real daemons with real connectors: several connections at once, the source edited
meanwhile, what goes and comes back, keys that go, connections that are paused."""

import json

import pytest
from schema_world import V1, Real
from workload_host import UnixConnection

DEDUP = [{"name": "users", "syncMode": "incremental_deduped_history", "cursorField": ["at"], "primaryKey": [["id"]]}]
APPEND = [{"name": "users", "syncMode": "incremental_append", "cursorField": ["at"]}]
OVERWRITE = [{"name": "users", "syncMode": "full_refresh_overwrite"}]
CONFIG = "/api/v1/web_backend/connections"


@pytest.fixture
def world(tmp_path):
    world = Real(tmp_path)
    world.begin()
    yield world
    world.end()


def start(world, *connections):
    return [world.ask("POST", "/jobs", {"connectionId": c, "jobType": "sync"})["jobId"] for c in connections]


def finish(world, *jobs):
    world.serve(lambda: all(world.ended(job)() for job in jobs), None)
    return [world.job(job)[0] for job in jobs]


def shown(world, connection):
    c = world.ask("GET", f"/connections/{connection}")
    return c["status"], c.get("statusReason")


def columns(world, destination, table="users"):
    return [name for name, in world.arrived(destination, f"SELECT name FROM pragma_table_info('{table}') ORDER BY cid")
            if not name.startswith("_airbyte")]


def events(world, connection):
    return [kind for kind, _ in world.timeline(connection) if not kind.startswith("SYNC_")]


def selected(world, connection):
    return {s["name"] for s in world.ask("GET", f"/connections/{connection}")["configurations"]["streams"]}


def test_P09_one_change_is_discovered_once_and_each_connection_does_its_own_with_it(world):
    source = world.make_source()
    broken = world.connect(source, "a", DEDUP, nonBreakingSchemaUpdatesBehavior="propagate_fully")
    appends = world.connect(source, "b", APPEND, nonBreakingSchemaUpdatesBehavior="ignore")
    strict = world.connect(source, "c", OVERWRITE, nonBreakingSchemaUpdatesBehavior="disable_connection")
    takes = world.connect(source, "d", OVERWRITE, nonBreakingSchemaUpdatesBehavior="propagate_columns")
    keeps = world.connect(source, "e", OVERWRITE, nonBreakingSchemaUpdatesBehavior="ignore")
    everybody = (broken, appends, strict, takes, keeps)
    assert set(finish(world, *start(world, *everybody))) == {"succeeded"}
    discovered = world.discovers()
    world.change("ALTER TABLE users DROP COLUMN at", "INSERT INTO users VALUES (3, 'Edsger')")
    world.a_day_passes()
    assert finish(world, *start(world, *everybody)) == ["cancelled", "cancelled", "cancelled", "succeeded", "succeeded"]
    assert world.discovers() == discovered + 1
    breaking = ("inactive", "SCHEMA_CHANGES_ARE_BREAKING")
    assert [shown(world, c) for c in everybody] == [breaking, breaking, ("inactive", "DISABLE_CONNECTION_IF_ANY_SCHEMA_CHANGES"),
                                                   ("active", None), ("active", None)]
    assert [events(world, c) for c in everybody] == [["CONNECTION_DISABLED"]] * 3 + [["SCHEMA_UPDATE"], []]
    for name in "de":
        assert world.arrived(name, "SELECT id, name FROM users ORDER BY id") == [(1, "Ada"), (2, "Grace"), (3, "Edsger")]
    assert columns(world, "d") == ["id", "name"] and columns(world, "e") == ["id", "at", "name"]
    # Nothing more comes of it: those that go on have nothing to decide, and ask nobody.
    assert finish(world, *start(world, takes, keeps)) == ["succeeded", "succeeded"]
    assert world.discovers() == discovered + 1 and [events(world, c) for c in (takes, keeps)] == [["SCHEMA_UPDATE"], []]


def test_P09_a_source_that_is_edited_while_it_is_discovered_is_discovered_again(world):
    import sqlite3
    source = world.make_source()
    connection = world.connect(source, "a", OVERWRITE, nonBreakingSchemaUpdatesBehavior="propagate_fully")
    world.sync(connection)
    other = world.files / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, city TEXT)")
        db.execute("INSERT INTO users VALUES (7, 'Lima')")
    world.a_day_passes()
    (job,) = start(world, connection)
    runner = world.take("discover")
    world.background(lambda: world.ask("PATCH", f"/sources/{source}", {"configuration": {"path": str(other)}}))
    world.answer(runner)
    finish(world, job)
    before = world.discovers()
    # Whatever that one came to, the next one asks the source that is there now, and follows it.
    (job,) = start(world, connection)
    assert finish(world, job) == ["succeeded"]
    assert world.discovers() == before + 1
    assert world.arrived("a", "SELECT id, city FROM users") == [(7, "Lima")]


def test_P10_a_field_whose_type_goes_to_and_fro(world):
    connection = world.connect(world.make_source(), "a", DEDUP, nonBreakingSchemaUpdatesBehavior="propagate_columns")
    world.sync(connection)
    for at, kind, value in ((30, "INTEGER", 5), (40, "TEXT", "'Barbara'"), (50, "INTEGER", 6)):
        world.change("ALTER TABLE users RENAME TO old", f"CREATE TABLE users (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, name {kind})",
                     "INSERT INTO users SELECT id, at, NULL FROM old", "DROP TABLE old", f"INSERT INTO users VALUES ({at}, {at}, {value})")
        world.a_day_passes()
        world.sync(connection)
        assert [(i, str(n)) for i, n in world.arrived("a", f"SELECT id, name FROM users WHERE id = {at}")] == [(at, str(value).strip("'"))]
    assert events(world, connection) == ["SCHEMA_UPDATE"] * 3
    assert world.arrived("a", "SELECT count(*) FROM users") == [(5,)]


def test_P09_a_key_that_goes_breaks_those_who_deduplicate_and_no_others(world):
    source = world.make_source()
    dedup = world.connect(source, "a", DEDUP, nonBreakingSchemaUpdatesBehavior="propagate_fully")
    append = world.connect(source, "b", APPEND, nonBreakingSchemaUpdatesBehavior="propagate_fully")
    assert set(finish(world, *start(world, dedup, append))) == {"succeeded"}
    world.change("ALTER TABLE users RENAME TO old", "CREATE TABLE users (at INTEGER NOT NULL, name TEXT)",
                 "INSERT INTO users SELECT at, name FROM old", "DROP TABLE old", "INSERT INTO users VALUES (30, 'Edsger')")
    world.a_day_passes()
    assert finish(world, *start(world, dedup, append)) == ["cancelled", "succeeded"]
    assert shown(world, dedup) == ("inactive", "SCHEMA_CHANGES_ARE_BREAKING") and shown(world, append) == ("active", None)
    assert (30, "Edsger") in world.arrived("b", "SELECT at, name FROM users")
    # It comes back: turned on again by hand, the connection is whole.
    world.change("DROP TABLE users", "CREATE TABLE users (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, name TEXT)",
                 "INSERT INTO users VALUES (9, 90, 'Tony')")
    world.a_day_passes()
    world.background(lambda: world.ask("PATCH", f"/connections/{dedup}", {"status": "active"}))
    assert finish(world, *start(world, dedup, append)) == ["succeeded", "succeeded"]
    assert world.config("connections/get", {"connectionId": dedup})["breakingChange"] is False
    assert (9, 90, "Tony") in world.arrived("a", "SELECT id, at, name FROM users")


def test_P09_a_paused_connection_hears_of_nothing_until_it_is_turned_on(world):
    source = world.make_source()
    paused = world.connect(source, "a", DEDUP, nonBreakingSchemaUpdatesBehavior="propagate_fully")
    other = world.connect(source, "b", OVERWRITE, nonBreakingSchemaUpdatesBehavior="propagate_fully")
    assert set(finish(world, *start(world, paused, other))) == {"succeeded"}
    world.background(lambda: world.ask("PATCH", f"/connections/{paused}", {"status": "inactive"}))
    before = world.ask("GET", f"/connections/{paused}")
    world.change("ALTER TABLE users DROP COLUMN at")
    world.a_day_passes()
    assert finish(world, *start(world, other)) == ["succeeded"]
    assert world.ask("GET", f"/connections/{paused}") == before and events(world, paused) == []
    world.background(lambda: world.ask("PATCH", f"/connections/{paused}", {"status": "active"}))
    discovered = world.discovers()
    assert finish(world, *start(world, paused)) == ["cancelled"]
    assert world.discovers() == discovered and shown(world, paused) == ("inactive", "SCHEMA_CHANGES_ARE_BREAKING")
    # What is broken can still be emptied.
    job = world.config("connections/clear", {"connectionId": paused})["job"]
    assert finish(world, job["id"]) == ["succeeded"]
    assert world.arrived("a", "SELECT count(*) FROM users") == [(0,)]


def test_P09_a_connection_that_is_paused_while_its_source_is_asked(world):
    connection = world.connect(world.make_source(), "a", DEDUP, nonBreakingSchemaUpdatesBehavior="propagate_fully")
    world.sync(connection)
    world.change("ALTER TABLE users DROP COLUMN at")
    world.a_day_passes()
    (job,) = start(world, connection)
    runner = world.take("discover")
    world.background(lambda: world.ask("PATCH", f"/connections/{connection}", {"status": "inactive"}))
    world.answer(runner)
    assert finish(world, job) == ["cancelled"]
    assert shown(world, connection) == ("inactive", "SCHEMA_CHANGES_ARE_BREAKING")


class Tagged:
    """A connection with the tags that the two APIs show of it."""

    def __init__(self, world, connection):
        self.world, self.id = world, connection

    def ask(self, method, path, body=None, tag=None, status=200):
        connection = UnixConnection(f"{self.world.directory}/server.sock")
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.world.token}"} | ({"If-Match": tag} if tag else {})
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.status == status, (response.status, text)
        return response.headers["ETag"]

    def tags(self):
        return (self.ask("GET", f"{V1}/connections/{self.id}"), self.ask("POST", f"{CONFIG}/get", {"connectionId": self.id}))

    def patch(self, tag, name, status=200):
        return self.world.background(lambda: self.ask("PATCH", f"{V1}/connections/{self.id}", {"name": name}, tag, status))

    def update(self, tag, name, status=200):
        return self.world.background(lambda: self.ask("POST", f"{CONFIG}/update", {"connectionId": self.id, "name": name}, tag, status))


def test_a_newer_catalog_is_a_conflict_only_for_who_has_seen_the_older_one(world):
    tagged = Tagged(world, world.connect(world.make_source(), "a", DEDUP, nonBreakingSchemaUpdatesBehavior="propagate_fully"))
    world.sync(tagged.id)
    first = tagged.tags()
    # The same catalog by another id.
    world.a_day_passes()
    world.sync(tagged.id)
    assert tagged.tags() == first
    tagged.update(first[1], "one")
    second = tagged.tags()
    tagged.patch(first[0], "late", status=409)
    tagged.update(first[1], "late", status=409)
    # Another field: the public API shows no schemas.
    world.change("ALTER TABLE users ADD COLUMN city TEXT")
    world.a_day_passes()
    world.sync(tagged.id)
    third = tagged.tags()
    assert third[0] == second[0] and third[1] != second[1]
    tagged.update(second[1], "late", status=409)
    tagged.patch(second[0], "two")
    # Another stream: both show it.
    fourth = tagged.tags()
    world.change("CREATE TABLE orders (n INTEGER PRIMARY KEY)")
    world.a_day_passes()
    world.sync(tagged.id)
    tagged.patch(fourth[0], "late", status=409)
    tagged.update(fourth[1], "late", status=409)
    # Each takes the other's, in what it shows itself.
    fifth = tagged.tags()
    tagged.update(fifth[0], "three")
    tagged.patch(tagged.tags()[1], "four")
    assert world.ask("GET", f"/connections/{tagged.id}")["name"] == "four"
    # And what was set went with no sync back.
    assert world.config("web_backend/connections/get", {"connectionId": tagged.id})["schemaChange"] == "no_change"


def test_a_setting_that_is_changed_while_a_sync_moves_the_catalog_on_does_not_move_it_back(world):
    connection = world.connect(world.make_source(), "a", DEDUP, nonBreakingSchemaUpdatesBehavior="propagate_columns")
    world.sync(connection)
    world.change("ALTER TABLE users ADD COLUMN city TEXT DEFAULT 'Paris'")
    world.a_day_passes()
    (job,) = start(world, connection)
    world.answer(world.take("discover"))
    runner = world.take("sync")
    world.background(lambda: world.ask("PATCH", f"/connections/{connection}", {"name": "another"}))
    world.answer(runner)
    assert finish(world, job) == ["succeeded"]
    assert finish(world, *start(world, connection)) == ["succeeded"]
    assert events(world, connection) == ["SCHEMA_UPDATE"]


FULLY = {"nonBreakingSchemaUpdatesBehavior": "propagate_fully"}
ORDERS = "CREATE TABLE orders (n INTEGER PRIMARY KEY, what TEXT)"
MODES = {
    "overwrite": {"syncMode": "full_refresh_overwrite"},
    "deduped": {"syncMode": "incremental_deduped_history", "cursorField": ["n"], "primaryKey": [["n"]]},
    "append": {"syncMode": "incremental_append", "cursorField": ["n"]},
}


def orders(world, *select):
    return sorted(world.arrived("a", f"SELECT {', '.join(select) or 'n, what'} FROM orders"))


def generation(world, stream="orders"):
    return world.sql("SELECT generation_id FROM generation WHERE stream_name = ?", (stream,))[0][0]


def states(world):
    return {name for name, in world.sql("SELECT stream_name FROM state")}


def owed(world):
    return world.sql("SELECT stream_name, forced, begun FROM backfill")


def edit(world, connection, *streams):
    world.background(lambda: world.ask("PATCH", f"/connections/{connection}", {"configurations": {"streams": [*streams]}}))


def without(world, connection):
    """A sync of a source that has just lost its orders."""
    world.change("DROP TABLE orders")
    world.a_day_passes()
    world.sync(connection)
    assert selected(world, connection) == {"users"}
    assert "orders" not in states(world) and owed(world) == []


def test_P10_a_stream_that_goes_and_comes_back_is_read_from_its_beginning(world):
    connection = world.connect(world.make_source(), "a", OVERWRITE, **FULLY)
    world.sync(connection)
    world.change(ORDERS, "INSERT INTO orders VALUES (7, 'tea')")
    world.a_day_passes()
    world.sync(connection)
    assert orders(world) == [(7, "tea")] and "orders" in states(world)
    first = generation(world)
    without(world, connection)
    world.change(ORDERS, "INSERT INTO orders VALUES (1, 'rice')")
    world.a_day_passes()
    world.sync(connection)
    assert (1, "rice") in orders(world) and generation(world) > first
    # From then on it goes on from there.
    world.change("INSERT INTO orders VALUES (8, 'salt')")
    assert world.sync(connection)["rowsSynced"] == 2 + 1  # users in full


@pytest.mark.parametrize("mode", MODES)
def test_P10_in_each_mode_a_stream_that_comes_back_is_read_from_its_beginning(world, mode):
    world.change(ORDERS, "INSERT INTO orders VALUES (7, 'tea')")
    entry = {"name": "orders"} | MODES[mode]
    source = world.make_source()
    connection = world.connect(source, "a", [*OVERWRITE, entry], **FULLY)
    world.sync(connection)
    first = generation(world)
    without(world, connection)
    world.change(ORDERS, "INSERT INTO orders VALUES (1, 'rice')")
    # Somebody sees it first, and selects it with the modes that it had.
    world.config("sources/discover_schema", {"sourceId": source, "disable_cache": True})
    edit(world, connection, *OVERWRITE, entry)
    world.sync(connection)
    assert (1, "rice") in orders(world) and generation(world) > first
    # In full it is what the source has; otherwise what has arrived stays.
    assert ((7, "tea") in orders(world)) == (mode != "overwrite")


@pytest.mark.parametrize("between", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_a_stream_that_is_taken_out_and_put_back_by_hand_is_read_from_its_beginning(world, mode, between):
    world.change(ORDERS, "INSERT INTO orders VALUES (7, 'tea')")
    entry = {"name": "orders"} | MODES[mode]
    connection = world.connect(world.make_source(), "a", [*OVERWRITE, entry])
    world.sync(connection)
    edit(world, connection, *OVERWRITE)
    assert owed(world) == [("orders", 1, 0)]
    if between:
        world.sync(connection)
        assert "orders" not in states(world) and owed(world) == []
    world.change("INSERT INTO orders VALUES (1, 'rice')")
    edit(world, connection, *OVERWRITE, entry)
    world.sync(connection)
    assert set(orders(world)) == {(1, "rice"), (7, "tea")} and owed(world) == []
    # Once.
    world.change("INSERT INTO orders VALUES (8, 'salt')")
    assert world.sync(connection)["rowsSynced"] == (2 + 3 if mode == "overwrite" else 2 + 1)


def test_other_edits_leave_the_states_of_streams_that_stay(world):
    world.change(ORDERS, "INSERT INTO orders VALUES (7, 'tea')")
    entry = {"name": "orders"} | MODES["deduped"]
    connection = world.connect(world.make_source(), "a", [*OVERWRITE, entry])
    world.sync(connection)
    edit(world, connection, {"name": "users", "syncMode": "full_refresh_append"}, entry)
    world.background(lambda: world.ask("PATCH", f"/connections/{connection}", {"name": "another"}))
    assert owed(world) == [] and "orders" in states(world)
    # Those of a connection that moves everything, less one.
    edit(world, connection, entry)
    assert owed(world) == [("users", 1, 0)]


@pytest.mark.parametrize("comes", ["CREATE TABLE orders (n INTEGER, what TEXT, id INTEGER PRIMARY KEY)", "CREATE TABLE orders (what TEXT)"])
def test_P10_a_stream_that_comes_back_with_another_key_or_without_its_cursor(world, comes):
    world.change(ORDERS, "INSERT INTO orders VALUES (7, 'tea')")
    connection = world.connect(world.make_source(), "a", [*OVERWRITE, {"name": "orders"} | MODES["append"]], **FULLY)
    world.sync(connection)
    without(world, connection)
    world.change(comes, "INSERT INTO orders (what) VALUES ('rice')")
    world.a_day_passes()
    world.sync(connection)
    assert selected(world, connection) == {"users", "orders"}
    assert ("rice",) in orders(world, "what")


@pytest.mark.parametrize("policy", ["ignore", "propagate_columns"])
def test_P10_a_stream_that_was_missed_while_nothing_follows_is_read_from_its_beginning(world, policy):
    world.change(ORDERS, "INSERT INTO orders VALUES (7, 'tea')")
    connection = world.connect(world.make_source(), "a", [*OVERWRITE, {"name": "orders"} | MODES["deduped"]],
                               nonBreakingSchemaUpdatesBehavior=policy)
    world.sync(connection)
    world.change("DROP TABLE orders")
    world.a_day_passes()
    assert finish(world, *start(world, connection)) == ["failed"]
    assert owed(world) == [("orders", 1, 0)] and "orders" in states(world)
    world.change(ORDERS, "INSERT INTO orders VALUES (1, 'rice')")
    world.a_day_passes()
    world.sync(connection)
    assert (1, "rice") in orders(world) and owed(world) == []


def test_a_stream_that_is_taken_out_while_it_is_read_is_owed_whatever_the_sync_still_stores(world):
    world.change(ORDERS, "INSERT INTO orders VALUES (7, 'tea')")
    entry = {"name": "orders"} | MODES["deduped"]
    connection = world.connect(world.make_source(), "a", [*OVERWRITE, entry])
    world.sync(connection)
    world.change("INSERT INTO orders VALUES (9, 'figs')")
    (job,) = start(world, connection)
    runner = world.take("sync")
    edit(world, connection, *OVERWRITE)
    edit(world, connection, *OVERWRITE, entry)
    world.answer(runner)
    assert finish(world, job) == ["succeeded"]
    assert "orders" in states(world) and owed(world) == [("orders", 1, 0)]
    world.change("INSERT INTO orders VALUES (1, 'rice')")
    world.sync(connection)
    assert (1, "rice") in orders(world) and owed(world) == []


def test_a_state_that_is_set_by_hand_is_meant(world):
    world.change(ORDERS, "INSERT INTO orders VALUES (7, 'tea')")
    entry = {"name": "orders"} | MODES["deduped"]
    connection = world.connect(world.make_source(), "a", [*OVERWRITE, entry])
    world.sync(connection)
    state = world.config("state/get", {"connectionId": connection})
    edit(world, connection, *OVERWRITE)
    edit(world, connection, *OVERWRITE, entry)
    world.config("state/create_or_update", {"connectionId": connection, "connectionState": state})
    assert owed(world) == []
    world.change("INSERT INTO orders VALUES (1, 'rice'), (8, 'salt')")
    assert world.sync(connection)["rowsSynced"] == 2 + 1
    assert orders(world) == [(7, "tea"), (8, "salt")]
