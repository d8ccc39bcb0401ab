# What try.zsh has an interactive zsh read.
completions="$1" unpacked="$2" lines="$3"
module_path=("$unpacked"/lib/zsh/*(/N))
fpath=("$completions" "$unpacked"/share/zsh/functions/Completion{,/*(/N)})
zmodload zsh/zle && setopt zle
autoload -Uz compinit
compinit -u -D

# Notes what would be offered. Calls that only fill arrays offer nothing.
compadd() {
    local -a found
    local flags="${argv[1,(i)(-|--)]}"
    if [[ " $flags " != *" -"[OAD]" "* ]]; then
        builtin compadd -O found "$@"
        hits+=("$found[@]")
    fi
    builtin compadd "$@"
}

try-lines() {
    local line hit
    local -aU hits
    : >"$lines.answers.part"
    while IFS= read -r line; do
        hits=() BUFFER="$line" CURSOR="$#line"
        zle list-choices
        for hit in "$hits[@]"; do print -r -- "$line"$'\t'"$hit"; done >>"$lines.answers.part"
    done <"$lines"
    mv "$lines.answers.part" "$lines.answers"
    BUFFER="exit"
    zle accept-line
}
zle -N try-lines
bindkey '^T' try-lines
