#!/bin/sh
# What many functions cost on a cluster, beside ten: `cluster.sh [FUNCTIONS]`, by default 10,000. Two Deployers and a Router of the debug
# build run beside an API server in memory, which is Kiln's own for tests: its calls are counted, its speed means nothing. Takes minutes for
# each thousand, most of which goes into making the functions.
set -eu

cd "$(dirname "$(readlink -f "$0")")/.."
functions=${1:-10000}
swift build --quiet --build-tests
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! KILN_TEST_FUNCTIONS=$functions swift test --skip-build --no-parallel --filter ManyFunctionsTests >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
grep -P '\t' "$log" | expand -t 34,48
