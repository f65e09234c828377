#!/bin/sh
# See to it that Debian's chromium is there for the browser tests.
set -eu
[ ! -x /usr/bin/chromium ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q
    exec apt-get install -q -y --no-install-recommends chromium
fi
echo "The browser tests need chromium at /usr/bin/chromium; as root: apt-get install chromium" >&2
exit 1
