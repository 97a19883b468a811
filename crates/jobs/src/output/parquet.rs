//! Parquet files: a row a photograph, written column by column through the crate `parquet` alone, without Arrow.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use deepinside::{Error, Result};
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use crate::Row;
use crate::durable;

/// How many rows are encoded at a time. A map of 224 × 224 numbers takes 200 kB, so that these take 13 MB.
const GROUP: usize = 64;

/// Writes a part. How many seconds its encoding took, without the disk.
pub fn write(
    path: &Path,
    rows: &[&Row],
    data: &mut dyn FnMut(usize) -> Result<Option<Vec<u8>>>,
) -> Result<f64> {
    let failed = |error: ParquetError| Error::Option(format!("{}: {error}", path.display()));
    let mut seconds = 0.0;
    durable::write(path, |stream| {
        let start = Instant::now();
        let properties = WriterProperties::builder()
            .set_created_by(format!("deepinside {}", env!("CARGO_PKG_VERSION")))
            // Maps are numbers that hardly repeat.
            .set_dictionary_enabled(false)
            .build();
        let mut writer = SerializedFileWriter::new(stream, schema().map_err(failed)?, Arc::new(properties))
            .map_err(failed)?;
        for (group, rows) in rows.chunks(GROUP).enumerate() {
            let maps =
                (0..rows.len()).map(|index| data(group * GROUP + index)).collect::<Result<Vec<_>>>()?;
            let mut columns = writer.next_row_group().map_err(failed)?;
            write_group(&mut columns, rows, maps).map_err(failed)?;
            columns.close().map_err(failed)?;
        }
        writer.close().map_err(failed)?;
        seconds = start.elapsed().as_secs_f64();
        Ok(())
    })?;
    Ok(seconds)
}

/// The columns, in the order in which [`write_group`] writes them.
fn schema() -> std::result::Result<TypePtr, ParquetError> {
    let leaf = |name: &str, physical, repetition| {
        let text = (physical == Physical::BYTE_ARRAY).then_some(LogicalType::String);
        let leaf = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        leaf.with_logical_type(text).build().map(Arc::new)
    };
    let required = |name, physical| leaf(name, physical, Repetition::REQUIRED);
    let optional = |name, physical| leaf(name, physical, Repetition::OPTIONAL);
    let group = |name: &str, repetition, logical, fields| {
        let group = Type::group_type_builder(name).with_repetition(repetition).with_logical_type(logical);
        group.with_fields(fields).build().map(Arc::new)
    };
    // Lists as Parquet's document LogicalTypes.md has them.
    let list = |name: &str, element: TypePtr| {
        let list = group("list", Repetition::REPEATED, None, vec![element])?;
        group(name, Repetition::REQUIRED, Some(LogicalType::List), vec![list])
    };
    let numbers = |name: &str, physical| list(name, required("element", physical)?);
    let fields = vec![
        required("row", Physical::INT64)?,
        required("key", Physical::BYTE_ARRAY)?,
        optional("sha256", Physical::BYTE_ARRAY)?,
        optional("width", Physical::INT32)?,
        optional("height", Physical::INT32)?,
        optional("target", Physical::BYTE_ARRAY)?,
        optional("number", Physical::DOUBLE)?,
        numbers("classes", Physical::INT32)?,
        numbers("names", Physical::BYTE_ARRAY)?,
        numbers("scores", Physical::FLOAT)?,
        numbers("probabilities", Physical::FLOAT)?,
        numbers("box_classes", Physical::INT32)?,
        numbers("boxes", Physical::DOUBLE)?,
        optional("layer", Physical::BYTE_ARRAY)?,
        numbers("shape", Physical::INT32)?,
        numbers("map", Physical::FLOAT)?,
        numbers("notes", Physical::BYTE_ARRAY)?,
        optional("error", Physical::BYTE_ARRAY)?,
    ];
    Ok(Arc::new(Type::group_type_builder("row").with_fields(fields).build()?))
}

fn write_group<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[&Row],
    maps: Vec<Option<Vec<u8>>>,
) -> std::result::Result<(), ParquetError> {
    let text = |text: &str| ByteArray::from(text.as_bytes().to_vec());
    let texts = |texts: &[String]| texts.iter().map(|own| text(own)).collect::<Vec<_>>();
    let maps = maps.into_iter().map(|map| {
        let (numbers, _) = map.as_deref().unwrap_or_default().as_chunks::<4>();
        numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect::<Vec<f32>>()
    });
    let of = |row: &Row| (row.classes.clone(), row.boxes.clone());
    plain::<Int64Type, W>(group, rows.iter().map(|row| row.row as i64))?;
    plain::<ByteArrayType, W>(group, rows.iter().map(|row| text(&row.key)))?;
    optional::<ByteArrayType, W>(group, rows.iter().map(|row| row.sha256.as_deref().map(text)))?;
    optional::<Int32Type, W>(group, rows.iter().map(|row| row.width.map(|side| side as i32)))?;
    optional::<Int32Type, W>(group, rows.iter().map(|row| row.height.map(|side| side as i32)))?;
    optional::<ByteArrayType, W>(group, rows.iter().map(|row| row.target.as_deref().map(text)))?;
    optional::<DoubleType, W>(group, rows.iter().map(|row| row.number))?;
    lists::<Int32Type, W>(
        group,
        rows.iter().map(|row| of(row).0.iter().map(|own| own.index as i32).collect()),
    )?;
    lists::<ByteArrayType, W>(
        group,
        rows.iter().map(|row| of(row).0.iter().map(|own| text(&own.name)).collect()),
    )?;
    lists::<FloatType, W>(group, rows.iter().map(|row| of(row).0.iter().map(|own| own.score).collect()))?;
    lists::<FloatType, W>(
        group,
        rows.iter().map(|row| of(row).0.iter().map(|own| own.probability).collect()),
    )?;
    lists::<Int32Type, W>(
        group,
        rows.iter().map(|row| of(row).1.iter().map(|own| own.class as i32).collect()),
    )?;
    lists::<DoubleType, W>(
        group,
        rows.iter().map(|row| of(row).1.iter().flat_map(|own| own.edges).collect()),
    )?;
    optional::<ByteArrayType, W>(group, rows.iter().map(|row| row.layer.as_deref().map(text)))?;
    lists::<Int32Type, W>(group, rows.iter().map(|row| row.shape.iter().map(|&own| own as i32).collect()))?;
    lists::<FloatType, W>(group, maps)?;
    lists::<ByteArrayType, W>(group, rows.iter().map(|row| texts(&row.notes)))?;
    optional::<ByteArrayType, W>(group, rows.iter().map(|row| row.error.as_deref().map(text)))
}

/// Writes a column with a value in every row.
fn plain<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = T::T>,
) -> std::result::Result<(), ParquetError> {
    column::<T, W>(group, &values.collect::<Vec<_>>(), None, None)
}

/// Writes a column in which values may be missing.
fn optional<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = Option<T::T>>,
) -> std::result::Result<(), ParquetError> {
    let values: Vec<Option<T::T>> = values.collect();
    let defined: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    column::<T, W>(group, &values.into_iter().flatten().collect::<Vec<_>>(), Some(&defined), None)
}

/// Writes a column of lists: an element is defined at level 1, an empty list at level 0; the first of a list repeats at level 0.
fn lists<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: impl Iterator<Item = Vec<T::T>>,
) -> std::result::Result<(), ParquetError> {
    let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        defined.extend(std::iter::repeat_n(i16::from(!row.is_empty()), row.len().max(1)));
        repeated.extend((0..row.len().max(1)).map(|position| i16::from(position > 0)));
        values.extend(row);
    }
    column::<T, W>(group, &values, Some(&defined), Some(&repeated))
}

fn column<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    defined: Option<&[i16]>,
    repeated: Option<&[i16]>,
) -> std::result::Result<(), ParquetError> {
    let mut column = group
        .next_column()?
        .ok_or_else(|| ParquetError::General("the schema has fewer columns than are written".to_owned()))?;
    column.typed::<T>().write_batch(values, defined, repeated)?;
    column.close()
}
