//! `atlas`: many class models on a sheet, in as many runs as it takes.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use deepinside::drawing::Picture;
use deepinside::vision::{Colour, photograph};
use support::{deepinside, fixtures, json, stderr, stdout};

/// The command line of an atlas of the small network's ten classes.
fn arguments(folder: &Path, more: &[&str]) -> Vec<String> {
    let golden = fixtures().join("goldens/mini_caffenet");
    let path = |file: &str| golden.join(file).to_string_lossy().into_owned();
    let mut arguments =
        vec!["atlas".to_owned(), "-m".to_owned(), path("model.prototxt"), "--weights".to_owned()];
    arguments.extend([path("weights.caffemodel"), "-o".to_owned()]);
    arguments.push(folder.join("sheet.png").to_string_lossy().into_owned());
    arguments.extend(more.iter().map(|text| (*text).to_owned()));
    arguments
}

const USUAL: [&str; 8] = ["--recipe", "lucid", "--iterations", "40", "--seed", "3", "--cell-size", "67"];

/// Every file below a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            files.extend(
                self::files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)),
            );
        } else {
            files.insert(name, std::fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn interrupted_and_resumed_equals_uninterrupted() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    stdout(&deepinside(arguments(whole.path(), &USUAL)));
    let expected = files(whole.path());
    assert_eq!(expected.len(), 12, "ten pictures, their settings and the sheet: {:?}", expected.keys());
    // Killed as soon as the first picture is there.
    let mut child = Command::new(env!("CARGO_BIN_EXE_deepinside"))
        .args(arguments(parts.path(), &USUAL))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let tile = parts.path().join("sheet-tiles/0000.png");
    while !tile.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // And one is lost besides, and another is not whole.
    std::fs::remove_file(&tile).unwrap();
    std::fs::write(parts.path().join("sheet-tiles/0001.png"), &expected["sheet-tiles/0001.png"][..60])
        .unwrap();
    let output = deepinside(arguments(parts.path(), &USUAL));
    stdout(&output);
    assert!(stderr(&output).contains("is no whole picture"), "{}", stderr(&output));
    let mut found = files(parts.path());
    // What a killed process was writing may lie about, under a name that no picture has.
    found.retain(|name, _| !name.contains(".deepinside-"));
    assert!(found == expected, "{:?} differ", found.keys());
    // Another run makes nothing anew.
    assert!(stderr(&deepinside(arguments(parts.path(), &USUAL))).contains("10 of 10 pictures"));
}

#[test]
fn the_sheet_shows_each_class_s_model() {
    let folder = tempfile::tempdir().unwrap();
    let object = &json(&deepinside(arguments(
        folder.path(),
        &[&USUAL[..], &["--classes", "7,2-3", "--json"]].concat(),
    )))[0];
    assert_eq!(object["classes"], serde_json::json!([7, 2, 3]));
    assert_eq!(object["constant"], serde_json::json!([]));
    let tile = |class: &str| {
        let path = folder.path().join(format!("sheet-tiles/{class}.png"));
        Picture::from_photograph(&photograph::load(path, Colour::Rgb).unwrap()).unwrap()
    };
    // A picture of an atlas is the one that `class-model` makes.
    let alone = folder.path().join("alone.png");
    let mut single = arguments(folder.path(), &USUAL[..6]);
    single[0] = "class-model".to_owned();
    single[6] = alone.to_string_lossy().into_owned();
    single.push("2".to_owned());
    stdout(&deepinside(single));
    let alone = Picture::from_photograph(&photograph::load(alone, Colour::Rgb).unwrap()).unwrap();
    assert!(alone == tile("0002") && tile("0002") != tile("0003"));
    // The cells are as large as the pictures, so they stand on the sheet pixel by pixel.
    let sheet = photograph::load(folder.path().join("sheet.png"), Colour::Rgb).unwrap();
    let sheet = Picture::from_photograph(&sheet).unwrap();
    for class in ["0007", "0002", "0003"] {
        let tile = tile(class);
        let row = &tile.rgb()[3 * tile.width() * 20..][..3 * tile.width()];
        assert!(
            sheet.rgb().windows(row.len()).any(|window| window == row),
            "class {class} is not on the sheet"
        );
    }
}

#[test]
fn pictures_of_other_settings_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        deepinside(arguments(folder.path(), &[&USUAL[..], &["--classes", "1"], more].concat()))
    };
    stdout(&run(&[]));
    let before = files(folder.path());
    for (more, cause) in [
        (&["--set", "learning_rate=0.01"][..], "recipe.learning_rate was 0.05, now 0.01"),
        (&["--mean", "1,2,3"], "choices.mean"),
        (&["--batch", "2"], "batch was 1, now 2"),
    ] {
        let output = run(more);
        assert!(!output.status.success() && stderr(&output).contains(cause), "{}", stderr(&output));
        assert!(files(folder.path()) == before, "{more:?} changed something");
    }
    // More classes, another sheet: the pictures there are kept.
    let output = run(&["--columns", "1", "--classes", "0-1"]);
    assert!(!output.status.success(), "--classes is given twice");
    stdout(&deepinside(arguments(folder.path(), &[&USUAL[..], &["--classes", "0-1"]].concat())));
    std::fs::remove_file(folder.path().join("sheet-tiles/atlas.json")).unwrap();
    assert!(stderr(&run(&[])).contains("no atlas.json"));
}

#[test]
fn classes_that_do_not_exist_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (list, cause) in [
        ("3-1", "did you mean 1-3"),
        ("0-10", "0 to 9"),
        ("0-99999999999999", "0 to 9"),
        ("goose", "no class is called"),
        (",", "names no class"),
    ] {
        let output = deepinside(arguments(folder.path(), &["--classes", list]));
        let said = stderr(&output);
        assert!(
            !output.status.success() && said.contains(cause) && !said.contains("panicked"),
            "{list}: {said}"
        );
        assert!(!folder.path().join("sheet.png").exists());
    }
}

/// A sheet that cannot be drawn was refused only after all its pictures had been made.
#[test]
fn a_sheet_that_cannot_be_drawn_is_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    for (flags, cause) in [
        (["--columns", "0"], "at least one column"),
        (["--cell-size", "15"], "at least 16 pixels"),
        (["--cell-size", "100000"], "200000000 pixels"),
    ] {
        let output = deepinside(arguments(folder.path(), &flags));
        let said = stderr(&output);
        assert!(!output.status.success() && said.contains(cause) && !said.contains("Some("), "{said}");
        assert!(!folder.path().join("sheet-tiles").exists());
    }
}
