//! The built-in network and the example photographs: what the README's first command does.
#![cfg(feature = "builtin-model")]

mod support;

use std::path::Path;

use support::{deepinside, json, stderr, stdout};

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    path.to_string_lossy().into_owned()
}

#[test]
fn it_names_the_example_photographs() {
    let photographs = ["cat.png", "coffee.png", "rocket.jpg"].map(example);
    let arguments = ["classify", "--json", &photographs[0], &photographs[1], &photographs[2]];
    let objects = json(&deepinside(arguments));
    // What a person sees: Chelsea, a cup of coffee, a rocket at its pad.
    let right =
        [&["tabby", "tiger cat", "Egyptian cat"][..], &["espresso", "cup"], &["missile", "projectile"]];
    for (object, right) in objects.iter().zip(right) {
        let best = object["top"][0]["name"].as_str().unwrap();
        assert!(right.iter().any(|name| best.contains(name)), "{best} is none of {right:?}");
    }
}

/// Other parts of the cat, and the mean of ten crops, would name an Egyptian cat; `localise`, which looks at the whole
/// photograph, and `--ten-crops` explained that class while `classify` and `saliency` said another.
#[test]
fn one_photograph_has_one_answer_in_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let cat = example("cat.png");
    let seen = |crop: &str| {
        let found = json(&deepinside(["classify", "--json", "--crop", crop, &cat])).remove(0);
        found["top"][0]["index"].clone()
    };
    let own = json(&deepinside(["classify", "--json", &cat])).remove(0);
    let (own, top) = (own["top"][0]["index"].clone(), own["top"].clone());
    assert_eq!(seen("centre"), own);
    let commands: [(&[&str], Option<&str>); 7] = [
        (&["saliency"], None),
        (&["saliency", "--smoothing", "0.02"], None),
        (&["saliency", "--ten-crops"], Some("ten")),
        (&["saliency", "--crop", "whole"], Some("whole")),
        (&["layers", "--crop", "whole"], Some("whole")),
        (&["compare", "--crop", "whole"], Some("whole")),
        (&["localise"], Some("whole")),
    ];
    for (command, other) in commands {
        let to = folder.path().join(command.join("")).to_string_lossy().into_owned()
            + if command[0] == "layers" { "" } else { ".png" };
        let output = deepinside([command, &[&cat, "--json", "-o", &to]].concat());
        let object = json(&output).remove(0);
        let class = match command[0] {
            "localise" => &object["boxes"][0]["index"],
            "compare" => &object["unit"]["class"]["index"],
            _ => &object["class"]["index"],
        };
        assert_eq!(*class, own, "{command:?}");
        if command[0] != "localise" {
            assert_eq!(object["top"][0], top[0], "{command:?}");
        }
        let named = other.map_or(serde_json::Value::Null, seen);
        assert_ne!(named, own, "{command:?}: the photograph shows nothing then");
        assert_eq!(object["other_choice"]["index"], named, "{command:?}");
        assert_eq!(stderr(&output).contains("by its own crop (centre)"), other.is_some(), "{command:?}");
    }
    // A class that is named is not chosen, and the class project's recipe chooses by ten crops.
    let named = deepinside([
        "saliency",
        "--class",
        "285",
        "--ten-crops",
        &cat,
        "--json",
        "-o",
        &to_png(folder.path()),
    ]);
    assert!(json(&named)[0]["other_choice"].is_null() && !stderr(&named).contains("its own crop"));
    let original =
        deepinside(["saliency", "--recipe", "original", &cat, "--json", "-o", &to_png(folder.path())]);
    let original = json(&original).remove(0);
    assert_eq!(original["class"]["index"], original["top"][0]["index"]);
    assert!(original["other_choice"].is_null());
}

fn to_png(folder: &Path) -> String {
    folder.join("map.png").to_string_lossy().into_owned()
}

#[test]
fn the_readme_s_first_command_writes_a_saliency_map() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (picture, raw) = (path("cat-saliency.png"), path("map.npy"));
    stdout(&deepinside(["saliency", &example("cat.png"), "-o", &picture, "--raw", &raw]));
    let map = deepinside::files::npy::read(&raw).unwrap();
    let [height, width] = *map.shape() else { panic!("a map has two axes") };
    assert!(Path::new(&picture).is_file() && (height, width) == (300, 451));
    // The cat fills the middle: the mean there exceeds that of the border.
    let mean = |inside: bool| {
        let middle = |at: usize, of: usize| (of / 5..of - of / 5).contains(&at);
        let chosen = (0..height * width)
            .filter(|at| (middle(at / width, height) && middle(at % width, width)) == inside);
        let (sum, count) = chosen.fold((0.0, 0.0f32), |(sum, count), at| (sum + map.data()[at], count + 1.0));
        sum / count
    };
    assert!(mean(true) > mean(false), "{} in the middle, {} at the border", mean(true), mean(false));
}

/// The first picture showed speckle alone, without a word on what its colours mean or how it was made.
#[test]
fn the_default_figure_has_the_paper_s_map_and_a_readable_one_and_says_how_both_were_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let cat = example("cat.png");
    let run = |flags: &[&str]| {
        let (picture, raw) = (path("map.png"), path("map.npy"));
        let arguments = ["saliency", &cat, "--json", "-o", &picture, "--raw", &raw];
        let object = json(&deepinside([&arguments, flags].concat())).remove(0);
        (object, deepinside::files::npy::read(&raw).unwrap())
    };
    let names = |object: &serde_json::Value| -> Vec<String> {
        let maps = object["maps"].as_array().unwrap().iter();
        maps.map(|map| format!("{}: {}", map["name"].as_str().unwrap(), map["made"].as_str().unwrap()))
            .collect()
    };
    let (both, readable) = run(&[]);
    assert_eq!(
        names(&both),
        [
            "one pass: gradient, one pass, centre crop",
            "readable map: geometric mean of guided backpropagation and LayerCAM (last layer), mean of 4 noisy copies (5 %), \
             whole photograph, smoothed (0.5 %)"
        ]
    );
    assert_eq!((readable.shape(), both["unseen"].as_f64()), (&[300, 451][..], Some(0.0)));
    assert!(both["maps"][0]["unseen"].as_f64().unwrap() > 0.2, "the centre crop leaves out both sides");
    let (alone, paper) = run(&["--one-pass"]);
    assert_eq!(names(&alone), ["one pass: gradient, one pass, centre crop"]);
    assert_eq!(paper.shape(), [224, 224]);
    let (same, again) = run(&["--crop", "centre"]);
    assert_eq!((names(&same), again.data()), (names(&alone), paper.data()));
    assert_eq!(names(&run(&["--recipe", "original"]).0).len(), 1);
}

/// A fifth to two fifths of a photograph was black under one crop, as if it were of no importance.
#[test]
fn what_no_crop_saw_is_not_zero() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for flags in [&["--smoothing", "0.01"][..], &["--smooth-grad", "2"]] {
        let (picture, raw) = (path("map.png"), path("map.npy"));
        let cup = example("coffee.png");
        let arguments = ["saliency", &cup, "--json", "--view", "map", "-o", &picture, "--raw", &raw];
        let output = deepinside([&arguments, flags].concat());
        let object = json(&output).remove(0);
        let map = deepinside::files::npy::read(&raw).unwrap();
        // 600 × 400 is resized to 384 × 256, of which 224 × 224 are seen.
        let share = 1.0 - (224.0 / 384.0) * (224.0 / 256.0);
        let unseen =
            map.data().iter().filter(|number| number.is_nan()).count() as f64 / map.data().len() as f64;
        assert!((unseen - share).abs() < 0.01, "{flags:?}: {unseen} of the map instead of {share}");
        assert!((object["unseen"].as_f64().unwrap() - unseen).abs() < 1e-9);
        assert!(map.data()[0].is_nan() && !map.data()[200 * 600 + 300].is_nan());
        assert!(stderr(&output).contains("unseen"), "{}", stderr(&output));
        let drawn = deepinside::vision::photograph::load(&picture, deepinside::vision::Colour::Rgb).unwrap();
        let levels: std::collections::BTreeSet<u32> =
            (0..30 * 30).map(|at| drawn.data()[(at / 30 * 600 + at % 30) * 3].to_bits()).collect();
        assert!(levels.len() > 1, "hatching has lines");
    }
}

/// It looked like a picture of the photograph, and is the same for all of them.
#[test]
fn deconvnet_in_a_network_without_maxima_is_said_to_show_no_photograph() {
    let folder = tempfile::tempdir().unwrap();
    let cat = example("cat.png");
    let said = |command: &[&str]| {
        let to = folder.path().join(command.concat());
        let to = if command[0] == "layers" { to } else { to.with_extension("png") };
        let to = to.to_string_lossy().into_owned();
        stderr(&deepinside([command, &[&cat, "-o", &to]].concat()))
            .contains("does not depend on the photograph")
    };
    assert!(said(&["saliency", "--rule", "deconvnet"]));
    assert!(said(&["layers", "--rule", "deconvnet"]));
    assert!(said(&["compare"]));
    assert!(!said(&["saliency", "--rule", "guided"]));
}

#[test]
fn the_built_in_network_has_a_name() {
    let [named, silent] =
        [&["info", "-m", "built-in"][..], &["info"]].map(|command| stdout(&deepinside(command)));
    assert_eq!(named, silent);
    let listed = stdout(&deepinside(["model", "list"]));
    let mut lines = listed.lines();
    assert!(
        lines.next().unwrap().starts_with("name ") && lines.next().unwrap().starts_with("built-in "),
        "{listed}"
    );
}

#[test]
fn pictures_of_a_wrong_range_are_suspicious() {
    let warning = |flags: &[&str]| stderr(&deepinside([&["info"], flags].concat())).contains("in training");
    assert!(!warning(&[]));
    assert!(warning(&["--raw-scale", "1"]));
    assert!(warning(&["--scale", "1"]));
}

/// The ten crops of a mirrored photograph are those of the photograph, mirrored: so is their averaged map.
#[test]
fn ten_crops_lie_in_the_photograph_s_own_frame() {
    use std::sync::Arc;

    use deepinside::attribution::Runner;
    use deepinside::evidence::{EvidenceOptions, gather};
    use deepinside::vision::{Crop, Photograph};
    use deepinside::{Model, Settings, Threads};

    let model = Arc::new(Model::built_in(Settings::default()).unwrap());
    let options =
        EvidenceOptions { crops: Crop::TEN.to_vec(), smoothing: 0.02, ..EvidenceOptions::default() };
    let mut runner = Runner::new(Arc::clone(&model), Threads::new(2).unwrap());
    let photograph = model.load_photograph(example("coffee.png").as_ref()).unwrap();
    let (height, width, channels) = (photograph.height(), photograph.width(), photograph.channels());
    let rows = photograph.data().chunks_exact(width * channels);
    let mirrored = rows.flat_map(|row| row.chunks_exact(channels).rev().flatten().copied()).collect();
    let mirrored = Photograph::new(height, width, channels, mirrored).unwrap();
    let maps = [&photograph, &mirrored].map(|photograph| {
        let evidence = gather(&mut runner, photograph, &[967], &options).unwrap();
        assert_eq!(evidence.maps[0].shape(), [height, width]);
        evidence.maps[0].data().to_vec()
    });
    let back = |index: usize| maps[1][index / width * width + width - 1 - index % width];
    let (mut difference, mut sum) = (0.0, 0.0);
    for (index, &number) in maps[0].iter().enumerate() {
        difference += f64::from(number - back(index)).powi(2);
        sum += f64::from(number).powi(2);
    }
    // The centre crop of an odd rest lies half a pixel beside the middle.
    assert!((difference / sum).sqrt() < 0.1, "{}", (difference / sum).sqrt());
}

#[test]
fn saliency_of_several_passes_is_as_large_as_the_photograph() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (picture, raw) = (path("cup.png"), path("cup.npy"));
    let flags: [&[&str]; 3] =
        [&["--ten-crops"], &["--smooth-grad", "2"], &["--smoothing", "0.02", "--crop", "whole"]];
    for flags in flags {
        let arguments =
            ["saliency", &example("coffee.png"), "--view", "overlay", "-o", &picture, "--raw", &raw];
        stdout(&deepinside([&arguments, flags].concat()));
        let map = deepinside::files::npy::read(&raw).unwrap();
        assert_eq!(map.shape(), [400, 600], "{flags:?}");
        assert!(map.data().iter().any(|number| *number > 0.0));
    }
    let refused = deepinside(["saliency", &example("coffee.png"), "--smoothing=-1", "-o", &picture]);
    assert!(!refused.status.success() && stderr(&refused).contains("smoothing"), "{}", stderr(&refused));
    let object =
        &json(&deepinside(["saliency", &example("coffee.png"), "--ten-crops", "--json", "-o", &picture]))[0];
    assert_eq!(object["unseen"], 0.0, "{object}");
}

/// Signed gradients can be had of everything that a map is made of.
#[test]
fn gradients_of_several_passes_are_written_with_their_signs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let run = |flags: &[&str], name: &str| {
        let file = path(name);
        let arguments = ["saliency", &example("coffee.png"), "-o", &path("map.png"), "--raw-gradient", &file];
        stdout(&deepinside([&arguments, flags].concat()));
        deepinside::files::npy::read(&file).unwrap()
    };
    let [crops, plain, mean] = [
        (&["--ten-crops"][..], "crops.npy"),
        (&["--crop", "whole"], "plain.npy"),
        (&["--crop", "whole", "--smooth-grad", "2", "--noise", "0"], "mean.npy"),
    ]
    .map(|(flags, name)| run(flags, name));
    assert_eq!((crops.shape(), plain.shape()), (&[10, 3, 224, 224][..], &[3, 224, 224][..]));
    assert_eq!((mean.shape(), mean.data()), (&[1, 3, 224, 224][..], plain.data()));
    assert!(plain.data().iter().any(|number| *number < 0.0));
}

/// SmoothGrad is a mean: without noise it is the gradient itself, however many copies there are.
#[test]
fn the_mean_over_copies_without_noise_is_the_gradient() {
    use std::sync::Arc;

    use deepinside::attribution::Runner;
    use deepinside::evidence::{EvidenceOptions, Noise, gather};
    use deepinside::{Model, Settings, Threads};

    let model = Arc::new(Model::built_in(Settings::default()).unwrap());
    let photograph = model.load_photograph(example("coffee.png").as_ref()).unwrap();
    let mut runner = Runner::new(Arc::clone(&model), Threads::new(2).unwrap());
    let [plain, mean] = [None, Some(Noise { samples: 4, deviation: 0.0, seed: 0 })].map(|noise| {
        let options = EvidenceOptions { noise, ..EvidenceOptions::default() };
        gather(&mut runner, &photograph, &[967], &options).unwrap().maps[0].data().to_vec()
    });
    let largest = plain.iter().fold(0.0f32, |largest, number| largest.max(*number));
    assert!(largest > 0.0);
    for (plain, mean) in plain.iter().zip(&mean) {
        assert!((plain - mean).abs() <= 1e-5 * largest, "{mean} instead of {plain}");
    }
}

#[test]
fn less_memory_gives_the_same_map() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let cat = example("cat.png");
    let run = |name: &str, limit: &[&str]| {
        let (picture, raw) = (path(&format!("{name}.png")), path(&format!("{name}.npy")));
        let arguments = ["saliency", &cat, "-o", &picture, "--raw", &raw];
        let done = deepinside(arguments.iter().chain(limit));
        (done.status.success().then(|| std::fs::read(&raw).unwrap()), stderr(&done))
    };
    let (whole, _) = run("whole", &[]);
    let (limited, _) = run("limited", &["--memory-limit", "32"]);
    assert!(whole.is_some() && whole == limited);
    let (refused, message) = run("refused", &["--memory-limit", "1"]);
    assert!(refused.is_none() && message.contains("the limit is 1 MB"), "{message}");
}
