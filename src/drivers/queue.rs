//! Which driver is loaded next, and what has become of the others.
//!
//! A driver comes after those that it needs, and after those that it would like; what
//! fails ends its dependants with it, for without its symbols they cannot be loaded.
//! Each is loaded once. Times are since the start.

use core::time::Duration;

use super::table::Driver;

/// From this time on a load is named.
pub const SLOW: Duration = Duration::from_secs(5);
/// So long a load is waited for.
pub const LIMIT: Duration = Duration::from_secs(120);

/// How much waits for a driver: the less, the sooner it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Somebody waits for it, or it is loaded whatever devices there are.
    First,
    /// It may bring a disk.
    Disk,
    /// All others.
    Other,
}

/// What has become of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing wants it.
    Idle,
    /// It is to be loaded.
    Waiting,
    /// It has been loading since this time.
    Loading(Duration),
    /// It is there.
    Loaded,
    /// It has found no hardware.
    Absent,
    /// Why it cannot be loaded.
    Failed(String),
    /// Something that it needs is not there.
    Without,
    /// It has not answered.
    GivenUp,
}

impl State {
    const fn is_open(&self) -> bool {
        matches!(self, Self::Waiting | Self::Loading(_))
    }
}

/// News of a load that takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It has been loading for [`SLOW`].
    Slow(usize),
    /// It has been for [`LIMIT`], and is not waited for any more.
    GivenUp(usize),
}

#[derive(Debug)]
struct Mark {
    state: State,
    rank: Rank,
    /// Places of what it needs, and of what it would like, in the table.
    needs: Vec<usize>,
    likes: Vec<usize>,
    is_named: bool,
}

impl Mark {
    const fn new() -> Self {
        Self {
            state: State::Idle,
            rank: Rank::Other,
            needs: Vec::new(),
            likes: Vec::new(),
            is_named: false,
        }
    }
}

/// All drivers of a table, by their places in it.
#[derive(Debug)]
pub struct Queue<'t> {
    drivers: &'t [Driver<'t>],
    marks: Vec<Mark>,
    /// What was ever wanted, in the order in which it was.
    wanted: Vec<usize>,
    last_end: Duration,
    last: Option<usize>,
}

impl<'t> Queue<'t> {
    /// Nothing is wanted yet.
    #[must_use]
    pub fn new(drivers: &'t [Driver<'t>]) -> Self {
        let marks = drivers.iter().map(|_| Mark::new()).collect();
        Self { drivers, marks, wanted: Vec::new(), last_end: Duration::ZERO, last: None }
    }

    /// What is known of each driver, in the order of these.
    #[must_use]
    pub const fn drivers(&self) -> &'t [Driver<'t>] {
        self.drivers
    }

    /// Has a driver loaded, unless it was before, with all that comes before it.
    pub fn want(&mut self, place: usize, rank: Rank) {
        let mut all = vec![place];
        while let Some(place) = all.pop() {
            let Some(driver) = self.drivers.get(place).filter(|driver| driver.path.is_some())
            else {
                continue;
            };
            let needs = self.places(&driver.needs);
            let likes = self.places(&driver.likes);
            let Some(mark) = self.marks.get_mut(place) else { continue };
            let is_new = mark.state == State::Idle;
            if !is_new && (mark.rank <= rank || !mark.state.is_open()) {
                continue;
            }
            all.extend(likes.iter().rev().chain(needs.iter().rev()));
            mark.rank = rank;
            if is_new {
                *mark = Mark { state: State::Waiting, rank, needs, likes, is_named: false };
                self.wanted.push(place);
            }
        }
        self.end_dependants();
    }

    fn places(&self, names: &[&str]) -> Vec<usize> {
        names.iter().filter_map(|name| self.place(name)).collect()
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.drivers.iter().position(|driver| driver.name == name)
    }

    /// The next driver that may be loaded, which counts as loading from now on; none
    /// where all that are left wait for another one, or none is.
    pub fn next(&mut self, now: Duration) -> Option<usize> {
        let place = self.first_ready(true).or_else(|| self.break_circle())?;
        self.marks.get_mut(place)?.state = State::Loading(now);
        Some(place)
    }

    /// The best of those that are ready, `likes` included or not.
    fn first_ready(&self, with_likes: bool) -> Option<usize> {
        let ready = self.open().filter(|(_, mark)| {
            let is_kept = with_likes && mark.likes.iter().any(|place| self.is_open(*place));
            mark.state == State::Waiting
                && !is_kept
                && !mark.needs.iter().any(|place| self.is_open(*place))
        });
        ready.min_by_key(|(_, mark)| mark.rank).map(|(place, _)| place)
    }

    /// Where each waits for another one and none is loading: what is only liked has to do
    /// without, and what needs itself cannot be loaded.
    fn break_circle(&mut self) -> Option<usize> {
        if self.open().any(|(_, mark)| matches!(mark.state, State::Loading(_))) {
            return None;
        }
        let place = self.first_ready(false);
        if place.is_none() {
            let left: Vec<usize> = self.open().map(|(place, _)| place).collect();
            left.into_iter().for_each(|place| self.set(place, State::Without));
        }
        place
    }

    /// What needs something that is not to be had is not to be had either.
    fn end_dependants(&mut self) {
        loop {
            let lost = self.open().find(|(_, mark)| {
                mark.state == State::Waiting && mark.needs.iter().any(|place| self.is_lost(*place))
            });
            let Some((place, _)) = lost else { return };
            self.set(place, State::Without);
        }
    }

    fn set(&mut self, place: usize, state: State) {
        if let Some(mark) = self.marks.get_mut(place) {
            mark.state = state;
        }
    }

    fn open(&self) -> impl Iterator<Item = (usize, &Mark)> {
        let marks = self.wanted.iter().filter_map(|place| Some((*place, self.marks.get(*place)?)));
        marks.filter(|(_, mark)| mark.state.is_open())
    }

    /// Whether a driver is loading, or is going to be.
    #[must_use]
    pub fn is_open(&self, place: usize) -> bool {
        self.state(place).is_open()
    }

    const fn is_lost_state(state: &State) -> bool {
        matches!(state, State::Absent | State::Failed(_) | State::Without | State::GivenUp)
    }

    fn is_lost(&self, place: usize) -> bool {
        Self::is_lost_state(self.state(place))
    }

    /// What has become of a driver.
    #[must_use]
    pub fn state(&self, place: usize) -> &State {
        self.marks.get(place).map_or(&State::Idle, |mark| &mark.state)
    }

    /// A load has ended so; whether it was still waited for, and not named yet.
    pub fn ended(&mut self, place: usize, state: State, now: Duration) -> bool {
        self.last_end = now;
        self.last = Some(place);
        let Some(mark) = self.marks.get_mut(place) else { return false };
        mark.state = state;
        let is_named = mark.is_named;
        self.end_dependants();
        !is_named
    }

    /// When the last load ended.
    #[must_use]
    pub const fn last_end(&self) -> Duration {
        self.last_end
    }

    /// The driver whose load ended last, and when that was.
    #[must_use]
    pub fn last_load(&self) -> Option<(&'t str, Duration)> {
        let driver = self.drivers.get(self.last?)?;
        Some((&driver.name, self.last_end))
    }

    /// What takes its time, each told once.
    pub fn late(&mut self, now: Duration) -> Vec<Late> {
        let mut told = Vec::new();
        for place in &self.wanted {
            let Some(mark) = self.marks.get_mut(*place) else { continue };
            let State::Loading(since) = mark.state else { continue };
            let time = now.saturating_sub(since);
            if time >= LIMIT {
                mark.state = State::GivenUp;
                told.push(Late::GivenUp(*place));
            } else if time >= SLOW && !mark.is_named {
                mark.is_named = true;
                told.push(Late::Slow(*place));
            }
        }
        self.end_dependants();
        told
    }

    /// Drivers that are loading, or wait for that, of this rank or a better one.
    pub fn busy(&self, rank: Rank) -> impl Iterator<Item = &'t Driver<'t>> {
        let open = self.open().filter(move |(_, mark)| mark.rank <= rank);
        open.filter_map(|(place, _)| self.drivers.get(place))
    }

    /// How many loads take `time` or longer, and are not named yet.
    #[must_use]
    pub fn stuck(&self, now: Duration, time: Duration) -> usize {
        let open = self.open().filter(|(_, mark)| {
            matches!(mark.state, State::Loading(since) if now.saturating_sub(since) >= time)
                && !mark.is_named
        });
        open.count()
    }

    /// Drivers whose load has not ended, though it is waited for no more.
    pub fn hanging(&self) -> impl Iterator<Item = &'t Driver<'t>> {
        let marks = self.drivers.iter().zip(&self.marks);
        let hanging =
            marks.filter(|(_, mark)| matches!(mark.state, State::Loading(_) | State::GivenUp));
        hanging.map(|(driver, _)| driver)
    }

    /// Drivers that are loading.
    pub fn loading(&self) -> impl Iterator<Item = &'t Driver<'t>> {
        let open = self.open().filter(|(_, mark)| matches!(mark.state, State::Loading(_)));
        open.filter_map(|(place, _)| self.drivers.get(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::table::parse;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn place(queue: &Queue<'_>, name: &str) -> usize {
        queue.drivers().iter().position(|driver| driver.name == name).unwrap()
    }

    /// Wants some of the drivers of a table, and loads all, of which some end otherwise.
    fn order(table: &str, wanted: &[&str], ends: &[(&str, State)]) -> Vec<String> {
        let text = format!("turnout-drivers 1\n{table}");
        let drivers = parse(&text).unwrap();
        let mut queue = Queue::new(&drivers);
        for name in wanted {
            queue.want(place(&queue, name), Rank::Disk);
        }
        let mut order = Vec::new();
        while let Some(next) = queue.next(at(0)) {
            let name = &drivers[next].name;
            let end = ends.iter().find(|(ending, _)| ending == name);
            queue.ended(next, end.map_or(State::Loaded, |(_, state)| state.clone()), at(1));
            order.push(name.clone());
        }
        assert_eq!(queue.busy(Rank::Other).count(), 0, "nothing is waited for in vain");
        order
    }

    const DISKS: &str = "driver sd_mod.ko\nneeds scsi_mod\ndriver ahci.ko\nneeds libahci libata\n\
        driver libahci.ko\nneeds libata\ndriver libata.ko\nneeds scsi_mod\n\
        driver scsi_mod.ko\nneeds scsi_common\ndriver scsi_common.ko\n\
        driver ext4.ko\nneeds jbd2 mbcache\nlikes crc32c_intel crc32c_generic\ndriver jbd2.ko\n\
        driver mbcache.ko\ndriver crc32c_generic.ko\nknown crc32c_intel\n";

    #[test]
    fn what_is_needed_or_liked_comes_first_and_each_once() {
        let order = |wanted: &[&str]| order(DISKS, wanted, &[]).join(" ");
        assert_eq!(order(&["sd_mod"]), "scsi_common scsi_mod sd_mod");
        assert_eq!(order(&["ahci", "sd_mod"]), "scsi_common scsi_mod libata libahci ahci sd_mod");
        assert_eq!(order(&["ext4", "ext4"]), "jbd2 mbcache crc32c_generic ext4");
        assert_eq!(order(&["crc32c_intel"]), "", "it was not packed");
    }

    #[test]
    fn what_fails_takes_its_dependants_along_and_nothing_else() {
        let failed = State::Failed("x".to_owned());
        for end in [State::Absent, failed, State::GivenUp] {
            let order = order(DISKS, &["ahci", "sd_mod"], &[("libata", end)]);
            assert_eq!(order.join(" "), "scsi_common scsi_mod libata sd_mod");
        }
        let order = order(DISKS, &["ext4"], &[("crc32c_generic", State::Absent)]);
        assert_eq!(order.last().unwrap(), "ext4", "that was only liked");
    }

    #[test]
    fn circles_end() {
        let likes = "driver a.ko\nlikes b\ndriver b.ko\nlikes a\n";
        assert_eq!(order(likes, &["a"], &[]), ["a", "b"]);
        let needs = "driver a.ko\nneeds b\ndriver b.ko\nneeds a\ndriver c.ko\n";
        assert_eq!(order(needs, &["a", "c"], &[]), ["c"]);
        assert_eq!(order("driver a.ko\nneeds a\n", &["a"], &[]), Vec::<String>::new());
    }

    #[test]
    fn a_long_chain_is_loaded_from_its_end() {
        use core::fmt::Write as _;
        let mut table = String::new();
        for number in 0..2000 {
            write!(table, "driver m{number}.ko\nneeds m{}\n", number + 1).unwrap();
        }
        let order = order(&table, &["m0"], &[]);
        assert_eq!((order.len(), &*order[0], &*order[1999]), (2000, "m1999", "m0"));
    }

    #[test]
    fn the_better_rank_comes_first_with_all_that_it_needs() {
        let text = format!("turnout-drivers 1\n{DISKS}");
        let drivers = parse(&text).unwrap();
        let mut queue = Queue::new(&drivers);
        queue.want(place(&queue, "ahci"), Rank::Other);
        queue.want(place(&queue, "jbd2"), Rank::First);
        queue.want(place(&queue, "sd_mod"), Rank::Disk);
        let mut names = Vec::new();
        while let Some(next) = queue.next(at(0)) {
            names.push(drivers[next].name.as_str());
            queue.ended(next, State::Loaded, at(1));
        }
        assert_eq!(names.join(" "), "jbd2 scsi_common scsi_mod sd_mod libata libahci ahci");
    }

    #[test]
    fn what_hangs_is_named_then_given_up_and_holds_up_only_its_dependants() {
        let text = format!("turnout-drivers 1\n{DISKS}");
        let drivers = parse(&text).unwrap();
        let mut queue = Queue::new(&drivers);
        queue.want(place(&queue, "sd_mod"), Rank::Disk);
        queue.want(place(&queue, "mbcache"), Rank::Disk);
        let common = queue.next(at(0)).unwrap();
        let other = queue.next(at(1)).unwrap();
        assert_eq!(drivers[other].name, "mbcache");
        assert!(queue.ended(other, State::Loaded, at(2)));
        assert_eq!((queue.next(at(3)), queue.last_end()), (None, at(2)));
        assert_eq!(queue.late(at(4)), []);
        assert_eq!((queue.stuck(at(0), at(1)), queue.stuck(at(1), at(1))), (0, 1));
        assert_eq!(queue.late(at(5)), [Late::Slow(common)]);
        assert_eq!(queue.stuck(at(6), at(1)), 0, "its place is free already");
        assert_eq!(queue.late(at(119)), [], "once");
        assert_eq!(queue.busy(Rank::Disk).count(), 3);
        assert_eq!(queue.late(at(120)), [Late::GivenUp(common)]);
        assert_eq!((queue.next(at(121)), queue.busy(Rank::Disk).count()), (None, 0));
        assert!(queue.hanging().eq([&drivers[common]]), "its load goes on");
        assert!(!queue.ended(common, State::Loaded, at(130)), "its place was given away");
        assert_eq!(queue.hanging().count(), 0);
        assert_eq!(*queue.state(place(&queue, "sd_mod")), State::Without);
    }
}
