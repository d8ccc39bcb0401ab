//! Reads one entry of a boot partition that is mounted, or being built, at a
//! directory: its menu file and every file that it names.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use turnout::arch::Arch;
use turnout::bundle::{Blob, Bundle};
use turnout::menu::bls::{self, Entry};
use turnout::menu::file_name;

use crate::similar::similar;

/// Where the menu's entries are, below the root of the boot partition.
const ENTRIES: &str = "loader/entries";

/// An entry and its files.
#[derive(Debug)]
pub struct BootEntry {
    /// The menu entry.
    pub entry: Entry,
    /// Its files, each read once.
    pub bundle: Bundle<Vec<u8>>,
}

/// Reads the entry `id` below `root`.
///
/// # Errors
/// No such entry, more than one, one that cannot boot, or a file that cannot
/// be read.
pub fn read(root: &Path, id: &str) -> Result<BootEntry> {
    let file = find(root, id)?;
    let path = root.join(ENTRIES).join(&file);
    let bytes = read_file(&path)?;
    let entry = bls::parse(&file, &bytes).map_err(|problem| anyhow::anyhow!("{problem}"))?;
    if let Some(problem) = entry.problems.first() {
        bail!("the entry cannot boot: {problem}");
    }
    let bundle = bundle(root, &entry).with_context(|| path.display().to_string())?;
    Ok(BootEntry { entry, bundle })
}

/// The file of the entry, whose name may carry a boot counter.
fn find(root: &Path, id: &str) -> Result<String> {
    let entries = file_names(&root.join(ENTRIES))?;
    let is_named = |file: &&String| file_name::parse(file).is_some_and(|name| name.id == id);
    let mut found = entries.iter().filter(is_named);
    match (found.next(), found.next()) {
        (Some(file), None) => Ok(file.clone()),
        (Some(one), Some(other)) => {
            bail!("two files give the entry {id}: {one} and {other}; remove one")
        }
        (None, _) => Err(not_found(root, id, &entries)),
    }
}

fn file_names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let entries = fs::read_dir(dir).with_context(|| {
        format!("cannot read {}; --root takes the root of the boot partition", dir.display())
    })?;
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(Some(name).filter(|name| file_name::is_entry(name)));
    }
    names.sort_unstable();
    Ok(names)
}

fn not_found(root: &Path, id: &str, files: &[String]) -> anyhow::Error {
    let ids: Vec<_> = files.iter().filter_map(|file| Some(file_name::parse(file)?.id)).collect();
    let mut near = similar(id, ids.iter().copied());
    if near.is_empty() {
        near = ids.into_iter().take(8).collect();
    }
    let dir = root.join(ENTRIES);
    let there = if near.is_empty() { "nothing".to_owned() } else { near.join(", ") };
    anyhow::anyhow!("there is no entry {id} in {}; there is {there}", dir.display())
}

fn bundle(root: &Path, entry: &Entry) -> Result<Bundle<Vec<u8>>> {
    let blob = |path: &String| blob(root, path);
    Ok(Bundle {
        entry: entry.id.clone(),
        linux: blob(entry.linux.as_ref().context("the entry names no kernel")?)?,
        initrds: entry.initrds.iter().map(blob).collect::<Result<_>>()?,
        devicetree: entry.devicetree.as_ref().map(blob).transpose()?,
        overlays: Vec::new(),
        addons: Vec::new(),
        profile: None,
        options: entry.options.clone(),
    })
}

fn blob(root: &Path, path: &str) -> Result<Blob<Vec<u8>>> {
    let bytes = read_file(&root.join(path.trim_start_matches('/')))?;
    Ok(Blob::hash(path, bytes))
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

impl BootEntry {
    /// The architecture that the entry is for: `asked`, what the kernel image
    /// looks like, and the entry's own `architecture` must agree as far as they
    /// say anything. `None` if none does.
    ///
    /// # Errors
    /// Two of them differ.
    pub fn architecture(&self, asked: Option<Arch>) -> Result<Option<Arch>> {
        let linux = &self.bundle.linux;
        let image = kernel_architecture(&linux.bytes);
        let Some(arch) = asked.or(image).or_else(|| self.named_architecture()) else {
            return Ok(None);
        };
        if let Some(image) = image {
            ensure!(image == arch, "{} is a kernel for {image}, not for {arch}", linux.path);
        }
        bls::check_architecture(self.entry.clone(), arch)
            .map_err(|problem| anyhow::anyhow!("{problem}"))?;
        Ok(Some(arch))
    }

    /// The same, for a manifest, which must name one.
    ///
    /// # Errors
    /// Two of them differ, or none says anything.
    pub fn plain_architecture(&self, asked: Option<Arch>) -> Result<Arch> {
        self.architecture(asked)?.with_context(|| {
            format!(
                "{} is no kernel image that tells its architecture; give --architecture x86_64 or \
                 aarch64",
                self.bundle.linux.path
            )
        })
    }

    fn named_architecture(&self) -> Option<Arch> {
        self.entry.architecture.as_ref()?;
        let fits = |arch: &Arch| bls::check_architecture(self.entry.clone(), *arch).is_ok();
        [Arch::X86_64, Arch::Aarch64].into_iter().find(fits)
    }
}

/// The architecture of a kernel image with the header of x86's boot protocol
/// ("HdrS" at 0x202) or arm64's ("ARM\x64" at 0x38).
fn kernel_architecture(image: &[u8]) -> Option<Arch> {
    if image.get(0x202..0x206) == Some(b"HdrS") {
        Some(Arch::X86_64)
    } else if image.get(0x38..0x3c) == Some(b"ARM\x64") {
        Some(Arch::Aarch64)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(arch: Arch) -> Vec<u8> {
        let mut image = vec![0; 0x400];
        match arch {
            Arch::X86_64 => image[0x202..0x206].copy_from_slice(b"HdrS"),
            Arch::Aarch64 => image[0x38..0x3c].copy_from_slice(b"ARM\x64"),
        }
        image
    }

    fn entry(conf: &str, linux: Vec<u8>) -> BootEntry {
        let entry = bls::parse("x.conf", conf.as_bytes()).unwrap();
        let bundle = Bundle {
            entry: "x".to_owned(),
            linux: Blob::hash("/k", linux),
            initrds: Vec::new(),
            devicetree: None,
            overlays: Vec::new(),
            addons: Vec::new(),
            profile: None,
            options: String::new(),
        };
        BootEntry { entry, bundle }
    }

    #[test]
    fn the_kernel_image_tells_its_architecture() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            assert_eq!(entry("linux /k", image(arch)).plain_architecture(None).unwrap(), arch);
        }
    }

    #[test]
    fn an_unknown_image_needs_the_entry_or_the_command_line_to_say_it() {
        let error = entry("linux /k", vec![0; 9]).plain_architecture(None).unwrap_err().to_string();
        assert!(error.contains("--architecture"), "{error}");
        let named = entry("linux /k\narchitecture AA64", vec![0; 9]);
        assert_eq!(named.plain_architecture(None).unwrap(), Arch::Aarch64);
        let plain = entry("linux /k", vec![0; 9]);
        assert_eq!(plain.plain_architecture(Some(Arch::X86_64)).unwrap(), Arch::X86_64);
    }

    #[test]
    fn what_is_said_twice_must_agree() {
        let error = |conf, asked| {
            entry(conf, image(Arch::X86_64)).plain_architecture(asked).unwrap_err().to_string()
        };
        let asked = error("linux /k", Some(Arch::Aarch64));
        assert_eq!(asked, "/k is a kernel for x86_64, not for aarch64");
        let named = error("linux /k\narchitecture aa64", None);
        assert!(named.contains("the entry is for \"aa64\""), "{named}");
    }
}
