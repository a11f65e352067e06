#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Limits as a real Debian kernel enforces and tells them: memory, with its cause; tasks; processor time.
# host: vm
set -eu
# shellcheck source=tests/host/lib.sh
. /mnt/tests/host/lib.sh

# result NAME PROPERTY… -- COMMAND…: runs a unit, prints what systemd says of its end
result() {
        _name=$1
        shift
        _options=
        while [ "$1" != -- ]; do
                _options="$_options --property=$1"
                shift
        done
        shift
        # shellcheck disable=SC2086
        systemd-run --quiet --unit="$_name" --property=RemainAfterExit=no --wait --pipe $_options -- "$@" >/tmp/out 2>&1 || true
        systemctl show --property=Result --value "$_name"
        systemctl reset-failed "$_name" 2>/dev/null || true
}

note "controllers"
for controller in cpu io memory pids; do
        grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers || fail "no cgroup v2 controller $controller"
done

note "MemoryMax: the cause is told"
eat='bytearray(200 << 20)'
got=$(result lim-oom MemoryMax=50M MemorySwapMax=0 -- python3 -c "$eat")
[ "$got" = oom-kill ] || fail "200 MB under MemoryMax=50M ended in '$got'"
got=$(result lim-fits MemoryMax=400M MemorySwapMax=0 -- python3 -c "$eat")
[ "$got" = success ] || fail "200 MB under MemoryMax=400M ended in '$got'"
got=$(result lim-kill MemoryMax=400M -- python3 -c 'import os; os.kill(os.getpid(), 9)')
[ "$got" = signal ] || fail "a kill is told as '$got', so it can't be told from an OOM"

note "TasksMax"
fork='import os
for i in range(40):
    if os.fork() == 0:
        os.read(os.pipe()[0], 1)
print("forked")'
got=$(result lim-tasks TasksMax=20 KillMode=control-group -- python3 -c "$fork")
[ "$got" = exit-code ] || fail "40 forks under TasksMax=20 ended in '$got'"
grep -q 'Resource temporarily unavailable' /tmp/out || fail "TasksMax: $(cat /tmp/out)"
got=$(result lim-forks TasksMax=100 -- python3 -c "$fork")
[ "$got" = success ] || fail "40 forks under TasksMax=100 ended in '$got'"

note "CPUQuota: a unit gets its share, whatever the machine's speed"
burn='import time
end = time.monotonic() + 3
while time.monotonic() < end:
    pass
print(time.process_time() / 3)'
# An emulated machine that is held up itself counts wrongly now and then.
for _ in 1 2 3 4 5; do
        result lim-slow CPUQuota=20% -- python3 -c "$burn" >/dev/null
        slow=$(cat /tmp/out)
        python3 -c "import sys; sys.exit(not 0 < $slow < 0.5)" && break
done
python3 -c "import sys; sys.exit(not 0 < $slow < 0.5)" || fail "under CPUQuota=20% it got $slow of a processor"

note "memory figures of a running unit"
systemd-run --quiet --unit=lim-figures -- python3 -c 'import time; b = bytearray(64 << 20); time.sleep(1000)'
held() {
        [ "$(systemctl show --property=MemoryCurrent --value lim-figures)" -gt $((64 << 20)) ]
}
wait_until 300 held
systemctl stop lim-figures
