#!/bin/sh
# Brings the pinned Deno into .tools/deno/<version>/deno and prints its path.
#
# The source is the PyPI wheel `deno`, which holds the plain binary: it comes through any pip mirror or wheel folder that the machine
# is set up for. pip checks the wheel against the sha256 below. Idempotent, and atomic: the binary appears by rename, complete or not at all.
set -eu

version=2.9.8
case "$(uname -m)" in
x86_64)
    platform=manylinux_2_27_x86_64
    sha256=b1d1318e7deda8efd593aefa8b565a827fe71cf83aeff09d3a5ceb047444ca18
    ;;
aarch64)
    platform=manylinux_2_27_aarch64
    sha256=3e286918a36f436134336c5c6ef37dfe3a27f16ea22cd6af452ab7daa4ef1da4
    ;;
*)
    echo "fetch-deno: Kiln's Deno is pinned for x86_64 and aarch64, this machine is $(uname -m)." >&2
    exit 1
    ;;
esac

root=$(cd "$(dirname "$0")/.." && pwd)
target=$root/.tools/deno/$version/deno
if [ -x "$target" ]; then
    echo "$target"
    exit 0
fi
python3 -m pip --version >/dev/null 2>&1 || {
    echo "fetch-deno: python3 with pip is needed to fetch Deno; on Debian: apt-get install python3-pip" >&2
    exit 1
}

mkdir -p "$(dirname "$target")"
work=$(mktemp -d "$root/.tools/deno/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

echo "fetch-deno: fetching Deno $version (42 MB) from PyPI …" >&2
printf 'deno==%s --hash=sha256:%s\n' "$version" "$sha256" >"$work/requirements.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-cache-dir --only-binary=:all: \
    --platform "$platform" --require-hashes --requirement "$work/requirements.txt" --dest "$work" >&2
python3 - "$work" "deno-$version.data/scripts/deno" <<'PYTHON' >&2
import glob, os, shutil, sys, zipfile
work, member = sys.argv[1:]
[wheel] = glob.glob(os.path.join(work, "*.whl"))
with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, open(os.path.join(work, "deno"), "wb") as binary:
    shutil.copyfileobj(source, binary, 1 << 20)
    binary.flush()
    os.fchmod(binary.fileno(), 0o755)
    os.fsync(binary.fileno())
PYTHON
"$work/deno" --version | head -n 1 | grep -qF "deno $version " || {
    echo "fetch-deno: the fetched binary is not a Deno $version that runs on this machine." >&2
    exit 1
}
mv "$work/deno" "$target"
echo "$target"
