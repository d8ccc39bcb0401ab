# Prints what fish completes each line of standard input by: the line, a tab and the word.
#
#   fish --no-config try.fish DIRECTORY-OF-COMPLETIONS DIRECTORY-OF-FUNCTIONS
set -l completions $argv[1]
set -g fish_function_path $argv[2]
for file in $completions/*.fish
    source $file
end
while read --local line
    for found in (complete --do-complete "$line")
        printf '%s\t%s\n' "$line" (string split -f 1 \t -- $found)
    end
end
