//! Records are read as they were written, and no bytes but those are one.

use super::*;

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 1).unwrap() % limit
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn word(&mut self) -> String {
        let pieces =
            ["a", " ", "\n", "end\n", "\\", "\\x0a", "\u{1b}[2J", "ü", "\u{85}", "=", "\r"];
        (0..self.below(6)).map(|_| pieces[self.below(pieces.len())]).collect()
    }

    fn digest(&mut self) -> Digest {
        Digest::of(&self.0.to_le_bytes())
    }

    fn file(&mut self) -> File {
        File { path: self.word(), size: self.0, digest: self.digest() }
    }

    fn loaded(&mut self) -> Loaded {
        Loaded {
            slot: [Slot::Normal, Slot::Crash][self.below(2)],
            by: By::ALL[self.below(4)],
            user: self.word(),
            when: self.0,
            boot_id: self.word(),
            entry: self.maybe(Self::word),
            release: self.maybe(Self::word),
            trust: self.word(),
            remark: self.maybe(Self::word),
            engine: [Engine::File, Engine::Segments][self.below(2)],
            kernel: self.file(),
            initrds: (0..self.below(3)).map(|_| self.file()).collect(),
            devicetree: self.maybe(Self::file),
            cmdline: self.word(),
            token: self.maybe(Self::word),
        }
    }

    fn asked(&mut self) -> Asked {
        Asked {
            way: Way::ALL[self.below(2)],
            when: self.0,
            boot_id: self.word(),
            from: self.word(),
            entry: self.maybe(Self::word),
            to: self.maybe(Self::word),
            kernel: self.digest(),
            initrds: (0..self.below(3)).map(|_| self.digest()).collect(),
            cmdline: self.word(),
            token: self.maybe(Self::word),
            fallback: self.maybe(Self::word),
            watchdog: self.below(2) == 0,
            was_reset: self.below(2) == 0,
        }
    }

    fn pairs(&mut self) -> Vec<Pair> {
        (0..self.below(4)).map(|_| Pair { from: self.word(), to: self.word() }).collect()
    }
}

#[test]
fn every_record_is_read_as_it_was_written() {
    let mut random = Random(1);
    for _ in 0..2000 {
        let loaded = random.loaded();
        assert_eq!(Loaded::read(&loaded.text()), Ok(loaded));
        let asked = random.asked();
        assert_eq!(Asked::read(&asked.text()), Ok(asked));
        let pairs = random.pairs();
        assert_eq!(Pair::read(&Pair::text(&pairs)), Ok(pairs));
    }
}

/// What is read of a changed text is what that very text says: never half of it, and
/// never what another text says.
#[test]
fn a_damaged_record_is_none_or_another_whole_one() {
    let mut random = Random(2);
    for _ in 0..2000 {
        let mut text = random.loaded().text().into_bytes();
        let at = random.below(text.len());
        match random.below(3) {
            0 => text.truncate(at),
            1 => text[at] = [b'\n', b' ', b'\\', b'0', 0xc3][random.below(5)],
            _ => drop(text.remove(at)),
        }
        let Ok(text) = String::from_utf8(text) else { continue };
        if let Ok(read) = Loaded::read(&text) {
            let again = read.text();
            assert_eq!(Loaded::read(&again), Ok(read), "{text:?}");
            assert!(text.ends_with("\nend\n"), "{text:?}");
        }
        assert!(Asked::read(&text).is_err() && Pair::read(&text).is_err());
    }
}

#[test]
fn every_cut_off_record_is_refused() {
    let whole = Random(3).loaded().text();
    for (end, _) in whole.char_indices() {
        let (start, _) = whole.split_at(end);
        assert!(Loaded::read(start).is_err(), "{start}");
    }
}

#[test]
fn a_loaded_kernel_is_written_so() {
    let file = |path: &str| File { path: path.to_owned(), size: 7, digest: Digest([0xab; 32]) };
    let loaded = Loaded {
        slot: Slot::Normal,
        by: By::Boot,
        user: "alice by sudo".to_owned(),
        when: 1_800_000_000,
        boot_id: "b".to_owned(),
        entry: Some("debian".to_owned()),
        release: Some("6.12".to_owned()),
        trust: "ops".to_owned(),
        remark: None,
        engine: Engine::Segments,
        kernel: file("/boot/my kernel"),
        initrds: vec![file("/boot/i")],
        devicetree: None,
        cmdline: "root=/dev/vda  quiet".to_owned(),
        token: None,
    };
    let digest = "ab".repeat(32);
    let expected = format!(
        "turnout-record 1 loaded\nslot normal\nby boot\nuser alice by sudo\n\
         when 1800000000\nboot-id b\nentry debian\nrelease 6.12\ntrust ops\nengine segments\n\
         kernel {digest} 7 /boot/my kernel\ninitrd {digest} 7 /boot/i\n\
         cmdline root=/dev/vda  quiet\nend\n"
    );
    assert_eq!(loaded.text(), expected);
    for (line, wrong, number) in [
        ("slot normal", "slot other", 2),
        ("when 1800000000", "when soon", 5),
        ("by boot", "by magic", 3),
        ("engine segments\n", "", 10),
        ("user alice by sudo", "user", 4),
    ] {
        let problem = Loaded::read(&expected.replace(line, wrong)).unwrap_err().to_string();
        assert!(problem.starts_with(&format!("line {number}: ")), "{problem}");
    }
}

#[test]
fn a_pair_is_kept_once_and_the_oldest_of_too_many_is_forgotten() {
    let pair = |number: usize| Pair { from: "6.1".to_owned(), to: number.to_string() };
    let all = (0..MAX_PAIRS + 2).fold(Vec::new(), |pairs, number| Pair::with(&pairs, pair(number)));
    assert_eq!((all.len(), &all[0], &all[MAX_PAIRS - 1]), (MAX_PAIRS, &pair(2), &pair(65)));
    let again = Pair::with(&all, pair(2));
    assert_eq!((again.len(), again.last()), (MAX_PAIRS, Some(&pair(2))));
    assert_eq!(Pair::without(&again, &pair(2)).len(), MAX_PAIRS - 1);
}

#[test]
fn a_kernel_that_does_not_tell_its_release_is_known_by_its_digest() {
    let asked = Random(4).asked();
    let unknown = Asked { to: None, ..asked.clone() };
    assert_eq!(unknown.pair().to, format!("sha256:{}", asked.kernel));
    let known = Asked { to: Some("6.12".to_owned()), ..asked };
    assert_eq!(known.pair().to, "6.12");
}

#[test]
fn what_nobody_has_named_is_the_firmware_s_default() {
    let asked = Asked { to: None, entry: None, kernel: NO_KERNEL, ..Random(5).asked() };
    assert_eq!(asked.pair().to, "the firmware's default");
    assert_eq!(asked.what(), "the firmware's default");
    let named = Asked { kernel: Digest([1; 32]), ..asked.clone() };
    assert_eq!(named.what(), "files that were named");
    assert_eq!(Asked { entry: Some("debian".to_owned()), ..asked }.what(), "debian");
}

#[test]
fn what_was_asked_for_before_there_were_more_lines_is_still_read() {
    let asked = Asked { was_reset: true, ..Random(6).asked() };
    let text = asked.text();
    assert!(text.ends_with("was-reset yes\nend\n"), "{text}");
    let older = Asked { was_reset: false, ..asked };
    assert_eq!(Asked::read(&text.replace("was-reset yes\n", "")), Ok(older));
}
