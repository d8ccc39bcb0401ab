//! Rules of GRUB's language that surprise, each with a script that shows it. What the
//! scripts print was measured with GRUB 2.12's emulator. A rule that is switched off is
//! missed by its script.

use super::lexer::Lexer;
use super::parser;
use super::printed::{printed_without, script_output};
use super::rules::Trap;
use crate::menu::Memory;
use std::rc::Rc;

/// A rule, a script, and what GRUB prints.
type Case = (Option<Trap>, &'static str, &'static str);

fn check(cases: &[Case]) {
    for (rule, script, expected) in cases {
        let files: Memory =
            [("/s", *script), ("/etc/hostname", "h"), ("/etc/motd", "")].into_iter().collect();
        assert_eq!(script_output(&files, "/s").output, *expected, "{script}");
        if let Some(rule) = rule {
            let without = printed_without(&files, "/s", *rule).output;
            assert_ne!(without, *expected, "without {rule:?}: {script}");
        }
    }
}

#[test]
fn trap_01_an_unknown_command_succeeds() {
    let script = "if nosuch; then echo A; else echo B; fi\nfalse\nnosuch\necho $?";
    check(&[(Some(Trap::UnknownSucceeds), script, "A\n0\n")]);
}

#[test]
fn traps_02_to_04_words_alone_are_tested_by_their_length() {
    check(&[
        (Some(Trap::EmptyTestIsTrue), "[ ]; echo $?\ntest; echo $?", "0\n0\n"),
        (Some(Trap::OneWordIsItsLength), "[ \"\" ]; echo $?\n[ x ]; echo $?", "1\n0\n"),
        (
            Some(Trap::OperatorAloneIsAWord),
            "[ -n $u ]; echo $?\n[ -z $u ]; echo $?\n[ -f ]; echo $?",
            "0\n0\n0\n",
        ),
    ]);
}

#[test]
fn traps_05_and_06_what_is_no_number_is_zero_and_numbers_have_bases() {
    check(&[
        (Some(Trap::NoNumberIsZero), "[ abc -eq 0 ]; echo $?\n[ \"\" -eq 0 ]; echo $?", "0\n0\n"),
        (
            Some(Trap::NumbersHaveBases),
            "[ 010 -eq 8 ]; echo $?\n[ 0x10 -eq 16 ]; echo $?\n[ -1 -lt 0 ]; echo $?\n\
             [ 08 -eq 8 ]; echo $?\n[ 9223372036854775807 -gt 1 ]; echo $?",
            "0\n0\n0\n0\n1\n",
        ),
        (None, "[ a15 -pgt a3 ]; echo $?\n[ 10 -plt 13 ]; echo $?", "0\n0\n"),
    ]);
}

#[test]
fn traps_07_to_09_tests_are_read_from_left_to_right() {
    check(&[
        (
            Some(Trap::WordsAreAnded),
            "[ 1 = 1 -o 1 = 2 -a 1 = 2 ]; echo $?\n[ a b ]; echo $?\n[ a \"\" ]; echo $?\n\
             [ a = b -o c = c ]; echo $?",
            "0\n0\n1\n0\n",
        ),
        (
            Some(Trap::ThreeWordsFirst),
            "[ ! = x ]; echo $?\n[ ! = ! ]; echo $?\n[ ! ! ]; echo $?\n[ \"(\" = \"(\" ]; echo $?",
            "1\n0\n0\n0\n",
        ),
        (Some(Trap::BracketMayBeMissing), "[ a = a; echo $?\n[ a = b; echo $?", "0\n1\n"),
        (None, "[ ( a = b -o a = a ) -a ! b = c ]; echo $?\n[ ( a = b ]; echo $?", "0\n1\n"),
    ]);
}

#[test]
fn traps_10_and_11_what_is_not_quoted_is_split() {
    check(&[
        (
            Some(Trap::UnquotedValueIsSplit),
            "x=\"a b\"\nfor i in $x; do echo \"<$i>\"; done\nset y=$x\nz=$x\necho \"$y|$z\"\n\
             for i in p${x}q; do echo \"<$i>\"; done",
            "<a>\n<b>\na|a\n<pa>\n<bq>\n",
        ),
        (None, "x=\" a \"\necho [$x]\nfor i in p$x\"q\"; do echo \"<$i>\"; done", "[a]\n<paq>\n"),
        (None, "x=\"a b\"\nfor i in \"$x\"; do echo \"<$i>\"; done", "<a b>\n"),
    ]);
}

#[test]
fn trap_12_nothing_is_no_word_but_for_all_arguments_in_quotes() {
    check(&[
        (
            Some(Trap::QuotedNoneIsOneWord),
            "function f { for i in \"$@\"; do echo \"<$i>\"; done; echo $#; }\n\
             f\nf $u\nf a \"b c\" \"\"",
            "<>\n0\n<>\n0\n<a>\n<b c>\n<>\n3\n",
        ),
        (None, "echo a $u b\nfor i in $u; do echo x; done\necho ${u}\"\" c", "a b\n c\n"),
        (
            None,
            "function f { for i in a$@b; do echo \"<$i>\"; done; }\nf \"\" c\nf \"1 2\" 3",
            "<acb>\n<a1>\n<2>\n<3b>\n",
        ),
    ]);
}

#[test]
fn traps_13_and_14_backslashes_stay_in_quotes() {
    check(&[
        (Some(Trap::BackslashStaysInQuotes), "echo \"a\\nb\" \"\\x41\"", "a\\nb \\x41\n"),
        (None, "echo a\\nb \"\\$\\\"\\\\\" 'a\\b'", "anb $\"\\ a\\b\n"),
        (None, "echo \"a\\\nb\" c\\\nd", "ab cd\n"),
    ]);
}

#[test]
fn traps_15_and_16_one_word_is_assigned() {
    check(&[
        (Some(Trap::OneAssignmentIsDone), "foo=1 bar=2\necho \"$foo|$bar\"", "1|\n"),
        (
            Some(Trap::SetNeedsAnAssignment),
            "set foo; echo $?\nset =x; echo $?\nset a-b=1; echo $?",
            "18\n0\n0\n",
        ),
        (None, "a-b=1; echo $?\n1=x; echo $?$1\nset a=1 b=2; echo $a$b", "0\n0\n1\n"),
    ]);
}

#[test]
fn traps_17_and_18_what_is_missing_is_no_error() {
    check(&[
        (Some(Trap::MissingSourceSucceeds), "source /no; echo $?\n. no; echo $?", "0\n0\n"),
        (Some(Trap::InsmodSucceeds), "if insmod no; then echo yes; fi", "yes\n"),
    ]);
}

#[test]
fn trap_19_statements_nest_no_deeper_than_64_lists_counted() {
    let recursive = "function f { n=x$n; f; echo $?; }\nf\necho $n\n";
    let deepest = "x".repeat(30);
    let files: Memory = [("/s", recursive)].into_iter().collect();
    let printed = script_output(&files, "/s");
    assert_eq!(printed.output, format!("48\n{}{deepest}\n", "0\n".repeat(29)));
    let said = "/s:1: SCRIPT_LIMIT: functions, files and statements are nested too deep";
    assert_eq!(printed.diagnostics[0].to_string(), said);
    let within = |times: usize| {
        let begins = "for i in a; do ".repeat(times);
        format!("{begins}echo deep; {}\necho $?", "done; ".repeat(times))
    };
    let cases = [(within(30), "deep\n0\n"), (within(31), "48\n")];
    for (script, expected) in cases {
        let files: Memory = [("/s", script)].into_iter().collect();
        assert_eq!(script_output(&files, "/s").output, expected);
    }
    let without = printed_without(&files, "/s", Trap::DepthIsLimited).output;
    assert_ne!(without, printed.output);
}

#[test]
fn traps_20_and_21_not_and_return() {
    check(&[
        (
            Some(Trap::NotIsACommand),
            "! true; echo $?\n! false; echo $?\n! unset; echo $?\n! ! true; echo $?",
            "1\n0\n0\n0\n",
        ),
        (None, "! nosuch; echo $?\n!; echo $?", "0\n18\n"),
        (
            Some(Trap::ReturnHasANumber),
            "function f { return 3; echo no; }\nf; echo $?\nif f; then echo y; else echo n; fi",
            "3\nn\n",
        ),
        (
            None,
            "function f { false; return; }\nf; echo $?\nreturn 3; echo $?\n\
             function g { return 0x1; }\ng; echo $?\nfunction h { return -1; }\nh; echo $?",
            "1\n18\n18\n10\n",
        ),
    ]);
}

#[test]
fn trap_22_wildcards_stand_for_names_from_variables_too() {
    check(&[
        (
            Some(Trap::WildcardsFromVariables),
            "x='/etc/h*'\necho $x \"$x\"\necho /et?/m* /etc/no*",
            "/etc/hostname /etc/h*\n/etc/motd /etc/no*\n",
        ),
        (None, "x='*'\necho $x *) (h*)/etc/mo*", "(host) (host) (host)/etc/motd\n"),
        (None, "echo /etc/mot[d] '/etc/*' /etc/\\*", "/etc/mot[d] /etc/* /etc/*\n"),
    ]);
}

#[test]
fn trap_23_commands_come_before_functions() {
    let script = "function true { echo mine; }\ntrue\nfunction f=1 { echo no; }\nf=1\necho $f";
    check(&[(Some(Trap::CommandsComeFirst), script, "1\n")]);
}

#[test]
fn statements_leave_the_status_that_grub_leaves() {
    check(&[
        (None, "while false; do echo x; done; echo $?", "1\n"),
        (None, "until true; do echo x; done; echo $?", "0\n"),
        (None, "for i in a; do false; done; echo $?\nfor i in; do x; done; echo $?", "1\n0\n"),
        (None, "if false; then echo x; fi; echo $?", "0\n"),
        (None, "false; $u; echo $?", "0\n"),
        (None, "for i in 1 2; do false; break; done; echo $i $?", "1 0\n"),
        (None, "while break; do echo x; done; echo $?", "0\n"),
        (None, "function f { break; false; }\nfor i in 1 2; do f; echo $i $?; done", "1 1\n2 1\n"),
        (None, "for i in 1; do break 0; done; echo $?\nbreak; echo $?", "18\n0\n"),
    ]);
}

#[test]
fn a_block_is_a_word_of_what_takes_none() {
    check(&[
        (None, "echo x {a; b}\necho {a} ", "x {a; b}\n{a}\n"),
        (None, "function f { echo $#; echo \"$2\"; }\nf a {\necho b\n}", "2\n{\necho b\n}\n"),
    ]);
}

#[test]
fn a_line_with_an_error_is_left_out_with_all_that_it_began() {
    let cases = [
        ("echo a; fi\necho b", "b\n", 1, 1),
        ("if true; then\nfi\necho b", "b\n", 1, 2),
        ("if false; then\n  foo | bar\n  echo no\nfi\necho b", "b\n", 1, 4),
        ("x {\n a b } c\n}\nfor i; do\n echo no\ndone\necho b", "b\n", 1, 2),
        ("while true; do\n if x; then y; fi fi\n done\ndone\necho b", "b\n", 1, 3),
        ("echo \"$\"; echo '\nno'\necho b", "b\n", 1, 2),
        ("if; x\necho a\nif true; then echo b; fi", "a\nb\n", 1, 1),
        ("echo a\ncase", "a\n", 2, 2),
    ];
    for (script, expected, first, last) in cases {
        let files: Memory = [("/s", script)].into_iter().collect();
        let printed = script_output(&files, "/s");
        assert_eq!(printed.output, expected, "{script}");
        let said = printed.diagnostics[0].to_string();
        let lines = if first == last {
            "the line is left out".to_owned()
        } else {
            format!("lines {first} to {last} are left out")
        };
        assert!(said.contains(": SYNTAX: ") && said.ends_with(&lines), "{script}: {said}");
    }
}

#[test]
fn what_distributions_need_is_read_though_grub_does_not() {
    check(&[
        (None, "if true; then function f { echo f; }; fi\nf", "f\n"),
        (None, "echo a; ; echo b;; echo c", "a\nb\nc\n"),
        (None, "function f { echo f }\nf", "f\n"),
    ]);
}

#[test]
fn nothing_takes_for_ever() {
    let deep = "if true; then ".repeat(100);
    let cases = [
        (
            "while true; do echo x; done".to_owned(),
            "SCRIPT_LIMIT: the rest is not evaluated: it takes",
        ),
        ("x=aaaaaaaa\nwhile true; do x=$x$x; done".to_owned(), "a variable is longer than 65536"),
        (format!("x={}\necho {}", "a".repeat(60_000), "$x".repeat(9)), "longer than 262144"),
        (deep, "it is nested deeper than 64 times"),
        (format!("x='{}'\nwhile true; do regexp $x a; done", "a|".repeat(30_000)), "100000 steps"),
        ("source /s".to_owned(), "nested too deep"),
        ((0..20).map(|n| format!("source /d/file-{n}\n")).collect(), "more than 16 files are not"),
        ("eval \"$x\"\nx='eval \"$x\"'\neval \"$x\"".to_owned(), "nested too deep"),
        ("function f { f; f; }\nf".to_owned(), "it takes more than 100000 steps"),
        ([&"time ".repeat(4000), "true"].concat(), "nested too deep"),
        (["function f { ", &"time ".repeat(200), "f; }\nf"].concat(), "nested too deep"),
        (["{".repeat(200_000), ";fi".repeat(200_000)].concat(), "SYNTAX: nothing can be made of"),
        (format!("x='{}'\necho{}", " ".repeat(60_000), " $x".repeat(50_000)), "100000 steps"),
        (["echo", &" /d/*".repeat(4000)].concat(), "longer than 262144"),
        (format!("regexp a*b {}", "a".repeat(60_000)), "too long to be compared"),
        (["echo ", &"$a".repeat(10_000)].concat(), "the word has more than 8192 parts"),
    ];
    let many: Vec<_> = (0..600).map(|number| format!("/d/file-{number}")).collect();
    for (script, expected) in cases {
        let names = many.iter().map(|name| (name.as_str(), ""));
        let files: Memory = names.chain([("/s", script.as_str())]).collect();
        let said: Vec<_> =
            script_output(&files, "/s").diagnostics.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|said| said.contains(expected)), "{script:.60}: {said:?}");
    }
}

#[test]
fn trap_25_a_search_in_vain_leaves_its_variable() {
    let script = "r=hd0,gpt2\nsearch --label none --set=r\necho $? $r";
    check(&[(Some(Trap::MissKeepsVariable), script, "5 hd0,gpt2\n")]);
}

#[test]
fn no_more_is_told_of_a_file_than_anybody_reads() {
    let source = Rc::from("}\n".repeat(10_000));
    let parsed = parser::parse(&source, Lexer::new(&source, 1, true));
    assert_eq!(parsed.dropped.len(), 256);
}
