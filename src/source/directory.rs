//! Directories that stand for devices, as a command line names them. Nothing is opened
//! here.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::base::text::quoted;
use crate::menu::Identity;

/// A directory that stands for a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// What the device is called and known by; without a name for one that was given
    /// none.
    pub identity: Identity,
    /// Where it is.
    pub path: PathBuf,
}

/// Takes one more `--root`: `DIR` or `NAME=DIR[,uuid=U][,label=L][,partlabel=P]`.
///
/// # Errors
/// A sentence about what is wrong with it.
pub fn add(all: &mut Vec<Directory>, value: &OsStr) -> Result<(), String> {
    let directory = Directory::parse(value)?;
    if !all.is_empty() && directory.identity.name.is_empty() {
        let value = quoted(&value.to_string_lossy());
        return Err(format!("a second root needs a name: --root NAME=DIR, not {value}"));
    }
    let name = directory.identity.name();
    if all.iter().any(|other| other.identity.name() == name) {
        return Err(format!("two roots are called {}", quoted(name)));
    }
    all.push(directory);
    Ok(())
}

impl Directory {
    /// A path with a slash before the first equals sign is no name.
    fn parse(value: &OsStr) -> Result<Self, String> {
        let named = value.to_str().and_then(|value| value.split_once('='));
        let Some((name, rest)) = named.filter(|(name, _)| is_name(name)) else {
            return Ok(Self { path: value.into(), ..Self::default() });
        };
        let mut parts = rest.split(',');
        let path = PathBuf::from(parts.next().unwrap_or_default());
        let identity = Identity { name: name.to_owned(), ..Identity::default() };
        let mut directory = Self { identity, path };
        parts.try_for_each(|part| directory.identify(part))?;
        Ok(directory)
    }

    fn identify(&mut self, part: &str) -> Result<(), String> {
        let (key, value) = part.split_once('=').unwrap_or_default();
        let identity = &mut self.identity;
        let place = match key {
            "uuid" => &mut identity.uuid,
            "label" => &mut identity.label,
            "partlabel" => &mut identity.partlabel,
            _ => {
                let name = &identity.name;
                let part = quoted(part);
                return Err(format!(
                    "--root {name}=DIR takes uuid=U, label=L and partlabel=P, not {part}"
                ));
            }
        };
        *place = Some(value.to_owned());
        Ok(())
    }

    /// What its menus know it by: what was said of it, and if nothing was, what is
    /// mounted there.
    #[must_use]
    pub fn known(&self, mounted: Identity) -> Identity {
        let Identity { name, uuid, label, partlabel, .. } = &self.identity;
        if uuid.is_some() || label.is_some() || partlabel.is_some() {
            return self.identity.clone();
        }
        Identity { name: name.clone(), ..mounted }
    }

    /// The directory and how its partition is called.
    #[must_use]
    pub fn place(&self) -> String {
        let Identity { name, uuid, label, partlabel, .. } = &self.identity;
        let known = [
            Some(name.clone()).filter(|name| !name.is_empty()),
            uuid.as_ref().map(|uuid| format!("UUID={uuid}")),
            label.as_ref().map(|label| format!("LABEL={label}")),
            partlabel.as_ref().map(|label| format!("PARTLABEL={label}")),
        ];
        let known: Vec<_> = known.into_iter().flatten().collect();
        let path = self.path.display();
        if known.is_empty() { path.to_string() } else { format!("{path} ({})", known.join(", ")) }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(values: &[&str]) -> Result<Vec<Directory>, String> {
        let mut all = Vec::new();
        values.iter().try_for_each(|value| add(&mut all, OsStr::new(value)))?;
        Ok(all)
    }

    #[test]
    fn a_root_is_a_directory_with_or_without_a_name() {
        let plain = |path: &str| Directory { path: path.into(), ..Directory::default() };
        for path in ["/mnt", "./a=b", "=x"] {
            assert_eq!(roots(&[path]), Ok(vec![plain(path)]));
        }
        let all = roots(&["first=/mnt,uuid=1-2,label=L", "sdb1=/x,partlabel=P"]).unwrap();
        let places: Vec<_> = all.iter().map(Directory::place).collect();
        assert_eq!(places, ["/mnt (first, UUID=1-2, LABEL=L)", "/x (sdb1, PARTLABEL=P)"]);
        assert!(all[0].identity.is_called("UUID=1-2") && all[1].identity.is_called("sdb1"));
    }

    #[test]
    fn a_directory_is_known_by_what_is_mounted_there_unless_somebody_says_what() {
        let uuid = |uuid: &str| Some(uuid.to_owned());
        let mounted =
            Identity { name: "sda2".to_owned(), uuid: uuid("5d2f"), ..Identity::default() };
        let known = |root| roots(&[root]).unwrap()[0].known(mounted.clone());
        assert_eq!((known("/a").name(), known("/a").uuid), ("main", uuid("5d2f")));
        assert_eq!((known("n=/a").name(), known("n=/a").uuid), ("n", uuid("5d2f")));
        assert_eq!(known("n=/a,uuid=1").uuid, uuid("1"));
        assert_eq!(known("n=/a,label=L").uuid, None);
    }

    #[test]
    fn two_roots_are_told_apart() {
        for (values, expected) in [
            (["n=a", "b"], "a second root needs a name: --root NAME=DIR, not \"b\""),
            (["n=a", "n=b"], "two roots are called \"n\""),
            // What the first one is called where it was given no name.
            (["a", "main=b"], "two roots are called \"main\""),
            (
                ["a", "n=b,size=4"],
                "--root n=DIR takes uuid=U, label=L and partlabel=P, not \"size=4\"",
            ),
        ] {
            assert_eq!(roots(&values), Err(expected.to_owned()));
        }
    }
}
