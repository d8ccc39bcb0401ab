# Sourced by tests/run: the long run. A stage that this very tree has passed is
# not run again, so an interrupted run goes on where it was.
# shellcheck shell=bash

results="docs/long-run.md"
readonly long_stages=(kernels power slots cuts oracle fuzzing switches benchmark guests servers packages-long supply release first-kernel bare contained)
passed_before="${cache:?}/long-run" # "TREE STAGE" a line

long_usual_times() {
    cat <<'TABLE'
2300 kernels
2400 power
3600 slots
600 cuts
60 oracle
3700 fuzzing
300 switches
500 benchmark
2000 guests
900 servers
900 packages-long
300 supply
1800 release
3000 first-kernel
2400 bare
600 contained
TABLE
}

# shellcheck disable=SC2317 # run_stage calls them all
{
    stage_kernels() { cargo run --quiet -p turnout-boot-tests -- --long --without power_fails; }
    stage_power() { cargo run --quiet -p turnout-boot-tests -- power_fails; }
    stage_slots() { for_speed cargo test --quiet --release -p turnout --lib -- --ignored --nocapture slots:: rollback::; }
    stage_cuts() { cargo test --quiet --release -p turnout --test integration -- --ignored cut_off_at_any_byte; }
    stage_oracle() {
        TURNOUT_TOOLS=1 cargo test --quiet -p turnout --test integration -- --ignored grub_boots_what_is_frozen
    }
    stage_fuzzing() { tests/fuzz 600; }
    stage_switches() { tests/features --each; }
    stage_benchmark() { qemu/bench --budgets; }
    stage_guests() { cargo test --quiet -p turnout-qemu --test debian -- --ignored; }
    stage_servers() { cargo run --quiet -p turnout-boot-tests --bin guest-tests -- --long; }
    stage_packages_long() { tests/packages --long; }
    stage_supply() { tests/supply; }
    stage_release() { tests/release; }
    stage_first_kernel() { qemu/first-kernel && qemu/first-kernel --without-efi; }
    stage_bare() { tests/bare bookworm trixie noble; }
}

# As released, but compiled to be fast instead of small, and in a directory of its own.
for_speed() { # COMMAND...
    CARGO_TARGET_DIR="$cache/for-speed" CARGO_PROFILE_RELEASE_OPT_LEVEL=3 \
        CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 "$@"
}

# What is there now, committed or not, but for the results themselves.
tree_now() {
    git ls-files -z --cached --others --exclude-standard -- . ":!$results" \
        | xargs -0 sha256sum 2>/dev/null | sha256sum | cut -c1-16
}

has_passed() { # TREE STAGE
    [ -e "$passed_before" ] && grep -qx "$1 $2" "$passed_before"
}

commit_now() {
    local changed=""
    [ -z "$(git status --porcelain -- . ":!$results")" ] || changed=", changed"
    echo "$(git rev-parse --short HEAD)$changed"
}

versions() {
    echo "$(rustc --version | cut -d' ' -f1,2)$(qemu_version)"
}

qemu_version() {
    local qemu="$cache/tools/bin/qemu-system-x86_64"
    [ ! -x "$qemu" ] || "$qemu" --version | sed -nE '1s/^QEMU emulator version ([^ ]+).*/, QEMU \1/p'
}

# The stage's row, in the place of the one before.
write_result() { # STAGE OUTCOME SECONDS
    local row
    row="| $1 | $2 | $(span "$3") | $(date -u +%Y-%m-%d) | $(commit_now) | $(versions) |"
    awk -v stage="| $1 |" -v row="$row" '
        index($0, stage) == 1 { print row; done = 1; next }
        { print }
        END { if (!done) print row }' "$results" >"$scratch/results"
    cp "$scratch/results" "$results"
}

run_long_stage() { # STAGE HOW-FAR
    local status=0 seconds="$SECONDS" before="$passed $failed" tree
    tree="$(tree_now)"
    run_stage "$1" "$2" || status=1
    seconds=$((SECONDS - seconds))
    write_result "$1" "$(outcome "$status" $before)" "$seconds"
    # Not if somebody changed the tree meanwhile.
    [ "$status" = 0 ] && [ "$tree" = "$(tree_now)" ] || return "$status"
    echo "$tree $1" >>"$passed_before"
}

outcome() { # STATUS PASSED-BEFORE FAILED-BEFORE
    if [ "$1" = 0 ] && [ "$passed" = "$2" ]; then
        echo "ok"
    else
        echo "$((passed - $2)) passed, $((failed - $3)) failed"
    fi
}

# Those that are named, else those that this tree has not passed.
long_chosen() { # STAGE...
    local stage tree
    if [ $# -gt 0 ]; then printf '%s\n' "$@"; return; fi
    tree="$(tree_now)"
    for stage in "${long_stages[@]}"; do
        if has_passed "$tree" "$stage"; then
            echo "== $stage: this tree has passed it" >&2
        else
            echo "$stage"
        fi
    done
}

long_run() { # STAGE...
    local stage chosen=() number=0
    for stage in "$@"; do
        printf '%s\n' "${long_stages[@]}" | grep -qx "$stage" \
            || die "the long run has no stage $stage, only ${long_stages[*]}"
    done
    mapfile -t chosen < <(long_chosen "$@")
    qemu/setup
    for stage in "${chosen[@]}"; do
        number=$((number + 1))
        run_long_stage "$stage" "$number of ${#chosen[@]}, about \
$(span "$(expected_of_all "${chosen[@]:number - 1}")") yet" || true
    done
    [ "${#chosen[@]}" = 0 ] || summary
    totals
}
