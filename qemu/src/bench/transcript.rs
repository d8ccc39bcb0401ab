//! What the guests of a benchmark print, read.
//!
//! Nothing is started here. What is missing or is no number is `None`: a row then
//! lacks that figure, and a budget of it is broken.

use super::model::NextClock;

/// The value of `name=VALUE`, or of `name VALUE`, in the line that begins so.
pub fn labelled(text: &str, begins: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(begins))?;
    let mut words = line.split([' ', '=', ',']);
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

/// The numbers that follow in the line that begins so.
pub fn numbers_after(text: &str, begins: &str) -> Vec<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(begins)).unwrap_or_default();
    line.split(' ').map_while(|word| word.parse().ok()).collect()
}

/// How long `bytes` take at the speed that the next system measured.
pub fn crate_hash_ns(text: &str, bytes: u64) -> Option<u64> {
    let &[measured, ns] = numbers_after(text, "next sha256: ").as_slice() else { return None };
    let ns = u128::from(ns) * u128::from(bytes) / u128::from(measured.max(1));
    u64::try_from(ns).ok()
}

/// The next system's clock.
pub fn next_clock(text: &str) -> Option<NextClock> {
    match numbers_after(text, "next clock: ").as_slice() {
        &[counter, up] => Some(NextClock { counter, up }),
        _ => None,
    }
}

/// Most memory that PID 1 had, and how much of it was the payload, in bytes.
pub fn peaks(text: &str) -> [Option<u64>; 2] {
    ["rss", "payload"]
        .map(|name| labelled(text, "turnout: peak ", name).map(|kib| kib.saturating_mul(1024)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "turnout: ticks start=100 open=200 load=50 jump=400 loaded=9 hashed=8\n\
                        turnout: peak rss 2048 KiB, payload 900 KiB\nnext clock: 1000 300\n";

    #[test]
    fn figures_are_found_by_the_beginning_of_their_line_and_their_name() {
        let ticks = |name| labelled(TEXT, "turnout: ticks ", name);
        assert_eq!(["start", "open", "jump"].map(ticks), [Some(100), Some(200), Some(400)]);
        assert_eq!(labelled(TEXT, "turnout: ticks ", "spent"), None);
        assert_eq!(peaks(TEXT), [Some(2048 * 1024), Some(900 * 1024)]);
        assert_eq!(next_clock(TEXT), Some(NextClock { counter: 1000, up: 300 }));
        assert_eq!(next_clock("next clock: soon\n"), None);
    }

    #[test]
    fn the_crates_speed_is_carried_over_to_the_bytes_that_were_hashed() {
        assert_eq!(crate_hash_ns("next sha256: 4096 1000\n", 7_987_200), Some(1_950_000));
        assert_eq!(crate_hash_ns("", 7_987_200), None);
    }
}
