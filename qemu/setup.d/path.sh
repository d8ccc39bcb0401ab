# Sourced by whatever runs tools or tests: those that qemu/setup unpacked come
# before this machine's.
# shellcheck shell=bash

cache="${TURNOUT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/turnout}"
export PATH="$cache/tools/bin:$PATH"
