//! The pictures of docs/: what they show is what this tree's menu draws, and what its
//! benchmark found the last time.
//!
//! Nothing is measured here: `./qemu/bench --plot` does that, and keeps the figures in
//! [`FIGURES`].

use crate::bench::model::Report;
use crate::bench::{plot, results};
use crate::{demo, place, terminal};
use anyhow::{Context, Result};
use std::fs;
use std::time::Duration;
use turnout::choose::frame::{self, Size};
use turnout::choose::{Chooser, screen};
use turnout::menu::Timeout;

/// Where the benchmark's last figures are, from the root of the tree.
pub const FIGURES: &str = "docs/bench.json";

/// A file of docs/ and what it has to hold.
#[derive(Debug, Clone)]
pub struct Picture {
    /// From the root of the tree.
    pub path: &'static str,
    /// The whole file.
    pub svg: String,
}

/// All of them, as they should be.
///
/// # Errors
///
/// If [`FIGURES`] cannot be read or are no results of the benchmark.
pub fn all() -> Result<[Picture; 2]> {
    Ok([menu()?, bench(&figures()?)])
}

/// The demo's menu, three seconds after it came up, on a console of the usual size.
fn menu() -> Result<Picture> {
    let size = Size::default();
    let heading = concat!("turnout ", env!("CARGO_PKG_VERSION"), " (locked)");
    let seconds = u32::try_from(demo::FOR_A_PERSON.as_secs())?;
    let items = demo::items();
    let mut chooser = Chooser::new(items, Some(0), Timeout::Seconds(seconds)).with_heading(heading);
    chooser.start(Duration::ZERO);
    chooser.tick(Duration::from_secs(3));
    let sent = String::from_utf8(frame::draw(None, &screen::frame(&chooser, size), true))?;
    let title = "Turnout's menu: one entry is ready, two are refused, with the reason";
    Ok(Picture { path: "docs/menu.svg", svg: terminal::picture(title, size.columns, &sent) })
}

fn bench(reports: &[Report]) -> Picture {
    Picture { path: "docs/bench.svg", svg: plot::chart(reports) }
}

fn figures() -> Result<Vec<Report>> {
    let text = fs::read_to_string(place::tree().join(FIGURES)).context(FIGURES)?;
    results::read(&text).context(FIGURES)
}

/// Writes down what a benchmark found, and its chart.
///
/// # Errors
///
/// If a file cannot be written.
pub fn keep(reports: &[Report]) -> Result<()> {
    let tree = place::tree();
    fs::write(tree.join(FIGURES), results::json(reports)? + "\n").context(FIGURES)?;
    bench(reports).write()
}

impl Picture {
    /// Puts it where it belongs.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self) -> Result<()> {
        fs::write(place::tree().join(self.path), &self.svg).context(self.path)
    }

    /// What to do about it, unless it is in the tree as it should be.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let is_kept = fs::read_to_string(place::tree().join(self.path)).ok();
        let path = self.path;
        (is_kept.as_deref() != Some(&self.svg))
            .then(|| format!("{path} is not what is drawn now; \"cargo pictures\" writes it anew"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pictures_in_the_tree_are_those_that_are_drawn() {
        let faults: Vec<String> = all().unwrap().iter().filter_map(Picture::fault).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    #[test]
    fn a_picture_that_is_old_or_missing_says_how_it_is_renewed() {
        let old = Picture { path: "docs/menu.svg", svg: "<svg/>".to_owned() };
        let expected = "docs/menu.svg is not what is drawn now; \"cargo pictures\" writes it anew";
        assert_eq!(old.fault().as_deref(), Some(expected));
    }
}
