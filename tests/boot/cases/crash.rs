//! A kernel that waits for the running one to crash, and what it finds of it.

use super::{Boot, Case, Expect, PLAIN, X86_64, case, nothing};
use anyhow::{Context, Result, bail, ensure};
use turnout_qemu::facts::Stage;

const fn crashing(script: &'static str) -> Boot {
    Boot { script: Some(script), first_options: "crashkernel=256M", ..PLAIN }
}

pub(super) const CASES: &[Case] = &[
    case("crash_kernel_by_kexec_load", crashing(BY_KEXEC_LOAD), nothing, Expect::Tells(dumps)),
    Case {
        name: "crash_kernel_by_kexec_file_load",
        archs: X86_64,
        boot: crashing(BY_KEXEC_FILE_LOAD),
        change: nothing,
        expect: Expect::Tells(dumps),
    },
    case(
        "crash_kernel_without_memory_for_it",
        Boot { first_options: "", ..crashing(BY_KEXEC_LOAD_ONLY) },
        nothing,
        Expect::Tells(has_no_memory),
    ),
];

/// The first system loads itself for a crash, and crashes; the second looks at
/// what is left of the first.
macro_rules! crash {
    ($engine:literal) => {
        concat!(
            r#"
memory() { echo "memory $(awk '/MemTotal/ { print $2 }' /proc/meminfo)"; }
memory
if [ -e /proc/vmcore ]; then
    echo "type $(od -A n -j 16 -N 2 -t u2 /proc/vmcore)"
    echo "segments $(od -A n -j 56 -N 2 -t u2 /proc/vmcore)"
    echo "releases $(dd if=/proc/vmcore bs=4096 count=16 2>/dev/null | grep -ac "OSRELEASE=$(uname -r)")"
    size=$(stat -c %s /proc/vmcore)
    echo "bytes $size"
    echo "last $(dd if=/proc/vmcore bs=1M skip=$((size / 1048576 - 1)) count=1 2>/dev/null | wc -c)"
else
    run turnout load /boot/vmlinuz --initrd /boot/initrd.img --crash --engine "#,
            $engine,
            r#" --append "stage=2 nr_cpus=1 reset_devices"
    run turnout unload --crash
    run turnout load /boot/vmlinuz --initrd /boot/initrd.img --crash --engine "#,
            $engine,
            r#" --append "stage=2 nr_cpus=1 reset_devices"
    cat /sys/kernel/kexec_crash_loaded
    echo c >/proc/sysrq-trigger
fi
"#
        )
    };
}

const BY_KEXEC_LOAD: &str = crash!("segments");
const BY_KEXEC_FILE_LOAD: &str = crash!("file");
const BY_KEXEC_LOAD_ONLY: &str = "
run turnout load /boot/vmlinuz --crash --engine segments --reuse-cmdline
";

fn number(stage: &Stage, name: &str) -> Result<u64> {
    let mut lines = stage.text.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let text = line.with_context(|| format!("the system did not tell its {name}"))?;
    text.trim().parse().with_context(|| format!("{name} {text:?}"))
}

/// An ELF core file with the notes as one segment, the kernel's image and at
/// least two pieces of memory; as long as what the first system had.
fn dumps(stages: &[Stage]) -> Result<()> {
    let [first, second] = stages else { bail!("{} systems ran, not 2", stages.len()) };
    ensure!(first.exit_status("turnout load") == Some(0), "the crash kernel was not loaded");
    ensure!(first.exit_status("turnout unload") == Some(0), "it was not unloaded");
    ensure!(number(second, "type")? == 4, "/proc/vmcore is no core file");
    ensure!(number(second, "segments")? >= 4, "the dump has too few segments");
    ensure!(number(second, "releases")? > 0, "the dump does not name its kernel");
    let crashed = number(first, "memory")?;
    let own = number(second, "memory")?;
    ensure!(own < 256 << 10, "the crash kernel has {own} KiB");
    let dumped = number(second, "bytes")? >> 10;
    ensure!(number(second, "last")? == 1 << 20, "the end of the dump cannot be read");
    ensure!(dumped > crashed / 10 * 9, "{dumped} KiB of {crashed} were dumped");
    Ok(())
}

fn has_no_memory(stages: &[Stage]) -> Result<()> {
    let [stage] = stages else { bail!("{} systems ran, not 1", stages.len()) };
    ensure!(stage.exit_status("turnout load").is_some_and(|status| status != 0), "it was loaded");
    let why = "no memory is set aside for a crash kernel: start the running kernel with \
               crashkernel=256M or more";
    ensure!(stage.text.contains(why), "the refusal does not say why");
    Ok(())
}
