//! Names, order and shapes of Caffe's blobs, and the order of its outputs, against real Caffe.
//!
//! `blobs.tsv` holds for each golden case its name, its blobs in Caffe's order with their shapes, and its
//! outputs in Caffe's order, as pycaffe reported them.

use std::path::Path;

use crate::common::{fixture, import_folder, name};
use deepinside_caffe::{
    BlobGradient, ImportOptions, Imported, ReadOptions, import, read_network, read_weights,
};
use deepinside_graph::Shape;

/// The cases of the table.
fn table() -> Vec<[String; 3]> {
    let text = std::fs::read_to_string(fixture("blobs.tsv")).unwrap();
    let rows = text.lines().map(|line| {
        let columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
        columns.try_into().unwrap()
    });
    rows.collect()
}

/// What an import says in the form of the table.
fn described(imported: &Imported) -> [String; 2] {
    let text = |shape: &Shape| shape.to_string().replace('×', "x");
    let blobs: Vec<String> =
        imported.blobs.entries().iter().map(|blob| format!("{}:{}", blob.name, text(&blob.shape))).collect();
    let outputs: Vec<&str> = imported.graph.outputs().iter().map(|output| name(imported, *output)).collect();
    [blobs.join(" "), outputs.join(" ")]
}

/// Checks the cases that lie in a folder; answers how many.
fn check(folder: &Path) -> usize {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for [case, blobs, outputs] in table() {
        let folder = folder.join(&case);
        if !folder.join("model.prototxt").exists() {
            continue;
        }
        let imported = import_folder(&folder);
        if described(&imported) != [blobs.clone(), outputs.clone()] {
            wrong.push(format!("{case}: {:?}, Caffe has {:?}", described(&imported), [blobs, outputs]));
        }
        // Memory may be shared between shapes, but never between numbers of elements.
        for blob in imported.blobs.entries() {
            let elements = |value| imported.graph.value(value).shape.elements();
            assert_eq!(elements(blob.data), blob.shape.elements(), "{case}: {}", blob.name);
            if let BlobGradient::Value(value) = blob.gradient {
                assert_eq!(elements(value), blob.shape.elements(), "{case}: {}", blob.name);
            }
        }
        assert_eq!(imported.warnings, [], "{case}");
        checked += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    checked
}

#[test]
fn fixtures_have_the_blobs_of_caffe() {
    assert!(check(&fixture("")) >= 35);
}

/// The array in a `.npy` file, as bytes.
fn array(path: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(path).ok()?;
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    Some(bytes[10 + header..].to_vec())
}

/// Extra: all golden cases, where the folder with them lies beside the checkout.
#[test]
fn all_golden_cases_have_the_blobs_of_caffe() {
    let Some(folder) = shared("goldens") else { return };
    assert_eq!(check(&folder), 142);
}

/// Extra: where the view says that two blobs show the same value, real Caffe's arrays are the same; and that
/// they are no different where it should have said so is checked by hand in `aliases`.
#[test]
fn blobs_that_show_one_value_are_equal_in_caffe() {
    let Some(folder) = shared("goldens") else { return };
    let mut compared = 0;
    for [case, ..] in table() {
        let imported = import_folder(&folder.join(&case));
        let entries = imported.blobs.entries();
        for (position, first) in entries.iter().enumerate() {
            for second in &entries[position + 1..] {
                let read = |kind: &str, name: &str| {
                    array(&folder.join(&case).join(format!("{kind}_{}.npy", name.replace('/', "__"))))
                };
                let kinds = [("data", first.data == second.data)]
                    .into_iter()
                    .chain(["diff", "diffd"].map(|kind| (kind, first.gradient == second.gradient)));
                for (kind, same) in kinds.filter(|(_, same)| *same) {
                    let pair = (read(kind, &first.name), read(kind, &second.name));
                    assert_eq!(
                        pair.0, pair.1,
                        "{case}: {kind} of {} and {}, {same}",
                        first.name, second.name
                    );
                    compared += usize::from(pair.0.is_some());
                }
            }
        }
    }
    assert!(compared >= 9, "only {compared} arrays compared");
}

/// Extra: networks that were really trained.
#[test]
fn real_networks_import() {
    let Some(folder) = shared("models") else { return };
    let cases = [
        (
            "squeezenet_v1.1",
            "deploy.prototxt",
            "squeezenet_v1.1.caffemodel",
            "prob",
            "10×1000×1×1",
            1_235_496,
        ),
        ("lenet_mnist", "lenet.prototxt", "lenet_iter_10000.caffemodel", "prob", "64×10", 431_080),
    ];
    for (folder_name, description, weights, output, shape, parameters) in cases {
        let folder = folder.join(folder_name);
        let network =
            read_network(&std::fs::read(folder.join(description)).unwrap(), &ReadOptions::default()).unwrap();
        let weights = read_weights(folder.join(weights)).unwrap();
        let imported = import(&network, Some(&weights), &ImportOptions::default()).unwrap();
        let found = imported.graph.value(imported.graph.outputs()[0]);
        assert_eq!((found.name.as_str(), found.shape.to_string().as_str()), (output, shape), "{folder_name}");
        assert_eq!(imported.graph.parameters(), parameters, "{folder_name}");
        assert_eq!(imported.unused_weights, Vec::<String>::new(), "{folder_name}");
    }
}

/// A folder beside the checkout, or `None` with a note that the test did nothing.
fn shared(name: &str) -> Option<std::path::PathBuf> {
    let Some(shared) = std::env::var_os("DEEPINSIDE_SHARED") else {
        #[allow(clippy::print_stdout, reason = "a skipped test must say so")]
        {
            println!("skipped: DEEPINSIDE_SHARED does not name the folder with the oracles");
        }
        return None;
    };
    Some(Path::new(&shared).join(name))
}
