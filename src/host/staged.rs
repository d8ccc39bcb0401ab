//! Whether what was loaded earlier is what would be loaded today.

use crate::base::digest::Digest;
use crate::host::record::Loaded;

/// All that decides what is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes {
    /// Id of the entry.
    pub entry: Option<String>,
    /// Who signed it.
    pub trust: String,
    /// Of the kernel.
    pub kernel: Digest,
    /// In order.
    pub initrds: Vec<Digest>,
    /// Of its own.
    pub devicetree: Option<Digest>,
    /// With slots filled in.
    pub cmdline: String,
    /// The token in it, which is another one each time.
    pub token: Option<String>,
    /// Whether that is all that there is of it.
    pub is_whole: bool,
}

impl Bytes {
    /// As they were written down.
    #[must_use]
    pub fn of(loaded: &Loaded) -> Self {
        Self {
            entry: loaded.entry.clone(),
            trust: loaded.trust.clone(),
            kernel: loaded.kernel.digest,
            initrds: loaded.initrds.iter().map(|initrd| initrd.digest).collect(),
            devicetree: loaded.devicetree.as_ref().map(|file| file.digest),
            cmdline: loaded.cmdline.clone(),
            token: loaded.token.clone(),
            is_whole: true,
        }
    }

    /// What is not the same now, but for the token; none where everything is.
    #[must_use]
    pub fn difference(&self, now: &Self) -> Option<&'static str> {
        let same = [
            ("it is another entry", self.entry == now.entry),
            ("its kernel has changed", self.kernel == now.kernel),
            ("its initrd has changed", self.initrds == now.initrds),
            ("its device tree has changed", self.devicetree == now.devicetree),
            ("it has overlays or addons", self.is_whole && now.is_whole),
            ("its command line has changed", self.words() == now.words()),
            ("others have signed it", self.trust == now.trust),
        ];
        same.into_iter().find(|(_, is_same)| !is_same).map(|(what, _)| what)
    }

    /// The command line without its token.
    fn words(&self) -> String {
        match &self.token {
            Some(token) if !token.is_empty() => self.cmdline.replacen(token.as_str(), "", 1),
            _ => self.cmdline.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::record::{By, File};
    use crate::plan::{Engine, Slot};

    fn bytes(token: Option<&str>) -> Bytes {
        let word = token.map(|token| format!(" turnout.boot={token}")).unwrap_or_default();
        Bytes {
            entry: Some("debian".to_owned()),
            trust: "alice".to_owned(),
            kernel: Digest([1; 32]),
            initrds: vec![Digest([2; 32])],
            devicetree: None,
            cmdline: format!("root=a{word} quiet"),
            token: token.map(str::to_owned),
            is_whole: true,
        }
    }

    #[test]
    fn another_token_is_no_difference() {
        let (old, new) = (bytes(Some("kexec-0")), bytes(Some("kexec-1")));
        assert_eq!(old.difference(&new), None);
        assert_eq!(old.difference(&bytes(None)), Some("its command line has changed"));
        let forged = Bytes { cmdline: "root=b turnout.boot=kexec-1 quiet".to_owned(), ..new };
        assert_eq!(old.difference(&forged), Some("its command line has changed"));
    }

    #[test]
    fn how_it_was_loaded_is_no_difference() {
        let file = |byte| File { path: "x".to_owned(), size: 1, digest: Digest([byte; 32]) };
        let loaded = Loaded {
            slot: Slot::Normal,
            by: By::Stage,
            user: "root".to_owned(),
            when: 1,
            boot_id: "one".to_owned(),
            entry: Some("debian".to_owned()),
            release: None,
            trust: "alice".to_owned(),
            remark: Some("the running kernel reads the files once more itself".to_owned()),
            engine: Engine::File,
            kernel: file(1),
            initrds: vec![file(2)],
            devicetree: None,
            cmdline: "root=a quiet".to_owned(),
            token: None,
        };
        assert!(loaded.trust_in_words().starts_with("alice; the running kernel reads"));
        let read = Loaded::read(&loaded.text()).unwrap();
        assert_eq!(Bytes::of(&read).difference(&bytes(None)), None);
    }

    #[test]
    fn whatever_is_another_is_named() {
        let old = bytes(None);
        let cases = [
            (Bytes { entry: None, ..bytes(None) }, "it is another entry"),
            (Bytes { kernel: Digest([9; 32]), ..bytes(None) }, "its kernel has changed"),
            (Bytes { initrds: Vec::new(), ..bytes(None) }, "its initrd has changed"),
            (
                Bytes { devicetree: Some(Digest([9; 32])), ..bytes(None) },
                "its device tree has changed",
            ),
            (Bytes { is_whole: false, ..bytes(None) }, "it has overlays or addons"),
            (Bytes { trust: "unsigned".to_owned(), ..bytes(None) }, "others have signed it"),
        ];
        for (new, difference) in cases {
            assert_eq!(old.difference(&new), Some(difference));
        }
    }
}
