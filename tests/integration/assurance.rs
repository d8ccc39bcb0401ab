//! The page of assurance names tests: there is one of each name.

use std::path::Path;
use std::{fs, io};

/// Where tests and boot cases are defined.
const TREES: &[&str] = &["src", "purgatory", "mkinitramfs", "qemu", "tests"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_test_of_the_page_is_there() {
    let page = fs::read_to_string(root().join("docs/assurance.md")).unwrap();
    let mut sources = Vec::new();
    TREES.iter().try_for_each(|tree| collect(&root().join(tree), &mut sources)).unwrap();
    let named: Vec<&str> = page.lines().flat_map(tests_of).collect();
    assert!(named.len() > 50, "the page names {} tests", named.len());
    let missing: Vec<&str> = named.into_iter().filter(|name| !is_defined(name, &sources)).collect();
    assert!(missing.is_empty(), "docs/assurance.md names what there is not: {missing:?}");
}

/// What a line names between backquotes that can be a test's name: those are sentences.
fn tests_of(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|word| word.matches('_').count() > 2 && word.bytes().all(is_of_a_name))
}

fn is_of_a_name(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')
}

fn is_defined(name: &str, sources: &[String]) -> bool {
    let function = format!("fn {name}(");
    let case = format!("\"{name}\"");
    sources.iter().any(|text| text.contains(&function) || text.contains(&case))
}

/// The text of every Rust file below a folder.
fn collect(folder: &Path, texts: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() && !path.ends_with("tests/data") {
            collect(&path, texts)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(&path)?);
        }
    }
    Ok(())
}
