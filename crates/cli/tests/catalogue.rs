//! `deepinside model …` and networks by their names, with a cache folder of the test's own. What travels over the network is
//! tested in the crate of the catalogue.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use support::{fixtures, json, stderr, stdout};

fn in_cache(cache: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deepinside"));
    command.env("DEEPINSIDE_CACHE", cache).args(arguments).output().expect("the program starts")
}

#[test]
fn the_list_names_what_is_known_and_what_is_here() {
    let cache = tempfile::tempdir().unwrap();
    let networks = json(&in_cache(cache.path(), &["model", "list", "--json"]));
    let state = |name: &str| {
        let network = networks.iter().find(|network| network["name"] == name).expect(name);
        network["state"].as_str().unwrap().to_owned()
    };
    for name in ["caffenet", "vgg-16", "squeezenet-1.1", "nsfw"] {
        assert_eq!(state(name), "-");
    }
}

#[test]
fn one_s_own_network_gets_a_name() {
    let cache = tempfile::tempdir().unwrap();
    let network = fixtures().join("onnx/residual/model.onnx").to_string_lossy().into_owned();
    stdout(&in_cache(cache.path(), &["model", "add", &network, "--name", "mine"]));
    let listed = stdout(&in_cache(cache.path(), &["model", "list"]));
    assert!(listed.lines().any(|line| line.starts_with("mine") && line.contains("added")), "{listed}");
    let described = |model: &str| stdout(&in_cache(cache.path(), &["info", "-m", model]));
    assert_eq!(described("mine"), described(&network));
    let again = in_cache(cache.path(), &["model", "add", "no-such.onnx"]);
    assert!(!again.status.success() && stderr(&again).contains("no-such.onnx"));
}

#[test]
fn names_that_are_not_here_say_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    let said = |arguments: &[&str]| {
        let output = in_cache(cache.path(), arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded");
        stderr(&output)
    };
    let absent = said(&["info", "-m", "vgg-16"]);
    assert!(absent.contains("deepinside model pull vgg-16"), "{absent}");
    let unknown = said(&["info", "-m", "vgg-61"]);
    assert!(unknown.contains("vgg-61") && unknown.contains("deepinside model list"), "{unknown}");
    let unknown = said(&["model", "info", "vgg-61"]);
    assert!(unknown.contains("vgg-61"), "{unknown}");
    let nothing = said(&["model", "verify"]);
    assert!(nothing.contains("no network of the catalogue"), "{nothing}");
}

#[test]
fn an_entry_is_described_with_its_files() {
    let cache = tempfile::tempdir().unwrap();
    let described = stdout(&in_cache(cache.path(), &["model", "info", "caffenet"]));
    for part in ["licence", "bvlc_reference_caffenet.caffemodel", "SHA-1", "mean", "folder"] {
        assert!(described.contains(part), "{described} lacks {part}");
    }
}

/// `verify` called files that were copied by hand "as published", and `-m` said that they were not there.
#[test]
fn files_that_were_copied_by_hand_are_used_and_removed() {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("resnet-50");
    std::fs::create_dir(&folder).unwrap();
    let (from, keep) = (fixtures().join("goldens/mini_caffenet"), folder.join("notes.txt"));
    std::fs::copy(from.join("model.prototxt"), folder.join("ResNet-50-deploy.prototxt")).unwrap();
    let half = stderr(&in_cache(cache.path(), &["info", "-m", "resnet-50"]));
    assert!(half.contains("in part") && half.contains("ResNet-50-model.caffemodel: it is missing"), "{half}");
    std::fs::copy(from.join("weights.caffemodel"), folder.join("ResNet-50-model.caffemodel")).unwrap();
    std::fs::write(&keep, "mine").unwrap();
    let verified = stdout(&in_cache(cache.path(), &["model", "verify", "resnet-50"]));
    assert!(verified.starts_with("resnet-50: as published"), "{verified}");
    // It is opened, and its ten classes are none of ResNet-50's.
    let opened = stderr(&in_cache(cache.path(), &["info", "-m", "resnet-50"]));
    assert!(opened.contains("1000 names") && folder.join("model.toml").is_file(), "{opened}");
    let listed = stdout(&in_cache(cache.path(), &["model", "list"]));
    assert!(listed.lines().any(|line| line.starts_with("resnet-50 ") && line.contains(" here ")), "{listed}");
    let removed = stdout(&in_cache(cache.path(), &["model", "remove", "resnet-50"]));
    assert!(removed.starts_with("resnet-50: ") && removed.contains("MB removed"), "{removed}");
    let left: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [keep]);
}

#[test]
fn a_file_of_another_size_is_named_by_every_command() {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("squeezenet-1.1");
    std::fs::create_dir(&folder).unwrap();
    for file in ["deploy.prototxt", "squeezenet_v1.1.caffemodel"] {
        std::fs::write(folder.join(file), "short").unwrap();
    }
    let commands: [&[&str]; 3] =
        [&["info", "-m", "squeezenet-1.1"], &["model", "verify", "squeezenet-1.1"], &["model", "verify"]];
    for command in commands {
        let output = in_cache(cache.path(), command);
        let said = stderr(&output);
        assert!(
            !output.status.success() && said.contains("deploy.prototxt") && said.contains("9678"),
            "{said}"
        );
    }
}

#[test]
fn names_are_forgotten_and_what_is_built_in_stays() {
    let cache = tempfile::tempdir().unwrap();
    let network = cache.path().join("mine.onnx");
    std::fs::copy(fixtures().join("onnx/residual/model.onnx"), &network).unwrap();
    stdout(&in_cache(cache.path(), &["model", "add", &network.to_string_lossy()]));
    let removed = stdout(&in_cache(cache.path(), &["model", "remove", "mine"]));
    assert!(removed.contains("forgotten") && network.is_file(), "{removed}");
    let again = stderr(&in_cache(cache.path(), &["model", "remove", "mine"]));
    assert!(again.contains("no network is called 'mine'"), "{again}");
    let absent = stderr(&in_cache(cache.path(), &["model", "remove", "vgg-16"]));
    assert!(absent.contains("not on this machine"), "{absent}");
    let own = stderr(&in_cache(cache.path(), &["model", "remove", "built-in"]));
    assert!(own.contains("part of the program"), "{own}");
    let taken =
        stderr(&in_cache(cache.path(), &["model", "add", &network.to_string_lossy(), "--name", "built-in"]));
    assert!(taken.contains("is a network already"), "{taken}");
}
