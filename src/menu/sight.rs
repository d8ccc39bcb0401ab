//! Which devices the readers of one device's menus see: their own, and others that a
//! menu may name (GRUB's scripts do, by UUID, label, a file or a name).
//!
//! A file on another device is written `(name)/path`: no other format can make such a
//! path, for the paths of all others begin with `/`. What is read of another device
//! for a menu is paid for by the device that has the menu: no device ever draws on the
//! budget of another one.

use super::files::Files;

/// What the device of a menu is called where nobody has named it.
pub const MAIN: &str = "main";

/// What a device is called and known by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// As Linux calls it, in GRUB's form: `vda,gpt2` for `/dev/vda2`; on the command
    /// line the name that somebody gave it. Empty for none.
    pub name: String,
    /// The UUID of its file system.
    pub uuid: Option<String>,
    /// The label of its file system; outside text.
    pub label: Option<String>,
    /// The UUID of the partition.
    pub partuuid: Option<String>,
    /// The name of the partition; outside text.
    pub partlabel: Option<String>,
    /// Linux's name of its file system, such as `ext4`.
    pub file_system: Option<&'static str>,
    /// As GRUB calls the array that it mirrors (`mduuid/` and 32 digits), if it does.
    pub array: Option<String>,
}

impl Identity {
    /// What scripts call it.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.name.is_empty() { MAIN } else { &self.name }
    }

    /// A property; none of files.
    #[must_use]
    pub fn property(&self, by: By) -> Option<&str> {
        match by {
            By::Name => Some(self.name()),
            By::Uuid => self.uuid.as_deref(),
            By::Label => self.label.as_deref(),
            By::PartUuid => self.partuuid.as_deref(),
            By::PartLabel => self.partlabel.as_deref(),
            By::File => None,
        }
    }

    /// Whether it is what is looked for: case does not count in a UUID.
    #[must_use]
    pub fn is(&self, by: By, value: &str) -> bool {
        let own = self.property(by);
        match by {
            By::Uuid | By::PartUuid => own.is_some_and(|own| own.eq_ignore_ascii_case(value)),
            By::Name | By::Label | By::PartLabel => own == Some(value),
            By::File => false,
        }
    }

    /// Whether somebody means it by `name`, as scripts write it in parentheses: its
    /// name or its array's, the UUID of its file system, or `UUID=...` and `LABEL=...`.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        match name.split_once('=') {
            Some(("UUID", uuid)) => self.is(By::Uuid, uuid),
            Some(("LABEL", label)) => self.is(By::Label, label),
            _ => {
                let is_array = self.array.as_deref() == Some(name);
                is_array || self.is(By::Name, name) || self.is(By::Uuid, name)
            }
        }
    }
}

/// By what a device is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// What it is called, or its UUID ([`Identity::is_called`]).
    Name,
    /// A file that it has.
    File,
    /// The UUID of its file system.
    Uuid,
    /// The label of its file system.
    Label,
    /// The UUID of the partition.
    PartUuid,
    /// The name of the partition.
    PartLabel,
}

/// A device that a menu has looked for and that was not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missed {
    /// By what it was looked for.
    pub by: By,
    /// The value.
    pub value: String,
}

impl Missed {
    /// Whether the device of this identity is the one, whatever files it has.
    #[must_use]
    pub fn is_meant(&self, identity: &Identity) -> bool {
        match self.by {
            By::Name => identity.is_called(&self.value),
            by => identity.is(by, &self.value),
        }
    }
}

/// A device beside the one whose menu is read.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "its files are a trait object")]
pub struct Device<'a> {
    /// What it is called and known by.
    pub identity: &'a Identity,
    /// Its files.
    pub files: &'a dyn Files,
}

/// What is seen.
#[derive(Clone, Copy, Default)]
#[expect(missing_debug_implementations, reason = "the files of devices are trait objects")]
pub struct Sight<'a> {
    /// The device whose menus are read; none where nothing is known of it.
    pub home: Option<&'a Identity>,
    /// All others.
    pub others: &'a [Device<'a>],
    /// Whether the firmware is a PC's BIOS and not EFI.
    pub is_bios: bool,
    /// Whether one file alone counts, and no menu of another device is read by itself.
    pub is_one_file: bool,
}

impl<'a> Sight<'a> {
    /// Only the device itself.
    #[must_use]
    pub const fn alone(home: &'a Identity) -> Self {
        Self { home: Some(home), others: &[], is_bios: false, is_one_file: false }
    }

    /// The other device that is called so.
    #[must_use]
    pub fn other(&self, name: &str) -> Option<&'a Device<'a>> {
        self.others.iter().find(|device| device.identity.name() == name)
    }
}

/// The name of a device and the path on it, where a path is `(name)/path`.
#[must_use]
pub fn split(path: &str) -> Option<(&str, &str)> {
    let end = path.starts_with('(').then(|| path.find(")/"))??;
    Some((path.get(1..end)?, path.get(end.saturating_add(1)..)?))
}

/// The path on its own device, whichever that is.
#[must_use]
pub fn on_device(path: &str) -> &str {
    split(path).map_or(path, |(_, path)| path)
}

/// A path beside a file: on the device that the file is on.
#[must_use]
pub fn beside(file: &str, path: &str) -> String {
    split(file).map_or_else(|| path.to_owned(), |(name, _)| join(name, path))
}

/// `(name)/path`.
#[must_use]
pub fn join(name: &str, path: &str) -> String {
    ["(", name, ")", path].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            name: "vda,gpt2".to_owned(),
            uuid: Some("5d2f-AB".to_owned()),
            label: Some("root".to_owned()),
            partuuid: Some("abcd-02".to_owned()),
            partlabel: Some("my root".to_owned()),
            file_system: Some("ext4"),
            array: None,
        }
    }

    #[test]
    fn a_device_is_known_by_all_that_it_has() {
        let one = identity();
        for (by, value, expected) in [
            (By::Name, "vda,gpt2", true),
            (By::Name, "VDA,gpt2", false),
            (By::Uuid, "5D2F-ab", true),
            (By::Uuid, "5D2F", false),
            (By::Label, "root", true),
            (By::Label, "Root", false),
            (By::PartUuid, "ABCD-02", true),
            (By::PartLabel, "my root", true),
            (By::File, "", false),
        ] {
            assert_eq!(one.is(by, value), expected, "{by:?} {value}");
        }
        for (name, expected) in [
            ("vda,gpt2", true),
            ("5d2f-ab", true),
            ("UUID=5D2F-AB", true),
            ("LABEL=root", true),
            ("LABEL=vda,gpt2", false),
            ("root", false),
            ("hd0,gpt2", false),
            ("", false),
        ] {
            assert_eq!(one.is_called(name), expected, "{name}");
        }
        assert!(!Identity::default().is_called("") && Identity::default().is_called(MAIN));
        assert!(!Identity::default().is(By::Uuid, ""));
    }

    #[test]
    fn a_path_on_another_device_has_its_name_before_it() {
        assert_eq!(join("vda,gpt2", "/a"), "(vda,gpt2)/a");
        assert_eq!(split("(vda,gpt2)/a/(b)/c"), Some(("vda,gpt2", "/a/(b)/c")));
        assert_eq!(split("(a)b)/c"), Some(("a)b", "/c")), "a name has no slash");
        for path in ["/(a)/b", "/a", "", "(a", "(a)", "(a)b"] {
            assert_eq!((split(path), on_device(path)), (None, path));
        }
        assert_eq!(on_device("(a)/b"), "/b");
        assert_eq!((beside("/x", "/b"), beside("(a)/x", "/b")), ("/b".into(), "(a)/b".into()));
    }

    #[test]
    fn what_was_missed_is_the_device_that_it_means() {
        let identity = identity();
        for (by, value, expected) in [
            (By::File, "/boot/flag", false),
            (By::Name, "UUID=5d2f-ab", true),
            (By::Uuid, "5d2f-ab", true),
            (By::Uuid, "5d2f-ac", false),
            (By::Label, "root", true),
        ] {
            let missed = Missed { by, value: value.to_owned() };
            assert_eq!(missed.is_meant(&identity), expected, "{missed:?}");
        }
    }
}
