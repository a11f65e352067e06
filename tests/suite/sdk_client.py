# SPDX-License-Identifier: LGPL-2.1-or-later
"""Drives the API through Airbyte's own SDK, unmodified: python3 sdk_client.py URL CLIENT_ID CLIENT_SECRET..

Runs in an interpreter that has the SDK; test_server_sdk.py makes one."""

import sys

import airbyte_api
from airbyte_api import api, models


def main(url, client_id, client_secret):
    sdk = airbyte_api.AirbyteAPI(server_url=url, security=models.Security(client_credentials=models.SchemeClientCredentials(
        client_id=client_id, client_secret=client_secret, token_url=f"{url}/applications/token")))
    assert sdk.health.get_health_check().status_code == 200

    workspaces = sdk.workspaces.list_workspaces(request=api.ListWorkspacesRequest()).workspaces_response
    assert workspaces.data
    made = sdk.workspaces.create_workspace(request=models.WorkspaceCreateRequest(name="by the SDK")).workspace_response
    sdk.workspaces.update_workspace(request=api.UpdateWorkspaceRequest(
        workspace_id=made.workspace_id, workspace_update_request=models.WorkspaceUpdateRequest(name="renamed")))
    assert sdk.workspaces.get_workspace(
        request=api.GetWorkspaceRequest(workspace_id=made.workspace_id)).workspace_response.name == "renamed"
    workspace = made.workspace_id

    source = sdk.sources.create_source(request=models.SourceCreateRequest(
        name="faker", workspace_id=workspace, configuration=models.SourceFaker(count=7))).source_response
    assert source.source_type == "faker"
    path = api.GetSourceRequest(source_id=source.source_id)
    assert sdk.sources.get_source(request=path).source_response.name == "faker"
    sdk.sources.patch_source(request=api.PatchSourceRequest(
        source_id=source.source_id, source_patch_request=models.SourcePatchRequest(name="patched")))
    sdk.sources.put_source(request=api.PutSourceRequest(source_id=source.source_id, source_put_request=models.SourcePutRequest(
        name="put", configuration=models.SourceFaker(count=8))))
    listed = sdk.sources.list_sources(request=api.ListSourcesRequest(workspace_ids=[workspace])).sources_response
    assert source.source_id in [s.source_id for s in listed.data]

    definition = sdk.destination_definitions.create_destination_definition(request=api.CreateDestinationDefinitionRequest(
        workspace_id=workspace, create_definition_request=models.CreateDefinitionRequest(
            name="Nothing", docker_repository="airbyte/destination-dev-null", docker_image_tag="1"))).definition_response.id
    assert sdk.destination_definitions.list_destination_definitions(
        request=api.ListDestinationDefinitionsRequest(workspace_id=workspace)).definitions_response.data
    # The SDK only knows Airbyte's own types of configurations: a definition's id says which connector it is really for.
    destination = sdk.destinations.create_destination(request=models.DestinationCreateRequest(
        name="nothing", workspace_id=workspace, definition_id=definition,
        configuration=models.DestinationDevNull(test_destination=models.Silent()))).destination_response
    assert sdk.destinations.get_destination(
        request=api.GetDestinationRequest(destination_id=destination.destination_id)).destination_response.name == "nothing"

    streams = sdk.streams.get_stream_properties(request=api.GetStreamPropertiesRequest(
        source_id=source.source_id, destination_id=destination.destination_id)).stream_properties_response
    assert {s.stream_name for s in streams} == {"users", "products", "purchases"}

    tag = sdk.tags.create_tag(request=models.TagCreateRequest(
        name="sdk", color="00FF00", workspace_id=workspace)).tag_response
    connection = sdk.connections.create_connection(request=models.ConnectionCreateRequest(
        source_id=source.source_id, destination_id=destination.destination_id, name="by the SDK",
        configurations=models.StreamConfigurations(streams=[models.StreamConfiguration(
            name="users", sync_mode=models.ConnectionSyncModeEnum.FULL_REFRESH_OVERWRITE)]),
        schedule=models.AirbyteAPIConnectionSchedule(schedule_type=models.ScheduleTypeEnum.CRON,
                                                     cron_expression="0 0 12 * * ? UTC"))).connection_response
    assert [s.name for s in connection.configurations.streams] == ["users"]
    patched = sdk.connections.patch_connection(request=api.PatchConnectionRequest(
        connection_id=connection.connection_id, connection_patch_request=models.ConnectionPatchRequest(
            name="patched", status=models.ConnectionStatusEnum.ACTIVE))).connection_response
    assert patched.name == "patched"
    listed = sdk.connections.list_connections(request=api.ListConnectionsRequest(workspace_ids=[workspace])).connections_response
    assert connection.connection_id in [c.connection_id for c in listed.data]

    job = sdk.jobs.create_job(request=models.JobCreateRequest(
        connection_id=connection.connection_id, job_type=models.JobTypeEnum.SYNC)).job_response
    assert sdk.jobs.get_job(request=api.GetJobRequest(job_id=job.job_id)).job_response.status == models.JobStatusEnum.PENDING
    assert sdk.jobs.list_jobs(request=api.ListJobsRequest(connection_id=connection.connection_id)).jobs_response.data
    assert sdk.jobs.cancel_job(request=api.CancelJobRequest(job_id=job.job_id)).job_response.status == models.JobStatusEnum.CANCELLED

    assert sdk.organizations.list_organizations_for_user().organizations_response.data
    assert sdk.permissions.list_permissions(request=api.ListPermissionsRequest()).permissions_response.data
    for gone in (sdk.connections.delete_connection(request=api.DeleteConnectionRequest(connection_id=connection.connection_id)),
                 sdk.sources.delete_source(request=api.DeleteSourceRequest(source_id=source.source_id)),
                 sdk.destinations.delete_destination(request=api.DeleteDestinationRequest(destination_id=destination.destination_id)),
                 sdk.tags.delete_tag(request=api.DeleteTagRequest(tag_id=tag.tag_id))):
        assert gone.status_code == 204
    assert sdk.workspaces.delete_workspace(request=api.DeleteWorkspaceRequest(workspace_id=workspace)).status_code == 204
    print("the SDK is content")


main(*sys.argv[1:])
