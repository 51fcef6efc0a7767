#!/bin/sh
# Installs the Debian packages that running, testing or measuring Kiln needs: `setup.sh run|test|bench`. Idempotent.
set -eu

run="ca-certificates pkg-config libcurl4-openssl-dev libarchive-dev zlib1g-dev libsqlite3-dev
     docker-registry runc conmon nftables iproute2 util-linux python3 python3-pip"
test="$run sqlite3 skopeo umoci curl openssl nginx-light haproxy nghttp2-client procps prometheus node-express"
bench="$test wrk buildah podman pigz"

case "${1:-}" in
run) wanted=$run ;;
test) wanted=$test ;;
bench) wanted=$bench ;;
*)
    echo "usage: setup.sh run|test|bench" >&2
    exit 2
    ;;
esac

missing=""
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || {
    echo "setup: Kiln's set-up knows Debian. Install these by hand:$missing" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || {
    echo "setup: installing packages needs root. Run: sudo apt-get install$missing" >&2
    exit 1
}
echo "Installing Debian packages:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Debian starts services on installation; Kiln runs its own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$log" "$policy"' EXIT
fi
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1 || {
    cat "$log" >&2
    echo "setup: installing packages failed; apt's own message is above." >&2
    exit 1
}
