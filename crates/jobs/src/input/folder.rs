//! Folders of photographs.

use std::fs::DirEntry;
use std::path::Path;

use deepinside::Result;

use super::{Item, expect_room, of_path};
use crate::durable::io;

/// How the names of photographs end.
pub const ENDINGS: [&str; 12] =
    ["bmp", "gif", "jpeg", "jpg", "pbm", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp"];

/// Whether a name ends as a photograph's.
pub fn is_photograph(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Adds the photographs of a folder and of those in it, in the order of their names. What is hidden, and links to folders, are
/// left out.
pub fn add(folder: &Path, items: &mut Vec<Item>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(io(folder))?;
    let mut entries: Vec<DirEntry> = entries.collect::<std::io::Result<_>>().map_err(io(folder))?;
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        let kind = entry.file_type().map_err(io(&path))?;
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            add(&path, items)?;
        } else if is_photograph(&name) {
            expect_room(items, &folder.to_string_lossy())?;
            items.push(of_path(&path, None));
        }
    }
    Ok(())
}
