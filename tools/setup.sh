#!/bin/sh
# Make .venv and install exactly what requirements/dev.txt locks, then lastword itself, editable.
# `make setup` calls this once for each content of the lock file; by hand: tools/setup.sh [python]
# `make docs` calls it with "docs" after the python, for requirements/docs.txt in an environment of its own.
set -eu
cd "$(dirname "$0")/.."
python=${1:-python3}
lock=requirements/dev.txt
bin=.venv/bin

say() { printf '%s\n' "setup: $*" >&2; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    say "lastword needs Python 3.11 or newer, and $python is $("$python" --version 2>&1 || echo absent)."
    say "Name another one: make PYTHON=python3.12 setup"
    exit 1
}

# A folder that was moved, or whose Python was upgraded away, is made anew.
if [ -e .venv ] && ! "$bin/pip" --version >/dev/null 2>&1; then
    say "the old .venv does not run any more; making a new one"
    rm -rf .venv
fi

if [ ! -e .venv ]; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian keeps ensurepip in a package of its own, named after the version of Python.
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            say "installing $package, without which Python makes no virtual environment"
            apt-get update -q >&2
            apt-get install -q -y --no-install-recommends "$package" >&2
        else
            say "this Python makes no virtual environment; install $package (as root: apt-get install $package)"
            exit 1
        fi
    fi
    "$python" -m venv .venv
fi

# Where pip was told to look, uv shall look as well; only in the environment, never in a file.
setting() { "$bin/pip" config get "global.$1" 2>/dev/null || true; }
index=${PIP_INDEX_URL:-$(setting index-url)}
extra=${PIP_EXTRA_INDEX_URL:-$(setting extra-index-url)}
links=${PIP_FIND_LINKS:-$(setting find-links)}
cert=${PIP_CERT:-$(setting cert)}
[ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
[ -z "$extra" ] || export UV_INDEX="${UV_INDEX:-$extra}" UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}"
[ -z "$links" ] || export UV_FIND_LINKS="${UV_FIND_LINKS:-$links}"
[ -z "$cert" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$cert}"
export UV_NO_CONFIG=1 UV_NO_PROGRESS="${UV_NO_PROGRESS:-1}" UV_PYTHON_DOWNLOADS=never
export PIP_DISABLE_PIP_VERSION_CHECK=1

if [ "${2:-}" = docs ]; then
    rm -rf .venv/docs
    "$python" -m venv --without-pip .venv/docs
    "$bin/uv" pip sync --quiet --python .venv/docs/bin/python --require-hashes requirements/docs.txt ||
        "$bin/pip" --python .venv/docs/bin/python install --quiet --no-deps --require-hashes -r requirements/docs.txt
    exit
fi

with_uv() {
    # uv's own line of the lock, so that the tool that checks digests has been checked.
    [ -x "$bin/uv" ] || {
        awk '/^uv==/ {on=1; print; next} on && /--hash/ {print; next} {on=0}' "$lock" >.venv/uv.txt
        "$bin/pip" install --quiet --no-deps --require-hashes -r .venv/uv.txt
    } || return 1
    "$bin/uv" pip sync --quiet --python "$bin/python" --require-hashes "$lock"
}

with_pip() {
    "$bin/pip" install --quiet --no-deps --require-hashes -r "$lock"
}

if ! with_uv; then
    say "uv could not install the lock; trying again with pip, which takes some minutes"
    with_pip
fi
"$bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable .
