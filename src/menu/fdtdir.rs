//! Which device tree of a directory is this machine's: `fdtdir` of U-Boot's
//! extlinux.conf.
//!
//! U-Boot has the name of the file in a variable. Here the firmware's own tree
//! decides: the first string of its root `compatible` names the board
//! (Devicetree Specification v0.4, section 2.3.1), and a file is this machine's
//! if its first string is the same. Names of files only say which of them are
//! looked at first. Must never guess: without such a file nothing is chosen, and
//! the machine's own tree stays.

use crate::fdt::{self, Fdt};
use crate::menu::metered::{Metered, Sieve};

/// Most directories of makers below the one that is named.
const MAX_DIRECTORIES: usize = 64;
/// Most files of which the names are looked at.
const MAX_NAMES: usize = 4096;
/// Most files that are read.
const MAX_READ: usize = 64;
/// Most bytes that are read of all of them.
const MAX_BYTES: usize = 16 << 20;

/// The path of the machine's device tree in `directory` or one below it, if it
/// is there. `boards` are the strings of the machine's root `compatible`.
pub(super) fn find(files: &Metered<'_>, directory: &str, boards: &[String]) -> Option<String> {
    let board = boards.first()?;
    let candidates = candidates(files, directory);
    let ranked = (0..=3_u8)
        .flat_map(|rank| candidates.iter().filter(move |path| likelihood(path, boards) == rank));
    let mut left = MAX_BYTES;
    let mut first = ranked.take(MAX_READ);
    let found = first.find(|path| {
        let blob = files.read(path, left.min(fdt::MAX_SIZE)).ok().flatten().unwrap_or_default();
        left = left.saturating_sub(blob.len());
        Fdt::parse(&blob).is_ok_and(|tree| tree.compatible().next() == Some(board))
    });
    found.cloned()
}

/// All device trees there, sorted by path.
fn candidates(files: &Metered<'_>, directory: &str) -> Vec<String> {
    let mut trees = paths_in(files, directory, TREES);
    for directory in paths_in(files, directory, DIRECTORIES) {
        trees.extend(paths_in(files, &directory, TREES));
    }
    trees.truncate(MAX_NAMES);
    trees
}

const TREES: Sieve = Sieve { wanted: is_tree, most: MAX_NAMES };
const DIRECTORIES: Sieve = Sieve { wanted: |name| !is_tree(name), most: MAX_DIRECTORIES };

fn is_tree(name: &str) -> bool {
    name.ends_with(".dtb")
}

fn paths_in(files: &Metered<'_>, directory: &str, sieve: Sieve) -> Vec<String> {
    let names = files.names(directory, sieve).unwrap_or_default().names;
    names.iter().map(|name| format!("{directory}/{name}")).collect()
}

/// 0 for the file that is named like the board, 3 for one whose name says
/// nothing. Files of Linux are named `[SOC-]BOARD.dtb`.
fn likelihood(path: &str, boards: &[String]) -> u8 {
    let stem = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".dtb");
    let mut names = boards.iter().map(|board| board.rsplit(',').next().unwrap_or_default());
    let board = names.next().unwrap_or_default();
    if stem == board {
        0
    } else if stem.ends_with(board) {
        1
    } else if names.any(|soc| stem.contains(soc)) {
        2
    } else {
        3
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fdt::Live;
    use crate::menu::{Budget, Memory};

    fn tree(compatible: &str) -> Vec<u8> {
        let properties = vec![("compatible".to_owned(), compatible.as_bytes().to_vec())];
        Live { name: String::new(), properties, children: vec![] }.to_blob()
    }

    fn boards(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn look(files: &Memory, directory: &str, boards: &[String]) -> Option<String> {
        find(&Metered::menus(files, &Budget::default()), directory, boards)
    }

    fn found(trees: &[(&str, &str)], machine: &[&str]) -> Option<String> {
        let files = trees.iter().map(|(path, compatible)| (*path, tree(compatible)));
        look(&files.collect::<Memory>(), "/dtbs", &boards(machine))
    }

    #[test]
    fn the_tree_whose_first_compatible_is_the_machines_is_found_wherever_it_is() {
        let rock = "radxa,rock-5b\0rockchip,rk3588\0";
        let pi = "raspberrypi,4-model-b\0brcm,bcm2711\0";
        let trees = [
            ("/dtbs/a.dtb", "radxa,rock-5b-plus\0radxa,rock-5b\0rockchip,rk3588\0"),
            ("/dtbs/broadcom/bcm2711-rpi-4-b.dtb", pi),
            ("/dtbs/rockchip/rk3588-rock-5b.dtb", rock),
            ("/dtbs/rock-5b.dtb", "rockchip,rk3588\0"),
            ("/dtbs/rockchip/readme.txt", rock),
        ];
        let cases: [(&[&str], _); 4] = [
            (&["radxa,rock-5b", "rockchip,rk3588"], Some("/dtbs/rockchip/rk3588-rock-5b.dtb")),
            (
                &["raspberrypi,4-model-b", "brcm,bcm2711"],
                Some("/dtbs/broadcom/bcm2711-rpi-4-b.dtb"),
            ),
            (&["radxa,rock-5c", "rockchip,rk3588"], None),
            (&[], None),
        ];
        for (machine, expected) in cases {
            assert_eq!(found(&trees, machine).as_deref(), expected, "{machine:?}");
        }
    }

    #[test]
    fn the_names_of_files_say_which_is_looked_at_first() {
        let same = "radxa,rock-5b\0";
        let trees =
            [("/dtbs/a.dtb", same), ("/dtbs/b-rock-5b.dtb", same), ("/dtbs/z/rock-5b.dtb", same)];
        assert_eq!(found(&trees, &["radxa,rock-5b"]).as_deref(), Some("/dtbs/z/rock-5b.dtb"));
        assert_eq!(found(&trees[..2], &["radxa,rock-5b"]).as_deref(), Some("/dtbs/b-rock-5b.dtb"));
        let many: Vec<_> = (0..100).map(|n| format!("/dtbs/{n:03}.dtb")).collect();
        let mut trees: Vec<_> = many.iter().map(|path| (path.as_str(), "other\0")).collect();
        trees.push(("/dtbs/zz-rk3588-x.dtb", same));
        assert_eq!(found(&trees, &["radxa,rock-5b"]), None, "only so many are read");
        let soc = found(&trees, &["radxa,rock-5b", "rockchip,rk3588"]);
        assert_eq!(soc.as_deref(), Some("/dtbs/zz-rk3588-x.dtb"));
    }

    #[test]
    fn what_is_no_device_tree_is_passed_over() {
        let good = tree("a,b\0");
        let files = [
            ("/dtbs/b.dtb".to_owned(), good[..good.len() - 1].to_vec()),
            ("/dtbs/c.dtb".to_owned(), vec![]),
            ("/dtbs/d.dtb".to_owned(), good),
        ];
        let files: Memory = files.into_iter().collect();
        assert_eq!(look(&files, "/dtbs", &boards(&["a,b"])).as_deref(), Some("/dtbs/d.dtb"));
        assert_eq!(look(&files, "/none", &boards(&["a,b"])), None);
    }
}
