#!/usr/bin/env bash
# Runs `swift test` with the given arguments. The whole output goes to .build/test.log; shown are a line for each
# suite and, last, every failure with what was expected, so that the end of the output says why it failed.
#
# The suite runs hundreds of real processes; a machine that stands still for some seconds can break a test's deadline. When
# few tests fail, they are run again, alone: one that fails twice fails the run, one that passes is named as unsteady.
set -uo pipefail
cd "$(dirname "$0")/.."
log=.build/test.log
mkdir -p .build

run() { # run LOG ARGUMENT…
    local log=$1
    shift
    swift test "$@" 2>&1 | tee "$log" | grep --line-buffered -E '^(✔|✘|􀢄) (Suite|Test run)|error:|Fatal error|Crash:'
    return "${PIPESTATUS[0]}"
}

failures() { # failures LOG: each failure, with the lines that explain it
    # A failure's line starts with a cross; the lines that explain it follow, indented by an arrow.
    awk '/^(✘|􀢄) /{ shown = 1; if (length($0) > 2000) $0 = substr($0, 1, 2000) " …"; print; next }
         /^(↳|􀄵)/{ if (shown) print; next }
         /Fatal error|error: |Crash|signal/{ print; next }
         /^(◇|✔|􀟈|􁁛) /{ shown = 0 }' "$1" | tail -n 200
}

run "$log" "$@"
status=$?
[ "$status" -eq 0 ] && exit 0
echo
echo "Failures (the whole output is in $log):"
failures "$log"

mapfile -t names < <(sed -nE 's/^(✘|􀢄) Test (.*) failed after .*/\2/p' "$log" \
    | grep -v '^run with ' | sed -E 's/ with [0-9]+ test cases?$//; s/^"(.*)"$/\1/' | sort -u)
# No end of the run means that it crashed.
if ! grep -qE '^(✘|􀢄) Test run with .* failed' "$log" || [ "${#names[@]}" -eq 0 ] || [ "${#names[@]}" -gt 5 ]; then
    exit "$status"
fi
filters=()
for name in "${names[@]}"; do
    filters+=(--filter "$(sed -E 's/\(.*\)$//; s/[][().*+?^${}|\\]/\\&/g' <<<"$name")")
done
echo
echo "Running again what failed:"
run .build/test-again.log "$@" "${filters[@]}"
status=$?
again=$(sed -nE 's/^✔ Test run with ([0-9]+) tests? .*passed.*/\1/p' .build/test-again.log)
if [ "$status" -eq 0 ] && [ "${again:-0}" -lt "${#names[@]}" ]; then
    echo "Only ${again:-0} of ${#names[@]} tests were found again."
    exit 1
fi
if [ "$status" -eq 0 ]; then
    printf 'Unsteady (failed at first, passed when run again): %s\n' "${names[@]}"
else
    failures .build/test-again.log
fi
exit "$status"
