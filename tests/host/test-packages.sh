#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The packages install without a network, set the host up, and purging them leaves what they say they leave.
# host: bare
set -eu
# shellcheck source=tests/host/lib.sh
. /mnt/tests/host/lib.sh
export DEBIAN_FRONTEND=noninteractive

# Everything of ours that a host can hold; changes by others (apt's own lists, logs) are none of our business.
ours() {
        find / -xdev \( -path /proc -o -path /mnt -o -path /sys \) -prune -o -iname '*gantry*' -print | sort
        find /run/gantry /etc/credstore.encrypted 2>/dev/null | sort
}

note "install"
[ -z "$(ours)" ] || fail "the host isn't bare: $(ours)"
debs=$(find /mnt/deb -maxdepth 1 -name 'gantry*.deb' ! -name '*-dbgsym_*')
[ -n "$debs" ] || fail "no packages in /mnt/deb"
# shellcheck disable=SC2086
apt-get install -y -qq $debs
gantry --version
[ -z "$(systemctl --failed --plain --no-legend)" ] || fail "units failed: $(systemctl --failed)"

note "users, directories, key"
id -nG gantry | grep -qw gantry-workload || fail "gantry isn't in gantry-workload"
for entry in "/run/gantry 755 root" "/var/lib/gantry 750 gantry" \
        "/var/lib/gantry-connectors 755 root" "/srv/gantry 755 gantry-files" "/etc/credstore.encrypted/gantry.key 600 root"; do
        path=${entry%% *}
        [ "$path $(stat -c '%a %U' "$path")" = "$entry" ] || fail "$path: $(stat -c '%a %U' "$path"), not ${entry#* }"
done
# shellcheck disable=SC2016
size=$(systemd-run -q --wait --pipe -p User=gantry -p LoadCredentialEncrypted=gantry.key:/etc/credstore.encrypted/gantry.key \
        sh -c 'wc -c <"$CREDENTIALS_DIRECTORY/gantry.key"')
[ "$size" -eq 32 ] || fail "the key has $size bytes"

note "a second set-up changes nothing; one that would lose secrets is refused"
before=$(sha256sum /etc/credstore.encrypted/gantry.key)
systemctl restart gantry-setup.service
[ "$before" = "$(sha256sum /etc/credstore.encrypted/gantry.key)" ] || fail "the key was replaced"
mv /etc/credstore.encrypted/gantry.key /root/kept.key
touch /var/lib/gantry/gantry.db
denied systemctl restart gantry-setup.service
[ ! -e /etc/credstore.encrypted/gantry.key ] || fail "a new key for an old database"
mv /root/kept.key /etc/credstore.encrypted/gantry.key
systemctl restart gantry-setup.service
rm -f /var/lib/gantry/gantry.db

note "remove keeps data, install again keeps the key"
apt-get remove -y -qq gantry
[ -e /etc/credstore.encrypted/gantry.key ] || fail "removing took the key"
[ -d /var/lib/gantry ] || fail "removing took the database"
# shellcheck disable=SC2086
apt-get install -y -qq $debs
[ "$before" = "$(sha256sum /etc/credstore.encrypted/gantry.key)" ] || fail "the key is another after remove and install"

note "purge"
touch /var/lib/gantry/gantry.db
touch /srv/gantry/rows.jsonl
said=$(apt-get purge -y -qq gantry gantry-cli gantry-connectors gantry-web 2>&1)
echo "$said"
[ "$(ours)" = /srv/gantry ] || fail "left behind: $(ours)"
[ -e /srv/gantry/rows.jsonl ] || fail "purge took what syncs wrote"
for word in /srv/gantry users subuid; do
        echo "$said" | grep -q "$word" || fail "purge doesn't say that it keeps: $word"
done
getent passwd gantry >/dev/null || fail "purge removed the user, and another may get its id"
