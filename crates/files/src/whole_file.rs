//! Files that appear whole or not at all.
//!
//! A result is written to a temporary name in the folder of its target and renamed when complete. A reader that looks at
//! the target sees the old file or the new one, never a part, whatever fails in between (a full disk, a bug, Ctrl-C).

use std::fs::{self, File, Metadata};
use std::io::{BufWriter, Read as _, Write};
use std::path::Path;

use crate::{Error, Result};

/// Writes `path` through `fill`, which is given a buffered stream; an existing file is replaced. A link stays one: what it points to is
/// replaced. What is no regular file, such as a pipe or `/dev/stdout`, is written to and not replaced, for it is not the program's.
///
/// # Errors
/// [`Error::Write`] when the folder does not exist, a write fails, or `fill` gives an error: then nothing is left
/// under `path` that was not there before, and the temporary file is removed.
pub fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let failed = |source| Error::Write { path: path.to_path_buf(), source };
    if path.is_dir() {
        return Err(failed(std::io::Error::new(std::io::ErrorKind::IsADirectory, "it is a folder")));
    }
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let mut stream = BufWriter::new(fs::File::options().write(true).open(path).map_err(failed)?);
        return fill(&mut stream).and_then(|()| stream.flush()).map_err(failed);
    }
    let target = if path.is_symlink() { path.canonicalize().map_err(failed)? } else { path.to_path_buf() };
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".deepinside-").suffix(".part");
    // Temporary files are private by default. The result is an ordinary file: let the user's mask decide.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let temporary = builder.tempfile_in(folder).map_err(failed)?;
    let mut stream = BufWriter::new(temporary);
    fill(&mut stream).map_err(failed)?;
    let temporary = stream.into_inner().map_err(|error| failed(error.into_error()))?;
    temporary.persist(target).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Opens a regular file for reading; with its length in bytes, beyond which nothing is to be read: what the system makes up while it
/// is read (`/proc/kmsg`) has no length and no end, and a reader may wait there for ever.
///
/// # Errors
/// [`Error::Read`], also for a folder, a pipe or a device.
pub fn open(path: &Path) -> Result<(File, u64)> {
    let failed = |source| Error::Read { path: path.to_path_buf(), source };
    // Asked before opening, because opening a pipe that nothing is written to waits for ever; asked again of what was opened.
    expect_regular(path, &fs::metadata(path).map_err(failed)?)?;
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    expect_regular(path, &metadata)?;
    Ok((file, metadata.len()))
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// [`Error::Read`], also for a folder, a pipe or a device, and [`Error::FileTooLong`].
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = |source| Error::Read { path: path.to_path_buf(), source };
    let (file, length) = open(path)?;
    if length > limit {
        return Err(Error::FileTooLong { origin: path.display().to_string(), bytes: length, limit });
    }
    let mut bytes = Vec::new();
    // What is appended meanwhile is not read.
    file.take(length).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Reads a regular file of at most `limit` bytes of UTF-8 text.
///
/// # Errors
/// As [`read`], and [`Error::Read`] where the file is no such text.
pub fn read_text(path: &Path, limit: u64) -> Result<String> {
    let no_text = |_| Error::Read {
        path: path.to_path_buf(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8 text"),
    };
    String::from_utf8(read(path, limit)?).map_err(no_text)
}

/// Folders are refused with a plain sentence, and devices because they have no end.
fn expect_regular(path: &Path, metadata: &Metadata) -> Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let reason = if metadata.is_dir() { "it is a folder" } else { "it is not a regular file" };
    Err(Error::Read { path: path.to_path_buf(), source: std::io::Error::other(reason) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_what_is_no_file_is_not_replaced() {
        use std::os::unix::fs::{FileTypeExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let [target, link, pipe] = ["target", "link", "pipe"].map(|name| folder.path().join(name));
        fs::write(&target, "old").unwrap();
        symlink(&target, &link).unwrap();
        write(&link, |stream| stream.write_all(b"new")).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
        // A link to nothing.
        fs::remove_file(&target).unwrap();
        assert!(write(&link, |stream| stream.write_all(b"new")).is_err());
        assert!(link.is_symlink());

        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write(&pipe, |stream| stream.write_all(b"through a pipe")).unwrap();
        assert_eq!(reader.join().unwrap(), b"through a pipe");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }

    #[test]
    fn a_failure_half_way_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.txt");
        write(&path, |stream| stream.write_all(b"first")).unwrap();
        let error = write(&path, |stream| {
            stream.write_all(b"second, but")?;
            Err(std::io::Error::other("the disk is full"))
        });
        assert!(error.unwrap_err().to_string().contains("the disk is full"));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the temporary file is gone");
        write(&path, |stream| stream.write_all(b"third")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
    }

    #[test]
    fn a_missing_folder_and_a_folder_as_target_are_errors_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing/result.txt");
        assert!(write(&missing, |_| Ok(())).unwrap_err().to_string().contains("missing/result.txt"));
        assert!(write(folder.path(), |_| Ok(())).unwrap_err().to_string().contains("folder"));
        assert!(read(folder.path(), 10).unwrap_err().to_string().contains("folder"));
    }

    #[cfg(unix)]
    #[test]
    fn the_result_is_readable_by_others_as_far_as_the_mask_allows() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write(&ours, |_| Ok(())).unwrap();
        fs::write(&plain, b"").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
