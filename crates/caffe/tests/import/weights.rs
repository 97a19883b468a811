//! Which weights layers get.

use crate::common::{blob, fixture, import_folder, import_text, weights, with_input};
use deepinside_caffe::{ImportOptions, import, read_weights};

/// All constants of a graph by name.
fn constants(imported: &deepinside_caffe::Imported) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let values = imported.graph.values().iter();
    values
        .filter_map(|value| {
            let weights = value.weights()?;
            Some((value.name.clone(), weights.shape().extents().to_vec(), weights.to_vec()))
        })
        .collect()
}

#[test]
fn every_form_of_one_weight_file_gives_the_same_constants() {
    let folder = fixture("legacy_v1");
    let expected = constants(&import_folder(&folder));
    assert_eq!(expected.len(), 9);
    assert_eq!((expected[0].0.as_str(), &expected[0].1[..]), ("conv1@weights", &[4, 3, 3, 3][..]));
    assert_eq!((expected[6].0.as_str(), &expected[6].1[..]), ("fc6@bias", &[12][..]));
    let network = crate::common::network(&std::fs::read_to_string(folder.join("model.prototxt")).unwrap());
    for file in [
        "weights_double_data.caffemodel",
        "weights_shape_field.caffemodel",
        "weights_with_diff.caffemodel",
        "upgraded.caffemodel",
        #[cfg(feature = "hdf5")]
        "weights.caffemodel.h5",
    ] {
        let weights = read_weights(folder.join(file)).unwrap();
        let imported = import(&network, Some(&weights), &ImportOptions::default()).unwrap();
        assert_eq!(constants(&imported), expected, "{file}");
    }
}

/// Zeros that took 4 GB were written out before anything was counted.
#[test]
fn weights_that_no_file_holds_take_no_memory() {
    let text = with_input(
        &[1, 3, 8, 8],
        r#"layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" inner_product_param { num_output: 1000000 } }"#,
    );
    let options = ImportOptions { without_weights: true, ..ImportOptions::default() };
    let imported = import(&crate::common::network(&text), None, &options).unwrap();
    let weights: Vec<_> = imported.graph.values().iter().filter_map(|value| value.weights()).collect();
    assert!(weights.len() == 2 && weights.iter().all(|own| own.is_one_number()));
}

#[test]
fn layers_that_share_weights_read_one_value() {
    let imported = import_folder(&fixture("conv_shared_params"));
    let nodes: Vec<_> = imported.graph.nodes().iter().filter(|node| node.name.starts_with('c')).collect();
    assert_eq!(nodes[0].inputs[1..], nodes[1].inputs[1..]);
    assert_eq!(nodes[0].inputs.len(), 3);
    let names: Vec<String> = constants(&imported).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["c1@weights", "c1@bias"]);
}

#[test]
fn of_shared_weights_the_last_in_the_file_count() {
    let text = with_input(
        &[1, 1],
        "layer { name: 'a' type: 'InnerProduct' bottom: 'data' top: 'a' param { name: 'w' }
           inner_product_param { num_output: 1 bias_term: false } }
         layer { name: 'b' type: 'InnerProduct' bottom: 'a' top: 'b' param { name: 'w' }
           inner_product_param { num_output: 1 bias_term: false } }",
    );
    let mut file = weights(&[("b", &[&[1, 1]]), ("a", &[&[1, 1]])]);
    file.layers[0].blobs[0] = blob(&[1, 1], &[2.0]);
    file.layers[1].blobs[0] = blob(&[1, 1], &[3.0]);
    let imported = import_text(&text, Some(&file)).unwrap();
    assert_eq!(constants(&imported), [("a@weights".to_owned(), vec![1, 1], vec![3.0])]);
    // One of them suffices.
    file.layers.truncate(1);
    let imported = import_text(&text, Some(&file)).unwrap();
    assert_eq!(constants(&imported)[0].2, [2.0]);
}

#[test]
fn layers_of_the_file_that_the_network_lacks_are_noted() {
    let text = with_input(&[1, 2], "layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'y' }");
    let file = weights(&[("fc8", &[&[1, 1]]), ("r", &[]), ("data", &[]), ("gone", &[])]);
    assert_eq!(import_text(&text, Some(&file)).unwrap().unused_weights, ["fc8"]);
}

#[test]
fn weights_stay_in_the_mapped_file() {
    let folder = fixture("mini_squeezenet");
    let network = crate::common::network(&std::fs::read_to_string(folder.join("model.prototxt")).unwrap());
    let file = read_weights(folder.join("weights.caffemodel")).unwrap();
    let mapped = file.file.clone().unwrap();
    let count = std::sync::Arc::strong_count(&mapped);
    let imported = import(&network, Some(&file), &ImportOptions::default()).unwrap();
    // Each constant holds the file beside its slice of it.
    let constants = constants(&imported).len();
    assert!(constants >= 10);
    assert!(std::sync::Arc::strong_count(&mapped) >= count + constants);
}
