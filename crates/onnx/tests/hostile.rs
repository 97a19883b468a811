//! Files that are damaged or made to harm: a typed error each, no panic, no memory beyond the file's own measure.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use deepinside_onnx::{ImportOptions, Model, OnnxError, import};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/tests/fixtures/onnx").join(name)
}

fn read(bytes: &[u8]) -> Result<(), OnnxError> {
    let model = Model::from_bytes(Bytes::copy_from_slice(bytes))?;
    import(&model, &ImportOptions::default()).map(drop)
}

/// A field of a message: its number and content.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = varint(u64::from(number) << 3 | 2);
    bytes.extend(varint(content.len() as u64));
    bytes.extend(content);
    bytes
}

fn number(field: u8, value: u64) -> Vec<u8> {
    [varint(u64::from(field) << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn node(operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut content: Vec<u8> = inputs.iter().flat_map(|name| field(1, name.as_bytes())).collect();
    content.extend(outputs.iter().flat_map(|name| field(2, name.as_bytes())));
    content.extend(field(4, operator.as_bytes()));
    content.extend(attributes.iter().flat_map(|attribute| field(5, attribute)));
    field(1, &content)
}

fn tensor(name: &str, dims: &[u64], data_type: u64, raw: &[u8]) -> Vec<u8> {
    let mut content: Vec<u8> = dims.iter().flat_map(|&extent| number(1, extent)).collect();
    content.extend([number(2, data_type), field(8, name.as_bytes()), field(9, raw)].concat());
    content
}

fn ints(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A model with an input `x` of 1×2, these parts of a graph, and the output `y`.
fn model(parts: &[Vec<u8>]) -> Vec<u8> {
    let dimensions: Vec<u8> = [1, 2].iter().flat_map(|&extent| field(1, &number(1, extent))).collect();
    let shape = [number(1, 1), field(2, &dimensions)].concat();
    let value = |name: &str| [field(1, name.as_bytes()), field(2, &field(1, &shape))].concat();
    let mut graph = parts.concat();
    graph.extend([field(11, &value("x")), field(12, &value("y"))].concat());
    [number(1, 8), field(8, &number(2, 17)), field(7, &graph)].concat()
}

#[track_caller]
fn refused(parts: &[Vec<u8>], expected: &[&str]) {
    let message = read(&model(parts)).expect_err("must be refused").to_string();
    for part in expected {
        assert!(message.contains(part), "'{message}' does not say '{part}'");
    }
}

#[test]
fn the_smallest_model_is_read() {
    read(&model(&[node("Relu", &["x"], &["y"], &[])])).unwrap();
}

#[test]
fn cycles_and_names_that_no_node_makes() {
    refused(
        &[
            node("Add", &["x", "b"], &["a"], &[]),
            node("Relu", &["a"], &["b"], &[]),
            node("Relu", &["b"], &["y"], &[]),
        ],
        &["'a' (Add)", "'b' (Relu)", "in a circle", "without cycles"],
    );
    refused(&[node("Relu", &["z"], &["y"], &[])], &["'z'", "no node, input or initialiser"]);
    refused(&[node("Relu", &["y"], &["y"], &[])], &["'y' (Relu) reads its own result"]);
    refused(&[node("Relu", &["x"], &["z"], &[])], &["output 'y'", "no node makes it"]);
}

#[test]
fn nodes_out_of_order_are_sorted() {
    // As the conversion to half precision leaves them: its casts stand at the end.
    read(&model(&[
        node("Relu", &["a"], &["b"], &[]),
        node("Neg", &["b"], &["y"], &[]),
        node("Exp", &["x"], &["a"], &[]),
    ]))
    .unwrap();
}

#[test]
fn what_indices_and_depths_ask_for_is_bounded() {
    let scalar = |name: &str, number: i64| field(5, &tensor(name, &[], 7, &ints(&[number])));
    let both = || field(5, &tensor("v", &[2], 7, &ints(&[0, 1])));
    for depth in [-1, 0, 1 << 40] {
        let parts = [scalar("d", depth), both(), node("OneHot", &["x", "d", "v"], &["y"], &[])];
        refused(&parts, &["'y' (OneHot)", "depth"]);
    }
    let wide = field(5, &tensor("s", &[2], 7, &ints(&[1 << 20, 1 << 20])));
    let parts = [wide.clone(), node("ConstantOfShape", &["s"], &["y"], &[])];
    refused(&parts, &["'y' (ConstantOfShape)"]);
    let indices = |numbers: &[i64]| field(5, &tensor("i", &[1, 2], 7, &ints(numbers)));
    refused(
        &[indices(&[0, 7]), node("GatherElements", &["x", "i"], &["y"], &[])],
        &["'y'", "index", "found 7"],
    );
    refused(&[indices(&[0, -3]), node("GatherND", &["x", "i"], &["y"], &[])], &["'y'", "index", "found -3"]);
    let parts = [indices(&[5, 0]), node("ScatterElements", &["x", "i", "x"], &["y"], &[])];
    refused(&parts, &["'y'", "index", "found 5"]);
}

#[test]
fn names_made_twice() {
    let relu = || node("Relu", &["x"], &["y"], &[]);
    refused(&[relu(), relu()], &["'y'", "twice"]);
    refused(&[node("Relu", &["x"], &["x"], &[]), node("Relu", &["x"], &["y"], &[])], &["'x'", "twice"]);
    let weight = field(5, &tensor("w", &[1], 1, &1f32.to_le_bytes()));
    refused(&[weight.clone(), weight, relu()], &["'w'", "twice"]);
}

#[test]
fn extents_that_are_negative_or_overflow() {
    let weight = |dims: &[u64]| field(5, &tensor("w", dims, 1, &[]));
    let add = node("Add", &["x", "w"], &["y"], &[]);
    refused(&[weight(&[u64::MAX]), add.clone()], &["'w'", "extents of 0 or more"]);
    refused(&[weight(&[1 << 40, 1 << 40]), add.clone()], &["'w'", "at most 2147483647"]);
    refused(&[weight(&[1 << 30, 0, 1 << 30]), add], &["'w'", "at most 2147483647"]);
}

#[test]
fn data_of_another_length_than_their_shape() {
    let add = node("Add", &["x", "w"], &["y"], &[]);
    refused(&[field(5, &tensor("w", &[2], 1, &[0; 4])), add.clone()], &["'w'", "expected 8, found 4"]);
    refused(&[field(5, &tensor("w", &[2], 1, &[])), add.clone()], &["'w'", "expected 2, found 0"]);
    refused(&[field(5, &tensor("w", &[2], 99, &[0; 8])), add], &["'w'", "data type 99"]);
}

#[test]
fn what_would_be_enormous_is_never_made() {
    let shape = |extents: &[i64]| field(5, &tensor("s", &[extents.len() as u64], 7, &ints(extents)));
    refused(
        &[
            shape(&[50_000, 50_000]),
            node("ConstantOfShape", &["s"], &["c"], &[]),
            node("Add", &["x", "c"], &["y"], &[]),
        ],
        &["'c' (ConstantOfShape)", "at most"],
    );
    refused(
        &[
            shape(&[1 << 20, 1 << 10]),
            node("ConstantOfShape", &["s"], &["c"], &[]),
            node("Reshape", &["x", "c"], &["y"], &[]),
        ],
        &["'y' (Reshape)", "elements"],
    );
    refused(&[shape(&[1 << 40, 1]), node("Expand", &["x", "s"], &["y"], &[])], &["Expand"]);
    refused(&[shape(&[1, 1 << 40]), node("Tile", &["x", "s"], &["y"], &[])], &["Tile"]);
    refused(
        &[shape(&[0, 0, 1 << 40, 1 << 40]), node("Pad", &["x", "s"], &["y"], &[])],
        &["Pad", "small numbers"],
    );
    // The lowest number has no positive counterpart.
    refused(&[shape(&[0, 0, i64::MIN, 0]), node("Pad", &["x", "s"], &["y"], &[])], &["Pad", "small numbers"]);
    let scales = field(5, &tensor("s", &[2], 1, &[1f32, 1e6].map(f32::to_le_bytes).concat()));
    refused(
        &[scales, node("Resize", &["x", "", "s"], &["y"], &[])],
        &["Resize", "resized extent", "at most 65536"],
    );
    let half = field(5, &tensor("n", &[], 1, &1e-30f32.to_le_bytes()));
    let zero = field(5, &tensor("z", &[], 1, &0f32.to_le_bytes()));
    let one = field(5, &tensor("o", &[], 1, &1f32.to_le_bytes()));
    refused(
        &[
            half,
            zero,
            one,
            node("Range", &["z", "o", "n"], &["r"], &[]),
            node("Add", &["x", "r"], &["y"], &[]),
        ],
        &["Range", "at most 16 Mi"],
    );
}

/// `0, 1, …` as `r` of 4 Mi numbers: 32 MB in double precision.
fn range() -> Vec<Vec<u8>> {
    let scalar = |name: &str, value: f32| field(5, &tensor(name, &[], 1, &value.to_le_bytes()));
    let count = (1 << 22) as f32;
    vec![
        scalar("zero", 0.0),
        scalar("one", 1.0),
        scalar("count", count),
        node("Range", &["zero", "count", "one"], &["r"], &[]),
    ]
}

/// Adds what is left of a constant to the input.
fn added(constant: &str) -> Vec<Vec<u8>> {
    vec![node("ReduceSum", &[constant], &["sum"], &[]), node("Add", &["x", "sum"], &["y"], &[])]
}

#[test]
fn constants_that_are_too_many_together() {
    // Held at once, because the sum at the end reads them all.
    let mut parts = range();
    let names: Vec<String> = (0..200).map(|index| format!("n{index}")).collect();
    parts.extend(names.iter().map(|name| node("Neg", &["r"], &[name], &[])));
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    parts.push(node("Sum", &all, &["all"], &[]));
    refused(&[parts, added("all")].concat(), &["(Neg)", "268", "bytes at once", "onnxsim"]);
}

#[test]
fn constants_that_take_too_long_together() {
    let mut parts = range();
    let mut last = "r".to_owned();
    for index in 0..2000 {
        let name = format!("e{index}");
        parts.push(node("Exp", &[&last], &[&name], &[]));
        last = name;
    }
    refused(&[parts, added(&last)].concat(), &["(Exp)", "elements, the limit for a file of"]);
    let mut parts = range();
    let shape =
        |name: &str, extents: &[i64]| field(5, &tensor(name, &[extents.len() as u64], 7, &ints(extents)));
    parts.extend([shape("wide", &[2048, 2048]), shape("high", &[2048, 2048])]);
    parts.push(node("Reshape", &["r", "wide"], &["a"], &[]));
    parts.push(node("Reshape", &["r", "high"], &["b"], &[]));
    parts.push(node("MatMul", &["a", "b"], &["product"], &[]));
    refused(&[parts, added("product")].concat(), &["'product' (MatMul)", "multiplications"]);
}

#[test]
fn constants_are_freed_behind_their_last_reader() {
    // 32 MB each: nine of them would be too many.
    let mut parts = range();
    let mut last = "r".to_owned();
    for index in 0..10 {
        let name = format!("n{index}");
        parts.push(node("Neg", &[&last], &[&name], &[]));
        last = name;
    }
    // Nothing reads these.
    parts.extend((0..2).map(|index| node("Neg", &["r"], &[&format!("unread{index}")], &[])));
    read(&model(&[parts, added(&last)].concat())).unwrap();
}

/// One number many times is not written out: exporters of benchmarks write all weights of VGG-19 like this.
#[test]
fn large_constants_of_one_number_are_read() {
    let shape = field(5, &tensor("s", &[2], 7, &ints(&[2, 1 << 28])));
    let parts = [
        shape,
        node("ConstantOfShape", &["s"], &["c"], &[]),
        node("Exp", &["c"], &["e"], &[]),
        node("MatMul", &["x", "e"], &["p"], &[]),
        node("ReduceMax", &["p"], &["m"], &[]),
        node("Add", &["x", "m"], &["y"], &[]),
    ];
    read(&model(&parts)).unwrap();
}

/// The ones that LpPool sums with were made before the budget was asked: 190 bytes took 9 GB, or ended the process.
#[test]
fn constants_of_the_importer_are_counted_before_they_are_made() {
    for side in [8000, 60_000, 1 << 24] {
        let list = |name: &[u8], each: u64, count: usize| {
            [field(1, name), number(8, each).repeat(count), number(20, 7)].concat()
        };
        let parts = [
            field(5, &tensor("s", &[4], 7, &ints(&[1, 1, 1, 2]))),
            node("Reshape", &["x", "s"], &["r"], &[]),
            node("LpPool", &["r"], &["p"], &[list(b"kernel_shape", side, 2), list(b"pads", side / 2, 4)]),
            node("ReduceMax", &["p"], &["m"], &[]),
            node("Add", &["x", "m"], &["y"], &[]),
        ];
        let message = read(&model(&parts)).unwrap_err().to_string();
        assert!(message.contains("'p' (LpPool)"), "{side}: {message}");
        assert!(message.contains("at most") || message.contains("the limit for a file"), "{side}: {message}");
    }
}

#[test]
fn an_import_stops_when_it_is_asked_to() {
    let options = ImportOptions::default();
    options.interrupt.ask();
    let bytes = model(&[range(), added("r")].concat());
    let error = import(&Model::from_bytes(bytes.into()).unwrap(), &options).unwrap_err();
    assert!(error.to_string().contains("asked to stop"), "{error}");
}

#[test]
fn graphs_in_graphs_without_end() {
    // An If whose branch holds an If, and so on; each layer's lengths hold the layers below.
    let mut graph = node("Relu", &["x"], &["y"], &[]);
    for _ in 0..400 {
        let attribute = [field(1, b"then_branch"), field(6, &graph), number(20, 5)].concat();
        graph = node("If", &["c"], &["y"], &[attribute]);
    }
    let message = read(&model(&[graph])).unwrap_err().to_string();
    assert!(message.contains("nested too deeply"), "{message}");
}

#[test]
fn external_data_stay_in_the_folder_of_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("model");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(folder.path().join("secret.bin"), [0; 8]).unwrap();
    std::fs::write(inner.join("short.bin"), [0; 4]).unwrap();
    let external = |location: &str, more: &[(&str, &str)]| {
        let entry = |key: &str, value: &str| {
            field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat())
        };
        let mut content = [number(1, 2), number(2, 1), field(8, b"w"), number(14, 1)].concat();
        content.extend(entry("location", location));
        more.iter().for_each(|(key, value)| content.extend(entry(key, value)));
        model(&[field(5, &content), node("Add", &["x", "w"], &["y"], &[])])
    };
    let refused = |bytes: &[u8], expected: &str| {
        let path = inner.join("model.onnx");
        std::fs::write(&path, bytes).unwrap();
        let result = Model::open(&path).and_then(|model| import(&model, &ImportOptions::default()).map(drop));
        let message = result.expect_err("must be refused").to_string();
        assert!(message.contains(expected), "'{message}' does not say '{expected}'");
    };
    let absolute = folder.path().join("secret.bin").to_string_lossy().into_owned();
    for location in ["../secret.bin", absolute.as_str(), "a/../../secret.bin", ""] {
        refused(&external(location, &[]), "no path inside");
    }
    std::fs::write(inner.join("lfs.bin"), "version https://git-lfs.github.com/spec/v1\n").unwrap();
    refused(&external("lfs.bin", &[("offset", "100")]), "git lfs pull");
    refused(&external("missing.bin", &[]), "cannot be read");
    refused(&external("short.bin", &[]), "has only 4 bytes");
    refused(&external("short.bin", &[("offset", "18446744073709551615")]), "has only 4 bytes");
    refused(&external("short.bin", &[("length", "4")]), "needs 8 bytes");
    refused(&external("short.bin", &[("offset", "-1")]), "is no number");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path().join("secret.bin"), inner.join("link.bin")).unwrap();
        refused(&external("link.bin", &[]), "leads out");
        // Hugging Face's cache: a folder of links to files that lie together elsewhere. They were refused.
        let [kept, shown] = ["kept", "shown"].map(|name| folder.path().join(name));
        std::fs::create_dir(&kept).unwrap();
        std::fs::create_dir(&shown).unwrap();
        std::fs::write(kept.join("aa"), external("model.onnx_data", &[])).unwrap();
        std::fs::write(kept.join("bb"), [0; 8]).unwrap();
        std::os::unix::fs::symlink("../kept/aa", shown.join("model.onnx")).unwrap();
        std::os::unix::fs::symlink("../kept/bb", shown.join("model.onnx_data")).unwrap();
        let read = || {
            Model::open(&shown.join("model.onnx"))
                .and_then(|model| import(&model, &ImportOptions::default()).map(drop))
        };
        read().unwrap();
        // Elsewhere is still elsewhere.
        std::fs::remove_file(shown.join("model.onnx_data")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret.bin"), shown.join("model.onnx_data")).unwrap();
        assert!(read().unwrap_err().to_string().contains("leads out"));
    }
}

#[test]
fn attributes_of_a_wrong_kind() {
    let kernel = |values: &[i64]| {
        let list: Vec<u8> = values.iter().flat_map(|&value| number(8, value as u64)).collect();
        [field(1, b"kernel_shape"), list, number(20, 7)].concat()
    };
    refused(&[node("MaxPool", &["x"], &["y"], &[kernel(&[3])])], &["MaxPool", "spatial axes"]);
    let text = [field(1, b"axis"), field(4, b"one"), number(20, 3)].concat();
    refused(&[node("Softmax", &["x"], &["y"], &[text])], &["attribute 'axis'", "a whole number", "a text"]);
    let axis = [field(1, b"axis"), number(3, 7), number(20, 2)].concat();
    refused(&[node("Softmax", &["x"], &["y"], &[axis])], &["axis", "-2 to 1", "found 7"]);
}

/// A short walk through cut and flipped files: nothing may panic, whatever they are read as.
#[test]
fn damaged_files_give_errors_or_other_networks() {
    let mut seed = 7u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for name in ["shape_arithmetic", "operator_set_7", "attention", "segmenter", "branch_and_constants"] {
        let bytes = std::fs::read(fixture(name).join("model.onnx")).unwrap();
        for _ in 0..300 {
            let mut damaged = bytes.clone();
            for _ in 0..=random(4) {
                let at = random(damaged.len());
                match random(3) {
                    0 => damaged[at] ^= 1 << random(8),
                    1 => damaged[at] = random(256) as u8,
                    _ => damaged.truncate(at.max(1)),
                }
            }
            let _ = read(&damaged);
        }
    }
}

#[test]
fn an_empty_file_and_text_are_no_models() {
    for bytes in [&b""[..], b"layer { name: 'conv1' }", &[0x08, 0x08], &[0xff; 64]] {
        assert!(matches!(read(bytes), Err(OnnxError::Malformed { .. })), "{bytes:?}");
    }
}

/// Each letter was looked for among all others, and the whole equation told.
#[test]
fn equations_without_end_are_refused_in_a_sentence() {
    let text = "a".repeat(100_000);
    let equation = [field(1, b"equation"), field(4, text.as_bytes()), number(20, 3)].concat();
    let parts = [node("Einsum", &["x"], &["y"], &[equation])];
    refused(&parts, &["an equation of 100000 characters"]);
    assert!(read(&model(&parts)).unwrap_err().to_string().len() < 300);
}

/// A model of a function that calls another twice, and so on, whose nodes have this name.
fn calls(depth: usize, name: &str) -> Vec<u8> {
    let call = |operator: &str, input: &str, output: &str| {
        let content =
            [field(1, input.as_bytes()), field(2, output.as_bytes()), field(3, name.as_bytes())].concat();
        let domain = if operator == "Relu" { "" } else { "f" };
        [content, field(4, operator.as_bytes()), field(7, domain.as_bytes())].concat()
    };
    let mut bytes = model(&[field(1, &call(&format!("f{depth}"), "x", "y"))]);
    bytes.extend(field(8, &[field(1, b"f"), number(2, 1)].concat()));
    for level in 0..=depth {
        let nodes = match level {
            0 => field(7, &call("Relu", "a", "b")),
            _ => {
                let inner = format!("f{}", level - 1);
                [field(7, &call(&inner, "a", "m")), field(7, &call(&inner, "m", "b"))].concat()
            }
        };
        let head = [field(1, format!("f{level}").as_bytes()), field(4, b"a"), field(5, b"b")].concat();
        let sets = [field(9, &number(2, 17)), field(9, &[field(1, b"f"), number(2, 1)].concat())].concat();
        bytes.extend(field(25, &[head, nodes, sets, field(10, b"f")].concat()));
    }
    bytes
}

/// The names of nodes are put in front of each other where functions are written out: 1 MB of them became 1.2 GB.
#[test]
fn names_of_functions_that_grow_are_bounded() {
    read(&calls(6, "n")).unwrap();
    let error = read(&calls(12, &"n".repeat(60_000))).unwrap_err().to_string();
    assert!(
        error.contains("written out, the model's functions are more than"),
        "{}",
        &error[error.len() - 200..]
    );
}

/// A hundred thousand axes were compared with each other.
#[test]
fn more_axes_than_there_are_take_no_time() {
    let axes: Vec<i64> = (0..1_000_000).collect();
    let many = |name: &str| field(5, &tensor(name, &[axes.len() as u64], 7, &ints(&axes)));
    refused(
        &[many("a"), node("Unsqueeze", &["x", "a"], &["y"], &[])],
        &["'y' (Unsqueeze)", "at most 32 axes"],
    );
    refused(&[many("a"), node("ReduceSum", &["x", "a"], &["y"], &[])], &["at most 2", "1000000"]);
}

#[test]
fn a_single_number_with_a_scale_for_each_position_is_refused() {
    let scales: Vec<u8> = [1f32, 2.0].iter().flat_map(|scale| scale.to_le_bytes()).collect();
    let parts = [
        field(5, &tensor("q", &[], 3, &[7])),
        field(5, &tensor("s", &[2], 1, &scales)),
        node("DequantizeLinear", &["q", "s"], &["y"], &[]),
    ];
    refused(&parts, &["'y' (DequantizeLinear)", "axis"]);
}
