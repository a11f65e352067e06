#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# IPAddressDeny= and IPAddressAllow= hold, so a unit reaches only the addresses that it is given.
# host: vm-too
set -eu
# shellcheck source=tests/host/lib.sh
. /mnt/tests/host/lib.sh

# A datagram says at once whether the kernel lets it out; a refused connection would be told by silence only.
send='import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", (sys.argv[1], 8099))'

# sends ADDRESS PROPERTY…: whether a unit with these properties may send there
sends() {
        _address=$1
        shift
        _options=
        for _property; do
                _options="$_options --property=$_property"
        done
        # shellcheck disable=SC2086
        if systemd-run --quiet --wait --pipe --collect $_options -- python3 -c "$send" "$_address" >/tmp/said 2>&1; then
                return 0
        fi
        grep -q PermissionError /tmp/said || fail "neither sent nor refused: $(cat /tmp/said)"
        return 1
}

sends 127.0.0.1 || fail "no filter, and nothing goes out"
denied sends 127.0.0.1 IPAddressDeny=any
sends 127.0.0.1 IPAddressDeny=any IPAddressAllow=127.0.0.1 || fail "the one allowed address is refused"
denied sends 127.0.0.2 IPAddressDeny=any IPAddressAllow=127.0.0.1
sends 127.0.0.2 IPAddressDeny=any IPAddressAllow=127.0.0.0/8 || fail "the allowed network is refused"
