//! What a command line of kexec-tools asks for, put together option by option: the last
//! of several modes, engines or files counts, and what no longer counts is said.

use std::ffi::OsString;
use std::path::PathBuf;

use super::status::{FAILED, MISUSED, Stopped};
use super::types;
use crate::base::text::quoted;
use crate::cli::arguments::Load;
use crate::cli::cmdline::Cmdline;
use crate::plan::{Engine, Request, Slot};

/// What kexec-tools does where no engine is named.
pub(super) const FILE_FIRST: Request = Request::FileFirst;

/// Where the running kernel keeps the initrd that it was started with, if it was told
/// `retain_initrd`.
pub(super) const OWN_INITRD: &str = "/sys/firmware/initrd";

/// What `--no-checks` would give up is a promise of Turnout's.
const CHECKED: &str = "--no-checks gives up nothing: what was loaded is checked at the jump all \
                       the same, which takes some hundredths of a second";

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// A kernel is loaded, and the system restarted in order.
    #[default]
    Restart,
    Load,
    Unload,
    Exec,
    /// A kernel is loaded and started at once.
    Force,
    /// What there is not, and why.
    Impossible(String),
}

/// All that was asked for.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct Job {
    pub(super) mode: Mode,
    /// Before anything else; no later mode takes it back.
    pub(super) unloads: bool,
    pub(super) slot: Slot,
    pub(super) asks_status: bool,
    pub(super) request: Request,
    pub(super) cmdline: Option<OsString>,
    pub(super) reuse_cmdline: bool,
    pub(super) initrd: Option<PathBuf>,
    pub(super) reuse_initrd: bool,
    pub(super) devicetree: Option<PathBuf>,
    pub(super) kernel_type: Option<OsString>,
    pub(super) no_checks: bool,
    pub(super) no_sync: bool,
    pub(super) no_efi: bool,
    pub(super) debug: bool,
    /// The kernel, and what is in the way behind it.
    pub(super) operands: Vec<OsString>,
    /// Why nothing is loaded.
    refused: Option<String>,
    /// What is said if something is loaded.
    remarks: Vec<String>,
    /// What is said with `--debug` besides.
    notes: Vec<String>,
}

impl Default for Job {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            unloads: false,
            slot: Slot::Normal,
            asks_status: false,
            request: FILE_FIRST,
            cmdline: None,
            reuse_cmdline: false,
            initrd: None,
            reuse_initrd: false,
            devicetree: None,
            kernel_type: None,
            no_checks: false,
            no_sync: false,
            no_efi: false,
            debug: false,
            operands: Vec::new(),
            refused: None,
            remarks: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl Job {
    /// For the next panic, from now on.
    pub(super) fn set_panic(&mut self) {
        self.mode = Mode::Load;
        self.slot = Slot::Crash;
    }

    pub(super) fn set_unload(&mut self) {
        self.mode = Mode::Unload;
        self.unloads = true;
    }

    pub(super) fn set_cmdline(&mut self, text: OsString) {
        let before = self.cmdline.replace(text);
        self.last_counts("--append", before.is_some());
    }

    pub(super) fn set_initrd(&mut self, file: OsString) {
        let before = self.initrd.replace(file.into());
        self.last_counts("--initrd", before.is_some());
    }

    pub(super) fn set_devicetree(&mut self, file: OsString) {
        let before = self.devicetree.replace(file.into());
        self.last_counts("--dtb", before.is_some());
    }

    pub(super) fn set_type(&mut self, name: OsString) {
        let before = self.kernel_type.replace(name);
        self.last_counts("--type", before.is_some());
    }

    /// A later mode does not take it back: what is asked for would not be what is done.
    pub(super) fn set_no_mode(&mut self, option: &str, why: &str) {
        self.refuse(option, why);
        self.mode = Mode::Impossible(refusal(option, why));
    }

    /// Nothing can be loaded with this option.
    pub(super) fn refuse(&mut self, option: &str, why: &str) {
        self.refused.get_or_insert_with(|| refusal(option, why));
    }

    /// This option changes nothing.
    pub(super) fn note(&mut self, option: &str, why: &str) {
        self.notes.push(format!("{option} changes nothing: {why}"));
    }

    fn last_counts(&mut self, option: &str, repeats: bool) {
        if repeats {
            self.remarks.push(format!("{option} is there more than once: the last one counts"));
        }
    }

    /// Whether it begins with a kernel that is loaded.
    pub(super) const fn loads(&self) -> bool {
        matches!(self.mode, Mode::Restart | Mode::Load | Mode::Force)
    }

    /// The slot that `--status` is about: the crash kernel's, unless one is loaded into
    /// the ordinary one.
    pub(super) fn status_slot(&self) -> Slot {
        match self.mode {
            Mode::Load | Mode::Force => self.slot,
            _ => Slot::Crash,
        }
    }

    /// What is said in passing where something is loaded.
    pub(super) fn said(&self) -> Vec<String> {
        let mut said = self.remarks.clone();
        let more = self.operands.iter().skip(1);
        said.extend(more.map(|word| {
            format!(
                "{} is not used: one kernel is loaded, and a command line with blanks is one \
                 word, in quotes",
                quoted(&word.to_string_lossy())
            )
        }));
        said.extend(self.no_checks.then(|| CHECKED.to_owned()));
        said.extend(self.no_efi_for_nothing());
        if self.debug {
            said.extend(self.notes.iter().cloned());
        }
        said
    }

    fn no_efi_for_nothing(&self) -> Option<String> {
        let is_file = self.request == Request::Only(Engine::File);
        let said = "--noefi changes nothing with -s: kexec_file_load hands over what there is";
        (self.no_efi && is_file).then(|| said.to_owned())
    }

    /// What is loaded.
    ///
    /// # Errors
    /// No kernel is named, or an option stands against it.
    pub(super) fn load(&self) -> Result<Load, Stopped> {
        if let Some(refused) = &self.refused {
            return Err(Stopped::new(MISUSED, refused.clone()));
        }
        let kernel = self.operands.first().ok_or_else(|| {
            Stopped::new(FAILED, "No kernel specified: name the file of one".to_owned())
        })?;
        if self.mode == Mode::Force && self.slot == Slot::Crash {
            let said = "-f starts what it loads, and only a panic starts a crash kernel: leave \
                        out -f or -p";
            return Err(Stopped::new(MISUSED, said.to_owned()));
        }
        Ok(Load {
            kernel: kernel.into(),
            initrds: self.initrd().into_iter().collect(),
            devicetree: self.devicetree.clone(),
            cmdline: self.next_cmdline()?,
            request: self.engine(),
            slot: self.slot,
            kind: self.kernel_type.as_deref().map(types::find).transpose()?,
            without_efi: self.no_efi,
            shows_plan: self.debug,
            ..Load::default()
        })
    }

    fn initrd(&self) -> Option<PathBuf> {
        if self.reuse_initrd { Some(OWN_INITRD.into()) } else { self.initrd.clone() }
    }

    /// EFI can be left out by kexec_load alone.
    fn engine(&self) -> Request {
        match self.request {
            Request::FileFirst if self.no_efi => Request::Only(Engine::Segments),
            request => request,
        }
    }

    fn next_cmdline(&self) -> Result<Cmdline, Stopped> {
        let given = self.cmdline.as_deref().map(|text| {
            text.to_str().map(str::to_owned).ok_or_else(|| {
                let said =
                    format!("the command line {} is no UTF-8", quoted(&text.to_string_lossy()));
                Stopped::new(MISUSED, said)
            })
        });
        Ok(match (given.transpose()?, self.reuse_cmdline) {
            (None, false) => Cmdline::Own,
            (Some(text), false) => Cmdline::Given(text),
            (None, true) => Cmdline::Reuse,
            (Some(text), true) => Cmdline::ReuseAnd(text),
        })
    }
}

fn refusal(option: &str, why: &str) -> String {
    format!("{option} is not done: {why}")
}
