//! Files with what they held.

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use deepinside::files::whole_file;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Record, RecordError};
use deepinside::Result;

/// A file with what it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

impl HashedFile {
    /// Reads a regular file once.
    ///
    /// # Errors
    /// When it cannot be read, or is a folder, a pipe or a device.
    pub fn read(path: &Path) -> Result<Self> {
        let (mut file, bytes) = whole_file::open(path)?;
        let failed = |source| deepinside::files::Error::Read { path: path.to_owned(), source };
        let (mut hash, mut left, mut buffer) = (Sha256::new(), bytes, vec![0; 1 << 16]);
        while left > 0 {
            let count = file.read(&mut buffer).map_err(failed)?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
            left = left.saturating_sub(count as u64);
        }
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { path: path.to_owned(), bytes, sha256 })
    }

    /// Looks at whether the file still holds these bytes; its content is read only where its length is the same. What it holds
    /// instead is not told: the record may be a stranger's, who is not to learn from a copied message what lies on this machine.
    ///
    /// # Errors
    /// The reason, as the end of a sentence that begins with the path.
    fn unchanged(&self) -> std::result::Result<(), String> {
        let found = match std::fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return Err("is no regular file".to_owned()),
            Err(error) => return Err(format!("cannot be read: {error}")),
        };
        if found != self.bytes {
            return Err("has changed since the record was made".to_owned());
        }
        match Self::read(&self.path) {
            Ok(file) if file.sha256.eq_ignore_ascii_case(&self.sha256) => Ok(()),
            Ok(_) => Err("has changed since the record was made".to_owned()),
            Err(error) => Err(format!("cannot be read: {error}")),
        }
    }
}

impl Record {
    /// Expects every recorded input to hold what it held.
    ///
    /// # Errors
    /// [`RecordError::Inputs`], which names each that does not.
    pub fn expect_inputs(&self) -> Result<()> {
        let causes: Vec<String> = self
            .inputs
            .iter()
            .filter_map(|file| Some(format!("{} {}", file.path.display(), file.unchanged().err()?)))
            .collect();
        if causes.is_empty() { Ok(()) } else { Err(RecordError::Inputs { causes }.into()) }
    }

    /// Expects every recorded output to lie in its place as the run left it, so that replacing it loses nothing else. A link is
    /// not replaced, for what it leads to is not what the record lists.
    ///
    /// # Errors
    /// [`RecordError::Replaced`], which names each that does not.
    pub fn expect_replaceable(&self) -> Result<()> {
        let cause = |file: &HashedFile| match std::fs::symlink_metadata(&file.path) {
            Ok(metadata) if metadata.is_symlink() => Some("is a link".to_owned()),
            Ok(_) => file.unchanged().err(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("is not there".to_owned()),
            Err(error) => Some(format!("cannot be read: {error}")),
        };
        let causes: Vec<String> = self
            .outputs
            .iter()
            .filter_map(|file| Some(format!("{} {}", file.path.display(), cause(file)?)))
            .collect();
        if causes.is_empty() { Ok(()) } else { Err(RecordError::Replaced { causes }.into()) }
    }
}

/// A path from the root, which starts at `folder` where it is relative; without `.` and, as far as names alone tell, without `..`.
pub fn lexical(folder: &Path, path: &Path) -> PathBuf {
    let mut folded = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::ParentDir => _ = folded.pop(),
            Component::CurDir => {}
            other => folded.push(other),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    #[test]
    fn hashes_are_sha_256() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, b"abc").unwrap();
        // The example of FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let file = HashedFile::read(&path).unwrap();
        assert_eq!((file.sha256.as_str(), file.bytes), (expected, 3));
        assert_eq!(file.unchanged(), Ok(()));
        let longer = HashedFile { bytes: 4, ..file };
        assert!(longer.unchanged().unwrap_err().contains("has changed"));
    }

    #[test]
    fn the_hash_of_a_changed_file_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, b"abc").unwrap();
        let mut record = record(&[], &[]);
        record.inputs = vec![HashedFile { path: path.clone(), bytes: 3, sha256: "00".repeat(32) }];
        let message = record.expect_inputs().unwrap_err().to_string();
        assert!(message.contains("secret has changed") && !message.contains("ba7816bf"), "{message}");
        record.outputs = std::mem::take(&mut record.inputs);
        let message = record.expect_replaceable().unwrap_err().to_string();
        assert!(message.contains("secret has changed") && !message.contains("ba7816bf"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_what_is_not_there_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, nothing] =
            ["file.png", "link.png", "nothing.png"].map(|name| folder.path().join(name));
        std::fs::write(&file, b"abc").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let known = HashedFile::read(&file).unwrap();
        let mut record = record(&[], &[]);
        record.outputs = vec![known.clone()];
        record.expect_replaceable().unwrap();
        for (path, cause) in
            [(link, "is a link"), (nothing, "is not there"), (folder.path().into(), "regular")]
        {
            record.outputs = vec![HashedFile { path, ..known.clone() }];
            let message = record.expect_replaceable().unwrap_err().to_string();
            assert!(message.contains(cause), "{message}");
        }
    }

    #[test]
    fn paths_are_folded() {
        let folder = Path::new("/start");
        assert_eq!(lexical(folder, Path::new("/a/./b/../c")), Path::new("/a/c"));
        assert_eq!(lexical(folder, Path::new("x/../../y")), Path::new("/y"));
    }
}
