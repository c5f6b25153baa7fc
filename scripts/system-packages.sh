#!/bin/sh
# Sees to the system packages that `setup` or `test` needs: as root on Debian it installs what is missing,
# elsewhere it names it and stops. The list is system-packages.txt.
set -eu
stage=$1
missing=""
while IFS='|' read -r needed_by package probe; do
    [ "$(echo "$needed_by" | tr -d ' ')" = "$stage" ] || continue
    sh -c "$probe" >/dev/null 2>&1 </dev/null || missing="$missing $(echo "$package" | tr -d ' ')"
done < "$(dirname "$0")/system-packages.txt"

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -eq 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null; then
    echo "Installing$missing"
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "Missing on this system:$missing. Install it (on Debian: apt-get install$missing) and try again." >&2
    exit 1
fi
