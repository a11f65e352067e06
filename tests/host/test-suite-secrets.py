#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=1800
"""Fifty planted secrets reach the connectors that need them and nobody else: not in clear in any answer, on the bus, in the journal, in
units, process lists, the database, its freed pages or any other file, not even when a connector tells them (T02, T73)."""

import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402

MASK = "**********"
HEADERS, TOLD = 40, 10
MARKER = "marker-that-is-no-secret"
SECRETS = [f"Planted{os.urandom(12).hex()}" for _ in range(HEADERS + TOLD)]
API = suite.Api()
SEEN = []
WATCHED = threading.Event()

# A connector that tells its secrets wherever it can: log, stderr, error trace, check. {password, more: [{value}]}
TELLER = '''#!/usr/bin/python3
import json, sys
def say(**message): print(json.dumps(message), flush=True)
verb, arguments = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2]))
config = json.load(open(arguments["--config"])) if "--config" in arguments else {}
told = [config.get("password", "")] + [m["value"] for m in config.get("more", [])]
if verb == "spec":
    secret = {"type": "string", "airbyte_secret": True}
    say(type="SPEC", spec={"connectionSpecification": {"type": "object", "required": ["password"], "properties": {
        "password": dict(secret, minLength=8), "mode": {"type": "string", "enum": ["good", "bad"]},
        "more": {"type": "array", "items": {"type": "object", "properties": {"value": secret}}}}}})
for word in told if verb != "spec" else []:
    print("stderr tells", word, file=sys.stderr, flush=True)
    say(type="LOG", log={"level": "ERROR", "message": "log tells " + word})
if verb == "check":
    good = config.get("mode") != "bad"
    say(type="CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"} if good else {"status": "FAILED", "message": "check tells " + " ".join(told)})
if verb == "discover":
    say(type="CATALOG", catalog={"streams": [{"name": "things", "json_schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
                                              "supported_sync_modes": ["full_refresh"]}]})
if verb == "read":
    say(type="RECORD", record={"stream": "things", "data": {"id": 1}, "emitted_at": 1})
    say(type="TRACE", trace={"type": "ERROR", "emitted_at": 1, "error": {"message": "trace tells " + " ".join(told), "internal_message": told[0],
                                                                        "stack_trace": "\\n".join(told), "failure_type": "config_error"}})
    sys.exit(1)
'''


class Rates(http.server.BaseHTTPRequestHandler):
    """The server that the headers are for."""

    def do_GET(self):
        # Until those who look on have seen somebody at work: on a fast machine all is over between two looks.
        suite.until(lambda: WATCHED.is_set(), "a look at the units and processes")
        SEEN.append({name: value for name, value in self.headers.items() if name.startswith("X-Secret")})
        body = b"id,name\n1,a\n2,b\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Gathered:
    """All that can be seen from outside while the suite works."""

    def __init__(self):
        self.texts, self.stop = {}, threading.Event()
        self.bus = subprocess.Popen(["busctl", "monitor", "--json=short"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.bus_reader = threading.Thread(target=lambda: self.add("bus monitor", self.bus.stdout.read()))
        self.watcher = threading.Thread(target=self.watch)
        self.bus_reader.start()
        self.watcher.start()

    def add(self, where, text):
        self.texts[where] = self.texts.get(where, "") + "\n" + str(text)

    def watch(self):
        while not self.stop.wait(0.05):
            units = suite.job_units()
            if units:
                self.add("systemctl show", suite.out("systemctl", "show", *units, check=False))
                self.add("systemctl cat", suite.out("systemctl", "cat", *units, check=False))
                self.add("systemctl status", suite.out("systemctl", "status", "--full", *units, check=False))
            for place in pathlib.Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ", "comm"):
                    try:
                        self.add(f"/proc {name}", (place / name).read_bytes().decode(errors="replace"))
                    except OSError:
                        pass
            if "gantry-worker" in self.texts["/proc cmdline"] and "ExecStart" in self.texts.get("systemctl show", ""):
                WATCHED.set()

    def finish(self):
        self.stop.set()
        self.watcher.join()
        self.bus.terminate()
        self.bus_reader.join()
        self.bus.wait()


def add_teller():
    """A definition of the connector above, as a package would bring it."""
    program = pathlib.Path("/usr/lib/teller")
    program.write_text(TELLER)
    program.chmod(0o755)
    pathlib.Path("/usr/share/gantry/definitions.d/teller.json").write_text(json.dumps({
        "definitionId": "00000000-0000-4000-8000-0000000000aa", "name": "Teller", "sourceType": "teller", "reference": f"exec:{program}",
        "executor": "lite", "network": "none", "limits": {"memoryMax": 268435456, "tasksMax": 32}}))
    suite.out("systemctl", "stop", "gantry-schema.service")
    suite.out("systemctl", "start", "gantry-schema.service")


def ask_everything(gathered, ids):
    """Every way out of the API, the bus and gantryctl."""
    for kind, key in ids:
        gathered.add("api", json.dumps(API.ask("GET", f"/{kind}/{key}")))
    for path in ("workspaces", "sources", "destinations", "connections", "jobs", "applications"):
        gathered.add("api", json.dumps(API.ask("GET", f"/{path}")))
    for kind, key in ids:
        if kind == "sources":
            gathered.add("config api", json.dumps(API.ask("POST", "/api/v1/sources/get", {"sourceId": key})))
            gathered.add("gantryctl", suite.out("gantryctl", "--json", "source", "show", key, check=False))
            gathered.add("bus", json.dumps(suite.bus_read(f"/org/gantry/Server1/source/{encode(key)}", "org.gantry.Server1.Source", "Get")))
        if kind == "jobs":
            gathered.add("config api", json.dumps(API.ask("POST", "/api/v1/jobs/get", {"id": key})))
            gathered.add("gantryctl", suite.out("gantryctl", "job", "logs", key, check=False))
            gathered.add("gantryctl", suite.out("gantryctl", "--json", "job", "show", key))
            gathered.add("bus", API.story(key))
    for noun in ("source", "destination", "connection", "job"):
        gathered.add("gantryctl", suite.out("gantryctl", "--json", noun, "list"))


def encode(text):
    return "".join(c if c.isalnum() and not (i == 0 and c.isdigit()) else f"_{ord(c):02x}" for i, c in enumerate(text))


def files_with(words):
    """Files of the host that hold one of these words; they are given on standard input, so that they stand nowhere else."""
    places = ["/etc", "/var", "/run", "/srv", "/root", "/tmp", "/usr/share/gantry", "/usr/lib/gantry", "/dev/shm"]
    done = subprocess.run(["grep", "--recursive", "--files-with-matches", "--binary", "--fixed-strings", "--devices=skip", "--file=-", *places],
                          input="\n".join(words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.splitlines()


def check_nowhere(gathered):
    for where, text in gathered.texts.items():
        found = [s for s in SECRETS if s in text]
        assert not found, f"{len(found)} secrets in {where}: …{text[max(0, text.find(found[0]) - 200):text.find(found[0])]}"
    journal = suite.out("journalctl", "--output=export", "--no-pager")
    assert not any(s in journal for s in SECRETS), "secrets in the journal"
    assert not files_with(SECRETS), files_with(SECRETS)


def test_fifty_secrets_stay_secret():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 8097), Rates)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    add_teller()
    gathered = Gathered()
    try:
        headers = [{"name": f"X-Secret-{i}", "value": secret} for i, secret in enumerate(SECRETS[:HEADERS])]
        files = API.source("headers", sourceType="files", path="http://127.0.0.1:8097/rates.csv", stream_name="rates", http_headers=headers)
        telling = {"sourceType": "teller", "password": SECRETS[HEADERS], "more": [{"value": s} for s in SECRETS[HEADERS + 1:]]}
        teller = API.source(MARKER, **telling)
        target = API.destination("away", destinationType="jsonl", path=str(suite.FILES / "secrets"))
        good, bad = API.connect("good", files, target), API.connect("bad", teller, target)
        jobs = [API.start(good), API.start(bad)]
        API.wait(jobs[0], "succeeded")
        API.wait(jobs[1], "failed")
        # Refused ones are not told back either.
        for body in (telling | {"mode": SECRETS[-1]}, telling | {"password": 5}, telling | {"mode": "bad"}):
            status, text = API.raw("POST", f"{suite.V1}/sources", {"name": "x", "workspaceId": API.workspace, "configuration": body}, API.token)
            gathered.add("refusals", text)
            assert status in (200, 400, 422), (status, text)
            if status == 200:
                gathered.add("checks", json.dumps(API.ask("POST", "/api/v1/sources/check_connection", {"sourceId": json.loads(text)["sourceId"]})))
        ask_everything(gathered, [("sources", files), ("sources", teller), ("connections", good), ("jobs", jobs[0]), ("jobs", jobs[1])])
    finally:
        gathered.finish()
    # The other side of it: they did arrive, the connector did tell them, and what is looked through does hold what was said.
    assert {h: v for h, v in SEEN[-1].items()} == {h["name"]: h["value"] for h in headers}, "the secrets did not arrive"
    lines = suite.out("gantryctl", "job", "logs", jobs[1]).splitlines()
    assert sum(f"log tells {MASK}" in line for line in lines) >= TOLD <= sum(f"stderr tells {MASK}" in line for line in lines), lines
    for where, word in (("api", MASK), ("bus", MASK), ("gantryctl", MASK), ("gantryctl", "stderr tells"), ("bus", "trace tells"),
                        ("checks", "check tells"), ("bus monitor", "StartTransientUnit"), ("systemctl show", "ExecStart"),
                        ("/proc cmdline", "gantry-worker")):
        assert word in gathered.texts[where], f"no '{word}' in {where}: {gathered.texts[where][-2000:]}"
    assert any(f.startswith("/var/lib/gantry/gantry.db") for f in files_with([MARKER])), "the search does not find what is there"
    # A backup has what the database has.
    suite.out("systemctl", "start", "gantry-cron@backup.service")
    assert any(f.startswith("/var/lib/gantry/backups/") for f in files_with([MARKER])), "the search does not find what is in a backup"
    check_nowhere(gathered)
    # Nor when they were deleted, and the space they took is free.
    for kind, key in (("connections", good), ("connections", bad), ("sources", files), ("sources", teller)):
        API.ask("DELETE", f"/{kind}/{key}")
    check_nowhere(gathered)
    suite.out("systemctl", "start", "gantry-cron@vacuum.service")
    check_nowhere(gathered)
    print(f"   {len(SECRETS)} secrets, looked for in {sum(map(len, gathered.texts.values())) >> 10} KiB of {', '.join(gathered.texts)}, "
          "the journal and all files: 0 found", flush=True)


def core_files():
    return set(suite.out("find", "/", "-xdev", "-type", "f", "(", "-name", "core", "-o", "-name", "core.*", ")", "-size", "+0", check=False).split())


def test_T73_what_has_secrets_leaves_no_core_and_is_not_swapped():
    """All units that get the key, and those that get what it opens. A limit of 0 would let a core go to a program."""
    units = sorted(p.name for p in pathlib.Path("/usr/lib/systemd/system").glob("gantry-*.service")
                   if "gantry.key" in p.read_text(encoding="utf-8")) + ["gantry-launcher.service", "gantry-setup.service", "gantry-rotate-key.service"]
    assert len(units) >= 7, units
    for unit in units:
        name = unit.replace("@.", "@backup.")
        assert suite.show(name, "LimitCORE") == suite.show(name, "LimitCORESoft") == "1", name
        assert suite.show(name, "MemorySwapMax") == "0", name
    # They crash. The control, which has secrets of nobody, does leave a core where the kernel writes it into a file.
    before = core_files()
    suite.out("systemd-run", "--unit=test-core", "--property=LimitCORE=infinity", "--property=WorkingDirectory=/srv", "sleep", "infinity")
    suite.until(lambda: suite.main_pid("test-core.service") > 0, "the control")
    suite.out("systemctl", "kill", "--signal=SEGV", "test-core.service")
    suite.until(lambda: suite.show("test-core.service", "ActiveState") == "failed", "its crash")
    if not (made := core_files() - before):
        print(f"   no core of the control either: {pathlib.Path('/proc/sys/kernel/core_pattern').read_text(encoding='utf-8').strip()}", flush=True)
    for daemon in ("server", "workflow", "workload"):
        API.ask("GET", "/workspaces")
        suite.out("busctl", "call", f"org.gantry.{daemon.capitalize()}1", f"/org/gantry/{daemon.capitalize()}1", "org.freedesktop.DBus.Peer", "Ping")
        pid = suite.main_pid(f"gantry-{daemon}.service")
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text(encoding="utf-8")
        assert re.search(r"^Max core file size +1 +1 ", limits, re.M), (daemon, limits)
        os.kill(pid, 11)
        suite.until(lambda daemon=daemon, pid=pid: suite.main_pid(f"gantry-{daemon}.service") != pid, f"{daemon}'s crash")
    assert core_files() - before == made, core_files() - before
    for path in made:
        os.unlink(path)


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
