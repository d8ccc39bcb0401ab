//! Every page can be shown, and says all that its program takes.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{Scratch, errors, said, tool, unpacked};
use turnout::cli::described;
use turnout::cli::words::Program;
use turnout::settings;

/// As a page writes it in bold.
fn bold(word: &str) -> String {
    format!("\\fB{}\\fR", word.replace('-', "\\-"))
}

fn page(scratch: &Scratch, name: &str) -> String {
    fs::read_to_string(scratch.join("man").join(name)).unwrap()
}

/// Every long option of a program of clap's, whatever the command.
fn long_options(command: &clap::Command, options: &mut BTreeSet<String>) {
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let long = shown.filter_map(clap::Arg::get_long);
    options.extend(long.map(|name| format!("--{name}")));
    command.get_subcommands().for_each(|below| long_options(below, options));
}

#[test]
fn every_option_of_the_tables_is_on_its_page() {
    let scratch = Scratch::new("page-options");
    let all = |table: &Program| -> Vec<String> {
        let own = table.options.iter();
        let options = own.chain(table.commands.iter().flat_map(|command| &command.options));
        let letters = options.clone().filter_map(|option| option.short);
        let names = options.flat_map(|option| &option.names).map(|name| format!("--{name}"));
        names.chain(letters.map(|letter| format!("-{letter}"))).collect()
    };
    for (table, name) in [(described::turnout(), "turnout.8"), (described::kexec(), "kexec.8")] {
        let page = page(&scratch, name);
        let options = all(&table);
        assert!(options.len() > 20, "{name}");
        for option in options {
            assert!(page.contains(&bold(&option)), "{name} has no {option}");
        }
        for command in &table.commands {
            let heading = format!(".SS \"{}\"", command.name.replace('-', "\\-"));
            assert!(page.contains(&heading), "{name} has no {}", command.name);
        }
    }
}

#[test]
fn every_option_of_the_host_tools_is_on_its_page() {
    let scratch = Scratch::new("page-host");
    let sign = mkinitramfs::programs::turnout_sign::command();
    let image = mkinitramfs::programs::mkinitramfs::command();
    for (command, name) in [(sign, "turnout-sign.1"), (image, "turnout-mkinitramfs.8")] {
        let page = page(&scratch, name);
        let mut options = BTreeSet::new();
        long_options(&command, &mut options);
        assert!(options.len() > 8, "{name}");
        for option in options {
            assert!(page.contains(&bold(&option)), "{name} has no {option}");
        }
    }
}

#[test]
fn every_key_of_the_settings_is_on_its_page() {
    let scratch = Scratch::new("page-keys");
    let page = page(&scratch, "turnout.conf.5");
    for key in settings::KEYS {
        assert!(page.contains(&bold(key.name)), "turnout.conf.5 has no {}", key.name);
    }
}

/// A page that another one names has to be there, or be somebody else's.
#[test]
fn what_pages_call_a_page_of_ours_is_one() {
    let scratch = Scratch::new("page-links");
    let files = scratch.files("man");
    let names: BTreeSet<_> =
        files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    for file in &files {
        let page = fs::read_to_string(file).unwrap().replace("\\fR", "").replace("\\-", "-");
        let words =
            page.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-.()".contains(letter)));
        let named =
            words.filter_map(|word| word.split_once(')').map(|(word, _)| word)?.split_once('('));
        for (name, section) in named.filter(|(name, _)| name.starts_with("turnout")) {
            let wanted = format!("{name}.{section}");
            assert!(names.contains(&wanted), "{} names {wanted}", file.display());
        }
    }
}

/// Packages install docs/ where pages say that it is.
#[test]
fn what_pages_call_a_document_is_one() {
    let documents = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    let scratch = Scratch::new("page-documents");
    let mut count = 0;
    for file in scratch.files("man") {
        let page = fs::read_to_string(&file).unwrap().replace("\\fI", " ").replace("\\-", "-");
        let words =
            page.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-.".contains(letter)));
        for word in
            words.map(|word| word.trim_end_matches('.')).filter(|word| word.ends_with(".md"))
        {
            let is_there = std::path::Path::new(documents).join(word).is_file();
            assert!(is_there, "{} names {word}", file.display());
            count += 1;
        }
    }
    assert!(count > 10);
}

#[test]
fn mandoc_and_groff_show_every_page_without_a_warning() {
    if unpacked().is_none() {
        return;
    }
    let scratch = Scratch::new("page-shown");
    for file in scratch.files("man") {
        let lint =
            tool("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&file).output().unwrap();
        assert!(
            lint.status.success() && lint.stdout.is_empty(),
            "{}{}",
            said(&lint),
            errors(&lint)
        );
        let shown = tool("groff").args(["-man", "-ww", "-Tutf8"]).arg(&file).output().unwrap();
        assert!(shown.status.success() && shown.stderr.is_empty(), "{}", errors(&shown));
        let text = said(&shown);
        assert!(text.lines().count() > 20, "{}: {text}", file.display());
        for line in text.lines() {
            assert!(columns(line) <= 80, "{}: {line}", file.display());
        }
    }
}

/// Without what switches letters: ESC [ ... m.
fn columns(line: &str) -> usize {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap().chars().count();
    parts.map(|part| part.split_once('m').unwrap().1.chars().count()).sum::<usize>() + first
}

/// Otherwise the test above would pass whatever a page has.
#[test]
fn a_page_with_a_fault_is_not_let_pass() {
    if unpacked().is_none() {
        return;
    }
    let scratch = Scratch::new("page-fault");
    let text = ".TH A 1 \"2026-11-30\" a b\n.SH NAME\na \\- b\n.SH TEXT\n.PP\n.RE\n\\fXx\n";
    let file = scratch.write("fault.1", text);
    let lint = tool("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&file).output().unwrap();
    assert!(said(&lint).contains("WARNING: skipping paragraph macro: PP"), "{}", said(&lint));
    let shown = tool("groff").args(["-man", "-ww", "-Tutf8"]).arg(&file).output().unwrap();
    assert!(errors(&shown).contains("font"), "{}", errors(&shown));
}
