//! Extra: all golden cases and models that lie beside the checkout, where they do. The fixtures hold a selection of them.

use std::path::{Path, PathBuf};

use crate::common::{assert_equal_to_what_caffe_saved, names_and_types, network};
use deepinside_caffe::read_weights;

/// A folder of the oracles that `DEEPINSIDE_SHARED` names, or `None` with a note that the test did nothing.
fn shared(name: &str) -> Option<PathBuf> {
    let Some(shared) = std::env::var_os("DEEPINSIDE_SHARED") else {
        #[allow(clippy::print_stdout, reason = "a skipped test must say so")]
        {
            println!("skipped: DEEPINSIDE_SHARED does not name the folder with the oracles");
        }
        return None;
    };
    Some(Path::new(&shared).join(name))
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The pairs under `"layers"` in a `case.json`, which hold no brackets or escapes but `\u00e9`.
fn layers_of_case(json: &str) -> Vec<(String, String)> {
    let Some((_, list)) = json.split_once("\"layers\": [") else { return Vec::new() };
    let list = list.split_once("]\n ]").map_or(list, |(list, _)| list);
    let strings: Vec<String> =
        list.split('"').skip(1).step_by(2).map(|text| text.replace("\\u00e9", "é")).collect();
    strings.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

#[test]
fn every_golden_case_reads_as_caffe_read_it() {
    let Some(folder) = shared("goldens") else { return };
    let (mut cases, mut compared) = (0, 0);
    for path in files(&folder, "model.prototxt") {
        let network = network(&path);
        assert_eq!(network.warnings, [], "{}", path.display());
        let json = std::fs::read_to_string(path.with_file_name("case.json")).expect("a case");
        assert_eq!(names_and_types(&network), layers_of_case(&json), "{}", path.display());
        let weights = path.with_file_name("weights.caffemodel");
        if weights.exists() {
            compared += assert_equal_to_what_caffe_saved(&network, &weights);
        }
        cases += 1;
    }
    assert!(cases >= 142 && compared >= 200, "{cases} cases, {compared} layers compared to Caffe's own");
}

#[test]
fn every_weight_file_reads() {
    let mut count = 0;
    for folder in ["goldens", "models"] {
        let Some(folder) = shared(folder) else { return };
        for ending in [".caffemodel", ".caffemodel.h5"] {
            for path in files(&folder, ending) {
                let weights =
                    read_weights(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let values: usize =
                    weights.layers.iter().flat_map(|layer| &layer.blobs).map(|blob| blob.len()).sum();
                assert!(values > 0, "{}", path.display());
                count += 1;
            }
        }
    }
    assert!(count >= 64, "{count} files");
}

#[test]
fn every_model_reads() {
    let Some(folder) = shared("models") else { return };
    for path in files(&folder, ".prototxt") {
        assert_eq!(network(&path).warnings, [], "{}", path.display());
    }
}
