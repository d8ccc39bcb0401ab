//! What one entry is made of, read once: the files' bytes, each with the digest
//! that was taken while it was read.
//!
//! The container of the bytes is a parameter: on the device it is a sealed
//! memfd, in tests a vector. Nothing here reads a file.

use crate::base::digest::Digest;

/// One file of an entry.
#[derive(Debug, Clone)]
pub struct Blob<B> {
    /// Path on the boot partition, as the menu entry names it.
    pub path: String,
    /// What is kept of the file: all bytes, where they will be loaded; those are
    /// never read again from the disk.
    pub bytes: B,
    /// Length of the file in bytes.
    pub size: u64,
    /// Digest of the file's bytes, taken while they were read.
    pub digest: Digest,
}

impl<B: AsRef<[u8]>> Blob<B> {
    /// A blob whose digest is computed here. The device computes it while
    /// reading instead (`sys::read`).
    pub fn hash(path: &str, bytes: B) -> Self {
        let size = bytes.as_ref().len() as u64;
        let digest = Digest::of(bytes.as_ref());
        Self { path: path.to_owned(), bytes, size, digest }
    }
}

/// All files of one entry, in the order in which the next kernel gets them.
#[derive(Debug, Clone)]
pub struct Bundle<B> {
    /// Id of the menu entry.
    pub entry: String,
    /// The kernel image, or the unified kernel image.
    pub linux: Blob<B>,
    /// For a unified kernel image whose own command line counts, the number of
    /// the profile that is started; `None` for everything else.
    pub profile: Option<u32>,
    /// The initrds, in order.
    pub initrds: Vec<Blob<B>>,
    /// A device tree of the entry's own.
    pub devicetree: Option<Blob<B>>,
    /// Device tree overlays, in the order in which they are applied.
    pub overlays: Vec<Blob<B>>,
    /// Addons of a unified kernel image, in order.
    pub addons: Vec<Blob<B>>,
    /// Kernel command line. Before verification it is the menu's; after it, the
    /// manifest's, or empty where the image's own counts.
    pub options: String,
}

impl<B> Blob<B> {
    fn facts(&self) -> Blob<()> {
        Blob { path: self.path.clone(), bytes: (), size: self.size, digest: self.digest }
    }
}

impl<B> Bundle<B> {
    /// How long each file is, in bytes.
    pub fn sizes(&self) -> impl Iterator<Item = u64> {
        let one = [&self.linux].into_iter().chain(&self.initrds).chain(&self.devicetree);
        one.chain(&self.overlays).chain(&self.addons).map(|blob| blob.size)
    }

    /// What is known of the files, without their bytes.
    #[must_use]
    pub fn facts(&self) -> Bundle<()> {
        Bundle {
            entry: self.entry.clone(),
            linux: self.linux.facts(),
            profile: self.profile,
            initrds: self.initrds.iter().map(Blob::facts).collect(),
            devicetree: self.devicetree.as_ref().map(Blob::facts),
            overlays: self.overlays.iter().map(Blob::facts).collect(),
            addons: self.addons.iter().map(Blob::facts).collect(),
            options: self.options.clone(),
        }
    }
}
