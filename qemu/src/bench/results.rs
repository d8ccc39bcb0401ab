//! A benchmark's rows as a file of results: one JSON array of all architectures, which
//! says `null` where a row has no such figure.
//!
//! Sizes are not in it: they hang on no run, and `docs/sizes.txt` has them.

use super::model::{Processor, Report, Row, Sizes};
use anyhow::{Context, Result};
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

/// The reports of a file of results, without sizes.
///
/// # Errors
///
/// If the text is no such file, or a row's name begins with no architecture.
pub fn read(text: &str) -> Result<Vec<Report>> {
    let rows: Vec<Row> = serde_json::from_str(text)?;
    let mut reports: Vec<Report> = Vec::new();
    for mut row in rows {
        let arch = take_names_apart(&mut row)?;
        match reports.iter_mut().find(|report| report.arch == arch) {
            Some(report) => report.rows.push(row),
            None => reports.push(Report { arch, sizes: Sizes::default(), rows: vec![row] }),
        }
    }
    Ok(reports)
}

/// Leaves a row its name, and gives its architecture.
fn take_names_apart(row: &mut Row) -> Result<Arch> {
    let archs = [Arch::X86_64, Arch::Aarch64].into_iter();
    let mut named = archs.filter_map(|arch| {
        let label = row.name.strip_prefix(arch.name())?.strip_prefix(' ')?;
        Some((arch, label.to_owned()))
    });
    let (arch, label) =
        named.next().with_context(|| format!("{:?} begins with no architecture", row.name))?;
    let without = label.strip_suffix(Processor::WithoutShaNi.suffix());
    row.processor = without.map_or(Processor::Usual, |_| Processor::WithoutShaNi);
    row.name = without.unwrap_or(&label).to_owned();
    Ok(arch)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn what_was_written_is_read_back() {
        let without = Row { processor: Processor::WithoutShaNi, ..row("turnout segments") };
        let text = line(Arch::X86_64, without.clone());
        let reports = read(&text).unwrap();
        assert_eq!(reports.len(), 1);
        assert_eq!((reports[0].arch, &reports[0].rows), (Arch::X86_64, &vec![without]));
    }

    #[test]
    fn a_row_of_no_architecture_is_named() {
        let error = read(r#"[{"name":"arm64 x"}]"#).unwrap_err().to_string();
        assert_eq!(error, "\"arm64 x\" begins with no architecture");
    }
}
