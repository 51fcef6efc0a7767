#!/bin/sh
# Brings the Python packages of NAME-requirements.txt, pinned, into .tools/NAME and prints that path. Idempotent, and atomic: the
# directory appears by rename, complete or not at all.
set -eu

name=${1:?fetch-python: which? Name one of the files scripts/NAME-requirements.txt}

root=$(cd "$(dirname "$0")/.." && pwd)
requirements=$root/scripts/$name-requirements.txt
target=$root/.tools/$name
if cmp -s "$requirements" "$target/requirements.txt"; then
    echo "$target"
    exit 0
fi
/usr/bin/python3 -m pip --version >/dev/null 2>&1 || {
    echo "fetch-python: python3 with pip is needed; on Debian: apt-get install python3-pip" >&2
    exit 1
}

mkdir -p "$root/.tools"
work=$(mktemp -d "$root/.tools/.$name.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
echo "fetch-python: fetching what scripts/$name-requirements.txt names from PyPI …" >&2
/usr/bin/python3 -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --only-binary :all: \
    --root-user-action ignore --target "$work/packages" --requirement "$requirements" >&2 || {
    echo "fetch-python: pip could not install $requirements; its own message is above." >&2
    exit 1
}
cp "$requirements" "$work/packages/requirements.txt"
rm -rf "$target"
mv "$work/packages" "$target"
echo "$target"
