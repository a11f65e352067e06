#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `gantry sync` from the packages: Debian's ISO code lists into SQLite, as an unprivileged user and as root, with the layers
# of the sandbox in place; a second run moves nothing.
# host: vm-whole
set -eu
# shellcheck source=tests/host/lib.sh
. /mnt/tests/host/lib.sh

id alice >/dev/null 2>&1 || useradd --create-home --shell /bin/sh alice
cat >/tmp/iso-codes.yaml <<'YAML'
connector: native:source-file
config:
  path: /usr/share/iso-codes/json/iso_639-3.json
  more_paths:
    - /usr/share/iso-codes/json/iso_3166-1.json
  format: json
  stream_per_file: true
YAML

# What the two files hold, counted by somebody else.
languages=$(jq '.["639-3"] | length' /usr/share/iso-codes/json/iso_639-3.json)
countries=$(jq '.["3166-1"] | length' /usr/share/iso-codes/json/iso_3166-1.json)
[ "$languages" -gt 7000 ] || fail "iso-codes has $languages languages"
[ "$countries" -gt 200 ] || fail "iso-codes has $countries countries"


# The layers that this kernel can't have; all others must hold.
abi=$(python3 -c 'import ctypes; print(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))')
if [ "$abi" -ge 6 ]; then
        excused=
elif [ "$abi" -ge 1 ]; then
        excused='landlock-scope'
else
        excused='landlock, landlock-scope'
fi

# Root's tasks can be counted in a process namespace of its own since Linux 6.14.
excused_root=$excused
if [ "$(printf '6.14\n%s\n' "$(uname -r)" | sort -V | head -n 1)" != 6.14 ]; then
        excused_root="${excused:+$excused, }tasks-limit"
fi

rows() {
        sqlite3 "$1" "SELECT count(*) FROM \"$2\""
}

for user in alice root; do
        note "$user"
        home=$(getent passwd "$user" | cut -d: -f6)
        set -- runuser --user "$user" -- env -C "$home" HOME="$home" gantry sync /tmp/iso-codes.yaml sqlite:iso.db \
                --mode incremental_append --json --verbose
        for turn in first second; do
                "$@" >/tmp/report 2>/tmp/messages || {
                        cat /tmp/messages
                        fail "$user's $turn sync"
                }
                missing=$(sed -n 's/^The sandbox lacks .*: //p' /tmp/messages)
                [ "$user" != root ] || excused=$excused_root
                [ "$missing" = "$excused" ] || fail "$user's sandbox lacks '$missing'; this kernel excuses '$excused'"
                [ "$(jq -r .status /tmp/report)" = completed ] || fail "the report says $(cat /tmp/report)"
                moved=$(jq .records_committed /tmp/report)
                if [ "$turn" = first ]; then
                        [ "$moved" -eq $((languages + countries)) ] || fail "$user's first sync moved $moved"
                else
                        [ "$moved" -eq 0 ] || fail "$user's second sync moved $moved, though nothing changed"
                fi
        done
        [ "$(stat -c %U "$home/iso.db")" = "$user" ] || fail "iso.db belongs to $(stat -c %U "$home/iso.db")"
        [ "$(rows "$home/iso.db" iso_639-3)" -eq "$languages" ] || fail "languages: $(rows "$home/iso.db" iso_639-3)"
        [ "$(rows "$home/iso.db" iso_3166-1)" -eq "$countries" ] || fail "countries: $(rows "$home/iso.db" iso_3166-1)"
        name=$(sqlite3 "$home/iso.db" "SELECT name FROM \"iso_3166-1\" WHERE alpha_2 = 'KE'")
        [ "$name" = Kenya ] || fail "KE is '$name'"
done

note "what alice may not read, her sync does not read"
install -m 0600 /dev/null /root/secret.csv
printf 'id\n1\n' >/root/secret.csv
denied runuser --user alice -- env -C /home/alice HOME=/home/alice gantry sync csv:/root/secret.csv jsonl:out
env -C /root HOME=/root gantry sync csv:/root/secret.csv jsonl:/root/out || fail "root's own file"
