//! A benchmark's rows as a file of results: one JSON array of all architectures, which
//! says `null` where a row has no such figure.
//!
//! Sizes are not in it: they hang on no run, and `docs/sizes.txt` has them.

use super::model::{Report, Row};
use anyhow::Result;
use turnout::base::arch::Arch;

/// All rows, one a line; each row's name begins with its architecture and ends with its
/// processor.
///
/// # Errors
///
/// None that is known: it is serde_json's, which could not write into memory.
pub fn json(reports: &[Report]) -> Result<String> {
    let rows = reports.iter().flat_map(|report| rows(report.arch, &report.rows));
    let lines = rows.map(|row| serde_json::to_string(&row)).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("[{}]", lines.join(",\n ")))
}

fn rows(arch: Arch, rows: &[Row]) -> impl Iterator<Item = Row> {
    rows.iter().map(move |row| Row { name: format!("{arch} {}", row.label()), ..row.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::model::{Processor, Sizes};

    fn line(arch: Arch, row: Row) -> String {
        json(&[Report { arch, sizes: Sizes::default(), rows: vec![row] }]).unwrap()
    }

    fn row(name: &str) -> Row {
        Row { name: name.to_owned(), load_ns: Some(1_500_000), ..Row::default() }
    }

    #[test]
    fn a_row_without_sha_instructions_says_so_by_the_end_of_its_name() {
        let without = Row { processor: Processor::WithoutShaNi, ..row("turnout segments") };
        let json = line(Arch::X86_64, without);
        assert!(
            json.starts_with(r#"[{"name":"x86_64 turnout segments without SHA-NI","#),
            "{json}"
        );
    }

    #[test]
    fn a_missing_figure_is_null() {
        let json = line(Arch::Aarch64, row("x"));
        let expected = r#"[{"name":"aarch64 x","load_ns":1500000,"open_to_jump_ns":null,"#;
        assert!(json.starts_with(expected), "{json}");
    }
}
