#compdef @PROGRAM@
# What can stand in place of the words of @PROGRAM@'s command line, for zsh.

# What turnout says is there: nothing where it cannot, or not within a second.
_@NAME@_names() { # WHAT FIELD WORD...
    local -a names expl
    names=(${(f)"$(timeout 1 turnout "${(@)argv[3,-1]}" --json 2>/dev/null \
        | grep -oE "\"$2\":\"[^\"\\\\]+\"" | cut -d '"' -f 4)"})
    _wanted names expl "$1" compadd -a names
}

# The ids of the boot menu that the command line so far is about.
_@NAME@_entries() {
    local word before
    local -a source
    for word in "${(@Q)words}"; do
        case "$before $word" in
        (*" --"(root|device|config|format)"="*) source+=("$word") ;;
        ("--"(root|device|config|format)" "*) source+=("$before=$word") ;;
        esac
        before="$word"
    done
    _@NAME@_names entry id list "$source[@]"
}

_@NAME@_slots() { _@NAME@_names slot name slot list }

# With a slash it is a file.
_@NAME@_entries_or_files() {
    if [[ "$PREFIX" == */* ]]; then _files; else _@NAME@_entries; fi
}

# The words that go on with a command.
_@NAME@_next() {
    local -a next
    case "$typed" in
@NEXT@
    esac
    _describe -t commands command next
}

_@NAME@() {
    local typed= word
    integer index
    for ((index = 2; index < CURRENT; index++)); do
        word="$words[index]"
        [[ "$word" != -* ]] || continue
        case "${typed:+$typed }$word" in
        (@KNOWN@) typed="${typed:+$typed }$word" ;;
        (*) break ;;
        esac
        words[index]=() CURRENT=$((CURRENT - 1)) index=$((index - 1))
    done
    case "$typed" in
@TABLE@
    esac
}

_@NAME@ "$@"
