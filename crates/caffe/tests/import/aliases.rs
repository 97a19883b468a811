//! What Caffe's names show where layers share memory, worked out by hand from what Caffe's layers do with it.

use crate::common::{fixture, import_folder, imported, name, with_input};
use deepinside_caffe::{BlobGradient, Imported};

/// For each blob its name, the value whose data and the value whose gradient it shows.
fn view(imported: &Imported) -> Vec<[&str; 3]> {
    let entries = imported.blobs.entries().iter();
    entries
        .map(|blob| {
            let gradient = match blob.gradient {
                BlobGradient::Value(value) => name(imported, value),
                BlobGradient::Zero => "0",
            };
            [blob.name.as_str(), name(imported, blob.data), gradient]
        })
        .collect()
}

const DATA: [&str; 3] = ["data", "data", "data"];

#[test]
fn in_place_after_flatten_reshape_or_a_single_concat_rewrites_the_blob_before() {
    for (case, layer) in
        [("flatten_alias_inplace", "r"), ("reshape_alias_inplace", "r"), ("concat_single", "r")]
    {
        let imported = import_folder(&fixture(case));
        let last = view(&imported).into_iter().filter(|blob| blob[0] != "y").collect::<Vec<_>>();
        assert_eq!(last, [DATA, ["c", "f", "c"], ["f", "f", "c"]], "{case}");
        assert!(imported.graph.find(&format!("f@before:{layer}")).is_some(), "{case}");
    }
}

#[test]
fn in_place_after_a_slice_into_one_output() {
    let imported = imported(&with_input(
        &[1, 4],
        "layer { name: 's' type: 'Slice' bottom: 'data' top: 's' }
         layer { name: 'r' type: 'ReLU' bottom: 's' top: 's' }",
    ));
    assert_eq!(view(&imported), [["data", "s", "data"], ["s", "s", "data"]]);
}

#[test]
fn two_flattens_in_a_row_and_in_place_layers_before_and_behind() {
    let imported = imported(&with_input(
        &[1, 2, 3],
        "layer { name: 'a' type: 'TanH' bottom: 'data' top: 'a' }
         layer { name: 'a1' type: 'ReLU' bottom: 'a' top: 'a' }
         layer { name: 'f' type: 'Flatten' bottom: 'a' top: 'f' }
         layer { name: 'f1' type: 'Sigmoid' bottom: 'f' top: 'f' }
         layer { name: 'g' type: 'Flatten' bottom: 'f' top: 'g' }
         layer { name: 'g1' type: 'ReLU' bottom: 'g' top: 'g' }",
    ));
    assert_eq!(
        view(&imported),
        [DATA, ["a", "g", "a@before:a1"], ["f", "g", "a@before:a1"], ["g", "g", "a@before:a1"],]
    );
}

#[test]
fn dropout_copies_unless_it_is_in_place() {
    let imported = imported(&with_input(
        &[1, 2],
        "layer { name: 'd' type: 'Dropout' bottom: 'data' top: 'd' }
         layer { name: 'r' type: 'ReLU' bottom: 'd' top: 'd' }
         layer { name: 'e' type: 'Dropout' bottom: 'd' top: 'd' }",
    ));
    assert_eq!(view(&imported), [DATA, ["d", "d", "d@before:r"]]);
}

#[test]
fn copies_of_a_split_have_gradients_of_their_own() {
    let imported = import_folder(&fixture("split_implicit"));
    let copies = ["r_r_0_split_0", "r_r_0_split_1", "r_r_0_split_2"];
    let expected: Vec<[&str; 3]> =
        ["data", "r"].into_iter().chain(copies).chain(["c1", "c2", "y"]).map(|name| [name; 3]).collect();
    assert_eq!(view(&imported), expected);
}

#[test]
fn an_in_place_layer_on_one_copy_of_a_split_rewrites_all_of_them() {
    let imported = imported(&with_input(
        &[1, 2],
        "layer { name: 's' type: 'Split' bottom: 'data' top: 'a' top: 'b' }
         layer { name: 'early' type: 'TanH' bottom: 'b' top: 'early' }
         layer { name: 'r' type: 'ReLU' bottom: 'a' top: 'a' }
         layer { name: 'late' type: 'TanH' bottom: 'a' top: 'late' }",
    ));
    assert_eq!(
        view(&imported),
        [
            ["data", "a", "data"],
            ["a", "a", "a@before:r"],
            ["b", "a", "b"],
            ["early", "early", "early"],
            ["late", "late", "late"],
        ]
    );
    let operand = |layer: &str| {
        let node = imported.graph.nodes().iter().find(|node| node.name == layer).unwrap();
        name(&imported, node.inputs[0])
    };
    // The layer that stands before the in-place one reads what was there before it.
    assert_eq!((operand("early"), operand("late")), ("b", "a"));
    assert_eq!(imported.warnings, []);
}

#[test]
fn a_layer_that_reads_overwritten_memory_computes_with_what_is_there() {
    let imported = imported(&with_input(
        &[1, 2, 3],
        "layer { name: 's' type: 'Split' bottom: 'data' top: 'a' top: 'b' top: 'c' }
         layer { name: 'f' type: 'Flatten' bottom: 'a' top: 'f' }
         layer { name: 'r' type: 'ReLU' bottom: 'f' top: 'f' }
         layer { name: 'late' type: 'TanH' bottom: 'b' top: 'late' }
         layer { name: 'over' type: 'Sigmoid' bottom: 'c' top: 'c' }",
    ));
    assert_eq!(
        view(&imported),
        [
            ["data", "c", "data"],
            ["a", "c", "a"],
            ["b", "c", "b"],
            ["c", "c", "c@before:over"],
            ["f", "c", "a"],
            ["late", "late", "late"],
        ]
    );
    let node = |layer: &str| imported.graph.nodes().iter().rfind(|node| node.name == layer).unwrap();
    let read = imported.graph.value(node("late").inputs[0]);
    assert_eq!((read.name.as_str(), read.shape.extents()), ("b@after:r", &[1, 2, 3][..]));
    assert_eq!(name(&imported, node("over").inputs[0]), "c@after:r");
    let lines: Vec<usize> = imported.warnings.iter().map(|warning| warning.line).collect();
    assert_eq!(lines, [5, 6]);
    assert!(imported.warnings[0].message.contains("'r' has overwritten the memory of its input 'b'"));
}

#[test]
fn silence_leaves_a_zero_gradient() {
    let imported = import_folder(&fixture("silence_and_unused"));
    assert_eq!(view(&imported)[3..], [["c", "c", "c"], ["c2", "c2", "0"]]);
    let outputs = imported.graph.outputs();
    assert_eq!(outputs.iter().map(|value| name(&imported, *value)).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn an_input_may_be_overwritten() {
    let imported =
        imported(&with_input(&[1, 2], "layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'data' }"));
    assert_eq!(view(&imported), [["data", "data", "data@before:r"]]);
    assert_eq!(imported.inputs[0].name, "data");
    assert_eq!(imported.inputs[0].value, imported.graph.inputs()[0]);
    assert_eq!(name(&imported, imported.inputs[0].value), "data@before:r");
}

#[test]
fn without_split_layers_a_flattened_blob_with_other_readers_keeps_its_gradient() {
    let text = with_input(
        &[1, 2, 3],
        "layer { name: 'a' type: 'TanH' bottom: 'data' top: 'a' }
         layer { name: 'f' type: 'Flatten' bottom: 'a' top: 'f' }
         layer { name: 'b' type: 'TanH' bottom: 'a' top: 'b' }",
    );
    let options = deepinside_caffe::ReadOptions { insert_splits: false, ..Default::default() };
    let network = deepinside_caffe::read_network(text.as_bytes(), &options).unwrap();
    let imported = deepinside_caffe::import(&network, None, &Default::default()).unwrap();
    assert_eq!(view(&imported), [DATA, ["a"; 3], ["f"; 3], ["b"; 3]]);
}
