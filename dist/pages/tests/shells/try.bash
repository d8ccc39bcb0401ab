# Prints what bash completes each line of standard input by: the line, a tab and the word.
#
#   bash try.bash DIRECTORY-OF-COMPLETIONS
set -uo pipefail

# As readline divides a line: its breaks are words of their own.
divide() { # LINE
    local rest="$1" breaks="@=:"
    COMP_WORDS=()
    while [[ -n "$rest" ]]; do
        case "$rest" in
        " "*) rest="${rest#"${rest%%[! ]*}"}"; [[ -n "$rest" ]] || COMP_WORDS+=("") ;;
        ["$breaks"]*) COMP_WORDS+=("${rest:0:1}"); rest="${rest:1}" ;;
        *) COMP_WORDS+=("${rest%%[ "$breaks"]*}"); rest="${rest#"${COMP_WORDS[-1]}"}" ;;
        esac
    done
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
}

for file in "$1"/*; do
    # shellcheck source=/dev/null
    source "$file"
done
while IFS= read -r line; do
    COMP_LINE="$line" COMP_POINT="${#line}" COMP_WORDS=() COMPREPLY=()
    divide "$line"
    registered="$(complete -p "${COMP_WORDS[0]}")" || exit 1
    function="${registered#*-F }"
    "${function%% *}"
    for word in "${COMPREPLY[@]}"; do printf '%s\t%s\n' "$line" "$word"; done
done
