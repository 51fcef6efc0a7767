#!/usr/bin/env bash
# Runs `swift test` with the given arguments. The whole output goes to .build/test.log; shown are a line for each
# suite and, last, every failure with what was expected, so that the end of the output says why it failed.
set -uo pipefail
cd "$(dirname "$0")/.."
log=.build/test.log
mkdir -p .build
swift test "$@" 2>&1 | tee "$log" | grep --line-buffered -E '^(✔|✘|􀢄) (Suite|Test run)|error:|Fatal error|Crash:'
status=${PIPESTATUS[0]}
if [ "$status" -ne 0 ]; then
    echo
    echo "Failures (the whole output is in $log):"
    # A failure's line starts with a cross; the lines that explain it follow, indented by an arrow.
    awk '/^(✘|􀢄) /{ shown = 1; if (length($0) > 2000) $0 = substr($0, 1, 2000) " …"; print; next }
         /^(↳|􀄵)/{ if (shown) print; next }
         /Fatal error|error: |Crash|signal/{ print; next }
         /^(◇|✔|􀟈|􁁛) /{ shown = 0 }' "$log" | tail -n 200
fi
exit "$status"
