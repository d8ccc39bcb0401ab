//! Where configurations of GRUB are found without being led to.

/// Where configurations are, below the root of a volume and below its `/boot`.
pub(super) const PLACES: [&str; 2] = ["/grub/grub.cfg", "/grub2/grub.cfg"];

/// Whether the configuration of a device at this path is read without being led to; on
/// btrfs in a subvolume at the top too.
pub(super) fn is_found(path: &str, has_subvolumes: bool) -> bool {
    let is_place = |path: &str| PLACES.contains(&path.strip_prefix("/boot").unwrap_or(path));
    let top = path.get(1..).and_then(|path| path.find('/'));
    let below = top.and_then(|at| path.get(at.saturating_add(1)..));
    is_place(path) || has_subvolumes && below.is_some_and(is_place)
}
