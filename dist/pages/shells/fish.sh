# What can stand in place of the words of @PROGRAM@'s command line, for fish.

# Whether this command is typed, and so many words behind it.
function __@NAME@_is --argument-names path number
    set -l typed ""
    set -l words 0
    set -l takes no
    for word in (commandline -opc)[2..]
        if test $takes = yes
            set takes no
        else if contains -- $word @VALUED@
            set takes yes
        else if string match -q -- "-*" $word
            continue
        else if test $words = 0; and contains -- (string trim "$typed $word") @KNOWN@
            set typed (string trim "$typed $word")
        else
            set words (math $words + 1)
        end
    end
    test "$typed" = "$path"; or return 1
    switch "$number"
        case ""
            return 0
        case "*+"
            test $words -ge (string trim --right --chars=+ $number)
        case "*"
            test $words = $number
    end
end

# What turnout says is there: nothing where it cannot, or not within a second.
function __@NAME@_names --argument-names field
    timeout 1 turnout $argv[2..] --json 2>/dev/null \
        | string match -ra "\"$field\":\"[^\"\\\\]+\"" | string split -f 4 '"'
end

# The ids of the boot menu that the command line so far is about.
function __@NAME@_entries
    set -l source
    set -l before ""
    for word in (commandline -opc)
        if string match -qr -- '^--(root|device|config|format)=' $word
            set -a source $word
        else if string match -qr -- '^--(root|device|config|format)$' $before
            set -a source $before=$word
        end
        set before $word
    end
    __@NAME@_names id list $source
end

function __@NAME@_slots
    __@NAME@_names name slot list
end

# With a slash it is a file.
function __@NAME@_entries_or_files
    if string match -q -- "*/*" (commandline -ct)
        __fish_complete_path (commandline -ct)
    else
        __@NAME@_entries
    end
end

complete -c @PROGRAM@ -f
@TABLE@
