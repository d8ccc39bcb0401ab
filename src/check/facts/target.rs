//! What `turnout boot` would start.

use crate::image::initramfs::Release;

/// The default entry, as far as its files tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The entry's id.
    pub id: String,
    /// The version of its kernel; none where its image does not say it.
    pub release: Option<String>,
    /// What lies in its initrds, or why that is not known.
    pub initrd: Result<Vec<Release>, String>,
    /// Names of the modules that are built into its kernel, by the list on this system's
    /// root.
    pub builtin: Option<Vec<String>>,
    /// Whether this system's root has modules for its kernel.
    pub has_modules: bool,
}

impl Target {
    /// An entry that nothing was read of.
    #[must_use]
    pub fn unknown(id: &str) -> Self {
        let initrd = Err("nothing was read of it".to_owned());
        Self { id: id.to_owned(), release: None, initrd, builtin: None, has_modules: false }
    }
}
