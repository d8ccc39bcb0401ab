//! A benchmark's rows as a bar chart: from where the kernel file is opened to the next
//! system's init, a bar each, and on it where the jump is.
//!
//! Rows that lack one of the two times are left out, and so are those of images with
//! drivers, which boot another kernel.

use super::model::{Processor, Report, Row};
use crate::svg::{Area, SANS, Set, Svg};
use turnout::base::arch::Arch;

const WIDTH: usize = 760;
const MARGIN: usize = 16;
/// Where bars begin, and how long the longest is.
const BARS: usize = 320;
const LONGEST: usize = 350;
const LINE: usize = 22;
const BAR: usize = 14;
/// From the top of a line to the base line of its text, and to its bar.
const BASE_LINE: usize = 15;
const BAR_TOP: usize = 4;
const FONT_SIZE: usize = 13;
const PAPER: &str = "#ffffff";
const INK: &str = "#24292f";
const FAINT: &str = "#57606a";
/// Before the jump, and after it; of Turnout's rows, and of others'.
const OURS: [&str; 2] = ["#0a58ca", "#9ec5fe"];
const THEIRS: [&str; 2] = ["#6e7781", "#d0d7de"];

/// Rows on one processor.
struct Group {
    name: String,
    bars: Vec<Bar>,
}

/// A row's two times, in nanoseconds.
struct Bar {
    name: String,
    colours: [&'static str; 2],
    to_jump: u64,
    to_init: u64,
}

impl Bar {
    fn of(row: &Row) -> Option<Self> {
        let colours = match (row.is_turnout(), row.is_incumbent()) {
            (true, _) => OURS,
            (false, true) => THEIRS,
            (false, false) => return None,
        };
        let to_jump = row.open_to_jump_ns?;
        Some(Self { name: name(row), colours, to_jump, to_init: row.jump_to_init_ns? })
    }

    const fn whole(&self) -> u64 {
        self.to_jump.saturating_add(self.to_init)
    }
}

/// What a row is called for somebody who has not read the others.
fn name(row: &Row) -> String {
    match row.name.as_str() {
        "turnout segments" => "Turnout, kexec_load (default)".to_owned(),
        "turnout file" => "Turnout, kexec_file_load".to_owned(),
        "turnout direct vmlinux" => "Turnout, kernel unpacked before the jump".to_owned(),
        "kexec-tools -c -i" => "kexec-tools -c -i, checks nothing".to_owned(),
        other => other.to_owned(),
    }
}

fn groups(reports: &[Report]) -> Vec<Group> {
    let processors = [
        (Arch::X86_64, Processor::Usual, "x86_64"),
        (Arch::X86_64, Processor::WithoutShaNi, "x86_64 without SHA instructions"),
        (Arch::Aarch64, Processor::Usual, "aarch64"),
    ];
    let groups = processors.into_iter().map(|(arch, processor, name)| {
        let rows = reports.iter().filter(|report| report.arch == arch);
        let rows = rows.flat_map(|report| &report.rows).filter(|row| row.processor == processor);
        Group { name: name.to_owned(), bars: rows.filter_map(Bar::of).collect() }
    });
    groups.filter(|group| !group.bars.is_empty()).collect()
}

/// The chart of these reports.
#[must_use]
pub fn chart(reports: &[Report]) -> String {
    let groups = groups(reports);
    let lines: usize = groups.iter().map(|group| group.bars.len() + 2).sum();
    let height = (lines + 1) * LINE + 2 * MARGIN;
    let area = Area { x: 0, y: 0, width: WIDTH, height };
    let title = "Guest time from opening the kernel file to the next system's init";
    let mut svg = Svg::new(title, area, SANS, FONT_SIZE);
    svg.fill(area, PAPER, 6);
    let longest = groups.iter().flat_map(|group| &group.bars).map(Bar::whole).max().unwrap_or(1);
    let mut y = MARGIN;
    heading(&mut svg, y);
    for group in &groups {
        y += 2 * LINE;
        svg.write(
            MARGIN,
            y + BASE_LINE,
            Set { fill: INK, bold: true, ..Set::default() },
            &group.name,
        );
        for bar in &group.bars {
            y += LINE;
            bar.draw(&mut svg, y, longest);
        }
    }
    svg.finish()
}

/// What the chart shows, and what its colours mean.
fn heading(svg: &mut Svg, y: usize) {
    let set = Set { fill: FAINT, ..Set::default() };
    let ends = Set { ends: true, ..set };
    svg.write(BARS - 8, y + BASE_LINE, ends, "Seconds from opening the kernel file to");
    let keys = [
        (BARS, OURS[0], THEIRS[0], "the jump,"),
        (BARS + 120, OURS[1], THEIRS[1], "then the next init"),
    ];
    for (x, ours, theirs, text) in keys {
        let area = Area { x, y: y + BAR_TOP, width: BAR, height: BAR };
        svg.fill(area, ours, 2);
        svg.fill(Area { x: x + BAR + 2, ..area }, theirs, 2);
        svg.write(x + 2 * BAR + 8, y + BASE_LINE, set, text);
    }
}

impl Bar {
    fn draw(&self, svg: &mut Svg, y: usize, longest: u64) {
        let ends = Set { fill: INK, ends: true, ..Set::default() };
        svg.write(BARS - 8, y + BASE_LINE, ends, &self.name);
        let jump = scaled(self.to_jump, longest);
        let whole = scaled(self.whole(), longest);
        let area = Area { x: BARS, y: y + BAR_TOP, width: jump, height: BAR };
        svg.fill(area, self.colours[0], 0);
        let rest = Area { x: BARS + jump, width: whole.saturating_sub(jump), ..area };
        svg.fill(rest, self.colours[1], 0);
        let set = Set { fill: INK, ..Set::default() };
        let text = format!("{} + {}", hundredths(self.to_jump), hundredths(self.to_init));
        svg.write(BARS + whole + 6, y + BASE_LINE, set, &text);
    }
}

/// How long a bar is, in the chart's units.
fn scaled(nanoseconds: u64, longest: u64) -> usize {
    let units = u128::from(nanoseconds) * LONGEST as u128 / u128::from(longest.max(1));
    usize::try_from(units).unwrap_or(LONGEST)
}

/// Seconds, rounded to the nearest hundredth.
fn hundredths(nanoseconds: u64) -> String {
    let hundredths = nanoseconds.saturating_add(5_000_000) / 10_000_000;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::model::Sizes;

    fn row(name: &str, to_jump: u64, to_init: Option<u64>) -> Row {
        Row {
            name: name.to_owned(),
            open_to_jump_ns: Some(to_jump),
            jump_to_init_ns: to_init,
            ..Row::default()
        }
    }

    fn drawn(rows: Vec<Row>) -> String {
        chart(&[Report { arch: Arch::X86_64, sizes: Sizes::default(), rows }])
    }

    #[test]
    fn the_longest_bar_is_as_long_as_there_is_room_and_others_in_proportion() {
        let slow = row("kexec-tools -c", 3_000_000_000, Some(1_000_000_000));
        let svg = drawn(vec![row("turnout segments", 500_000_000, Some(500_000_000)), slow]);
        // Of 350 for 4 s: 43 and 44 of Turnout's, and all of the other's.
        for expected in
            ["width=\"43\" height=\"14\"", "width=\"44\" height=\"14\"", "width=\"262\""]
        {
            assert!(svg.contains(expected), "{expected}: {svg}");
        }
        assert!(svg.contains(">0.50 + 0.50<") && svg.contains(">3.00 + 1.00<"), "{svg}");
    }

    #[test]
    fn a_row_without_one_of_the_times_and_one_with_drivers_are_left_out() {
        let drivers = row("universal drivers, generic", 1, Some(1));
        let svg = drawn(vec![row("turnout file", 1, None), drivers]);
        assert!(!svg.contains("kexec_file_load") && !svg.contains("universal"), "{svg}");
    }

    #[test]
    fn times_are_rounded_to_the_nearest_hundredth() {
        assert_eq!([4_999_999, 5_000_000, 1_995_000_000].map(hundredths), ["0.00", "0.01", "2.00"]);
    }
}
