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

#[test]
fn the_readme_s_first_command_writes_a_saliency_map() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (picture, raw) = (path("cat-saliency.png"), path("map.npy"));
    stdout(&deepinside(["saliency", &example("cat.png"), "-o", &picture, "--raw", &raw]));
    let map = deepinside::vision::npy::read(&raw).unwrap();
    let [height, width] = *map.shape() else { panic!("a map has two axes") };
    assert!(Path::new(&picture).is_file() && (height, width) == (224, 224));
    // The cat fills the middle: the mean there exceeds that of the border.
    let mean = |inside: bool| {
        let middle = |at: usize| (45..179).contains(&at);
        let chosen = (0..height * width).filter(|at| (middle(at / width) && middle(at % width)) == inside);
        let (sum, count) = chosen.fold((0.0, 0.0f32), |(sum, count), at| (sum + map.data()[at], count + 1.0));
        sum / count
    };
    assert!(mean(true) > mean(false), "{} in the middle, {} at the border", mean(true), mean(false));
}

#[test]
fn pictures_of_a_wrong_range_are_suspicious() {
    let warning = |flags: &[&str]| stderr(&deepinside([&["info"], flags].concat())).contains("in training");
    assert!(!warning(&[]));
    assert!(warning(&["--raw-scale", "1"]));
    assert!(warning(&["--scale", "1"]));
}
