# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# For host tests written in sh: . /mnt/tests/host/lib.sh

# Ends the test as failed.
fail() {
        echo "FAILED: $*"
        exit 1
}

# Ends the test as skipped, with the reason.
skip() {
        echo "$*"
        exit 77
}

note() {
        echo "-- $*"
}

# denied COMMAND…: the command must fail. Show beside it that it works for who may.
denied() {
        if "$@" >/dev/null 2>&1; then
                fail "was allowed: $*"
        fi
}

# wait_until SECONDS COMMAND…: runs the command until it succeeds. For what sends no event; SECONDS is the end of patience,
# not a measure.
wait_until() {
        _patience=$1
        shift
        _end=$(($(date +%s) + _patience))
        until "$@" >/dev/null 2>&1; do
                [ "$(date +%s)" -lt "$_end" ] || fail "never came: $*"
                sleep 0.1
        done
}

# Serves the wheels that the machine fetched before (`# host: wheels`) as a package index on the host's own loopback, and
# lets pip and uv use that; uv itself is put on PATH.
serve_wheels() {
        systemd-run --quiet --unit=wheel-index --working-directory=/mnt/wheels -- \
                python3 -m http.server --bind 127.0.0.1 8098
        wait_until 300 curl -sf http://127.0.0.1:8098/simple/
        PIP_INDEX_URL=http://127.0.0.1:8098/simple/
        UV_INDEX_URL=$PIP_INDEX_URL
        PATH=/mnt/wheels/bin:$PATH
        export PIP_INDEX_URL UV_INDEX_URL PATH
}
