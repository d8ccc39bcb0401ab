//! What deny.toml allows and forbids.

use std::collections::BTreeMap;

use serde::Deserialize;
use spdx::{Expression, LicenseReq, ParseMode};

use super::packages::Package;

/// The lines that are held here; what only cargo-deny reads is passed over.
#[derive(Debug, Deserialize)]
struct File {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Named>,
    skip: Vec<Named>,
}

#[derive(Debug, Deserialize)]
struct Sources {
    #[serde(rename = "allow-registry")]
    registries: Vec<String>,
}

/// `NAME` or `NAME@VERSION`, where a version may be cut short.
#[derive(Debug, Deserialize)]
struct Named {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

/// The rules.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) targets: Vec<String>,
    licenses: Vec<String>,
    registries: Vec<String>,
    banned: Vec<Named>,
    /// Those that may be there beside another version.
    skipped: Vec<Named>,
}

impl Named {
    fn is(&self, package: &Package) -> bool {
        let (name, version) = self.name.split_once('@').unwrap_or((&self.name, ""));
        let rest = package.version.strip_prefix(version);
        let at_a_dot = |rest: &str| version.is_empty() || rest.is_empty() || rest.starts_with('.');
        name == package.name && rest.is_some_and(at_a_dot)
    }
}

impl Rules {
    pub(super) fn parse(text: &str) -> Self {
        let file: File = toml::from_str(text).unwrap();
        Self {
            targets: file.graph.targets,
            licenses: file.licenses.allow,
            registries: file.sources.registries,
            banned: file.bans.deny,
            skipped: file.bans.skip,
        }
    }

    /// Where crates break them, a sentence each.
    pub(super) fn breaches(&self, packages: &[Package]) -> Vec<String> {
        let each = packages.iter().flat_map(|package| {
            [self.license(package), self.source(package), self.ban(package)].into_iter().flatten()
        });
        each.chain(self.twice(packages)).chain(self.skipped_for_nothing(packages)).collect()
    }

    fn license(&self, package: &Package) -> Option<String> {
        let Package { name, version, license, .. } = package;
        let parsed = Expression::parse_mode(license, ParseMode::LAX);
        let allowed = parsed.is_ok_and(|parsed| parsed.evaluate(|one| self.allows(one)));
        (!allowed).then(|| {
            format!("{name} {version}: its licence \"{license}\" is none that deny.toml allows")
        })
    }

    fn allows(&self, required: &LicenseReq) -> bool {
        self.licenses.contains(&required.to_string())
    }

    fn source(&self, package: &Package) -> Option<String> {
        let Package { name, version, .. } = package;
        let source = package.source.as_ref()?;
        let registry = source.strip_prefix("registry+");
        let allowed = registry.is_some_and(|one| self.registries.iter().any(|known| known == one));
        (!allowed)
            .then(|| format!("{name} {version} is from {source}: deny.toml has no such place"))
    }

    fn ban(&self, package: &Package) -> Option<String> {
        let banned = self.banned.iter().find(|banned| banned.is(package))?;
        Some(format!("{} {} is banned: {}", package.name, package.version, banned.reason))
    }

    fn twice(&self, packages: &[Package]) -> Vec<String> {
        let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for package in packages.iter().filter(|one| !self.skipped.iter().any(|skip| skip.is(one))) {
            versions.entry(&package.name).or_default().push(&package.version);
        }
        let twice = versions.into_iter().filter(|(_, versions)| versions.len() > 1);
        twice
            .map(|(name, versions)| format!("{name} is there as {}", versions.join(" and ")))
            .collect()
    }

    fn skipped_for_nothing<'a>(
        &'a self,
        packages: &'a [Package],
    ) -> impl Iterator<Item = String> + 'a {
        let unused = self.skipped.iter().filter(|skip| !packages.iter().any(|one| skip.is(one)));
        unused.map(|skip| format!("deny.toml passes over {}, which nothing needs", skip.name))
    }
}

mod tests {
    use super::{Package, Rules};

    const RULES: &str = r#"
        graph.targets = []
        licenses.allow = ["MIT", "Unicode-3.0"]
        bans.deny = [{ crate = "ring", reason = "a second cryptography" }]
        bans.skip = [{ crate = "syn@2", reason = "build time" }]
        sources.allow-registry = ["https://registry"]
    "#;

    fn package(name: &str, version: &str) -> Package {
        let [name, version, license] = [name, version, "MIT"].map(str::to_owned);
        Package { name, version, license, source: Some("registry+https://registry".to_owned()) }
    }

    /// What is said of these, beside one that is passed over.
    fn said(packages: &[Package]) -> Vec<String> {
        let packages = [packages, &[package("syn", "2.0.1"), package("syn", "3.0.0")]].concat();
        Rules::parse(RULES).breaches(&packages)
    }

    #[test]
    fn a_licence_is_allowed_by_name() {
        let of = |license: &str| {
            said(&[Package { license: license.to_owned(), ..package("one", "1.0.0") }])
        };
        for license in
            ["MIT", "GPL-3.0-only OR MIT", "MIT/Apache-2.0", "(MIT OR Zlib) AND Unicode-3.0"]
        {
            assert_eq!(of(license), Vec::<String>::new(), "{license}");
        }
        for license in
            ["GPL-3.0-only", "MIT AND Zlib", "MIT WITH LLVM-exception", "as you like", ""]
        {
            let refused =
                format!("one 1.0.0: its licence \"{license}\" is none that deny.toml allows");
            assert_eq!(of(license), [refused]);
        }
    }

    #[test]
    fn a_crate_is_from_a_registry_that_is_named() {
        let of = |source: Option<&str>| {
            said(&[Package { source: source.map(str::to_owned), ..package("one", "1.0.0") }])
        };
        assert_eq!(of(None), Vec::<String>::new());
        for source in ["registry+https://other", "git+https://registry"] {
            let refused = format!("one 1.0.0 is from {source}: deny.toml has no such place");
            assert_eq!(of(Some(source)), [refused]);
        }
    }

    #[test]
    fn what_is_banned_is_refused_with_its_reason() {
        let refused = "ring 0.17.1 is banned: a second cryptography";
        assert_eq!(said(&[package("ring", "0.17.1")]), [refused]);
    }

    #[test]
    fn no_crate_is_there_twice_but_those_that_are_named() {
        let twice = [package("nix", "0.30.0"), package("nix", "0.31.0")];
        assert_eq!(said(&twice), ["nix is there as 0.30.0 and 0.31.0"]);
        // The dot counts: version 20 is not version 2.
        assert_eq!(said(&[package("syn", "20.0.0")]), ["syn is there as 20.0.0 and 3.0.0"]);
    }

    #[test]
    fn what_is_passed_over_has_to_be_there() {
        let said = Rules::parse(RULES).breaches(&[package("one", "1.0.0")]);
        assert_eq!(said, ["deny.toml passes over syn@2, which nothing needs"]);
    }
}
