//! A manual page: prose, and what the tables have to say between it.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

use crate::markdown::Writer;
use crate::model::{Command, Opt, Program};
use crate::release;
use crate::roff::{Font, Roff, Title};

/// What a page is made of.
pub(crate) struct Page<'a> {
    pub(crate) name: &'a str,
    pub(crate) section: u8,
    /// What it is about, in a few words.
    pub(crate) about: &'a str,
    /// Markdown, with headings of the second level.
    pub(crate) prose: &'a str,
    /// Other pages, such as `turnout(8)`.
    pub(crate) see_also: &'a [&'a str],
}

/// A heading, and what comes below the prose that is there.
pub(crate) type Filled<'a> = (&'a str, &'a dyn Fn(&mut Roff));

/// What a reader's head line calls it, by section.
fn manual(section: u8) -> &'static str {
    match section {
        1 => "User Commands",
        5 => "File Formats",
        _ => "System Administration",
    }
}

/// Documents that are pages; links to them name the page.
pub(crate) fn page_of(document: &str) -> Option<&'static str> {
    match document.trim_start_matches("../../docs/") {
        "manifest.md" => Some("turnout-manifest(5)"),
        "policy.md" => Some("turnout-policy(5)"),
        "kexec.md" => Some("kexec(8)"),
        _ => None,
    }
}

impl Page<'_> {
    /// Its roff.
    ///
    /// # Errors
    /// The prose has something that no page can show, or lacks a heading to fill.
    pub(crate) fn write(&self, filled: &[Filled<'_>]) -> Result<String> {
        let source = format!("Turnout {}", env!("CARGO_PKG_VERSION"));
        let mut roff = Roff::new(&Title {
            name: self.name,
            section: self.section,
            date: release::DATE,
            source: &source,
            manual: manual(self.section),
        });
        self.write_name(&mut roff);
        let mut documents = BTreeSet::new();
        for part in parts(self.prose) {
            if part.is_introduction() {
                roff.section("Description");
            }
            let mut writer = Writer::new(&mut roff, page_of);
            writer.write(&part.text).with_context(|| self.name.to_owned())?;
            documents.append(&mut writer.documents);
            if let Some((_, fill)) = filled.iter().find(|(heading, _)| *heading == part.heading) {
                fill(&mut roff);
            }
        }
        self.write_others(&mut roff, &documents);
        Ok(roff.finish())
    }

    fn write_name(&self, roff: &mut Roff) {
        roff.section("Name");
        roff.words(self.name, Font::Roman);
        roff.dash();
        roff.words(self.about, Font::Roman);
    }

    fn write_others(&self, roff: &mut Roff, documents: &BTreeSet<String>) {
        roff.section("See also");
        for (number, page) in self.see_also.iter().enumerate() {
            let (name, section) = page.split_once('(').unwrap_or((page, ""));
            roff.words(if number == 0 { "" } else { ", " }, Font::Roman);
            roff.words(name, Font::Bold);
            roff.words(&format!("({section}"), Font::Roman);
        }
        if !documents.is_empty() {
            let names: Vec<_> = documents.iter().map(String::as_str).collect();
            roff.paragraph();
            roff.words("In ", Font::Roman);
            roff.words(release::DOCUMENTS, Font::Italic);
            roff.words(&format!(": {}.", names.join(", ")), Font::Roman);
        }
    }
}

/// A heading with the prose below it.
struct Part {
    heading: String,
    text: String,
}

impl Part {
    /// Whether there is prose without a heading of its own.
    fn is_introduction(&self) -> bool {
        let mut lines = self.text.lines();
        self.heading.is_empty() && lines.any(|line| !line.is_empty() && !line.starts_with("# "))
    }
}

/// A text in parts, of which each but the first begins with a heading of the second level.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = vec![Part { heading: String::new(), text: String::new() }];
    let mut is_code = false;
    for line in text.split_inclusive('\n') {
        is_code ^= line.starts_with("```");
        if let Some(heading) = line.strip_prefix("## ").filter(|_| !is_code) {
            parts.push(Part { heading: heading.trim().to_owned(), text: String::new() });
        }
        if let Some(part) = parts.last_mut() {
            part.text.push_str(line);
        }
    }
    parts
}

/// How a program is called: a line for each way.
pub(crate) fn synopsis(program: &Program, roff: &mut Roff) {
    let mut is_first = true;
    for command in program.commands.iter().filter(|command| !command.usage.is_empty()) {
        for line in command.usage.lines() {
            if !is_first {
                roff.line_break();
            }
            is_first = false;
            roff.words(&program.name, Font::Bold);
            roff.words(&format!(" {}", squeezed(line)), Font::Roman);
        }
    }
}

/// Without the blanks that align a usage on a terminal.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every command with what only a few take, and the names of what many take.
pub(crate) fn commands(program: &Program, roff: &mut Roff) {
    for command in program.commands.iter().filter(|command| !command.words.is_empty()) {
        if command.usage.is_empty() {
            continue;
        }
        roff.subsection(&command.words.join(" "));
        roff.words(&sentence(&command.about), Font::Roman);
        let (shared, own): (Vec<_>, Vec<_>) =
            command.options.iter().partition(|option| is_shared(program, option));
        own.iter().for_each(|option| write_option(option, roff));
        if !shared.is_empty() {
            roff.paragraph();
            roff.words("Also, see OPTIONS: ", Font::Roman);
            enumerate(&shared, roff);
        }
    }
}

/// What many commands take, and what the program itself takes.
pub(crate) fn options(program: &Program, roff: &mut Roff) {
    let alone = program.commands.first().map(|command| command.options.as_slice());
    let mut left: Vec<&Opt> = alone.unwrap_or_default().iter().collect();
    for option in program.commands.iter().flat_map(|command: &Command| &command.options) {
        if is_shared(program, option) && !left.iter().any(|one| one.spellings == option.spellings) {
            left.push(option);
        }
    }
    left.iter().filter(|option| option.group.is_none()).for_each(|one| write_option(one, roff));
    for group in &program.groups {
        roff.subsection(&group.name);
        roff.words(&sentence(&group.about), Font::Roman);
        let members = left.iter().filter(|option| option.group.as_ref() == Some(&group.name));
        members.for_each(|option| write_option(option, roff));
    }
}

/// Of a family, or the same in three commands and more.
fn is_shared(program: &Program, option: &Opt) -> bool {
    let commands = program.commands.iter();
    option.group.is_some()
        || commands.filter(|command| command.options.contains(option)).count() > 2
}

fn enumerate(options: &[&Opt], roff: &mut Roff) {
    for (number, option) in options.iter().enumerate() {
        roff.words(if number == 0 { "" } else { ", " }, Font::Roman);
        roff.words(option.spellings.first().map_or("", String::as_str), Font::Bold);
    }
    roff.words(".", Font::Roman);
}

/// A tag of every spelling, and what it is for.
pub(crate) fn write_option(option: &Opt, roff: &mut Roff) {
    roff.tag();
    for (number, spelling) in option.spellings.iter().enumerate() {
        roff.words(if number == 0 { "" } else { ", " }, Font::Roman);
        roff.words(spelling, Font::Bold);
    }
    if let Some(value) = &option.value {
        let (before, after) = if value.is_optional { ("[=", "]") } else { (" ", "") };
        roff.words(before, Font::Roman);
        roff.words(&value.name, Font::Italic);
        roff.words(after, Font::Roman);
    }
    roff.tagged();
    roff.words(&sentence(&option.about), Font::Roman);
    if option.repeats && !option.about.contains("repeatable") {
        roff.words(" Repeatable.", Font::Roman);
    }
}

/// With a capital letter, unless it begins with a word that is typed so, and a full stop.
fn sentence(text: &str) -> String {
    let is_typed = text.split_whitespace().next().is_some_and(|word| word.ends_with(':'));
    let mut letters = text.chars();
    let first = letters.next().map(|letter| match is_typed {
        true => letter.to_string(),
        false => letter.to_uppercase().to_string(),
    });
    let stop = if text.ends_with(['.', ':', '?']) { "" } else { "." };
    format!("{}{}{stop}", first.unwrap_or_default(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_in_code_begins_no_part() {
        let parts = parts("one\n## A\n```\n## b\n```\n## C\nthree\n");
        let headings: Vec<_> = parts.iter().map(|part| part.heading.as_str()).collect();
        assert_eq!(headings, ["", "A", "C"]);
        assert_eq!(parts.first().unwrap().text, "one\n");
    }

    #[test]
    fn what_an_option_is_for_is_a_sentence() {
        assert_eq!(sentence("only load it"), "Only load it.");
        assert_eq!(sentence("file: kexec_file_load"), "file: kexec_file_load.");
    }
}
