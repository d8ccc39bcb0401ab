//! Which volumes and which menu a command is about, as somebody typed it.
//! Nothing is opened here: `super::volumes` does.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::base::text::quoted;
use crate::menu::Format;
use crate::source::directory::{self, Directory};

/// What is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) location: Location,
    /// The only menu file that counts, as a path on the first volume.
    pub(super) config: Option<String>,
    /// Its format, where its name does not tell.
    pub(super) format: Option<Format>,
}

/// Where the volumes are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Location {
    /// This machine's.
    #[default]
    Here,
    /// Directories that stand for volumes, the main one first; never empty.
    Directories(Vec<Directory>),
    /// A block device.
    Device(PathBuf),
}

impl Source {
    /// Takes one option over: `root`, `device`, `config` or `format`.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub(super) fn take(&mut self, name: &str, value: &OsStr) -> Result<(), String> {
        match name {
            "root" => self.add_root(value),
            "device" if self.location == Location::Here => {
                self.location = Location::Device(value.into());
                Ok(())
            }
            "device" => Err("only one of --root and --device, and --device once".to_owned()),
            "config" => set(&mut self.config, name, text(value)?.to_owned()),
            _ => set(&mut self.format, name, format(text(value)?)?),
        }
    }

    fn add_root(&mut self, value: &OsStr) -> Result<(), String> {
        match &mut self.location {
            Location::Device(_) => Err("only one of --root and --device".to_owned()),
            Location::Directories(all) => directory::add(all, value),
            Location::Here => {
                let mut all = Vec::new();
                directory::add(&mut all, value)?;
                self.location = Location::Directories(all);
                Ok(())
            }
        }
    }

    /// What only the whole command line tells.
    ///
    /// # Errors
    /// A sentence about what is missing.
    pub(super) fn check(&self) -> Result<(), String> {
        match (&self.format, &self.config) {
            (Some(format), None) => Err(format!(
                "--format {} says how to read a file, and --config names none",
                format.name()
            )),
            _ => Ok(()),
        }
    }
}

fn set<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), String> {
    match place.replace(value) {
        Some(_) => Err(format!("--{name} is there twice")),
        None => Ok(()),
    }
}

fn text(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| format!("{} is not UTF-8", quoted(&value.to_string_lossy())))
}

fn format(name: &str) -> Result<Format, String> {
    Format::named(name).ok_or_else(|| {
        let all: Vec<_> = Format::all().map(Format::name).collect();
        format!("there is no format {}; there is {}", quoted(name), all.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(options: &[(&str, &str)]) -> Result<Source, String> {
        let mut source = Source::default();
        let mut take = |(name, value): &(&str, &str)| source.take(name, OsStr::new(value));
        options.iter().try_for_each(&mut take)?;
        source.check().map(|()| source)
    }

    #[test]
    fn a_format_has_its_names() {
        let of = |name| source(&[("config", "/x"), ("format", name)]).unwrap().format;
        for (name, format) in [
            ("bls", "bls"),
            ("uki", "uki"),
            ("extlinux", "extlinux"),
            ("syslinux", "extlinux"),
            ("pxelinux", "extlinux"),
            ("native", "native"),
            ("kboot", "kboot"),
        ] {
            assert_eq!(of(name).map(Format::name), Some(format), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_value() {
        let cases: [(&[(&str, &str)], &str); 8] = [
            (
                &[("root", "a"), ("root", "b")],
                "a second root needs a name: --root NAME=DIR, not \"b\"",
            ),
            (&[("root", "n=a"), ("root", "n=b")], "two roots are called \"n\""),
            (
                &[("root", "n=a,size=4")],
                "--root n=DIR takes uuid=U, label=L and partlabel=P, not \"size=4\"",
            ),
            (&[("device", "a"), ("root", "b")], "only one of --root and --device"),
            (
                &[("root", "b"), ("device", "a")],
                "only one of --root and --device, and --device once",
            ),
            (&[("config", "/a"), ("config", "/b")], "--config is there twice"),
            (&[("format", "bls")], "--format bls says how to read a file, and --config names none"),
            (
                &[("config", "/a"), ("format", "lilo")],
                "there is no format \"lilo\"; there is bls, uki, extlinux, grub, native, kboot",
            ),
        ];
        for (options, expected) in cases {
            assert_eq!(source(options).unwrap_err(), expected);
        }
    }
}
