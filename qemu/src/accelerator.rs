//! KVM or TCG: /dev/kvm may exist and boot nothing, so only a probe that has
//! really booted something counts.

use crate::machine::{Accelerator, Machine};
use crate::serial::{Console, Event};
use crate::{guest, initrd, place};
use anyhow::{Result, bail};
use std::fs;
use std::time::Duration;
use turnout::base::arch::Arch;

/// The accelerator for a machine that a person watches: KVM where a machine
/// has really booted with it, TCG otherwise. `TURNOUT_ACCEL` decides if set.
pub fn choose(arch: Arch) -> Result<Accelerator> {
    match std::env::var("TURNOUT_ACCEL").as_deref() {
        Ok("tcg") => return Ok(Accelerator::Tcg),
        Ok("kvm") => return Ok(Accelerator::Kvm),
        Ok(other) => bail!("TURNOUT_ACCEL={other}: tcg or kvm"),
        Err(_) => {}
    }
    let native = std::env::consts::ARCH == arch.name();
    let device = fs::OpenOptions::new().read(true).write(true).open("/dev/kvm");
    if !native || device.is_err() {
        return Ok(Accelerator::Tcg);
    }
    let works = remembered_probe()?;
    println!(
        "accelerator: {}",
        if works { "KVM" } else { "TCG (/dev/kvm is there but boots nothing)" }
    );
    Ok(if works { Accelerator::Kvm } else { Accelerator::Tcg })
}

/// The probe's answer holds until the host boots again.
fn remembered_probe() -> Result<bool> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let file = place::cache()?.join("kvm-probe");
    let known = fs::read_to_string(&file).unwrap_or_default();
    if let Some((known_boot, answer)) = known.split_once(' ')
        && known_boot == boot.trim()
    {
        return Ok(answer == "works");
    }
    let works = probe_kvm()?;
    fs::write(&file, format!("{} {}", boot.trim(), if works { "works" } else { "fails" }))?;
    Ok(works)
}

fn probe_kvm() -> Result<bool> {
    println!("accelerator: probing KVM, up to 20 s");
    let scratch = place::Scratch::new("kvm-probe")?;
    let arch = if cfg!(target_arch = "x86_64") { Arch::X86_64 } else { Arch::Aarch64 };
    let archive = scratch.path().join("initrd");
    fs::write(&archive, initrd::next_system(arch, None)?)?;
    let kernel = guest::Kernel::find(arch, guest::Flavour::Cloud)?;
    let mut machine = Machine::new(arch, kernel.image, archive);
    machine.options = "quiet".to_owned();
    machine.accelerator = Accelerator::Kvm;
    let mut console = Console::start(&machine, &scratch.path().join("transcript"))?;
    let event = console.wait_for(&[initrd::REACHED], Duration::from_secs(20))?;
    Ok(matches!(event, Event::Seen { .. }))
}
