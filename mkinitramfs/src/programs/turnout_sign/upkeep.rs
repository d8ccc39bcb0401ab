//! `turnout-sign upkeep`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use turnout::settings;

use super::Verdict;
use crate::upkeep::disk::Disk;
use crate::upkeep::{self, Report, Request, changed};

#[derive(Args)]
pub(super) struct Upkeep {
    /// What says who signs, and what
    #[arg(long, value_name = "FILE", default_value = settings::PATH)]
    conf: PathBuf,
    /// Root of the boot partition, and more as sign takes them; without it what
    /// the file says, or else what is mounted on /boot, /efi and /boot/efi
    #[arg(long, value_name = "DIR")]
    root: Vec<String>,
    /// A kernel release that was just removed: its manifests are dropped
    #[arg(long, value_name = "RELEASE")]
    removed: Option<String>,
    /// Key ring of the image that boots this machine
    #[arg(long, value_name = "FILE", default_value = "/etc/turnout/allowed_signers")]
    keys: PathBuf,
    /// Policy of that image
    #[arg(long, value_name = "FILE", default_value = "/etc/turnout/policy")]
    policy: PathBuf,
    /// Where it is written down what was made here
    #[arg(long, value_name = "DIR", default_value = "/var/lib/turnout")]
    state: PathBuf,
    /// At a start of the system, sign nothing, and write down what was changed while it was
    /// down: that is not signed until it is made anew
    #[arg(long)]
    start: bool,
    /// Sign this entry even if it was changed while the system was down
    #[arg(long, value_name = "ID")]
    accept: Vec<String>,
    /// Where it is written down what was changed
    #[arg(long, value_name = "FILE", default_value = "/run/turnout/changed-while-down")]
    note: PathBuf,
}

impl Upkeep {
    /// Whatever is wrong, hooks have one answer to it.
    pub(super) fn run(self) -> Result<Verdict> {
        let request = Request {
            conf: self.conf,
            roots: self.root,
            removed: self.removed,
            ring: self.keys,
            policy: self.policy,
            state: self.state,
            system: PathBuf::from("/"),
            note: self.note,
            accepted: self.accept,
        };
        let disk = Disk::default();
        let done = match self.start {
            true => changed::note(&request, &disk).map(|()| Report::default()),
            false => upkeep::run(&request, &disk),
        };
        let problems = match done {
            Ok(report) => !report.problems.is_empty(),
            Err(error) => {
                eprintln!("turnout-sign: {error:#}");
                true
            }
        };
        Ok(if problems { Verdict::Refused } else { Verdict::Good })
    }
}
