# SPDX-License-Identifier: LGPL-2.1-or-later
"""What schemathesis is told beyond our document (SCHEMATHESIS_HOOKS, test_clients.py): tokens that are renewed before they expire,
that a chain of calls does not take away what it is made with, and, every other time, ids that answers have told and
configurations that a connector takes, for at random no source is made. Counts the answers, so that a run of nothing but 401 is seen."""

import atexit
import base64
import collections
import json
import os
import random
import time
import urllib.request
import uuid

import schemathesis

URL, COUNTS = os.environ["GANTRY_T59_URL"], os.environ["GANTRY_T59_COUNTS"]
CLIENT, SECRET = os.environ["GANTRY_T59_CLIENT"], os.environ["GANTRY_T59_SECRET"]
OWN = set(os.environ["GANTRY_T59_OWN"].split())  # ids of what the credentials and the role are
answers, seen = collections.Counter(), collections.defaultdict(collections.Counter)
last_good, refused, latest = 0.0, 0, ""
chance = random.Random(int(os.environ.get("GANTRY_TEST_SEED", "1")))
ids = collections.defaultdict(lambda: collections.deque(maxlen=20))  # by the name of the member, as answers told them
CONFIGURATIONS = ({"sourceType": "faker", "count": 3}, {"destinationType": "dev-null", "test_destination": {"test_destination_type": "SILENT"}},
                  {"destinationType": "jsonl", "path": os.environ["GANTRY_T59_FILES"]})


@schemathesis.auth(refresh_interval=300)
class Token:
    """A token lives for fifteen minutes. Every other time the credentials go by themselves."""

    count = 0

    def get(self, case, context):
        global latest
        latest = self.make()
        return latest

    def make(self):
        Token.count += 1
        if Token.count % 2 == 0:
            return "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        body = json.dumps({"client_id": CLIENT, "client_secret": SECRET}).encode()
        request = urllib.request.Request(f"{URL}/applications/token", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return "Bearer " + json.load(answer)["access_token"]

    def set(self, case, data, context):
        case.headers["Authorization"] = data


def learn(value, name=""):
    """Ids of an answer, by the names that requests have for them."""
    if isinstance(value, dict):
        for key, inner in value.items():
            learn(inner, key)
    elif isinstance(value, list):
        for inner in value[-5:]:
            learn(inner, name)
    elif name.endswith("Id") and value not in ids[name]:
        ids[name].append(value)


def known(name):
    return chance.choice(ids[name]) if ids[name] else None


def fill(body, path):
    for name in list(body):
        if name in ids and chance.random() < 0.8:
            body[name] = known(name)
    if "configuration" in body:
        body["configuration"] = dict(chance.choice(CONFIGURATIONS[1:] if "destinations" in path else CONFIGURATIONS[:1]))
        for name in ("definitionId", "secretId"):
            body.pop(name, None)


@schemathesis.hook
def before_call(context, case, kwargs):
    if chance.random() < 0.5:
        if isinstance(case.body, dict):
            fill(case.body, case.operation.path)
        for name in case.path_parameters or {}:
            case.path_parameters[name] = known(name) or case.path_parameters[name]
    if case.method.upper() in ("DELETE", "PATCH", "PUT"):
        for name, value in (case.path_parameters or {}).items():
            if value in OWN:
                case.path_parameters[name] = str(uuid.uuid4())


@schemathesis.hook
def after_call(context, case, response):
    global last_good, refused
    answers[response.status_code] += 1
    seen[f"{case.method.upper()} {case.operation.path}"][response.status_code] += 1
    sent = response.request.headers.get("Authorization")
    if response.status_code == 401 and sent == latest and "token" not in case.operation.path:
        refused += 1
    if 200 <= response.status_code < 300:
        if sent == latest:
            last_good = time.time()
        if "json" in (response.headers.get("content-type") or [""])[0]:
            learn(json.loads(response.content))


@atexit.register
def write():
    with open(COUNTS, "w", encoding="utf-8") as f:
        json.dump({"answers": answers, "operations": seen, "lastGood": last_good, "refused": refused}, f)
