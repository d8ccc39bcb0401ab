//! Reads what the recorder told of both programs, and names what differs.
//!
//! What is handed over is compared by content, not by place: which file's bytes are
//! the kernel, which the initrd, and the command line byte for byte. Addresses, boot
//! parameters and purgatory differ by design. Where kexec-tools loaded nothing,
//! nothing that was handed over is compared.

use super::blobs::Blobs;
use super::lines::{Line, Try};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// What became of one program with one line, by the names of fields.
type Fields = BTreeMap<&'static str, String>;

/// A line with which the two differ, and in what.
#[derive(Debug)]
pub(super) struct Differing<'a> {
    pub(super) line: &'a Try,
    /// Name, kexec-tools' value, ours.
    pub(super) fields: Vec<(&'static str, String, String)>,
    /// What each of them said on its standard error, theirs first.
    pub(super) said: [String; 2],
}

/// Options whose output is read by scripts.
const SPOKEN: [&str; 5] = ["-S", "--status", "-v", "--version", "--print-ckr-size"];

/// Nobody reads it by a script.
const HELP: [&str; 3] = ["-h", "--help", "-?"];

/// All lines with which the two differ.
pub(super) fn differing<'a>(
    lines: &'a [Line],
    text: &str,
    blobs: &Blobs,
) -> Result<Vec<Differing<'a>>> {
    ensure!(text.lines().any(|line| line == "@ done"), "the recorder did not come to its end");
    let told = told(text);
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Line::Try(line) = line else { continue };
        let each = ["theirs", "ours"].map(|side| told.get(&(number, side)));
        let [Some(theirs), Some(ours)] = each else { anyhow::bail!("nothing of line {number}") };
        for told in [theirs, ours] {
            let before = value(told, "before").unwrap_or_default();
            let wanted = line.state.trim_start_matches("user:");
            ensure!(before == wanted, "line {number} began with {before}, not {wanted}");
        }
        let [one, other] = [fields(theirs, line, blobs)?, fields(ours, line, blobs)?];
        let fields = compared(&one, &other);
        if !fields.is_empty() {
            let said = [theirs, ours].map(|told| value(told, "said").unwrap_or_default().into());
            found.push(Differing { line, fields, said });
        }
    }
    Ok(found)
}

/// `@ NUMBER SIDE NAME=VALUE<TAB>...`, by number and side.
fn told(text: &str) -> BTreeMap<(usize, &str), Vec<(&str, &str)>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("@ "));
    lines
        .filter_map(|line| {
            let (number, rest) = line.split_once(' ')?;
            let (side, rest) = rest.split_once(' ')?;
            let pairs = rest.split('\t').filter_map(|pair| pair.split_once('='));
            Some(((number.parse().ok()?, side), pairs.collect()))
        })
        .collect()
}

fn value<'a>(told: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    told.iter().find(|(one, _)| *one == name).map(|(_, value)| *value)
}

fn fields(told: &[(&str, &str)], line: &Try, blobs: &Blobs) -> Result<Fields> {
    let mut fields = Fields::new();
    for name in ["status", "after"] {
        let value = value(told, name).with_context(|| format!("no {name} of {line:?}"))?;
        fields.insert(name, value.to_owned());
    }
    let has = |words: &[&str]| line.words.iter().any(|word| words.contains(&word.as_str()));
    if has(&SPOKEN) && !has(&HELP) {
        fields.insert("output", spoken(value(told, "out").unwrap_or_default()).to_owned());
    }
    for (name, value) in told {
        match *name {
            "reboot" => _ = fields.insert("jump", (*value).to_owned()),
            "exec" => _ = fields.insert("program", program(value)),
            "kexec_load" => handed(&mut fields, Call::parse("kexec_load", value, 1)?, blobs),
            "kexec_file_load" => {
                handed(&mut fields, Call::parse("kexec_file_load", value, 2)?, blobs);
            }
            _ => {}
        }
    }
    Ok(fields)
}

/// The first word is whose program it is; the rest differs with the version.
fn spoken(output: &str) -> &str {
    if output.starts_with("kexec-tools ") { "kexec-tools" } else { output }
}

/// Without the shell that runs it where it is a script.
fn program(words: &str) -> String {
    let words = words.trim_end_matches("\\x00");
    let at = words.find("/sbin/").unwrap_or_default();
    words.get(at..).unwrap_or_default().replace("\\x00", " ")
}

/// A call that loads or unloads.
struct Call<'a> {
    name: &'static str,
    is_crash: bool,
    digests: Vec<&'a str>,
    cmdline: &'a str,
}

impl<'a> Call<'a> {
    /// `FLAGS DIGEST,DIGEST... 'CMDLINE'`; `crash` is the flag of the crash slot.
    fn parse(name: &'static str, value: &'a str, crash: u64) -> Result<Self> {
        let mut words = value.splitn(3, ' ');
        let flags = u64::from_str_radix(words.next().context("no flags")?, 16)?;
        let digests = words.next().context("no digests")?;
        let digests = digests.split(',').filter(|digest| !["", "-"].contains(digest)).collect();
        let cmdline = words.next().context("no command line")?;
        Ok(Self { name, is_crash: flags & crash != 0, digests, cmdline })
    }
}

/// The last call of each kind counts: those before it were refused.
fn handed(fields: &mut Fields, call: Call<'_>, blobs: &Blobs) {
    if call.digests.is_empty() {
        fields.insert("unload", call.name.to_owned());
        return;
    }
    let slot = if call.is_crash { "crash" } else { "ordinary" };
    fields.insert("load", call.name.to_owned());
    fields.insert("slot", slot.to_owned());
    fields.insert("kernel", blobs.kernel(&call.digests));
    fields.insert("initrd", blobs.initrd(&call.digests));
    fields.insert("cmdline", without_addresses(call.cmdline));
}

/// Each program puts the headers of the core where it likes.
fn without_addresses(cmdline: &str) -> String {
    const HEADERS: &str = "elfcorehdr=";
    let word = |word: &str| match word.find(HEADERS) {
        Some(at) => format!("{}{HEADERS}*", word.get(..at).unwrap_or_default()),
        None => word.trim_end_matches('\'').to_owned(),
    };
    cmdline.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// What both failed to load says nothing.
fn compared(theirs: &Fields, ours: &Fields) -> Vec<(&'static str, String, String)> {
    const HANDED: [&str; 6] = ["load", "slot", "kernel", "initrd", "cmdline", "unload"];
    let failed = |fields: &Fields| {
        fields.get("status").is_none_or(|status| status != "0" && status != "jumps")
    };
    let both_failed = failed(theirs) && failed(ours);
    let names = theirs.keys().chain(ours.keys()).copied();
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter(|name| !(both_failed && HANDED.contains(name)))
        .filter_map(|name| {
            let [one, other] = [theirs, ours].map(|fields| fields.get(name).cloned());
            (one != other).then(|| (name, one.unwrap_or_default(), other.unwrap_or_default()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "@ 0 SIDE before=none\tstatus=STATUS\tafter=ordinary\tout=\tsaid=\t";

    fn line(words: &[&str]) -> Vec<Line> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        vec![Line::Try(Try { state: "none", words, is_callers: true })]
    }

    fn side(name: &str, status: &str, call: &str) -> String {
        HEAD.replace("SIDE", name).replace("STATUS", status) + call + "\n"
    }

    /// The names of what differs when they made these calls.
    fn names(theirs: &str, ours: &str) -> Vec<&'static str> {
        let blobs = Blobs::named("aa", "bb");
        let text = side("theirs", "0", theirs) + &side("ours", "0", ours) + "@ done\n";
        let lines = line(&["-l", "K"]);
        let found = differing(&lines, &text, &blobs).unwrap();
        found.iter().flat_map(|one| &one.fields).map(|(name, ..)| *name).collect()
    }

    #[test]
    fn what_is_handed_over_is_compared_by_content_and_by_call() {
        let load = "kexec_load=0 77,aa,bb 'a  b'";
        assert!(names(load, "kexec_load=0 bb,aa,99,98 'a  b'").is_empty());
        assert_eq!(names(load, "kexec_load=0 aa,bb 'a b'"), ["cmdline"]);
        assert_eq!(names(load, "kexec_load=0 aa 'a  b'"), ["initrd"]);
        assert_eq!(names(load, "kexec_load=0 bb 'a  b'"), ["kernel"]);
        assert_eq!(names(load, "kexec_load=1 aa,bb 'a  b'"), ["slot"]);
        assert_eq!(names(load, "kexec_file_load=0 aa,bb 'a  b'"), ["load"]);
        let core = "kexec_load=1 aa 'x elfcorehdr=0x2f000000'";
        assert!(names(core, "kexec_load=1 aa 'x elfcorehdr=1234K'").is_empty());
        assert_eq!(names(core, "kexec_load=1 aa 'x'"), ["cmdline"]);
        assert_eq!(names("reboot=45584543", ""), ["jump"]);
    }

    #[test]
    fn a_recorder_that_did_not_end_or_left_a_line_out_is_no_success() {
        let blobs = Blobs::named("aa", "bb");
        let lines = line(&["-l", "K"]);
        let whole = side("theirs", "0", "") + &side("ours", "1", "");
        let error = differing(&lines, &whole, &blobs).unwrap_err().to_string();
        assert_eq!(error, "the recorder did not come to its end");
        let half = side("theirs", "0", "") + "@ done\n";
        let error = differing(&lines, &half, &blobs).unwrap_err().to_string();
        assert_eq!(error, "nothing of line 0");
        let whole = whole + "@ done\n";
        let found = differing(&lines, &whole, &blobs).unwrap();
        assert_eq!(found[0].fields, [("status", "0".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn a_state_that_was_not_reached_is_no_success() {
        let blobs = Blobs::named("aa", "bb");
        let lines = line(&["-l", "K"]);
        let both = side("theirs", "0", "") + &side("ours", "0", "");
        let both = both.replace("before=none", "before=crash") + "@ done\n";
        let error = differing(&lines, &both, &blobs).unwrap_err().to_string();
        assert_eq!(error, "line 0 began with crash, not none");
    }
}
