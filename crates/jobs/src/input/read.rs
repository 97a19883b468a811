//! The bytes of photographs, one after the other.

use std::path::Path;

use deepinside::files::whole_file;

#[cfg(feature = "parquet")]
use super::parquet::Cells;
use super::shard::Shards;
use super::{Item, LARGEST_FILE, Place};

/// Reads photographs; the shard or file that the last one lay in stays open.
#[derive(Default)]
pub struct Reader {
    shards: Shards,
    #[cfg(feature = "parquet")]
    cells: Cells,
}

impl Reader {
    /// The bytes of a photograph's file.
    ///
    /// # Errors
    /// A sentence that says why there are none.
    pub fn read(&mut self, item: &Item) -> Result<Vec<u8>, String> {
        match &item.place {
            Place::Refused(reason) => Err(reason.clone()),
            Place::Key => file(Path::new(&item.key)),
            Place::File(path) => file(path),
            Place::Member { archive, offset, length } => {
                self.shards.read(archive, *offset, *length).map_err(|error| error.to_string())
            }
            #[cfg(feature = "parquet")]
            Place::Cell { file, column, row } => self.cells.read(file, column, *row),
            #[cfg(not(feature = "parquet"))]
            Place::Cell { .. } => Err(crate::output::no_parquet().to_string()),
        }
    }
}

fn file(path: &Path) -> Result<Vec<u8>, String> {
    whole_file::read(path, LARGEST_FILE).map_err(|error| error.to_string())
}
