# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sources that change their schema, on real daemons with real connectors: what becomes of connections (P09, P10)."""

import pytest
from schema_world import Real

DEDUP = [{"name": "users", "syncMode": "incremental_deduped_history", "cursorField": ["at"], "primaryKey": [["id"]]}]
OVERWRITE = [{"name": "users", "syncMode": "full_refresh_overwrite"}]
NEW_COLUMN = ("ALTER TABLE users ADD COLUMN city TEXT DEFAULT 'Paris'", "INSERT INTO users VALUES (3, 30, 'Edsger', 'Oslo')")


@pytest.fixture
def world(tmp_path):
    world = Real(tmp_path)
    world.begin()
    yield world
    world.end()


def fields(event):
    """[(stream, change, field)] of an event's difference."""
    return [(t["streamDescriptor"]["name"], f["transformType"], f["fieldName"])
            for t in event["catalogDiff"]["transforms"] for f in t.get("updateStream", {}).get("fieldTransforms", [])]


def columns(world, destination):
    return [name for name, in world.arrived(destination, "SELECT name FROM pragma_table_info('users') ORDER BY cid")
            if not name.startswith("_airbyte")]


def test_P09_a_breaking_change_turns_off_the_connection_that_it_breaks_and_no_other(world):
    source = world.make_source()
    broken = world.connect(source, "a", DEDUP, nonBreakingSchemaUpdatesBehavior="propagate_fully")
    other = world.connect(source, "b", OVERWRITE, nonBreakingSchemaUpdatesBehavior="propagate_columns")
    for connection in (broken, other):
        world.sync(connection)
    discovered = world.discovers()
    before = world.ask("GET", f"/connections/{other}")
    world.change("ALTER TABLE users DROP COLUMN at")
    world.a_day_passes()
    world.sync(broken, status="cancelled")
    # That one says why, and doesn't run.
    shown = world.ask("GET", f"/connections/{broken}")
    assert (shown["status"], shown["statusReason"]) == ("inactive", "SCHEMA_CHANGES_ARE_BREAKING")
    assert world.config("connections/get", {"connectionId": broken})["breakingChange"] is True
    assert world.config("web_backend/connections/get", {"connectionId": broken})["schemaChange"] == "breaking"
    (*_, (kind, event), _) = world.timeline(broken)
    assert kind == "CONNECTION_DISABLED" and event["disabledReason"] == "SCHEMA_CHANGES_ARE_BREAKING"
    assert fields(event) == [("users", "remove_field", ["at"])]
    world.ask("POST", "/jobs", {"connectionId": broken, "jobType": "sync"}, status=409)
    assert world.arrived("a", "SELECT id, at, name FROM users ORDER BY id") == [(1, 10, "Ada"), (2, 20, "Grace")]
    # The other one is as it was, and goes on with what it can: the discover is shared.
    assert world.ask("GET", f"/connections/{other}") == before
    world.change("INSERT INTO users (id, name) VALUES (3, 'Edsger')")
    world.sync(other)
    assert world.arrived("b", "SELECT id, name FROM users ORDER BY id") == [(1, "Ada"), (2, "Grace"), (3, "Edsger")]
    assert world.discovers() == discovered + 1
    assert world.ask("GET", f"/connections/{other}")["status"] == "active"


def test_P09_a_broken_connection_goes_on_once_its_streams_are_set_anew(world):
    connection = world.connect(world.make_source(), "a", DEDUP)
    world.sync(connection)
    world.change("ALTER TABLE users DROP COLUMN at")
    world.a_day_passes()
    world.sync(connection, status="cancelled")
    # Turning it on is not enough.
    world.background(lambda: world.ask("PATCH", f"/connections/{connection}", {"status": "active"}))
    world.sync(connection, status="cancelled")
    refreshed = world.config("web_backend/connections/get", {"connectionId": connection, "withRefreshedCatalog": True})
    assert refreshed["breakingChange"] is True
    assert fields(refreshed) == [("users", "remove_field", ["at"])]
    (entry,) = refreshed["syncCatalog"]["streams"]
    assert "at" not in entry["stream"]["jsonSchema"]["properties"] and entry["config"]["cursorField"] == ["at"]
    body = {"connectionId": connection, "syncCatalog": refreshed["syncCatalog"], "status": "active"}
    assert "cursor" in str(world.config("web_backend/connections/update", body, status=400))
    entry["config"]["cursorField"] = ["id"]
    updated = world.config("web_backend/connections/update", body)
    assert updated["breakingChange"] is False and updated["status"] == "active" and "statusReason" not in updated
    world.change("INSERT INTO users (id, name) VALUES (3, 'Edsger')")
    world.sync(connection)
    assert world.arrived("a", "SELECT id, name FROM users ORDER BY id")[-1] == (3, "Edsger")


def test_P10_fully_propagated_columns_come_with_new_rows_only(world):
    connection = world.connect(world.make_source(), "a", DEDUP, nonBreakingSchemaUpdatesBehavior="propagate_fully")
    world.sync(connection)
    world.change(*NEW_COLUMN, "CREATE TABLE orders (n INTEGER PRIMARY KEY)", "INSERT INTO orders VALUES (7)")
    # The catalog is young: nothing is discovered, and nothing of the change is seen.
    assert world.sync(connection)["rowsSynced"] == 1
    assert columns(world, "a") == ["id", "at", "name"]
    world.change("INSERT INTO users VALUES (4, 40, 'Barbara', 'Lima')")
    world.a_day_passes()
    # The new row, the new stream's, and the last one of before: source-sqlite looks whether rows of the newest cursor have changed.
    assert world.sync(connection)["rowsSynced"] == 3
    assert columns(world, "a") == ["id", "at", "name", "city"]
    assert world.arrived("a", "SELECT id, city FROM users ORDER BY id") == [(1, None), (2, None), (3, "Oslo"), (4, "Lima")]
    assert world.arrived("a", "SELECT n FROM orders") == [(7,)]
    (event,) = [summary for kind, summary in world.timeline(connection) if kind == "SCHEMA_UPDATE"]
    assert event["updateReason"] == "SCHEMA_CHANGE_AUTO_PROPAGATE" and ("users", "add_field", ["city"]) in fields(event)
    assert {s["name"] for s in world.ask("GET", f"/connections/{connection}")["configurations"]["streams"]} == {"users", "orders"}


def test_P10_a_backfill_brings_the_new_column_for_old_rows_too(world):
    connection = world.connect(world.make_source(), "a", DEDUP, nonBreakingSchemaUpdatesBehavior="propagate_columns")
    updated = world.config("web_backend/connections/update", {"connectionId": connection, "backfillPreference": "enabled"})
    assert updated["backfillPreference"] == "enabled"
    world.config("web_backend/connections/update", {"connectionId": connection, "backfillPreference": "perhaps"}, status=400)
    world.sync(connection)
    world.change(*NEW_COLUMN, "CREATE TABLE orders (n INTEGER PRIMARY KEY)")
    world.a_day_passes()
    assert world.sync(connection)["rowsSynced"] == 3
    assert world.arrived("a", "SELECT id, city FROM users ORDER BY id") == [(1, "Paris"), (2, "Paris"), (3, "Oslo")]
    assert world.sql("SELECT was_backfilled FROM stream_stats ORDER BY job_id") == [(0,), (1,)]
    # Streams that are new are not taken.
    assert [s["name"] for s in world.ask("GET", f"/connections/{connection}")["configurations"]["streams"]] == ["users"]
    assert world.sync(connection)["rowsSynced"] == 0


def test_P10_an_empty_change_is_the_same_catalog_by_another_id(world):
    connection = world.connect(world.make_source(), "a", DEDUP, nonBreakingSchemaUpdatesBehavior="disable_connection")
    world.sync(connection)
    first = world.config("connections/get", {"connectionId": connection})
    world.a_day_passes()
    world.sync(connection)
    second = world.config("connections/get", {"connectionId": connection})
    assert second["sourceCatalogId"] != first["sourceCatalogId"]
    assert second["syncCatalog"] == first["syncCatalog"] and second["status"] == "active"
    assert len(world.sql("SELECT DISTINCT catalog_hash FROM catalog_fetch")) == 1
    assert {kind for kind, _ in world.timeline(connection)} == {"SYNC_SUCCEEDED"}


def test_ignored_changes_wait_for_a_person_and_others_turn_the_connection_off(world):
    source = world.make_source()
    ignoring = world.connect(source, "a", DEDUP, nonBreakingSchemaUpdatesBehavior="ignore")
    strict = world.connect(source, "b", OVERWRITE, nonBreakingSchemaUpdatesBehavior="disable_connection")
    world.change(*NEW_COLUMN)
    world.a_day_passes()
    assert world.sync(ignoring)["rowsSynced"] == 3
    assert columns(world, "a") == ["id", "at", "name"]
    assert world.config("web_backend/connections/get", {"connectionId": ignoring})["schemaChange"] == "non_breaking"
    world.sync(strict, status="cancelled")
    shown = world.ask("GET", f"/connections/{strict}")
    assert (shown["status"], shown["statusReason"]) == ("inactive", "DISABLE_CONNECTION_IF_ANY_SCHEMA_CHANGES")
    assert world.config("connections/get", {"connectionId": strict})["breakingChange"] is False
    # A person takes the change over.
    refreshed = world.config("web_backend/connections/get", {"connectionId": ignoring, "withRefreshedCatalog": True})
    assert refreshed["breakingChange"] is False and fields(refreshed) == [("users", "add_field", ["city"])]
    world.config("web_backend/connections/update", {"connectionId": ignoring, "syncCatalog": refreshed["syncCatalog"]})
    assert world.config("web_backend/connections/get", {"connectionId": ignoring})["schemaChange"] == "no_change"
    world.change("INSERT INTO users VALUES (5, 50, 'Tony', 'Kyiv')")
    world.sync(ignoring)
    assert world.arrived("a", "SELECT city FROM users WHERE id = 5") == [("Kyiv",)]


def test_a_discover_says_how_a_connection_differs_and_changes_nothing(world):
    source = world.make_source()
    connection = world.connect(source, "a", DEDUP, nonBreakingSchemaUpdatesBehavior="propagate_fully")
    other = world.make_source()
    world.change(*NEW_COLUMN)
    before = world.ask("GET", f"/connections/{connection}")
    body = {"sourceId": source, "connectionId": connection, "disable_cache": True}
    found = world.config("sources/discover_schema", body)
    assert fields(found) == [("users", "add_field", ["city"])] and found["connectionStatus"] == "active"
    assert found["breakingChange"] is False and found["jobInfo"]["succeeded"] is True and found["catalogId"]
    assert found["catalogDiff"]["transforms"][0]["updateStream"]["fieldTransforms"][0]["addField"] == {
        "schema": {"type": ["null", "string"]}}
    world.change("ALTER TABLE users DROP COLUMN at")
    assert world.config("sources/discover_schema", body)["breakingChange"] is True
    assert world.ask("GET", f"/connections/{connection}") == before
    assert "catalogDiff" not in world.config("sources/discover_schema", {"sourceId": source})
    world.config("sources/discover_schema", body | {"sourceId": other}, status=400)
    world.config("sources/discover_schema", body | {"connectionId": "nobody"}, status=404)
    # Its next sync sees what was found, without asking the source again.
    discovered = world.discovers()
    world.sync(connection, status="cancelled")
    assert world.discovers() == discovered
    assert world.ask("GET", f"/connections/{connection}")["statusReason"] == "SCHEMA_CHANGES_ARE_BREAKING"


@pytest.mark.parametrize("mode", ["Truncate", "Merge", None])
def test_a_refresh_reads_streams_anew(world, mode):
    connection = world.connect(world.make_source(), "a", [dict(DEDUP[0], syncMode="incremental_append")])
    world.sync(connection)
    body = {"connectionId": connection, "streams": [{"streamName": "users"}]} | ({"refreshMode": mode} if mode else {})
    job = world.config("connections/refresh", body)["job"]
    assert job["configType"] == "refresh" and job["configId"] == connection
    world.serve(world.ended(job["id"]), None)
    assert world.job(job["id"])[0] == "succeeded"
    assert world.arrived("a", "SELECT count(*) FROM users") == [(4 if mode == "Merge" else 2,)]
    world.config("connections/refresh", body | {"refreshMode": "Sideways"}, status=400)
    world.config("connections/refresh", body | {"streams": [{}]}, status=400)
    world.config("connections/refresh", {"streams": []}, status=400)
    world.config("connections/refresh", body | {"streams": ["users"]}, status=400)
    job = world.config("connections/clear/stream", {"connectionId": connection, "streams": [{"streamName": "users"}]})["job"]
    assert job["configType"] == "clear"
    world.serve(world.ended(job["id"]), None)
    assert world.arrived("a", "SELECT count(*) FROM users") == [(0,)]
    world.sql("UPDATE definition SET supports_refreshes = 0")
    assert "clear them" in world.config("connections/refresh", body, status=422)["message"]
