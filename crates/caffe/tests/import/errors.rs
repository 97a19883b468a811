//! What users are told when something is wrong: the layer, its type, its line, what was expected and what was
//! found.

use crate::common::{import_text, network, weights, with_input};
use deepinside_caffe::{ImportOptions, WeightFile, import};

struct Case {
    what: &'static str,
    input: &'static [usize],
    layers: &'static str,
    message: &'static str,
}

const CASES: &[Case] = &[
    Case {
        what: "a type that is misspelt",
        input: &[1, 2],
        layers: "\nlayer { name: 'r' type: 'Relu' bottom: 'data' top: 'y' }",
        message: "layer 'r' (Relu, line 3): layers of this type are not supported; did you mean 'ReLU'?",
    },
    Case {
        what: "a type that is unknown",
        input: &[1, 2],
        layers: "layer { name: 'r' type: 'LSTM' bottom: 'data' top: 'y' }",
        message: "layer 'r' (LSTM, line 2): layers of this type are not supported",
    },
    Case {
        what: "stochastic pooling",
        input: &[1, 2, 4, 4],
        layers: "layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'y' pooling_param { pool: STOCHASTIC kernel_size: 2 } }",
        message: "layer 'p' (Pooling, line 2): stochastic pooling (pool: STOCHASTIC) is not supported; MAX and AVE are",
    },
    Case {
        what: "two layers that write one blob",
        input: &[1, 2],
        layers: "layer { name: 'a' type: 'ReLU' bottom: 'data' top: 'x' } layer { name: 'b' type: 'TanH' bottom: 'x' top: 'y' }
                 layer { name: 'c' type: 'ReLU' bottom: 'y' top: 'x' }",
        message: "layer 'c' (ReLU, line 3): it writes blob 'x', which layer 'a' writes already; give it a name of its own \
                  (an in-place layer must be the only reader of the blob, and name it at the same place among inputs and \
                  outputs)",
    },
    Case {
        what: "an in-place layer beside another reader",
        input: &[1, 2],
        layers: "layer { name: 'a' type: 'TanH' bottom: 'data' top: 'x' } layer { name: 'b' type: 'TanH' bottom: 'x' top: 'y' }
                 layer { name: 'c' type: 'ReLU' bottom: 'x' top: 'x' }",
        message: "layer 'c' (ReLU, line 3): it writes blob 'x', which layer 'a' writes already; give it a name of its own \
                  (an in-place layer must be the only reader of the blob, and name it at the same place among inputs and \
                  outputs)",
    },
    Case {
        what: "a layer that cannot work in place",
        input: &[1, 2, 4, 4],
        layers: "layer { name: 'p' type: 'LRN' bottom: 'data' top: 'data' }",
        message: "layer 'p' (LRN, line 2): it overwrites its own input 'data', which layers of this type cannot do (Caffe \
                  computes wrong values); give its output a name of its own",
    },
    Case {
        what: "a sum in place",
        input: &[1, 2],
        layers: "layer { name: 't' type: 'TanH' bottom: 'data' top: 't' } layer { name: 'u' type: 'TanH' bottom: 't' top: 'u' }
                 layer { name: 'v' type: 'Slice' bottom: 'u' top: 'v' top: 'w' slice_param { axis: 1 } }
                 layer { name: 'e' type: 'Eltwise' bottom: 'v' bottom: 'w' top: 'v' }",
        message: "layer 'e' (Eltwise, line 4): a sum that overwrites its own input 'v': Caffe clears the output before it \
                  adds, and so loses that input; give its output a name of its own",
    },
    Case {
        what: "an axis that does not exist",
        input: &[1, 2],
        layers: "layer { name: 's' type: 'Softmax' bottom: 'data' top: 'y' softmax_param { axis: -3 } }",
        message: "layer 's' (Softmax, line 2): axis: expected an axis of an input with 2 axes, found -3",
    },
    Case {
        what: "unequal shapes that NumPy would broadcast",
        input: &[1, 2],
        layers: "layer { name: 'f' type: 'Reshape' bottom: 'data' top: 'f' reshape_param { shape { dim: 2 dim: 1 } } }
                 layer { name: 'e' type: 'Eltwise' bottom: 'data' bottom: 'f' top: 'y' }",
        message: "layer 'e' (Eltwise, line 3): input 'f': expected 1×2, found 2×1",
    },
    Case {
        what: "a window larger than the input",
        input: &[1, 2, 4, 4],
        layers: "layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'y' pooling_param { kernel_size: 7 } }",
        message: "layer 'p' (Pooling, line 2): pooling window: expected at most the input's 4 with padding 0 on both sides, \
                  found 7 with stride 1",
    },
    Case {
        what: "padding as large as the window",
        input: &[1, 2, 4, 4],
        layers: "layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'y' pooling_param { kernel_size: 2 pad: 2 } }",
        message: "layer 'p' (Pooling, line 2): padding along spatial axis 0: expected less than the window's 2, found 2",
    },
    Case {
        what: "a reshape that does not come out even",
        input: &[1, 5],
        layers: "layer { name: 'r' type: 'Reshape' bottom: 'data' top: 'y' reshape_param { shape { dim: -1 dim: 2 } } }",
        message: "layer 'r' (Reshape, line 2): shape: expected a divisor of 5 elements, found 2",
    },
    Case {
        what: "a crop outside of the input",
        input: &[1, 2, 4, 4],
        layers: "layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'p' pooling_param { kernel_size: 2 } }
                 layer { name: 'c' type: 'Crop' bottom: 'data' bottom: 'p' top: 'y' crop_param { offset: 0 offset: 2 } }",
        message: "layer 'c' (Crop, line 3): crop of axis 3: expected a range within the input's 4, found 3 elements from 2 on",
    },
    Case {
        what: "slice points that do not increase",
        input: &[1, 5],
        layers: "layer { name: 's' type: 'Slice' bottom: 'data' top: 'a' top: 'b' top: 'c' slice_param { slice_point: 3 slice_point: 3 } }",
        message: "layer 's' (Slice, line 2): slice_point: expected increasing numbers between 0 and the axis' extent 5, \
                  found [3, 3]",
    },
    Case {
        what: "a missing second input",
        input: &[1, 5],
        layers: "layer { name: 'c' type: 'Crop' bottom: 'data' top: 'y' }",
        message: "layer 'c' (Crop, line 2): number of inputs: expected 2, found 1",
    },
    Case {
        what: "an input without elements",
        input: &[1, 0, 5],
        layers: "",
        message: "layer 'data' (Input, line 1): extent of axis 1 of the input 'data': expected at least 1, found 0 in 1×0×5",
    },
    Case {
        what: "an input that no memory can hold",
        input: &[100_000, 100_000, 100_000],
        layers: "",
        message: "layer 'data' (Input, line 1): number of elements: expected at most 2147483647, found a shape of \
                  100000×100000×100000",
    },
    Case {
        what: "a repetition that no memory can hold",
        input: &[1, 5],
        layers: "layer { name: 't' type: 'Tile' bottom: 'data' top: 'y' tile_param { tiles: 2000000000 } }",
        message: "layer 't' (Tile, line 2): number of elements: expected at most 2147483647, found a shape of 1×10000000000",
    },
];

#[test]
fn each_says_where_and_what() {
    let mut wrong = Vec::new();
    for Case { what, input, layers, message } in CASES {
        let found = match import_text(&with_input(input, layers), None) {
            Ok(_) => "no error".to_owned(),
            Err(error) => error.to_string(),
        };
        if found != *message {
            wrong.push(format!("{what}:\n  expected {message}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_error_knows_the_place_in_the_text() {
    let text = with_input(&[1, 2], "  layer { name: 'r' type: 'Relu' bottom: 'data' top: 'y' }");
    let error = import_text(&text, None).unwrap_err();
    let place = error.place().unwrap();
    assert_eq!((place.layer.as_str(), place.kind.as_str()), ("r", "Relu"));
    assert_eq!((place.location.line, place.location.column), (2, 3));
}

const TWO_LAYERS: &str = "
    layer { name: 'conv1' type: 'Convolution' bottom: 'data' top: 'c' convolution_param { num_output: 4 kernel_size: 3 } }
    layer { name: 'fc' type: 'InnerProduct' bottom: 'c' top: 'y' inner_product_param { num_output: 5 } }";

/// What an import of the two layers with these weights says.
fn with_weights(weights: Option<&WeightFile>) -> String {
    import_text(&with_input(&[1, 3, 3, 3], TWO_LAYERS), weights)
        .map_or_else(|error| error.to_string(), |_| "fine".to_owned())
}

#[test]
fn weights_that_do_not_fit() {
    let conv: (&str, &[&[usize]]) = ("conv1", &[&[4, 3, 3, 3], &[4]]);
    let fc: (&str, &[&[usize]]) = ("fc", &[&[5, 4], &[5]]);
    assert_eq!(with_weights(Some(&weights(&[conv, fc]))), "fine");
    assert_eq!(
        with_weights(None),
        "2 layers need trained weights, the first is 'conv1'; pass the .caffemodel file with --weights"
    );
    assert_eq!(
        with_weights(Some(&weights(&[("conv_1", conv.1), ("x", fc.1)]))),
        "the weight file has no weights for layer 'conv1' (Convolution, line 3) (it has 'conv_1'), layer 'fc' \
         (InnerProduct, line 4); it belongs to another network, or layers were renamed"
    );
    assert_eq!(
        with_weights(Some(&weights(&[conv, ("fc", &[&[5, 4]])]))),
        "layer 'fc' (InnerProduct, line 4): it uses 2 arrays of weights, the weight file has 1"
    );
    assert_eq!(
        with_weights(Some(&weights(&[conv, ("fc", &[&[5, 6], &[5]])]))),
        "layer 'fc' (InnerProduct, line 4): its weights must have the shape 5×4, the weight file has 5×6"
    );
    assert_eq!(
        with_weights(Some(&weights(&[("conv1", &[&[4, 3, 3, 3], &[1, 4]]), fc]))),
        "layer 'conv1' (Convolution, line 3): its bias must have the shape 4, the weight file has 1×4"
    );
}

#[test]
fn shared_weights_of_unequal_shape() {
    let text = |mode: &str| {
        with_input(
            &[1, 2, 3],
            &format!(
                "layer {{ name: 'a' type: 'InnerProduct' bottom: 'data' top: 'a' param {{ name: 'w' }}
                   inner_product_param {{ num_output: 2 bias_term: false }} }}
                 layer {{ name: 'b' type: 'InnerProduct' bottom: 'data' top: 'b' param {{ name: 'w' {mode} }}
                   inner_product_param {{ num_output: 4 axis: 2 bias_term: false }} }}"
            ),
        )
    };
    let weights = weights(&[("a", &[&[2, 6]])]);
    assert_eq!(
        import_text(&text(""), Some(&weights)).unwrap_err().to_string(),
        "layer 'b' (InnerProduct, line 4): shape of its weights, which it shares with layer 'a' by the name 'w': \
         expected 4×3, found 2×6"
    );
    // Caffe asks only for as many elements then.
    import_text(&text("share_mode: PERMISSIVE"), Some(&weights)).unwrap();
}

#[test]
fn an_unknown_input_is_named_with_those_that_there_are() {
    let mut options = ImportOptions::default();
    options.input_shapes.insert("dta".to_owned(), vec![1, 2]);
    let network = network(&with_input(&[1, 2], ""));
    let error = import(&network, None, &options).unwrap_err();
    assert_eq!(error.to_string(), "the network has no input 'dta'; it has data");
}

#[test]
fn a_blob_that_no_layer_writes() {
    let text = with_input(&[1, 2], "layer { name: 'r' type: 'ReLU' bottom: 'dat' top: 'y' }");
    let options = deepinside_caffe::ReadOptions { insert_splits: false, ..Default::default() };
    let network = deepinside_caffe::read_network(text.as_bytes(), &options).unwrap();
    let error = import(&network, None, &ImportOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "layer 'r' (ReLU, line 2): no earlier layer writes its input 'dat'; did you mean 'data'?"
    );
}
