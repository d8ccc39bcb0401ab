//! Versions of Linux, by which trouble is reported.
//!
//! A distribution's kernel may be called after another version than the one that it is
//! made from: Debian's 6.1.0-50 is 6.1.170, and says so in `uname -v`.

use super::Facts;

/// Major number, minor number, patch level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version([u32; 3]);

impl Version {
    pub(super) const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self([major, minor, patch])
    }

    /// What a version begins with, such as 6.12.57 in `6.12.57+deb13-amd64`; a number
    /// that is not there is 0.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text.get(..end)?.split('.');
        let major = numbers.next()?.parse().ok()?;
        let mut next = || numbers.next().map_or(Some(0), |number| number.parse().ok());
        let minor = next()?;
        Some(Self([major, minor, next()?]))
    }

    /// Of the kernel that runs.
    pub(super) fn of_running(facts: &Facts) -> Option<Self> {
        let words = facts.platform.build.split_ascii_whitespace();
        let made_from = words.skip_while(|word| *word != "Debian").nth(1).and_then(Self::parse);
        made_from.or_else(|| Self::parse(&facts.kernel.release))
    }

    /// Of the kernel that would be started.
    pub(super) fn of_target(facts: &Facts) -> Option<Self> {
        Self::parse(facts.target.as_ref()?.release.as_deref()?)
    }

    /// Whether both are of one stable series, such as 6.1.
    pub(super) fn is_same_series(self, other: Self) -> bool {
        self.0[..2] == other.0[..2]
    }
}

/// From one version to another, both counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Versions {
    first: Version,
    last: Version,
}

impl Versions {
    /// `A..B`, or one version. A last one without a patch level means all of its series.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let mut end = Version::parse(last)?;
        if last.split('.').count() < 3 {
            end.0[2] = u32::MAX;
        }
        Some(Self { first: Version::parse(first)?, last: end })
    }

    pub(super) fn contains(self, version: Version) -> bool {
        self.first <= version && version <= self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_what_a_release_begins_with() {
        for (text, version) in [
            ("6.12.57+deb13-amd64", Some(Version::new(6, 12, 57))),
            ("6.1.0-50-cloud-amd64", Some(Version::new(6, 1, 0))),
            ("7.0-rc1", Some(Version::new(7, 0, 0))),
            ("6", Some(Version::new(6, 0, 0))),
            ("6.", None),
            ("next", None),
            ("", None),
            ("99999999999.1", None),
        ] {
            assert_eq!(Version::parse(text), version, "{text}");
        }
    }

    #[test]
    fn a_distributions_own_word_counts_before_its_name() {
        let mut facts = Facts::default();
        facts.kernel.release = "6.1.0-50-amd64".to_owned();
        assert_eq!(Version::of_running(&facts), Some(Version::new(6, 1, 0)));
        facts.platform.build = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-1 (2026-05-01)".to_owned();
        assert_eq!(Version::of_running(&facts), Some(Version::new(6, 1, 170)));
        facts.platform.build = "#1 SMP Debian".to_owned();
        assert_eq!(Version::of_running(&facts), Some(Version::new(6, 1, 0)));
    }

    #[test]
    fn both_ends_of_a_range_are_in_it() {
        let range = Versions::parse("6.12.53..6.12.57").unwrap();
        let of = |patch| range.contains(Version::new(6, 12, patch));
        assert_eq!([52, 53, 57, 58].map(of), [false, true, true, false]);
        let series = Versions::parse("0..5.6").unwrap();
        assert!(series.contains(Version::new(5, 6, 19)) && !series.contains(Version::new(5, 7, 0)));
        assert!(Versions::parse("6.12.57").unwrap().contains(Version::new(6, 12, 57)));
        assert_eq!(Versions::parse("x..6.1"), None);
    }
}
