//! A task over many photographs, which goes on where it was stopped.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use deepinside::{Error, Interrupt, Result};
use serde_json::{Map, Value, json};

use crate::Row;
use crate::durable::{self, io, sha256};
use crate::input::Inputs;
use crate::journal::{Data, Entry, Journal, Line, Seconds};
use crate::output::Format;
use crate::pipeline::{Made, Work};
use crate::syncing::Syncing;
use crate::task::{Task, identity};

/// The name of the journal within the results.
pub const JOURNAL: &str = "journal.jsonl";

/// How a job runs.
#[derive(Debug, Clone)]
pub struct BatchOptions {
    /// The folder of the results.
    pub out: PathBuf,
    /// How they are written.
    pub format: Format,
    /// How many rows a part has.
    pub rows_per_file: u64,
    /// Which of how many shards this is.
    pub shard: Option<Shard>,
    /// How many photographs are looked at at the same time.
    pub workers: usize,
    /// Stop at the first photograph without a result.
    pub fail_fast: bool,
}

/// One of several shards: it has the parts whose number leaves `index` when it is divided by `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which one, counted from 0.
    pub index: u64,
    /// Of how many.
    pub of: u64,
}

impl std::str::FromStr for Shard {
    type Err = String;

    /// Reads `0/4`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((index, of)) if index < of => Ok(Self { index, of }),
            _ => {
                Err(format!("expected INDEX/COUNT with an index from 0 to COUNT - 1, as 0/4, found '{text}'"))
            }
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// The rows that were there when this run began.
    pub before: u64,
    /// The rows that are there.
    pub done: u64,
    /// All rows of this job or shard.
    pub of: u64,
    /// How many of this run's rows have a reason instead of a result.
    pub failed: u64,
    /// How long this run's rows took their workers, summed.
    pub seconds: Seconds,
}

/// The rows of parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    pub rows: u64,
    pub rows_per_file: u64,
    pub shard: Option<Shard>,
}

impl Parts {
    /// The numbers of the parts, in their order.
    pub fn numbers(self) -> impl Iterator<Item = u64> {
        let Shard { index, of } = self.shard.unwrap_or(Shard { index: 0, of: 1 });
        (index..self.rows.div_ceil(self.rows_per_file)).step_by(of as usize)
    }

    /// The rows of a part.
    pub fn rows(self, part: u64) -> Range<u64> {
        part * self.rows_per_file..((part + 1) * self.rows_per_file).min(self.rows)
    }

    /// All rows, in their order.
    pub fn all(self) -> Vec<u64> {
        self.numbers().flat_map(|part| self.rows(part)).collect()
    }
}

/// Runs a job, or what is left of it. `each` hears of every row.
///
/// # Errors
/// When the folder holds something else or a job with other settings, results cannot be written, or with `fail_fast` a photograph has
/// none. What was committed before stays, and the job goes on from there.
pub fn run(
    task: &dyn Task,
    inputs: &Inputs,
    options: &BatchOptions,
    stop: &Interrupt,
    each: &mut dyn FnMut(&Progress),
) -> Result<Progress> {
    options.format.expect(task)?;
    let parts = Parts {
        rows: inputs.items.len() as u64,
        rows_per_file: options.rows_per_file.max(1),
        shard: options.shard,
    };
    if let Some(Shard { of, .. }) = options.shard
        && parts.rows.div_ceil(parts.rows_per_file) < of
    {
        return Err(Error::Option(format!(
            "{} photographs make {} files of {} rows, fewer than the {of} shards; give --rows-per-file {} or less",
            parts.rows,
            parts.rows.div_ceil(parts.rows_per_file),
            parts.rows_per_file,
            (parts.rows / of).max(1)
        )));
    }
    let settings = settings(task, inputs, options)?;
    let mut job = Job::open(&options.out, options.format, parts, &settings)?;
    let rows = parts.all();
    let mut progress =
        Progress { before: job.done, done: job.done, of: rows.len() as u64, ..Progress::default() };
    each(&progress);
    let work = Work {
        task,
        encode: &|row, found| options.format.encode(row, found),
        draws: options.format.draws(),
        items: &inputs.items,
        rows: &rows[job.done as usize..],
        workers: options.workers,
        stop,
    };
    work.run(&mut |made| {
        if let (true, Some(reason)) = (options.fail_fast, &made.row.error) {
            return Err(Error::Option(format!("row {}, {}: {reason}", made.row.row, made.row.key)));
        }
        progress.failed += u64::from(made.row.error.is_some());
        progress.seconds.decode += made.seconds.decode;
        progress.seconds.network += made.seconds.network;
        progress.seconds.encode += made.seconds.encode;
        progress.seconds.encode += job.commit(made)?;
        progress.done = job.done;
        each(&progress);
        Ok(())
    })?;
    Ok(progress)
}

/// What the results depend on.
fn settings(task: &dyn Task, inputs: &Inputs, options: &BatchOptions) -> Result<Map<String, Value>> {
    let mut settings = task.settings();
    settings.insert("deepinside".to_owned(), env!("CARGO_PKG_VERSION").into());
    settings.insert("model".to_owned(), identity(task.model())?);
    settings.insert("photographs".to_owned(), inputs.items.len().into());
    settings.insert("list".to_owned(), inputs.digest().into());
    settings.insert("format".to_owned(), options.format.name().into());
    settings.insert("rows_per_file".to_owned(), options.rows_per_file.into());
    let shard = options.shard.map(|Shard { index, of }| json!({"index": index, "of": of}));
    settings.insert("shard".to_owned(), shard.into());
    Ok(settings)
}

/// The results of a job on the disk.
struct Job {
    out: PathBuf,
    format: Format,
    parts: Parts,
    /// The numbers of the parts that are not written, the next one last.
    open: Vec<u64>,
    journal: Journal,
    /// How many rows are committed.
    done: u64,
    /// The rows of the part that is collected.
    collected: Vec<(Row, Option<Data>)>,
    /// Their bytes, where they have no files of their own.
    waiting: Option<File>,
    /// What is known to describe the results of all rows.
    description: Option<String>,
    /// Brings the rows' own files to the disk while the next ones are made.
    syncing: Syncing,
}

impl Job {
    /// Opens the folder of a job, and brings it to what its journal says.
    fn open(out: &Path, format: Format, parts: Parts, settings: &Map<String, Value>) -> Result<Self> {
        std::fs::create_dir_all(out).map_err(io(out))?;
        let path = out.join(JOURNAL);
        expect_no_link(&path)?;
        if !path.exists() && std::fs::read_dir(out).map_err(io(out))?.next().is_some() {
            return Err(Error::Option(format!(
                "{} holds other files and no job; name an empty folder, or one that does not exist",
                out.display()
            )));
        }
        let (mut written, mut lines) = (BTreeSet::new(), Vec::new());
        let journal = Journal::open(&path, settings, |line| {
            match &line.entry {
                Entry::Part { part } => {
                    written.insert(*part);
                    lines.clear();
                }
                Entry::Row { .. } => lines.push(line),
                Entry::Job(_) => {}
            }
            Ok(())
        })?;
        durable::sync_folder(out)?;
        let numbers: BTreeSet<u64> = parts.numbers().collect();
        written.retain(|part| numbers.contains(part));
        let of_part = |part: &u64| parts.rows(*part).end - parts.rows(*part).start;
        let done = written.iter().map(of_part).sum::<u64>() + lines.len() as u64;
        if let Some(part) = written.iter().find(|part| !out.join(format.part(**part)).is_file()) {
            return Err(Error::Option(format!(
                "{} is missing, which the journal lists; put it back, or delete {} to start anew",
                out.join(format.part(*part)).display(),
                out.display()
            )));
        }
        let mut open: Vec<u64> = parts.numbers().filter(|part| !written.contains(part)).collect();
        open.reverse();
        let mut job = Self {
            out: out.to_owned(),
            format,
            parts,
            open,
            journal,
            done,
            collected: Vec::new(),
            waiting: None,
            description: None,
            syncing: Syncing::start(),
        };
        job.recover(lines)?;
        Ok(job)
    }

    /// Looks at what the part that was being collected left, and keeps the rows that are as they should be.
    fn recover(&mut self, lines: Vec<Line>) -> Result<()> {
        durable::remove_unfinished(&self.out)?;
        let Some(&part) = self.open.last() else { return Ok(()) };
        for folder in self.format.unfinished_folders(part, self.parts.rows(part)) {
            durable::remove_unfinished_below(&self.out.join(folder))?;
        }
        // What another part left where the job was killed between writing it and removing its bytes.
        for entry in std::fs::read_dir(&self.out).map_err(io(&self.out))? {
            let path = entry.map_err(io(&self.out))?.path();
            expect_no_link(&path)?;
            if path.extension().is_some_and(|ending| ending == WAITING) && path != self.waiting_path(part) {
                std::fs::remove_file(&path).map_err(io(&path))?;
            }
        }
        let waiting = self.waiting_path(part);
        let mut stream = waiting.is_file().then(|| File::open(&waiting)).transpose().map_err(io(&waiting))?;
        let (mut length, total) = (0, lines.len());
        let mut rows = self.parts.rows(part);
        for (position, line) in lines.into_iter().enumerate() {
            let Entry::Row { row, data, .. } = &line.entry else { continue };
            // The next row of this part, in the file that such a row has: a journal names no other.
            let is_next = rows.next() == Some(row.row)
                && row.file.as_ref().is_none_or(|file| *file == self.format.file(part, row));
            let is_right = match (data, &row.file) {
                _ if !is_next => false,
                (None, _) => true,
                (Some(data), Some(file)) => {
                    let path = self.out.join(file);
                    self.expect_no_links(file)?;
                    std::fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() == data.bytes)
                        && std::fs::read(&path).is_ok_and(|bytes| data.is_of(&bytes))
                }
                (Some(data), None) => stream.as_mut().is_some_and(|stream| {
                    let mut bytes = Vec::new();
                    let read = (&mut *stream).take(data.bytes).read_to_end(&mut bytes);
                    read.is_ok() && data.is_of(&bytes)
                }),
            };
            if !is_right {
                self.journal.cut_at(&line)?;
                self.done -= (total - position) as u64;
                break;
            }
            length += data.as_ref().filter(|_| row.file.is_none()).map_or(0, |data| data.bytes);
            if let Some(file) = &row.file {
                self.syncing.file(self.out.join(file))?;
            }
            self.collected.push((row.as_ref().clone(), data.clone()));
        }
        drop(stream);
        if waiting.is_file() {
            let file = File::options().append(true).open(&waiting).map_err(io(&waiting))?;
            file.set_len(length).map_err(io(&waiting))?;
            self.waiting = Some(file);
        }
        self.finish_part().map(drop)
    }

    /// Expects neither a file of the results nor a folder on the way to it to be a link.
    fn expect_no_links(&self, file: &str) -> Result<()> {
        let inside = Path::new(file).ancestors().filter(|path| *path != Path::new(""));
        inside.into_iter().try_for_each(|path| expect_no_link(&self.out.join(path)))
    }

    /// Writes what describes the results of all rows, and expects a row to be as that says.
    fn expect_same_description(&mut self, row: &Row) -> Result<()> {
        let Some((name, content)) = self.format.description(self.parts.rows, row) else { return Ok(()) };
        if self.description.as_ref() == Some(&content) {
            return Ok(());
        }
        let path = self.out.join(name);
        self.expect_no_links(name)?;
        if path.exists() && !durable::holds(&path, content.as_bytes())? {
            return Err(Error::Option(format!(
                "row {}, {}: its map has the shape {:?}, and that of another photograph has another, which one array does \
                 not hold; write npy, parquet or webdataset",
                row.row, row.key, row.shape
            )));
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io(folder))?;
        }
        durable::write(&path, |stream| stream.write_all(content.as_bytes()).map_err(io(&path)))?;
        self.description = Some(content);
        Ok(())
    }

    fn waiting_path(&self, part: u64) -> PathBuf {
        self.out.join(format!("part-{part:05}.{WAITING}"))
    }

    /// Writes down a row and what belongs to it. How many seconds were spent on encoding the part that it completes.
    fn commit(&mut self, made: Made) -> Result<f64> {
        let Made { mut row, data, seconds } = made;
        let Some(&part) = self.open.last() else {
            return Err(Error::Option(format!("row {} belongs to no part", row.row)));
        };
        let known = data.as_ref().map(|bytes| Data { bytes: bytes.len() as u64, sha256: sha256(bytes) });
        if let Some(bytes) = &data {
            if self.format.has_files() {
                let file = self.format.file(part, &row);
                self.expect_no_links(&file)?;
                let path = self.out.join(&file);
                let folder = path.parent().unwrap_or(&self.out);
                std::fs::create_dir_all(folder).map_err(io(folder))?;
                row.file = Some(file);
                self.expect_same_description(&row)?;
                durable::write_soon(&path, bytes)?;
                self.syncing.file(path)?;
            } else {
                let path = self.waiting_path(part);
                if self.waiting.is_none() {
                    let file = File::options().append(true).create(true).open(&path).map_err(io(&path))?;
                    self.waiting = Some(file);
                }
                if let Some(file) = &mut self.waiting {
                    file.write_all(bytes).map_err(io(&path))?;
                }
            }
        }
        self.journal.add(&Entry::Row { row: Box::new(row.clone()), data: known.clone(), seconds })?;
        self.collected.push((row, known));
        self.done += 1;
        self.finish_part()
    }

    /// Writes the part that is collected, if it is complete: first its files are on the disk, then the journal says so. How many seconds
    /// were spent on encoding it.
    fn finish_part(&mut self) -> Result<f64> {
        let Some(&part) = self.open.last() else { return Ok(0.0) };
        let rows = self.parts.rows(part);
        if (self.collected.len() as u64) < rows.end - rows.start {
            return Ok(0.0);
        }
        let path = self.out.join(self.format.part(part));
        if self.format.has_files() {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(io(folder))?;
            }
            self.syncing.wait()?;
            let mut folders = BTreeSet::new();
            for file in self.collected.iter().filter_map(|(row, _)| row.file.as_ref()) {
                folders.extend(Path::new(file).ancestors().skip(1));
            }
            folders.into_iter().try_for_each(|folder| durable::sync_folder(&self.out.join(folder)))?;
        }
        let waiting = self.waiting_path(part);
        let mut stream = match self.waiting.take() {
            None => None,
            Some(_) => {
                let mut stream = BufReader::new(File::open(&waiting).map_err(io(&waiting))?);
                stream.seek(SeekFrom::Start(0)).map_err(io(&waiting))?;
                Some(stream)
            }
        };
        let rows: Vec<&Row> = self.collected.iter().map(|(row, _)| row).collect();
        let collected = &self.collected;
        let mut data = |index: usize| -> Result<Option<Vec<u8>>> {
            let (Some(data), Some(stream)) = (&collected[index].1, &mut stream) else { return Ok(None) };
            let mut bytes = vec![0; usize::try_from(data.bytes).unwrap_or_default()];
            stream.read_exact(&mut bytes).map_err(io(&waiting))?;
            Ok(Some(bytes))
        };
        let seconds = self.format.write(&path, &rows, &mut data)?;
        self.journal.add(&Entry::Part { part })?;
        self.journal.sync()?;
        self.collected.clear();
        self.open.pop();
        match std::fs::remove_file(&waiting) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&waiting)(error)),
            _ => Ok(seconds),
        }
    }
}

/// A job's folder may have been a stranger's: nothing in it leads elsewhere.
fn expect_no_link(path: &Path) -> Result<()> {
    if path.is_symlink() {
        return Err(Error::Option(format!(
            "{} is a link, and a job writes nothing through links; remove it, or name another folder",
            path.display()
        )));
    }
    Ok(())
}

/// How the files end in which rows' bytes wait for their part.
const WAITING: &str = "waiting";

impl Data {
    fn is_of(&self, bytes: &[u8]) -> bool {
        self.bytes == bytes.len() as u64 && self.sha256 == sha256(bytes)
    }
}
