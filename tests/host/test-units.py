#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: shared
"""The installed units are well-formed, exposed no more than the snapshot allows, and nothing runs before it is called."""

import ctypes
import errno
import os
import pathlib
import pwd
import re
import signal
import subprocess
import sys
import time

UNITS = pathlib.Path("/lib/systemd/system")
SNAPSHOT = pathlib.Path("/mnt/tests/snapshots/unit-security.txt")
ALLOWED = {"gantry-launcher.service": 3.0, "gantry-setup.service": 3.0, "gantry-containers.service": 3.5, "gantry-rotate-key.service": 3.0}
ALLOWED_OTHERS = 1.5
PATIENCE = 300
PRIVATE_NAMES = ("org.gantry.Launcher1", "org.gantry.Workflow1", "org.gantry.Workload1")


def out(*argv, check=True):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          env=dict(os.environ, SYSTEMD_COLORS="0", SYSTEMD_EMOJI="0", LC_ALL="C.UTF-8"))
    assert not check or done.returncode == 0, f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}"
    return done.stdout


def units(*suffixes):
    return sorted(p.name for p in UNITS.glob("gantry*") if p.suffix in suffixes)


def test_units_are_well_formed():
    said = out("systemd-analyze", "verify", "--man=no", "--recursive-errors=one",
               *(str(UNITS / name) for name in units(".service", ".socket", ".target", ".slice", ".timer")))
    assert said.strip() == "", said


def scores():
    """What systemd-analyze thinks of each service."""
    for name in units(".service"):
        path = UNITS / name
        if "@." in name:  # a template is judged by an instance
            path = pathlib.Path("/run") / name.replace("@.", "@instance.")
            path.write_text((UNITS / name).read_text())
        said = out("systemd-analyze", "security", "--offline=true", "--no-pager", str(path))
        yield name, float(re.search(r"exposure level for \S+: ([\d.]+)", said).group(1))


def test_exposure_only_shrinks():
    limits = dict(line.split() for line in SNAPSHOT.read_text().splitlines() if line and not line.startswith("#"))
    wrong = []
    for name, score in scores():
        if name not in limits:
            wrong.append(f"{name} {score} is not in the snapshot")
        elif score != float(limits[name]):
            wrong.append(f"{name} {score}, not {limits[name]}" + (": better; say so there" if score < float(limits[name]) else ""))
        if score > ALLOWED.get(name, ALLOWED_OTHERS):
            wrong.append(f"{name} {score} is above {ALLOWED.get(name, ALLOWED_OTHERS)}")
    assert not wrong, f"{SNAPSHOT.name}: " + "; ".join(wrong)


def test_only_sockets_timers_and_the_target_start_at_boot():
    wanted = {p.name for d in pathlib.Path("/etc/systemd/system").glob("*.wants") for p in d.glob("gantry*")}
    services = sorted(name for name in wanted if name.endswith(".service"))
    assert not services, services
    assert wanted == set(units(".socket", ".timer")) | {"gantry.target"}, wanted


def settle():
    """What the install has called has come and is sent away: a timer has the schedules looked at once, and the daemon that does it
    leaves by itself half a minute later."""
    end = time.monotonic() + PATIENCE
    while not has_run("gantry-schedules") and time.monotonic() < end:
        time.sleep(0.1)
    assert has_run("gantry-schedules"), "the timer of gantry-schedules has not come"
    out("systemctl", "stop", "gantry-workflow.service")


def has_run(name):
    """Whether the unit has run to its end, and does not run again."""
    said = out("systemctl", "show", "-p", "ExecMainExitTimestampMonotonic,ActiveState", f"{name}.service").split()
    return "ActiveState=inactive" in said and "ExecMainExitTimestampMonotonic=0" not in said


def running():
    listed = out("systemctl", "list-units", "--plain", "--no-legend", "--state=running", "gantry*.service").split("\n")
    return [line for line in listed if line and not line.startswith("gantry-test.service")]


def test_nothing_runs_while_nothing_moves():
    """The engine looks at its schedules once after boot, and leaves as whoever is idle does."""
    assert out("systemctl", "is-active", "gantry.target").strip() == "active"
    end = time.monotonic() + PATIENCE
    while running() and time.monotonic() < end:
        time.sleep(0.5)
    assert not running(), running()
    for name in units(".socket"):
        assert out("systemctl", "is-active", name).strip() == "active", name


def bus_names():
    return sorted(p.stem for p in pathlib.Path("/usr/share/dbus-1/system-services").glob("org.gantry.*.service"))


def test_bus_names_start_units():
    activatable = out("busctl", "list", "--activatable", "--no-legend")
    for name in bus_names():
        assert re.search(rf"^{re.escape(name)} ", activatable, re.M), f"{name} can't be activated"
        text = pathlib.Path(f"/usr/share/dbus-1/system-services/{name}.service").read_text()
        alias = re.search(r"^SystemdService=(\S+)$", text, re.M).group(1)
        assert out("systemctl", "show", "-p", "BusName", "--value", alias).strip() == name, alias


def hold(name, user):
    """A process of the user that owns the name and answers pings, as a daemon would; or the bus's refusal, a negative errno."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(pwd.getpwnam(user).pw_gid)
        os.setuid(pwd.getpwnam(user).pw_uid)
        systemd, bus = ctypes.CDLL("libsystemd.so.0"), ctypes.c_void_p()
        result = systemd.sd_bus_open_system(ctypes.byref(bus))
        if result >= 0:
            result = systemd.sd_bus_request_name(bus, name.encode(), ctypes.c_uint64(0))
        os.write(writing, str(result).encode())
        while result >= 0:
            while (result := systemd.sd_bus_process(bus, None)) > 0:
                pass
            if result == 0:
                result = systemd.sd_bus_wait(bus, ctypes.c_uint64(2**64 - 1))
        os._exit(0)
    os.close(writing)
    result = int(os.read(reading, 20))
    os.close(reading)
    return child, result


def let_go(child):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def hold_alone(name, user):
    """The same where the daemon itself may have been called just now (the clock was set, units were reloaded): it is sent away."""
    alias = re.search(r"^SystemdService=(\S+)$", pathlib.Path(f"/usr/share/dbus-1/system-services/{name}.service").read_text(), re.M)
    end = time.monotonic() + PATIENCE
    while True:
        out("systemctl", "stop", alias.group(1), check=False)
        child, result = hold(name, user)
        if result != -errno.EEXIST or time.monotonic() > end:
            return child, result
        let_go(child)


def may_call(name, user):
    """Whether the bus lets the user talk to the name's owner."""
    said = out("setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--init-groups", "busctl", "call", name, "/",
               "org.freedesktop.DBus.Peer", "Ping", check=False)
    assert said.strip() == "" or re.search("access denied|rejected send message", said, re.I), said
    return said.strip() == ""


def test_the_bus_lets_only_those_in():
    for name in bus_names():
        owner = "root" if name == "org.gantry.Launcher1" else "gantry"
        child, refusal = hold(name, "nobody")
        let_go(child)
        assert refusal < 0, f"nobody may own {name}"
        child, refusal = hold_alone(name, owner)
        try:
            assert refusal >= 0, f"{owner} may not own {name}: {os.strerror(-refusal)}"
            for user in ("root", "gantry"):
                assert may_call(name, user), f"{name} refuses {user}"
            assert may_call(name, "nobody") == (name not in PRIVATE_NAMES), f"{name} and nobody"
        finally:
            let_go(child)


def test_polkit_knows_the_actions():
    said = out("pkaction")
    actions = re.findall(r'<action id="([^"]+)"', pathlib.Path("/usr/share/polkit-1/actions/org.gantry.policy").read_text())
    assert actions and set(actions) <= set(said.split()), said
    for action in actions:
        assert "unix-user:gantry" in out("pkaction", "--verbose", "--action-id", action), f"{action} has no owner"


def main():
    failed = 0
    settle()
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                print(f"ok {name}")
            except AssertionError as error:
                failed += 1
                print(f"not ok {name}: {error}")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--scores"]:
        print("\n".join(f"{name} {score}" for name, score in scores()))
        sys.exit(0)
    sys.exit(main())
