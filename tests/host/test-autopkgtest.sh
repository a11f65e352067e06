#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The package's own tests (debian/tests), as Debian's autopkgtest would run them.
set -eu
# shellcheck source=tests/host/lib.sh
. /mnt/tests/host/lib.sh

GANTRY_DEBS=$(find /mnt/deb -maxdepth 1 -name 'gantry*.deb' ! -name '*-dbgsym_*')
export GANTRY_DEBS
for name in $(sed -n 's/^Tests: *//p' /mnt/autopkgtest/control | tr -d ,); do
        note "$name"
        "/mnt/autopkgtest/$name" || fail "debian/tests/$name: exit $?"
done
