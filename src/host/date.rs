//! A time as people read it: the Gregorian calendar and UTC, for whoever has seconds
//! since 1970.

const DAY: u64 = 24 * 60 * 60;
/// The first second of the year 10000, from which on nobody means a date.
const TOO_LATE: u64 = 253_402_300_800;

/// `2026-11-30 04:46:47 UTC`; for what no clock says, the seconds.
#[must_use]
pub fn utc(seconds: u64) -> String {
    if seconds >= TOO_LATE {
        return format!("{seconds} seconds after 1970");
    }
    let Date { year, month, day } = date(seconds / DAY);
    let [hour, minute, second] = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

struct Date {
    year: u64,
    /// From 1.
    month: usize,
    /// From 1.
    day: u64,
}

/// The date so many days after the first one of 1970, year by year.
fn date(mut days: u64) -> Date {
    let mut year: u64 = 1970;
    while let Some(rest) = days.checked_sub(days_of_year(year)) {
        days = rest;
        year = year.saturating_add(1);
    }
    let mut month: usize = 1;
    for length in months(year) {
        let Some(rest) = days.checked_sub(length) else { break };
        days = rest;
        month = month.saturating_add(1);
    }
    Date { year, month, day: days.saturating_add(1) }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn months(year: u64) -> [u64; 12] {
    let february = if is_leap(year) { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As date(1) has them.
    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_798_001_207, "2026-12-23 04:46:47 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (4_102_444_799, "2099-12-31 23:59:59 UTC"),
            (TOO_LATE - 1, "9999-12-31 23:59:59 UTC"),
            (TOO_LATE, "253402300800 seconds after 1970"),
            (u64::MAX, "18446744073709551615 seconds after 1970"),
        ] {
            assert_eq!(utc(seconds), expected, "{seconds}");
        }
    }
}
