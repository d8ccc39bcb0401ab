//! A guest program: prints the CPU's time counter and the time since this
//! kernel started keeping time, both in nanoseconds.
//!
//! Under QEMU's `-icount shift=0,sleep=off` both counters run on QEMU's virtual
//! clock, start at zero with the machine and survive kexec, so the difference
//! of two prints is the guest time between them even across a switch. Outside
//! such a machine the first number means nothing.
//!
//! With the argument `jump` it then starts the kernel that is loaded, as
//! `kexec -e` does once it has started itself: what is measured from there is
//! the kernel and no program.
//!
//! With the argument `sha256` it prints instead how many bytes it hashed in one
//! call of the sha2 crate, and how many nanoseconds that took: nothing of that
//! crate's is faster on the processor.
//!
//! With the argument `menu` it prints how many nanoseconds it took to read and to
//! sort a menu of 1000 entries that are in memory, and then how many it took to read
//! one of GRUB in the shape of Ubuntu's, with 20 kernels.

use std::hint::black_box;

use nix::sys::reboot::{RebootMode, reboot};
use nix::time::{ClockId, clock_gettime};

use sha2::{Digest, Sha256};
use turnout::base::arch::Arch;
use turnout::menu::{self, Budget, Group, Identity, Memory, Metered, Sight, Target};

const HASHED: usize = 4 << 20;
const ENTRIES: u32 = 1000;
const KERNELS: u32 = 20;
/// The first entry, and two in the submenu for each kernel.
const OF_KERNELS: usize = 41;
const DEVICE: &str = "0d9c0a4e-8f5d-4bd4-a5cc-8b1e5c0a1a5e";

fn main() -> Result<(), nix::Error> {
    match std::env::args().nth(1).as_deref() {
        Some("sha256") => {
            println!("{HASHED} {}", time_of_hashing());
            return Ok(());
        }
        Some("menu") => {
            println!("{} {}", time_of_menu(), time_of_script());
            return Ok(());
        }
        _ => {}
    }
    let ticks = counter_ns();
    let up = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    println!("{ticks} {}", up.tv_sec() * 1_000_000_000 + up.tv_nsec());
    if std::env::args().nth(1).as_deref() == Some("jump") {
        reboot(RebootMode::RB_KEXEC)?;
    }
    Ok(())
}

/// The memory is there and the processor is known when the time begins.
fn time_of_hashing() -> u64 {
    let bytes = vec![7; HASHED];
    black_box(Sha256::digest(b"warm"));
    let start = counter_ns();
    black_box(Sha256::digest(black_box(&bytes)));
    counter_ns().saturating_sub(start)
}

/// The entries are as kernel-install writes them, of two installations that have
/// their versions in no order.
fn time_of_menu() -> u64 {
    let files: Memory = (0..ENTRIES).map(entry).collect();
    let target = Target::new(Arch::X86_64, &[]);
    let start = counter_ns();
    let menu = menu::merge(vec![(Group::default(), menu::read_volume(&files, &target))]);
    let time = counter_ns().saturating_sub(start);
    assert_eq!(menu.entries.len(), 1000, "{:?}", menu.diagnostics.first());
    time
}

fn entry(number: u32) -> (String, String) {
    let version = format!("6.{}.{}-{number}-amd64", number * 7 % 19, number * 31 % 101);
    let machine = number % 2;
    let path = format!("/loader/entries/{machine:032x}-{version}+3-0.conf");
    let text = format!(
        "title Debian GNU/Linux 13 (trixie)\nversion {version}\nmachine-id {machine:032x}\n\
         sort-key debian\noptions root=UUID=0d9c0a4e-8f5d-4bd4-a5cc-8b1e5c0a1a5e ro quiet \
         console=ttyS0\nlinux /{machine:032x}/{version}/linux\n\
         initrd /{machine:032x}/{version}/initrd.img\n"
    );
    (path, text)
}

/// A script as grub-mkconfig writes it on Ubuntu: before the entries the environment
/// block, functions and conditions; in each entry the search for its device.
fn time_of_script() -> u64 {
    let files: Memory = script_and_kernels().into_iter().collect();
    let identity = Identity { uuid: Some(DEVICE.to_owned()), ..Identity::default() };
    let target = Target { arch: Arch::X86_64, boards: &[], used: &[] };
    let start = counter_ns();
    let budget = Budget::default();
    let files = Metered::menus(&files, &budget).seeing(Sight::alone(&identity));
    let menu = menu::merge(vec![(Group::default(), menu::read_below(&files, &target, ""))]);
    let time = counter_ns().saturating_sub(start);
    assert_eq!(menu.entries.len(), OF_KERNELS, "{:?}", menu.diagnostics.first());
    time
}

fn script_and_kernels() -> Vec<(String, String)> {
    let mut script = include_str!("head.cfg").to_owned();
    script.push_str(&body("Ubuntu", "simple", "6.8.0-20-generic", "quiet splash $vt_handoff"));
    script.push_str("submenu 'Advanced options for Ubuntu' $menuentry_id_option 'advanced' {\n");
    let mut files = Vec::new();
    for number in (1..=KERNELS).rev() {
        let version = format!("6.8.0-{number}-generic");
        let title = format!("Ubuntu, with Linux {version}");
        script.push_str(&body(&title, &version, &version, "quiet splash $vt_handoff"));
        let [title, id] = [format!("{title} (recovery mode)"), format!("{version}-recovery")];
        script.push_str(&body(&title, &id, &version, "recovery nomodeset dis_ucode_ldr"));
        for name in ["vmlinuz", "initrd.img"] {
            files.push((format!("/boot/{name}-{version}"), String::new()));
        }
    }
    script.push_str("}\n");
    files.push(("/boot/grub/grub.cfg".to_owned(), script));
    files
}

/// One entry, which boots a kernel.
fn body(title: &str, id: &str, version: &str, words: &str) -> String {
    format!(
        "menuentry '{title}' --class ubuntu --class gnu-linux --class gnu --class os \
         $menuentry_id_option 'gnulinux-{id}-{DEVICE}' {{\n\trecordfail\n\tload_video\n\
         \tgfxmode $linux_gfx_mode\n\tinsmod gzio\n\
         \tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi\n\
         \tinsmod part_gpt\n\tinsmod ext2\n\tset root='hd0,gpt2'\n\
         \tif [ x$feature_platform_search_hint = xy ]; then\n\
         \t  search --no-floppy --fs-uuid --set=root --hint-bios=hd0,gpt2 --hint-efi=hd0,gpt2 \
         --hint-baremetal=ahci0,gpt2  {DEVICE}\n\telse\n\
         \t  search --no-floppy --fs-uuid --set=root {DEVICE}\n\tfi\n\
         \techo\t'Loading Linux {version} ...'\n\
         \tlinux\t/boot/vmlinuz-{version} root=UUID={DEVICE} ro  {words}\n\
         \techo\t'Loading initial ramdisk ...'\n\tinitrd\t/boot/initrd.img-{version}\n}}\n"
    )
}

/// The time stamp counter: QEMU's virtual clock at one tick a nanosecond.
#[cfg(target_arch = "x86_64")]
fn counter_ns() -> u64 {
    // SAFETY: rdtsc reads a register that Linux leaves readable to programs.
    #[expect(unsafe_code, reason = "the counter has no system call")]
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
}

/// The virtual counter, scaled by the frequency it states.
#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "the counter has no system call")]
fn counter_ns() -> u64 {
    let count: u64;
    let frequency: u64;
    // SAFETY: reads a register that Linux leaves readable to programs.
    unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
    // SAFETY: as above.
    unsafe { core::arch::asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack)) };
    let scaled = u128::from(count) * 1_000_000_000 / u128::from(frequency.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}
