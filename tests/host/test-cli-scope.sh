#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `gantry sync` puts its connectors into transient scopes with limits, root's under the system manager, a person's under
# their own; without a manager it says why and goes on; a connector that needs too much memory is told of as that.
# host: vm-too
set -eu
# shellcheck source=tests/host/lib.sh
. /mnt/tests/host/lib.sh

# A source that waits with its record for a file, and with its second one for memory.
mkdir -m 0755 /srv/source
cat >/srv/source/source <<'PY'
#!/usr/bin/python3
import json, mmap, os, pathlib, sys, time
verb, config = sys.argv[1], {}
if "--config" in sys.argv:
    config = json.loads(pathlib.Path(sys.argv[sys.argv.index("--config") + 1]).read_text())
stream = {"name": "s", "json_schema": {"properties": {"id": {"type": "integer"}}}, "supported_sync_modes": ["full_refresh"]}
def say(what):
    print(json.dumps(what), flush=True)
if verb == "spec":
    say({"type": "SPEC", "spec": {"connectionSpecification": {"type": "object", "properties": {}}}})
elif verb == "check":
    say({"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}})
elif verb == "discover":
    say({"type": "CATALOG", "catalog": {"streams": [stream]}})
else:
    while not os.path.exists("/srv/source/go"):
        time.sleep(0.05)
    if config.get("eat"):
        # Shared memory, which no limit of a process counts.
        held = mmap.mmap(-1, config["eat"] << 20)
        for at in range(0, len(held), 4096):
            held[at] = 1
    say({"type": "RECORD", "record": {"stream": "s", "data": {"id": 1}, "emitted_at": 1}})
PY
chmod 0755 /srv/source/source
echo '{}' >/tmp/calm.json
echo '{"eat": 240}' >/tmp/greedy.json
chmod 0644 /tmp/calm.json /tmp/greedy.json

# sync USER CONFIG WORD…: as that user, in their home, words before the command
sync_as() {
        _user=$1
        _config=$2
        shift 2
        _home=$(getent passwd "$_user" | cut -d: -f6)
        runuser --user "$_user" -- env -C "$_home" HOME="$_home" "$@" gantry sync exec:/srv/source/source jsonl:out \
                --source-config "$_config" --no-state --verbose --progress=none
}

# scope VERB MANAGER…: the scope of the connector that does this (those of check and discover come and go before)
scope() {
        _verb=$1
        shift
        "$@" list-units --plain --no-legend --type=scope 'gantry-sync-*' | sed -n "s/ .*gantry sync: $_verb of .*//p"
}
# held MANAGER…: whether both scopes are there, for as long as the source waits
held() {
        [ -n "$(scope read "$@")" ] && [ -n "$(scope write "$@")" ]
}
gone() {
        [ -z "$("$@" list-units --all --plain --no-legend --type=scope 'gantry-sync-*')" ]
}

# watched USER MANAGER…: the two scopes of a running sync, with their limits
watched() {
        _who=$1
        shift
        rm -f /srv/source/go
        sync_as "$_who" /tmp/calm.json GANTRY_MEMORY_MAX=268435456 >/tmp/messages 2>&1 &
        _job=$!
        wait_until 300 held "$@"
        for _done in read write; do
                _scope=$(scope "$_done" "$@")
                [ "$("$@" show --property=MemoryMax --value "$_scope")" = 268435456 ] || fail "$_scope: no MemoryMax"
                [ "$("$@" show --property=TasksMax --value "$_scope")" = 1026 ] || fail "$_scope: no TasksMax"
                [ "$("$@" show --property=MemorySwapMax --value "$_scope")" = 0 ] || fail "$_scope may swap"
                _group=$("$@" show --property=ControlGroup --value "$_scope")
                _procs=$(find /sys/fs/cgroup -path "*$_group/cgroup.procs" | head -n 1)
                [ "$(wc -l <"$_procs")" -ge 2 ] || fail "$_scope holds $(wc -l <"$_procs") processes"
                while read -r _pid; do
                        [ "$(cat "/proc/$_pid/comm")" != gantry ] || fail "the worker itself is in $_scope"
                done <"$_procs"
        done
        touch /srv/source/go
        wait "$_job" || fail "$_who: $(cat /tmp/messages)"
        wait_until 300 gone "$@"
        ! grep -q 'have no scope' /tmp/messages || fail "$_who: $(cat /tmp/messages)"
}

id alice >/dev/null 2>&1 || useradd --create-home --shell /bin/sh alice
loginctl enable-linger alice
wait_until 300 systemctl --quiet is-active "user@$(id -u alice).service"

# On an emulated machine: what only cgroup v2 has.
if [ -z "${GANTRY_TEST_SHORT:-}" ]; then

note "root: the system manager's scopes, in gantry-jobs.slice"
watched root systemctl
[ "$(systemctl show --property=LoadState --value gantry-jobs.slice)" = loaded ] || fail "no gantry-jobs.slice"

note "a person with a manager of their own"
watched alice runuser --user alice -- env XDG_RUNTIME_DIR="/run/user/$(id -u alice)" systemctl --user

note "a user without one: the sync goes on, and says why there are no limits"
useradd --create-home --shell /bin/sh bob
touch /srv/source/go
sync_as bob /tmp/calm.json >/tmp/messages 2>&1 || fail "bob: $(cat /tmp/messages)"
grep -q "have no scope with limits of their own: the user's manager can't be reached" /tmp/messages ||
        fail "bob is not told: $(cat /tmp/messages)"
[ "$(grep -c 'have no scope' /tmp/messages)" = 1 ] || fail "bob is told more than once"
fi

# With cgroup v1 only the system manager has a memory controller.
if grep -qsw memory /sys/fs/cgroup/cgroup.controllers; then
        users='root alice'
elif [ -d /sys/fs/cgroup/memory ]; then
        users=root
else
        note "no memory controller here: the rest is for the virtual machine"
        exit 0
fi
[ -z "${GANTRY_TEST_SHORT:-}" ] || users=alice
touch /srv/source/go
for user in $users; do
        note "$user: too much memory is told of as that"
        if sync_as "$user" /tmp/greedy.json GANTRY_MEMORY_MAX=134217728 >/tmp/messages 2>&1; then
                fail "$user: 240 MB under 128 MB went well"
        fi
        grep -q 'The source was killed: it needed more memory than its limit of 128 MiB' /tmp/messages ||
                fail "$user: $(cat /tmp/messages)"
        sync_as "$user" /tmp/greedy.json GANTRY_MEMORY_MAX=536870912 >/tmp/messages 2>&1 ||
                fail "$user, control with room enough: $(cat /tmp/messages)"
done
