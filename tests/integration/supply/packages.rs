//! The crates of a build, as cargo tells them.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// A crate. Members of the workspace are crates too, and come from nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: String,
    /// `registry+` or `git+` and an address.
    pub(super) source: Option<String>,
}

/// All that a build of this tree for one of `targets` takes, its tests included.
pub(super) fn of_this_tree(targets: &[String]) -> Vec<Package> {
    let told = cargo(&["metadata", "--format-version", "1"], "--filter-platform", targets);
    let metadata: Value = serde_json::from_str(&told).unwrap();
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

/// The names of those that the two programs of the root package need, to run and to be built:
/// without the features that only other members ask for.
pub(super) fn of_programs(targets: &[String]) -> BTreeSet<String> {
    let arguments = ["tree", "--package", "turnout", "--edges", "normal,build", "--prefix", "none"];
    let told = cargo(&arguments, "--target", targets);
    let names = told.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| !["turnout", "purgatory"].contains(name)).map(str::to_owned).collect()
}

/// What of other people's the programs of the packages hold: what only builds them is not in them.
pub(super) fn of_packages(targets: &[String]) -> Vec<Package> {
    let edges = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}|{l}"];
    let arguments = ["tree", "--package", "turnout", "--package", "mkinitramfs"];
    let told = cargo(&[&arguments[..], &edges].concat(), "--target", targets);
    let unique: BTreeSet<&str> = told.lines().filter(|line| is_of_others(line)).collect();
    unique.into_iter().filter_map(in_a_tree).collect()
}

/// Ours have a folder, and nothing is between two trees.
fn is_of_others(line: &str) -> bool {
    !line.is_empty() && !line.contains(" (/")
}

/// "NAME vVERSION|LICENCE", and " (*)" where it was there before.
fn in_a_tree(line: &str) -> Option<Package> {
    let (package, license) = line.split_once('|')?;
    let (name, version) = package.split_once(" v")?;
    let [name, version, license] =
        [name, version, license.trim_end_matches(" (*)")].map(str::to_owned);
    Some(Package { name, version, license, source: None })
}

fn cargo(arguments: &[&str], for_target: &str, targets: &[String]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).args(["--locked", "--quiet"]);
    for target in targets {
        cargo.args([for_target, target]);
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn package(told: &Value) -> Package {
    let text = |field: &str| told[field].as_str().map(str::to_owned);
    Package {
        name: text("name").unwrap(),
        version: text("version").unwrap(),
        license: text("license").unwrap_or_default(),
        source: text("source"),
    }
}
