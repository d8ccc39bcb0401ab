# What can stand in place of the words of @PROGRAM@'s command line, for bash.
#
# The table is made of the one that the program reads its arguments by; what goes
# through it is the same for every program.
# shellcheck shell=bash

# What can follow these words of a command: words that go on with it, options (those
# that take a value with what it is, in brackets where it may be left out), and what
# its operands are.
_@NAME@_table() { # WORDS
    next=() options=() operands=()
    case "$1" in
@TABLE@
    esac
}

# What turnout says is there: nothing where it cannot, or not within a second.
_@NAME@_names() { # FIELD WORD...
    local field="$1"
    shift
    mapfile -t offered < <(timeout 1 turnout "$@" --json 2>/dev/null \
        | grep -oE "\"$field\":\"[^\"\\\\]+\"" | cut -d '"' -f 4)
}

# The ids of the boot menu that the command line so far is about.
_@NAME@_entries() {
    local source=() word before=""
    for word in "${words[@]}"; do
        case "$before $word" in
        *" --root="* | *" --device="* | *" --config="* | *" --format="*) source+=("$word") ;;
        "--root "* | "--device "* | "--config "* | "--format "*) source+=("$before=$word") ;;
        esac
        before="$word"
    done
    _@NAME@_names id list "${source[@]}"
}

_@NAME@_files() { # OPTION-OF-COMPGEN
    compopt -o filenames 2>/dev/null
    mapfile -t offered < <(compgen "$1" -- "$current")
    are_files=1
}

# Fills `offered`.
_@NAME@_offer() { # KIND
    local kind="${1#[}"
    kind="${kind%]}"
    case "$kind" in
    "" | FREE) ;;
    FILE | DEVICE) _@NAME@_files -f ;;
    DIRECTORY) _@NAME@_files -d ;;
    SLOT) _@NAME@_names name slot list ;;
    ENTRY-OR-FILE) if [[ "$current" == */* ]]; then _@NAME@_files -f; else _@NAME@_entries; fi ;;
    ENTRY) _@NAME@_entries ;;
    *) IFS='|' read -ra offered <<<"$kind" ;;
    esac
}

# Sets `kind` to what the value of an option is.
_@NAME@_kind_of() { # OPTION
    local option
    kind=""
    for option in "${options[@]}"; do
        [[ "$option" != "$1="* ]] || kind="${option#*=}"
    done
}

# Goes through the words before the last one: `path`, `kind`, `number` of operands.
_@NAME@_walk() {
    local word
    _@NAME@_table ""
    for word in "${words[@]:1:${#words[@]}-2}"; do
        if [[ -n "$kind" ]]; then
            kind=""
        elif [[ "$word" == -* ]]; then
            _@NAME@_kind_of "$word"
            [[ "$kind" != "["* ]] || kind=""
        elif [[ "$number" = 0 && " ${next[*]} " == *" $word "* ]]; then
            path="${path:+$path }$word"
            _@NAME@_table "$path"
        else
            number=$((number + 1))
        fi
    done
}

_@NAME@_operand() {
    local last=$((${#operands[@]} - 1))
    if [[ "$number" -le "$last" ]]; then
        _@NAME@_offer "${operands[number]%...}"
    elif [[ "$last" -ge 0 && "${operands[last]}" == *... ]]; then
        _@NAME@_offer "${operands[last]%...}"
    fi
}

# What readline puts in is what comes behind the last of its breaks.
_@NAME@_reply() { # WHOLE-WORD
    local before="${1%"$current"}" breaks="${COMP_WORDBREAKS//[[:space:]]/}" one stem
    stem="${1##*["$breaks"]}"
    for one in "${offered[@]}"; do
        [[ "$one" == "$current"* ]] || continue
        one="$before$one"
        one="${one#"${1%"$stem"}"}"
        [[ -n "$are_files" ]] || printf -v one %q "$one"
        COMPREPLY+=("$one")
    done
}

_@NAME@() {
    local line="${COMP_LINE:0:COMP_POINT}" words=() offered=() next options operands
    local path="" kind="" number=0 are_files="" current whole
    COMPREPLY=()
    # A blank behind a backslash does not end a word.
    # shellcheck disable=SC2162
    read -a words <<<"$line"
    [[ "$line" != *[[:blank:]] ]] || words+=("")
    whole="${words[${#words[@]} - 1]}" current="$whole"
    _@NAME@_walk
    if [[ -n "$kind" ]]; then
        _@NAME@_offer "$kind"
    elif [[ "$current" == --*=* ]]; then
        _@NAME@_kind_of "${current%%=*}"
        current="${current#*=}"
        _@NAME@_offer "$kind"
    elif [[ "$current" == -* ]]; then
        offered=("${options[@]%%=*}")
    else
        _@NAME@_operand
        offered+=("${next[@]}")
    fi
    _@NAME@_reply "$whole"
}

complete -F _@NAME@ @PROGRAM@
