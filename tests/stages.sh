# Sourced by tests/run: runs stages one after the other, says how far they are and
# how long yet, and keeps count of what passed, what failed, and what it took.
# shellcheck shell=bash

times="${cache:?by qemu/setup.d/path.sh}/stage-times"   # "SECONDS STAGE" a line: what each took here the last time
scratch="$(mktemp -d)"
ahead=""                                                 # the group of processes that build what later stages need
trap 'end_run' EXIT
passed=0 failed=0

end_run() {
    [ -z "$ahead" ] || kill -- "-$ahead" 2>/dev/null || true
    rm -rf "$scratch"
}

# In seconds: here the last time, else as the table of usual times has it.
expected() { # STAGE
    awk -v stage="$1" '$2 == stage { seconds = $1 } END { print seconds + 0 }' \
        <(usual_times) <([ ! -e "$times" ] || cat "$times")
}

expected_of_all() { # STAGE...
    local stage sum=0
    for stage in "$@"; do sum=$((sum + $(expected "$stage"))); done
    echo "$sum"
}

span() { # SECONDS
    if [ "$1" -lt 90 ]; then echo "$1 s"; else echo "$((($1 + 30) / 60)) min"; fi
}

# Kept for the next run; a cache that cannot be written to is no reason to fail.
keep_time() { # STAGE SECONDS
    mkdir -p "$cache" 2>/dev/null || return 0
    { [ ! -e "$times" ] || grep -v " $1\$" "$times" || true; echo "$2 $1"; } >"$scratch/times"
    cp "$scratch/times" "$times" 2>/dev/null || true
}

# Sums "test result: ok. 3 passed; 1 failed; ..." and "3 passed, 1 failed".
count() { # passed|failed LOG
    sed -nE 's/^(test result: .* )?([0-9]+) passed[,;] ([0-9]+) failed.*/\2 \3/p' "$2" \
        | awk -v which="$1" '{ passed += $1; failed += $2 }
            END { print (which == "passed" ? passed : failed) + 0 }'
}

# A stage can fail without a failed test: a lint, a build, a set-up.
add_to_totals() { # STATUS LOG
    local failures
    failures="$(count failed "$2")"
    passed=$((passed + $(count passed "$2")))
    [ "$1" = 0 ] || [ "$failures" != 0 ] || failures=1
    failed=$((failed + failures))
}

# Of all that was started and has ended, in seconds: on two processors, up to
# twice the time that went by. In the file $scratch/times: a shell of its own would
# have started nothing.
processor_seconds() {
    times >"$scratch/times"
    processor="$(sed -n 2p "$scratch/times" \
        | awk -F '[ms ]+' '{ printf "%d", ($1 + $3) * 60 + $2 + $4 }')"
}

# Its output is kept in $scratch/STAGE.log, what it took in $scratch/stages.
run_stage() { # STAGE HOW-FAR
    local stage="$1" start="$SECONDS" log="$scratch/$1.log" status=0 seconds processor before
    echo "== $stage ($2)"
    processor_seconds
    before="$processor"
    "stage_${stage//-/_}" 2>&1 | tee "$log" || status=1
    seconds=$((SECONDS - start))
    processor_seconds
    add_to_totals "$status" "$log"
    if [ "$status" = 0 ]; then
        echo "== $stage: ok, $seconds s"
        keep_time "$stage" "$seconds"
    else
        echo "== $stage: FAILED, $seconds s"
    fi
    echo "$seconds $((processor - before)) $stage" >>"$scratch/stages"
    return "$status"
}

run_stages() { # STAGE...
    local all=$# number=0
    while [ $# -gt 0 ]; do
        number=$((number + 1))
        run_stage "$1" "$number of $all, about $(span "$(expected_of_all "$@")") yet" || true
        shift
    done
}

# "ok     ARCH/name (guest 1.234 s, host 12.3 s) ..." of the boots. The last command
# reads to the end: one that stopped early could end the one before it by SIGPIPE,
# and with it, now and then, the whole run before its last line.
slowest() { # COUNT
    cat "$scratch"/*.log | sed -nE 's/^(ok    |FAILED) ([^ ]+) \(.*host ([0-9.]+) s\).*/\3 \2/p' \
        | sort -rn | awk -v most="$1" 'NR <= most'
}

summary() {
    local seconds processor name
    echo
    echo "== what each stage took, and of processors"
    while read -r seconds processor name; do
        printf '%6d s %6d s  %s\n' "$seconds" "$processor" "$name"
    done <"$scratch/stages"
    printf '%6d s           in all\n' "$SECONDS"
    [ -n "$(slowest 1)" ] || return 0
    echo "== the slowest boots"
    slowest 20 | while read -r seconds name; do printf '%8s s  %s\n' "$seconds" "$name"; done
}

# The last line of every run.
totals() {
    echo
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}
