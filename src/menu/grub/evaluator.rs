//! The state of a script that is being evaluated, and how statements are.
//!
//! Follows GRUB's own semantics, as they were measured: a statement has a status
//! (`$?`), which the commands give. Must never take more steps, memory or files than
//! there are limits for, and never write to a device.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::lexer::Lexer;
use super::parser;
use super::rules::Trap;
use super::scope::Scope;
use super::script::{Arm, Block, Kind, Script, Statement, Word};
use super::world::{Device, Place, World};
use crate::menu::{Code, Diagnostic};

/// Most steps of all scripts of one menu together.
pub(super) const MAX_STEPS: u32 = 100_000;
/// A statement nested so deep fails, be it by functions, files or other statements; the
/// lists that statements are in count too (GRUB's own limit).
const MAX_DEPTH: u32 = 64;
/// Most rows of a menu and all its submenus.
pub(super) const MAX_ROWS: usize = 512;
/// Longest value of a variable, in bytes.
const MAX_VALUE: usize = 64 << 10;
/// Most bytes of all files of one menu, and most files.
const MAX_SOURCES: usize = 1 << 20;
const MAX_FILES: u32 = 16;
/// Most bytes that are kept of what is printed.
const MAX_OUTPUT: usize = 64 << 10;
/// Most that is said of one menu.
const MAX_DIAGNOSTICS: usize = 256;
/// After so many steps the device's budget is asked whether there is time left.
const STEPS_BETWEEN_LOOKS: u32 = 256;

/// What a command gives back, as GRUB's `$?`: 0 is success; the numbers are those of
/// GRUB's `enum grub_err_t`, which scripts read, or what `return` was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Status(pub(super) i32);

impl Status {
    pub(super) const SUCCESS: Self = Self(0);
    /// A test that is not true, and `false`.
    pub(super) const FALSE: Self = Self(1);
    pub(super) const FILE_NOT_FOUND: Self = Self(5);
    pub(super) const BAD_FILE_TYPE: Self = Self(4);
    pub(super) const BAD_NUMBER: Self = Self(10);
    pub(super) const UNKNOWN_DEVICE: Self = Self(12);
    pub(super) const READ_ERROR: Self = Self(14);
    pub(super) const INVALID_COMMAND: Self = Self(17);
    pub(super) const BAD_ARGUMENT: Self = Self(18);
    pub(super) const NO_KERNEL: Self = Self(22);
    pub(super) const NOT_IMPLEMENTED: Self = Self(24);
    pub(super) const TOO_DEEP: Self = Self(48);

    /// That of a test.
    pub(super) const fn of(is_true: bool) -> Self {
        if is_true { Self::SUCCESS } else { Self::FALSE }
    }
}

/// How evaluation goes on after a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// With the next one.
    Next(Status),
    /// Out of so many loops.
    Break(u32),
    /// With the next turn of so many loops out.
    Continue(u32),
    /// Out of the function or file.
    Return(Status),
    /// Not at all: a menu is on the screen, an entry has booted, `exit`, or the limits
    /// are used up.
    Stop,
}

impl Flow {
    pub(super) const SUCCESS: Self = Self::Next(Status::SUCCESS);
}

/// A command with its arguments, variables replaced.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    /// Without the name. Of a command that takes no block, the last is its text.
    pub(super) words: &'a [String],
    pub(super) block: Option<&'a Rc<Block>>,
    /// What `words` were made of, with the name; none where others have made them.
    pub(super) source: &'a [Word],
    /// The line at which it stands.
    pub(super) line: usize,
}

/// A command of the table ([`super::commands`]).
pub(super) type Command = fn(&mut Evaluator<'_>, &Call<'_>) -> Flow;

/// A command and its name.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) run: Command,
}

impl Row {
    /// Whether it wants `{ ... }` as it is, and not as a word.
    pub(super) fn takes_block(&self) -> bool {
        ["menuentry", "submenu", "hiddenentry"].contains(&self.name)
    }
}

/// What finds the command of a name.
pub(super) type Find = fn(&str) -> Option<&'static Row>;

/// A row that a script has put into its menu (`menuentry`, `submenu`, `blscfg`).
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) title: String,
    /// `--id`, where there is one.
    pub(super) id: Option<String>,
    /// The title as it stands in the script, without the variables that it has.
    pub(super) stem: Option<String>,
    pub(super) is_submenu: bool,
    pub(super) hotkey: Option<char>,
    /// Whether a superuser's password is asked for (`superusers` without
    /// `--unrestricted`).
    pub(super) is_restricted: bool,
    /// What it is evaluated with, as `$1` and so on.
    pub(super) arguments: Vec<String>,
    pub(super) body: Rc<Block>,
    pub(super) file: String,
    pub(super) line: usize,
    /// Why it may be in the menu only here: [`Evaluator::doubts`] when it was put there.
    pub(super) doubts: Vec<Diagnostic>,
}

/// A file that is to be loaded.
#[derive(Debug, Clone)]
pub(super) struct Load {
    /// As an entry has it ([`World::path`]), or, if that cannot be known, as it stands in
    /// the script.
    pub(super) path: String,
    /// What loading it gives back.
    pub(super) status: Status,
    /// Why it cannot be known where it is.
    pub(super) problem: Option<Diagnostic>,
}

/// What the body of an entry has loaded until now.
#[derive(Debug, Clone, Default)]
pub(super) struct Loaded {
    pub(super) linux: Option<Load>,
    pub(super) options: String,
    pub(super) initrds: Vec<Load>,
    pub(super) devicetree: Option<Load>,
    /// Whether `boot` has started that.
    pub(super) has_booted: bool,
    /// The configuration that it leads to, if that is another device's own.
    pub(super) leads_to: Option<String>,
    /// Why it cannot boot.
    pub(super) problems: Vec<Diagnostic>,
    /// What was looked for in vain, the last time, to be `root`.
    pub(super) missed_root: Option<String>,
    /// Conditions of the body that GRUB may have decided otherwise.
    pub(super) doubts: Vec<Diagnostic>,
    /// How it leaves GRUB without a kernel, if it does.
    pub(super) effect: Option<Effect>,
}

impl Loaded {
    /// Whether there is a kernel that would start.
    pub(super) fn is_ready(&self) -> bool {
        self.linux.as_ref().is_some_and(|linux| linux.status == Status::SUCCESS)
    }
}

/// A choice for one boot only (`next_entry`), as an environment block has it.
#[derive(Debug, Clone)]
pub(super) struct Once {
    /// The device that the block lies on.
    pub(super) device: Device,
    pub(super) value: String,
}

/// What an environment block says of `next_entry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loudness {
    /// The device that the block lies on.
    pub(super) device: Device,
    pub(super) is_silent: bool,
}

/// What a script does to the machine instead of booting a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Goes back to the firmware, or to the menu before (`exit`, `normal_exit`).
    Exit,
    Halt,
    Reboot,
}

/// A script that is being evaluated.
pub(super) struct Evaluator<'w> {
    pub(super) world: &'w dyn World,
    find: Find,
    pub(super) scope: Scope,
    pub(super) functions: BTreeMap<Rc<str>, Rc<Script>>,
    /// The menu of the context.
    pub(super) items: Vec<Item>,
    pub(super) loaded: Loaded,
    /// What was chosen for this boot only, once a block with it has been loaded.
    pub(super) once: Option<Once>,
    /// The blocks that have been loaded.
    pub(super) blocks: Vec<Loudness>,
    /// What `echo` has printed, cut at a limit.
    pub(super) output: String,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The file that is being evaluated, as people are told it.
    pub(super) file: String,
    pub(super) steps: u32,
    depth: u32,
    /// `$?`
    pub(super) status: Status,
    /// How many loops of the function are around the statement.
    pub(super) loops: u32,
    /// Conditions around the statement that GRUB may have decided otherwise, because
    /// they have commands that nobody here knows: what is put into the menu under them
    /// has them.
    pub(super) doubts: Vec<Diagnostic>,
    /// Why `$?` may be another in GRUB.
    unknown: Option<Diagnostic>,
    /// How many conditions are being evaluated, one within another.
    conditions: u32,
    /// Whether a limit has been reached; then nothing is evaluated any more.
    is_over: bool,
    /// Whose budget is drawn on.
    home: Device,
    /// How many functions have been defined until now.
    defined: u32,
    files: u32,
    sources: usize,
    /// The texts of those that were read.
    texts: Vec<(Place, Rc<str>)>,
    /// Most bytes that were held at once, and drawn for.
    drawn: usize,
    /// Bytes of trees, and of environments that wait for a body or a context to end.
    held: usize,
    #[cfg(any(test, feature = "test-hooks"))]
    pub(super) without: Option<Trap>,
}

impl<'w> Evaluator<'w> {
    /// One that is about to evaluate a file, with the variables that GRUB begins with.
    pub(super) fn new(world: &'w dyn World, file: &Place, find: Find) -> Self {
        let mut evaluator = Self {
            world,
            find,
            scope: Scope::default(),
            functions: BTreeMap::new(),
            items: Vec::new(),
            loaded: Loaded::default(),
            once: None,
            blocks: Vec::new(),
            output: String::new(),
            diagnostics: Vec::new(),
            file: file.path.clone(),
            steps: 0,
            depth: 0,
            status: Status::SUCCESS,
            loops: 0,
            doubts: Vec::new(),
            unknown: None,
            conditions: 0,
            is_over: false,
            home: file.device,
            defined: 0,
            files: 0,
            sources: 0,
            texts: Vec::new(),
            drawn: 0,
            held: 0,
            #[cfg(any(test, feature = "test-hooks"))]
            without: None,
        };
        evaluator.set_initial(file);
        evaluator
    }

    fn set_initial(&mut self, file: &Place) {
        let world = self.world;
        let name = world.name(file.device);
        let directory = file.path.rsplit_once('/').unwrap_or_default().0;
        let directory = ["(", name, ")", directory].concat();
        let features = FEATURES.map(|name| (name, "y"));
        let values = [
            ("root", name),
            ("prefix", &directory),
            ("cmdpath", &directory),
            ("grub_cpu", world.cpu()),
            ("grub_platform", world.platform()),
        ];
        for (name, value) in values.into_iter().chain(features) {
            self.scope.set(name, value);
            self.scope.export(name);
        }
    }
}

/// What GRUB says that it can do.
const FEATURES: [&str; 10] = [
    "feature_200_final",
    "feature_all_video_module",
    "feature_chainloader_bpb",
    "feature_default_font_path",
    "feature_menuentry_id",
    "feature_menuentry_options",
    "feature_nativedisk_cmd",
    "feature_ntldr",
    "feature_platform_search_hint",
    "feature_timeout_style",
];

impl Evaluator<'_> {
    /// Whether a rule holds: always, but in tests of the tests.
    #[cfg(not(any(test, feature = "test-hooks")))]
    #[expect(clippy::unused_self, reason = "tests look at it")]
    pub(super) const fn holds(&self, _rule: Trap) -> bool {
        true
    }

    /// Whether a rule holds.
    #[cfg(any(test, feature = "test-hooks"))]
    pub(super) fn holds(&self, rule: Trap) -> bool {
        self.without != Some(rule)
    }
}

/// What is said, and what is counted.
impl Evaluator<'_> {
    /// Says what is wrong at a line of the file that is being evaluated, once.
    pub(super) fn complain(&mut self, line: usize, code: Code, detail: String) {
        let diagnostic = Diagnostic::new(&self.file, Some(line), code, detail);
        if self.diagnostics.len() < MAX_DIAGNOSTICS && !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// The same, and what the command gives back.
    pub(super) fn fail(&mut self, call: &Call<'_>, status: Status, why: &str) -> Flow {
        self.complain(call.line, Code::Setting, [call.name, ": ", why].concat());
        Flow::Next(status)
    }

    /// Ends all evaluation for a limit, and says so.
    pub(super) fn stop(&mut self, line: usize, why: &str) {
        if !core::mem::replace(&mut self.is_over, true) {
            let detail = ["the rest is not evaluated: ", why].concat();
            self.complain(line, Code::ScriptLimit, detail);
        }
    }

    /// Whether a limit has been reached; then nothing is evaluated any more.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes one step, and so many more; `None` once there are none left.
    pub(super) fn step(&mut self, line: usize, more: usize) -> Option<()> {
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let before = self.steps / STEPS_BETWEEN_LOOKS;
        self.steps = self.steps.saturating_add(1).saturating_add(more);
        if self.steps > MAX_STEPS {
            self.stop(line, "it takes more than 100000 steps");
        }
        if self.steps / STEPS_BETWEEN_LOOKS != before && !self.world.keep(self.home, 0) {
            self.is_over = true;
        }
        (!self.is_over).then_some(())
    }

    /// Draws for what is held now, where it is more than ever before.
    fn draw(&mut self, line: usize) -> Option<()> {
        let now = self.held.saturating_add(self.scope.size());
        let more = now.saturating_sub(self.drawn);
        if more > 0 {
            self.drawn = now;
            if !self.world.keep(self.home, more) {
                self.stop(line, "the device's budget has ended");
            }
        }
        (!self.is_over).then_some(())
    }

    /// Gives a variable a value, as `set` does; whether it fits.
    pub(super) fn set(&mut self, line: usize, name: &str, value: &str) -> Option<()> {
        if value.len().max(name.len()) > MAX_VALUE {
            self.stop(line, "a variable is longer than 65536 bytes");
            return None;
        }
        let in_parentheses = value.strip_prefix('(').and_then(|value| value.strip_suffix(')'));
        match in_parentheses.filter(|_| name == "root") {
            Some(device) => self.scope.set(name, device),
            None => self.scope.set(name, value),
        }
        self.draw(line)
    }

    /// Has the contexts within this one see a variable; whether there is room for it.
    pub(super) fn export(&mut self, line: usize, name: &str) -> Option<()> {
        self.scope.export(name);
        self.draw(line)
    }

    /// Prints, as far as there is room.
    pub(super) fn print(&mut self, text: &str) {
        if self.output.len().saturating_add(text.len()) <= MAX_OUTPUT {
            self.output.push_str(text);
        }
    }

    /// `$?` is read: what it decides is in doubt, if an unknown command gave it.
    pub(super) fn doubt_status(&mut self) {
        if self.conditions > 0
            && let Some(unknown) = &self.unknown
        {
            let unknown = unknown.clone();
            self.doubt(unknown);
        }
    }

    fn doubt(&mut self, unknown: Diagnostic) {
        if !self.doubts.contains(&unknown) && self.doubts.len() < MAX_DIAGNOSTICS {
            self.doubts.push(unknown);
        }
    }
}

/// Statements.
impl Evaluator<'_> {
    /// Evaluates statements one after another.
    pub(super) fn run(&mut self, script: &Script) -> Flow {
        let mut flow = Flow::SUCCESS;
        self.depth = self.depth.saturating_add(1);
        for statement in &script.0 {
            flow = self.statement(statement);
            if !matches!(flow, Flow::Next(_)) {
                break;
            }
        }
        self.depth = self.depth.saturating_sub(1);
        flow
    }

    fn statement(&mut self, statement: &Statement) -> Flow {
        let line = statement.line;
        if self.step(line, 0).is_none() {
            return Flow::Stop;
        }
        self.depth = self.depth.saturating_add(1);
        let flow = if self.is_too_deep(line) {
            Flow::Next(Status::TOO_DEEP)
        } else {
            self.evaluate_statement(statement)
        };
        self.depth = self.depth.saturating_sub(1);
        if let Flow::Next(status) = flow {
            self.status = status;
        }
        flow
    }

    fn is_too_deep(&mut self, line: usize) -> bool {
        let most = if self.holds(Trap::DepthIsLimited) { MAX_DEPTH } else { 2 * MAX_DEPTH };
        let is_too_deep = self.depth >= most;
        if is_too_deep {
            let detail = "functions, files and statements are nested too deep";
            self.complain(line, Code::ScriptLimit, detail.to_owned());
        }
        is_too_deep
    }

    fn evaluate_statement(&mut self, statement: &Statement) -> Flow {
        let line = statement.line;
        match &statement.kind {
            Kind::Command { words, block } => self.command(line, words, block.as_ref()),
            Kind::If { arms, otherwise } => self.conditional(arms, otherwise),
            Kind::For { name, words, body } => self.for_loop(line, name, words, body),
            Kind::While { is_until, condition, body } => {
                self.while_loop(line, *is_until, condition, body)
            }
            Kind::Function { name, body } => self.define(name, body),
        }
    }

    fn define(&mut self, name: &str, body: &Rc<Script>) -> Flow {
        self.defined = self.defined.saturating_add(1);
        self.functions.insert(Rc::from(name), Rc::clone(body));
        Flow::Next(self.status)
    }

    /// A condition, and whether it holds. What is in doubt of it is in `doubts` then.
    fn condition(&mut self, script: &Script) -> Result<bool, Flow> {
        self.conditions = self.conditions.saturating_add(1);
        let flow = self.run(script);
        self.conditions = self.conditions.saturating_sub(1);
        match flow {
            Flow::Next(status) => Ok(status == Status::SUCCESS),
            flow => Err(flow),
        }
    }

    fn conditional(&mut self, arms: &[Arm], otherwise: &Script) -> Flow {
        let before = self.doubts.len();
        let flow = self.first_that_holds(arms, otherwise);
        self.end_doubts(before);
        flow
    }

    fn first_that_holds(&mut self, arms: &[Arm], otherwise: &Script) -> Flow {
        for arm in arms {
            match self.condition(&arm.condition) {
                Ok(true) => return self.run(&arm.body),
                Ok(false) => {}
                Err(flow) => return flow,
            }
        }
        self.run(otherwise)
    }

    /// What a condition decided is over. What is loaded now keeps its doubts.
    fn end_doubts(&mut self, before: usize) {
        let before = before.min(self.doubts.len());
        for doubt in self.doubts.drain(before..) {
            if self.loaded.doubts.len() < MAX_DIAGNOSTICS && !self.loaded.doubts.contains(&doubt) {
                self.loaded.doubts.push(doubt);
            }
        }
    }

    fn for_loop(&mut self, line: usize, name: &str, words: &[Word], body: &Script) -> Flow {
        let Some(values) = self.expand(words, line) else { return Flow::Stop };
        let mut last = Flow::SUCCESS;
        for value in &values {
            if self.step(line, 0).and_then(|()| self.set(line, name, value)).is_none() {
                return Flow::Stop;
            }
            match self.turn(body, false) {
                Ok(flow) => last = flow,
                Err(flow) => return flow,
            }
        }
        last
    }

    fn while_loop(&mut self, line: usize, until: bool, condition: &Script, body: &Script) -> Flow {
        let before = self.doubts.len();
        let flow = loop {
            if self.step(line, 0).is_none() {
                break Flow::Stop;
            }
            match self.turn(condition, true) {
                Ok(Flow::Next(status)) if (status == Status::SUCCESS) == until => {
                    break Flow::Next(status);
                }
                Ok(_) => {}
                Err(flow) => break flow,
            }
            if let Err(flow) = self.turn(body, false) {
                break flow;
            }
        };
        self.end_doubts(before);
        flow
    }

    /// One turn of a loop, or its condition.
    ///
    /// # Errors
    /// How it goes on after the loop, if this was the last turn.
    fn turn(&mut self, body: &Script, is_condition: bool) -> Result<Flow, Flow> {
        self.loops = self.loops.saturating_add(1);
        self.conditions = self.conditions.saturating_add(is_condition.into());
        let flow = self.run(body);
        self.conditions = self.conditions.saturating_sub(is_condition.into());
        self.loops = self.loops.saturating_sub(1);
        match flow {
            Flow::Next(_) => Ok(flow),
            Flow::Continue(0 | 1) => Ok(Flow::SUCCESS),
            Flow::Break(0 | 1) => Err(Flow::SUCCESS),
            Flow::Break(loops) => Err(Flow::Break(loops.saturating_sub(1))),
            Flow::Continue(loops) => Err(Flow::Continue(loops.saturating_sub(1))),
            Flow::Return(_) | Flow::Stop => Err(flow),
        }
    }
}

/// The text without carriage returns and byte order marks. Almost none has any, and to
/// look for them character by character takes a sixth of the time of a menu.
fn without_returns(bytes: Vec<u8>) -> String {
    let has_any = bytes.contains(&b'\r') || bytes.contains(&0xef);
    match String::from_utf8(bytes) {
        Ok(text) if !has_any => text,
        Ok(text) => text.replace(['\r', '\u{feff}'], ""),
        Err(error) => String::from_utf8_lossy(error.as_bytes()).replace(['\r', '\u{feff}'], ""),
    }
}

/// Commands and functions.
impl Evaluator<'_> {
    fn command(&mut self, line: usize, words: &[Word], block: Option<&Rc<Block>>) -> Flow {
        let source = words;
        let Some(mut words) = self.expand(source, line) else { return Flow::Stop };
        if words.is_empty() {
            return Flow::SUCCESS;
        }
        let row = words.first().and_then(|name| (self.find)(name));
        let block = block.filter(|block| {
            let is_taken = row.is_some_and(|row| row.takes_block());
            if !is_taken {
                words.push(block.text().to_owned());
            }
            is_taken
        });
        let Some((name, words)) = words.split_first() else { return Flow::SUCCESS };
        let call = Call { name, words, block, source, line };
        self.dispatch(row.map(|row| row.run), &call)
    }

    /// Evaluates a command of words that are complete: what `!` and `time` do.
    pub(super) fn call(&mut self, words: &[String], line: usize) -> Flow {
        let Some((name, words)) = words.split_first() else { return Flow::SUCCESS };
        if self.step(line, 0).is_none() {
            return Flow::Stop;
        }
        let call = Call { name, words, block: None, source: &[], line };
        self.depth = self.depth.saturating_add(1);
        let flow = if self.is_too_deep(line) {
            Flow::Next(Status::TOO_DEEP)
        } else {
            self.dispatch((self.find)(name).map(|row| row.run), &call)
        };
        self.depth = self.depth.saturating_sub(1);
        flow
    }

    /// Commands come before functions, and these before assignments.
    fn dispatch(&mut self, command: Option<Command>, call: &Call<'_>) -> Flow {
        let is_first =
            self.holds(Trap::CommandsComeFirst) || !self.functions.contains_key(call.name);
        if let Some(run) = command.filter(|_| is_first) {
            self.unknown = None;
            return run(self, call);
        }
        if let Some(body) = self.functions.get(call.name).map(Rc::clone) {
            return self.function(&body, call);
        }
        match call.name.split_once('=') {
            Some((name, value)) => self.assign(call, name, value),
            None => self.unknown(call),
        }
    }

    fn assign(&mut self, call: &Call<'_>, name: &str, value: &str) -> Flow {
        self.unknown = None;
        if name.starts_with(|first: char| first.is_ascii_digit() || "#?*@".contains(first)) {
            return self.fail(call, Status::SUCCESS, "a number is no name of a variable");
        }
        if self.set(call.line, name, value).is_none() {
            return Flow::Stop;
        }
        if !self.holds(Trap::OneAssignmentIsDone)
            && let Some((name, value)) = call.words.first().and_then(|word| word.split_once('='))
        {
            let _ = self.set(call.line, name, value);
        }
        Flow::SUCCESS
    }

    /// As in GRUB, one that nobody knows succeeds, and what that decides is in doubt.
    pub(super) fn unknown(&mut self, call: &Call<'_>) -> Flow {
        let detail = ["there is no command \"", call.name, "\""].concat();
        self.complain(call.line, Code::UnknownCommand, detail.clone());
        let doubt = Diagnostic::new(&self.file, Some(call.line), Code::UnknownCommand, detail);
        if self.conditions > 0 {
            self.doubt(doubt.clone());
        }
        self.unknown = Some(doubt);
        Flow::Next(Status::of(self.holds(Trap::UnknownSucceeds)))
    }

    /// What a command says here is not what it says in GRUB: what it decides is in doubt.
    pub(super) fn undecided(&mut self, line: usize, name: &str) {
        let detail = ["what \"", name, "\" says is not known here"].concat();
        let doubt = Diagnostic::new(&self.file, Some(line), Code::UnknownCommand, detail);
        if self.conditions > 0 {
            self.doubt(doubt.clone());
        }
        self.unknown = Some(doubt);
    }

    fn function(&mut self, body: &Rc<Script>, call: &Call<'_>) -> Flow {
        self.unknown = None;
        let flow = self.with_arguments(call.words.to_vec(), |evaluator| evaluator.run(body));
        match flow {
            Flow::Return(status) => Flow::Next(status),
            flow => flow,
        }
    }

    fn with_arguments(
        &mut self,
        arguments: Vec<String>,
        run: impl FnOnce(&mut Self) -> Flow,
    ) -> Flow {
        let sizes = arguments.iter().map(|word| word.len().saturating_add(size_of::<String>()));
        let size = sizes.sum();
        self.held = self.held.saturating_add(size);
        let before = self.scope.arguments.replace(arguments);
        let loops = core::mem::take(&mut self.loops);
        let flow = if self.draw(1).is_some() { run(self) } else { Flow::Stop };
        self.loops = loops;
        self.scope.arguments = before;
        self.held = self.held.saturating_sub(size);
        flow
    }

    /// Evaluates the body of an entry with its arguments.
    pub(super) fn run_block(&mut self, block: &Rc<Block>, arguments: Vec<String>) -> Flow {
        self.with_arguments(arguments, |evaluator| evaluator.run(&block.script))
    }
}

/// Files, contexts and places.
impl Evaluator<'_> {
    /// Evaluates a file where it is named, in the scope that is there, and succeeds. A
    /// file that is not there is none.
    pub(super) fn source(&mut self, place: &Place, line: usize) -> Flow {
        match self.read_source(place, line) {
            Ok(Some(text)) => {
                let before = core::mem::replace(&mut self.file, self.world.path(place));
                let flow = self.evaluate(&text, 1);
                self.file = before;
                if let Flow::Next(_) = flow { Flow::SUCCESS } else { flow }
            }
            Ok(None) => Flow::Next(Status::of(self.holds(Trap::MissingSourceSucceeds))),
            Err(flow) => flow,
        }
    }

    /// Evaluates a text whose first line is called by this number.
    fn evaluate(&mut self, text: &str, first: usize) -> Flow {
        let held = self.held;
        let kept = self.kept_trees();
        let flow = match self.parse(text, first) {
            Some(script) => self.run(&script),
            None => Flow::Stop,
        };
        // What is in a function or a menu goes on being held.
        if self.kept_trees() == kept {
            self.held = held;
        }
        flow
    }

    /// What trees are held by until now: it changes with each more.
    fn kept_trees(&self) -> (u32, usize) {
        (self.defined, self.items.len())
    }

    /// Evaluates words as a line of the file (`eval`).
    pub(super) fn evaluate_words(&mut self, words: &[String], line: usize) -> Flow {
        let text = words.join(" ");
        if self.step(line, text.len() >> 6).is_none() {
            return Flow::Stop;
        }
        self.evaluate(&text, line)
    }

    fn read_source(&mut self, place: &Place, line: usize) -> Result<Option<Rc<str>>, Flow> {
        if let Some((_, text)) = self.texts.iter().find(|(known, _)| known == place) {
            let text = Rc::clone(text);
            return self.step(line, text.len() >> 10).map(|()| Some(text)).ok_or(Flow::Stop);
        }
        let left = MAX_SOURCES.saturating_sub(self.sources);
        if self.files >= MAX_FILES {
            let detail = "more than 16 files are not read; this one is left out".to_owned();
            self.complain(line, Code::ScriptLimit, detail.clone());
            self.problem(line, Code::ScriptLimit, detail);
            return Err(Flow::Next(Status::FILE_NOT_FOUND));
        }
        match self.world.read(place, left) {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => {
                self.files = self.files.saturating_add(1);
                self.sources = self.sources.saturating_add(bytes.len());
                self.held = self.held.saturating_add(bytes.len());
                let text = Rc::from(without_returns(bytes));
                self.texts.push((place.clone(), Rc::clone(&text)));
                Ok(Some(text))
            }
            Err(why) => {
                self.complain(line, Code::Unreadable, why.clone());
                self.problem(line, Code::Unreadable, why);
                Err(Flow::Next(Status::FILE_NOT_FOUND))
            }
        }
    }

    /// The tree of a text; what it has that GRUB does not understand is said.
    pub(super) fn parse(&mut self, text: &str, first: usize) -> Option<Script> {
        let source = Rc::from(text);
        let lexer = Lexer::new(&source, first, self.holds(Trap::BackslashStaysInQuotes));
        let parsed = parser::parse(&source, lexer);
        for dropped in &parsed.dropped {
            self.complain(dropped.line, Code::Syntax, dropped.to_string());
        }
        let weight = parsed.weight.saturating_add(text.len());
        self.held = self.held.saturating_add(weight);
        self.draw(1)?;
        Some(parsed.script)
    }

    /// Evaluates in a context of its own: it sees the variables that were exported, has
    /// a menu of its own, and nothing of it comes back but that menu.
    pub(super) fn within<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> (T, Vec<Item>) {
        let scope = self.scope_within();
        let items = core::mem::take(&mut self.items);
        let result = self.in_scope(scope, run);
        (result, core::mem::replace(&mut self.items, items))
    }

    /// What a context within this one begins with.
    pub(super) fn scope_within(&self) -> Scope {
        let is_cut = self.holds(Trap::OnlyExportedAreSeen);
        if is_cut { self.scope.within() } else { self.scope.clone() }
    }

    /// Evaluates in a copy of the environment: nothing comes back, neither variables
    /// nor functions nor what was loaded. For the body of an entry.
    pub(super) fn apart<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let functions = self.functions.clone();
        let loaded = core::mem::take(&mut self.loaded);
        let doubts = core::mem::take(&mut self.doubts);
        let result = self.in_scope(self.scope.clone(), run);
        self.doubts = doubts;
        self.loaded = loaded;
        self.functions = functions;
        result
    }

    fn in_scope<T>(&mut self, scope: Scope, run: impl FnOnce(&mut Self) -> T) -> T {
        let held = self.held;
        self.held = held.saturating_add(self.scope.size());
        let before = core::mem::replace(&mut self.scope, scope);
        let status = self.status;
        let loops = core::mem::take(&mut self.loops);
        let conditions = core::mem::take(&mut self.conditions);
        let _ = self.draw(1).and_then(|()| self.step(1, self.scope.size() >> 10));
        let result = run(self);
        self.conditions = conditions;
        self.loops = loops;
        self.status = status;
        self.scope = before;
        self.held = held;
        result
    }

    /// Where a path of a script leads: `(device)/path`, or `/path` on `$root`.
    ///
    /// # Errors
    /// Why it leads nowhere: a sentence without a full stop.
    pub(super) fn place(&self, path: &str) -> Result<Place, String> {
        let (device, path) = match path.strip_prefix('(').and_then(|path| path.split_once(')')) {
            Some((device, path)) if !device.is_empty() => (device, path),
            Some((_, path)) => (self.root(), path),
            None if path.starts_with('/') => (self.root(), path),
            None => return Err([path, " begins with neither \"/\" nor \"(\""].concat()),
        };
        let device = self.world.device(device)?;
        Ok(Place { device, path: absolute(path)? })
    }

    /// The name of the device that paths without one are on.
    pub(super) fn root(&self) -> &str {
        self.scope.get("root").unwrap_or_default()
    }
}

/// The absolute form of a path on its device; `/` is the root.
fn absolute(path: &str) -> Result<String, String> {
    if path.bytes().all(|byte| byte == b'/') {
        return Ok("/".to_owned());
    }
    crate::menu::paths::normalise(path).map_err(|why| [path, " ", why].concat())
}
