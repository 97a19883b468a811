//! Lists of photographs: a path a line, or a table with a column of paths.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use deepinside::{Error, Result};

use super::{InputOptions, Item, LONGEST_KEY, expect_room, of_path};
use crate::durable::io;

/// What the column of photographs is called where nothing else is said.
pub const USUAL_COLUMNS: [&str; 5] = ["path", "file", "filename", "image", "image.bytes"];

/// The longest row of a table, in bytes.
const LONGEST_RECORD: usize = 1 << 20;

/// Adds the photographs of a file with a path a line.
pub fn text(path: &Path, options: &InputOptions, items: &mut Vec<Item>) -> Result<()> {
    let file = File::open(path).map_err(io(path))?;
    lines(&mut BufReader::new(file), &path.to_string_lossy(), options, items)
}

/// Adds the photographs of lines, each a path; empty ones count for nothing.
pub fn lines(
    stream: &mut dyn BufRead,
    origin: &str,
    options: &InputOptions,
    items: &mut Vec<Item>,
) -> Result<()> {
    if options.target_column.is_some() {
        return Err(Error::Option(format!("{origin} is a list of paths; --target-column needs a table")));
    }
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        number += 1;
        let longest = LONGEST_KEY as u64 + 2;
        let count = stream
            .take(longest)
            .read_until(b'\n', &mut line)
            .map_err(|error| Error::Option(format!("{origin}, line {number}: {error}")))?;
        if count == 0 {
            return Ok(());
        }
        if count as u64 == longest && !line.ends_with(b"\n") {
            return Err(Error::Option(format!(
                "{origin}, line {number}: it has more than {LONGEST_KEY} bytes and is no path; is this a list of paths?"
            )));
        }
        let text = std::str::from_utf8(&line)
            .map_err(|_| Error::Option(format!("{origin}, line {number}: it is not UTF-8 text")))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if !text.is_empty() {
            expect_room(items, origin)?;
            items.push(listed(text, None, options));
        }
    }
}

/// Adds the photographs of a table with a header.
pub fn table(path: &Path, delimiter: u8, options: &InputOptions, items: &mut Vec<Item>) -> Result<()> {
    let failed = |error: csv::Error| Error::Option(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(io(path))?;
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(BufReader::new(file));
    let header = reader.headers().map_err(failed)?.clone();
    let names: Vec<&str> = header.iter().collect();
    let column = match &options.column {
        Some(name) => column(&names, name, path)?,
        None => USUAL_COLUMNS
            .iter()
            .find_map(|usual| names.iter().position(|name| name.trim().eq_ignore_ascii_case(usual)))
            .unwrap_or(0),
    };
    let target = options.target_column.as_deref().map(|name| self::column(&names, name, path)).transpose()?;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(failed)? {
        if record.as_slice().len() > LONGEST_RECORD {
            return Err(Error::Option(format!(
                "{}, row {}: it has more than {LONGEST_RECORD} bytes; is a quotation mark missing?",
                path.display(),
                items.len() + 1
            )));
        }
        expect_room(items, &path.to_string_lossy())?;
        let target = target.and_then(|column| record.get(column)).filter(|text| !text.is_empty());
        items.push(listed(record.get(column).unwrap_or_default(), target.map(str::to_owned), options));
    }
    Ok(())
}

/// Where a column is.
pub fn column(names: &[&str], wanted: &str, path: &Path) -> Result<usize> {
    names.iter().position(|name| name.trim() == wanted).ok_or_else(|| {
        Error::Option(format!(
            "{} has no column '{wanted}'; it has {}",
            path.display(),
            deepinside::printable::one_line(&names.join(", "))
        ))
    })
}

fn listed(text: &str, target: Option<String>, options: &InputOptions) -> Item {
    let path = options.root.as_ref().map_or_else(|| text.into(), |root| root.join(text));
    of_path(&path, target)
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::*;

    fn items(name: &str, content: &str, options: &InputOptions) -> Result<Vec<(String, Option<String>)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let mut items = Vec::new();
        super::super::add(&path, options, &mut items)?;
        assert!(items.iter().all(|item| item.place == Place::Key));
        Ok(items.into_iter().map(|item| (item.key, item.target)).collect())
    }

    #[test]
    fn tables_have_quotes_columns_and_targets() {
        let table = "label,path\n\"tabby, tabby cat\",a.png\n,\"b \"\"x\"\".png\"\n";
        let options = InputOptions {
            target_column: Some("label".to_owned()),
            root: Some("photos".into()),
            ..InputOptions::default()
        };
        let expected = [
            ("photos/a.png".to_owned(), Some("tabby, tabby cat".to_owned())),
            ("photos/b \"x\".png".to_owned(), None),
        ];
        assert_eq!(items("list.csv", table, &options).unwrap(), expected);
        let options = InputOptions { column: Some("picture".to_owned()), ..InputOptions::default() };
        let error = items("list.csv", table, &options).unwrap_err().to_string();
        assert!(error.contains("no column 'picture'; it has label, path"), "{error}");
    }

    #[test]
    fn lists_have_a_path_a_line() {
        let listed = items("list.txt", "a b.png\r\n\nc.png", &InputOptions::default()).unwrap();
        assert_eq!(listed, [("a b.png".to_owned(), None), ("c.png".to_owned(), None)]);
        let error = items("list.txt", &"x".repeat(5000), &InputOptions::default()).unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains("no path"), "{error}");
    }
}
