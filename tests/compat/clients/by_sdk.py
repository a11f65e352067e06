# SPDX-License-Identifier: LGPL-2.1-or-later
"""airbyte-api, Airbyte's SDK: from a workspace to synced records, lists in pages, cancels, deletes."""

import airbyte_api
import common
from airbyte_api import api, errors, models

DONE = (models.JobStatusEnum.SUCCEEDED, models.JobStatusEnum.FAILED, models.JobStatusEnum.CANCELLED)


def make_sdk(place, **security):
    return airbyte_api.AirbyteAPI(server_url=place.public, security=models.Security(**security))


def wait_for(sdk, job_id):
    def ended():
        job = sdk.jobs.get_job(request=api.GetJobRequest(job_id=job_id)).job_response
        return job if job.status in DONE else None
    return common.wait_until(f"the end of job {job_id}", ended)


def start(sdk, connection, kind=models.JobTypeEnum.SYNC):
    return sdk.jobs.create_job(request=models.JobCreateRequest(connection_id=connection, job_type=kind)).job_response


def configure(sdk, place):
    workspace = sdk.workspaces.create_workspace(
        request=models.WorkspaceCreateRequest(name="by the SDK")).workspace_response.workspace_id
    source = sdk.sources.create_source(request=models.SourceCreateRequest(
        name="people", workspace_id=workspace, configuration=models.SourceFaker(count=30, seed=1))).source_response
    destination = sdk.destinations.create_destination(request=models.DestinationCreateRequest(
        name="nothing", workspace_id=workspace, configuration=models.DestinationDevNull(
            test_destination=models.Silent()))).destination_response
    connection = sdk.connections.create_connection(request=models.ConnectionCreateRequest(
        source_id=source.source_id, destination_id=destination.destination_id, name="people to nothing",
        configurations=models.StreamConfigurations(streams=[models.StreamConfiguration(
            name="users", sync_mode=models.ConnectionSyncModeEnum.FULL_REFRESH_OVERWRITE)]))).connection_response
    assert connection.status == models.ConnectionStatusEnum.ACTIVE, connection
    return workspace, source.source_id, destination.destination_id, connection.connection_id


def run_and_cancel(sdk, place, connection):
    job = start(sdk, connection)
    assert job.status in (models.JobStatusEnum.PENDING, models.JobStatusEnum.RUNNING), job
    job = wait_for(sdk, job.job_id)
    assert (job.status, job.rows_synced) == (models.JobStatusEnum.SUCCEEDED, 30), job
    assert job.bytes_synced > 30 and job.duration.startswith("PT") and job.last_updated_at, job
    cleared = wait_for(sdk, start(sdk, connection, models.JobTypeEnum.RESET).job_id)
    assert cleared.status == models.JobStatusEnum.SUCCEEDED, cleared

    slow = start(sdk, place.slow)
    common.raises(errors.SDKError, lambda: start(sdk, place.slow), "409")
    common.wait_until("running", lambda: sdk.jobs.get_job(
        request=api.GetJobRequest(job_id=slow.job_id)).job_response.status == models.JobStatusEnum.RUNNING)
    sdk.jobs.cancel_job(request=api.CancelJobRequest(job_id=slow.job_id))
    assert wait_for(sdk, slow.job_id).status == models.JobStatusEnum.CANCELLED
    common.raises(errors.SDKError, lambda: sdk.jobs.cancel_job(request=api.CancelJobRequest(job_id=slow.job_id)), "409")
    return [job.job_id, cleared.job_id]


def pages(sdk, connection, jobs):
    seen, offset = [], 0
    while True:
        page = sdk.jobs.list_jobs(request=api.ListJobsRequest(connection_id=connection, limit=1, offset=offset,
                                                              order_by="createdAt|ASC")).jobs_response
        if not page.data:
            break
        assert len(page.data) == 1 and page.next, page
        seen.append(page.data[0].job_id)
        offset += 1
    assert seen == jobs, (seen, jobs)


def main(place):
    sdk = make_sdk(place, client_credentials=models.SchemeClientCredentials(
        client_id=place.client_id, client_secret=place.client_secret, token_url=f"{place.public}/applications/token"))
    basic = make_sdk(place, basic_auth=models.SchemeBasicAuth(username=place.client_id, password=place.client_secret))
    assert basic.workspaces.list_workspaces(request=api.ListWorkspacesRequest()).workspaces_response.data
    wrong = make_sdk(place, bearer_auth="wrong")
    common.raises(errors.SDKError, lambda: wrong.workspaces.list_workspaces(request=api.ListWorkspacesRequest()), "401")

    workspace, source, destination, connection = configure(sdk, place)
    pages(sdk, connection, run_and_cancel(sdk, place, connection))
    sdk.connections.delete_connection(request=api.DeleteConnectionRequest(connection_id=connection))
    sdk.sources.delete_source(request=api.DeleteSourceRequest(source_id=source))
    sdk.destinations.delete_destination(request=api.DeleteDestinationRequest(destination_id=destination))
    sdk.workspaces.delete_workspace(request=api.DeleteWorkspaceRequest(workspace_id=workspace))
    common.raises(errors.SDKError, lambda: sdk.workspaces.get_workspace(
        request=api.GetWorkspaceRequest(workspace_id=workspace)), "404")


if __name__ == "__main__":
    common.main(main)
