//! `deepinside batch` and `deepinside exemplars` as programs: killed at any moment they end with the bytes of an undisturbed run.
#![cfg(feature = "builtin-model")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{deepinside, json, stderr, stdout};

/// The examples, several times over under other names, and one that is broken.
fn photographs(folder: &Path) -> String {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let photos = folder.join("photos");
    std::fs::create_dir(&photos).unwrap();
    for number in 0..6 {
        for name in ["cat.png", "coffee.png", "rocket.jpg"] {
            std::fs::copy(examples.join(name), photos.join(format!("{number}-{name}"))).unwrap();
        }
    }
    std::fs::write(photos.join("3-broken.jpg"), "no photograph").unwrap();
    photos.to_string_lossy().into_owned()
}

/// All files but the journal.
fn results(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![out.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    _ = found
                        .insert(path.strip_prefix(out).unwrap().to_owned(), std::fs::read(&path).unwrap())
                }
            }
        }
    }
    assert!(found.remove(Path::new("journal.jsonl")).is_some());
    found
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn a_job_that_is_killed_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photographs(folder.path());
    let path = |name: &str| folder.path().join(name);
    for format in ["png", "webdataset", "zarr"] {
        let arguments = |out: &str| {
            let out = path(out).to_string_lossy().into_owned();
            ["batch", "explain", &photos, "--out", &out, "--format", format, "--rows-per-file", "7"]
                .map(str::to_owned)
        };
        let whole = format!("{format}-whole");
        let output = deepinside(arguments(&whole));
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output).contains("19 rows in"), "{}", stdout(&output));
        assert!(stderr(&output).contains("1 of 19 photographs have no result"), "{}", stderr(&output));
        let killed = format!("{format}-killed");
        let journal = path(&killed).join("journal.jsonl");
        for rows in [3, 9, 16] {
            let mut child = Command::new(env!("CARGO_BIN_EXE_deepinside"))
                .args(arguments(&killed))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let start = Instant::now();
            while lines(&journal) < rows && child.try_wait().unwrap().is_none() {
                assert!(start.elapsed() < Duration::from_secs(300));
                std::thread::sleep(Duration::from_millis(2));
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let summary = &json(&deepinside(arguments(&killed).into_iter().chain(["--json".to_owned()])))[0];
        assert_eq!(summary["rows"], 19);
        assert!(summary["done"].as_u64().unwrap() < 17, "{summary}");
        assert!(results(&path(&killed)) == results(&path(&whole)), "{format}");
    }
}

#[test]
fn exemplars_are_those_of_all_activations() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photographs(folder.path());
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    // The built-in network's last layer with positions: 1280 × 7 × 7, with many zeros, which are equally large.
    let layer = "_bn1.relu6";
    let find = |out: &str, more: &[&str]| {
        let (out, base) = (path(out), ["exemplars", &photos, "--layer", layer, "--top", "5", "--out"]);
        let output = deepinside(base.into_iter().chain([out.as_str()]).chain(more.iter().copied()));
        assert!(output.status.success(), "{}", stderr(&output));
        let text = std::fs::read_to_string(Path::new(&out).join("exemplars.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let whole = find("whole", &[]);
    assert_eq!(whole["done"], 19);
    assert_eq!(whole["failed"].as_object().unwrap().keys().collect::<Vec<_>>(), ["9"]);
    // Against the activations themselves.
    let output = deepinside([
        "batch",
        "activations",
        &photos,
        "--layer",
        layer,
        "--format",
        "npy",
        "--out",
        &path("activations"),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let rows = std::fs::read_to_string(folder.path().join("activations/part-00000/rows.jsonl")).unwrap();
    let mut maxima: Vec<(u64, Vec<(f32, usize)>)> = Vec::new();
    let mut columns = 0;
    for row in rows.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        let Some(file) = row["file"].as_str() else { continue };
        let array = deepinside::files::npy::read(folder.path().join("activations").join(file)).unwrap();
        let [_, height, width] = *array.shape() else { panic!("{:?}", array.shape()) };
        columns = width;
        let largest = |unit: &[f32]| {
            let mut best = (unit[0], 0);
            unit.iter().enumerate().for_each(|(at, &number)| {
                if number > best.0 {
                    best = (number, at);
                }
            });
            best
        };
        maxima
            .push((row["row"].as_u64().unwrap(), array.data().chunks(height * width).map(largest).collect()));
    }
    assert_eq!(maxima.len(), 18);
    for (index, unit) in whole["layers"][0]["units"].as_array().unwrap().iter().enumerate() {
        let mut order: Vec<(f32, u64, usize)> =
            maxima.iter().map(|(row, own)| (own[index].0, *row, own[index].1)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let best = unit["best"].as_array().unwrap();
        assert_eq!(best.len(), 5);
        for (found, (value, row, at)) in best.iter().zip(order) {
            assert_eq!(found["value"].as_f64().unwrap() as f32, value, "unit {index}");
            assert_eq!(found["row"].as_u64().unwrap(), row, "unit {index}");
            assert_eq!(found["place"], serde_json::json!([at / columns, at % columns]), "unit {index}");
        }
        assert_eq!(unit["photographs"], 18);
    }
    // Shards merged are the whole; a finished run that is given again changes nothing.
    find("a", &["--shard", "0/2"]);
    find("b", &["--shard", "1/2", "--threads", "1"]);
    let output = deepinside(["exemplars", "merge", &path("a"), &path("b"), "--out", &path("merged")]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = |name: &str| std::fs::read(folder.path().join(name).join("exemplars.json")).unwrap();
    assert!(text("merged") == text("whole"));
    assert_eq!(find("whole", &["--threads", "1"]), whole);
}

#[test]
fn layers_shows_exemplars_beside_the_units_that_a_photograph_excites() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photographs(folder.path());
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let layer = "_bn1.relu6";
    let found = path("found");
    let output = deepinside(["exemplars", &photos, "--layer", layer, "--top", "3", "--out", &found]);
    assert!(output.status.success(), "{}", stderr(&output));
    let cat = support::fixtures().join("../../../../examples/cat.png").to_string_lossy().into_owned();
    let shown = |out: &str, more: &[&str]| {
        let (out, base) = (path(out), ["layers", &cat, "--exemplars", &found, "--photographs", &photos]);
        let more = more.iter().copied().chain(["--units", "2", "--json", "--output", &out]);
        deepinside(base.into_iter().chain(more))
    };
    let output = shown("gradient", &["--raw", &path("raw"), "--record", &path("record.json")]);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = &support::json(&output)[0]["exemplars"][0];
    assert_eq!(told["layer"], layer);
    // Those whose largest activation is the greatest share of their largest in the data set, from the arrays.
    let activation = deepinside::files::npy::read(path("raw/_bn1.relu6-activation.npy")).unwrap();
    let text = std::fs::read_to_string(path("found/exemplars.json")).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    let units = whole["layers"][0]["units"].as_array().unwrap();
    let mut shares: Vec<(f32, usize)> = activation
        .data()
        .chunks(49)
        .zip(units)
        .enumerate()
        .filter_map(|(unit, (map, known))| {
            let largest = known["best"][0]["value"].as_f64()? as f32;
            let here = map.iter().copied().fold(f32::MIN, f32::max);
            (largest > 0.0 && here > 0.0).then_some((here / largest, unit))
        })
        .collect();
    shares.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (rank, (_, unit)) in shares.iter().take(2).enumerate() {
        let own = &told["units"][rank];
        assert_eq!(own["unit"], *unit);
        let best = units[*unit]["best"].as_array().unwrap();
        assert_eq!(own["exemplars"].as_array().unwrap().len(), best.len());
        for (shown, known) in own["exemplars"].as_array().unwrap().iter().zip(best) {
            assert_eq!((&shown["activation"], &shown["position"]), (&known["value"], &known["place"]));
            let key = &whole["keys"][known["row"].to_string()];
            assert_eq!(&shown["photograph"], key);
        }
    }
    // What was recorded is made again, exemplars and their photographs included.
    let again = deepinside(["replay", &path("record.json"), "--into", &path("again")]);
    assert!(again.status.success(), "{}", stderr(&again));
    // Another method draws other maps; one of a layer has none of the picture.
    let sheet = |out: &str| std::fs::read(folder.path().join(out).join("_bn1.relu6-exemplars.png")).unwrap();
    assert!(shown("guided", &["--method", "guided"]).status.success());
    assert!(sheet("guided") != sheet("gradient"));
    let refused = shown("cam", &["--method", "grad-cam"]);
    assert!(!refused.status.success());
    assert!(stderr(&refused).contains("methods of the picture"), "{}", stderr(&refused));
    let others = deepinside(["layers", &cat, "--exemplars", &found, "--photographs", &cat]);
    assert!(!others.status.success());
    assert!(stderr(&others).contains("other photographs"), "{}", stderr(&others));
}
