//! Jobs as a whole: stopped anywhere, with any number of workers and in any number of shards they end with the same bytes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use deepinside::attribution::{Choices, Runner, method};
use deepinside::drawing::{ColourMap, Picture};
use deepinside::{Error, Interrupt, Model, Result, Settings, Threads};
use deepinside_jobs::Row;
use deepinside_jobs::batch::{BatchOptions, JOURNAL, Progress, Shard, run};
use deepinside_jobs::input::{InputOptions, Inputs, Selection};
use deepinside_jobs::merge::merge;
use deepinside_jobs::output::Format;
use deepinside_jobs::task::{Activations, Classify, Explain, ExplainOptions, Localise, Task};
use sha2::{Digest as _, Sha256};

static MODEL: LazyLock<Arc<Model>> =
    LazyLock::new(|| Arc::new(Model::built_in(Settings::default()).unwrap()));

const FORMATS: &[Format] = &[
    Format::Jsonl,
    Format::Png,
    Format::Jpeg,
    Format::Npy,
    Format::WebDataset,
    #[cfg(feature = "parquet")]
    Format::Parquet,
];

fn explain() -> Explain {
    let options = ExplainOptions { target: None, crop: None, colours: ColourMap::Inferno, top: 2 };
    Explain::new(Arc::clone(&MODEL), method("gradient").unwrap(), &Choices::default(), options).unwrap()
}

fn classify() -> Classify {
    Classify { model: Arc::clone(&MODEL), crop: MODEL.crop, top: 5 }
}

/// Photographs of several sizes, and one that is broken.
fn photographs(folder: &Path, count: usize) {
    std::fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        let (width, height) = (240 + 10 * number, 260);
        let value = |position: usize| ((position * (7 + number)) ^ (position / 97)) as u8;
        let picture = Picture::new(width, height, (0..width * height * 3).map(value).collect()).unwrap();
        std::fs::write(folder.join(format!("{number}.png")), picture.to_png().unwrap()).unwrap();
    }
    std::fs::write(folder.join("1-broken.jpg"), b"\xff\xd8 no photograph").unwrap();
}

fn inputs(path: &Path) -> Inputs {
    gathered(path, &InputOptions::default())
}

fn gathered(path: &Path, options: &InputOptions) -> Inputs {
    Inputs::gather(&[OsString::from(path)], options, Selection::default(), &mut std::io::empty()).unwrap()
}

fn options(out: PathBuf, format: Format) -> BatchOptions {
    BatchOptions { out, format, rows_per_file: 3, shard: None, workers: 2, fail_fast: false }
}

fn run_to_end(task: &dyn Task, inputs: &Inputs, options: &BatchOptions) -> Progress {
    let done = run(task, inputs, options, &Interrupt::default(), &mut |_| {}).unwrap();
    assert_eq!(done.done, done.of);
    done
}

/// Runs until so many further rows are there.
fn run_for(rows: u64, task: &dyn Task, inputs: &Inputs, options: &BatchOptions) -> Progress {
    let stop = Interrupt::default();
    let mut stopping = |progress: &Progress| {
        if progress.done >= progress.before + rows {
            stop.ask();
        }
    };
    run(task, inputs, options, &stop, &mut stopping).unwrap()
}

/// All files but the journal, with their content.
fn results(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn add(folder: &Path, out: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => add(&path, out, found),
                false => {
                    _ = found.insert(path.strip_prefix(out).unwrap().into(), std::fs::read(&path).unwrap())
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    add(out, out, &mut found);
    assert!(found.remove(Path::new(JOURNAL)).is_some());
    found
}

fn rows(out: &Path) -> Vec<Row> {
    let files = results(out);
    let lines = files.iter().filter(|(name, _)| name.extension().is_some_and(|ending| ending == "jsonl"));
    let lines = lines.flat_map(|(_, bytes)| std::str::from_utf8(bytes).unwrap().lines());
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn however_often_it_is_stopped_a_job_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    photographs(&photos, 6);
    let (task, inputs) = (explain(), inputs(&photos));
    for &format in FORMATS {
        let whole = options(folder.path().join(format!("{format:?}")), format);
        let done = run_to_end(&task, &inputs, &whole);
        assert_eq!((done.done, done.failed), (7, 1));
        let expected = results(&whole.out);
        for (stops, workers) in [(vec![1, 1, 1, 1, 1, 1], 1), (vec![3], 3), (vec![2, 3], 2)] {
            let out = folder.path().join(format!("{format:?}-{workers}"));
            let again = BatchOptions { workers, ..options(out, format) };
            for rows in stops {
                run_for(rows, &task, &inputs, &again);
            }
            run_to_end(&task, &inputs, &again);
            assert!(results(&again.out) == expected, "{format:?} with {workers} workers");
            // Once more there is nothing to do.
            assert_eq!(run_to_end(&task, &inputs, &again).before, 7);
        }
    }
}

/// What a power cut may leave: results that are not on the disk, though the journal is.
#[test]
fn what_is_damaged_since_the_last_part_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    photographs(&photos, 11);
    let (task, inputs) = (explain(), inputs(&photos));
    // What is on its way when a job is stopped is finished, and must not finish the second part.
    let options = |out, format| BatchOptions { rows_per_file: 6, ..options(out, format) };
    for format in [Format::Png, Format::WebDataset] {
        let whole = options(folder.path().join(format!("{format:?}")), format);
        run_to_end(&task, &inputs, &whole);
        for damage in 0..4 {
            let again = options(folder.path().join(format!("{format:?}-{damage}")), format);
            let again = BatchOptions { workers: 1, ..again };
            // A row into the second part.
            let stopped = run_for(7, &task, &inputs, &again);
            assert!((7..12).contains(&stopped.done), "{stopped:?}");
            let waiting = again.out.join("part-00001.waiting");
            match (format, damage) {
                (Format::Png, 0) => std::fs::write(again.out.join("part-00001/00000006-4.png"), "").unwrap(),
                (Format::Png, 1) => {
                    std::fs::remove_file(again.out.join("part-00001/00000006-4.png")).unwrap();
                }
                (_, 0) => std::fs::write(&waiting, &std::fs::read(&waiting).unwrap()[..1000]).unwrap(),
                (_, 1) => {
                    let mut bytes = std::fs::read(&waiting).unwrap();
                    bytes[500] ^= 1;
                    std::fs::write(&waiting, bytes).unwrap();
                }
                (_, 2) => {
                    // A row's bytes whose line is not there, and an unfinished file.
                    use std::io::Write as _;
                    let file = std::fs::File::options().append(true).create(true).open(&waiting);
                    file.unwrap().write_all(b"more").unwrap();
                    std::fs::write(again.out.join(".deepinside-x.part"), "half").unwrap();
                }
                _ => {
                    let path = again.out.join(JOURNAL);
                    let bytes = std::fs::read(&path).unwrap();
                    std::fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
                }
            }
            let done = run_to_end(&task, &inputs, &again);
            assert_eq!(
                done.before < stopped.done,
                damage != 2,
                "{format:?} {damage}: {done:?} after {stopped:?}"
            );
            let found = results(&again.out);
            let expected = results(&whole.out);
            if format == Format::Png && damage == 2 {
                assert!(found.len() >= expected.len());
            } else {
                assert!(found == expected, "{format:?} {damage}");
            }
        }
    }
}

#[test]
fn shards_merged_are_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    photographs(&photos, 9);
    let (task, inputs) = (explain(), inputs(&photos));
    for &format in FORMATS {
        let whole = options(folder.path().join(format!("{format:?}")), format);
        run_to_end(&task, &inputs, &whole);
        let mut outs = Vec::new();
        for index in 0..3 {
            let out = folder.path().join(format!("{format:?}-{index}"));
            let shard = BatchOptions { shard: Some(Shard { index, of: 3 }), ..options(out, format) };
            outs.push(shard.out.clone());
            if index == 1 {
                run_for(1, &task, &inputs, &shard);
                let merged = folder.path().join("early");
                let error = merge(&outs, &merged).unwrap_err().to_string();
                assert!(error.contains("is not finished"), "{error}");
            }
            run_to_end(&task, &inputs, &shard);
        }
        let merged = folder.path().join(format!("{format:?}-merged"));
        assert_eq!(merge(&outs, &merged).unwrap(), 10);
        assert!(results(&merged) == results(&whole.out), "{format:?}");
        // It is a job's folder like any other.
        assert_eq!(run_to_end(&task, &inputs, &options(merged, format)).before, 10);
        let refused = |outs: &[PathBuf]| merge(outs, &folder.path().join("x")).unwrap_err().to_string();
        assert!(refused(&outs[..2]).contains("missing: 2/3"));
        assert!(refused(&[outs[0].clone(), outs[0].clone()]).contains("both shard 0/3"));
        assert!(refused(std::slice::from_ref(&whole.out)).contains("is no shard"));
    }
}

#[test]
fn a_broken_photograph_is_a_row_and_stops_only_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    photographs(&photos, 2);
    std::fs::write(photos.join("list.csv"), "path,label\n").unwrap();
    let (task, inputs) = (classify(), inputs(&photos));
    let job = options(folder.path().join("out"), Format::Jsonl);
    run_to_end(&task, &inputs, &job);
    let rows = rows(&job.out);
    let keys: Vec<&str> = rows.iter().map(|row| row.key.rsplit('/').next().unwrap()).collect();
    assert_eq!(keys, ["0.png", "1-broken.jpg", "1.png"]);
    assert!(rows[1].error.as_deref().unwrap().contains("1-broken.jpg") && rows[1].classes.is_empty());
    assert!(rows.iter().all(|row| row.sha256.as_ref().is_some_and(|hash| hash.len() == 64)));
    // The classes are those of `classify`.
    let photograph = MODEL.load_photograph(&photos.join("0.png")).unwrap();
    let mut runner = Runner::new(Arc::clone(&MODEL), Threads::new(2).unwrap());
    let best = runner.classify(&photograph).unwrap().top(&MODEL, 1).remove(0);
    assert_eq!((rows[0].classes[0].index as usize, rows[0].classes[0].score), (best.index, best.score));

    let strict = BatchOptions { fail_fast: true, ..options(folder.path().join("strict"), Format::Jsonl) };
    let refused = |options: &BatchOptions, inputs: &Inputs, task: &dyn Task| -> Error {
        run(task, inputs, options, &Interrupt::default(), &mut |_| {}).unwrap_err()
    };
    let error = refused(&strict, &inputs, &task).to_string();
    assert!(error.contains("row 1") && error.contains("1-broken.jpg"), "{error}");
    // Another list, other settings, a folder with something else.
    std::fs::remove_file(photos.join("0.png")).unwrap();
    let error = refused(&job, &self::inputs(&photos), &task).to_string();
    assert!(error.contains("other settings") && error.contains("photographs: 3, not 2"), "{error}");
    let error = refused(&job, &inputs, &Classify { top: 4, ..classify() }).to_string();
    assert!(error.contains("top: 5, not 4"), "{error}");
    let error = refused(&options(photos.clone(), Format::Jsonl), &inputs, &task).to_string();
    assert!(error.contains("holds other files"), "{error}");
    let many =
        BatchOptions { shard: Some(Shard { index: 0, of: 4 }), ..options("unused".into(), Format::Jsonl) };
    let error = refused(&many, &inputs, &task).to_string();
    assert!(error.contains("--rows-per-file 1"), "{error}");
    assert!(
        refused(&options("unused".into(), Format::Png), &inputs, &task).to_string().contains("no pictures")
    );
}

#[test]
fn shards_and_lists_give_the_rows_of_their_photographs() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    photographs(&photos, 3);
    let shard = folder.path().join("shard.tar");
    let mut builder = tar::Builder::new(std::fs::File::create(&shard).unwrap());
    let mut table = String::from("path,label\n");
    for number in 0..3 {
        let label = folder.path().join("label");
        std::fs::write(&label, format!("{}\n", 280 + number)).unwrap();
        let path = photos.join(format!("{number}.png"));
        builder.append_path_with_name(&path, format!("x/{number}.png")).unwrap();
        builder.append_path_with_name(&label, format!("x/{number}.cls")).unwrap();
        table.push_str(&format!("{},{}\n", path.display(), 280 + number));
    }
    builder.into_inner().unwrap();
    let list = folder.path().join("list.csv");
    std::fs::write(&list, table).unwrap();
    let task = explain();
    let mut found: Vec<Vec<Row>> = Vec::new();
    for (path, column) in [(&shard, "cls"), (&list, "label")] {
        let inputs = gathered(
            path,
            &InputOptions { target_column: Some(column.to_owned()), ..InputOptions::default() },
        );
        let job = options(folder.path().join(format!("by-{column}")), Format::Npy);
        run_to_end(&task, &inputs, &job);
        found.push(rows(&job.out));
    }
    let plain = |row: &Row| (row.sha256.clone(), row.target.clone(), row.number, row.classes.clone());
    assert_eq!(
        found[0].iter().map(plain).collect::<Vec<_>>(),
        found[1].iter().map(plain).collect::<Vec<_>>()
    );
    assert_eq!(found[0][2].key, "x/2");
    assert_eq!(found[0][2].target.as_deref(), Some("282"));
    // The most probable class is written beside the one that is explained.
    assert_ne!(found[0][2].classes[0].index, 282);
}

#[test]
fn every_task_writes_what_it_finds() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    photographs(&photos, 2);
    let inputs = inputs(&photos);
    let localise = Localise {
        model: Arc::clone(&MODEL),
        method: deepinside::localise::Method::named("grad-cam")?,
        top: 2,
    };
    let job = options(folder.path().join("boxes"), Format::Png);
    run_to_end(&localise, &inputs, &job);
    let found = rows(&job.out);
    assert_eq!(found[0].boxes.len(), 2);
    assert!(job.out.join(found[0].file.as_ref().unwrap()).is_file());
    let layer = MODEL.graph.value(MODEL.score.value).name.clone();
    let activations = Activations::of(Arc::clone(&MODEL), &layer, MODEL.crop, 1)?;
    let job = options(folder.path().join("scores"), Format::Npy);
    run_to_end(&activations, &inputs, &job);
    let found = rows(&job.out);
    let array = deepinside::files::npy::read(job.out.join(found[0].file.as_ref().unwrap()))?;
    let best = array.data().iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    assert_eq!(found[0].classes[0].index as usize, best.0);
    assert_eq!(found[0].shape, array.shape().iter().map(|&extent| extent as u32).collect::<Vec<_>>());
    Ok(())
}

/// The journal of these entries.
fn journal(entries: &[String]) -> String {
    let mut before = String::new();
    let line = |json: &String| {
        let digest = Sha256::new().chain_update(&before).chain_update(json).finalize();
        before = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()[..16].to_owned();
        format!("{before} {json}\n")
    };
    entries.iter().map(line).collect()
}

/// A journal that a stranger wrote has right checksums; it named files elsewhere, and more rows than there are ended in a panic.
#[test]
fn a_journal_of_a_stranger_names_no_other_files_and_rows() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    photographs(&photos, 3);
    let (task, inputs) = (explain(), inputs(&photos));
    let whole = options(folder.path().join("whole"), Format::Npy);
    run_to_end(&task, &inputs, &whole);
    let text = std::fs::read_to_string(whole.out.join(JOURNAL)).unwrap();
    let entries: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    let own = |count: usize| entries[..count].iter().map(|&entry| entry.to_owned()).collect::<Vec<_>>();
    assert_eq!(journal(&own(entries.len())), text);
    let elsewhere = own(2)[1].replace("part-00000/", "../part-00000/");
    let unknown = r#"{"part":{"part":18446744073709551615}}"#.to_owned();
    for forged in [
        [own(2), vec![own(2)[1].clone(); 100]].concat(),
        vec![own(1)[0].clone(), elsewhere.clone()],
        [own(1), vec![elsewhere; 50], vec![unknown]].concat(),
    ] {
        let job = options(folder.path().join("forged"), Format::Npy);
        std::fs::create_dir_all(job.out.join("part-00000")).unwrap();
        std::fs::write(job.out.join(JOURNAL), journal(&forged)).unwrap();
        run_to_end(&task, &inputs, &job);
        assert_eq!(results(&job.out), results(&whole.out));
        std::fs::remove_dir_all(&job.out).unwrap();
    }
}

/// A folder that a job goes on in was a stranger's, and its links led to files that were overwritten.
#[cfg(unix)]
#[test]
fn a_job_writes_nothing_through_links() {
    let folder = tempfile::tempdir().unwrap();
    let (photos, precious) = (folder.path().join("photos"), folder.path().join("precious"));
    photographs(&photos, 3);
    std::fs::create_dir(&precious).unwrap();
    let (task, inputs) = (explain(), inputs(&photos));
    let job = options(folder.path().join("job"), Format::Npy);
    run_for(1, &task, &inputs, &job);
    let part = job.out.join("part-00001");
    std::os::unix::fs::symlink(&precious, &part).unwrap();
    let told = run(&task, &inputs, &job, &Interrupt::default(), &mut |_| {}).unwrap_err().to_string();
    assert!(told.contains("part-00001 is a link"), "{told}");
    assert_eq!(std::fs::read_dir(&precious).unwrap().count(), 0);
    std::fs::remove_file(&part).unwrap();
    run_to_end(&task, &inputs, &job);
}

/// Shards of strangers: a number of shards without end, none at all, and a link that would have been copied from where it leads.
#[cfg(unix)]
#[test]
fn shards_of_strangers_are_merged_with_care() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    photographs(&photos, 2);
    let (task, inputs) = (explain(), inputs(&photos));
    let out = folder.path().join("shard");
    let shard = BatchOptions { shard: Some(Shard { index: 0, of: 1 }), ..options(out.clone(), Format::Npy) };
    run_to_end(&task, &inputs, &shard);
    let merged = folder.path().join("merged");
    let refused = || merge(std::slice::from_ref(&out), &merged).unwrap_err().to_string();
    let text = std::fs::read_to_string(out.join(JOURNAL)).unwrap();
    for (of, expected) in [("0", "there is no shard 0/0"), ("9223372036854775807", "shards are missing: 1/")]
    {
        let entries = text
            .lines()
            .map(|line| line.split_once(' ').unwrap().1.replace("\"of\":1", &format!("\"of\":{of}")));
        std::fs::write(out.join(JOURNAL), journal(&entries.collect::<Vec<_>>())).unwrap();
        assert!(refused().contains(expected), "{}", refused());
    }
    std::fs::write(out.join(JOURNAL), text).unwrap();
    let file = std::fs::read_dir(out.join("part-00000")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    assert!(refused().contains("is no file of a job"), "{}", refused());
}
