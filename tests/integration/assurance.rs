//! The page of assurance names tests: there is one of each name.

use std::fs;
use std::path::{Path, PathBuf};

/// Where tests and boot cases are defined.
const TREES: &[&str] = &["src", "purgatory", "mkinitramfs", "qemu", "tests"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_test_of_the_page_is_there() {
    let page = fs::read_to_string(root().join("docs/assurance.md")).unwrap();
    let sources: Vec<String> = TREES.iter().flat_map(|tree| sources(&root().join(tree))).collect();
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

/// Every Rust file below a folder.
fn sources(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path: PathBuf| texts(&path)).collect()
}

fn texts(path: &Path) -> Vec<String> {
    match path.is_dir() && !path.is_symlink() {
        true if path.ends_with("data") || path.ends_with("target") => Vec::new(),
        true => sources(path),
        false if path.extension().is_some_and(|it| it == "rs") => {
            vec![fs::read_to_string(path).unwrap()]
        }
        false => Vec::new(),
    }
}
