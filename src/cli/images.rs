//! The kernels that are loaded, as `status` shows them: what was written down of each
//! when it was loaded, for as long as the running kernel says that one is.
//!
//! The running kernel does not tell what it has loaded. A record of this very start is
//! believed while something is loaded; that another program has put something else there
//! since, nobody can see (docs/cli.md, "status").

use crate::base::json::Object;
use crate::base::text::printable;
use crate::host::date::utc;
use crate::host::record::{File, Loaded};
use crate::plan::Slot;
use crate::sys::{self, kexec, records};

/// One of the two places.
pub(super) enum Image {
    /// Nothing is loaded.
    None,
    /// Something is, and this is why nothing is known of it.
    Unknown(String),
    /// This is.
    Known(Box<Loaded>),
}

/// A line about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) value: String,
}

impl Image {
    pub(super) fn read(slot: Slot) -> Self {
        match kexec::is_loaded(slot) {
            Some(true) if sys::is_root() => Self::of(records::loaded(slot)),
            Some(true) => Self::Unknown("only root can read what was written down".to_owned()),
            _ => Self::None,
        }
    }

    fn of(record: Result<Option<Loaded>, sys::Error>) -> Self {
        match record {
            Ok(Some(loaded)) => Self::Known(Box::new(loaded)),
            Ok(None) => Self::Unknown(
                "something is loaded, and not by Turnout: nothing is known of it".to_owned(),
            ),
            Err(error) => Self::Unknown(format!("what was written down is no record: {error}")),
        }
    }

    /// Lines for people.
    pub(super) fn lines(&self, slot: Slot) -> Vec<Line> {
        let name = match slot {
            Slot::Normal => "next kernel",
            Slot::Crash => "crash kernel",
        };
        match self {
            Self::None => Vec::new(),
            Self::Unknown(why) => vec![Line { name, value: printable(why).into_owned() }],
            Self::Known(loaded) => lines(name, loaded),
        }
    }

    /// An object, or null where nothing is loaded.
    pub(super) fn write_json(&self, name: &str, out: &mut Object<'_>) {
        match self {
            Self::None => out.null(name),
            Self::Unknown(why) => out.object(name, |out| {
                out.flag("known", false);
                out.text("why", why);
            }),
            Self::Known(loaded) => out.object(name, |out| write(loaded, out)),
        }
    }
}

fn lines(name: &'static str, loaded: &Loaded) -> Vec<Line> {
    let release = loaded.release.as_ref().map(|release| format!(", {release}"));
    let kernel = in_words(&loaded.kernel) + &release.unwrap_or_default();
    let files = loaded.initrds.iter().map(|initrd| of("  initrd", in_words(initrd)));
    let devicetree = loaded.devicetree.iter().map(|file| of("  device tree", in_words(file)));
    core::iter::once(of(name, kernel))
        .chain(files)
        .chain(devicetree)
        .chain([of("  options", format!("\"{}\"", loaded.cmdline))])
        .chain(loaded.entry.iter().map(|entry| of("  entry", entry.clone())))
        .chain([of("  signed by", loaded.trust_in_words())])
        .chain([of("  loaded", loading(loaded))])
        .collect()
}

fn of(name: &'static str, value: String) -> Line {
    Line { name, value: printable(&value).into_owned() }
}

fn in_words(file: &File) -> String {
    format!("{} ({} bytes, sha256:{})", file.path, file.size, file.digest)
}

fn loading(loaded: &Loaded) -> String {
    let Loaded { user, by, engine, when, .. } = loaded;
    format!("{}, by {user}, with \"{}\", by {engine}", utc(*when), by.command())
}

fn write(loaded: &Loaded, out: &mut Object<'_>) {
    out.flag("known", true);
    out.maybe_text("entry", loaded.entry.as_deref());
    out.maybe_text("release", loaded.release.as_deref());
    out.object("kernel", |out| write_file(&loaded.kernel, out));
    out.array("initrds", |list| {
        loaded.initrds.iter().for_each(|initrd| list.object(|out| write_file(initrd, out)));
    });
    match &loaded.devicetree {
        Some(file) => out.object("devicetree", |out| write_file(file, out)),
        None => out.null("devicetree"),
    }
    out.text("cmdline", &loaded.cmdline);
    out.maybe_text("token", loaded.token.as_deref());
    out.text("trust", &loaded.trust_in_words());
    out.text("engine", loaded.engine.name());
    out.text("by", loaded.by.name());
    out.text("user", &loaded.user);
    out.number("when", loaded.when);
}

fn write_file(file: &File, out: &mut Object<'_>) {
    out.text("path", &file.path);
    out.number("size", file.size);
    out.text("sha256", &file.digest.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;
    use crate::base::json;
    use crate::host::record::By;
    use crate::plan::Engine;
    use serde_json::json;
    use std::io;

    fn loaded() -> Loaded {
        let file = |path: &str| File { path: path.to_owned(), size: 7, digest: Digest([0xab; 32]) };
        Loaded {
            slot: Slot::Normal,
            by: By::Boot,
            user: "alice by sudo".to_owned(),
            when: 0,
            boot_id: "b".to_owned(),
            entry: Some("debian".to_owned()),
            release: Some("6.12".to_owned()),
            trust: "ops".to_owned(),
            remark: None,
            engine: Engine::Segments,
            kernel: file("/k"),
            initrds: vec![file("/i")],
            devicetree: None,
            cmdline: "root=\u{1b}[2J".to_owned(),
            token: None,
        }
    }

    fn text(image: &Image, slot: Slot) -> String {
        let lines = image.lines(slot).into_iter();
        lines.map(|Line { name, value }| format!("{name}: {value}\n")).collect()
    }

    fn in_json(image: &Image) -> serde_json::Value {
        let text = json::object(|out| image.write_json("loaded_image", out));
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_is_loaded_is_shown_with_who_loaded_it() {
        let digest = "ab".repeat(32);
        let image = Image::of(Ok(Some(loaded())));
        let expected = format!(
            "next kernel: /k (7 bytes, sha256:{digest}), 6.12\n  initrd: /i (7 bytes, \
             sha256:{digest})\n  options: \"root=\\u{{1b}}[2J\"\n  entry: debian\n  signed by: ops\n  \
             loaded: 1970-01-01 00:00:00 UTC, by alice by sudo, with \"turnout boot\", by \
             kexec_load\n"
        );
        assert_eq!(text(&image, Slot::Normal), expected);
        let whole = in_json(&image);
        let file = |path: &str| json!({"path": path, "size": 7, "sha256": digest});
        assert_eq!(whole["loaded_image"]["kernel"], file("/k"));
        assert_eq!(whole["loaded_image"]["initrds"], json!([file("/i")]));
        assert_eq!(whole["loaded_image"]["known"], true);
        assert_eq!(whole["loaded_image"]["by"], "boot");
    }

    #[test]
    fn what_nobody_wrote_down_is_not_guessed() {
        let unknown = Image::of(Ok(None));
        let said = "something is loaded, and not by Turnout: nothing is known of it";
        assert_eq!(text(&unknown, Slot::Crash), format!("crash kernel: {said}\n"));
        assert_eq!(in_json(&unknown), json!({"loaded_image": {"known": false, "why": said}}));
        let error = sys::Error::new("/run/turnout/loaded", io::Error::other("line 2: odd"));
        let said = text(&Image::of(Err(error)), Slot::Normal);
        let expected = "next kernel: what was written down is no record: /run/turnout/loaded: ";
        assert!(said.starts_with(expected), "{said}");
    }

    #[test]
    fn nothing_is_said_where_nothing_is_loaded() {
        assert_eq!(text(&Image::None, Slot::Normal), "");
        assert_eq!(in_json(&Image::None), json!({"loaded_image": null}));
    }
}
