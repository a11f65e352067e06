#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Images run by podman inside a unit, as the launcher starts them: in the unit's cgroup, under its limits, its exit status
# and output passed on, nothing left when it is stopped.
# host: vm-too
set -eu
# shellcheck source=tests/host/lib.sh
. /mnt/tests/host/lib.sh

# An image from this host's own files: a shell, coreutils, what they load.
root=$(mktemp -d)
for program in /bin/sh /bin/cat /bin/sleep /bin/echo; do
        for file in "$program" $(ldd "$program" | grep -o '/[^ ]*'); do
                mkdir -p "$root$(dirname "$file")"
                cp -L "$file" "$root$file"
        done
done
tar -C "$root" -cf - . | podman import --quiet - localhost/tiny:1 >/dev/null

# in_unit NAME PROPERTY… -- COMMAND…
in_unit() {
        _name=$1
        shift
        _options=
        while [ "$1" != -- ]; do
                _options="$_options --property=$1"
                shift
        done
        shift
        # shellcheck disable=SC2086
        systemd-run --quiet --collect --wait --pipe --unit="$_name" --property=Delegate=yes --property=KillMode=mixed $_options -- \
                podman run --rm --name "$_name" --cgroups=split --network=none --read-only --cap-drop=all --pull=never \
                --security-opt=no-new-privileges --log-driver=passthrough localhost/tiny:1 "$@"
}

note "output and exit status"
[ "$(in_unit pod-echo -- /bin/echo hello)" = hello ] || fail "no output"
code=0
in_unit pod-seven -- /bin/sh -c 'exit 7' || code=$?
[ "$code" -eq 7 ] || fail "exit status $code, not 7"

note "it runs in the unit's cgroup"
in_unit pod-where -- /bin/cat /proc/self/cgroup >/dev/null
systemd-run --quiet --unit=pod-stays --property=Delegate=yes --property=KillMode=mixed --property=TimeoutStopSec=300 -- \
        podman run --rm --name pod-stays --cgroups=split --network=none --read-only --pull=never --log-driver=passthrough \
        localhost/tiny:1 /bin/sh -c "trap 'exit 0' TERM; while :; do /bin/sleep 0.1; done"
running() {
        [ "$(podman inspect --format '{{.State.Running}}' pod-stays 2>/dev/null)" = true ]
}
wait_until 300 running
payload=$(podman inspect --format '{{.State.Pid}}' pod-stays)
grep -q pod-stays.service "/proc/$payload/cgroup" || fail "the payload is in $(cat "/proc/$payload/cgroup")"

note "stopped with the unit, nothing is left"
systemctl stop pod-stays.service
[ ! -e "/proc/$payload" ] || fail "the payload outlives its unit"
[ -z "$(podman ps --all --quiet)" ] || fail "left: $(podman ps --all)"
