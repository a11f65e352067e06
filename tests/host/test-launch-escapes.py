#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: vm-whole
"""T01-T04, T07, T08, T11-T17: a hostile connector as a unit, by each executor, and outside of any as the positive control."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, "/mnt/tests/host")
from launchlib import *  # noqa: E402, F403
import podmanlib  # noqa: E402

EXECUTORS = ("lite", "service", "podman")
PLACE = pathlib.Path("/opt/probe")
PROBE = PLACE / "probe"
SECRET = "correct-horse-battery-staple"
REFUSED = ("EPERM", "EACCES", "ENOENT", "ENOSYS", "ENOTDIR", "EAFNOSUPPORT", "ECONNREFUSED", "ENETUNREACH", "ETIMEDOUT", "ENODATA",
           "EPROTONOSUPPORT", "ESRCH", "EHOSTUNREACH", "EROFS")


def set_up():
    PLACE.mkdir(parents=True, exist_ok=True)
    run("install", "-m", "0755", "/mnt/tests/host/hostile-connector.py", PROBE)
    run("install", "-m", "0755", "/mnt/build/tests/tools/sandbox-probe", PLACE / "sandbox-probe")
    podmanlib.make_python(podmanlib.HOSTILE, PROBE, inside=str(PROBE), more=[(PLACE / "sandbox-probe", str(PLACE / "sandbox-probe"))],
                          user="airbyte")
    run("systemctl", "start", "gantry-workload.service")  # makes the database
    for path in ("/root/secret", "/home/user/secret", "/etc/gantry/gantry.conf", "/srv/secret"):
        if not os.path.exists(path):
            pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
            pathlib.Path(path).write_text("# x\n", encoding="utf-8")


def probe(executor, do, network="none", limits=None, given=None, **config):
    more = {"network": network}
    if given:
        more["paths"] = given
    if limits:
        more["limits"] = limits
    return actor(f"image:{podmanlib.HOSTILE}" if executor == "podman" else f"exec:{PROBE}", "source", {"do": do, "password": SECRET, **config}, executor, **more)


def inside(lab, executor, do, **config):
    """What a try gives in a unit."""
    workload = lab.oneshot("check", probe(executor, do, **config))
    require(workload["status"] == "success", f"{executor} {do}: {workload.get('failure')} {workload.get('output')}")
    return json.loads(workload["output"]["message"])


def outside(do, **config):
    """The same as root without a sandbox."""
    path = PLACE / "config.json"
    path.write_text(json.dumps({"do": do, **config}), encoding="utf-8")
    line = json.loads(run(PROBE, "check", "--config", path).splitlines()[-1])
    return json.loads(line["connectionStatus"]["message"])


def test_T01_files_of_others(lab):
    paths = ["/etc/shadow", "/root/secret", "/home/user/secret", "/var/lib/gantry/gantry.db", "/etc/gantry/gantry.conf",
             "/srv/secret", "/run/systemd/units/", "/var/log/journal/"]
    require(all(v == "ok" for v in outside("files", paths=paths).values()), f"control: {outside('files', paths=paths)}")
    for executor in EXECUTORS:
        found = inside(lab, executor, "files", paths=paths)
        require(all(v in REFUSED for v in found.values()), f"{executor}: {found}")


def test_T18_an_unfit_host_takes_no_strangers(lab):
    """What is relied on was tried before the first of them ran, and a host that lacks it says so."""
    known = pathlib.Path("/run/gantry/isolation.json")
    lab.oneshot("check", actor("native:source-faker", "source", {"count": 1}, "lite"))
    found = json.loads(known.read_text(encoding="utf-8"))
    require(not found.get("missing"), f"this host: {found}")
    found["missing"] = "denied addresses"
    stop_launcher()
    known.write_text(json.dumps(found), encoding="utf-8")
    foreign = lab.oneshot("check", probe("lite", "self_view"))
    require(foreign["status"] == "failure" and "denied addresses" in foreign["failure"]["reason"], f"{foreign}")
    native = lab.oneshot("check", actor("native:source-faker", "source", {"count": 1}, "lite"))
    require(native["status"] == "success", f"{native}")
    # Of another boot: tried anew.
    stop_launcher()
    known.write_text(json.dumps(dict(found, bootId="0")), encoding="utf-8")
    require(lab.oneshot("check", probe("lite", "self_view"))["status"] == "success", "not tried anew")


def stop_launcher():
    wait_gone()
    run("systemctl", "stop", "gantry-launcher.service")


def test_T02_T04_secrets_and_descriptors(lab):
    for executor in EXECUTORS:
        watch = subprocess.Popen(["stdbuf", "-oL", "busctl", "monitor", "--system"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        heard = []
        reader = threading.Thread(target=lambda: heard.extend(watch.stdout), daemon=True)
        reader.start()
        end = time.monotonic() + PATIENCE
        while not any("Monitoring" in line for line in heard):
            require(time.monotonic() < end, "no monitor")
            time.sleep(0.02)
        view = inside(lab, executor, "self_view")
        wait_gone()
        while not all(any(word in line for line in heard) for word in ("StartTransientUnit", "gantry-shim")):
            require(time.monotonic() < end, "control: the monitor saw no start")
            time.sleep(0.02)
        watch.send_signal(signal.SIGINT)
        watch.wait()
        reader.join()
        text = "".join(heard)
        require(SECRET not in text, f"{executor}: the secret is on the bus")
        require(SECRET not in json.dumps(view), f"{executor}: the secret is in the process's public parts: {view}")
        require(view["config_mode"] == "0o100600" and view["config_owner"] == view["uid"], f"{executor}: {view}")
        require(view["fds"] == [0, 1, 2], f"{executor}: descriptors {view['fds']}")
        require(view["uid"] != 0 and set(view["caps"]) == {"0000000000000000"} and view["no_new_privs"] == "1", f"{executor}: {view}")
        require(SECRET not in run("journalctl", "--no-pager", "-o", "json"), f"{executor}: the secret is in the journal")
        left = subprocess.run(["grep", "-rl", SECRET, "/run", "/var/tmp", "/tmp", "/var/lib/containers"], capture_output=True, text=True, check=False)
        require(not left.stdout, f"{executor}: the secret is left in {left.stdout}")


def start_waiting(lab, executor, **more):
    workload_id = lab.create("check", {"actor": probe(executor, "wait", seconds=600, **more)})
    lab.api.wait(workload_id, "running", *TERMINAL)
    auto_id = lab.api.get(workload_id)["autoId"]
    unit = next(u for u in units(f"gantry-run-{auto_id}-*-connector.service"))
    end = time.monotonic() + PATIENCE
    while not (pids := [p for p in pids_of(unit) if f"python3\0{PROBE}" in cmdline(p) and not cmdline(p).startswith("/run/")]):
        require(time.monotonic() < end, f"{unit}: no connector")
        time.sleep(0.02)
    return workload_id, unit, pids[0]


def pids_of(unit):
    group = run("systemctl", "show", "--value", "-p", "ControlGroup", unit)
    for root in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        # podman makes groups below.
        if group and (found := [int(p) for file in pathlib.Path(root + group).rglob("cgroup.procs") for p in file.read_text().split()]):
            return found
    return []


def cmdline(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def cancel(lab, *workload_ids):
    for workload_id in workload_ids:
        lab.api.call("PUT", "workload/cancel", {"workloadId": workload_id, "source": "test", "reason": "enough"})
        run("busctl", "call", "org.gantry.Launcher1", "/org/gantry/Launcher1", "org.gantry.Launcher1.Manager", "Cancel", "s",
            workload_id, check=False)
    wait_gone()


def test_T03_siblings(lab):
    """Two connectors of one kind: different users, and neither sees the other."""
    for executor in EXECUTORS:
        first, _, pid = start_waiting(lab, executor)
        second, _, other = start_waiting(lab, executor)
        uids = {os.stat(f"/proc/{p}").st_uid for p in (pid, other)}
        require(len(uids) == 2 and 0 not in uids, f"{executor}: uids {uids}")
        control = outside("others")
        require(control.get(str(pid), {}).get("environ") == "ok", f"control: {control.get(str(pid))}")
        found = inside(lab, executor, "others")
        cancel(lab, first, second)
        # Its own shim it may see and harm: that ends nobody but itself.
        daemon = main_pid("gantry-launcher.service")
        require(len(found) <= 1 and not {str(pid), str(other), str(daemon)} & set(found), f"{executor}: {found}")


def test_T03_siblings_with_files(lab):
    """They are one user outside, since the next one must read what this one wrote; and yet neither gets at the other."""
    places = [files_place(f"t03-{n}") for n in range(3)]
    given = [[{"path": str(p), "write": True}] for p in places]
    (places[1] / "secret").write_text("x", encoding="utf-8")
    like = ["setpriv", "--reuid=gantry-files", "--regid=gantry-files", "--clear-groups"]
    with subprocess.Popen([*like, "sleep", "600"]) as sleeper:
        control = as_user(like, "others").get(str(sleeper.pid), {})
        sleeper.kill()
    # At address 0 there is nothing to read; but one may.
    require(control and set(control.values()) <= {"ok", "EIO"}, f"control: {control}")
    for executor in EXECUTORS:
        first, _, pid = start_waiting(lab, executor, given=given[0])
        second, _, other = start_waiting(lab, executor, given=given[1])
        require(len({os.stat(f"/proc/{p}").st_uid for p in (pid, other)}) == 1, f"control: {executor}: users")
        found = inside(lab, executor, "others", given=given[2])
        tried = inside(lab, executor, "files", given=given[2], paths=[f"/proc/{pid}/root/", f"/proc/{pid}/cwd/", f"/proc/{pid}/fd/",
                                                                     str(places[1] / "secret")])
        cancel(lab, first, second)
        reached = {p: v for p, v in found.items() if int(p) in (pid, other) and {"ok", "EIO"} & set(v.values())}
        require(not reached and all(v in REFUSED for v in tried.values()), f"{executor}: {found} {tried}")


def as_user(like, do):
    """The try by that user without a sandbox."""
    path = PLACE / "config.json"
    path.write_text(json.dumps({"do": do}), encoding="utf-8")
    path.chmod(0o644)
    line = json.loads(run(*like, PROBE, "check", "--config", path).splitlines()[-1])
    return json.loads(line["connectionStatus"]["message"])


def test_T63_a_path_that_becomes_a_link_leads_nowhere(lab):
    """A connector that may write where another one's path lies puts a link there; whoever mounts is root and would follow it. An
    administrator's link is followed, and a link to a name beside it, which one might as well rename."""
    victim, own = files_place("t63-victim"), files_place("t63-own")
    (victim / "secret").write_text("x", encoding="utf-8")
    path = own / "out"
    like = ["setpriv", "--reuid=gantry-files", "--regid=gantry-files", "--clear-groups"]
    beside = own / "beside"
    run("install", "-d", "-o", "gantry-files", "-g", "gantry-files", "-m", "0750", beside)
    (beside / "secret").write_text("x", encoding="utf-8")
    shutil.chown(beside / "secret", "gantry-files")
    shutil.chown(victim / "secret", "gantry-files")
    for executor in EXECUTORS:
        for target, by, seen in ((victim, like, None), (victim, [], "ok"), ("beside", like, "ok")):
            path.unlink(missing_ok=True)
            run(*by, "ln", "-s", target, path)
            for write in (True, False):
                workload = lab.oneshot("check", probe(executor, "files", given=[{"path": str(path), "write": write}], paths=[str(path / "secret")]))
                what = f"{executor}: {target} by {by or 'root'}, write {write}: {workload.get('failure')} {workload.get('output')}"
                if seen is None:
                    require(workload["status"] == "failure" and str(path) in workload["failure"]["reason"], what)
                else:
                    require(workload["status"] == "success" and json.loads(workload["output"]["message"])[str(path / "secret")] == seen, what)
    path.unlink()
    # Above the path: an administrator's set-up, and somebody else's.
    run("ln", "-sfn", own, "/srv/gantry/t63-admin")
    found = inside(lab, "lite", "files", given=[{"path": "/srv/gantry/t63-admin/beside", "write": True}], paths=["/srv/gantry/t63-admin/beside/secret"])
    require(set(found.values()) == {"ok"}, f"{found}")


def test_a_root_that_the_launcher_does_not_see(lab):
    """Its unit has no /home; who mounts has. What an administrator allows there is reached."""
    home = pathlib.Path("/home/somebody/exports")
    run("install", "-d", "-m", "0755", home.parent)
    run("install", "-d", "-o", "gantry-files", "-g", "gantry-files", "-m", "0750", home)
    (home / "file").write_text("x", encoding="utf-8")
    shutil.chown(home / "file", "gantry-files")
    for executor in EXECUTORS:
        found = inside(lab, executor, "files", given=[{"path": str(home), "write": False}], paths=[str(home / "file")])
        require(found[str(home / "file")] == "ok", f"{executor}: {found}")


def test_T07_nothing_is_left(lab):
    victim = pathlib.Path("/srv/victim")
    victim.mkdir(exist_ok=True)
    (victim / "file").write_text("x", encoding="utf-8")
    mark = f"mark-{uuid.uuid4()}"
    for executor in EXECUTORS:
        for _ in range(2):
            found = inside(lab, executor, "leave", mark=mark, victim=str(victim))
            places = [v for k, v in found.items() if k != "shm"]
            require(all(v["made"] == "ok" and not v["seen"] for v in places), f"{executor}: {found}")
            require(not found["shm"]["seen"], f"{executor}: {found}")
            wait_gone()
        left = run("find", "/tmp", "/var/tmp", "/dev/shm", "/run", "-name", mark, "-not", "-path", "*/proc/*", check=False)
        require(not left, f"{executor}: left {left}")
        require((victim / "file").exists(), f"{executor}: a link was followed")
        require("0x67616e74" not in run("ipcs", "-m"), f"{executor}: shared memory is left")


class Listener:
    """Somebody of this host who may be reached, or not."""

    def __init__(self):
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.abstract = f"gantry-test-{uuid.uuid4()}"
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind("\0" + self.abstract)
        self.unix.listen()
        for listener in (self.tcp, self.unix):
            threading.Thread(target=greet, args=(listener,), daemon=True).start()


def test_T08_T16_network_and_sockets(lab):
    listener = Listener()
    port = listener.tcp.getsockname()[1]
    unix = [f"@{listener.abstract}", "/run/dbus/system_bus_socket", SOCKET, "/run/systemd/private", "/run/systemd/journal/stdout"]
    tcp = [f"127.0.0.1:{port}", f"0.0.0.0:{port}"]
    control = outside("network", unix=unix, tcp=tcp)
    require(all(control[k] == "ok" for k in unix + tcp + ["packet"]), f"control: {control}")
    for executor in EXECUTORS:
        found = inside(lab, executor, "network", unix=unix, tcp=tcp)
        require(all(v in REFUSED for v in found.values()), f"{executor} none: {found}")
        # With a network, this machine's own services stay out of reach …
        hidden = [f"{0x7f000001}:{port}", f"0.0.0.0:{port}"]
        require(outside("network", unix=[], tcp=hidden)[hidden[0]] == "ok", "control")
        found = inside(lab, executor, "network", network="any", hidden=hide(unix=unix[1:], tcp=hidden))
        require(all(v in REFUSED for v in found.values()), f"{executor} any: {found}")
        # … unless the configuration names them.
        found = inside(lab, executor, "network", network="any", unix=[], tcp=tcp, host=f"localhost:{port}")
        require(found[tcp[0]] == "ok", f"{executor} any, configured: {found}")


# Of these the kernel must not even look at the arguments.
FORBIDDEN = ["add_key", "bpf", "clone-user", "init_module", "io_uring_setup", "kexec_load", "keyctl", "mount", "move_mount",
             "open_by_handle_at", "perf_event_open", "pivot_root", "process_vm_readv", "ptrace", "quotactl", "reboot", "setns",
             "settimeofday", "socket-alg", "socket-packet", "swapon", "umount2", "unshare-mount", "unshare-user", "userfaultfd"]


def test_T11_system_calls(lab):
    config = {"program": str(PLACE / "sandbox-probe")}
    control = outside("syscalls", **config)
    require(sum(control[name] not in REFUSED for name in FORBIDDEN) > len(FORBIDDEN) / 2, f"control: {control}")
    for executor in EXECUTORS:
        found = inside(lab, executor, "syscalls", **config)
        bad = {name: found.get(name) for name in FORBIDDEN if found.get(name) not in REFUSED}
        require(not bad, f"{executor}: {bad}")


def test_T12_memory_and_programs(lab):
    control = outside("memory_map")
    require(set(control.values()) == {"ok"}, f"control: {control}")
    for executor in EXECUTORS:
        found = inside(lab, executor, "memory_map")
        # What is in images (Java, Node) compiles as it runs and unpacks libraries into /tmp.
        require(found["write+exec"] in REFUSED or executor == "podman", f"{executor}: {found}")
        # In a service it is Landlock that refuses this, and nspawn hosts let nobody use that.
        require(found["own program"] in REFUSED or executor in ("podman", "service"), f"{executor}: {found}")


def test_T13_limits(lab):
    for executor in EXECUTORS:
        found = inside(lab, executor, "forks", n=500, limits={"tasksMax": 32})
        require(1 <= found["forks"] <= 32, f"{executor}: {found}")
        workload = lab.oneshot("check", probe(executor, "hog", mib=8, limits={"memoryMax": 64 << 20, "tasksMax": 32}))
        reason = workload.get("failure", {}).get("reason", "")
        require(workload["status"] == "failure" and "memory" in reason.lower(), f"{executor}: {workload}")


def test_T73_no_core_and_no_swap(lab):
    """What the kernel has been told, not what systemd says it would tell."""
    for executor in EXECUTORS:
        workload_id, unit, pid = start_waiting(lab, executor)
        shim = main_pid(unit)
        group = run("systemctl", "show", "--value", "-p", "ControlGroup", unit)
        for each in (shim, pid):
            limits = pathlib.Path(f"/proc/{each}/limits").read_text(encoding="utf-8")
            require(re.search(r"^Max core file size +[01] +[01] ", limits, re.M), f"{executor} {each}: {limits}")
        # With cgroup v1 there is no such limit to look at; a kernel may have none.
        swap = pathlib.Path(f"/sys/fs/cgroup{group}/memory.swap.max")
        if swap.exists():
            require(swap.read_text(encoding="utf-8").strip() == "0", f"{executor}: {swap} is {swap.read_text(encoding='utf-8')}")
            above = pathlib.Path("/sys/fs/cgroup/system.slice/memory.swap.max")
            require(above.read_text(encoding="utf-8").strip() == "max", "control: others may swap")
        cancel(lab, workload_id)


def test_T14_nothing_lingers(lab):
    for executor in EXECUTORS:
        require(inside(lab, executor, "linger")["left"] == "ok", executor)
        wait_gone()
        left = [p for p in os.listdir("/proc") if p.isdigit() and "/opt/probe/probe" in cmdline(p)]
        require(not left, f"{executor}: {[cmdline(p) for p in left]}")


def test_T15_no_word_to_systemd(lab):
    for executor in EXECUTORS:
        found = inside(lab, executor, "notify")
        require(found["variable"] is None and found["socket"] in REFUSED, f"{executor}: {found}")


def test_T17_names(lab):
    for number, workload_id in enumerate(("../../etc/passwd", "a@b\\x2d%n%i", "x" * 300, "-rf ; reboot", "gantry.slice\nExecStart=/bin/true")):
        try:
            workload = lab.oneshot("check", actor("native:source-faker", "source", {"count": 1}, "lite"), workload_id=workload_id)
        except Failed as refusal:
            require(": 400 " in str(refusal), str(refusal))
            continue  # the API takes no such thing
        require(workload["status"] == "success", f"{number}: {workload}")
    for auto_id in ("../x", "", "A" * 36, "00000000-0000-4000-8000-00000000000%"):
        before = set(units("*"))
        workload_id = f"{uuid.uuid4()}"
        try:
            lab.create("check", {"actor": actor("native:source-faker", "source", {"count": 1}, "lite")}, workload_id=workload_id,
                       auto_id=auto_id or " ")
        except Failed:
            continue  # the API takes no such thing
        require(lab.api.wait(workload_id)["status"] == "failure", f"'{auto_id}' is taken")
        strange = {u for u in set(units("*")) - before if "gantry" in u and not u.startswith(("gantry-launcher", "gantry-workload"))}
        require(not strange, f"{strange}")


if __name__ == "__main__":
    set_up()
    run_tests([value for name, value in list(globals().items()) if name.startswith("test_") and callable(value)
               and (len(sys.argv) < 2 or any(word in name for word in sys.argv[1:]))])
