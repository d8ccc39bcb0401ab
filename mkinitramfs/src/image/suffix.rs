//! What the name of a module's file says: the module's name, and what the file is
//! compressed with. Specification: depmod.d(5), modprobe(8).

use turnout::image::compression::Compressor;

/// A module's name as lists have it: `-` and `_` are alike.
#[must_use]
pub fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// The module in a file such as `kernel/fs/ext4/ext4.ko` or `x.ko.xz`.
#[must_use]
pub fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    unpacked_path(file).strip_suffix(".ko").filter(|name| !name.is_empty()).map(canonical)
}

/// What a module file is compressed with.
#[must_use]
pub fn compressor(path: &str) -> Option<Compressor> {
    match path.rsplit_once(".ko")?.1 {
        ".xz" => Some(Compressor::Xz),
        ".zst" => Some(Compressor::Zstd),
        ".gz" => Some(Compressor::Gzip),
        _ => None,
    }
}

/// The path without the suffix of a compressor.
#[must_use]
pub fn unpacked_path(path: &str) -> &str {
    match compressor(path) {
        Some(_) => path.rsplit_once('.').map_or(path, |(path, _)| path),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_after_its_file() {
        assert_eq!(module_name("kernel/a/dm-mod.ko").as_deref(), Some("dm_mod"));
        assert_eq!(module_name("kernel/a/x.ko.xz").as_deref(), Some("x"));
        assert_eq!(module_name("modules.order"), None);
        assert_eq!(module_name("kernel/a/x.ko.old"), None);
        assert_eq!(module_name("kernel/a/.ko"), None);
    }
}
