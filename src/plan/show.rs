//! Plans as people read them.

use core::fmt;

use super::{Check, Engine, Plan, Segment};
use crate::base::addr::Range;
use crate::base::digest::Digest;
use crate::base::json::Object;
use crate::base::text::printable;

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Name, memory, and how much of it is loaded; the rest becomes zeros.
impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = self.range.to_string();
        write!(f, "{:<9} {range:<25} {} loaded, ", self.name, self.bytes.len())?;
        write!(f, "{} zero", self.zeros())
    }
}

impl Segment<'_> {
    /// How many bytes of the memory are not loaded and become zeros.
    #[must_use]
    pub fn zeros(&self) -> u64 {
        self.range.len().saturating_sub(self.bytes.len() as u64)
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9} sha256:{} of", self.name, self.digest)?;
        self.regions.iter().try_for_each(|range| write!(f, " {range}"))
    }
}

/// Everything, with the digest of every segment: it is taken here, so a plan
/// is shown once and not on the way to the jump.
impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}, because {}", self.engine, self.arch, self.reason)?;
        let (form, why) = self.kernel;
        writeln!(f, "kernel  {form}, because {why}")?;
        for segment in &self.segments {
            writeln!(f, "segment {segment}, sha256:{}", segment.digest())?;
        }
        self.windows.iter().try_for_each(|window| writeln!(f, "window  {window}"))?;
        self.checks.iter().try_for_each(|check| writeln!(f, "check   {check}"))?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))?;
        if self.engine == Engine::Segments {
            let Self { entry, kernel_entry, argument, .. } = self;
            writeln!(f, "entry   {entry:#x}, then {kernel_entry:#x} with {argument:#x}")?;
        }
        write!(f, "options \"{}\"", printable(&self.cmdline))
    }
}

impl Plan<'_> {
    /// The same as JSON; docs/cli.md describes it.
    pub fn write_json(&self, out: &mut Object<'_>) {
        out.text("engine", self.engine.name());
        out.text("system_call", self.engine.system_call());
        out.text("reason", self.reason);
        out.text("arch", self.arch.name());
        let (form, why) = self.kernel;
        out.text("kernel", form);
        out.text("kernel_reason", why);
        out.array("segments", |list| {
            self.segments.iter().for_each(|one| list.object(|out| one.write_json(out)));
        });
        out.array("checks", |list| {
            self.checks.iter().for_each(|one| list.object(|out| one.write_json(out)));
        });
        out.array("windows", |list| {
            self.windows.iter().for_each(|one| list.object(|out| write_range(*one, out)));
        });
        let placed = |address| (self.engine == Engine::Segments).then_some(address);
        out.maybe_number("entry", placed(self.entry));
        out.maybe_number("kernel_entry", placed(self.kernel_entry));
        out.maybe_number("argument", placed(self.argument));
        out.text("options", &self.cmdline);
        out.array("warnings", |list| self.warnings.iter().for_each(|one| list.text(one)));
    }
}

impl Segment<'_> {
    fn write_json(&self, out: &mut Object<'_>) {
        out.text("name", self.name);
        write_range(self.range, out);
        out.number("loaded", self.bytes.len() as u64);
        out.number("zero", self.zeros());
        out.text("sha256", &self.digest().to_string());
    }
}

impl Check {
    fn write_json(&self, out: &mut Object<'_>) {
        out.text("name", &self.name);
        out.text("sha256", &self.digest.to_string());
        out.array("regions", |list| {
            self.regions.iter().for_each(|range| list.object(|out| write_range(*range, out)));
        });
    }
}

fn write_range(range: Range, out: &mut Object<'_>) {
    out.number("start", range.start());
    out.number("size", range.len());
}
