#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=1800
"""Each verb of the bus is for whom the policy says, by its own action; members of gantry-admin may all, others nothing (T60, T61).
Each user's try is made by a process of that user."""

import json
import os
import pathlib
import re
import sys

sys.path.insert(0, "/mnt/tests/host")
import bususer  # noqa: E402
import suite  # noqa: E402

ACTIONS = ("read", "run", "configure", "clear-data", "secrets", "install-connector")
API = suite.Api()
DENIED = ("org.gantry.Error.AccessDenied", "org.freedesktop.DBus.Error.AccessDenied",
          "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")


def try_as(user, path, interface, member, arguments):
    """One call by a process of a user: None when it was let through, whatever came of it, or the error that denied it."""
    name = bususer.as_user(user, bususer.call, path, interface, member, arguments)
    return name if name in DENIED else None


class World:
    """What there is to call upon."""

    def __init__(self, name):
        self.source = API.source(f"{name}-source", sourceType="faker", count=3)
        self.destination = API.destination(f"{name}-destination", destinationType="dev-null")
        self.connection = API.connect(name, self.source, self.destination)
        self.spare = API.source(f"{name}-spare", sourceType="faker", count=3)
        self.workspace = API.ask("POST", "/workspaces", {"name": f"{name}-workspace"})["workspaceId"]
        self.job = API.start(self.connection)
        API.wait(self.job, "succeeded")
        first = API.ask("GET", "/workspaces")["data"][0]["workspaceId"]
        self.tag = API.ask("POST", "/tags", {"name": f"{name}-tag", "color": "808080", "workspaceId": first})["tagId"]
        self.custom = API.ask("POST", f"/workspaces/{first}/definitions/sources",
                              {"name": f"{name}-image", "dockerRepository": "team/source-x", "dockerImageTag": "1"})["id"]
        self.definition = API.ask("GET", f"/sources/{self.source}")["definitionId"]

    def path(self, kind, key):
        return f"/org/gantry/Server1/{kind}/{bususer.encode(str(key))}"

    def verbs(self):
        """(interface, path, member, action, arguments), in an order in which nothing removes what the next needs."""
        page = [("s", ""), ("t", 0), ("u", 10)]
        manager, rows = "/org/gantry/Server1", []
        for member in ("ListWorkspaces", "ListSources", "ListDestinations", "ListConnections", "ListJobs", "ListTags"):
            rows.append((".Manager", manager, member, "read", page))
        rows += [(".Manager", manager, "ListDefinitions", "read", [("s", ""), *page]),
                 (".Manager", manager, "ListChanges", "read", [("t", 0), ("u", 10)]),
                 (".Manager", manager, "Subscribe", "read", []), (".Manager", manager, "Unsubscribe", "read", []),
                 (".Manager", manager, "GetSpec", "read", [("s", self.definition)]),
                 (".Manager", manager, "GetHost", "read", []),
                 (".Manager", manager, "GetCredentials", "secrets", []),
                 (".Manager", manager, "InstallConnector", "install-connector", [("s", "exec:/bin/true"), ("s", "")]),
                 (".Manager", manager, "RemoveConnector", "install-connector", [("s", "pypi:airbyte-source-nowhere==1")]),
                 (".Manager", manager, "CreateDefinition", "install-connector", [("s", ""), ("s", "exec:/bin/true"), ("h", {})]),
                 (".Manager", manager, "UpdateDefinition", "install-connector", [("s", self.custom), ("h", {"dockerImageTag": "2"})]),
                 (".Manager", manager, "CreateTag", "configure", [("h", {"name": "made", "color": "808080"})]),
                 (".Manager", manager, "CreateWorkspace", "configure", [("h", {"name": "made"})]),
                 (".Manager", manager, "CreateSource", "configure", [("h", {"name": "made", "configuration": {"sourceType": "faker"}})]),
                 (".Manager", manager, "CreateDestination", "configure",
                  [("h", {"name": "made", "configuration": {"destinationType": "dev-null"}})]),
                 (".Manager", manager, "CreateConnection", "configure",
                  [("h", {"name": "made", "sourceId": self.spare, "destinationId": self.destination, "status": "inactive"})])]
        for kind, key in (("source", self.source), ("destination", self.destination)):
            where, interface = self.path(kind, key), f".{kind.capitalize()}"
            rows += [(interface, where, "Get", "read", []), (interface, where, "Check", "configure", [("h", {})]),
                     (interface, where, "Update", "configure", [("h", {"name": f"renamed-{kind}"}), ("x", 0)])]
        rows.append((".Source", self.path("source", self.source), "Discover", "run", [("b", False)]))
        where = self.path("connection", self.connection)
        rows += [(".Connection", where, "Get", "read", []), (".Connection", where, "GetState", "read", []),
                 (".Connection", where, "ListEvents", "read", [("t", 0), ("u", 10)]),
                 (".Connection", where, "Update", "configure", [("h", {"name": "renamed"}), ("x", 0)]),
                 (".Connection", where, "Disable", "configure", []), (".Connection", where, "Enable", "configure", []),
                 (".Connection", where, "SetState", "configure", [("h", {"states": []})])]
        for member, action in (("Sync", "run"), ("Refresh", "clear-data"), ("Clear", "clear-data")):
            rows += [(".Connection", where, member, action, [("s", "")]),
                     (".Manager", manager, member, action, [("s", self.connection), ("s", "")])]
        job = self.path("job", self.job)
        rows += [(".Manager", manager, "Cancel", "run", [("x", self.job)]), (".Job", job, "Get", "read", []),
                 (".Job", job, "Cancel", "run", []), (".Job", job, "ReadLogs", "read", [("u", 0), ("t", 0), ("u", 10)]),
                 (".Connection", where, "Delete", "configure", [("x", 0)]),
                 (".Source", self.path("source", self.source), "Delete", "configure", [("x", 0)]),
                 (".Destination", self.path("destination", self.destination), "Delete", "configure", [("x", 0)]),
                 (".Manager", manager, "DeleteDefinition", "install-connector", [("s", self.custom)]),
                 (".Manager", manager, "DeleteTag", "configure", [("s", self.tag)]),
                 (".Manager", manager, "DeleteWorkspace", "configure", [("s", self.workspace)])]
        return [(f"org.gantry.Server1{i}", p, m, a, args) for i, p, m, a, args in rows]

    def properties(self):
        return [("org.gantry.Server1." + k.capitalize(), self.path(k, key)) for k, key in
                (("source", self.source), ("destination", self.destination), ("connection", self.connection), ("job", self.job))]


def snapshot():
    """What a denied call must not have changed."""
    return [API.ask("GET", f"/{kind}?limit=100")["data"] for kind in ("workspaces", "sources", "destinations", "connections", "jobs", "tags")]


def add_users():
    suite.out("useradd", "alice")
    suite.out("useradd", "--groups", "gantry-admin", "bob")
    rules = []
    for action in ACTIONS:
        suite.out("useradd", f"may-{action}")
        rules.append(f'if (action.id == "org.gantry.{action}" && subject.user == "may-{action}") return polkit.Result.YES;')
    suite.polkit_rules(" ".join(rules))


def test_every_verb_is_in_the_table():
    world = World("table")
    known = {(interface, member) for interface, _, member, _, _ in world.verbs()} | {
        ("org.gantry.Server1.Manager", "PutRotatedConfiguration"), ("org.gantry.Server1.Manager", "PutProgress")}
    found = set()
    for interface, path in [(suite.BUS[2], suite.BUS[1]), *world.properties()]:
        text = suite.out("busctl", "introspect", suite.BUS[0], path, interface)
        found |= {(interface, member) for member in re.findall(r"^\.(\w+) +method ", text, re.M)}
    assert found == known, found ^ known
    policy = pathlib.Path("/usr/share/polkit-1/actions/org.gantry.policy").read_text()
    assert set(re.findall(r'<action id="org\.gantry\.([a-z-]+)"', policy)) == set(ACTIONS)


def test_others_may_nothing():
    world = World("others")
    before = snapshot()
    for user in ("alice", "nobody"):
        for interface, path, member, _, arguments in world.verbs():
            assert try_as(user, path, interface, member, arguments), f"{user} was let through to {interface}.{member}"
    assert snapshot() == before, "something was changed"


def test_properties_are_for_all_and_hold_no_configuration():
    world, known = World("properties"), {"Id", "Name", "WorkspaceId", "DefinitionId", "CheckStatus", "CheckedAt", "Revision", "CreatedAt",
                                         "UpdatedAt", "SourceId", "DestinationId", "Status", "StatusReason", "ScheduleType", "NextRun",
                                         "BreakingChange", "ConnectionId", "Type", "Attempts", "RecordsCommitted", "BytesCommitted",
                                         "StartedAt", "EndedAt"}
    for interface, path in world.properties():
        found = json.loads(suite.out("busctl", "--json=short", "call", suite.BUS[0], path, "org.freedesktop.DBus.Properties", "GetAll", "s",
                                     interface, user="alice"))["data"][0]
        assert found and set(found) <= known, set(found) - known
        assert suite.code("busctl", "set-property", suite.BUS[0], path, interface, next(iter(found)), "s", "x", user="bob") != 0


def test_members_of_the_group_and_root_may_all():
    for user in ("bob", "root"):
        world = World(f"by-{user}")
        for interface, path, member, _, arguments in world.verbs():
            error = try_as(user, path, interface, member, arguments)
            assert error is None, f"{user} was denied {interface}.{member}: {error}"
        assert world.connection not in str(API.ask("GET", "/connections?limit=100")), "the positive control has done nothing"


def test_each_verb_asks_for_its_own_action():
    for action in ACTIONS:
        world = World(f"action-{action}")
        for interface, path, member, wanted, arguments in world.verbs():
            error = try_as(f"may-{action}", path, interface, member, arguments)
            assert (error is None) == (wanted == action), f"{member} with {action} alone: {error or 'let through'}, it needs {wanted}"


def test_a_rotated_configuration_is_for_the_daemons():
    world = World("rotated")
    arguments = [("s", world.source), ("h", {"count": 4})]
    for user in ("alice", "bob", "nobody"):
        assert try_as(user, suite.BUS[1], suite.BUS[2], "PutRotatedConfiguration", arguments), user
    for user in ("root", "gantry"):
        assert try_as(user, suite.BUS[1], suite.BUS[2], "PutRotatedConfiguration", arguments) is None, user


def test_how_far_a_sync_is_the_daemons_tell():
    """A number that somebody else makes up is shown to nobody (T61)."""
    world = World("progress")
    arguments = [("h", {"jobId": world.job, "attempt": 0, "streams": []})]
    for user in ("alice", "bob", "nobody", *(f"may-{a}" for a in ACTIONS)):
        assert try_as(user, suite.BUS[1], suite.BUS[2], "PutProgress", arguments), user
    for user in ("root", "gantry"):
        assert try_as(user, suite.BUS[1], suite.BUS[2], "PutProgress", arguments) is None, user


def test_daemons_talk_among_themselves_only():
    """But for looking at workflows, which is everybody's whom polkit lets (T60)."""
    calls = [("Workflow1", "CancelJob", [("x", 999)]), ("Workload1", "Sweep", []), ("Launcher1", "List", [])]
    for name, member, arguments in calls:
        for user in ("alice", "bob", "nobody"):
            assert try_as(user, f"/org/gantry/{name}", f"org.gantry.{name}.Manager", member, arguments), f"{user} reaches {name}"
        assert try_as("root", f"/org/gantry/{name}", f"org.gantry.{name}.Manager", member, arguments) is None, name


def test_workflows_are_looked_at_and_cancelled_by_their_own_actions():
    workflow = f"job-{World('workflows').job}"
    rows = [("List", "read", [("s", ""), ("t", 0), ("u", 10)]), ("Get", "read", [("s", workflow)]), ("Cancel", "run", [("s", workflow)])]
    for member, action, arguments in rows:
        where = ("/org/gantry/Workflow1", "org.gantry.Workflow1.Workflows", member, arguments)
        for user in ("alice", "nobody", *(f"may-{a}" for a in ACTIONS if a != action)):
            assert try_as(user, *where), f"{user} was let through to {member}"
        for user in ("bob", "root", f"may-{action}"):
            assert try_as(user, *where) is None, f"{user} was denied {member}"
    assert suite.code("gantryctl", "--no-ask-password", "workflow", "list", user="alice") == 5
    assert workflow in suite.out("gantryctl", "workflow", "list", user="bob")
    assert suite.code("gantryctl", "workflow", "cancel", workflow, user="bob") == 1  # it has ended


def test_files_and_sockets():
    """What the database, the key and the runners' API are to others; the API's own socket is open and wants a token."""
    for user in ("alice", "bob", "nobody"):
        for path in (suite.DATABASE, "/var/lib/gantry", "/etc/credstore.encrypted/gantry.key"):
            assert suite.code("cat" if pathlib.Path(path).is_file() else "ls", path, user=user) != 0, f"{user} reads {path}"
        assert suite.code("curl", "-s", "--unix-socket", "/run/gantry/workload.sock", "http://localhost/", user=user) == 7, user
        for way in (["--unix-socket", "/run/gantry/server.sock", "http://localhost"], ["http://127.0.0.1:8000"]):
            got = suite.out("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *way[:-1], f"{way[-1]}{suite.V1}/sources", user=user, check=False)
            assert got == "401", (user, way, got)
    assert pathlib.Path(suite.DATABASE).stat().st_size > 0 and suite.code("cat", suite.DATABASE, user="gantry") == 0


def test_gantryctl_says_so():
    name = f"ctl-{os.getpid()}"
    World(name)
    for verb in (["source", "list"], ["connection", "list"], ["job", "list"], ["sync", "start", name], ["web", "credentials"], ["status"]):
        assert suite.code("gantryctl", "--no-ask-password", *verb, user="alice") == 5, f"gantryctl {' '.join(verb)} as alice"
        assert suite.code("gantryctl", *verb, user="bob") == 0, f"gantryctl {' '.join(verb)} as bob"


if __name__ == "__main__":
    add_users()
    sys.exit(suite.main(globals()))
