//! Figures as a table: for people, as comma-separated values, as Markdown.

use std::path::Path;

use deepinside::evaluation::Rate;
use deepinside::printable;

use crate::arguments::ReportArguments;
use crate::failure::Outcome;
use crate::output;

/// One figure.
pub struct Row {
    /// What it is.
    pub name: String,
    /// A short name without spaces, for programs.
    pub key: &'static str,
    /// The figure, as a fraction.
    pub rate: f64,
    /// Its interval, where it has one.
    pub interval: Option<[f64; 2]>,
}

impl Row {
    /// A rate with its interval.
    pub fn new(key: &'static str, name: impl Into<String>, rate: Rate) -> Self {
        Self { name: name.into(), key, rate: rate.rate, interval: Some(rate.interval95) }
    }

    /// A figure alone.
    pub fn plain(key: &'static str, name: impl Into<String>, rate: f64) -> Self {
        Self { name: name.into(), key, rate, interval: None }
    }

    /// The interval in per cent.
    pub fn interval_text(&self) -> String {
        self.interval
            .map_or_else(String::new, |[low, high]| format!("[{:.1}, {:.1}]", 100.0 * low, 100.0 * high))
    }
}

/// Prints the table, in per cent.
pub fn print(title: &str, rows: &[Row]) {
    output::line(title);
    for row in rows {
        let interval = row.interval_text();
        output::line(format!("{:<42}{:>6.1}  {interval}", row.name, 100.0 * row.rate).trim_end());
    }
}

/// Writes the files that were asked for.
pub fn write(arguments: &ReportArguments, title: &str, rows: &[Row]) -> Outcome {
    let file = |path: &Option<std::path::PathBuf>, text: String| -> Outcome {
        path.as_deref().map_or(Ok(()), |path: &Path| output::whole_file(path, text.as_bytes()))
    };
    file(&arguments.csv, csv(rows))?;
    file(&arguments.markdown, markdown(title, rows))
}

fn csv(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let [low, high] =
            row.interval.map_or([String::new(), String::new()], |edges| edges.map(|edge| edge.to_string()));
        format!("{},{},{low},{high}\n", row.key, row.rate)
    };
    std::iter::once("measure,value,low95,high95\n".to_owned()).chain(rows.iter().map(line)).collect()
}

fn markdown(title: &str, rows: &[Row]) -> String {
    let line = |row: &Row| {
        let name = printable::markdown(row.name.trim());
        format!("| {name} | {:.1} | {} |\n", 100.0 * row.rate, row.interval_text())
    };
    let title = printable::markdown(title);
    let head = format!("{title}\n\n| measure | % | 95 % interval |\n|---|---|---|\n");
    std::iter::once(head).chain(rows.iter().map(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_fractions_for_programs_and_per_cent_for_people() {
        let rate = Rate { rate: 0.25, interval95: [0.125, 0.5] };
        let rows = [Row::new("error", "the error", rate), Row::plain("other", "  another", 0.5)];
        assert_eq!(csv(&rows), "measure,value,low95,high95\nerror,0.25,0.125,0.5\nother,0.5,,\n");
        let text = markdown("title", &rows);
        assert!(text.contains("| the error | 25.0 | [12.5, 50.0] |\n| another | 50.0 |  |\n"), "{text}");
    }
}
