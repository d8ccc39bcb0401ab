# Sourced by the scripts beside it: builds one program of the harness and
# becomes it. The program does the rest of the set-up once its arguments are
# known to be good.
# shellcheck shell=bash

harness() { # PROGRAM ARGUMENTS...
    local tree program="$1"
    shift
    tree="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
    "$tree/qemu/setup" --fast
    (cd "$tree" && cargo build -p turnout-qemu --bin "$program")
    local target="${CARGO_TARGET_DIR:-$tree/target}"
    [ "${target#/}" = "$target" ] && target="$tree/$target"
    exec "$target/debug/$program" "$@"
}
