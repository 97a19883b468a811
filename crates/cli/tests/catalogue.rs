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
