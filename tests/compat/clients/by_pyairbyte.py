# SPDX-License-Identifier: LGPL-2.1-or-later
"""airbyte (PyAirbyte): its cloud module with the suite in the cloud's place."""

import os

os.environ["DO_NOT_TRACK"] = os.environ["AIRBYTE_OFFLINE_MODE"] = "1"

import airbyte  # noqa: E402
import common  # noqa: E402
import yaml  # noqa: E402
from airbyte import cloud, exceptions  # noqa: E402
from airbyte_api import errors  # noqa: E402

MANIFEST = {
    "version": "6.0.0", "type": "DeclarativeSource", "check": {"type": "CheckStream", "stream_names": ["s"]},
    "streams": [{"type": "DeclarativeStream", "name": "s", "primary_key": [],
                 "retriever": {"type": "SimpleRetriever",
                               "requester": {"type": "HttpRequester", "url_base": "https://example.com", "path": "/",
                                             "http_method": "GET"},
                               "record_selector": {"type": "RecordSelector",
                                                   "extractor": {"type": "DpathExtractor", "field_path": []}}},
                 "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {}}}}],
    "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}}}


def deploy(place, workspace):
    source = airbyte.get_source("source-faker", config={"count": 12, "seed": 2},
                                local_executable="/usr/lib/gantry/connectors/source-faker")
    deployed = workspace.deploy_source(name="delete-me source", source=source)
    assert deployed.check(raise_on_error=True)
    destination = workspace.deploy_destination(name="delete-me destination", destination={
        "destinationType": "jsonl", "path": f"{place.files}/pyairbyte"})
    assert destination.check(raise_on_error=True)
    assert destination.configuration["path"] == f"{place.files}/pyairbyte"
    connection = workspace.deploy_connection("delete-me connection", source=deployed, destination=destination,
                                             selected_streams=["users"])
    return deployed, destination, connection


def change(connection):
    connection.rename("delete-me too")
    connection.set_table_prefix("p_")
    connection.set_selected_streams(["users", "products"])
    connection.set_schedule("0 0 6 * * ?")
    connection.set_manual_schedule()
    connection.set_selected_streams(["users"])
    assert connection.name == "delete-me too" and connection.table_prefix == "p_" and connection.stream_names == ["users"]
    connection.set_enabled(enabled=False)
    common.raises(exceptions.PyAirbyteInputError, connection.run_sync, "disabled")
    connection.enabled = True
    assert connection.enabled and connection.check_is_valid()


def sync(connection):
    result = connection.run_sync(wait_timeout=common.PATIENCE)
    assert result.is_job_complete() and result.get_job_status() == "succeeded" and result.records_synced == 12, result
    assert result.bytes_synced > 12 and result.start_time.year > 2000 and result.stream_names == ["users"]
    (attempt,) = result.get_attempts()
    assert attempt.status == "succeeded" and attempt.records_synced == 12 and attempt.created_at.year > 2000
    assert "users" in attempt.get_full_log_text()
    assert connection.get_sync_result().job_id == result.job_id
    assert [r.job_id for r in connection.get_previous_sync_logs()] == [result.job_id]


def artifacts(connection):
    state = connection.dump_raw_state(normalize=False)
    assert state["stateType"] == "stream", state
    connection.import_raw_state(state)
    connection.set_stream_state("users", {"updated_at": "2024-01-01T00:00:00Z"})
    assert connection.get_stream_state("users") == {"updated_at": "2024-01-01T00:00:00Z"}
    catalog = connection.dump_raw_catalog()
    assert "users" in [s["stream"]["name"] for s in catalog["streams"]], catalog
    connection.import_raw_catalog(connection.dump_raw_catalog(normalize=False))
    connection.import_raw_catalog(catalog)
    assert connection.stream_names == ["users"]


def definitions(workspace):
    made = workspace.publish_custom_source_definition("made", manifest_yaml=yaml.safe_dump(MANIFEST), unique=True)
    assert made.name == "made" and made.manifest["streams"][0]["name"] == "s"
    assert "made" in [d.name for d in workspace.list_custom_source_definitions(definition_type="yaml")]
    # A definition is its own project of the builder, and has no draft.
    assert made.connector_builder_project_id and made.has_draft is False and made.draft_manifest is None
    assert made.get_builder_project_data()["declarativeManifest"]["manifest"]["streams"][0]["name"] == "s"
    made.permanently_delete(safe_mode=False)


def main(place):
    workspace = cloud.CloudWorkspace(workspace_id=place.workspace, client_id=place.client_id, client_secret=place.client_secret,
                                     api_root=place.public)
    workspace.connect()
    assert workspace.get_organization().organization_name
    source, destination, connection = deploy(place, workspace)
    sync(connection)
    artifacts(connection)
    change(connection)

    slow = workspace.get_connection(place.slow)
    running = slow.run_sync(wait=False)
    common.raises(exceptions.AirbyteConnectionSyncError, lambda: slow.run_sync(wait=False))
    assert slow.cancel_sync().job_id == running.job_id
    common.wait_until("cancelled", lambda: running.get_job_status() == "cancelled")

    definitions(workspace)
    assert {s.connector_id for s in workspace.list_sources()} >= {source.connector_id}
    assert [c.connection_id for c in workspace.list_connections(name="delete-me too")] == [connection.connection_id]
    source.rename("delete-me again")
    destination.update_config({"destinationType": "jsonl", "path": f"{place.files}/pyairbyte2"})
    connection.permanently_delete(cascade_delete_source=True, cascade_delete_destination=True)
    common.raises(errors.SDKError, lambda: workspace.get_source(source.connector_id).name, "404")


if __name__ == "__main__":
    common.main(main)
