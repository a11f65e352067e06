# SPDX-License-Identifier: LGPL-2.1-or-later
"""apache-airflow-providers-airbyte: hook, operator, sensor and trigger, run as a worker would run them, without a scheduler."""

import asyncio
import json
import os
import tempfile
import time

import common

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp()
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"


def connections(place):
    """As an admin gives them: by environment variable. The second has a slash at the end of its URL."""
    for name, host in (("AIRBYTE_DEFAULT", place.public), ("SLASH", f"{place.public}/"), ("WRONG", place.public)):
        os.environ[f"AIRFLOW_CONN_{name}"] = json.dumps({
            "conn_type": "airbyte", "host": host, "login": place.client_id,
            "password": "wrong" if name == "WRONG" else place.client_secret})


def trigger(job_id, end_time):
    from airflow.providers.airbyte.triggers.airbyte import AirbyteSyncTrigger

    async def first():
        waiting = AirbyteSyncTrigger(job_id=job_id, conn_id="airbyte_default", end_time=end_time, poll_interval=0.2)
        return await anext(aiter(waiting.run()))
    return asyncio.run(first()).payload


def main(place):
    connections(place)
    from airflow.providers.airbyte.hooks.airbyte import AirbyteHook
    from airflow.providers.airbyte.operators.airbyte import AirbyteTriggerSyncOperator
    from airflow.providers.airbyte.sensors.airbyte import AirbyteJobSensor
    from airflow.providers.common.compat.sdk import AirflowException

    for name in ("airbyte_default", "slash"):
        hook = AirbyteHook(airbyte_conn_id=name)
        assert hook.test_connection() == (True, "Connection successfully tested"), name

    before = place.count()
    operator = AirbyteTriggerSyncOperator(task_id="sync", connection_id=place.connection, wait_seconds=0.2)
    job_id = operator.execute({})
    assert hook.get_job_status(job_id) == "succeeded"
    assert place.count() - before == place.records, (before, place.count())

    # Started here, waited for by a sensor and by a trigger, as deferred tasks do.
    job_id = AirbyteTriggerSyncOperator(task_id="start", connection_id=place.connection, asynchronous=True).execute({})
    sensor = AirbyteJobSensor(task_id="wait", airbyte_job_id=job_id)
    common.wait_until("the sensor", lambda: sensor.poke({}))
    assert trigger(job_id, time.time() + common.PATIENCE)["status"] == "success"

    operator = AirbyteTriggerSyncOperator(task_id="kill", connection_id=place.slow, asynchronous=True)
    job_id = operator.execute({})
    common.raises(AirflowException, lambda: hook.submit_sync_connection(place.slow), "409")
    operator.on_kill()
    common.raises(AirflowException, lambda: hook.wait_for_job(job_id, wait_seconds=0.2), "cancelled")
    assert trigger(job_id, time.time() + common.PATIENCE)["status"] == "cancelled"

    common.raises(AirflowException, lambda: AirbyteHook(airbyte_conn_id="wrong").submit_sync_connection(place.connection), "401")


if __name__ == "__main__":
    common.main(main)
