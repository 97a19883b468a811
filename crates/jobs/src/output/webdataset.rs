//! WebDataset shards: a sample is `NUMBER.json` with the row, and `NUMBER.npy` with its map.

use std::io::Write;
use std::path::Path;

use deepinside::Result;

use super::json;
use crate::Row;
use crate::durable::{self, io};

/// Writes a shard. Headers hold nothing that differs from run to run.
pub fn write(
    path: &Path,
    rows: &[&Row],
    data: &mut dyn FnMut(usize) -> Result<Option<Vec<u8>>>,
) -> Result<()> {
    durable::write(path, |stream| {
        let mut builder = tar::Builder::new(stream);
        for (index, row) in rows.iter().enumerate() {
            let text = json(row)?;
            append(&mut builder, &format!("{:08}.json", row.row), text.as_bytes()).map_err(io(path))?;
            if let Some(bytes) = data(index)? {
                append(&mut builder, &format!("{:08}.npy", row.row), &bytes).map_err(io(path))?;
            }
        }
        builder.finish().map_err(io(path))
    })
}

fn append(builder: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(bytes.len() as u64);
    builder.append_data(&mut header, name, bytes)
}
