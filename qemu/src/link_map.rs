//! What the linker put where: lld's `-Map`, one line for each piece of a program
//! with its address, its length, and the section or symbol that it was.

use anyhow::{Context, Result, ensure};
use rustc_demangle::demangle;

/// A piece of a program that takes room in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Whose it is.
    pub owner: Owner,
    /// The symbol, as it is written in the source.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// Where a piece comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The crate; or what it is, in brackets, where no name tells a crate.
    pub package: String,
    /// The module right below the crate's root.
    pub module: String,
}

impl Owner {
    fn nobody(what: &str) -> Self {
        Self { package: format!("({what})"), module: String::new() }
    }
}

/// Reads a map.
///
/// # Errors
/// It is not one that lld wrote.
pub fn read(map: &str) -> Result<Vec<Part>> {
    let mut lines = map.lines();
    let head = lines.next().unwrap_or_default();
    ensure!(head.split_whitespace().eq(COLUMNS), "not a map by lld: {head:?}");
    let mut output = "";
    let mut parts = Vec::new();
    for line in lines {
        match row(line).with_context(|| format!("not a line of a map: {line:?}"))? {
            Row { level: Level::Output, text, .. } => output = text,
            Row { level: Level::Input, bytes, text } if bytes > 0 && is_in_the_file(output) => {
                parts.push(part(output, bytes, text));
            }
            _ => {}
        }
    }
    Ok(parts)
}

const COLUMNS: [&str; 7] = ["VMA", "LMA", "Size", "Align", "Out", "In", "Symbol"];

struct Row<'a> {
    level: Level,
    bytes: u64,
    text: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Output,
    Input,
    Symbol,
}

/// Three numbers in base 16, one in base 10, and a text that is set in by as much
/// as it lies deep.
fn row(line: &str) -> Option<Row<'_>> {
    let mut rest = line;
    let mut bytes = 0;
    for column in 0..4 {
        rest = rest.trim_start();
        let end = rest.find(' ')?;
        let number = rest.get(..end)?;
        if column == 2 {
            bytes = u64::from_str_radix(number, 16).ok()?;
        }
        rest = rest.get(end..)?;
    }
    let text = rest.trim_start();
    let level = match rest.len().saturating_sub(text.len()) {
        1 => Level::Output,
        9 => Level::Input,
        _ => Level::Symbol,
    };
    Some(Row { level, bytes, text })
}

fn is_in_the_file(output: &str) -> bool {
    !matches!(output, ".bss" | ".tbss" | ".relro_padding" | ".comment" | ".shstrtab")
}

/// `text` is `FILE:(SECTION)`; a section is named after what lies in it.
fn part(output: &str, bytes: u64, text: &str) -> Part {
    let section = text.rsplit_once(":(").map_or(text, |(_, section)| section.trim_end_matches(')'));
    let symbol = symbol(section);
    let name = format!("{:#}", demangle(symbol));
    let owner = if name != symbol {
        owner(&name)
    } else if text.contains("libc.a(") {
        Owner::nobody("C library")
    } else if output == ".text" {
        Owner::nobody("assembler, start files")
    } else if symbol.starts_with(".Lanon") || section.contains(".cst") || section.contains(".str") {
        Owner::nobody("texts, constants, tables of functions")
    } else {
        Owner::nobody("other data")
    };
    Part { owner, name, bytes }
}

/// What follows the name of a kind of section.
fn symbol(section: &str) -> &str {
    const KINDS: [&str; 7] = [
        ".text.unlikely.",
        ".text.hot.",
        ".text.startup.",
        ".text.",
        ".rodata.",
        ".data.rel.ro.",
        ".data.",
    ];
    KINDS.iter().find_map(|kind| section.strip_prefix(kind)).unwrap_or(section)
}

/// The crate and module that a path begins with. What is generic belongs to the
/// trait if its type has no path of its own.
fn owner(name: &str) -> Owner {
    let path = first_path(name);
    let path = if path.contains("::") {
        path
    } else {
        name.split_once(" as ").map_or(path, |(_, after)| first_path(after))
    };
    let mut words = path.split("::");
    let package = words.next().unwrap_or_default().to_owned();
    Owner { package, module: words.next().unwrap_or_default().to_owned() }
}

fn first_path(text: &str) -> &str {
    let text = text.trim_start_matches(|character| "<&([*".contains(character));
    let text = ["mut ", "dyn ", "const "]
        .iter()
        .fold(text, |text, word| text.strip_prefix(word).unwrap_or(text));
    let end = text
        .find(|character: char| !character.is_alphanumeric() && !"_:".contains(character))
        .unwrap_or(text.len());
    text.get(..end).unwrap_or(text).trim_end_matches("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
             VMA              LMA     Size Align Out     In      Symbol
             480              480       20    32 .rodata
             480              480       20    16         <internal>:(.rodata.cst16)
           1c980            1c980       60    16 .text
           1c980            1c980       10    16         /a/x.rcgu.o:(.text._ZN7turnout4boot3run17h60396c69a8959745E)
           1c980            1c980       10     1                 turnout::boot::run::h60396c69a8959745
           1c990            1c990       30    16         /a/libc.a(malloc.lo):(.text.malloc)
           dfec0            dfec0      790    32 .bss
           dfec0            dfec0      790    32         /a/libc.a(malloc.lo):(.bss.heap)
";

    fn owned(name: &str) -> String {
        let Owner { package, module } = owner(name);
        format!("{package} {module}")
    }

    #[test]
    fn a_map_gives_what_takes_room_and_whose_it_is() {
        let parts = read(MAP).unwrap();
        let shown: Vec<_> = parts
            .iter()
            .map(|part| format!("{} {} {}", part.owner.package, part.name, part.bytes))
            .collect();
        let expected = [
            "(texts, constants, tables of functions) cst16 32",
            "turnout turnout::boot::run 16",
            "(C library) malloc 48",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn another_text_is_no_map() {
        let error = read("Archive member included\n").unwrap_err().to_string();
        assert_eq!(error, "not a map by lld: \"Archive member included\"");
        let error = read(&MAP.replace("790", "xyz")).unwrap_err().to_string();
        assert!(error.starts_with("not a line of a map"), "{error}");
    }

    #[test]
    fn an_owner_is_where_a_path_begins() {
        assert_eq!(owned("turnout::cli::run"), "turnout cli");
        assert_eq!(owned("<turnout::image::Error as core::fmt::Display>::fmt"), "turnout image");
        assert_eq!(owned("<T as alloc::string::ToString>::to_string"), "alloc string");
        assert_eq!(owned("<&mut [T] as core::fmt::Debug>::fmt"), "core fmt");
        assert_eq!(owned("<[V] as alloc::slice::Concat<T>>::concat"), "alloc slice");
    }
}
