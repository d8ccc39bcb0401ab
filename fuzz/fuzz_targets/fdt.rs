//! Any bytes as a device tree: what is handed over can be read again, and
//! handing it over once more changes nothing for good.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::base::addr::Range;
use turnout::fdt::{Chosen, Fdt};

fuzz_target!(|blob: &[u8]| {
    let Ok(tree) = Fdt::parse(blob) else { return };
    let _ = (tree.psci_conduit(), tree.bootargs(), tree.has_uefi(), tree.has_its());
    let initrd = Range::new(0x5000_0000, 0x5000_1234);
    let chosen = Chosen { bootargs: "root=/dev/vda2 ro", initrd, seeds: None, crash: None };
    let Ok(first) = tree.hand_over(&chosen) else { return };
    let again = Fdt::parse(&first).expect("it was written here");
    assert_eq!(again.bootargs(), Some("root=/dev/vda2 ro"));
    // A tree that reserves the very pages that the initrd gets loses that when they
    // are taken for the old initrd's: once, and no plan puts an initrd there.
    let second = again.hand_over(&chosen).expect("it fitted before");
    assert!(second.len() <= first.len());
    let again = Fdt::parse(&second).expect("it was written here");
    assert_eq!(again.hand_over(&chosen).expect("it fitted before"), second);
});
