# SPDX-License-Identifier: LGPL-2.1-or-later
"""What schemathesis is told beyond our document (SCHEMATHESIS_HOOKS, test_clients.py): tokens that are renewed before they expire,
and that a chain of calls does not take away what it is made with. Counts the answers, so that a run of nothing but 401 is seen."""

import atexit
import base64
import collections
import json
import os
import time
import urllib.request
import uuid

import schemathesis

URL, COUNTS = os.environ["GANTRY_T59_URL"], os.environ["GANTRY_T59_COUNTS"]
CLIENT, SECRET = os.environ["GANTRY_T59_CLIENT"], os.environ["GANTRY_T59_SECRET"]
OWN = set(os.environ["GANTRY_T59_OWN"].split())  # ids of what the credentials and the role are
answers, seen = collections.Counter(), collections.defaultdict(collections.Counter)
last_good = 0.0


@schemathesis.auth(refresh_interval=300)
class Token:
    """A token lives for fifteen minutes. Every other time the credentials go by themselves."""

    count = 0

    def get(self, case, context):
        Token.count += 1
        if Token.count % 2 == 0:
            return "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        body = json.dumps({"client_id": CLIENT, "client_secret": SECRET}).encode()
        request = urllib.request.Request(f"{URL}/applications/token", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return "Bearer " + json.load(answer)["access_token"]

    def set(self, case, data, context):
        case.headers["Authorization"] = data


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.method.upper() in ("DELETE", "PATCH", "PUT"):
        for name, value in (case.path_parameters or {}).items():
            if value in OWN:
                case.path_parameters[name] = str(uuid.uuid4())


@schemathesis.hook
def after_call(context, case, response):
    global last_good
    answers[response.status_code] += 1
    seen[f"{case.method.upper()} {case.operation.path}"][response.status_code] += 1
    if 200 <= response.status_code < 300 and "Authorization" in case.headers:
        last_good = time.time()


@atexit.register
def write():
    with open(COUNTS, "w", encoding="utf-8") as f:
        json.dump({"answers": answers, "operations": seen, "lastGood": last_good}, f)
