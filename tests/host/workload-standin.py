#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The workload API's calls as docs/INTERFACES.md has them, in memory: for hosts on which gantry-workload isn't installed."""

import http.server
import json
import os
import socket
import socketserver
import threading
import urllib.parse

PATH = "/run/gantry/workload.sock"
TERMINAL = ("success", "failure", "cancelled")
workloads = {}
lock = threading.Lock()


class Gone(Exception):
    pass


def find(body):
    workload = workloads[body["workloadId"]]
    if workload["status"] in TERMINAL or body.get("leaseEpoch", workload["leaseEpoch"]) != workload["leaseEpoch"]:
        raise Gone
    return workload


def shown(workload):
    return {key: value for key, value in workload.items() if key not in ("input", "hidden")}


def create(body):
    workloads[body["id"]] = dict(body, status="pending", leaseEpoch=0)


def poll(body):
    found = [w for w in workloads.values()
             if w["status"] == "pending" and w["priority"] == body["priority"] and not w.get("hidden")]
    for workload in found:
        workload["hidden"] = True
    return {"workloads": [{k: w[k] for k in ("id", "autoId", "type", "priority", "jobId", "attempt", "mutexKey")} for w in found]}


def claim(body):
    workload = workloads[body["workloadId"]]
    if workload["status"] != "pending":
        return {"claimed": False}
    workload.update(status="claimed", leaseEpoch=workload["leaseEpoch"] + 1, dataplaneId=body["dataplaneId"])
    return {"claimed": True, "leaseEpoch": workload["leaseEpoch"], "workloadToken": "W",
            "input": dict(workload["input"], state=[], secrets=[])}


def ended(status):
    def end(body):
        workload = find(body)
        workload.update(status=status, output=body.get("output"))
        if "reason" in body:
            workload["failure"] = {"source": body["source"], "reason": body["reason"]}
    return end


def moved(status):
    def move(body):
        workload = find(body)
        if workload["status"] != "running":
            workload["status"] = status
    return move


def stats(body):
    find(body)["stats"] = body["streams"]


CALLS = {
    "dataplanes/initialize": lambda body: {"dataplaneId": body["name"], "token": "T"},
    "dataplanes/heartbeat": lambda body: None,
    "workload/create": create,
    "workload/queue/poll": poll,
    "workload/claim": claim,
    "workload/list": lambda body: {"workloads": [shown(w) for w in workloads.values() if w["status"] in body["status"]]},
    "workload/launched": moved("launched"),
    "workload/running": moved("running"),
    "workload/heartbeat": find,
    "workload/success": ended("success"),
    "workload/failure": ended("failure"),
    "workload/cancel": ended("cancelled"),
    "workload/state": find,
    "workload/stats": stats,
    "workload/control": find,
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=None):
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def serve(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        path = url.path.removeprefix("/api/v1/")
        with lock:
            try:
                if path == "workload/logs":
                    query = urllib.parse.parse_qs(url.query)
                    find({"workloadId": query["workloadId"][0], "leaseEpoch": int(query["leaseEpoch"][0])})
                    self.reply(204)
                elif self.command == "GET":
                    self.reply(200, shown(workloads[urllib.parse.unquote(path.removeprefix("workload/"))]))
                else:
                    answer = CALLS[path](json.loads(raw))
                    self.reply(200, answer) if path in ("dataplanes/initialize", "workload/queue/poll", "workload/claim",
                                                        "workload/list") else self.reply(204)
            except Gone:
                self.reply(410, {"message": "terminal, or an old epoch"})
            except KeyError:
                self.reply(404, {"message": "unknown"})

    do_GET = do_POST = do_PUT = serve


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    address_family = socket.AF_UNIX
    daemon_threads = True

    def server_bind(self):
        if os.path.exists(PATH):
            os.unlink(PATH)
        self.socket.bind(PATH)
        os.chmod(PATH, 0o666)

    def get_request(self):
        return self.socket.accept()[0], ("local", 0)


def ready():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])


if __name__ == "__main__":
    server = Server(PATH, Handler)
    ready()
    server.serve_forever()
