//! Scripts about the traps of GRUB's language, one after the other: what people write
//! and what GRUB makes of it.

use super::Writer;

/// By the number of the trap, from 1: lines of which each script has some.
const TRAPS: [&[&str]; 25] = [
    // An unknown command succeeds, and leaves `$?` as it is.
    &[
        "if nosuch $a; then echo A; else echo B; fi",
        "false; nosuch; echo $?",
        "nosuch; echo $?",
        "while nosuch; do echo once; break; done",
        "if ! nosuch; then echo A; else echo B; fi",
        "until nosuch; do echo never; done",
    ],
    // `[ ]` is true.
    &["if [ ]; then echo A; else echo B; fi", "test; echo $?", "[ ]; echo $?", "test $u; echo $?"],
    // One word is true if it is not empty.
    &["[ \"\" ]; echo $?", "[ x ]; echo $?", "[ \"$u\" ]; echo $?", "test 0; echo $?"],
    // `-n` of nothing is one word.
    &[
        "[ -n $u ]; echo $?",
        "[ -z $u ]; echo $?",
        "[ -n \"$u\" ]; echo $?",
        "if [ -n $u ]; then echo A; else echo B; fi",
        "test -n; echo $?",
    ],
    // What is no number is 0.
    &[
        "[ abc -eq 0 ]; echo $?",
        "[ \"\" -eq 0 ]; echo $?",
        "[ abc -lt 1 ]; echo $?",
        "[ 3x -eq 3 ]; echo $?",
        "[ 1 -gt x ]; echo $?",
    ],
    // Octal and hexadecimal, with a sign.
    &[
        "[ 010 -eq 8 ]; echo $?",
        "[ 0x10 -eq 16 ]; echo $?",
        "[ -3 -lt 2 ]; echo $?",
        "[ -0x10 -eq -16 ]; echo $?",
        "[ 08 -eq 8 ]; echo $?",
    ],
    // Or of ands; words beside one another are and.
    &[
        "[ 1 = 1 -o 1 = 2 -a 1 = 2 ]; echo $?",
        "[ 1 = 2 -a 1 = 2 -o 1 = 1 ]; echo $?",
        "[ a b ]; echo $?",
        "[ a \"\" ]; echo $?",
        "[ \"\" -o a ]; echo $?",
        "[ ( a = b ) -o ( a = a ) ]; echo $?",
    ],
    // Three words come before two, and before `!` and `(`.
    &[
        "[ ! = x ]; echo $?",
        "[ ! = ! ]; echo $?",
        "[ -n = -n ]; echo $?",
        "[ -z = x ]; echo $?",
        "[ ( = ( ]; echo $?",
        "[ ! -n = -n ]; echo $?",
        "[ a '<' b ]; echo $?",
        "[ b '>=' a ]; echo $?",
        "[ a1 -pgt b0 ]; echo $?",
    ],
    // `]` may be missing.
    &[
        "[ a = a; echo $?",
        "[ a = b; echo $?",
        "if [ x; then echo A; fi",
        "[; echo $?",
        "[ a ] b ]; echo $?",
        "[ a ] \"\" ]; echo $?",
        "test \"\" ]; echo $?",
        "[ ] = x ]; echo $?",
        "[ a b ] = ] ]; echo $?",
    ],
    // A bare variable is split.
    &[
        "x='a b'; for i in $x; do echo \"<$i>\"; done",
        "x='a b'; y=$x; echo \"$y\"",
        "x='a b'; set y=$x; echo \"$y\"",
        "x=' a  b '; for i in p$x; do echo \"<$i>\"; done",
        "x='a b'; for i in p${x}q; do echo \"<$i>\"; done",
        "x='echo hi'; $x there",
        "x='a b'; [ $x = a ]; echo $?",
    ],
    // One in quotes is one word.
    &[
        "x='a b'; for i in \"$x\"; do echo \"<$i>\"; done",
        "x='a b'; y=\"$x\"; echo \"$y\"",
        "F1 'a b' c; F2 'a b' c",
        "x='a  b'; echo \"$x\" $x",
    ],
    // Nothing is no word; `\"$@\"` of nothing is one.
    &[
        "F1 $u; F1 a $u b",
        "for i in $u; do echo never; done",
        "F2 ; F2 $u",
        "F1 \"$u\"",
        "for i in \"$@\"; do echo \"<$i>\"; done",
        "F3",
    ],
    // Escapes in quotes.
    &[
        "echo \"a\\nb\" a\\nb",
        "echo \"\\$a \\\" \\\\ \\a\"",
        "echo 'a\\nb' \\\"",
        "x=\"a\\tb\"; echo \"$x\"",
        "echo \"a\\\nb\" a\\\nb",
    ],
    // Bytes in hexadecimal.
    &["echo \"\\x41\" \\x41", "x='\\x41'; echo $x", "x=\"\\x20\"; echo \"$x\"", "echo \"a\\x3db\""],
    // One assignment a command.
    &["foo=1 x=2; echo $foo $x", "x=1 y=2 u; echo \"$x$y$u\"", "set x=3 y=4; echo \"$x$y\""],
    // What is no assignment.
    &["set foo; echo $?", "set =x; echo $?", "set a-b=1; echo $?", "unset; echo $?", "=x; echo $?"],
    // Files that are missing.
    &[
        "source /mnt/t/missing; echo $?",
        "x=old; search --set=x --file /mnt/t/missing; echo $? $x",
        "if source /mnt/t/missing; then echo A; else echo B; fi",
        "x=old; search -f -s x /mnt/t/missing; echo $? $x",
        "if search --file /mnt/t/missing --set x; then echo A; else echo B; fi",
        "if load_env --file /mnt/t/missing; then echo A; else echo B; fi",
    ],
    // Modules that are missing.
    &[
        "insmod missing; echo $?",
        "if insmod missing; then echo A; else echo B; fi",
        "insmod ext2; echo $?",
    ],
    // Depth.
    &[
        "d=; R1; echo $?; regexp 'o{40}' $d; echo $?",
        "if R1; then echo A; else echo B; fi",
        "n=; while [ x$n != xooooo ]; do n=o$n; done; echo $n",
    ],
    // `!` is a word.
    &[
        "! true; echo $?",
        "! false; echo $?",
        "! F4; echo $?",
        "! ! true; echo $?",
        "if ! [ a = b ]; then echo A; else echo B; fi",
        "x=!; $x false; echo $?",
        "! set foo; echo $?",
    ],
    // What functions return.
    &[
        "F4; echo $?",
        "if F4; then echo A; else echo B; fi",
        "F5 7; echo $?",
        "F5 0; echo $?",
        "F5 x; echo $?",
        "while F4; do echo never; done; echo $?",
    ],
    // Wildcards, also from variables.
    &[
        "for i in /mnt/t/on*; do echo \"<$i>\"; done",
        "for i in /mnt/t/x*; do echo \"<$i>\"; done",
        "x='/mnt/t/o?e'; echo $x \"$x\"",
        "echo '/mnt/t/on*' \"/mnt/t/on*\" /mnt/t/on\\*",
        "x=/mnt/t/t*; echo \"$x\"",
        "n=; for i in /mnt/t/*; do n=o$n; done; echo $n",
        "for i in /mnt/*/one; do echo \"<$i>\"; done",
        "if [ -f /mnt/t/on* ]; then echo A; else echo B; fi",
    ],
    // Command, then function, then assignment.
    &[
        "function true { echo mine; return 1; }\ntrue; echo $?",
        "a=b=c; echo $a",
        "x=a; x$x=1; echo $xa",
        "'a=q r'; echo $a",
        "$u a=5; echo $a",
        "echo=5; echo $echo",
    ],
    // Contexts.
    &[
        "a=1; b=2; export b; configfile /mnt/t/context; echo \"$a$b$c\"",
        "a=1; b=2; source /mnt/t/context; echo \"$a$b$c\"",
        "menuentry 'a b' --id i c { echo never; }\necho $?",
        "submenu s { echo never; }\necho $?",
        "source /mnt/t/returns; echo $?",
        "a=x; . /mnt/t/context; echo \"$a$b$c\"",
    ],
    // A search that misses changes nothing.
    &[
        "set x='hd0,gpt2'; search --no-floppy --fs-uuid --set=x 11112222-3333-4444-5555-666677778888; echo $x",
        "set x=hd0,gpt2; if search --fs-uuid --set=x 1111-2222; then echo A; else echo B; fi; echo $x",
        "set x=old; search --no-floppy --label missing --set=x --hint hd0,gpt2; echo $? $x",
        "search --set=y --file /mnt/t/one; echo $? $y",
        "x=old; search -n -u 1111-2222 -s x; echo $? $x",
    ],
];

/// Functions that they call, by what is put in the place of their names.
const FUNCTIONS: [(&str, &str); 6] = [
    ("F1", "echo \"$#:$1:$2\""),
    ("F2", "for i in \"$@\"; do echo \"<$i>\"; done; for i in $@; do echo \"($i)\"; done"),
    ("F3", "for i in \"$*\"; do echo \"<$i>\"; done; for i in $*; do echo \"($i)\"; done"),
    ("F4", "return 3"),
    ("F5", "return $1; echo never"),
    ("R1", "d=o$d; R1"),
];

/// A script about one trap.
pub(super) fn write(writer: &mut Writer, number: usize) {
    let trap = TRAPS[number % TRAPS.len()];
    let mut lines = String::new();
    for _ in 0..3 {
        if writer.dice.one_in(2) {
            lines.push_str("a=");
            std::mem::swap(&mut lines, &mut writer.text);
            writer.word();
            std::mem::swap(&mut lines, &mut writer.text);
            lines.push('\n');
        }
        lines.push_str(writer.dice.one_of(trap));
        lines.push('\n');
    }
    for (name, body) in FUNCTIONS {
        if lines.contains(name) {
            let own = format!("{name}_{number}");
            lines = lines.replace(name, &own);
            let body = body.replace(name, &own);
            writer.line(&format!("function {own} {{ {body}; }}"));
        }
    }
    writer.text.push_str(&lines);
}
