//! WebDataset shards: tar archives in which the files of one sample follow each other and share their name up to its first dot.
//!
//! The archive's table of contents is read once, header by header; photographs are read later from their places. Nothing is unpacked:
//! a member's name is a key, links are refused, and what a header says of sizes is compared with the file before it is believed.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deepinside::{Error, Result};
use tar::EntryType;

use super::folder::is_photograph;
use super::{InputOptions, Item, LARGEST_FILE, LONGEST_KEY, Place, expect_room};
use crate::durable::io;

/// The longest text of a sample that says what it shows, in bytes.
const LONGEST_TARGET: u64 = 4096;

/// The longest extended header that is read, in bytes.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// Adds the photographs of a shard. A member that is refused is an item with the reason; a damaged archive ends with one.
pub fn add(path: &Path, options: &InputOptions, items: &mut Vec<Item>) -> Result<()> {
    let (file, length) = deepinside::files::whole_file::open(path)?;
    let mut collector = Collector {
        archive: Arc::new(path.to_owned()),
        length,
        options,
        items,
        sample: None,
        photograph: None,
        target: None,
    };
    let mut archive = tar::Archive::new(file);
    let (mut name, mut members) = (None, 0u64);
    for entry in archive.entries_with_seek().map_err(io(path))?.raw(true) {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                collector.end()?;
                let reason = format!("the archive is damaged behind its {members} members: {error}");
                return collector.refuse(format!("{}#{members}", path.display()), reason);
            }
        };
        members += 1;
        let (kind, size) = (entry.header().entry_type(), entry.header().entry_size().unwrap_or(u64::MAX));
        match kind {
            EntryType::GNULongName | EntryType::XHeader => {
                if size > LONGEST_EXTENSION {
                    collector.end()?;
                    let reason =
                        format!("an extended header of {size} bytes; at most {LONGEST_EXTENSION} are read");
                    return collector.refuse(format!("{}#{members}", path.display()), reason);
                }
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(io(path))?;
                name = match kind {
                    EntryType::XHeader => match extended(&bytes) {
                        Extended::Name(found) => found.or(name),
                        Extended::Refused(reason) => {
                            collector.end()?;
                            return collector.refuse(format!("{}#{members}", path.display()), reason);
                        }
                    },
                    _ => Some(text(bytes.split(|&byte| byte == 0).next().unwrap_or_default())),
                };
                continue;
            }
            EntryType::XGlobalHeader | EntryType::Directory | EntryType::GNULongLink => continue,
            _ => {}
        }
        let own = name.take().unwrap_or_else(|| text(&entry.header().path_bytes()));
        let offset = entry.raw_file_position();
        collector.member(own, kind, offset, size, &mut entry)?;
    }
    collector.end()
}

enum Extended {
    Name(Option<String>),
    Refused(String),
}

/// The name that an extended header gives to the member behind it. Records are `LENGTH KEY=VALUE\n`.
fn extended(bytes: &[u8]) -> Extended {
    let (mut rest, mut name) = (bytes, None);
    while !rest.is_empty() {
        let space = rest.iter().position(|&byte| byte == b' ');
        let length = space.and_then(|space| std::str::from_utf8(&rest[..space]).ok()?.parse::<usize>().ok());
        let (Some(space), Some(length)) = (space, length) else {
            return Extended::Refused("an extended header that is damaged".to_owned());
        };
        if length <= space + 1 || length > rest.len() {
            return Extended::Refused("an extended header that is damaged".to_owned());
        }
        let record = &rest[space + 1..length - 1];
        rest = &rest[length..];
        match record.split_once_at(b'=') {
            Some((b"path", value)) => name = Some(text(value)),
            // The place of everything behind would be another than headers alone say.
            Some((b"size", _)) => {
                return Extended::Refused("a member of more than 8 GiB, which is no photograph".to_owned());
            }
            _ => {}
        }
    }
    Extended::Name(name)
}

trait SplitOnce {
    fn split_once_at(&self, byte: u8) -> Option<(&[u8], &[u8])>;
}

impl SplitOnce for [u8] {
    fn split_once_at(&self, byte: u8) -> Option<(&[u8], &[u8])> {
        let at = self.iter().position(|&own| own == byte)?;
        Some((&self[..at], &self[at + 1..]))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Makes samples of members.
struct Collector<'a> {
    archive: Arc<PathBuf>,
    length: u64,
    options: &'a InputOptions,
    items: &'a mut Vec<Item>,
    /// The name of the sample that is being read.
    sample: Option<String>,
    photograph: Option<Place>,
    target: Option<String>,
}

impl Collector<'_> {
    fn member(
        &mut self,
        mut name: String,
        kind: EntryType,
        offset: u64,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<()> {
        if name.len() > LONGEST_KEY {
            let end = (0..=LONGEST_KEY).rev().find(|&end| name.is_char_boundary(end)).unwrap_or_default();
            name.truncate(end);
        }
        let begin = name.rfind('/').map_or(0, |slash| slash + 1);
        let (sample, ending) = match name[begin..].find('.') {
            // A name that begins with a dot, as `..` does, has no other.
            Some(0) | None => (name.clone(), String::new()),
            Some(dot) => (name[..begin + dot].to_owned(), name[begin + dot + 1..].to_owned()),
        };
        if self.sample.as_deref() != Some(&sample) {
            self.end()?;
            self.sample = Some(sample);
        }
        let is_target = self.options.target_column.as_deref() == Some(&ending);
        if !is_photograph(&name) && !is_target {
            return Ok(());
        }
        let refused = match kind {
            EntryType::Regular | EntryType::Continuous if size > LARGEST_FILE => {
                Some(format!("it has {size} bytes, and at most {LARGEST_FILE} are read"))
            }
            EntryType::Regular | EntryType::Continuous
                if offset.checked_add(size).is_none_or(|end| end > self.length) =>
            {
                Some("the archive ends within it".to_owned())
            }
            EntryType::Regular | EntryType::Continuous => None,
            EntryType::Symlink | EntryType::Link => {
                Some("it is a link, and links are not followed".to_owned())
            }
            _ => Some("it is neither a file nor a folder".to_owned()),
        };
        if is_target {
            if refused.is_none() && size <= LONGEST_TARGET {
                let mut bytes = Vec::new();
                content.take(LONGEST_TARGET).read_to_end(&mut bytes).map_err(io(&self.archive))?;
                self.target = Some(text(&bytes).trim().to_owned());
            } else {
                self.photograph = Some(Place::Refused(format!(
                    "its .{ending} is no text of at most {LONGEST_TARGET} bytes"
                )));
            }
            return Ok(());
        }
        let place = match refused {
            Some(reason) => Place::Refused(reason),
            None if matches!(self.photograph, Some(Place::Member { .. })) => {
                Place::Refused("it has two photographs".to_owned())
            }
            None => Place::Member { archive: Arc::clone(&self.archive), offset, length: size },
        };
        if !matches!(self.photograph, Some(Place::Refused(_))) {
            self.photograph = Some(place);
        }
        Ok(())
    }

    /// The sample is complete.
    fn end(&mut self) -> Result<()> {
        let (sample, target) = (self.sample.take(), self.target.take());
        if let (Some(key), Some(place)) = (sample, self.photograph.take()) {
            expect_room(self.items, &self.archive.to_string_lossy())?;
            self.items.push(Item { key, place, target });
        }
        Ok(())
    }

    fn refuse(&mut self, key: String, reason: String) -> Result<()> {
        expect_room(self.items, &key)?;
        self.items.push(Item { key, place: Place::Refused(reason), target: None });
        Ok(())
    }
}

/// Opens the shards that members lie in, one at a time.
#[derive(Debug, Default)]
pub struct Shards {
    open: Option<(Arc<PathBuf>, File)>,
}

impl Shards {
    /// The bytes of a member.
    ///
    /// # Errors
    /// When the shard cannot be read, or is no longer as long as it was.
    pub fn read(&mut self, archive: &Arc<PathBuf>, offset: u64, length: u64) -> Result<Vec<u8>> {
        if self.open.as_ref().is_none_or(|(open, _)| open != archive) {
            let (file, _) = deepinside::files::whole_file::open(archive)?;
            self.open = Some((Arc::clone(archive), file));
        }
        let Some((_, file)) = &mut self.open else { return Ok(Vec::new()) };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset)).map_err(io(archive))?;
        file.take(length.min(LARGEST_FILE)).read_to_end(&mut bytes).map_err(io(archive))?;
        if bytes.len() as u64 != length {
            return Err(Error::Option(format!("{} has become shorter", archive.display())));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: EntryType, size: u64) -> tar::Header {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header
    }

    /// A name that `tar` itself would refuse to write.
    fn named(mut header: tar::Header, name: &str) -> tar::Header {
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        header
    }

    fn items(bytes: &[u8], target_column: Option<&str>) -> Vec<Item> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard.tar");
        std::fs::write(&path, bytes).unwrap();
        let options =
            InputOptions { target_column: target_column.map(str::to_owned), ..InputOptions::default() };
        let mut items = Vec::new();
        add(&path, &options, &mut items).unwrap();
        let mut shards = Shards::default();
        for item in &items {
            if let Place::Member { archive, offset, length } = &item.place {
                let bytes = shards.read(archive, *offset, *length).unwrap();
                assert!(bytes.starts_with(b"picture"), "{}", item.key);
            }
        }
        items
    }

    fn reason(item: &Item) -> &str {
        match &item.place {
            Place::Refused(reason) => reason,
            place => panic!("{}: {place:?}", item.key),
        }
    }

    #[test]
    fn samples_are_files_of_one_name() {
        let mut builder = tar::Builder::new(Vec::new());
        let long = format!("{}/x.jpg", "long".repeat(60));
        for (name, content) in [
            ("a/1.cls", "281\n"),
            ("a/1.jpg", "picture 1"),
            ("a/1.json", "{}"),
            ("a/2.seg.png", "picture 2"),
            ("notes.txt", "nothing"),
            (long.as_str(), "picture 3"),
        ] {
            builder
                .append_data(&mut header(EntryType::Regular, content.len() as u64), name, content.as_bytes())
                .unwrap();
        }
        let bytes = builder.into_inner().unwrap();
        let items = items(&bytes, Some("cls"));
        let found: Vec<(&str, Option<&str>)> =
            items.iter().map(|item| (item.key.as_str(), item.target.as_deref())).collect();
        let long = long.strip_suffix(".jpg").unwrap();
        assert_eq!(found, [("a/1", Some("281")), ("a/2", None), (long, None)]);
        assert!(items.iter().all(|item| matches!(item.place, Place::Member { .. })));
    }

    #[test]
    fn hostile_members_are_rows_with_reasons() {
        let mut bytes = Vec::new();
        let mut member = |header: tar::Header, content: &[u8]| {
            bytes.extend(header.as_bytes());
            bytes.extend(content);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        };
        let picture = b"picture".as_slice();
        member(named(header(EntryType::Regular, 7), "../../etc/cron.d/x.png"), picture);
        member(named(header(EntryType::Regular, 7), "/etc/passwd.png"), picture);
        let mut link = header(EntryType::Symlink, 0);
        link.set_link_name("/etc/passwd").unwrap();
        member(named(link, "link.png"), b"");
        member(named(header(EntryType::Fifo, 0), "pipe.png"), b"");
        member(named(header(EntryType::Regular, 7), "twice.png"), picture);
        member(named(header(EntryType::Regular, 7), "twice.jpg"), picture);
        // More than the archive has.
        member(named(header(EntryType::Regular, 1 << 20), "long.png"), picture);
        let items = items(&bytes, None);
        // Names are keys, and where they lead is nothing that is opened.
        assert_eq!(items[0].key, "../../etc/cron.d/x");
        assert_eq!(items[1].key, "/etc/passwd");
        assert!(reason(&items[2]).contains("link"));
        assert!(reason(&items[3]).contains("neither"));
        assert!(reason(&items[4]).contains("two photographs"));
        assert!(reason(&items[5]).contains("ends within"));
    }

    #[test]
    fn sizes_are_not_believed() {
        // A bomb: a member of 8 GiB less a byte, an extended header of a gigabyte, and a size that only an extended header tells.
        let large = named(header(EntryType::Regular, (8 << 30) - 1), "bomb.png");
        assert!(reason(&items(large.as_bytes(), None)[0]).contains("at most"));
        let extension = named(header(EntryType::GNULongName, 1 << 30), "x");
        assert!(reason(&items(extension.as_bytes(), None)[0]).contains("extended header"));
        let mut bytes = named(header(EntryType::XHeader, 22), "x").as_bytes().to_vec();
        bytes.extend(b"22 size=9999999999999\n");
        bytes.resize(1024, 0);
        assert!(reason(&items(&bytes, None)[0]).contains("8 GiB"));
        for damaged in [&b"999 path=x\n"[..], b"path=x\n", b"0 path=x\n", b"2 \n"] {
            let mut bytes = named(header(EntryType::XHeader, damaged.len() as u64), "x").as_bytes().to_vec();
            bytes.extend(damaged);
            bytes.resize(1024, 0);
            assert!(reason(&items(&bytes, None)[0]).contains("damaged"));
        }
    }

    #[test]
    fn an_archive_cut_anywhere_ends_with_a_reason_or_at_a_member() {
        let mut builder = tar::Builder::new(Vec::new());
        for name in ["a.png", "b.png", "c.png"] {
            let content = b"picture".repeat(200);
            builder
                .append_data(&mut header(EntryType::Regular, content.len() as u64), name, &content[..])
                .unwrap();
        }
        let bytes = builder.into_inner().unwrap();
        for length in (0..bytes.len()).step_by(100) {
            items(&bytes[..length], None);
        }
    }
}
