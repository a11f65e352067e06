#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# An Airbyte connector from the Python package index, installed and run by an unprivileged user.
# host: wheels timeout=1800
set -eu
# shellcheck source=tests/host/lib.sh
. /mnt/tests/host/lib.sh

serve_wheels
useradd --create-home --shell /bin/sh alice
alice() {
        runuser --user alice -- env -C /home/alice HOME=/home/alice PIP_INDEX_URL="$PIP_INDEX_URL" UV_INDEX_URL="$UV_INDEX_URL" PATH="$PATH" "$@"
}

note "install"
alice gantry connector install pypi:airbyte-source-faker==7.2.1
note "run, with no way out"
systemctl stop wheel-index.service
alice gantry sync 'pypi:airbyte-source-faker?count=200' sqlite:faker.db --stream users --progress none
rows=$(sqlite3 /home/alice/faker.db 'SELECT count(*) FROM users')
[ "$rows" -eq 200 ] || fail "$rows users of 200"
