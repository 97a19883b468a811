//! The names of values.

use crate::common::{fixture, import_folder, imported, value_names, with_input};

#[test]
fn a_chain_of_in_place_layers_leaves_the_name_to_the_last_value() {
    let imported = import_folder(&fixture("mini_resnet"));
    assert_eq!(
        value_names(&imported)[..7],
        [
            "data",
            "res1@before:bn1",
            "res1@before:scale1",
            "res1@product",
            "res1@before:res1_relu",
            "res1",
            "pool1",
        ]
    );
    let constants = ["res1@weights", "bn1@mean", "bn1@variance", "scale1@scale", "scale1@bias"];
    for constant in constants {
        assert!(imported.graph.find(constant).is_some(), "{constant}");
    }
    let layer = &imported.layers[1];
    assert_eq!((layer.name.as_str(), layer.kind.as_str(), layer.location.line), ("res1", "Convolution", 4));
    assert_eq!(layer.values, [imported.graph.find("res1@before:bn1").unwrap()]);
    assert_eq!(imported.layers[4].values, [imported.graph.find("res1").unwrap()]);
}

#[test]
fn made_up_names_give_way_to_names_of_the_file() {
    let imported = imported(&with_input(
        &[1, 2],
        "layer { name: 't' type: 'TanH' bottom: 'data' top: 'y@before:r' }
         layer { name: 'u' type: 'TanH' bottom: 'y@before:r' top: 'y' }
         layer { name: 'r' type: 'ReLU' bottom: 'y' top: 'y' }
         layer { name: 'r' type: 'ReLU' bottom: 'y' top: 'y' }",
    ));
    assert_eq!(value_names(&imported), ["data", "y@before:r", "y@before:r#2", "y@before:r#3", "y"]);
}

#[test]
fn an_unusual_name_is_kept_to_the_letter() {
    let imported = import_folder(&fixture("prototxt_syntax"));
    assert_eq!(value_names(&imported), ["data", "c", "p/x@before:unicode é", "p/x"]);
    assert_eq!(imported.graph.name(), "syntax_joined");
}
