//! Who on this machine can be told what is started next, and the telling.
//!
//! Which of them is told, and what, is decided in [`crate::host::next_start`].

use std::path::Path;

use super::efivars::Variables;
use super::grub_block::GrubBlock;
use super::{Error, file, guard, machine};
use crate::efi::variables::{self as interface, Variable};
use crate::host::next_start::{Here, NEXT_ENTRY};

/// Where GRUB of a distribution has its script and its block.
const GRUB: [&str; 2] = ["boot/grub", "boot/grub2"];
const SCRIPT: &str = "grub.cfg";
const BLOCK: &str = "grubenv";
/// `LoaderFeatures`: it reads `LoaderEntryOneShot`.
const ONE_SHOT: u64 = 1 << 3;
/// The kernel's driver that writes `LoaderEntryOneShot`, as its configuration has it.
const KERNEL_WRITES: &str = "CONFIG_EFI_BOOTLOADER_CONTROL=";

/// `read(2)`: what the machine whose root is here has; of its state area nothing.
#[must_use]
pub fn here(root: &Path) -> Here {
    Here {
        grub: GRUB.iter().find_map(|place| grub_in(root, place)),
        loader: features(root).is_some_and(|features| features & ONE_SHOT != 0),
        kernel_writes_one_shot: kernel_writes_one_shot(root, &machine::release()),
        area: None,
    }
}

/// The block's path, where the script beside it looks at the variable. The block itself
/// need not be there yet.
fn grub_in(root: &Path, place: &str) -> Option<String> {
    let script = file::read_regular(root.join(place).join(SCRIPT)).ok()?;
    script.contains(NEXT_ENTRY).then(|| format!("/{place}/{BLOCK}"))
}

/// `read(2)`: GRUB's script beside a block, where it can be read.
#[must_use]
pub fn script_beside(block: &str) -> Option<String> {
    file::read_regular(Path::new(block).with_file_name(SCRIPT)).ok()
}

/// What the loader that was started by the firmware says that it does.
fn features(root: &Path) -> Option<u64> {
    let name = Variable::Features.name();
    let path = format!("sys/firmware/efi/efivars/{name}-{}", interface::VENDOR);
    let bytes = file::read_bytes(&root.join(path), file::MAX_TEXT).ok()?;
    let value = interface::value(&bytes).ok()?.first_chunk()?;
    Some(u64::from_le_bytes(*value))
}

fn kernel_writes_one_shot(root: &Path, release: &str) -> bool {
    let config = root.join(format!("boot/config-{release}"));
    let config = file::read_regular(config).unwrap_or_default();
    let mut lines = config.lines();
    match lines.find_map(|line| line.strip_prefix(KERNEL_WRITES)) {
        Some("m") => file::names(root.join("sys/module/efibc")).is_ok(),
        set => set == Some("y"),
    }
}

/// What GRUB starts next, where that was told to it.
///
/// # Errors
/// The file cannot be read, or is no block.
pub fn next_entry(path: &str) -> Result<Option<String>, Error> {
    GrubBlock::read(path)?.map_or(Ok(None), |block| block.get(NEXT_ENTRY))
}

/// Tells it to GRUB, or takes it back; flushed.
///
/// # Errors
/// The file cannot be read or written, or is no block that can be changed.
pub fn set_next_entry(path: &str, id: Option<&str>) -> Result<(), Error> {
    guard::may(path)?;
    GrubBlock::change(path)?.set(NEXT_ENTRY, id)
}

/// What a variable of the firmware has.
///
/// # Errors
/// There are no variables, or it cannot be read.
pub fn variable(variable: Variable) -> Result<Option<String>, Error> {
    Variables::of_system()?.text(variable)
}

/// Gives it a value, or takes it away.
///
/// # Errors
/// There are no variables, or it cannot be written.
pub fn set_variable(variable: Variable, id: Option<&str>) -> Result<(), Error> {
    guard::may(variable.name())?;
    let variables = Variables::of_system()?;
    match id {
        Some(id) => variables.write(variable, &interface::from_text(id)),
        None => variables.delete(variable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// A root with these files.
    fn root(name: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("turnout-next-{name}-{}", std::process::id()));
        for (path, bytes) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        root
    }

    fn block() -> Vec<u8> {
        let mut block = b"# GRUB Environment Block\nsaved_entry=a\n".to_vec();
        block.resize(1024, b'#');
        block
    }

    #[test]
    fn grub_can_be_told_where_its_script_looks_at_what_it_is_told() {
        let follows: &[u8] = b"if [ \"${next_entry}\" ] ; then set default=\"${next_entry}\"; fi";
        for (script, expected) in [(follows, Some("/boot/grub2/grubenv")), (b"set default=0", None)]
        {
            let files = [("boot/grub2/grub.cfg", script), ("boot/grub2/grubenv", &block())];
            let root = root("grub", &files);
            let here = here(&root);
            fs::remove_dir_all(root).unwrap();
            assert_eq!(here, Here { grub: expected.map(str::to_owned), ..Here::default() });
        }
    }

    #[test]
    fn a_loader_says_itself_that_it_reads_the_firmware_s_variables() {
        const FEATURES: &str =
            "sys/firmware/efi/efivars/LoaderFeatures-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
        for (value, expected) in [(0x0f_u8, true), (0x07, false)] {
            let root = root("efi", &[(FEATURES, &[6, 0, 0, 0, value, 0, 0, 0, 0, 0, 0, 0])]);
            let here = here(&root);
            fs::remove_dir_all(root).unwrap();
            assert_eq!(here.loader, expected);
        }
    }

    #[test]
    fn a_kernel_that_writes_the_one_shot_entry_is_known_by_its_configuration() {
        let of = |config: &str, module: bool| {
            let mut files = vec![("boot/config-6.1", config.as_bytes())];
            files.extend(module.then_some(("sys/module/efibc/refcnt", b"0".as_slice())));
            let root = root("efibc", &files);
            let found = kernel_writes_one_shot(&root, "6.1");
            fs::remove_dir_all(root).unwrap();
            found
        };
        assert!(of("CONFIG_EFI=y\nCONFIG_EFI_BOOTLOADER_CONTROL=y\n", false));
        assert!(of("CONFIG_EFI_BOOTLOADER_CONTROL=m\n", true));
        assert!(!of("CONFIG_EFI_BOOTLOADER_CONTROL=m\n", false));
        assert!(!of("# CONFIG_EFI_BOOTLOADER_CONTROL is not set\n", true));
    }

    #[test]
    fn nobody_waits_for_a_script_that_is_a_fifo() {
        let root = root("fifo", &[("boot/grub/grubenv", &block())]);
        let script = root.join("boot/grub/grub.cfg");
        nix::unistd::mkfifo(&script, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let here = here(&root);
        let beside = script_beside(&root.join("boot/grub/grubenv").display().to_string());
        fs::remove_dir_all(root).unwrap();
        assert_eq!((here, beside), (Here::default(), None));
    }

    #[test]
    fn a_test_tells_its_host_nothing() {
        let refused = set_variable(Variable::EntryOneShot, None).unwrap_err().to_string();
        assert!(refused.ends_with("this is a test"), "{refused}");
        assert!(set_next_entry("/boot/grub/grubenv", None).is_err());
    }
}
