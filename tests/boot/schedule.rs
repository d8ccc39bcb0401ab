//! In which order the cases run, and how long they take yet: the longest first,
//! so that no slow case is left over at the end.
//!
//! How long a case takes is what it took here the last time (kept in the cache),
//! else what it took where `durations` was written, else the mean of all others.
//! A wrong figure costs time and a wrong forecast, never a result.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use turnout_qemu::place;

/// `SECONDS ARCH/name` a line, of two idle cores; a copy of the cache's file.
const KNOWN: &str = include_str!("durations");
const CACHED: &str = "boot-durations";
/// Where nothing is known at all.
const GUESS: f32 = 15.0;
/// After so many cases this machine's own speed counts.
const ENOUGH: usize = 4;

/// Seconds of host time, by `ARCH/name`.
#[derive(Debug, Default)]
pub(crate) struct Durations(BTreeMap<String, f32>);

impl Durations {
    /// The repository's, and over them this machine's own.
    pub(crate) fn known() -> Self {
        let cached = cache_file().and_then(|file| fs::read_to_string(file).ok());
        Self::parse(&[KNOWN, &cached.unwrap_or_default()].concat())
    }

    /// Later lines win; what is no such line is left out.
    fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(line).collect())
    }

    /// What the case will most likely take.
    pub(crate) fn expected(&self, name: &str) -> f32 {
        self.0.get(name).copied().unwrap_or_else(|| self.mean())
    }

    fn mean(&self) -> f32 {
        match u16::try_from(self.0.len()) {
            Ok(count) if count > 0 => self.0.values().sum::<f32>() / f32::from(count),
            _ => GUESS,
        }
    }

    fn render(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (name, seconds)| {
            let _ = writeln!(text, "{seconds:.1} {name}");
            text
        })
    }

    /// Keeps what was measured for the next run. A cache that cannot be written
    /// to is no reason to fail.
    pub(crate) fn store(mut self, measured: BTreeMap<String, f32>) {
        self.0.extend(measured);
        if let Some(file) = cache_file() {
            let _ = fs::write(file, self.render());
        }
    }
}

fn cache_file() -> Option<PathBuf> {
    Some(place::cache().ok()?.join(CACHED))
}

fn line(text: &str) -> Option<(String, f32)> {
    let (seconds, name) = text.split_once(' ')?;
    let seconds: f32 = seconds.parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then(|| (name.to_owned(), seconds))
}

/// Longest first.
pub(crate) fn longest_first<T>(cases: &mut [T], expected: impl Fn(&T) -> f32) {
    cases.sort_by(|one, other| expected(other).total_cmp(&expected(one)));
}

/// How far a run is.
#[derive(Debug)]
pub(crate) struct Progress {
    total: usize,
    jobs: usize,
    done: usize,
    /// What the cases that are not done yet should take, one after the other.
    ahead: f32,
    /// What those that are done should have taken, and did.
    expected: f32,
    taken: f32,
}

impl Progress {
    /// `ahead` is what all of them should take, one after the other.
    pub(crate) fn new(total: usize, jobs: usize, ahead: f32) -> Self {
        Self { total, jobs: jobs.max(1), done: 0, ahead, expected: 0.0, taken: 0.0 }
    }

    /// A case ended, which should have taken `expected` seconds and took `taken`.
    pub(crate) fn step(&mut self, expected: f32, taken: f32) {
        self.done += 1;
        self.ahead -= expected;
        self.expected += expected;
        self.taken += taken;
    }

    /// `[34/171, about 9 min yet]`.
    pub(crate) fn shown(&self) -> String {
        let Self { done, total, .. } = self;
        if done == total {
            return format!("[{done}/{total}]");
        }
        format!("[{done}/{total}, about {} yet]", span(self.seconds_yet()))
    }

    fn seconds_yet(&self) -> f32 {
        let jobs = u16::try_from(self.jobs).map_or(1.0, f32::from);
        (self.ahead * self.slowness() / jobs).max(1.0)
    }

    /// Of this machine today, against what was known of it.
    fn slowness(&self) -> f32 {
        if self.done < ENOUGH || self.expected <= 0.0 { 1.0 } else { self.taken / self.expected }
    }
}

fn span(seconds: f32) -> String {
    if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_last_wins_and_rubbish_is_left_out() {
        let text = "1.5 x86_64/a\nno line\nnan x86_64/b\n-1 x86_64/c\n2.5 x86_64/a\n4 aarch64/a\n";
        let durations = Durations::parse(text);
        assert_eq!(durations.render(), "4.0 aarch64/a\n2.5 x86_64/a\n");
        assert_eq!(durations.expected("x86_64/a"), 2.5);
        assert_eq!(durations.expected("x86_64/new"), 3.25);
        assert_eq!(Durations::default().expected("x86_64/new"), GUESS);
    }

    #[test]
    fn the_repositorys_durations_can_be_read() {
        let lines = KNOWN.lines().count();
        assert_eq!(Durations::parse(KNOWN).0.len(), lines);
    }

    #[test]
    fn the_longest_case_starts_first_and_equals_keep_their_order() {
        let mut cases = [("a", 1.0), ("b", 3.0), ("c", 2.0), ("d", 3.0)];
        longest_first(&mut cases, |case| case.1);
        assert_eq!(cases.map(|case| case.0), ["b", "d", "c", "a"]);
    }

    #[test]
    fn what_is_left_is_shared_by_the_jobs_and_scaled_by_how_slow_it_was() {
        let mut progress = Progress::new(10, 2, 1000.0);
        assert_eq!(progress.shown(), "[0/10, about 8 min yet]");
        for _ in 0..ENOUGH {
            progress.step(100.0, 200.0);
        }
        assert_eq!(progress.shown(), "[4/10, about 10 min yet]");
        for _ in 0..5 {
            progress.step(110.0, 110.0);
        }
        assert_eq!(progress.shown(), "[9/10, about 36 s yet]");
        progress.step(50.0, 50.0);
        assert_eq!(progress.shown(), "[10/10]");
    }
}
