# What the set-up says, and how it waits: progress in one line, faults of the
# network tried again, everything else the end with its cause and its remedy.
# shellcheck shell=bash

say() { # WORDS
    clear_progress
    printf 'setup: %s\n' "$*" >&4
}

# The last line: what is wrong, and what to do about it.
told=""
stop() { told=1; exit 1; } # what failed has said why

die() { # CAUSE AND REMEDY
    told=1
    say "failed: $*"
    exit 1
}

megabytes() { echo $((($1 + 999999) / 1000000)); } # BYTES

# One line that is written again on a terminal; in a log, one in 20 seconds.
progress_shown="" progress_told=-20
progress() { # WORDS
    if [ -t 4 ]; then
        printf '\r\033[Ksetup: %s' "$*" >&4
        progress_shown=1
    elif [ $((SECONDS - progress_told)) -ge 20 ]; then
        progress_told="$SECONDS"
        printf 'setup: %s\n' "$*" >&4
    fi
}

clear_progress() {
    [ -z "$progress_shown" ] || printf '\r\033[K' >&4
    progress_shown=""
}

# What no second try makes better, as the tools print it.
hopeless='Unable to locate package|no installation candidate|Depends: |unmet dependencies|[Hh]eld broken'
hopeless+='|has no .*version|was not found|Unable to correct problems|but none is installable'
hopeless+='|No space left|not enough free space|ermission denied|Read-only file system'
hopeless+='|NO_PUBKEY|is not signed|signatures were invalid|EXPKEYSIG|Malformed|not understood'
hopeless+='|does not support|[Uu]nrecognized option|does not have a Release file|is not valid yet'

# The line of a log that says why; the last of it if none does.
cause() { # LOG
    local line
    line="$(grep -E -m 1 "$hopeless" "$1" || grep -E '^(E|W|Err)' "$1" | tail -n 1 || true)"
    [ -n "$line" ] || line="$(tail -n 1 "$1")"
    sed -E 's/^(E|W|Err):? *//; s/^ +//' <<<"$line"
}

remedy() { # CAUSE
    case "$1" in
    *"No space left"* | *"free space"*) echo "make room in $cache, or set TURNOUT_CACHE to a directory elsewhere" ;;
    *"ermission denied"* | *"Read-only"*) echo "make $cache writable for $(id -un), or set TURNOUT_CACHE" ;;
    *KEY* | *sign*) echo "check this machine's clock ($(date -u +%F)), and update debian-archive-keyring" ;;
    *"not valid yet"*) echo "set this machine's clock, which says $(date -u '+%F %R')" ;;
    *package* | *Depends* | *depend* | *candidate*) echo "apt's mirror lacks it: try again later, or another mirror in this machine's apt sources" ;;
    *) echo "run qemu/setup again once it is mended; it goes on where it was" ;;
    esac
}

give_up() { # WHAT LOG
    local why
    why="$(cause "$2")"
    # A full disk has no room for the log either.
    [ -n "$why" ] || [ "$(df --output=avail "$cache" | tail -n 1)" -gt 1000 ] || why="No space left on device"
    die "$1: $why; $(remedy "$why")"
}

# Networks fail for a minute now and then; a minute later they work.
patiently() { # WHAT COMMAND...
    local what="$1" log="${log_file:-$cache/log}" pause
    shift
    for pause in 5 20 60 120 0; do
        "$@" >"$log" 2>&1 && return 0
        if [ "$pause" = 0 ] || grep -qE "$hopeless" "$log"; then give_up "$what" "$log"; fi
        say "$what did not work ($(cause "$log")); again in $pause s"
        sleep "$pause"
    done
}

# The same for a command that can only fail for good.
once() { # WHAT COMMAND...
    local what="$1" log="${log_file:-$cache/log}"
    shift
    "$@" >"$log" 2>&1 || give_up "$what" "$log"
}
