#!/usr/bin/env bash
# Runs the built tests with the given arguments, each test target in a process of its own: EndToEndTests, which mostly wait, beside the
# others, which come one after the other. The whole output goes to .build/test.log; shown are a line for each suite and, last, every failure
# with what was expected, so that the end of the output says why it failed. TARGETS="OCITests RouterTests" runs those only.
#
# The suite runs hundreds of real processes; a machine that stands still for some seconds can break a test's deadline. When
# few tests of a target fail, they are run again in the end, alone: one that fails twice fails the run, one that passes is named as unsteady.
# A target whose process crashes, or says nothing for STALL seconds, is told with the test it was at and where its threads were, and is run
# again, once.
set -uo pipefail
cd "$(dirname "$0")/.."
# Not by `swift test`, which holds lines back: of a process that stands still the last ones are those that matter.
tests=.build/debug/kilnPackageTests.xctest
log=.build/test.log
stall=${STALL:-300}
: >"$log"
export NO_COLOR=1
export SWIFT_BACKTRACE=enable=yes,interactive=no,color=no,threads=all,images=none

watch() { # watch PID LOG: ends tests that say nothing for too long; SIGABRT has them print where they are
    local silent
    while sleep 5 && kill -0 "$1" 2>/dev/null; do
        silent=$(($(date +%s) - $(stat -c %Y "$2")))
        [ "$silent" -ge "$stall" ] || continue
        echo "error: nothing was printed for $silent s after: $(tail -n 1 "$2")" >>"$2"
        kill -ABRT "$1"
        # That alone does not end it: the handler returns when it has printed.
        sleep 5
        for _ in {1..60}; do
            pgrep -P "$1" -f swift-backtrace >/dev/null || break
            sleep 1
        done
        kill -KILL "$1" 2>/dev/null
        return
    done
}

run() { # run NAME LOG ARGUMENT…
    local name=$1 log=$2 tests_pid shown_pid watch_pid status
    shift 2
    : >"$log"
    "$tests" --testing-library swift-testing "$@" >>"$log" 2>&1 &
    tests_pid=$!
    watch "$tests_pid" "$log" &
    watch_pid=$!
    tail -n +1 -f --pid="$tests_pid" "$log" \
        | grep --line-buffered -E '^(✔|✘|􀢄) (Suite|Test run)|^error: nothing was|Fatal error|Crash:' \
        | sed -u "s/^/${name%Tests}: /" &
    shown_pid=$!
    wait "$tests_pid"
    status=$?
    kill "$watch_pid" 2>/dev/null
    wait "$watch_pid" "$shown_pid" 2>/dev/null
    return "$status"
}

failures() { # failures LOG: each failure, with the lines that explain it
    # A failure's line starts with a cross; the lines that explain it follow, indented by an arrow.
    awk '/^(✘|􀢄) /{ shown = 1; if (length($0) > 2000) $0 = substr($0, 1, 2000) " …"; print; next }
         /^(↳|􀄵)/{ if (shown) print; next }
         /Fatal error|error: |Crash|signal/{ print; next }
         /^(◇|✔|􀟈|􁁛) /{ shown = 0 }' "$1" | tail -n 200
}

# How a run broke off: from the first line that says so.
broken() { # broken LOG
    awk '/^error: nothing was|Program crashed|Fatal error/{ shown = 1 } shown' "$1" | head -n 150
}

ended() { grep -qE '^(✔|✘|􀢄) Test run with ' "$1"; }

# Runs targets, one after the other, and leaves the status of each beside its log.
lane() { # lane NAME… -- ARGUMENT…
    local names=() name
    while [ "$1" != -- ]; do
        names+=("$1")
        shift
    done
    shift
    for name in "${names[@]}"; do
        run "$name" ".build/test-$name.log" --filter "^$name\\." "$@"
        echo "$?" >".build/test-$name.status"
    done
}

# Says what failed in a target that was run; runs again what may have failed by the machine's doing.
judge() { # judge NAME ARGUMENT…
    local name=$1 status again names=() filters=()
    shift
    local part=.build/test-$name.log
    status=$(cat ".build/test-$name.status")
    cat "$part" >>"$log"
    if [ "$status" -eq 0 ] && ! grep -qE '^✔ Test run with [1-9]' "$part"; then
        echo "error: the target $name has no test that ran."
        return 1
    fi
    [ "$status" -eq 0 ] && return 0
    echo
    echo "Failures in $name (the whole output is in $part):"
    if ended "$part"; then failures "$part"; else broken "$part"; fi

    if ! ended "$part"; then
        echo
        echo "$name did not come to its end. Running it again:"
        run "$name" .build/test-again.log --filter "^$name\\." "$@"
        status=$?
        cat .build/test-again.log >>"$log"
        if [ "$status" -eq 0 ]; then
            unsteady+=("$name, which crashed or stood still")
        else
            failures .build/test-again.log
            broken .build/test-again.log
        fi
        return "$status"
    fi
    mapfile -t names < <(sed -nE 's/^(✘|􀢄) Test (.*) failed after .*/\2/p' "$part" \
        | grep -v '^run with ' | sed -E 's/ with [0-9]+ test cases?$//; s/^"(.*)"$/\1/' | sort -u)
    if [ "${#names[@]}" -eq 0 ] || [ "${#names[@]}" -gt 5 ]; then return "$status"; fi
    for again in "${names[@]}"; do
        filters+=(--filter "^$name\\..*$(sed -E 's/\(.*\)$//; s/[][().*+?^${}|\\]/\\&/g' <<<"$again")")
    done
    echo
    echo "Running again what failed:"
    run "$name" .build/test-again.log "$@" "${filters[@]}"
    status=$?
    cat .build/test-again.log >>"$log"
    again=$(sed -nE 's/^✔ Test run with ([0-9]+) tests? .*passed.*/\1/p' .build/test-again.log)
    if [ "$status" -eq 0 ] && [ "${again:-0}" -lt "${#names[@]}" ]; then
        echo "Only ${again:-0} of ${#names[@]} tests were found again."
        return 1
    fi
    if [ "$status" -eq 0 ]; then unsteady+=("${names[@]}"); else failures .build/test-again.log; fi
    return "$status"
}

unsteady=()
failed=()
mapfile -t targets < <(tr ' ' '\n' <<<"${TARGETS:-$(cd Tests && find . -mindepth 2 -name '*.swift' -print0 | xargs -0 grep -lE '@Test' | cut -d/ -f2 | sort -u)}")
others=()
for name in "${targets[@]}"; do
    if [ "$name" = EndToEndTests ]; then lane "$name" -- "$@" & else others+=("$name"); fi
done
[ "${#others[@]}" -eq 0 ] || lane "${others[@]}" -- "$@"
wait
for name in "${targets[@]}"; do
    judge "$name" "$@" || failed+=("$name")
done
echo
for name in "${unsteady[@]}"; do echo "Unsteady (failed at first, passed when run again): $name"; done
if [ "${#failed[@]}" -gt 0 ]; then
    echo "Failed: ${failed[*]}"
    exit 1
fi
echo "All passed."
