//! The commands on a running system: what they load, what they say, and with
//! which status they end.

use super::{AARCH64, Boot, Case, Expect, PLAIN, X86_64, case, nothing};
use anyhow::{Context, Result, ensure};
use turnout_qemu::facts::Stage;

pub(super) const fn script(script: &'static str) -> Boot {
    Boot { script: Some(script), ..PLAIN }
}

pub(super) const CASES: &[Case] = &[
    case("command_load_and_unload", script(LOAD_AND_UNLOAD), nothing, Expect::Tells(was_loaded)),
    case("command_exec", script(EXEC), nothing, Expect::Tells(second_system)),
    case("command_refusals", script(REFUSALS), nothing, Expect::Tells(refusals)),
    Case {
        name: "command_load_by_each_engine",
        archs: X86_64,
        boot: script(ENGINES),
        change: nothing,
        expect: Expect::Tells(each_engine),
    },
    Case {
        name: "command_load_without_kexec_file_load",
        archs: AARCH64,
        boot: script(ENGINES),
        change: nothing,
        expect: Expect::Tells(only_segments),
    },
    Case {
        name: "command_load_under_lockdown",
        archs: X86_64,
        boot: Boot { first_options: "lockdown=integrity", ..script(LOCKDOWN) },
        change: nothing,
        expect: Expect::Tells(locked_down),
    },
];

const LOAD_AND_UNLOAD: &str = "
mkdir -p /run
run turnout status
run turnout list
run turnout explain good
run turnout exec
run turnout load /boot/vmlinuz --initrd /boot/initrd.img --reuse-cmdline
turnout status --json
run turnout unload
turnout status --json
";

fn was_loaded(stages: &[Stage]) -> Result<()> {
    let stage = only(stages)?;
    ends(stage, "turnout status", 0)?;
    ends(stage, "turnout list", 0)?;
    says(stage, "* unsigned  good")?;
    ends(stage, "turnout explain", 0)?;
    says(stage, "source      /boot")?;
    says(stage, "/loader/entries: 1 entry")?;
    says(stage, "kexec_load on ")?;
    ends(stage, "turnout exec", 3)?;
    says(stage, "turnout: no kernel is loaded")?;
    ends(stage, "turnout load", 0)?;
    says(stage, "loaded by kexec_load, because it is faster")?;
    ends(stage, "turnout unload", 0)?;
    let said: Vec<_> = stage.text.lines().filter(|line| line.starts_with("{\"loaded\":")).collect();
    let [loaded, unloaded] = said.as_slice() else {
        anyhow::bail!("status was not printed twice: {said:?}")
    };
    has(loaded, "{\"loaded\":true,\"crash_loaded\":false,")?;
    has(loaded, "\"loaded_image\":{\"known\":true,\"entry\":null,")?;
    has(unloaded, "{\"loaded\":false,\"crash_loaded\":false,")?;
    has(unloaded, "\"loaded_image\":null,")?;
    has(unloaded, "\"came_up\":{\"how\":\"not-asked\"}")
}

fn has(line: &str, part: &str) -> Result<()> {
    ensure!(line.contains(part), "{part} is not in {line}");
    Ok(())
}

/// What `turnout boot` writes down, handed to the next system in an initrd: its disk.
const EXEC: &str = r#"
mkdir -p /run /var/lib/turnout
asked() {
    printf 'turnout-record 1 asked\nway kexec\nwhen 1\nboot-id %s\nfrom 6.0\nto %s\nkernel %064d\n' \
        "$1" "$(uname -r)" 1 >/var/lib/turnout/asked
    printf 'cmdline ro\ntoken %s\nwatchdog no\nend\n' "$2" >>/var/lib/turnout/asked
}
if [ "$stage" = 1 ]; then
    asked "$(cat /proc/sys/kernel/random/boot_id)" kexec-1
    turnout status | grep -e 'came up' -e 'asked for'
    (cd / && printf '%s\n' var var/lib var/lib/turnout var/lib/turnout/asked | cpio -o -H newc) >/asked
    run turnout load /boot/vmlinuz --initrd /boot/initrd.img --initrd /asked \
        --append "stage=2 spaced=\"a  b\" boot=kexec-1"
    umount /boot
    ends
    turnout exec
fi
echo "cmdline: $(cat /proc/cmdline)"
run turnout status --settle
run turnout bless
rm /var/lib/turnout/history
asked another-system kexec-2
run turnout status --settle
sed 's/^/failed: /' /var/lib/turnout/failed
run turnout history
"#;

fn second_system(stages: &[Stage]) -> Result<()> {
    let [first, second] = stages else { anyhow::bail!("{} systems ran, not 2", stages.len()) };
    says(first, "came up           not known: no jump to it was written down")?;
    says(first, "asked for         kexec to files that were named at 1970-01-01 00:00:01 UTC")?;
    ends(first, "turnout load", 0)?;
    says(second, "stage=2 spaced=\"a  b\"")?;
    says(second, "came up           by kexec, as asked (6.0 to ")?;
    ends(second, "turnout bless", 0)?;
    says(second, "this system came up by kexec, as asked (6.0 to ")?;
    says(second, "came up           by the firmware, although kexec was asked for (6.0 to ")?;
    says(second, "failed: from 6.0")?;
    ends(second, "turnout history", 0)?;
    says(second, " UTC  by the firmware, although kexec was asked for (6.0 to ")
}

/// Every refusal, with the sentence and the status of each.
const REFUSALS: &str = r#"
long="$(head -c 3000 /dev/zero | tr '\0' x)"
echo "not a kernel" >/garbage
run turnout load /garbage
turnout load /boot/vmlinuz --cmdline "$long"
echo "long: $?"
run turnout load /boot/none
run turnout frobnicate
echo 1 >/proc/sys/kernel/kexec_load_disabled
run turnout load /boot/vmlinuz --initrd /boot/initrd.img --reuse-cmdline
cat /sys/kernel/kexec_loaded | sed 's/^/loaded at the end: /'
"#;

fn refusals(stages: &[Stage]) -> Result<()> {
    let stage = only(stages)?;
    ends(stage, "turnout load /garbage", 5)?;
    says(stage, "failed /garbage: identify: this is no kernel image that Turnout knows")?;
    says(stage, "long: 5")?;
    says(
        stage,
        "plan: the command line has 3000 bytes; by kexec_load this kernel takes at most 2047",
    )?;
    ends(stage, "turnout load /boot/none", 4)?;
    says(stage, "failed /boot/none: read: /boot/none: No such file or directory")?;
    ends(stage, "turnout frobnicate", 2)?;
    ends(stage, "turnout load /boot/vmlinuz", 6)?;
    says(stage, "the running kernel takes no more kernels before a reset")?;
    says(stage, "loaded at the end: 0")
}

const ENGINES: &str = "
run turnout load /boot/vmlinuz --engine file --cmdline a
run turnout load --engine segments /boot/vmlinuz --cmdline a
turnout status --json
";

fn each_engine(stages: &[Stage]) -> Result<()> {
    let stage = only(stages)?;
    ends(stage, "turnout load /boot/vmlinuz --engine file", 0)?;
    says(stage, "loaded by kexec_file_load, because it was asked for")?;
    ends(stage, "turnout load --engine segments", 0)?;
    says(stage, "loaded by kexec_load, because it was asked for")?;
    says(stage, "\"engines\":{\"file\":true,\"segments\":true}")
}

/// Debian's arm64 kernels have no kexec_file_load.
fn only_segments(stages: &[Stage]) -> Result<()> {
    let stage = only(stages)?;
    ends(stage, "turnout load /boot/vmlinuz --engine file", 6)?;
    says(stage, "plan: the running kernel has no kexec_file_load")?;
    ends(stage, "turnout load --engine segments", 0)?;
    says(stage, "\"engines\":{\"file\":false,\"segments\":true}")
}

/// Only the file engine is left; whose signature Debian's kernel cannot check
/// without Secure Boot. Unloading goes by the file engine too.
const LOCKDOWN: &str = "
turnout status
run turnout load /boot/vmlinuz --cmdline a
run turnout load --engine segments /boot/vmlinuz --cmdline a
run turnout unload
";

fn locked_down(stages: &[Stage]) -> Result<()> {
    let stage = only(stages)?;
    says(stage, "lockdown          integrity")?;
    says(stage, "auto takes        file: the running kernel is locked down")?;
    ends(stage, "turnout load /boot/vmlinuz", 6)?;
    says(stage, "load: kexec_file_load: Operation not permitted")?;
    says(stage, "the running kernel forbids it: locked down")?;
    ends(stage, "turnout load --engine segments", 6)?;
    says(stage, "plan: the running kernel forbids kexec_load (lockdown=integrity)")?;
    ends(stage, "turnout unload", 0)
}

fn only(stages: &[Stage]) -> Result<&Stage> {
    let [stage] = stages else { anyhow::bail!("{} systems ran, not 1", stages.len()) };
    Ok(stage)
}

pub(super) fn ends(stage: &Stage, command: &str, expected: u8) -> Result<()> {
    let status = stage.exit_status(command).with_context(|| format!("{command}: never ended"))?;
    ensure!(status == expected, "{command}: status {status}, not {expected}");
    Ok(())
}

pub(super) fn says(stage: &Stage, text: &str) -> Result<()> {
    ensure!(stage.text.contains(text), "nobody said {text:?}");
    Ok(())
}
