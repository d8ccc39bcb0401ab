# Prints what zsh completes each line of a file by: the line, a tab and the word.
#
#   zsh -f try.zsh DIRECTORY-OF-COMPLETIONS DIRECTORY-OF-ZSH FILE
#
# Only an interactive shell completes, so one is started in a terminal of its own. It reads
# try-in-terminal.zsh, where a key goes through all lines.
completions="$1" unpacked="$2" lines="$3" answers="$3.answers"
module_path=("$unpacked"/lib/zsh/*(/N))
zmodload zsh/zpty || exit 1

zpty terminal "exec zsh -f -i"
zpty -w terminal "source ${(q)0:A:h}/try-in-terminal.zsh ${(q)completions} ${(q)unpacked} ${(q)lines}"
zpty -n -w terminal $'\C-t'
while zpty -r terminal said; do seen+="$said"; done
[[ -e "$answers" ]] || { print -r -u 2 -- "$seen"; exit 1; }
cat "$answers"
