//! Class models: every recipe, objective and way to write them.
#![cfg(feature = "builtin-model")]

mod support;

use std::path::{Path, PathBuf};

use deepinside::drawing::Picture;
use deepinside::vision::{Colour, photograph};
use support::{deepinside, json, stderr, stdout};

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A network without weights: its three scores are the means of the rectified channels, shifted down so far that all are silent for
/// a grey picture.
fn silent_network(folder: &Path) -> PathBuf {
    let path = folder.join("silent.prototxt");
    let layers = r#"
        name: "silent"
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
        layer { name: "down" type: "Power" bottom: "data" top: "down" power_param { shift: -5 } }
        layer { name: "relu" type: "ReLU" bottom: "down" top: "relu" }
        layer { name: "mean" type: "Pooling" bottom: "relu" top: "mean" pooling_param { pool: AVE global_pooling: true } }
    "#;
    std::fs::write(&path, layers).unwrap();
    path
}

#[test]
fn recipes_raise_the_score_and_repeat_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    for (recipe, steps) in [("paper", "6"), ("yosinski", "6"), ("lucid", "10"), ("transfer", "10")] {
        let make = |threads: &str, steps: &str, name: &str| {
            let file = folder.path().join(format!("{recipe}-{name}.png"));
            let flags = ["--iterations", steps, "--threads", threads, "--seed", "3", "--json", "-o"];
            let to = text(&file);
            let arguments = [&["class-model", "goose", "--recipe", recipe], &flags[..], &[&to]].concat();
            let object = json(&deepinside(arguments)).remove(0);
            assert_eq!(object["class"]["index"], 99, "{object}");
            (object["class"]["score"].as_f64().unwrap(), std::fs::read(file).unwrap())
        };
        let (start, _) = make("2", "0", "start");
        let (score, bytes) = make("1", steps, "one");
        assert!(score > start, "{recipe}: {start} became {score}");
        assert_eq!(make("2", steps, "two"), (score, bytes), "{recipe}");
    }
}

#[test]
fn silent_rectifiers_are_passed_at_first_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let network = text(&silent_network(folder.path()));
    let picture = text(&folder.path().join("one.png"));
    let output = deepinside([
        "class-model",
        "1",
        "--recipe",
        "paper",
        "--set",
        "gradient_scale=1",
        "-m",
        &network,
        "--learning-rate",
        "100",
        "--iterations",
        "40",
        "--json",
        "-o",
        &picture,
    ]);
    let object = json(&output).remove(0);
    assert!(object["class"]["score"].as_f64().unwrap() > 0.0, "{object}");
    let note = object["notes"][0].as_str().unwrap();
    assert!(note.contains("DeconvNets") && stderr(&output).contains(note), "{note}");

    // What is the same whatever the picture shows is no matter of rectifiers.
    let flags =
        ["class-model", "1", "--minus", "1", "-m", &network, "--iterations", "2", "--json", "-o", &picture];
    let object = json(&deepinside([&flags[..], &["--recipe", "paper"]].concat())).remove(0);
    let note = object["notes"][0].as_str().unwrap();
    assert!(note.contains("may not depend on the picture") && !note.contains("DeconvNets"), "{note}");
}

#[test]
fn a_number_below_zero_is_a_value_and_a_picture_without_numbers_none() {
    let folder = tempfile::tempdir().unwrap();
    let (network, picture) = (text(&silent_network(folder.path())), text(&folder.path().join("one.png")));
    let refused = |flags: &[&str]| {
        let output = deepinside(
            [&["class-model", "1", "-m", &network, "--recipe", "paper", "-o", &picture], flags].concat(),
        );
        assert!(!output.status.success() && !Path::new(&picture).exists(), "{flags:?}");
        stderr(&output)
    };
    assert!(refused(&["--lambda", "-1"]).contains("zero or a positive number"));
    let unbounded = ["--total-variation", "1e30", "--iterations", "20", "--set", "start=normal"];
    assert!(refused(&unbounded).contains("left the range of numbers"), "{}", refused(&unbounded));
}

/// Three small steps change no pixel by half a grey level: the picture is one colour, and that is said.
#[test]
fn a_picture_that_shows_nothing_yet_is_said_to() {
    let folder = tempfile::tempdir().unwrap();
    let picture = text(&folder.path().join("goose.png"));
    let said = |flags: &[&str]| {
        let output = deepinside(
            [
                &["class-model", "goose", "--recipe", "paper", "--set", "gradient_scale=1", "-o", &picture],
                flags,
            ]
            .concat(),
        );
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output).contains("the picture is one colour")
    };
    let is_one_colour = || {
        let shown = photograph::load(&picture, Colour::Rgb).unwrap();
        Picture::from_photograph(&shown).unwrap().is_one_colour()
    };
    assert!(said(&["--iterations", "3", "--learning-rate", "100"]) && is_one_colour());
    assert!(!said(&["--iterations", "3", "--learning-rate", "1e7"]) && !is_one_colour());
}

#[test]
fn several_pictures_that_share_passes_are_those_made_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let network = text(&silent_network(folder.path()));
    let make = |batch: &str| -> Vec<Vec<u8>> {
        let to = folder.path().join(batch);
        let flags = ["-m", &network, "--recipe", "lucid", "--set", "margin=2", "--jitter", "2"];
        let more = ["--iterations", "5", "--copies", "2", "--batch", batch, "-o", &text(&to)];
        stdout(&deepinside([&["class-model", "0", "2"], &flags[..], &more[..]].concat()));
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(to).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read(file).unwrap()).collect()
    };
    let (alone, shared) = (make("1"), make("4"));
    assert_eq!((alone.len(), &alone), (4, &shared));
    assert_ne!(alone[0], alone[1], "copies have seeds of their own");
}

#[test]
fn objectives_are_what_their_flags_say() {
    let folder = tempfile::tempdir().unwrap();
    let network = text(&silent_network(folder.path()));
    let direction = folder.path().join("direction.npy");
    let numbers = deepinside::files::Array::new([3], vec![1.0, -1.0, 0.0]).unwrap();
    deepinside::files::npy::write(&direction, &numbers).unwrap();
    let photograph = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cat.png"));
    for (flags, said) in [
        (vec!["0", "--minus", "2"], "class 0 minus class 2"),
        (vec!["0", "--probability", "plain"], "probability of class 0"),
        (vec!["0", "--probability", "logarithm"], "logarithm of the probability of class 0"),
        (vec!["--layer", "down"], "down"),
        (vec!["--layer", "down", "--channel", "2"], "down channel 2"),
        (vec!["--layer", "down", "--neuron", "1,0,3"], "down neuron 67"),
        (vec!["--layer", "down", "--direction", &text(&direction)], "down direction"),
        (vec!["--layer", "down", "--invert", &photograph], "down features"),
    ] {
        let picture = text(&folder.path().join("picture.png"));
        let common = [
            "-m",
            &network,
            "--recipe",
            "paper",
            "--iterations",
            "3",
            "--learning-rate",
            "10",
            "--json",
            "-o",
            &picture,
        ];
        let command = [&["class-model"], &flags[..], &common[..]].concat();
        let objects = json(&deepinside(command));
        assert_eq!(objects[0]["objective"], said);
    }
}

#[test]
fn feature_inversion_meets_what_it_inverts() {
    let folder = tempfile::tempdir().unwrap();
    let network = text(&silent_network(folder.path()));
    let photograph = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cat.png"));
    let picture = text(&folder.path().join("inverted.png"));
    let paper = ["--recipe", "paper"];
    let flags = ["-m", &network, "--layer", "down", "--invert", &photograph, "--lambda", "0", "-o", &picture];
    let more = ["--set", "optimiser=normalised", "--set", "final_learning_rate=0", "--learning-rate", "8"];
    let object =
        json(&deepinside([&["class-model", "--json"], &paper[..], &flags[..], &more[..]].concat())).remove(0);
    // A value that loses nothing is inverted to the photograph itself.
    assert!(object["value"].as_f64().unwrap() > -1e-3, "{object}");
}

#[test]
fn an_ascent_becomes_an_animation() {
    let folder = tempfile::tempdir().unwrap();
    let network = text(&silent_network(folder.path()));
    for (name, start) in [
        ("growing.gif", &b"GIF89a"[..]),
        ("growing.png", b"\x89PNG"),
        ("growing.apng", b"\x89PNG"),
        ("growing.webp", b"RIFF"),
    ] {
        let frames = folder.path().join(name);
        let picture = text(&folder.path().join("picture.png"));
        let flags =
            ["-m", &network, "--recipe", "paper", "--iterations", "6", "--frame-every", "2", "-o", &picture];
        stdout(&deepinside([&["class-model", "1"], &flags[..], &["--frames", &text(&frames)]].concat()));
        assert!(std::fs::read(frames).unwrap().starts_with(start), "{name}");
    }
}

#[test]
fn what_makes_no_picture_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let network = text(&silent_network(folder.path()));
    let picture = folder.path().join("never.png");
    let to = text(&picture);
    for (flags, said) in [
        (vec!["0", "--recipe", "lucent"], "lucid"),
        (vec!["0", "--set", "jittr=3"], "jittr"),
        (vec!["0", "--set", "jitter"], "NAME=VALUE"),
        (vec!["0", "--set", "zoom=[2, 1]"], "zoom"),
        (vec!["0", "--recipe", "lucid", "--set", "blur=1"], "spectrum"),
        (vec!["0", "--recipe", "paper", "--lambda=-1"], "l2"),
        (vec!["0", "--recipe", "paper", "--learning-rate", "1e300"], "smaller learning rate"),
        (vec!["0", "--copies", "0"], "--copies"),
        (vec!["0", "--frames", "growing.mp4"], ".gif"),
        (vec!["7"], "7"),
        (vec!["--layer", "up"], "deepinside graph"),
        (vec!["--layer", "down", "--channel", "3"], "0 to 2"),
        (vec!["--layer", "down", "--neuron", "0,8,0"], "--neuron"),
        (vec!["--layer", "down", "--neuron", "0,8"], "axes"),
    ] {
        let command = [&["class-model"], &flags[..], &["-m", &network, "-o", &to]].concat();
        let output = deepinside(command);
        let message = stderr(&output);
        assert!(!output.status.success() && message.contains(said), "{flags:?}: {message}");
        assert!(!picture.exists(), "{flags:?}");
    }
}

#[test]
fn a_second_network_judges() {
    let folder = tempfile::tempdir().unwrap();
    let details = folder.path().join("verdicts.jsonl");
    let details = text(&details);
    let evaluate = |count: &str, iterations: &str| {
        let flags = ["--count", count, "--iterations", iterations, "--json", "--details", &details];
        deepinside([&["evaluate", "class-models"], &flags[..]].concat())
    };
    let object = json(&evaluate("2", "2")).remove(0);
    assert_eq!(object["classes"], 2);
    for name in ["top1_rate", "top5_rate", "own_top1_rate"] {
        assert!((0.0..=1.0).contains(&object[name].as_f64().unwrap()), "{object}");
    }
    // The settings, and two pictures, which are not made again.
    let first = std::fs::read_to_string(&details).unwrap();
    assert_eq!(first.lines().count(), 3);
    assert_eq!(json(&evaluate("3", "2"))[0]["classes"], 3);
    let longer = std::fs::read_to_string(&details).unwrap();
    assert!(longer.starts_with(&first) && longer.lines().count() == 4, "{longer}");
    let other = evaluate("2", "3");
    assert!(!other.status.success() && stderr(&other).contains("other settings"), "{}", stderr(&other));

    let network = text(&silent_network(folder.path()));
    let output = deepinside(["evaluate", "class-models", "-m", &network, "--count", "2"]);
    assert!(!output.status.success() && stderr(&output).contains("cannot judge"), "{}", stderr(&output));
}

/// A value without axes has one unit.
#[test]
fn the_only_unit_of_a_single_number_can_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let network = folder.path().join("sum.prototxt");
    let layers = r#"
        input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
        layer { name: "sum" type: "Reduction" bottom: "data" top: "sum" }
        layer { name: "score" type: "Pooling" bottom: "data" top: "score" pooling_param { pool: AVE global_pooling: true } }
    "#;
    std::fs::write(&network, layers).unwrap();
    let (network, picture) = (text(&network), text(&folder.path().join("out.png")));
    let run = |neuron: &str| {
        let objective = ["--layer", "sum", "--neuron", neuron, "--iterations", "1", "--recipe", "paper"];
        deepinside([&["class-model", "-m", &network, "-o", &picture], &objective[..]].concat())
    };
    assert!(run("0").status.success(), "{}", stderr(&run("0")));
    let output = run("1");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

/// Ten steps of the default recipe, which is also what the page takes: `transfer`.
#[test]
fn the_recipe_of_the_page_is_taken_where_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, flags: &[&str]| {
        let picture = text(&folder.path().join(name));
        let common = ["class-model", "bell pepper", "--iterations", "10", "--json", "-o", &picture];
        let object = json(&deepinside([&common[..], flags].concat())).remove(0);
        assert_eq!(object["recipe"], "transfer");
        std::fs::read(picture).unwrap()
    };
    assert_eq!(make("default.png", &[]), make("named.png", &["--recipe", "transfer"]));
}

#[test]
fn a_class_that_is_asked_for_twice_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = format!("{}/", text(folder.path()));
    let output = deepinside(["class-model", "0", "tench", "0", "--iterations", "1", "-o", &pictures]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
