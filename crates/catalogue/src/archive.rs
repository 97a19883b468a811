//! Taking files out of an archive.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use flate2::read::GzDecoder;

use crate::checksum::Hashes;
use crate::{CatalogueError, Checksum, Member};

/// The most bytes that an archive is unpacked to while its members are looked for.
const LARGEST: u64 = 4 << 30;

/// Takes members out of a `.tar.gz` into a folder. Only names that the catalogue gives are written, whatever paths the
/// archive has, and never more bytes than it states.
pub(crate) fn extract(archive: &Path, members: &[Member], folder: &Path) -> Result<(), CatalogueError> {
    let failed = |what: String| CatalogueError::Archive { path: archive.to_owned(), what };
    let broken = |error: std::io::Error| failed(format!("it cannot be read: {error}"));
    let file = File::open(archive).map_err(broken)?;
    let mut tar = tar::Archive::new(GzDecoder::new(file).take(LARGEST));
    let mut wanted: HashMap<&str, &Member> =
        members.iter().map(|member| (member.path.as_str(), member)).collect();
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.to_string_lossy().into_owned();
        let Some(member) = wanted.remove(path.as_str()) else { continue };
        write(&mut entry, member, folder).map_err(|difference| failed(format!("'{path}' {difference}")))?;
        if wanted.is_empty() {
            return Ok(());
        }
    }
    let missing: Vec<&str> = wanted.into_keys().collect();
    Err(failed(format!("it does not hold {}", missing.join(", "))))
}

/// Writes one member beside its final place, checks it, and moves it there.
fn write(entry: &mut impl Read, member: &Member, folder: &Path) -> Result<(), String> {
    let part = folder.join(format!("{}.part", member.name));
    let mut target = File::create(&part).map_err(|error| format!("cannot be written: {error}"))?;
    let (mut hashes, mut size, mut buffer) = (Hashes::default(), 0, vec![0; 1 << 16]);
    loop {
        let count = entry.read(&mut buffer).map_err(|error| format!("cannot be read: {error}"))?;
        if count == 0 {
            break;
        }
        size += count as u64;
        if size > member.size {
            break;
        }
        hashes.update(&buffer[..count]);
        target.write_all(&buffer[..count]).map_err(|error| format!("cannot be written: {error}"))?;
    }
    let checksum = Checksum::Sha256(member.sha256.clone());
    let difference = if size != member.size {
        Some(format!("has another size than {} bytes", member.size))
    } else {
        hashes
            .compare(Some(&checksum))
            .map(|difference| format!("has the {} {}", difference.what, difference.found))
    };
    drop(target);
    if let Some(difference) = difference {
        let _ = std::fs::remove_file(&part);
        return Err(difference);
    }
    std::fs::rename(&part, folder.join(&member.name)).map_err(|error| format!("cannot be kept: {error}"))
}
