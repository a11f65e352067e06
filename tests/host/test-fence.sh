#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# gantry-fence closes the unit that runs it and nothing else: run by hand, it refuses and the host's network is as before.
set -eu
# shellcheck source=tests/host/lib.sh
. /mnt/tests/host/lib.sh
fence=/usr/lib/gantry/gantry-fence

reach() { curl --silent --max-time 10 http://127.0.0.1:8099/ >/dev/null; }

systemd-run --quiet --unit=fence-target -- python3 -m http.server --bind 127.0.0.1 8099
wait_until 300 reach

"$fence" --help | grep -q UNIT || fail "no help"
"$fence" --version | grep -q gantry-fence || fail "no version"
for argument in --unknown gantry-run-x.service fence a/b ''; do
        denied "$fence" "$argument"
        reach || fail "'$argument' has closed the host's network"
done
# Another unit's name doesn't help; the unit's own one gets further than that, and closes it (there is no zone for it).
denied systemd-run --quiet --wait --collect --unit=fence-other -- "$fence" gantry-run-x.service
reach || fail "another unit's name has closed the host's network"
systemd-run --quiet --wait --collect --unit=fence-own -- sh -c \
        "$fence fence-own.service; ! curl --silent --max-time 10 http://127.0.0.1:8099/" || fail "the unit itself is open"
reach || fail "the unit has closed the host's network"
