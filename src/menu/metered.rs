//! The files of a device, as long as its budget lasts.
//!
//! All that the readers of menus and the judges of entries know of a device comes
//! through here, and is counted before it is handed on. Must never hand on
//! anything once the budget has come to its end.

use core::fmt;
use core::ops::ControlFlow;
use core::time::Duration;

use super::budget::{Budget, Exceeded, Purpose, Resource, micros};
use super::diagnostic::{Code, Diagnostic};
use super::files::Files;
use super::sight::{self, Sight};
use crate::base::sort::sort;

/// The files of a device within its budget. Time counts while this is held.
pub struct Metered<'a> {
    files: &'a dyn Files,
    budget: &'a Budget,
    purpose: Purpose,
    since: Duration,
    /// Other devices, on which files are that are named by `(name)/path`.
    sight: Sight<'a>,
}

/// Which names of a directory a reader wants.
#[derive(Clone, Copy)]
pub(crate) struct Sieve {
    /// Whether it is one.
    pub(crate) wanted: fn(&str) -> bool,
    /// Most that it takes: the first by name.
    pub(crate) most: usize,
}

/// What a directory has for a reader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The wanted names, sorted.
    pub(crate) names: Vec<String>,
    /// How many wanted names are not among them.
    pub(crate) left_out: u64,
    /// Whether the directory has any name, wanted or not.
    pub(crate) is_there: bool,
}

impl Listing {
    /// Sorts the names and leaves out all but so many. Names are kept in a list and not
    /// in a tree: that is a tenth of the code.
    fn keep_first(&mut self, most: usize) {
        sort(&mut self.names);
        let more = self.names.len().saturating_sub(most);
        self.left_out = self.left_out.saturating_add(more as u64);
        self.names.truncate(most);
    }
}

impl<'a> Metered<'a> {
    /// To look for menus.
    #[must_use]
    pub fn menus(files: &'a dyn Files, budget: &'a Budget) -> Self {
        let sight = Sight::default();
        Self { files, budget, purpose: Purpose::Menus, since: budget.now(), sight }
    }

    /// To judge what menus have, and to read what ring and policy are to become.
    #[must_use]
    pub fn judging(files: &'a dyn Files, budget: &'a Budget) -> Self {
        Self { purpose: Purpose::Judging, ..Self::menus(files, budget) }
    }

    /// The same with other devices in sight.
    #[must_use]
    pub fn seeing(mut self, sight: Sight<'a>) -> Self {
        self.sight = sight;
        self
    }

    /// What is seen beside the files.
    pub(crate) const fn sight(&self) -> &Sight<'a> {
        &self.sight
    }
}

/// A path, and the files of the device that it is on.
struct At<'a, 'p> {
    files: &'a dyn Files,
    path: &'p str,
    /// The device, where it is another one.
    name: Option<&'p str>,
}

impl At<'_, '_> {
    /// What is said of a file names its device.
    fn told(&self, why: String) -> String {
        match self.name {
            Some(name) => sight::join(name, &why),
            None => why,
        }
    }
}

impl fmt::Debug for Metered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.budget.fmt(f)
    }
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        let time = self.budget.now().saturating_sub(self.since);
        self.budget.add(Resource::Time, micros(time));
    }
}

impl Metered<'_> {
    fn draw(&self, resource: Resource, amount: u64) -> Result<(), Exceeded> {
        self.budget.draw(self.purpose, self.since, resource, amount)
    }

    /// Where a path leads.
    fn at<'p>(&self, path: &'p str) -> Result<At<'_, 'p>, String> {
        let Some((name, on_device)) = sight::split(path) else {
            return Ok(At { files: self.files, path, name: None });
        };
        if self.sight.home.is_some_and(|home| home.name() == name) {
            return Ok(At { files: self.files, path: on_device, name: None });
        }
        match self.sight.other(name) {
            Some(device) => Ok(At { files: device.files, path: on_device, name: Some(name) }),
            None => Err(format!("{path}: the device {name} is not here")),
        }
    }

    /// How the budget came to its end, if it did.
    #[must_use]
    pub fn ended(&self) -> Option<Exceeded> {
        self.budget.end_of(self.purpose)
    }

    /// As [`Files::read`].
    ///
    /// # Errors
    /// As [`Files::read`], and the end of the budget.
    pub fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
        self.draw(Resource::Names, 1)?;
        let at = self.at(path)?;
        self.count(at.files.read(at.path, limit).map_err(|why| at.told(why))?)
    }

    /// As [`Files::read_at`].
    ///
    /// # Errors
    /// As [`Files::read_at`], and the end of the budget.
    pub(crate) fn read_at(
        &self,
        path: &str,
        offset: u64,
        length: usize,
    ) -> Result<Option<Vec<u8>>, String> {
        self.draw(Resource::Names, 1)?;
        let at = self.at(path)?;
        self.count(at.files.read_at(at.path, offset, length).map_err(|why| at.told(why))?)
    }

    /// As [`Files::small`].
    ///
    /// # Errors
    /// As [`Files::small`], and the end of the budget.
    pub fn small(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
        self.draw(Resource::Names, 1)?;
        let at = self.at(path)?;
        self.count(at.files.small(at.path, limit).map_err(|why| at.told(why))?)
    }

    fn count(&self, found: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, String> {
        let size = found.as_ref().map_or(0, Vec::len);
        self.draw(Resource::Read, size as u64)?;
        Ok(found)
    }

    /// As [`Files::size`]; what is said of a file that is not there is kept.
    ///
    /// # Errors
    /// As [`Files::size`], and the end of the budget.
    pub fn size(&self, path: &str) -> Result<u64, String> {
        self.draw(Resource::Names, 1)?;
        let size = self.at(path).and_then(|at| at.files.size(at.path).map_err(|why| at.told(why)));
        if let Err(why) = &size {
            self.draw(Resource::Kept, why.len() as u64)?;
        }
        size
    }

    /// Whether a regular file is there; none is, once the budget has ended.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.look(path).is_some()
    }

    /// The length of a regular file that is there, in bytes; what is not is not told.
    pub(crate) fn look(&self, path: &str) -> Option<u64> {
        self.draw(Resource::Names, 1).ok()?;
        let at = self.at(path).ok()?;
        at.files.size(at.path).ok()
    }

    /// Whether a directory is there; none is, once the budget has ended.
    pub(crate) fn has_directory(&self, path: &str) -> bool {
        self.draw(Resource::Names, 1).is_ok()
            && self.at(path).is_ok_and(|at| at.files.is_directory(at.path))
    }

    /// The names in a directory that a reader wants.
    ///
    /// # Errors
    /// As [`Files::each_name`], and the end of the budget.
    pub(crate) fn names(&self, directory: &str, sieve: Sieve) -> Result<Listing, String> {
        self.draw(Resource::Names, 1)?;
        let mut listing = Listing::default();
        let at = self.at(directory)?;
        let all = at.files.each_name(at.path, &mut |name| {
            listing.is_there = true;
            if self.draw(Resource::Names, 1).is_err() {
                return ControlFlow::Break(());
            }
            let Some(name) = name.filter(|name| (sieve.wanted)(name)) else {
                return ControlFlow::Continue(());
            };
            listing.names.push(name.to_owned());
            if listing.names.len() > sieve.most.saturating_mul(2) {
                listing.keep_first(sieve.most);
            }
            ControlFlow::Continue(())
        });
        all.map_err(|why| at.told(why))?;
        match self.ended() {
            Some(exceeded) => Err(exceeded.into()),
            None => {
                listing.keep_first(sieve.most);
                Ok(listing)
            }
        }
    }

    /// Whether so many bytes more may be kept of the device.
    #[must_use]
    pub fn keep(&self, bytes: usize) -> bool {
        self.draw(Resource::Kept, bytes as u64).is_ok()
    }

    /// Whether so many bytes more may be put in for variables.
    pub(crate) fn expand(&self, bytes: usize) -> bool {
        self.draw(Resource::Expanded, bytes as u64).is_ok()
    }

    /// What is to be said of a file that cannot be read.
    pub(crate) fn fault(&self, path: &str, why: String) -> Diagnostic {
        let code = if self.ended().is_some() { Code::Budget } else { Code::Unreadable };
        Diagnostic::new(path, None, code, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::menu::{Device, Identity, Limits, Memory};
    use std::cell::Cell;

    const FAR: Duration = Duration::from_secs(3600);
    const LITTLE: Limits = Limits::new(1 << 20, FAR);

    type Spend = fn(&Metered<'_>) -> bool;

    const ALL: Sieve = Sieve { wanted: |_| true, most: 9 };

    fn still() -> Duration {
        Duration::ZERO
    }

    fn files(files: &[(&str, usize)]) -> Memory {
        files.iter().map(|(path, size)| (*path, vec![b'x'; *size])).collect()
    }

    fn sentence(what: &str) -> String {
        format!("the rest of this device is left out: before it is verified, at most {what}")
    }

    #[test]
    fn menus_may_read_three_quarters_and_judging_the_rest() {
        let files = files(&[("/a", 256 << 10)]);
        let budget = Budget::new(LITTLE, still);
        let menus = Metered::menus(&files, &budget);
        for _ in 0..3 {
            assert!(menus.read("/a", 1 << 20).is_ok());
        }
        let ended = Err(sentence("786432 bytes of it are read (unverified-memory)"));
        assert_eq!(menus.read("/a", 1 << 20), ended);
        assert_eq!(menus.read("/none", 1), ended, "later ones fail without a look at it");
        assert!(!menus.has("/a") && menus.size("/a").is_err() && !menus.keep(0));
        drop(menus);
        let judging = Metered::judging(&files, &budget);
        assert_eq!((judging.size("/a"), budget.judging_ended()), (Ok(256 << 10), None));
        let ended = sentence("1048576 bytes of it are read (unverified-memory)");
        assert_eq!(judging.small("/a", 1 << 20), Err(ended.clone()));
        let said = budget.judging_ended().unwrap().diagnostic().to_string();
        assert_eq!(said, format!("/: BUDGET: {ended}"));
    }

    #[test]
    fn every_resource_has_an_end_that_says_which_and_how_much() {
        let files = files(&[("/d/a", 1), ("/d/b", 1)]);
        let spend: [(Spend, &str); 4] = [
            (|files| files.keep(200 << 10), "196608 bytes of it are kept in memory"),
            (|files| files.expand(99 << 10), "98304 bytes are put in for its variables"),
            (|files| (0..2000).all(|_| !files.has("/")), "1536 names on it are looked at"),
            (
                |files| (0..999).all(|_| files.names("/d", ALL).is_ok()),
                "1536 names on it are looked at",
            ),
        ];
        for (spend, what) in spend {
            let budget = Budget::new(LITTLE, still);
            let files = Metered::menus(&files, &budget);
            assert_eq!(files.ended(), None);
            spend(&files);
            let ended = files.ended().map(String::from);
            assert_eq!(ended, Some(sentence(&format!("{what} (unverified-memory)"))));
            assert_eq!(files.fault("/x", String::new()).code, Code::Budget);
        }
    }

    thread_local! {
        static NOW: Cell<u64> = const { Cell::new(0) };
    }

    fn ticking() -> Duration {
        Duration::from_millis(NOW.get())
    }

    fn pass(millis: u64) {
        NOW.set(NOW.get() + millis);
    }

    #[test]
    fn time_counts_while_a_device_is_read_and_no_longer() {
        let files = files(&[("/a", 1)]);
        let budget = Budget::new(Limits::new(1 << 20, Duration::from_secs(4)), ticking);
        for _ in 0..3 {
            let menus = Metered::menus(&files, &budget);
            pass(1000);
            assert!(menus.read("/a", 1).is_ok());
            drop(menus);
            pass(60_000);
        }
        let menus = Metered::menus(&files, &budget);
        pass(1);
        let ended = sentence("3000 ms are spent on it (unverified-time)");
        assert_eq!(menus.read("/a", 1), Err(ended));
        drop(menus);
        let judging = Metered::judging(&files, &budget);
        assert!(judging.read("/a", 1).is_ok());
        pass(1000);
        let ended = sentence("4000 ms are spent on it (unverified-time)");
        assert_eq!(judging.size("/a"), Err(ended));
    }

    #[test]
    fn files_of_another_device_are_read_there_and_paid_for_here() {
        let home = files(&[("/a", 1)]);
        let other = files(&[("/d/b", 256 << 10)]);
        let names = ["vda,gpt1", "vda,gpt2"];
        let names = names.map(|name| Identity { name: name.to_owned(), ..Identity::default() });
        let others = [Device { identity: &names[1], files: &other }];
        let sight = Sight { others: &others, ..Sight::alone(&names[0]) };
        let budget = Budget::new(LITTLE, still);
        let files = Metered::menus(&home, &budget).seeing(sight);
        assert_eq!((files.size("/a"), files.size("(vda,gpt1)/a")), (Ok(1), Ok(1)));
        assert_eq!(files.size("(vda,gpt2)/d/b"), Ok(256 << 10));
        assert_eq!(files.small("(vda,gpt2)/a", 9), Ok(None));
        let none = "(vda,gpt2)/a: there is no such file".to_owned();
        assert_eq!(files.size("(vda,gpt2)/a"), Err(none));
        let gone = "(vdb)/a: the device vdb is not here".to_owned();
        assert_eq!(files.read("(vdb)/a", 9), Err(gone));
        assert_eq!(
            files.names("(vda,gpt2)/d", ALL).map(|found| found.names),
            Ok(vec!["b".to_owned()])
        );
        assert!(files.has_directory("(vda,gpt2)/d") && !files.has_directory("(vda,gpt1)/d"));
        for _ in 0..3 {
            assert!(files.read("(vda,gpt2)/d/b", 1 << 20).is_ok());
        }
        let ended = sentence("786432 bytes of it are read (unverified-memory)");
        assert_eq!(files.read("(vda,gpt2)/d/b", 1 << 20), Err(ended));
        assert!(!files.has("/a"), "it was the budget of this device");
    }

    #[test]
    fn of_too_many_names_the_first_by_name_are_kept_and_the_others_counted() {
        let files = files(&[("/d/c.x", 0), ("/d/b", 0), ("/d/a.x", 0), ("/d/b.x", 0)]);
        let budget = Budget::default();
        let files = Metered::menus(&files, &budget);
        let sieve = Sieve { wanted: |name| name.ends_with(".x"), most: 2 };
        let names = vec!["a.x".to_owned(), "b.x".to_owned()];
        let expected = Listing { names, left_out: 1, is_there: true };
        assert_eq!(files.names("/d", sieve), Ok(expected));
        assert_eq!(files.names("/none", sieve), Ok(Listing::default()));
        let none = Listing { is_there: true, ..Listing::default() };
        assert_eq!(files.names("/d", Sieve { wanted: |_| false, most: 2 }), Ok(none));
    }
}
