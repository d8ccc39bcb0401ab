//! What Turnout is built of, held against deny.toml and docs/dependencies.md,
//! and what the packages say of it.
//!
//! The short form of what cargo-deny does in the long run: licences as crates declare them,
//! where they come from, what is there twice or not wanted, and besides what cargo-deny has no
//! rule for: versions that are no release yet, and crates that nobody has given a reason for.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod copyright;
mod packages;
mod page;
mod rules;

use std::fs;
use std::path::Path;

use copyright::Copyright;
use page::Page;
use rules::Rules;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn rules() -> Rules {
    Rules::parse(&read("deny.toml"))
}

#[test]
fn all_that_turnout_is_built_of_keeps_to_the_rules() {
    let rules = rules();
    let packages = packages::of_this_tree(&rules.targets);
    assert_eq!(rules.breaches(&packages), Vec::<String>::new());
}

#[test]
fn no_version_is_a_pre_release_without_a_reason() {
    let packages = packages::of_this_tree(&rules().targets);
    let page = Page::parse(&read("docs/dependencies.md"));
    assert_eq!(page.pre_releases_without_reason(&packages), Vec::<String>::new());
}

#[test]
fn each_crate_of_the_programs_has_its_row() {
    let page = Page::parse(&read("docs/dependencies.md"));
    assert_eq!(page.differences(&packages::of_programs(&rules().targets)), Vec::<String>::new());
    assert_eq!(page.wrong_sizes(&read("docs/sizes.txt")), Vec::<String>::new());
}

#[test]
fn the_packages_name_each_crate_its_holders_and_its_licence() {
    let mut targets = rules().targets;
    targets.retain(|target| target.ends_with("-musl"));
    let copyright = Copyright::parse(&read("dist/packages/debian/copyright"));
    assert_eq!(copyright.differences(&packages::of_packages(&targets)), Vec::<String>::new());
}
