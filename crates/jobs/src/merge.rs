//! The results of several shards in one folder.
//!
//! Shards compute whole parts, so that merging copies files and changes none; the journals are joined in the order of the parts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use deepinside::{Error, Result};
use serde_json::{Map, Value};

use crate::Row;
use crate::batch::{JOURNAL, Parts, Shard};
use crate::durable::{self, io};
use crate::journal::{self, Entry, Journal, Line, differences};
use crate::output::Format;

/// What a shard's journal says.
struct Merged<'a> {
    out: &'a Path,
    settings: Map<String, Value>,
    shard: Shard,
    parts: BTreeMap<u64, Vec<Entry>>,
}

/// How many missing shards are named.
const MOST_NAMED: usize = 10;

/// Puts the parts of all shards into one folder, which must be empty or not exist; answers how many rows it has.
///
/// # Errors
/// When a shard is missing, not finished, there twice, or of another job, and when files cannot be copied.
pub fn merge(shards: &[PathBuf], out: &Path) -> Result<u64> {
    let mut read: Vec<Merged<'_>> = Vec::new();
    for path in shards {
        let found = shard(path)?;
        if let Some(first) = read.first() {
            if first.settings != found.settings {
                return Err(Error::Option(format!(
                    "{} is of another job than {} ({})",
                    path.display(),
                    first.out.display(),
                    differences(&found.settings, &first.settings)
                )));
            }
            if let Some(twice) = read.iter().find(|known| known.shard == found.shard) {
                return Err(Error::Option(format!(
                    "{} and {} are both shard {}/{}",
                    twice.out.display(),
                    path.display(),
                    found.shard.index,
                    found.shard.of
                )));
            }
        }
        read.push(found);
    }
    let Some(first) = read.first() else { return Err(Error::Option("no shard is named".to_owned())) };
    let of = first.shard.of;
    let missing: Vec<String> = (0..of)
        .filter(|index| read.iter().all(|shard| shard.shard.index != *index))
        // Their number is a stranger's; some say enough.
        .take(MOST_NAMED)
        .map(|index| format!("{index}/{of}"))
        .collect();
    if !missing.is_empty() {
        return Err(Error::Option(format!("shards are missing: {}", missing.join(", "))));
    }
    let settings = first.settings.clone();
    let parts = parts(first.out, &settings, None)?;
    let format = format(first.out, &settings)?;
    std::fs::create_dir_all(out).map_err(io(out))?;
    if std::fs::read_dir(out).map_err(io(out))?.next().is_some() {
        return Err(Error::Option(format!("{} is not empty; name another folder", out.display())));
    }
    let mut entries = Vec::new();
    for part in parts.numbers() {
        let shard = read.iter_mut().find_map(|shard| Some((shard.out, shard.parts.remove(&part)?)));
        let Some((from, lines)) = shard else {
            return Err(Error::Option(format!("no shard has part {part}; is one of them unfinished?")));
        };
        copy(from, out, format, part, &lines, parts)?;
        entries.push((part, lines));
    }
    // Only now is it a job's folder.
    let mut journal = Journal::open(&out.join(JOURNAL), &settings, |_| Ok(()))?;
    for (part, lines) in entries {
        lines.iter().try_for_each(|entry| journal.add(entry))?;
        journal.add(&Entry::Part { part })?;
    }
    journal.sync()?;
    durable::sync_folder(out)?;
    Ok(parts.rows)
}

/// Reads a shard's journal; its settings are those of the whole job.
fn shard(out: &Path) -> Result<Merged<'_>> {
    let path = out.join(JOURNAL);
    let (mut job, mut rows, mut parts) = (None, Vec::new(), BTreeMap::new());
    journal::read(&path, |Line { entry, .. }| {
        match entry {
            Entry::Job(settings) => job = Some(settings),
            Entry::Part { part } => _ = parts.insert(part, std::mem::take(&mut rows)),
            row @ Entry::Row { .. } => rows.push(row),
        }
        Ok(())
    })?;
    let no_job = || Error::Option(format!("{} holds no job", out.display()));
    let mut settings = job.ok_or_else(no_job)?;
    let shard = settings.insert("shard".to_owned(), Value::Null).unwrap_or_default();
    let number = |name: &str| shard.get(name).and_then(Value::as_u64);
    let (Some(index), Some(of)) = (number("index"), number("of")) else {
        return Err(Error::Option(format!("{} is no shard but a whole job", out.display())));
    };
    if index >= of {
        return Err(Error::Option(format!("{}: there is no shard {index}/{of}", out.display())));
    }
    let shard = Shard { index, of };
    let expected = self::parts(out, &settings, Some(shard))?;
    if let Some(part) = expected.numbers().find(|part| !parts.contains_key(part)) {
        return Err(Error::Option(format!(
            "{} is not finished: part {part} is missing; run the shard {index}/{of} again first",
            out.display()
        )));
    }
    Ok(Merged { out, settings, shard, parts })
}

fn parts(out: &Path, settings: &Map<String, Value>, shard: Option<Shard>) -> Result<Parts> {
    let number = |name: &str| settings.get(name).and_then(Value::as_u64);
    match (number("photographs"), number("rows_per_file")) {
        (Some(rows), Some(rows_per_file)) if rows_per_file > 0 => Ok(Parts { rows, rows_per_file, shard }),
        _ => Err(Error::Option(format!("{}: the journal states no number of rows", out.display()))),
    }
}

fn format(out: &Path, settings: &Map<String, Value>) -> Result<Format> {
    let name = settings.get("format").and_then(Value::as_str).unwrap_or_default();
    name.parse().map_err(|error| Error::Option(format!("{}: {error}", out.display())))
}

/// Copies the files of a part: by names that this program gives, whatever a journal says.
fn copy(from: &Path, to: &Path, format: Format, part: u64, lines: &[Entry], parts: Parts) -> Result<()> {
    let mut folders = BTreeSet::new();
    let mut copy = |name: &str| -> Result<()> {
        let (source, target) = (from.join(name), to.join(name));
        let links = Path::new(name).ancestors().skip(1).any(|folder| from.join(folder).is_symlink());
        if links || !std::fs::symlink_metadata(&source).map_err(io(&source))?.is_file() {
            return Err(Error::Option(format!(
                "{} is no file of a job: a link, a folder or a device",
                source.display()
            )));
        }
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).map_err(io(folder))?;
        }
        std::fs::copy(&source, &target).map_err(io(&source))?;
        folders.extend(Path::new(name).ancestors().skip(1).map(|folder| to.join(folder)));
        durable::sync_file(&target)
    };
    let mut described = None;
    for (place, line) in lines.iter().enumerate() {
        let Entry::Row { row, .. } = line else { continue };
        if let (true, Some(_)) = (format.has_files(), &row.file) {
            // The rows of a part are those of its places.
            let own = Row { row: parts.rows(part).start + place as u64, ..row.as_ref().clone() };
            copy(&format.file(part, &own))?;
        }
        described = described.or(format.description(parts.rows, row));
    }
    copy(&format.part(part))?;
    if let Some((name, content)) = described {
        let (own, target) = (from.join(name), to.join(name));
        let is_there = target.exists();
        let same = |path: &Path| durable::holds(path, content.as_bytes());
        if !same(&own)? || is_there && !same(&target)? {
            return Err(Error::Option(format!(
                "{} describes other arrays than those of the other shards",
                own.display()
            )));
        }
        if !is_there {
            copy(name)?;
        }
    }
    folders.iter().try_for_each(|folder| durable::sync_folder(folder))
}
