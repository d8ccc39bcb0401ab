//! Files that the administrator names, read once, and the plan of what was proven: for
//! this machine, or one that files describe. Whether it may be loaded is for
//! [`super::allow`] to say.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::arguments::{Inputs, Load};
use crate::base::json::Object;
use crate::bundle::{Blob, Bundle};
use crate::failure::{Failure, Stage};
use crate::fdt::{self, Fdt};
use crate::image::{self, Kernel, Uki, Unpacked};
use crate::plan::{
    Content, Engine, Facts, Loading, Machine, Plan, Platform, Prepared, Request, Slot, Unpacking,
    WITH_CRASH, falls_back,
};
use crate::steps::load::{self, Parts, Refused};
use crate::steps::prepare::{self, Proven, Readying, not_identified};
use crate::sys::arch;
use crate::sys::read::{self, Sealed};
use crate::sys::sources::Sources;
use crate::sys::status::{Status, facts_of_system};
use crate::sys::{self, machine, running_cmdline};
use crate::trust::policy::{Floors, Policy};
use crate::trust::slots::SlotValues;
use crate::trust::verify::{Context, Evidence, Identity, Mode, check_manifest, verify};

/// What is done with a plan.
type Then<'a> = dyn for<'p> FnMut(&Planned<'p>, Plan<'p, Sealed>) -> Result<(), Failure> + 'a;

/// Plans what was verified, for the machine that is described or this one.
pub(super) fn with_plan(load: &Load, proven: &Proven, then: &mut Then<'_>) -> Result<(), Failure> {
    let sources = sources(&load.inputs);
    let limits = prepare::limits(proven);
    let unpacked = prepare::identify(proven, &limits)
        .map_err(|error| not_identified(&error, error.to_string()))?;
    check_kind(load, &unpacked)?;
    let release = image::describe(&unpacked).version;
    let (machine, facts) = describe(load, &sources)?;
    let request = request(load, &unpacked);
    let how = Readying {
        request,
        decompress: load.decompress,
        // Nothing waits for a key here that could be used to unpack a kernel.
        against: Some(Unpacking::NO_TIME),
        limits: &limits,
        facts: &facts,
        machine: &machine,
        is_here: sources.is_live(),
        may_have_front: false,
    };
    let kernel = how.apply(unpacked, proven)?;
    let (kernel, machine, facts) = (&kernel, &machine, &facts);
    let planned = Planned { load, proven, kernel, machine, facts, release };
    let mut plan = planned.plan(request)?;
    if !sources.is_live() && sources.arch != arch::native() {
        plan.warnings.push(stand_in_purgatory());
    }
    then(&planned, plan)
}

/// By which call: an ELF kernel is no file for kexec_file_load, and has nothing to try
/// first.
fn request(load: &Load, unpacked: &Unpacked<'_>) -> Request {
    match (load.request, unpacked.kernel()) {
        (Request::FileFirst, Kernel::Vmlinux(_)) => Request::Auto,
        (request, _) => request,
    }
}

fn check_kind(load: &Load, unpacked: &Unpacked<'_>) -> Result<(), Failure> {
    let checked = load.kind.map_or(Ok(()), |kind| kind.check(unpacked));
    checked
        .map_err(|said| Failure::new(Stage::Identify, format!("{}: {said}", load.kernel.display())))
}

/// The machine to plan for. A command line that names inputs was complete:
/// [`super::arguments`] has seen to that.
fn sources(inputs: &Inputs) -> Sources {
    if inputs.is_live(arch::native()) {
        return Sources::live();
    }
    let stand_ins = [
        (machine::IOMEM, &inputs.iomem),
        (machine::FIRMWARE_MAP, &inputs.memmap),
        (machine::BOOT_PARAMS, &inputs.boot_params),
        (machine::FDT, &inputs.fdt),
    ];
    let stand_ins = stand_ins.into_iter();
    let stand_ins = stand_ins.filter_map(|(real, path)| Some((real, path.clone()?))).collect();
    let arch = inputs.arch.unwrap_or_else(arch::native);
    Sources::described(arch, inputs.page_size, stand_ins)
}

/// Every file once, in the order in which they are used.
pub(super) fn read(load: &Load) -> Result<Bundle<Sealed>, Failure> {
    let sources = sources(&load.inputs);
    if sources.is_live() && load.slot == Slot::Normal {
        let paths = [&load.kernel].into_iter().chain(&load.initrds);
        prepare::check_sizes(paths.filter_map(|path| read::size(path)))?;
    }
    let limit = machine::memory_for_files();
    let linux = read_one(&load.kernel, limit)?;
    let uki = image::find_uki(linux.bytes.as_ref());
    let own = uki.as_ref().and_then(Uki::cmdline);
    let cmdline = load.cmdline.resolve(own, load.slot, running_cmdline);
    Ok(Bundle {
        entry: load.kernel.display().to_string(),
        initrds: read_all(&load.initrds, limit)?,
        devicetree: devicetree(load, uki.as_ref(), &sources, limit)?,
        overlays: Vec::new(),
        addons: Vec::new(),
        profile: None,
        options: cmdline.map_err(at_read)?,
        linux,
    })
}

fn read_one(path: &Path, limit: u64) -> Result<Blob<Sealed>, Failure> {
    read::blob(path, limit).map_err(at_read)
}

fn read_all(paths: &[PathBuf], limit: u64) -> Result<Vec<Blob<Sealed>>, Failure> {
    paths.iter().map(|path| read_one(path, limit)).collect()
}

fn at_read(error: sys::Error) -> Failure {
    Failure::new(Stage::Read, error)
}

/// The device tree that was named, or else the kernel's own, or else the
/// machine's, with the overlays merged into it; none where nothing was named.
fn devicetree(
    load: &Load,
    uki: Option<&Uki<'_>>,
    sources: &Sources,
    limit: u64,
) -> Result<Option<Blob<Sealed>>, Failure> {
    let named = load.devicetree.as_ref().map(|path| read_one(path, limit)).transpose()?;
    if load.overlays.is_empty() {
        return Ok(named);
    }
    let running = sources.read_bytes(machine::FDT, limit);
    let tree = running.as_ref().ok().and_then(|blob| Fdt::parse(blob).ok());
    let board = tree.as_ref().and_then(Fdt::board);
    let base = match (&named, uki.and_then(|uki| uki.dtb(board))) {
        (Some(blob), _) => Cow::Borrowed(blob.bytes.as_ref()),
        (None, Some(dtb)) => Cow::Borrowed(dtb),
        (None, None) => Cow::Owned(running.map_err(at_read)?),
    };
    let overlays = read_all(&load.overlays, limit)?;
    let merged = merge(&base, &overlays).map_err(|(path, error)| {
        Failure::new(Stage::Plan, format!("{}: {error}", path.unwrap_or("the device tree")))
    })?;
    let bytes = Sealed::copy("device tree", &merged).map_err(at_read)?;
    Ok(Some(Blob::hash("device tree with overlays", bytes)))
}

/// The merged tree, or what is wrong with which overlay (or with the tree).
fn merge<'a>(
    base: &[u8],
    overlays: &'a [Blob<Sealed>],
) -> Result<Vec<u8>, (Option<&'a str>, fdt::Error)> {
    let mut tree = Fdt::parse(base).map_err(|error| (None, error))?;
    for blob in overlays {
        Fdt::parse(blob.bytes.as_ref())
            .and_then(|overlay| tree.apply(overlay))
            .map_err(|error| (Some(blob.path.as_str()), error))?;
    }
    Ok(tree.to_blob())
}

/// Where there is no ring whoever may load a kernel on a running system answers for its
/// files: the policy is that of an open image, and there is no manifest.
pub(super) fn by_the_administrator(bundle: Bundle<Sealed>) -> Result<Proven, Failure> {
    let policy = Policy::default();
    let identity = Identity::default();
    let context = Context {
        mode: Mode::Open,
        ring: None,
        policy: &policy,
        arch: arch::native(),
        identity: &identity,
        floors: Floors::default(),
    };
    let evidence = Evidence { manifest: None, signature: None };
    check_manifest(&context, &bundle.entry, evidence)
        .and_then(|leave| verify(&leave, bundle, &SlotValues::default()))
        .map_err(Failure::refused)
}

/// Of a machine that is only described nothing is known about its kernel.
fn describe(load: &Load, sources: &Sources) -> Result<(Machine, Facts), Failure> {
    let facts = match sources.is_live() {
        true => facts_of_system(&Status::read(), load.slot),
        false => Facts::plain(),
    };
    let mut machine = machine::survey(sources.arch, sources).map_err(at_read)?;
    if load.slot == Slot::Crash {
        machine.crash = Some(machine::crash(sources).map_err(at_read)?);
    }
    if let (true, Platform::Pc(pc)) = (load.without_efi, &mut machine.platform) {
        pc.efi = None;
    }
    Ok((machine, facts))
}

/// Where the kernel's rules are about files it has to read them itself, or cannot.
fn about_files(plan: &Plan<'_, Sealed>, facts: &Facts) -> Option<String> {
    let (Loading::Files(files), Some(rule)) = (&plan.loading, facts.file_rule) else { return None };
    let rule = rule.name();
    let all = [Some(&files.kernel), files.initrd.as_ref()];
    let are_whole = all.into_iter().flatten().all(|one| matches!(one, Content::File(_)));
    Some(match are_whole {
        true => format!("{rule} is in force: {READ_AGAIN}, and they are compared after that"),
        false => format!(
            "{rule} is in force and judges files, but what is loaded had to be unpacked or \
             joined first and is in none: it may be refused"
        ),
    })
}

/// What is given up where the kernel is given the files themselves.
pub(super) const READ_AGAIN: &str = "the running kernel reads the files once more itself";

fn about_handover(plan: &Plan<'_, Sealed>, facts: &Facts) -> Option<String> {
    (facts.handover && plan.engine() == Engine::Segments).then(|| {
        "what the running kernel hands over to the next (KHO) is lost by kexec_load".to_owned()
    })
}

fn stand_in_purgatory() -> String {
    format!(
        "this program has the purgatory for {} alone: in this plan its code stands for the other's",
        arch::native()
    )
}

/// What a plan is made of.
pub(super) struct Planned<'a> {
    pub(super) load: &'a Load,
    /// What `uname -r` will print, where the kernel's file tells.
    pub(super) release: Option<String>,
    proven: &'a Proven,
    kernel: &'a Prepared<'a>,
    machine: &'a Machine,
    facts: &'a Facts,
}

impl<'a> Planned<'a> {
    fn plan(&self, request: Request) -> Result<Plan<'a, Sealed>, Failure> {
        let Self { proven, kernel, machine, facts, .. } = *self;
        let parts = Parts { request, facts, kernel, proven, machine, front: None };
        let mut plan = load::plan::<WITH_CRASH>(parts.machine.arch(), &parts)?;
        if plan.cmdline.is_empty() {
            plan.warnings.push("the command line is empty".to_owned());
        }
        plan.warnings.extend(about_files(&plan, facts));
        plan.warnings.extend(about_handover(&plan, facts));
        Ok(plan)
    }

    /// Loads; where the running kernel cannot do it one way and `auto` may try
    /// the other, the plan becomes the one that was loaded in the end.
    pub(super) fn load(&self, plan: &mut Plan<'a, Sealed>) -> Result<(), Failure> {
        let slot = self.load.slot;
        let Err(refused) = load::load(plan, slot) else { return Ok(()) };
        if !self.may_fall_back(plan.engine(), &refused) {
            return Err(refused.into());
        }
        *plan = self.plan(Request::Only(Engine::Segments))?;
        plan.reason = "the running kernel cannot load it by kexec_file_load";
        plan.warnings.push(refused.said);
        load::load(plan, slot)?;
        Ok(())
    }

    fn may_fall_back(&self, engine: Engine, refused: &Refused) -> bool {
        let request = self.load.request;
        refused.errno.is_some_and(|errno| falls_back(request, self.facts, engine, errno))
    }

    /// Whether the running kernel reads the files itself.
    pub(super) fn is_read_again(&self, plan: &Plan<'_, Sealed>) -> bool {
        self.facts.file_rule.is_some() && plan.engine() == Engine::File
    }

    pub(super) fn text(&self, plan: &Plan<'_, Sealed>) -> String {
        if self.load.dry_run {
            return plan.to_string();
        }
        if self.load.shows_plan {
            // Its warnings are in it.
            return format!("loaded, as planned:\n{plan}");
        }
        let mut text = format!("loaded by {}, because {}", plan.engine(), plan.reason);
        for warning in &plan.warnings {
            text.push_str("\nwarning: ");
            text.push_str(warning);
        }
        text
    }

    pub(super) fn write_json(&self, plan: &Plan<'_, Sealed>, out: &mut Object<'_>) {
        let bundle = self.proven.get();
        out.flag("loaded", !self.load.dry_run);
        out.object("kernel", |out| write_blob(&bundle.linux, out));
        out.array("initrds", |list| {
            bundle.initrds.iter().for_each(|blob| list.object(|out| write_blob(blob, out)));
        });
        match &bundle.devicetree {
            Some(blob) => out.object("devicetree", |out| write_blob(blob, out)),
            None => out.null("devicetree"),
        }
        out.object("plan", |out| plan.write_json(out));
    }
}

pub(super) fn write_blob(blob: &Blob<Sealed>, out: &mut Object<'_>) {
    out.text("path", &blob.path);
    out.number("size", blob.size);
    out.text("sha256", &blob.digest.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::bzimage;
    use crate::image::testing::{unpacked, vmlinux};

    #[test]
    fn the_file_engine_is_not_first_for_what_it_cannot_load() {
        let first = Load { request: Request::FileFirst, ..Load::default() };
        let (elf, bzimage) = (vmlinux(), bzimage::testing::small());
        assert_eq!(request(&first, &unpacked(&elf)), Request::Auto);
        assert_eq!(request(&first, &unpacked(&bzimage)), Request::FileFirst);
        let only = Load { request: Request::Only(Engine::File), ..first };
        assert_eq!(request(&only, &unpacked(&elf)), Request::Only(Engine::File));
    }

    #[test]
    fn a_kernel_that_is_not_what_it_has_to_be_is_refused_by_name() {
        let kind = Some(crate::cli::kernel_kind::Kind::Vmlinux);
        let load = Load { kernel: "/boot/K".into(), kind, ..Load::default() };
        let bzimage = bzimage::testing::small();
        let failure = check_kind(&load, &unpacked(&bzimage)).unwrap_err();
        assert_eq!(failure.stage, Stage::Identify);
        let said = "/boot/K: this is a bzImage, not an ELF kernel for x86_64";
        assert_eq!(failure.sentence(), said);
    }
}
