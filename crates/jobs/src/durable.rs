//! Files that appear whole or not at all, and are on the disk when that is said.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use deepinside::{Error, Result};
use sha2::{Digest as _, Sha256};

/// How unfinished files begin and end. They are left behind where a job is killed, and removed when it goes on.
const PREFIX: &str = ".deepinside-";
const SUFFIX: &str = ".part";

/// What an I/O error is about.
pub fn io(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |source| Error::Io { path: path.to_owned(), source }
}

/// Whether a file holds these bytes and nothing else; no more is read of a longer one, which may be anything in a folder that others made.
///
/// # Errors
/// When it cannot be read, or is no regular file.
pub fn holds(path: &Path, content: &[u8]) -> Result<bool> {
    match deepinside::files::whole_file::read(path, content.len() as u64) {
        Ok(bytes) => Ok(bytes == content),
        Err(deepinside::files::Error::FileTooLong { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes a file through `fill`; it is on the disk under its name when this returns.
///
/// # Errors
/// When it cannot be written; then there is no such file, or the old one.
pub fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<()>) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.tempfile_in(folder).map_err(io(path))?;
    let mut stream = BufWriter::new(temporary.as_file_mut());
    fill(&mut stream)?;
    stream.flush().map_err(io(path))?;
    drop(stream);
    temporary.as_file().sync_all().map_err(io(path))?;
    temporary.persist(path).map_err(|error| io(path)(error.error))?;
    sync_folder(folder)
}

/// Writes a file that appears whole; it is on the disk once [`sync_file`] was called for it.
///
/// # Errors
/// As [`write`].
pub fn write_soon(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(deepinside::files::whole_file::write(path, |stream| stream.write_all(bytes))?)
}

/// Sees that a file's content is on the disk.
///
/// # Errors
/// When it cannot be.
pub fn sync_file(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(io(path))
}

/// Sees that the names of a folder's files are on the disk.
///
/// # Errors
/// When they cannot be.
pub fn sync_folder(folder: &Path) -> Result<()> {
    // Other systems cannot open a folder, and keep names with files.
    if cfg!(unix) { sync_file(folder) } else { Ok(()) }
}

/// Removes what unfinished writes left in a folder.
///
/// # Errors
/// When a file cannot be removed.
pub fn remove_unfinished(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let entry = entry.map_err(io(folder))?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(PREFIX) && name.to_string_lossy().ends_with(SUFFIX) {
            std::fs::remove_file(entry.path()).map_err(io(&entry.path()))?;
        }
    }
    Ok(())
}

/// The same in a folder, where it exists, and where it holds nothing but folders in those.
///
/// # Errors
/// As [`remove_unfinished`].
pub fn remove_unfinished_below(folder: &Path) -> Result<()> {
    if !folder.is_dir() || folder.is_symlink() {
        return Ok(());
    }
    remove_unfinished(folder)?;
    let entries: std::io::Result<Vec<_>> = std::fs::read_dir(folder).map_err(io(folder))?.collect();
    match &entries.map_err(io(folder))?[..] {
        // As deep as an array has axes.
        [only] if only.file_type().is_ok_and(|kind| kind.is_dir()) => remove_unfinished_below(&only.path()),
        _ => Ok(()),
    }
}

/// The SHA-256 of bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
