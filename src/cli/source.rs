//! Which volumes and which menu a command is about, as somebody typed it.
//! Nothing is opened here: `super::volumes` does.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::base::text::quoted;
use crate::menu::{Format, Identity};

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

/// A directory that stands for a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Directory {
    /// What paths on it are told by; empty for one that was given no name.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) uuid: Option<String>,
    pub(super) label: Option<String>,
    pub(super) partlabel: Option<String>,
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
        let directory = Directory::parse(value)?;
        match &mut self.location {
            Location::Here => self.location = Location::Directories(vec![directory]),
            Location::Device(_) => return Err("only one of --root and --device".to_owned()),
            Location::Directories(all) => {
                if directory.name.is_empty() {
                    let value = quoted(&value.to_string_lossy());
                    return Err(format!(
                        "a second root needs a name: --root NAME=DIR, not {value}"
                    ));
                }
                if all.iter().any(|other| other.identity().name() == directory.name) {
                    return Err(format!("two roots are called {}", quoted(&directory.name)));
                }
                all.push(directory);
            }
        }
        Ok(())
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

impl Directory {
    /// `DIR`, or `NAME=DIR[,uuid=U][,label=L][,partlabel=P]`. A path with a slash
    /// before the first equals sign is no name.
    fn parse(value: &OsStr) -> Result<Self, String> {
        let named = value.to_str().and_then(|value| value.split_once('='));
        let Some((name, rest)) = named.filter(|(name, _)| is_name(name)) else {
            return Ok(Self { path: value.into(), ..Self::default() });
        };
        let mut parts = rest.split(',');
        let path = PathBuf::from(parts.next().unwrap_or_default());
        let mut directory = Self { name: name.to_owned(), path, ..Self::default() };
        parts.try_for_each(|part| directory.identify(part))?;
        Ok(directory)
    }

    fn identify(&mut self, part: &str) -> Result<(), String> {
        let (key, value) = part.split_once('=').unwrap_or_default();
        let place = match key {
            "uuid" => &mut self.uuid,
            "label" => &mut self.label,
            "partlabel" => &mut self.partlabel,
            _ => {
                let name = &self.name;
                let part = quoted(part);
                return Err(format!(
                    "--root {name}=DIR takes uuid=U, label=L and partlabel=P, not {part}"
                ));
            }
        };
        *place = Some(value.to_owned());
        Ok(())
    }

    /// What menus may call its partition and know it by.
    pub(super) fn identity(&self) -> Identity {
        Identity {
            name: self.name.clone(),
            uuid: self.uuid.clone(),
            label: self.label.clone(),
            partlabel: self.partlabel.clone(),
            ..Identity::default()
        }
    }

    /// The directory and how its partition is called.
    pub(super) fn place(&self) -> String {
        let known = [
            Some(self.name.clone()).filter(|name| !name.is_empty()),
            self.uuid.as_ref().map(|uuid| format!("UUID={uuid}")),
            self.label.as_ref().map(|label| format!("LABEL={label}")),
            self.partlabel.as_ref().map(|label| format!("PARTLABEL={label}")),
        ];
        let known: Vec<_> = known.into_iter().flatten().collect();
        let path = self.path.display();
        if known.is_empty() { path.to_string() } else { format!("{path} ({})", known.join(", ")) }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/')
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

    fn roots(values: &[&str]) -> Vec<Directory> {
        let options: Vec<_> = values.iter().map(|value| ("root", *value)).collect();
        match source(&options).unwrap().location {
            Location::Directories(all) => all,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_root_is_a_directory_with_or_without_a_name() {
        let plain = |path: &str| Directory { path: path.into(), ..Directory::default() };
        assert_eq!(roots(&["/mnt"]), [plain("/mnt")]);
        assert_eq!(roots(&["./a=b"]), [plain("./a=b")]);
        assert_eq!(roots(&["=x"]), [plain("=x")]);
        let main = Directory {
            name: "main".to_owned(),
            uuid: Some("1-2".to_owned()),
            label: Some("L".to_owned()),
            ..plain("/mnt")
        };
        let other =
            Directory { name: "sdb1".to_owned(), partlabel: Some("P".to_owned()), ..plain("/x") };
        assert_eq!(roots(&["main=/mnt,uuid=1-2,label=L", "sdb1=/x,partlabel=P"]), [main, other]);
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
