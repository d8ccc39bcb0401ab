//! What a guest knows about itself, printed by a script and read here: memory
//! maps, firmware tables, processors, trouble in the kernel's log.
//!
//! A line is `fact NAME VALUE`; a command that a script runs is `$ COMMAND`,
//! what it printed, `= STATUS`.

/// Defines `facts`, which prints them all. It needs busybox, /proc and /sys.
pub const SCRIPT: &str = r#"
fact() { echo "fact $*"; }
each() { while IFS= read -r line; do echo "fact $1 $line"; done; }
messages() { dmesg | sed 's/^\[[^]]*\] //'; }
facts() {
    fact kernel "$(uname -r)"
    fact cmdline "$(cat /proc/cmdline)"
    fact memory "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
    fact processors "$(nproc)"
    fact nodes "$(ls -d /sys/devices/system/node/node* | wc -l)"
    fact text "$(grep -m1 ' _stext$' /proc/kallsyms | cut -d' ' -f1)"
    each iomem </proc/iomem
    messages | grep '^BIOS-e820: ' | sed 's/^BIOS-e820: //' | each e820
    for entry in /sys/firmware/memmap/*; do
        [ -e "$entry/start" ] && echo $(cat "$entry/start" "$entry/end" "$entry/type")
    done | sort | each memmap
    for node in /sys/kernel/boot_params/setup_data/*; do
        [ -e "$node/type" ] && fact setup_data "$(cat "$node/type") $(wc -c <"$node/data")"
    done
    grep -q -w la57 /proc/cpuinfo && fact la57 yes
    messages | grep '^efi: ' | each efi
    for region in /sys/firmware/efi/runtime-map/*; do
        [ -e "$region/type" ] && fact runtime "$(cd "$region" && \
            echo $(cat type phys_addr virt_addr num_pages attribute))"
    done
    if [ -d /sys/firmware/efi ]; then
        [ -e /efivarfs.ko ] && insmod /efivarfs.ko
        mount -t efivarfs efivarfs /sys/firmware/efi/efivars 2>/dev/null
        fact efivars "$(ls /sys/firmware/efi/efivars | wc -l)"
    fi
    [ -d /sys/firmware/acpi/tables ] && fact acpi "$(ls /sys/firmware/acpi/tables | wc -l)"
    for property in /proc/device-tree/chosen/*; do
        [ -f "$property" ] && fact chosen "${property##*/} $(wc -c <"$property")"
    done
    [ -e /proc/device-tree/turnout-overlay ] && \
        fact overlay "$(tr -d '\0' </proc/device-tree/turnout-overlay)"
    dmesg | sed -n 's/^\[ *\([0-9.]*\)\] random: crng init done/\1/p' | each seeded
    messages | sed -n 's/^CPU: All CPU(s) started at //p' | each level
    messages | grep -E 'BUG:|WARNING:|Oops|Call Trace|probably corrupted' | each trouble
}
"#;

/// The facts of one system.
#[derive(Debug, Default, Clone)]
pub struct Facts(Vec<(String, String)>);

impl Facts {
    /// Reads the facts out of what a system printed.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.strip_prefix("fact "));
        let pairs = lines.map(|line| line.split_once(' ').unwrap_or((line, "")));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
    }

    /// All values of a fact, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let of_name = self.0.iter().filter(|(other, _)| other == name);
        of_name.map(|(_, value)| value.as_str()).collect()
    }

    /// The first value of a fact.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }
}

/// What one running system of a chain printed.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Its facts, if its script asked for them.
    pub facts: Facts,
    /// All of it.
    pub text: String,
}

impl Stage {
    /// Parts the transcript of a chain: a system begins with `stage N: `.
    pub fn parse(transcript: &str) -> Vec<Self> {
        let mut parts: Vec<String> = Vec::new();
        for line in transcript.lines() {
            if line.starts_with("stage ") && line.contains(": begins") {
                parts.push(String::new());
            }
            if let Some(part) = parts.last_mut() {
                part.push_str(line);
                part.push('\n');
            }
        }
        parts.into_iter().map(|text| Self { facts: Facts::parse(&text), text }).collect()
    }

    /// How the first command that begins so ended; none if it did not run, or
    /// did not end.
    pub fn exit_status(&self, command: &str) -> Option<u8> {
        let begins = format!("$ {command}");
        let mut lines = self.text.lines().skip_while(|line| !line.starts_with(&begins)).skip(1);
        lines.find_map(|line| line.strip_prefix("= "))?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_the_lines_that_say_so_and_may_have_several_values() {
        let facts =
            Facts::parse("noise\nfact chosen bootargs 5\nfact chosen rng-seed 128\nfact la57");
        assert_eq!(facts.all("chosen"), ["bootargs 5", "rng-seed 128"]);
        assert_eq!((facts.get("la57"), facts.get("noise")), (Some(""), None));
    }

    #[test]
    fn a_chain_is_parted_into_its_systems_and_a_command_has_its_own_status() {
        let chain = "BIOS\nstage 1: begins\n$ turnout load /x\nno\n= 6\n$ turnout exec\n\
                     stage 2: begins\nfact memory 5\n";
        let stages = Stage::parse(chain);
        let [first, second] = stages.as_slice() else { panic!("{stages:?}") };
        assert_eq!(first.exit_status("turnout load"), Some(6));
        assert_eq!(first.exit_status("turnout exec"), None);
        assert_eq!((first.facts.get("memory"), second.facts.get("memory")), (None, Some("5")));
    }
}
