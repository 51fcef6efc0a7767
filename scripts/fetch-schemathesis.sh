#!/bin/sh
# Brings the pinned schemathesis, which tests the API against its OpenAPI description, into .tools/schemathesis/<version> from PyPI
# and prints the directory. Idempotent, and atomic: the directory appears by rename, complete or not at all.
set -eu

version=4.32.5
root=$(cd "$(dirname "$0")/.." && pwd)
target=$root/.tools/schemathesis/$version
if [ ! -d "$target" ]; then
    mkdir -p "$(dirname "$target")"
    work=$(mktemp -d "$root/.tools/schemathesis/.fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    echo "fetch-schemathesis: fetching schemathesis $version from PyPI …" >&2
    /usr/bin/python3 -m pip install --quiet --disable-pip-version-check --no-warn-script-location --root-user-action=ignore \
        --target "$work/packages" "schemathesis==$version" >&2
    mv "$work/packages" "$target"
fi
echo "$target"
