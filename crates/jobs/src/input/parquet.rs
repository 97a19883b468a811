//! Parquet files with a column of photographs: their bytes, or paths below a folder.
//!
//! Such files come from strangers. A text in them is a path only below the folder that `--root` names, and only where nothing in it
//! leads elsewhere.

use std::fs::File;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use deepinside::files::whole_file;
use deepinside::{Error, Result};
use parquet::basic::{LogicalType, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader as _, Length, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::{Type, TypePtr};

use super::list::USUAL_COLUMNS;
use super::{InputOptions, Item, LARGEST_FILE, Place, expect_room, thrift};

/// Adds the photographs of a file.
pub fn add(path: &Path, options: &InputOptions, items: &mut Vec<Item>) -> Result<()> {
    guarded(|| try_add(path, options, items)).unwrap_or_else(|| Err(Error::Option(damaged(path))))
}

/// What is read, or nothing where the format's reader panics, as it does at some damaged files.
fn guarded<T>(read: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok()
}

fn damaged(path: &Path) -> String {
    format!("{}: it is damaged, or no Parquet file", path.display())
}

fn try_add(path: &Path, options: &InputOptions, items: &mut Vec<Item>) -> Result<()> {
    let failed = |error: ParquetError| Error::Option(format!("{}: {error}", path.display()));
    let reader = open(path)?;
    let schema = reader.metadata().file_metadata().schema().clone();
    let column = options.column.clone().or_else(|| {
        USUAL_COLUMNS.iter().find(|usual| leaf(&schema, usual).is_some()).map(|usual| (*usual).to_owned())
    });
    let column = column.ok_or_else(|| no_column(path, &schema, "path"))?;
    let kind = leaf(&schema, &column).ok_or_else(|| no_column(path, &schema, &column))?;
    let is_text = kind.get_basic_info().logical_type_ref() == Some(&LogicalType::String)
        || kind.get_basic_info().converted_type() == parquet::basic::ConvertedType::UTF8;
    if kind.get_physical_type() != Physical::BYTE_ARRAY {
        return Err(Error::Option(format!(
            "{}: column '{column}' has neither texts nor bytes but {}",
            path.display(),
            kind.get_physical_type()
        )));
    }
    let wanted = [Some(column.to_string()), options.target_column.clone()];
    if let Some(name) = wanted[1].as_deref().filter(|name| leaf(&schema, name).is_none()) {
        return Err(no_column(path, &schema, name));
    }
    let (file, column): (_, Arc<str>) = (Arc::new(path.to_owned()), column.into());
    let cell = |row| Place::Cell { file: Arc::clone(&file), column: Arc::clone(&column), row };
    // Bytes are read when their turn comes; here only texts and targets are.
    let read: Vec<&str> = wanted.iter().flatten().map(String::as_str).skip(usize::from(!is_text)).collect();
    let rows = u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or_default();
    let mut texts = match read[..] {
        [] => None,
        _ => Some(rows_of(reader, &schema, &read).map_err(failed)?),
    };
    for row in 0..rows {
        expect_room(items, &path.to_string_lossy())?;
        let record = texts.as_mut().and_then(Iterator::next).transpose().map_err(failed)?;
        let text = |name: &str| record.as_ref().and_then(|record| field(record, name)).and_then(said);
        let target = options.target_column.as_deref().and_then(text);
        let key = format!("{}#{row}", path.display());
        items.push(match is_text {
            false => Item { key, place: cell(row), target },
            true => listed(text(&column), key, options.root.as_deref(), target),
        });
    }
    Ok(())
}

/// The photograph that a text names.
fn listed(text: Option<String>, key: String, root: Option<&Path>, target: Option<String>) -> Item {
    let Some(text) = text else {
        return Item { key, place: Place::Refused("it has no path".to_owned()), target };
    };
    let refused = |reason: &str| Place::Refused(format!("its path {reason}"));
    let place = match root {
        None => refused("is relative to a folder that --root must name"),
        Some(root) => {
            let is_plain = |part| matches!(part, Component::Normal(_));
            let path = root.join(&text);
            match (Path::new(&text).components().all(is_plain), path.canonicalize(), root.canonicalize()) {
                (false, ..) => refused("leads out of the folder"),
                (true, Ok(path), Ok(root)) if !path.starts_with(&root) => {
                    refused("is a link out of the folder")
                }
                _ => Place::File(path),
            }
        }
    };
    Item { key: text, place, target }
}

/// A file whose structures are looked at before they are read.
struct Checked {
    file: File,
    length: u64,
}

/// The bytes after the metadata: their length, and the format's mark.
const FOOT: u64 = 8;

impl Checked {
    /// Looks at the metadata.
    fn new(file: File, length: u64) -> std::result::Result<Self, ParquetError> {
        let foot = file.get_bytes(length.saturating_sub(FOOT), FOOT as usize)?;
        let metadata = foot.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let first = length.checked_sub(FOOT + u64::from(metadata));
        let first =
            first.ok_or_else(|| ParquetError::EOF("its metadata begin before the file".to_owned()))?;
        thrift::check_metadata(file.get_read(first)?, metadata)?;
        Ok(Self { file, length })
    }
}

impl Length for Checked {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Checked {
    type T = BufReader<File>;

    /// What begins there: the foot, or a page.
    fn get_read(&self, start: u64) -> std::result::Result<Self::T, ParquetError> {
        if start.saturating_add(FOOT) != self.length {
            thrift::check_page(self.file.get_read(start)?)?;
        }
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> std::result::Result<Bytes, ParquetError> {
        self.file.get_bytes(start, length)
    }
}

fn open(path: &Path) -> Result<SerializedFileReader<Checked>> {
    let (file, length) = whole_file::open(path)?;
    Checked::new(file, length)
        .and_then(SerializedFileReader::new)
        .map_err(|error| Error::Option(format!("{}: {error}", path.display())))
}

/// The field of a name in which dots lead into groups.
fn leaf<'a>(schema: &'a Type, name: &str) -> Option<&'a Type> {
    let mut found = schema;
    for part in name.split('.') {
        if !found.is_group() {
            return None;
        }
        found = found.get_fields().iter().find(|field| field.name() == part)?;
    }
    found.is_primitive().then_some(found)
}

fn no_column(path: &Path, schema: &Type, name: &str) -> Error {
    let names: Vec<&str> = schema.get_fields().iter().map(|field| field.name()).collect();
    Error::Option(format!(
        "{} has no column '{name}' of texts or bytes; it has {}",
        path.display(),
        deepinside::printable::one_line(&names.join(", "))
    ))
}

/// The rows of a file, with these columns alone.
fn rows_of(
    reader: SerializedFileReader<Checked>,
    schema: &Type,
    columns: &[&str],
) -> std::result::Result<RowIter<'static>, ParquetError> {
    RowIter::from_file_into(Box::new(reader)).project(Some(projection(schema, columns)?))
}

/// A schema with these leaves alone.
fn projection(schema: &Type, columns: &[&str]) -> std::result::Result<Type, ParquetError> {
    fn kept(
        field: &TypePtr,
        before: &str,
        columns: &[&str],
    ) -> std::result::Result<Option<TypePtr>, ParquetError> {
        let name = format!("{before}{}", field.name());
        if !field.is_group() {
            return Ok(columns.contains(&name.as_str()).then(|| Arc::clone(field)));
        }
        let inside = field.get_fields().iter().map(|own| kept(own, &format!("{name}."), columns));
        let fields: Vec<TypePtr> =
            inside.collect::<std::result::Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        if fields.is_empty() {
            return Ok(None);
        }
        let info = field.get_basic_info();
        let group = Type::group_type_builder(field.name())
            .with_repetition(info.repetition())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_fields(fields);
        Ok(Some(Arc::new(group.build()?)))
    }
    let fields = schema.get_fields().iter().map(|field| kept(field, "", columns));
    let fields = fields.collect::<std::result::Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    Type::group_type_builder(schema.name()).with_fields(fields).build()
}

fn field<'a>(row: &'a Row, name: &str) -> Option<&'a Field> {
    let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
    let found = row.get_column_iter().find(|(own, _)| own.as_str() == first)?.1;
    match (rest, found) {
        (None, found) => Some(found),
        (Some(rest), Field::Group(group)) => field(group, rest),
        _ => None,
    }
}

/// What a field says, as text.
fn said(field: &Field) -> Option<String> {
    match field {
        Field::Null => None,
        Field::Str(text) => Some(text.clone()),
        Field::Bytes(bytes) => Some(String::from_utf8_lossy(bytes.data()).into_owned()),
        number => Some(number.to_string()),
    }
}

/// Reads photographs of Parquet files; the rows of the last one stay open.
#[derive(Default)]
pub struct Cells {
    open: Option<(Arc<PathBuf>, u64, RowIter<'static>)>,
}

impl Cells {
    /// The bytes of a row's photograph. Rows are asked for in their order; those in between are passed over.
    ///
    /// # Errors
    /// A sentence that says why there are none.
    pub fn read(
        &mut self,
        file: &Arc<PathBuf>,
        column: &str,
        row: u64,
    ) -> std::result::Result<Vec<u8>, String> {
        guarded(|| self.try_read(file, column, row)).unwrap_or_else(|| {
            // What a panic left half read is not read on.
            self.open = None;
            Err(damaged(file))
        })
    }

    fn try_read(
        &mut self,
        file: &Arc<PathBuf>,
        column: &str,
        row: u64,
    ) -> std::result::Result<Vec<u8>, String> {
        if self.open.as_ref().is_none_or(|(open, next, _)| open != file || *next > row) {
            let reader = open(file).map_err(|error| error.to_string())?;
            let schema = reader.metadata().file_metadata().schema().clone();
            let rows = rows_of(reader, &schema, &[column]).map_err(|error| error.to_string())?;
            self.open = Some((Arc::clone(file), 0, rows));
        }
        let Some((_, next, rows)) = &mut self.open else { return Err("no file is open".to_owned()) };
        let skipped = usize::try_from(row - *next).unwrap_or(usize::MAX);
        let record = rows.nth(skipped);
        *next = row + 1;
        let record = record
            .ok_or_else(|| format!("{} has no row {row}", file.display()))?
            .map_err(|error| format!("{}: {error}", file.display()))?;
        match field(&record, column) {
            Some(Field::Bytes(bytes)) if bytes.len() as u64 > LARGEST_FILE => {
                Err(format!("it has {} bytes, and at most {LARGEST_FILE} are read", bytes.len()))
            }
            Some(Field::Bytes(bytes)) => Ok(bytes.data().to_vec()),
            _ => Err("the column has no bytes there".to_owned()),
        }
    }
}
