# SPDX-License-Identifier: LGPL-2.1-or-later
"""dagster-airbyte: assets of a workspace materialized by syncs, and the older resource with Basic auth."""

import os
import tempfile

os.environ["DAGSTER_HOME"] = tempfile.mkdtemp()
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"

import common  # noqa: E402
import dagster  # noqa: E402
import dagster_airbyte  # noqa: E402


def workspaces(place):
    """Self-managed with a client's id and secret, with Basic auth, and the class for the cloud with its base URLs set."""
    urls = {"rest_api_base_url": place.public, "configuration_api_base_url": place.config}
    common_ = {"workspace_id": place.workspace, "poll_interval": 0.2, "request_timeout": common.PATIENCE}
    yield dagster_airbyte.AirbyteWorkspace(client_id=place.client_id, client_secret=place.client_secret, **urls, **common_)
    yield dagster_airbyte.AirbyteWorkspace(username=place.client_id, password=place.client_secret, **urls, **common_)
    for name, url in urls.items():
        setattr(dagster_airbyte.AirbyteCloudWorkspace, name, url)
    yield dagster_airbyte.AirbyteCloudWorkspace(client_id=place.client_id, client_secret=place.client_secret, **common_)


def materialize(place, workspace):
    definitions = dagster_airbyte.build_airbyte_assets_definitions(
        workspace=workspace, connection_selector_fn=lambda c: c.id == place.connection)
    assert {k.path[-1] for d in definitions for k in d.keys} == {"users"}, definitions
    before = place.count()
    result = dagster.materialize(definitions, resources={"airbyte": workspace})
    assert result.success
    assert place.count() - before == place.records, (before, place.count())


def cancel(place, workspace):
    client = workspace.get_client()
    assert {place.connection, place.slow} <= {c["connectionId"] for c in client.get_connections()}
    job = client.start_sync_job(place.slow)
    common.raises(dagster.Failure, lambda: client.sync_and_poll(place.slow), "already running")
    assert client.cancel_job(job["jobId"])["jobId"] == job["jobId"]
    common.wait_until("cancelled", lambda: client.get_job_details(job["jobId"])["status"] == "cancelled")


def legacy(place):
    host, port = place.url.removeprefix("http://").split(":")
    resource = dagster_airbyte.AirbyteResource(host=host, port=port, username=place.client_id, password=place.client_secret,
                                               poll_interval=0.2, request_timeout=common.PATIENCE)
    before = place.count()
    done = resource.sync_and_poll(place.connection)
    assert done.job_details["job"]["status"] == "succeeded" and done.job_details["attempts"], done
    assert place.count() - before == place.records, (before, place.count())
    (attempt,) = done.job_details["attempts"]
    assert attempt["logs"]["logLines"], attempt
    # Without logs it asks for a list.
    quiet = dagster_airbyte.AirbyteResource(host=host, port=port, username=place.client_id, password=place.client_secret,
                                            poll_interval=0.2, forward_logs=False, request_timeout=common.PATIENCE)
    assert quiet.sync_and_poll(place.connection).job_details["job"]["status"] == "succeeded"
    common.raises(dagster.Failure, lambda: resource.sync_and_poll(place.slow, poll_timeout=0.1), "Timeout")

    assets = dagster_airbyte.load_assets_from_airbyte_instance(resource, connection_filter=lambda c: c.name == "people")
    (found,) = assets.compute_cacheable_data()
    assert "users" in {p for key in found.keys_by_output_name.values() for p in key.path}, found


def main(place):
    for workspace in workspaces(place):
        materialize(place, workspace)
        cancel(place, workspace)
    legacy(place)


if __name__ == "__main__":
    common.main(main)
