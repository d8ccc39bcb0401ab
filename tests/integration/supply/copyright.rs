//! What Debian's package says of the crates in its programs (dist/packages/debian/copyright,
//! <https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/>).

use std::collections::{BTreeMap, BTreeSet};

use spdx::{Expression, ParseMode};

use super::packages::Package;

/// How crates are named: "vendor/NAME/*".
const FOLDER: &str = "vendor/";

/// The lines of each field of a paragraph.
type Fields<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// The licences of the crates that it lists, and those that it has the text of.
pub(super) struct Copyright {
    crates: BTreeMap<String, String>,
    texts: BTreeSet<String>,
}

impl Copyright {
    /// A paragraph is about files, or holds the text of a licence.
    pub(super) fn parse(text: &str) -> Self {
        let mut crates = BTreeMap::new();
        let mut texts = BTreeSet::new();
        for paragraph in text.split("\n\n").map(fields) {
            let Some(license) = paragraph.get("License").and_then(|lines| lines.first()) else {
                continue;
            };
            match paragraph.get("Files") {
                None => drop(texts.insert((*license).to_owned())),
                Some(files) if has_holders(&paragraph) => {
                    crates.extend(names(files).map(|name| (name, (*license).to_owned())));
                }
                Some(_) => {}
            }
        }
        Self { crates, texts }
    }

    /// Where it is not true of what programs are built of, a sentence each.
    pub(super) fn differences(&self, packages: &[Package]) -> Vec<String> {
        let there: BTreeSet<&String> = packages.iter().map(|one| &one.name).collect();
        let gone = self.crates.keys().filter(|name| !there.contains(name));
        let gone = gone.map(|name| format!("{name} is listed, and is in no program"));
        packages.iter().filter_map(|one| self.lack(one)).chain(gone).collect()
    }

    fn lack(&self, package: &Package) -> Option<String> {
        let Package { name, license: declared, .. } = package;
        let Some(said) = self.crates.get(name) else {
            return Some(format!("{name} is not listed: add vendor/{name}/* with its holders"));
        };
        let said: Vec<&str> = said.split(" and ").collect();
        if let Some(one) = said.iter().find(|one| !self.texts.contains(**one)) {
            return Some(format!("{name} is under {one}, whose text is missing"));
        }
        let parsed = Expression::parse_mode(declared, ParseMode::LAX);
        let covers =
            parsed.is_ok_and(|it| it.evaluate(|one| said.contains(&one.to_string().as_str())));
        (!covers).then(|| format!("{name} is under {declared}, and {} is said", said.join(" and ")))
    }
}

/// Without them nobody is named whose copyright it is.
fn has_holders(paragraph: &Fields<'_>) -> bool {
    paragraph.get("Copyright").is_some_and(|lines| lines.iter().any(|line| !line.is_empty()))
}

fn names(files: &[&str]) -> impl Iterator<Item = String> {
    let folders = files.iter().flat_map(|line| line.split_whitespace());
    let folders = folders.filter_map(|file| file.strip_prefix(FOLDER)?.strip_suffix("/*"));
    folders.map(str::to_owned)
}

/// A field goes on in lines that begin with a blank.
fn fields(paragraph: &str) -> Fields<'_> {
    let mut fields = Fields::new();
    let mut last = "";
    for line in paragraph.lines() {
        if let Some(more) = line.strip_prefix(' ') {
            fields.entry(last).or_default().push(more.trim());
        } else if let Some((name, value)) = line.split_once(':') {
            last = name;
            fields.entry(name).or_default().push(value.trim());
        }
    }
    fields
}

mod tests {
    use super::{Copyright, Package};

    const FILE: &str = "\
Format: of Debian

Files: *
Copyright: Turnout
License: MIT

Files:
 vendor/sha2/*
 vendor/sha1/*
Copyright: 2016 Somebody
  2017 Another
License: MIT

Files: vendor/zstd/*
Copyright: Somebody
License: BSD-3-Clause and Zlib

Files: vendor/half/*
Copyright: Somebody
License: BSD-3-Clause

Files: vendor/nobody/*
Copyright:
License: MIT

License: MIT
 Permission: granted.

License: BSD-3-Clause
 Redistribution
";

    fn said(name: &str, license: &str) -> Vec<String> {
        let [name, version, license] = [name, "1.0.0", license].map(str::to_owned);
        let one = Package { name, version, license, source: None };
        let mut said = Copyright::parse(FILE).differences(&[one]);
        said.retain(|line| !line.ends_with("in no program"));
        said
    }

    #[test]
    fn a_crate_is_listed_with_a_licence_that_it_offers_and_whose_text_is_there() {
        assert_eq!(said("sha2", "Apache-2.0 OR MIT"), Vec::<String>::new());
        let other = ["sha2 is under Apache-2.0, and MIT is said"];
        assert_eq!(said("sha2", "Apache-2.0"), other);
        let half = ["half is under BSD-3-Clause AND BSD-2-Clause, and BSD-3-Clause is said"];
        assert_eq!(said("half", "BSD-3-Clause AND BSD-2-Clause"), half);
        assert_eq!(said("zstd", "BSD-3-Clause"), ["zstd is under Zlib, whose text is missing"]);
    }

    #[test]
    fn a_crate_that_is_not_listed_or_whose_holders_are_not_is_told() {
        let missing =
            |name| [format!("{name} is not listed: add vendor/{name}/* with its holders")];
        assert_eq!(said("ring", "MIT"), missing("ring"));
        assert_eq!(said("nobody", "MIT"), missing("nobody"));
    }

    #[test]
    fn a_crate_that_is_gone_is_told() {
        let said = Copyright::parse(FILE).differences(&[]);
        assert!(said.contains(&"sha2 is listed, and is in no program".to_owned()), "{said:?}");
    }
}
