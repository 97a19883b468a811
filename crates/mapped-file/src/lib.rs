//! A read-only memory-mapped file whose pages can be given back.
//!
//! Weight files are large (CaffeNet: 244 MB) and are read once, front to back, while they are packed for the kernels.
//! Mapping them costs no copy, and [`MappedFile::release`] returns the pages of a part that has been packed, so that
//! the file and its packed form are never both resident.
//!
//! # What can go wrong under our feet
//!
//! A mapping shows the file as it is, not as it was. If another process *shortens* the file while it is mapped, looking
//! past the new end ends this process with a bus error; if it *rewrites* the file, the bytes seen change. No portable
//! call prevents either (advisory locks bind only programs that ask for them). So
//!
//! - the map is looked at only while the structure of a file is read, which takes milliseconds: numbers are read with
//!   [`MappedFile::read`], which a shortened file makes an error and no bus error;
//! - [`MappedFile::check_unchanged`] tells afterwards whether the file's length or time of change moved while it was read,
//!   or something could not be read; what packs weights asks it before their results are used;
//! - nothing read from the map is trusted: readers check every length against the bytes that they were given, so changed
//!   bytes give wrong weights or an error, never an access outside of the map.
//!
//! What remains: a file that is shortened in those milliseconds, and one that is rewritten with its time of change put
//! back. The safe way to replace a file is to write a new one and rename it, which leaves the one in use untouched. The
//! alternative, to copy every file into memory, would double the peak memory of every run.
//!
//! Beside the engine's kernels this is the only crate with `unsafe` code.

use std::{
    fs::{File, Metadata},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};

/// Pages are given back in blocks of this many bytes, counted from the start of the map, which is the start of a page.
/// It is a multiple of every page size in use (4, 16 and 64 KiB), so that the page size need not be asked for.
#[cfg(unix)]
const BLOCK: usize = 64 * 1024;

/// A regular file, mapped for reading from its first byte to the last that it had when it was opened.
#[derive(Debug)]
pub struct MappedFile {
    path: PathBuf,
    /// Kept open to ask for the length and time of change of the file that is mapped, not of its successor by name.
    file: File,
    length: u64,
    modified: Option<SystemTime>,
    /// Whether a part could not be read.
    is_broken: AtomicBool,
    /// `None` for an empty file, which cannot be mapped.
    map: Option<Mmap>,
}

impl MappedFile {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be opened or mapped, when it is not a regular file (a folder, a pipe, a device:
    /// [`io::ErrorKind::InvalidInput`]), or when it is larger than the address space ([`io::ErrorKind::OutOfMemory`]).
    pub fn open(path: impl AsRef<Path>) -> io::Result<Arc<Self>> {
        let path = path.as_ref();
        // Asked before opening, because opening a pipe without a writer would wait for ever.
        require_regular(path, &std::fs::metadata(path)?)?;
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        require_regular(path, &metadata)?;
        let length = metadata.len();
        let map = match usize::try_from(length) {
            Ok(0) => None,
            Ok(bytes) if isize::try_from(bytes).is_ok() => {
                // SAFETY: the map is private to this value, read-only, and lives as long as every slice of it (they hold
                // an `Arc` of the owner). The remaining hazard, another process that shortens or rewrites the file,
                // cannot be excluded by any program; the module's header says why it is accepted.
                Some(unsafe { MmapOptions::new().len(bytes).map(&file) }?)
            }
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::OutOfMemory,
                    format!("{} has {length} bytes, more than this machine can address", path.display()),
                ));
            }
        };
        let (path, modified) = (path.to_owned(), metadata.modified().ok());
        Ok(Arc::new(Self { path, file, length, modified, is_broken: AtomicBool::new(false), map }))
    }

    /// The path that the file was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of bytes in the file when it was opened.
    pub fn len(&self) -> usize {
        self.map.as_ref().map_or(0, |map| map.len())
    }

    /// The number of bytes that the file takes where it is stored, at most its length: holes that were never written
    /// take none.
    pub fn stored(&self) -> u64 {
        #[cfg(unix)]
        if let Ok(metadata) = self.file.metadata() {
            // The unit of this count is always 512 bytes.
            return std::os::unix::fs::MetadataExt::blocks(&metadata).saturating_mul(512).min(self.length);
        }
        self.length
    }

    /// Whether the file was empty when it was opened.
    pub fn is_empty(&self) -> bool {
        self.map.is_none()
    }

    /// The whole file. Slices of the answer share the map and keep it alive; nothing is copied.
    pub fn bytes(self: &Arc<Self>) -> Bytes {
        Bytes::from_owner(Owner(Arc::clone(self)))
    }

    /// Copies `part`, a slice of this map, into `target` of the same length, by reading the file. Where that is not possible,
    /// because the file has become shorter, `target` is filled with zeros and [`MappedFile::check_unchanged`] fails from then on.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn read(&self, part: &[u8], target: &mut [u8]) {
        assert_eq!(part.len(), target.len(), "a part is copied into as many bytes");
        #[cfg(unix)]
        if let Some(offset) = self.offset_of(part) {
            if std::os::unix::fs::FileExt::read_exact_at(&self.file, target, offset as u64).is_err() {
                target.fill(0);
                self.is_broken.store(true, Ordering::Release);
            }
            return;
        }
        target.copy_from_slice(part);
    }

    /// Where a slice of the map begins in it; none for other slices.
    #[cfg(unix)]
    fn offset_of(&self, part: &[u8]) -> Option<usize> {
        let map = self.map.as_ref()?;
        let offset = part.as_ptr().addr().checked_sub(map.as_ptr().addr())?;
        offset.checked_add(part.len()).filter(|end| *end <= map.len())?;
        Some(offset)
    }

    /// Gives the memory behind `part` back to the system, in blocks of 64 KiB: from the block in which `part` starts up to,
    /// but without, the block in which it ends, unless the file ends there too. So a file that is read and released
    /// front to back in pieces of any size is given back wholly.
    ///
    /// The content stays readable and the same: a page that is touched again is read from the file again. Does nothing
    /// if `part` is not a slice of this map, and on systems without `madvise`. A hint: failure is not reported, for
    /// then the pages merely stay resident.
    pub fn release(&self, part: &[u8]) {
        #[cfg(unix)]
        if let Some((map, start, end)) = self.blocks_of(part) {
            // SAFETY: `DontNeed` drops pages of the process's memory. For anonymous or private writable memory that loses
            // data; this map is a shared, read-only view of a file, for which the next access reads the same bytes from
            // the file. So no live reference into the map ever sees other bytes than before.
            let _ =
                unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start) };
        }
        #[cfg(not(unix))]
        let _ = part;
    }

    /// Whether the file still has the length and the time of change that it had when it was opened, and could be read.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if not, with a sentence that says so; or the system's error for asking.
    pub fn check_unchanged(&self) -> io::Result<()> {
        let now = self.file.metadata()?;
        let is_whole = !self.is_broken.load(Ordering::Acquire);
        if is_whole && now.len() == self.length && now.modified().ok() == self.modified {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "{} was changed by another program while it was in use (it had {} bytes, now {}); try again, and \
                 replace such a file by renaming another one to its name",
                self.path.display(),
                self.length,
                now.len()
            ),
        ))
    }

    /// The map with the first and the last offset of the blocks to give back for `part`, if there are any.
    #[cfg(unix)]
    fn blocks_of(&self, part: &[u8]) -> Option<(&Mmap, usize, usize)> {
        let (map, offset) = (self.map.as_ref()?, self.offset_of(part)?);
        let end = offset + part.len();
        let first = offset - offset % BLOCK;
        // The end of the file also ends a block: the rest of its last page belongs to nothing else.
        let last = if end == map.len() { end } else { end - end % BLOCK };
        (first < last && !part.is_empty()).then_some((map, first, last))
    }
}

/// What [`Bytes`] holds on to.
struct Owner(Arc<MappedFile>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.0.map.as_deref().unwrap_or_default()
    }
}

/// Only regular files have a length that can be trusted and pages that can be read again.
fn require_regular(path: &Path, metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let kind = if metadata.is_dir() { "a folder" } else { "not a regular file" };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is {kind}", path.display())))
}
