#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: vm-too
"""T08, T09, T10: what connectors of each network class reach by name and by address, with a name server that lies. Behind a pair
of interfaces, in a network namespace of its own, is the rest of the world; each address there answers "hello"."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import threading

sys.path.insert(0, "/mnt/tests/host")
from launchlib import *  # noqa: E402, F403
import podmanlib  # noqa: E402

SHORT = bool(os.environ.get("GANTRY_TEST_SHORT"))
EXECUTORS = ("lite",) if SHORT else ("lite", "service", "podman")
PLACE = pathlib.Path("/opt/probe")
PROBE = PLACE / "probe"
# An emulated machine takes ten times as long and more: there, that its kernel and its cgroups hold each class.
IN_SHORT = ("the_classes", "nothing_is_left")
IN_VM = ("T08_any", "T09_hosts_reaches", "T09_every_way", "nothing_is_left")
PORT = 7000
HERE, PUBLIC, OTHER, THIRD, PRIVATE = "203.0.113.1", "203.0.113.10", "203.0.113.11", "203.0.113.12", "10.9.0.10"
METADATA, PUBLIC6 = "169.254.169.254", "2001:db8:9::10"
# Not reached: by the filter, or because there is no name.
REFUSED = ("EPERM", "EACCES", "EAFNOSUPPORT", "ENETUNREACH", "EAI_NONAME", "EAI_NODATA")

WORLD = f"""
import socket, sys
sys.path.insert(0, "/mnt/tests/host")
import launchlib
listener = socket.create_server(("", {PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
open("/run/world-is-up", "w").close()
launchlib.greet(listener)
"""


class Names(threading.Thread):
    """The host's name server: answers from a table, remembers what it was asked."""

    def __init__(self):
        super().__init__(daemon=True)
        self.table, self.asked = {}, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        pathlib.Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n", encoding="utf-8")

    def run(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            name, at = [], 12
            while query[at]:
                name.append(query[at + 1:at + 1 + query[at]].decode().lower())
                at += query[at] + 1
            kind = int.from_bytes(query[at + 1:at + 3], "big")
            name = ".".join(name)
            self.asked.append((name, kind))
            found = self.table.get(name)
            if isinstance(found, list):  # one answer after the other, the last for ever
                found = found.pop(0) if len(found) > 1 and kind == 1 else found[0]
            records, owner = b"", b"\xc0\x0c"
            count = 0
            for text in (found or "").split():
                kind_of = 28 if ":" in text else 1 if text[0].isdigit() else 5
                if kind_of == 5:  # an alias, with what it leads to behind it
                    data = b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"
                else:
                    data = socket.inet_pton(socket.AF_INET6 if kind_of == 28 else socket.AF_INET, text)
                if kind_of in (kind, 5):
                    records += owner + kind_of.to_bytes(2, "big") + b"\0\1\0\0\0\0" + len(data).to_bytes(2, "big") + data
                    count += 1
                if kind_of == 5:
                    owner = data
            flags = b"\x81\x80" if found is not None else b"\x81\x83"
            self.socket.sendto(query[:2] + flags + b"\0\1" + count.to_bytes(2, "big") + b"\0\0\0\0" + query[12:at + 5] + records, peer)


NAMES = Names()


def set_up():
    PLACE.mkdir(parents=True, exist_ok=True)
    run("install", "-m", "0755", "/mnt/tests/host/hostile-connector.py", PROBE)
    if "podman" in EXECUTORS:
        podmanlib.make_python(podmanlib.HOSTILE, PROBE, user="airbyte")
    for line in f"""netns add world
            link add gt0 type veth peer name gt1 netns world
            address add {HERE}/24 dev gt0
            address add 10.9.0.1/24 dev gt0
            address add 2001:db8:9::1/64 dev gt0 nodad
            link set gt0 up
            link set lo up
            route add 169.254.0.0/16 dev gt0
            -n world link set lo up
            -n world link set gt1 up
            -n world address add {PUBLIC}/24 dev gt1
            -n world address add {OTHER}/24 dev gt1
            -n world address add {THIRD}/24 dev gt1
            -n world address add {PRIVATE}/24 dev gt1
            -n world address add {METADATA}/16 dev gt1
            -n world address add {PUBLIC6}/64 dev gt1 nodad""".splitlines():
        run("ip", *line.split())
    world = subprocess.Popen(["ip", "netns", "exec", "world", "python3", "-c", WORLD])
    end = time.monotonic() + PATIENCE
    while not pathlib.Path("/run/world-is-up").exists():
        require(world.poll() is None and time.monotonic() < end, "no world")
        time.sleep(0.05)
    listener = socket.create_server(("", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
    threading.Thread(target=greet, args=(listener,), daemon=True).start()
    NAMES.start()


def inside(lab, executor, do, network, hosts=(), named=None, **places):
    """`named` is what the configuration says openly."""
    workload = lab.oneshot("check", actor(f"image:{podmanlib.HOSTILE}" if executor == "podman" else f"exec:{PROBE}", "source",
                                          {"do": do, "named": named, "hidden": hide(**places)}, executor, network=network, allowedHosts=list(hosts)))
    require(workload["status"] == "success", f"{executor} {network} {do}: {workload.get('failure')} {workload.get('output')}")
    return json.loads(workload["output"]["message"])


def outside(do, **config):
    path = PLACE / "config.json"
    path.write_text(json.dumps({"do": do, **config}), encoding="utf-8")
    line = json.loads(run(PROBE, "check", "--config", path).splitlines()[-1])
    return json.loads(line["connectionStatus"]["message"])


def at(*hosts):
    return [f"{h}:{PORT}" for h in hosts]


def check(lab, network, good, bad, hosts=(), named=None):
    """That of these places the good ones alone are reached, by every executor."""
    for executor in EXECUTORS:
        found = inside(lab, executor, "reach", network, hosts, named, targets=good + bad)
        wrong = {t: found[t] for t in good if found[t] != "ok"} | {t: found[t] for t in bad if found[t] not in REFUSED}
        require(not wrong, f"{executor} {network} {list(hosts)} {named}: {wrong}")


def control(places):
    found = outside("reach", targets=places)
    require(set(found.values()) == {"ok"}, f"control: {found}")


def test_T08_T09_the_classes(lab):
    """The gist of what follows: each class opens what it is for and nothing else."""
    NAMES.table.update({"api.example": f"{PUBLIC} {PUBLIC6}"})
    control(at(PUBLIC, PRIVATE, OTHER, f"[{PUBLIC6}]", "127.0.0.1", HERE, METADATA, "api.example"))
    bad = at("127.0.0.1", "[::1]", HERE, METADATA)
    check(lab, "any", at(PUBLIC, PRIVATE, f"[{PUBLIC6}]"), bad)
    check(lab, "hosts", at("api.example"), at(OTHER, PRIVATE) + bad, ("api.example",))
    check(lab, "none", [], at(PUBLIC, HERE, METADATA))


def test_T08_any_is_all_but_this_machine_its_links_and_metadata(lab):
    good = at(PUBLIC, PRIVATE, f"[{PUBLIC6}]")
    bad = at("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", HERE,
             "10.9.0.1", "[2001:db8:9::1]", METADATA, "2852039166", f"[::ffff:{METADATA}]")
    control(good + bad)
    check(lab, "any", good, bad)
    # … unless the configuration names that address: it, and no other.
    check(lab, "any", good + at("127.0.0.1"), at("127.0.0.2", HERE, METADATA), named=[{"dsn": "postgres://u:p@0x7f.1:5432/db"}])
    check(lab, "any", at(METADATA), at("127.0.0.1"), named=f"http://{METADATA}/latest")
    check(lab, "any", at(HERE), at("10.9.0.1"), named=HERE)


def test_T09_any_a_name_of_the_configuration_may_be_this_machine(lab):
    NAMES.table.update({"db.corp": "127.0.0.1", "lan.corp": HERE, "meta.corp": METADATA, "out.corp": f"{PUBLIC} {PUBLIC6}"})
    places = at("db.corp", "lan.corp", "meta.corp", "out.corp")
    control(places)
    check(lab, "any", at("out.corp"), at("db.corp", "lan.corp", "meta.corp"))
    check(lab, "any", at("out.corp", "db.corp", "DB.Corp.", "lan.corp"), at("meta.corp"), named={"hosts": "db.corp:1,lan.corp,meta.corp"})
    check(lab, "any", at("localhost"), at("db.corp"), named="localhost:5432")
    check(lab, "any", [], at("localhost"))


def test_T09_hosts_reaches_its_hosts_alone(lab):
    NAMES.table.update({"api.example": f"{PUBLIC} {PUBLIC6}", "other.example": OTHER, "a.b.wild.example": THIRD, "wild.example": THIRD,
                        "db.corp": PRIVATE, "jump.corp": "127.0.0.1"})
    good = at("api.example", "API.Example.", "a.b.wild.example")
    bad = at("other.example", "wild.example", OTHER, PRIVATE, "127.0.0.1", METADATA, HERE, "localhost", "db.corp")
    control(good + [place for place in bad if "localhost" not in place])
    hosts = ("api.example", "*.wild.example")
    check(lab, "hosts", good, bad, hosts)
    # An address that a name was answered with is reached, whoever says it; those that nobody asked for are not.
    check(lab, "hosts", at("api.example", PUBLIC, f"[{PUBLIC6}]"), at(THIRD), hosts)
    check(lab, "hosts", [], at(PUBLIC, f"[{PUBLIC6}]"), hosts)


def test_T09_hosts_templates(lab):
    NAMES.table.update({"db.corp": PRIVATE, "jump.corp": "127.0.0.1", "acme.api.example": PUBLIC, "api.example": OTHER, "fixed.corp": PRIVATE})
    control(at("db.corp", "jump.corp", "acme.api.example", "fixed.corp"))
    templates = ("${named.host}", "${named.tunnel.tunnel_host}", "${named.account}.api.example", "fixed.corp", "${named.absent}",
                 "${named.star}")
    named = {"host": "db.corp:5432", "tunnel": {"tunnel_host": "ssh://jump.corp:22"}, "account": "acme", "star": "*"}
    check(lab, "hosts", at("db.corp", "jump.corp", "acme.api.example"), at("api.example", "fixed.corp", OTHER), templates, named)
    check(lab, "hosts", at(PRIVATE, "127.0.0.1"), at("db.corp", OTHER, "127.0.0.2"), ("${named}",), [PRIVATE, "127.0.0.1"])


def test_T09_answers_that_lead_elsewhere(lab):
    """Rebinding, aliases, mixed answers, literals inside IPv6: the connected address decides."""
    NAMES.table.update({
        "rebind.example": [PUBLIC, "127.0.0.1"], "alias.example": f"inside.corp {PRIVATE}", "inside.corp": PRIVATE,
        "mixed.example": f"127.0.0.1 {PUBLIC}", "six.example": f"::1 {PUBLIC}", "mapped.example": "::ffff:127.0.0.1", "meta.example": METADATA,
        "nat64.example": "64:ff9b::7f00:1", "zero.example": "0.0.0.0", "self.example": HERE})
    hosts = ("*.example",)
    control(at("alias.example", "mixed.example", "six.example", "mapped.example", "meta.example", "zero.example", "self.example"))
    for network in ("hosts", "any"):
        check(lab, network, at("mixed.example", "six.example"),
              at("mapped.example", "meta.example", "nat64.example", "zero.example", "self.example"), hosts)
    check(lab, "hosts", [], at("alias.example"), hosts)
    for executor in EXECUTORS:
        # Two questions (A, AAAA) for the first connection; when it is made again, the name leads to this machine.
        NAMES.table["rebind.example"] = [PUBLIC, PUBLIC, "127.0.0.1"]
        first, again = at("rebind.example", "REBIND.example")
        found = inside(lab, executor, "reach", "hosts", hosts, targets=[first, again])
        require(found[first] == "ok" and found[again] in REFUSED, f"{executor}: {found}")


def test_T09_every_way_to_send(lab):
    targets = [f"{OTHER}:9", "127.0.0.1:9", f"{METADATA}:53", f"[{PUBLIC6}]:9"]
    free = outside("datagrams", targets=targets)
    require(sum(v == "EPERM" for v in free.values()) == 0 and list(free.values()).count("ok") >= 12, f"control: {free}")
    for executor in EXECUTORS:
        found = inside(lab, executor, "datagrams", "hosts", ("api.example",), targets=targets)
        require(set(found.values()) == {"EPERM"}, f"{executor}: {found}")


def test_T10_no_tunnel_by_names(lab):
    questions = [["secret.tunnel.evil", k] for k in (1, 16, 28, 33, 255)] + [["api.example", 16], ["secret.api.example", 1]]
    NAMES.table.update({"api.example": PUBLIC, "secret.tunnel.evil": PUBLIC, "secret.api.example": PUBLIC})
    require(outside("dns", questions=questions[:1])["secret.tunnel.evil 1"] == "code 0, 1 answers", "control")
    for executor in EXECUTORS:
        NAMES.asked.clear()
        found = inside(lab, executor, "dns", "hosts", ("api.example",), questions=questions + [["api.example", 1]])
        require(found["api.example 1"] == "code 0, 1 answers", f"{executor}: {found}")
        require(found["api.example 16"] == "code 0, 0 answers", f"{executor}: {found}")
        require(all(v == "code 3, 0 answers" for k, v in found.items() if "secret" in k), f"{executor}: {found}")
        leaked = [q for q in NAMES.asked if "secret" in q[0] or q[1] == 16]
        require(not leaked and NAMES.asked, f"{executor}: the world was asked {NAMES.asked}")
        # The host's own name server, and the resolvers of the world, are out of reach; so are the services beside ours.
        around = inside(lab, executor, "datagrams", "hosts", ("api.example",), targets=["127.0.0.1:53", f"{OTHER}:53"])
        require(set(around.values()) == {"EPERM"}, f"{executor}: {around}")
        # Without a network there is nobody to ask at all.
        NAMES.asked.clear()
        found = inside(lab, executor, "reach", "none", targets=at("api.example", PUBLIC))
        require("ok" not in found.values() and not NAMES.asked, f"{executor} none: {found} {NAMES.asked}")


def test_T08_the_resolvers_address_opens_nothing_else(lab):
    """Services of this machine that listen on all addresses listen on the resolver's, too."""
    for executor in EXECUTORS:
        found = inside(lab, executor, "beside_resolver", "any", port=PORT)
        require(found["resolver"].startswith("127.") and found["tcp"] == "EPERM" and found["udp"] == "EPERM", f"{executor}: {found}")
        require(outside("reach", targets=at(found["resolver"]))[at(found["resolver"])[0]] == "ok", "control")


def try_once(lab, network):
    return lab.oneshot("check", actor(f"exec:{PROBE}", "source", {"do": "reach", "hidden": hide(targets=[])}, "lite", network=network))


def test_T18_without_a_fence_nothing_starts(lab):
    """Whatever keeps the fence from its work: the host says so, and a unit with a network does not run."""
    known = pathlib.Path("/run/gantry/isolation.json")
    require(try_once(lab, "any")["status"] == "success", "control")
    held = known.read_text(encoding="utf-8")
    require("missing" not in held, f"control: {held}")
    run("systemctl", "stop", "gantry-resolver.socket", "gantry-resolver.service")
    try:
        # What was found out before doesn't help: the fence itself has to come to a good end.
        failed = try_once(lab, "any")
        # Launcher and worker see it at the same time: whoever is first has said it.
        require(failed["status"] == "failure" and any(word in failed["failure"]["reason"] for word in ("could not be started", "did not run")),
                f"{failed}")
        require(try_once(lab, "none")["status"] == "success", "without a network there is nothing to fence")
        wait_gone()
        run("systemctl", "stop", "gantry-launcher.service")
        known.unlink()
        refused = try_once(lab, "none")
        require(refused["status"] == "failure" and "denied addresses" in refused["failure"]["reason"], f"{refused}")
    finally:
        run("systemctl", "start", "gantry-resolver.socket")
        wait_gone()
        run("systemctl", "stop", "gantry-launcher.service")
        known.unlink(missing_ok=True)
    require(try_once(lab, "any")["status"] == "success", "not tried anew")


def test_nothing_is_left(lab):
    wait_gone()
    left = list(pathlib.Path("/run/gantry/network").iterdir())
    require(not left, f"left: {left}")


if __name__ == "__main__":
    set_up()
    in_vm = subprocess.run(["systemd-detect-virt", "--quiet", "--container"], check=False).returncode != 0
    words = sys.argv[1:] or (IN_SHORT if SHORT else IN_VM if in_vm else ("",))
    run_tests([value for name, value in list(globals().items()) if name.startswith("test_") and callable(value)
               and any(word in name for word in words)])
