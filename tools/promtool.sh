#!/bin/sh
# See to it that promtool, which checks and tests the rules for Prometheus, is there: on PATH, or taken out of
# Debian's package.  The package is not installed, since it would start a server that nobody here needs.
set -eu
cd "$(dirname "$0")/.."
! command -v promtool >/dev/null || exit 0
if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    [ "$(id -u)" != 0 ] || { apt-get update -q && chmod 777 "$folder"; } # apt downloads as a user of its own
    if (cd "$folder" && apt-get download -q prometheus) && dpkg-deb -x "$folder"/prometheus_*.deb "$folder"; then
        install "$folder/usr/bin/promtool" .venv/bin/promtool
        exit 0
    fi
fi
echo "The tests of alerts need promtool on PATH; on Debian: apt-get install prometheus" >&2
exit 1
