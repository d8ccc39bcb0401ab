//! Which of two kernels is the newer one, by what they call themselves (`uname -r`).
//!
//! A release ends with its flavour, such as `cloud-amd64` or `lts`. Each flavour counts
//! its builds for itself, so of two flavours only what both are made from is compared.

use core::cmp::Ordering;

use crate::menu::Entry;
use crate::menu::text::version::compare;

/// Whether a kernel is newer than another.
#[must_use]
pub fn is_newer(release: &str, than: &str) -> bool {
    let order = match flavour(release) == flavour(than) {
        true => compare(release, than),
        false => compare(upstream(release), upstream(than)),
    };
    order == Ordering::Greater
}

/// The newest of those that are newer than the one that would be started.
#[must_use]
pub fn newest<'a>(installed: &'a [String], started: &str) -> Option<&'a str> {
    let newer = installed.iter().map(String::as_str).filter(|one| is_newer(one, started));
    newer.max_by(|one, other| compare(one, other))
}

/// The kernel that an entry is called after: by its file's name or folder, by its id, or
/// by what it says of itself. The longest name, as one may be the end of another.
#[must_use]
pub fn of_entry<'a>(entry: &Entry, installed: &'a [String]) -> Option<&'a str> {
    let called = installed.iter().map(String::as_str).filter(|one| is_called(entry, one));
    called.max_by_key(|one| one.len())
}

fn is_called(entry: &Entry, release: &str) -> bool {
    let path = entry.kernel().unwrap_or_default();
    let path = path.strip_suffix(".efi").unwrap_or(path);
    let names = path.split('/').chain([entry.id.as_str()]).chain(entry.version.as_deref());
    names.into_iter().any(|name| ends_with(name, release))
}

/// Whether a name is a release, or ends with a dash and the release.
fn ends_with(name: &str, release: &str) -> bool {
    let before = name.strip_suffix(release);
    before.is_some_and(|before| before.is_empty() || before.ends_with('-'))
}

/// What stands behind the last number between dashes; with Fedora's kernels behind the
/// architecture.
fn flavour(release: &str) -> &str {
    if let Some((before, flavour)) = release.rsplit_once('+')
        && (before.ends_with(".x86_64") || before.ends_with(".aarch64"))
    {
        return flavour;
    }
    let mut flavour = "";
    for (at, _) in release.match_indices('-') {
        let behind = release.get(at.saturating_add(1)..).unwrap_or_default();
        match behind.starts_with(|c: char| c.is_ascii_digit()) {
            true => flavour = "",
            false if flavour.is_empty() => flavour = behind,
            false => {}
        }
    }
    flavour
}

/// The numbers that it begins with.
fn upstream(release: &str) -> &str {
    let end = release.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(release.len());
    release.get(..end).unwrap_or_default().trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flavour_is_what_a_release_ends_with() {
        for (release, expected) in [
            ("6.1.0-50-cloud-amd64", "cloud-amd64"),
            ("6.12.90+deb13-amd64", "amd64"),
            ("6.12.90+deb13+1-rt-amd64", "rt-amd64"),
            ("6.1.0-0.deb11.21-amd64", "amd64"),
            ("6.8.0-45-generic", "generic"),
            ("6.10.10-arch1-1", ""),
            ("6.6.50-1-lts", "lts"),
            ("6.11.4-301.fc41.x86_64", ""),
            ("6.11.4-301.fc41.x86_64+debug", "debug"),
            ("6.12.0", ""),
            ("", ""),
            ("-", ""),
        ] {
            assert_eq!(flavour(release), expected, "{release}");
        }
    }

    #[test]
    fn builds_are_compared_within_a_flavour_and_across_only_what_they_are_made_from() {
        for (release, than, expected) in [
            ("6.1.0-50-amd64", "6.1.0-9-amd64", true),
            ("6.1.0-9-amd64", "6.1.0-50-amd64", false),
            ("6.12.90+deb13-amd64", "6.12.9+deb13-amd64", true),
            ("6.12.90+deb13+1-amd64", "6.12.90+deb13-amd64", true),
            ("6.12.90+deb13-amd64", "6.12.90+deb13-amd64", false),
            ("6.1.0-50-cloud-amd64", "6.1.0-49-amd64", false),
            ("6.12.90+deb13-cloud-amd64", "6.1.0-50-amd64", true),
            ("6.8.0-1018-aws", "6.8.0-45-generic", false),
            ("6.11.4-301.fc41.x86_64+debug", "6.11.4-301.fc41.x86_64", false),
            ("6.11.5-300.fc41.x86_64", "6.11.4-301.fc41.x86_64", true),
            ("6.10.10-arch1-2", "6.10.10-arch1-1", true),
        ] {
            assert_eq!(is_newer(release, than), expected, "{release} than {than}");
        }
    }

    #[test]
    fn an_entry_is_called_after_the_kernel_whose_whole_name_it_has() {
        let installed = ["6.1.0-50-amd64", "50-amd64", "6.12.90+deb13-amd64"].map(str::to_owned);
        let of = |entry: &Entry| of_entry(entry, &installed).map(str::to_owned);
        let linux = |path: &str| Entry { linux: Some(path.to_owned()), ..Entry::default() };
        assert_eq!(of(&linux("/boot/vmlinuz-6.1.0-50-amd64")).as_deref(), Some("6.1.0-50-amd64"));
        assert_eq!(of(&linux("/mid/6.1.0-50-amd64/linux")).as_deref(), Some("6.1.0-50-amd64"));
        assert_eq!(of(&linux("/vmlinuz-6.1.0-50-amd64.old")), None);
        assert_eq!(of(&linux("/vmlinuz")), None);
        let uki = Some("/EFI/Linux/mid-6.12.90+deb13-amd64.efi".to_owned());
        let named = of(&Entry { uki, ..Entry::default() });
        assert_eq!(named.as_deref(), Some("6.12.90+deb13-amd64"));
        let version = Some("6.12.90+deb13-amd64".to_owned());
        assert!(of(&Entry { version, ..linux("/vmlinuz") }).is_some());
    }

    #[test]
    fn the_newest_is_looked_for_among_newer_ones_only() {
        let installed = ["6.1.0-9-amd64", "6.1.0-50-amd64", "6.1.0-10-amd64"].map(str::to_owned);
        assert_eq!(newest(&installed, "6.1.0-9-amd64"), Some("6.1.0-50-amd64"));
        assert_eq!(newest(&installed, "6.1.0-50-amd64"), None);
    }
}
