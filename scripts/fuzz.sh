#!/usr/bin/env bash
# Attacks the part of the Router that reads bytes by libFuzzer: `fuzz.sh SECONDS [ARGUMENT…]`; the arguments go to libFuzzer. It begins with the
# seeds of Tests/Attacks/seeds.py and what earlier runs have kept in .build-fuzz/corpus, and ends at the first input that breaks a property
# (Tests/RouterTests/Properties), a check of the standard library or AddressSanitizer's: that is left in .build-fuzz/found.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?fuzz.sh: how many seconds?}
shift
build=.build-fuzz
export KILN_FUZZ=1 SWIFT_BACKTRACE=enable=no

# Release is what runs; the standard library's checks of indices stay on.
swift build --quiet --configuration release --scratch-path "$build" --product KilnFuzz \
    -Xswiftc -enable-testing -Xswiftc -sanitize=fuzzer,address -Xswiftc -assert-config -Xswiftc Debug
if [ "$build/release/libKilnFuzz.a" -nt "$build/fuzz" ]; then
    swiftc -sanitize=fuzzer,address -o "$build/fuzz" -Xlinker --whole-archive "$build/release/libKilnFuzz.a" \
        -Xlinker --no-whole-archive 2>&1 | grep -v 'Cannot export local symbol' >&2 || true
fi
mkdir -p "$build/corpus" "$build/found"
[ "$seconds" = 0 ] && exit
python3 Tests/Attacks/seeds.py "$build/corpus"
"$build/fuzz" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$build/found/" \
    -print_final_stats=1 "$@" "$build/corpus"
