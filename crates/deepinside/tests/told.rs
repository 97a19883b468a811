//! What is read of files beside and inside a network, against torchvision's numbers and the definitions of the formats.

use std::path::{Path, PathBuf};

use deepinside::files::npy;
use deepinside::vision::{Colour, Crop, Photograph, photograph};
use deepinside::{InputSettings, Model, Settings};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// A folder with a copy of a network and further files.
fn folder(network: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixture(network), folder.path().join("model.onnx")).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn open(folder: &Path, settings: Settings) -> Model {
    Model::open_with(folder.join("model.onnx"), settings).unwrap()
}

fn source<'a>(model: &'a Model, what: &str) -> &'a str {
    &model.assumptions.iter().find(|assumption| assumption.what == what).unwrap().source
}

const RESIDUAL: &str = "cli/tests/fixtures/onnx/residual/model.onnx";
const SIX_CLASSES: &str = "deepinside/tests/fixtures/scores/multi_label.onnx";

/// The upper left 51 × 77 pixels of a cat.
fn upper_left() -> Photograph {
    let cat = photograph::load(fixture("vision/tests/fixtures/chelsea_decoded.png"), Colour::Rgb).unwrap();
    let rows = cat.data().chunks_exact(cat.width() * 3).take(51);
    let levels = rows.flat_map(|row| &row[..77 * 3]).map(|value| (value * 255.0).round() as u8);
    Photograph::from_samples(51, 77, 3, levels.collect()).unwrap()
}

/// The same preparation in three programs' words: all give what torchvision gives, which was made with a resize to 37, a bicubic
/// filter and a centre crop.
#[test]
fn preparation_is_read_from_files_beside_the_network() {
    let picture = upper_left();
    let expected = npy::read(fixture("vision/tests/fixtures/pillow/input_51x77_bicubic.npy")).unwrap();
    let statistics = r#"[0.485, 0.456, 0.406], "#;
    let deviation = "[0.229, 0.224, 0.225]";
    let hugging_face = format!(
        r#"{{"do_resize": true, "size": {{"shortest_edge": 37}}, "resample": 3, "do_center_crop": true,
            "crop_size": {{"height": 32, "width": 32}}, "do_rescale": true, "rescale_factor": 0.00392156862745098,
            "do_normalize": true, "image_mean": {statistics} "image_std": {deviation}}}"#
    );
    let timm = format!(
        r#"{{"architecture": "resnet", "pretrained_cfg": {{"input_size": [3, 32, 32], "crop_pct": 0.8640,
            "interpolation": "bicubic", "mean": {statistics} "std": {deviation}}}}}"#
    );
    let torchvision = format!(
        r#"{{"resize_size": [37], "crop_size": [32], "interpolation": "InterpolationMode.BICUBIC",
            "mean": {statistics} "std": {deviation}}}"#
    );
    // 37 is 32 / 0.864; timm's usual share and interpolation, where nothing is said, were not taken.
    for (said, warns) in
        [("", false), (r#""crop_pct": 0.9, "crop_mode": "border","#, true), (r#""crop_pct": 1.1,"#, true)]
    {
        let text =
            format!(r#"{{"input_size": [3, 32, 32], {said} "mean": {statistics} "std": {deviation}}}"#);
        let folder = folder(RESIDUAL, &[("config.json", &text)]);
        let model = open(folder.path(), Settings::default());
        assert_eq!(
            model.warnings.iter().any(|warning| warning.contains("a crop (input_size")),
            warns,
            "{said}"
        );
        let resized =
            model.assumptions.iter().find(|assumption| assumption.what == "resize before the crop").unwrap();
        assert!(warns || resized.value == "shorter side to 36", "{said}: {}", resized.value);
        assert_eq!(warns, resized.source != "config.json beside the network", "{said}: {}", resized.source);
        assert_eq!(source(&model, "interpolation"), "config.json beside the network", "{said}");
    }
    for (file, text) in
        [("preprocessor_config.json", &hugging_face), ("config.json", &timm), ("config.json", &torchvision)]
    {
        let folder = folder(RESIDUAL, &[(file, text)]);
        let model = open(folder.path(), Settings::default());
        let found = model.inputs(&picture, &[Crop::Centre]).unwrap();
        let pairs = found.data().iter().zip(expected.data());
        let most = pairs.map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max);
        assert!(most < 2e-6, "{text}: {most}");
        for what in ["raw scale", "mean", "scale after the mean", "interpolation", "resize before the crop"] {
            assert_eq!(source(&model, what), format!("{file} beside the network"), "{what}: {text}");
        }
        assert!(model.files.contains(&folder.path().join(file)), "{:?}", model.files);
        assert_eq!(model.guesses(), None, "{text}");
    }
}

/// What transformers' processors make of a picture by the settings that they save. EfficientNet's second division, MobileViT's swapped
/// channels, and how LeViT, PoolFormer and Perceiver resize were not followed.
#[test]
fn image_processors_are_followed_by_their_type() {
    let picture = upper_left();
    let folders = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/processors");
    let mut seen = 0;
    for entry in std::fs::read_dir(folders).unwrap() {
        let own = entry.unwrap().path();
        let settings = std::fs::read_to_string(own.join("preprocessor_config.json")).unwrap();
        let folder = folder(RESIDUAL, &[("preprocessor_config.json", &settings)]);
        let model = open(folder.path(), Settings::default());
        let found = model.inputs(&picture, &[Crop::Centre]).unwrap();
        let expected = npy::read(own.join("expected.npy")).unwrap();
        // Two levels of 255 by torchvision's resizing of bytes; Perceiver's cuts before it resizes, so that the crop's edge differs.
        let is_cut_first = own.ends_with("PerceiverImageProcessor");
        let levels =
            2.1 * model.transformer.input_scale.iter().fold(0.0, |most: f32, scale| most.max(*scale)) / 255.0;
        let differences: Vec<f32> = found
            .data()
            .iter()
            .zip(expected.data())
            .map(|(found, expected)| (found - expected).abs())
            .collect();
        let far = differences
            .iter()
            .filter(|difference| **difference > levels * model.transformer.raw_scale)
            .count();
        let mean = differences.iter().sum::<f32>() / differences.len() as f32;
        assert!(
            far <= if is_cut_first { 800 } else { 0 },
            "{}: {far} numbers differ, {mean} in the mean",
            own.display()
        );
        assert!(mean < if is_cut_first { 0.05 } else { 0.01 }, "{}: {mean}", own.display());
        assert!(model.warnings.is_empty(), "{}: {:?}", own.display(), model.warnings);
        seen += 1;
    }
    assert_eq!(seen, 11);
}

#[test]
fn what_a_processor_does_besides_is_said() {
    for (settings, expected) in [
        (
            r#""image_processor_type": "DonutImageProcessor", "do_thumbnail": true"#,
            "do_thumbnail (shrinks pictures",
        ),
        (
            r#""image_processor_type": "TipsyImageProcessorFast""#,
            "belongs to TipsyImageProcessor, which may do more",
        ),
        (r#""feature_extractor_type": "PPLCNetFeatureExtractor""#, "belongs to PPLCNetImageProcessor"),
    ] {
        let text =
            format!(r#"{{{settings}, "do_normalize": true, "image_mean": [0.5], "image_std": [0.5]}}"#);
        let folder = folder(RESIDUAL, &[("preprocessor_config.json", &text)]);
        let model = open(folder.path(), Settings::default());
        assert!(model.warnings.iter().any(|warning| warning.contains(expected)), "{:?}", model.warnings);
    }
    // As PowerShell saves it, and known by an old name.
    let text = r#"{"feature_extractor_type": "ViTFeatureExtractor", "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}"#;
    let folder = folder(RESIDUAL, &[]);
    let bytes: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(folder.path().join("preprocessor_config.json"), bytes).unwrap();
    let model = open(folder.path(), Settings::default());
    assert_eq!(model.transformer.input_scale, [4.0; 3]);
    assert!(model.warnings.is_empty(), "{:?}", model.warnings);
}

#[test]
fn a_setting_wins_over_a_file_and_what_belongs_to_another_range_is_dropped() {
    let text = r#"{"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.5, 0.25], "do_normalize": true}"#;
    let folder = folder(RESIDUAL, &[("preprocessor_config.json", text)]);
    let told = open(folder.path(), Settings::default());
    assert_eq!(told.transformer.input_scale, [2.0, 2.0, 4.0]);
    let input =
        InputSettings { channel_order: Some(deepinside::vision::ChannelOrder::Bgr), ..Default::default() };
    let reversed = open(folder.path(), Settings { input, ..Settings::default() });
    assert_eq!(reversed.transformer.input_scale, [4.0, 2.0, 2.0]);
    assert_eq!(source(&reversed, "channel order"), "set");
    let input = InputSettings { raw_scale: Some(255.0), ..Default::default() };
    let other_range = open(folder.path(), Settings { input, ..Settings::default() });
    assert_eq!(other_range.transformer.input_scale, [1.0]);
}

#[test]
fn what_cannot_be_followed_is_said() {
    let texts = [
        (r#"{"image_mean": [0.1, 0.2"#, "the file is left out"),
        (r#"{"image_mean": 0.5, "image_std": 0.5, "resample": 1}"#, "interpolation lanczos"),
    ];
    for (text, expected) in texts {
        let folder = folder(RESIDUAL, &[("preprocessor_config.json", text)]);
        let model = open(folder.path(), Settings::default());
        assert!(model.warnings.iter().any(|warning| warning.contains(expected)), "{:?}", model.warnings);
    }
    let names = r#"{"id2label": {"0": "cat", "1": "dog"}}"#;
    let folder = folder(SIX_CLASSES, &[("config.json", names)]);
    let model = open(folder.path(), Settings::default());
    assert!(model.labels.is_empty());
    assert!(model.warnings[0].contains("2 class names, the network has 6 classes"), "{:?}", model.warnings);
}

/// Protocol buffers add up: a pair of key and value behind a file is one of its metadata.
fn with_metadata(folder: &Path, pairs: &[(&str, &str)]) {
    let file = folder.join("model.onnx");
    let mut bytes = std::fs::read(&file).unwrap();
    for (key, value) in pairs {
        let text = |field: u8, text: &str| [&[field << 3 | 2, text.len() as u8], text.as_bytes()].concat();
        let entry = [text(1, key), text(2, value)].concat();
        assert!(entry.len() < 128);
        bytes.extend([&[14 << 3 | 2, entry.len() as u8], &entry[..]].concat());
    }
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn class_names_are_found_inside_and_beside_the_network() {
    let names = ["Müller", "b c", "d, e", "f", "g", "h"];
    let in_names = |model: &Model| {
        for (index, name) in names.iter().enumerate() {
            assert_eq!(model.labels.get(index).unwrap().name, *name);
        }
    };
    let text = r#"{"id2label": {"0": "M\u00fcller", "1": "b c", "2": "d, e", "3": "f", "4": "g", "5": "h"}}"#;
    let beside = folder(SIX_CLASSES, &[("config.json", text), ("labels.txt", "1\n2\n3\n4\n5\n6\n")]);
    in_names(&open(beside.path(), Settings::default()));
    let labels = beside.path().join("labels.txt").to_string_lossy().into_owned();
    let set = open(beside.path(), Settings { labels: Some(labels), ..Settings::default() });
    assert_eq!(set.labels.get(0).unwrap().name, "1");

    // As Ultralytics writes it: Python's words for a dictionary.
    let inside = folder(SIX_CLASSES, &[("config.json", r#"{"id2label": {"0": "x"}}"#)]);
    let names = "{0: 'Müller', 1: 'b c', 2: 'd, e', 3: 'f', 4: 'g', 5: 'h'}";
    with_metadata(
        inside.path(),
        &[("author", "Ultralytics"), ("task", "classify"), ("imgsz", "[16, 16]"), ("names", names)],
    );
    let model = open(inside.path(), Settings::default());
    in_names(&model);
    assert_eq!(source(&model, "class names"), "the file's metadata 'names'");
    let listed = folder(SIX_CLASSES, &[]);
    with_metadata(listed.path(), &[("class_labels", "ant, bee,cat,dog,elk,fox")]);
    assert_eq!(open(listed.path(), Settings::default()).labels.get(1).unwrap().name, "bee");
    assert_eq!(model.transformer.input_scale, [1.0]);
    // Pictures were squeezed into the network's square; Ultralytics cuts the middle out of them.
    let resized =
        model.assumptions.iter().find(|assumption| assumption.what == "resize before the crop").unwrap();
    assert_eq!(resized.value, "shorter side to 16");
}

/// Caffe takes the mean off pixels from 0 to 255 and multiplies by the scale; its grey weights are OpenCV's in training, which
/// are left out here by a grey picture.
#[test]
fn a_caffe_descriptions_transform_is_followed() {
    let description = |layer: &str| {
        format!(
            r#"{layer}
            layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param {{ num_output: 3 }} }}"#
        )
    };
    let shape = "input_param { shape { dim: 1 dim: 1 dim: 2 dim: 2 } }";
    let folder = tempfile::tempdir().unwrap();
    let open = |layer: &str| {
        let file = folder.path().join("net.prototxt");
        std::fs::write(&file, description(layer)).unwrap();
        Model::open_with(&file, Settings { random_weights: Some(1), ..Settings::default() }).unwrap()
    };
    let input = |model: &Model| {
        let picture = Photograph::from_samples(2, 2, 1, vec![0, 51, 102, 255]).unwrap();
        model.inputs(&picture, &[Crop::Whole]).unwrap().data().to_vec()
    };
    let scaled = open(&format!(
        r#"layer {{ name: "d" type: "Input" top: "data" {shape} transform_param {{ scale: 0.00390625 mean_value: 51 }} }}"#
    ));
    assert_eq!(input(&scaled), [-51.0 / 256.0, 0.0, 51.0 / 256.0, 204.0 / 256.0]);
    assert_eq!(source(&scaled, "mean"), "layer 'd' of the description");
    let plain = open(
        r#"layer { name: "d" type: "MemoryData" top: "data" top: "label" transform_param { scale: 2 }
            memory_data_param { batch_size: 1 channels: 1 height: 2 width: 2 } }"#,
    );
    assert_eq!(input(&plain), [0.0, 102.0, 204.0, 510.0]);

    // A mean picture is read from the network's folder, under its name alone too, and from nowhere else.
    let mean = r#"layer { name: "d" type: "Input" top: "data" SHAPE transform_param { mean_file: "../data/mean.npy" } }"#;
    let mean = mean.replace("SHAPE", shape);
    let missing = open(&mean);
    assert!(
        missing.warnings.iter().any(|warning| warning.contains("name it with --mean")),
        "{:?}",
        missing.warnings
    );
    let numbers = deepinside::files::Array::new([1, 2, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
    npy::write(folder.path().join("mean.npy"), &numbers).unwrap();
    assert_eq!(input(&open(&mean)), [-1.0, 49.0, 99.0, 251.0]);
}

#[test]
fn what_a_model_file_names_lies_in_its_folder() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("names.txt"), "1\n2\n3\n4\n5\n6\n").unwrap();
    let names = outside.path().join("names.txt");
    let text = format!("network = \"model.onnx\"\nlabels = {names:?}");
    let folder = folder(SIX_CLASSES, &[("model.toml", &text)]);
    let message = Model::open_with(folder.path(), Settings::default()).unwrap_err().to_string();
    assert!(message.contains("names.txt, which lies outside of its folder"), "{message}");
    let allowed = Settings { outside_files: true, ..Settings::default() };
    assert_eq!(Model::open_with(folder.path(), allowed).unwrap().labels.len(), 6);
}
