//! Sites as a whole: stopped anywhere they end with the same bytes, and nothing that is named in them is markup.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deepinside::class_model::Recipe;
use deepinside::drawing::Picture;
use deepinside::{Interrupt, Model, Settings};
use deepinside_jobs::exemplars::{EXEMPLARS, ExemplarOptions, run as find};
use deepinside_jobs::input::{InputOptions, Inputs, Selection};
use deepinside_jobs::publish::{PublishOptions, Site, stages};

/// A name that would be markup if it were not escaped.
const EVIL: &str = "<img src=x onerror=alert(1)> & \"it's\"";

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deepinside/tests/fixtures/attribution").join(name)
}

/// Classes with hostile names.
fn model(folder: &Path) -> Arc<Model> {
    let labels = folder.join("labels.txt");
    let names: Vec<String> = (0..5).map(|class| format!("{class} {EVIL}")).collect();
    std::fs::write(&labels, names.join("\n")).unwrap();
    let settings = Settings { labels: Some(labels.to_string_lossy().into_owned()), ..Settings::default() };
    Arc::new(Model::open_with(fixture("residual.onnx"), settings).unwrap())
}

/// Photographs, each with a class that it is said to show, and one that is broken.
fn photographs(folder: &Path) -> Inputs {
    let mut list = String::from("path,label\n");
    for number in 0..6usize {
        let value = |position: usize| ((position * (7 + number)) ^ (position / 97)) as u8;
        let picture =
            Picture::new(40, 30 + number, (0..40 * (30 + number) * 3).map(value).collect()).unwrap();
        let name = if number == 0 { "<b>&0.png".to_owned() } else { format!("{number}.png") };
        std::fs::write(folder.join(&name), picture.to_png().unwrap()).unwrap();
        list += &format!("{name},{}\n", number % 5);
    }
    std::fs::write(folder.join("broken.jpg"), b"\xff\xd8 no photograph").unwrap();
    list += "broken.jpg,1\n";
    let path = folder.join("list.csv");
    std::fs::write(&path, list).unwrap();
    let options =
        InputOptions { column: None, target_column: Some("label".to_owned()), root: Some(folder.to_owned()) };
    Inputs::gather(&[OsString::from(path)], &options, Selection::default(), &mut std::io::empty()).unwrap()
}

fn options(model: &Model, out: PathBuf) -> PublishOptions {
    let changes = toml::Table::from_iter([("iterations".to_owned(), toml::Value::from(2))]);
    PublishOptions {
        out,
        layers: stages(model, 2),
        units: Some(4),
        classes: vec![0, 1, 2, 4],
        recipe: Recipe::named("paper").unwrap().with(changes).unwrap(),
        seed: 3,
        exemplars: None,
        top: 2,
        workers: 2,
    }
}

/// All files of a site with their bytes; those of jobs within it have times in their journals.
fn files(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![out.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.ends_with("journal.jsonl") => {}
                false => {
                    _ = found
                        .insert(path.strip_prefix(out).unwrap().to_owned(), std::fs::read(&path).unwrap())
                }
            }
        }
    }
    found
}

fn make(model: &Arc<Model>, options: &PublishOptions, inputs: Option<&Inputs>) -> BTreeMap<PathBuf, Vec<u8>> {
    let site = Site::plan(model, options, inputs).unwrap();
    site.claim().unwrap();
    assert!(site.make(&Interrupt::default(), &|_| {}).unwrap());
    files(&options.out)
}

#[test]
fn a_site_that_was_stopped_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (model, inputs) = (model(folder.path()), photographs(folder.path()));
    let whole = make(&model, &options(&model, folder.path().join("whole")), Some(&inputs));
    let pages: Vec<&PathBuf> =
        whole.keys().filter(|path| path.extension().is_some_and(|end| end == "html")).collect();
    assert_eq!(pages.len(), 2 + 2 + 4, "{pages:?}");
    for stop_after in [1, 5, 9, 14, 20, 23] {
        let options = options(&model, folder.path().join(format!("stopped-{stop_after}")));
        let site = Site::plan(&model, &options, Some(&inputs)).unwrap();
        site.claim().unwrap();
        let (stop, steps) = (Interrupt::default(), AtomicUsize::new(0));
        let each = |_: deepinside_jobs::publish::Step<'_>| {
            if steps.fetch_add(1, Ordering::Relaxed) + 1 == stop_after {
                stop.ask();
            }
        };
        assert!(!site.make(&stop, &each).unwrap(), "{stop_after}");
        assert!(!options.out.join("index.html").exists());
        // Of a write that was cut off something unfinished is left.
        std::fs::write(options.out.join("pictures/classes/.deepinside-x.part"), b"half").unwrap();
        let left = Site::plan(&model, &options, Some(&inputs)).unwrap().estimate().unwrap();
        assert_eq!(left.pictures[0], 12);
        let again = make(&model, &options, Some(&inputs));
        assert!(again == whole, "{stop_after}");
    }
}

#[test]
fn nothing_that_is_named_is_markup() {
    let folder = tempfile::tempdir().unwrap();
    let (model, inputs) = (model(folder.path()), photographs(folder.path()));
    let made = make(&model, &options(&model, folder.path().join("site")), Some(&inputs));
    let (mut shows_labels, mut shows_margins) = (false, false);
    for (path, bytes) in made.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "html")) {
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(!text.contains("<img src=x") && !text.contains("<b>"), "{}", path.display());
        assert!(text.contains("Content-Security-Policy") && !text.contains("unsafe"), "{}", path.display());
        assert!(
            !text.contains(" style=") && !text.contains("<style") && !text.contains("://"),
            "{}",
            path.display()
        );
        assert!(
            text.matches("<script").count() == text.matches("<script src=").count(),
            "{}",
            path.display()
        );
        shows_margins |= text.contains("../pictures/margins/") && text.contains("What speaks for ");
        shows_labels |= text.contains("by their label it is shown by") && text.contains("Taken for");
        // Whatever a page shows or leads to is there.
        for part in text.split(['"']).filter(|part| part.contains(".html") || part.contains(".jpg")) {
            let target = path.parent().unwrap().join(part.split('#').next().unwrap());
            let target = folder.path().join("site").join(target);
            assert!(part.contains("&lt;") || target.is_file(), "{} shows {part}", path.display());
        }
    }
    assert!(shows_labels && shows_margins);
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (model, inputs) = (model(folder.path()), photographs(folder.path()));
    let refused = |options: &PublishOptions, inputs: Option<&Inputs>| {
        Site::plan(&model, options, inputs).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("thesis.txt"), b"years of work").unwrap();
    assert!(refused(&options(&model, other.clone()), None).contains("not empty"));
    assert_eq!(files(&other).len(), 1);
    let own = options(&model, folder.path().join("site"));
    make(&model, &own, None);
    let told = refused(&PublishOptions { seed: 4, ..own.clone() }, None);
    assert!(told.contains("seed: 3, not 4"), "{told}");
    assert!(refused(&own, Some(&inputs)).contains("photographs"));
    let told = refused(&PublishOptions { layers: vec!["nothing".to_owned()], ..own.clone() }, None);
    assert!(told.contains("no layer 'nothing'"), "{told}");
    // Exemplars are taken of the same photographs alone.
    let exemplars = ExemplarOptions {
        out: folder.path().join("exemplars"),
        layers: own.layers.clone(),
        top: 3,
        crop: None,
        shard: None,
        workers: 1,
    };
    let fewer = Inputs { items: inputs.items[..4].to_vec() };
    find(&model, &fewer, &exemplars, &Interrupt::default(), &mut |_| {}).unwrap();
    assert!(exemplars.out.join(EXEMPLARS).is_file());
    let with = PublishOptions {
        out: folder.path().join("second"),
        exemplars: Some(exemplars.out),
        ..options(&model, PathBuf::new())
    };
    assert!(refused(&with, Some(&inputs)).contains("other photographs"));
    let given = make(&model, &with, Some(&fewer));
    let found = make(&model, &options(&model, folder.path().join("third")), Some(&fewer));
    let pictures = |made: &BTreeMap<PathBuf, Vec<u8>>| -> Vec<(PathBuf, Vec<u8>)> {
        made.clone().into_iter().filter(|(path, _)| path.starts_with("pictures")).collect()
    };
    assert!(pictures(&given) == pictures(&found));
}

/// The first page said of a layer that "the first 12" of its units were there, and had eight of them.
#[test]
fn pages_say_how_many_units_they_show() {
    let folder = tempfile::tempdir().unwrap();
    let model = Arc::new(Model::open(fixture("ties.onnx")).unwrap());
    for units in [2, 9, 12] {
        let options = PublishOptions {
            units: Some(units),
            classes: Vec::new(),
            ..options(&model, folder.path().join(units.to_string()))
        };
        let pages = make(&model, &options, None);
        let mut limited = 0;
        for (path, page) in pages.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "html"))
        {
            let page = std::str::from_utf8(page).unwrap();
            for layer in page.split(" units at ").skip(1) {
                let shown = layer.matches("<img").count();
                if let Some((_, said)) = layer.split_once(", the first ") {
                    limited += 1;
                    assert!(
                        said.starts_with(&format!("{shown} here")),
                        "{}: {shown}, {}",
                        path.display(),
                        &said[..9]
                    );
                }
            }
        }
        assert!(limited > 0, "{units}");
    }
}
