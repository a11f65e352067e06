# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ./run-tests does once its packages are there: builds, runs the suites of a tier, adds up what they say.

Tiers: ci (the default: every test, within 20 minutes on a quiet machine), compat (real connectors from PyPI and npm), soak
(syncs with kills and full disks for --soak-seconds, slow scenarios), full (all of them, and what ci has proved in another
way once more). A suite is a function below that returns (passed, failed, skipped)."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import traceback
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOGS = ROOT / "build" / "test-logs"
HOST_RUN = ROOT / "tests/host/run"
OPTIONS = argparse.Namespace(soak_seconds=180, soak_seed=None)
JOBS = f"-j{os.cpu_count() or 1}"
STRICT = ["--enable-strict", "-q"]
UNDER_SANITIZERS = "not slow and not sandbox and not memory"
# What a suite has to say comes in one piece at its end, with the processor time of the programs that it ran (`lines`, `cpu`):
# several run at a time.
TEXT = threading.local()
# Tests of whole hosts that have failed: (suite, options of tests/host/run, name, environment). See again().
FAILED = []
# Where more than this fail, something is broken: nothing is tried again.
AGAIN_MOST = 5
# A host's test runs what the suite "asan" builds: whether it is there, or nobody is going to make it.
ASAN_BUILT = threading.Event()


def say(text):
    TEXT.lines.append(text)


def log_tail(path, count=40):
    return "\n".join(path.read_text(errors="replace").splitlines()[-count:])


def call(name, argv, cwd=ROOT, env=None, quiet=False):
    """Runs a command with its output in a log file; 0 or its exit code. The log's end is shown on failure unless quiet."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{name}.log"
    with path.open("wb") as out:
        process = subprocess.Popen([str(a) for a in argv], cwd=cwd, env=dict(os.environ, **(env or {})), stdout=out,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
    TEXT.cpu.append(used.ru_utime + used.ru_stime)
    if code != 0 and not quiet:
        say(log_tail(path))
        say(f"(exit {code}; whole log: {path.relative_to(ROOT)})")
    return code


def configure(directory, *options, env=None):
    """Makes or renews a build tree."""
    path = ROOT / directory
    path.mkdir(exist_ok=True)
    if not (ROOT / "configure").exists() and call("autogen", [ROOT / "autogen.sh"]) != 0:
        return False
    if (path / "Makefile").exists():
        return True
    return call(f"{directory}-configure", [ROOT / "configure", *STRICT, *options], cwd=path, env=env) == 0


def one(ok):
    return (1, 0, 0) if ok else (0, 1, 0)


def make_check(directory, env=None, target="check", tests=None):
    """Counts the TAP results of `make check`, of all tests or of some."""
    name, some = (f"{directory}-some", [f"TESTS={tests}"]) if tests else (f"{directory}-{target}", [])
    code = call(name, ["make", JOBS, target, *some], cwd=ROOT / directory, env=env)
    text = (LOGS / f"{name}.log").read_text(errors="replace")
    count = {key: sum(int(n) for n in re.findall(rf"^# {key}: +(\d+)$", text, re.M))
             for key in ("PASS", "FAIL", "ERROR", "SKIP", "XPASS")}
    for line in re.findall(r"^(?:FAIL|ERROR|SKIP): .*$", text, re.M):
        say(f"  {line}")
    failed = count["FAIL"] + count["ERROR"] + count["XPASS"]
    if code != 0 and failed == 0:
        failed = 1
    return count["PASS"], failed, count["SKIP"]


def pytest(name, *arguments, env=None):
    """Runs pytest and reads its JUnit report; skips are shown with their reasons, snapshots that are to be renewed too."""
    report = LOGS / f"{name}.xml"
    LOGS.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    code = call(name, ["/usr/bin/python3", "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--tb=short",
                       f"--junitxml={report}", *arguments], env=env)
    if code == 5:
        return 0, 0, 0
    for line in re.findall(r"^.*update the snapshot.*$", (LOGS / f"{name}.log").read_text(errors="replace"), re.M):
        say(f"  {line.strip()}")
    if not report.exists():
        return 0, 1, 0
    passed = failed = skipped = 0
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        skip = case.find("skipped")
        if skip is not None:
            skipped += 1
            say(f"  SKIP {case.get('name')}: {skip.get('message')}")
        elif case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            say(f"  FAIL {case.get('classname')}::{case.get('name')}")
        else:
            passed += 1
    return passed, failed or (1 if code not in (0, 1) else 0), skipped


def build():
    """gcc, every warning an error"""
    return one(configure("build") and call("build", ["make", JOBS], cwd=ROOT / "build") == 0)


def unit():
    """unit tests, the tree's own checks, fuzz corpora"""
    return make_check("build")


def scenario():
    """real programs against the scenarios of the reliability list"""
    return pytest("scenario", "tests/scenario")


def confined():
    """those scenarios that sanitizers disturb: sandboxes, real limits, memory"""
    return pytest("confined", "tests/scenario", "-m", f"not ({UNDER_SANITIZERS})")


def suite():
    """daemons as processes, each on a bus, a database and sockets of its own"""
    return pytest("suite", "tests/suite")


def asan():
    """unit tests and scenarios under AddressSanitizer and UndefinedBehaviorSanitizer"""
    if not configure("build"):
        ASAN_BUILT.set()
        return one(False)
    first = make_check("build", target="check-asan")
    ASAN_BUILT.set()
    env = {"ASAN_OPTIONS": "detect_leaks=1:halt_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
           "GANTRY_BUILD": str(ROOT / "build/asan")}
    second = pytest("asan-scenario", "tests/scenario", "-m", UNDER_SANITIZERS, env=env)
    return tuple(a + b for a, b in zip(first, second))


def valgrind():
    """unit tests under valgrind's memcheck"""
    return make_check("build", target="check-valgrind")


def clang():
    """clang, every warning an error"""
    # Its warnings are the front end's: what is made of the code is not wanted.
    return one(configure("build-clang", "CC=clang", "CFLAGS=-O0") and call("clang", ["make", JOBS], cwd=ROOT / "build-clang") == 0)


def analysis():
    """cppcheck and shellcheck"""
    return one(configure("build") and call("analysis", ["make", "analyze"], cwd=ROOT / "build") == 0)


def distcheck():
    """the tarball builds, tests, installs and uninstalls"""
    # What is in it doesn't hang on how well it is compiled and how far its tests go, which the other suites try.
    return one(configure("build") and call("distcheck", ["make", JOBS, "distcheck", "DISTCHECK_CONFIGURE_FLAGS=CFLAGS=-O0"],
                                           cwd=ROOT / "build", env={"GANTRY_TEST_SPARSE": "1"}) == 0)


def host_tests(name, *arguments, env=None):
    """Runs tests/host/run, shows what didn't pass, reads its last line: (passed, failed, skipped)."""
    code = call(name, [HOST_RUN, *arguments], env=env, quiet=True)
    lines = (LOGS / f"{name}.log").read_text(errors="replace").splitlines()
    counts = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped", lines[-1] if lines else "")
    if not counts:
        say(log_tail(LOGS / f"{name}.log"))
        return one(False)
    say("\n".join(f"  {line}" for line in lines[:-1] if not line.startswith("pass ")))
    failures = [found.group(1) for line in lines if (found := re.match(r"FAIL (\S+) \(", line))]
    FAILED.extend((name, [a for a in arguments if a.startswith("--")], failure, env) for failure in failures)
    passed, failed, skipped = map(int, counts.groups())
    return passed, failed or int(code != 0), skipped


def keep_logs(name):
    """Puts the logs of a host test aside, so that another run of it leaves them; where they are."""
    for suffix in ("log", "journal"):
        path = LOGS / "host" / f"{name}.{suffix}"
        if path.exists():
            path.replace(path.with_name(f"{name}.failed.{suffix}"))
    return f"build/test-logs/host/{name}.failed.log"


def again(total):
    """Runs each test of a whole host that has failed once more, alone, on a fresh host, now that nothing else runs: whole systems
    on machines that differ by a factor. What passes then counts as passed and is said: it is a bug all the same. How many."""
    failed, flaky = FAILED[:], 0
    if len(failed) > AGAIN_MOST:
        print(f"{len(failed)} tests of hosts have failed: too many to try again", flush=True)
        return 0
    for suite, options, name, env in failed:
        TEXT.lines, TEXT.cpu = [], []
        kept = keep_logs(f"vm-{name}" if "--vm" in options else name)
        passed = host_tests(f"{suite}-again-{name}", *options, name, env=env) == (1, 0, 0)
        if passed:
            flaky += 1
            total.append((1, -1, 0))
            print(f"FLAKY {name}: failed, then passed on a fresh host (log of the failure: {kept})", flush=True)
        else:
            print("\n".join([f"== {name}, once more: failed again (log of the first failure: {kept})", *TEXT.lines]), flush=True)
    return flaky


# These take the longest, so they begin first. They wait for idle times, restarts and each other's ends most of the time: some
# hosts side by side take little more than the longest of them.
HOSTS = 3
LONG_HOST_TESTS = ("suite-idle", "suite-bus", "suite-kills", "suite-faults", "packaging", "suite-units", "suite-reboot", "activation")


def host_lane(queue, results, lines, cpu):
    TEXT.lines, TEXT.cpu = lines, cpu
    while True:
        try:
            names = queue.pop(0)
        except IndexError:
            return
        try:
            if names == ["suite-asan"]:
                ASAN_BUILT.wait()
            results.append(host_tests(f"host-{names[0]}", *names))
        except Exception:  # a lane that breaks leaves the others' results alone
            say(traceback.format_exc())
            results.append(one(False))


def host():
    """the packages on Debian 12 hosts of their own, booted by systemd-nspawn, some at a time"""
    names = subprocess.run([HOST_RUN, "--list"], capture_output=True, text=True, check=True).stdout.split()
    shared = [n for n in names if any("# host:" in line and "shared" in line
                                      for path in (ROOT / "tests/host").glob(f"test-{n}.*") for line in path.open())]
    queue = [[n] for n in LONG_HOST_TESTS if n in names] + [shared] * bool(shared)
    queue += [[n] for n in names if n not in shared and n not in LONG_HOST_TESTS]
    queue.sort(key=lambda tests: tests == ["suite-asan"])  # last: what it runs is built meanwhile
    # Packages and root are made once, by the first that needs them: a lock holds the others up.
    results = []
    lanes = [threading.Thread(target=host_lane, args=(queue, results, TEXT.lines, TEXT.cpu)) for _ in range(HOSTS)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    return tuple(sum(column) for column in zip(*results)) or one(False)


def vm():
    """what needs cgroup v2 and Debian's kernel, in one virtual machine; in short forms where that is emulated"""
    return host_tests("vm", "--vm")


def vm_whole():
    """the same in whole forms, however long an emulated machine takes"""
    return host_tests("vm-whole", "--vm", "--whole")


def compat():
    """Airbyte's own connectors from PyPI beside ours, API clients against the installed suite"""
    first, second = pytest("compat", "tests/compat"), host_tests("compat-host", "--compat")
    return tuple(a + b for a, b in zip(first, second))


def soak():
    """syncs in a loop with kills and full disks, by hand and by the suite; random calls; the slow scenarios"""
    program = ROOT / "tests/soak/soak.py"
    done = [0, 0]
    # That it finds what doesn't hold, each kind; then in earnest.
    for kind in ("lose", "repeat", "ahead", "file", "process"):
        code = call(f"soak-break-{kind}", [program, "--break", kind, "--seed", "1", "--seconds", "600"],
                    env={"GANTRY_TEST_TIMEOUT": "20"} if kind == "process" else None)
        done[code != 0] += 1
    seed = ["--seed", OPTIONS.soak_seed] if OPTIONS.soak_seed is not None else []
    done[call("soak-run", [program, "--seconds", OPTIONS.soak_seconds, *seed]) != 0] += 1
    say("  " + "\n  ".join(log_tail(LOGS / "soak-run.log", 3).splitlines()))
    slow = pytest("soak", "tests/scenario", "-m", "slow")
    hosts = host_tests("soak-host", "--soak")
    return tuple(sum(column) for column in zip((*done, 0), slow, hosts))


def long():
    """the tests that know a longer form of themselves, in that (docs/evidence/long-runs.md)"""
    full = {"GANTRY_TEST_FULL": "1"}
    results = [make_check("build", env=full, tests=" ".join(f"tests/unit/test-{t}" for t in ("db-faults", "db", "remove-tree", "token-timing"))),
               pytest("long-scenario", "tests/scenario/test_restore.py", env=full),
               pytest("long-suite", "tests/suite/test_cron.py", "-k", "T78", env=full),
               host_tests("long-host", "podman-images", "suite-flood", env=full),
               pytest("long-compat", "tests/compat/test_clients.py", env=full)]
    return tuple(sum(column) for column in zip(*results))


# Suite and the seconds that it takes on a quiet machine of two cores. The first two are what all others build on; of the
# rest, two lanes compute and one mostly waits, so that they run side by side.
FIRST = [(build, 60), (unit, 60)]
LANES = [[(clang, 60), (analysis, 20), (asan, 600), (distcheck, 180)],
         [(vm, 300), (confined, 60), (suite, 200)],
         [(host, 900)]]
CI = [*FIRST, *(s for lane in LANES for s in lane)]
# The same tests again, as they are built for users and under valgrind.
AGAIN = [(scenario, 300), (valgrind, 400)]
TIERS = {"ci": CI, "compat": [(build, 60), (compat, 1800)], "soak": [(build, 60), (soak, 3600)],
         "full": [(vm_whole, 1500) if s[0] is vm else s for s in CI if s[0] is not confined] + AGAIN +
                 [(compat, 1800), (soak, 3600), (long, 7200)]}
SUITES = [*TIERS["full"], (vm, 300), (confined, 60)]


def run_suite(suite, budget, total):
    """Runs one, says how it went, adds it up. Whether all went well."""
    print(f"-- {suite.__name__} begins", flush=True)
    TEXT.lines, TEXT.cpu = [], []
    start = time.monotonic()
    try:
        counts = suite()
    except Exception:  # a broken suite is a failed one, and the others go on
        say(traceback.format_exc())
        counts = one(False)
    lines = [f"== {suite.__name__}: {suite.__doc__}", *TEXT.lines,
             f"   {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped; "
             f"{time.monotonic() - start:.0f} s (budget {budget} s), {sum(TEXT.cpu):.0f} s of a processor"]
    print("\n".join(line for line in lines if line), flush=True)
    total.append(counts)
    return counts[1] == 0


def run_lane(suites, total):
    for suite, budget in suites:
        run_suite(suite, budget, total)


def run_all(suites):
    """The counts of every suite. Nothing else runs where the build has failed."""
    total = []
    if asan not in [s[0] for s in suites]:
        ASAN_BUILT.set()
    first = [s for s in suites if s in FIRST]
    for suite, budget in first:
        if not run_suite(suite, budget, total) and suite is build:
            return total
    # The other tiers' suites come one after the other, behind what waits.
    others = [s for s in suites if s not in CI]
    lanes = [[s for s in suites if s in lane] + (others if lane is LANES[-1] else []) for lane in LANES]
    threads = [threading.Thread(target=run_lane, args=(lane, total)) for lane in lanes if lane]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return total


def main():
    parser = argparse.ArgumentParser(prog="run-tests", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tier", choices=TIERS, default="ci")
    parser.add_argument("suite", nargs="*", help="only these: " + ", ".join(s.__name__ for s, _ in SUITES))
    parser.add_argument("--soak-seconds", type=float, default=180, help="how long the soak loops (180)")
    parser.add_argument("--soak-seed", type=int, help="the seed of a soak that is to be repeated")
    arguments = parser.parse_args(namespace=OPTIONS)
    # Whoever starts this: files are for others to read, and programs say what they have to say in the language of the tests.
    os.umask(0o022)
    os.environ["LC_ALL"] = "C.UTF-8"
    os.environ["TERM"] = "xterm"
    suites = [(s, b) for s, b in SUITES if s.__name__ in arguments.suite] or ([] if arguments.suite else TIERS[arguments.tier])
    if not suites:
        parser.error(f"no suite is called {' '.join(arguments.suite)}")
    total = run_all(suites)
    flaky = again(total)
    total = [sum(column) for column in zip(*total)]
    if not arguments.suite and arguments.tier != "full":
        print(f"Not run: --tier={', --tier='.join(t for t in TIERS if t != arguments.tier)} (by hand; see HACKING.md)")
    if flaky:
        print(f"{flaky} flaky")
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
