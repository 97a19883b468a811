//! Every number of Caffe's, through the program: the small golden cases that are kept as fixtures.

mod support;

use support::{deepinside, difference, fixtures, goldens, stdout};

#[test]
fn traces_equal_caffe() {
    let goldens = goldens(&fixtures().join("goldens"));
    assert!(goldens.len() > 130, "only {} goldens", goldens.len());
    let differences: Vec<String> = goldens.iter().flat_map(|golden| golden.differences(1e-5)).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn old_weight_files_give_the_same_numbers() {
    let folder = fixtures().join("goldens/mini_caffenet");
    let out = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.join(file).to_string_lossy().into_owned();
    let (weights, input) = (path("weights_v1.caffemodel"), format!("data={}", path("in_data.npy")));
    let model = path("model.prototxt");
    let out_path = out.path().to_string_lossy();
    let arguments = ["trace", "-m", &model, "--weights", &weights, "--input", &input, "--out", &out_path];
    stdout(&deepinside(arguments));
    assert_eq!(difference(&out.path().join("data_fc8.npy"), &folder.join("data_fc8.npy"), 1e-5), None);
}

/// By hand: the rules keep one of three layers that write `a`, and `k` is filled by its layer as in Caffe.
#[test]
fn phase_rules_and_filled_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file).to_string_lossy().into_owned();
    let network = r#"
        state { stage: "deploy" }
        input: "data" input_shape { dim: 1 dim: 2 }
        layer { name: "p" type: "Power" bottom: "data" top: "a" power_param { scale: 2 } include { phase: TRAIN } }
        layer { name: "q" type: "Power" bottom: "data" top: "a" power_param { scale: 3 } include { not_stage: "deploy" } }
        layer { name: "r" type: "Power" bottom: "data" top: "a" power_param { scale: 4 } include { phase: TEST stage: "deploy" } }
        layer { name: "k" type: "DummyData" top: "k" dummy_data_param { shape { dim: 1 dim: 2 } data_filler { value: 0.5 } } }
        layer { name: "s" type: "Eltwise" bottom: "a" bottom: "k" top: "y" }"#;
    std::fs::write(path("net.prototxt"), network).unwrap();
    let array = |numbers: Vec<f32>| deepinside::files::Array::new([1, 2], numbers).unwrap();
    deepinside::files::npy::write(path("x.npy"), &array(vec![1.0, 2.0])).unwrap();
    let input = format!("data={}", path("x.npy"));
    let (model, out) = (path("net.prototxt"), path("out"));
    stdout(&deepinside(["trace", "-m", &model, "--input", &input, "--seed", "y:1=1", "--out", &out]));
    let read = |file: &str| deepinside::files::npy::read(folder.path().join("out").join(file)).unwrap();
    assert_eq!(read("data_y.npy"), array(vec![4.5, 8.5]));
    assert_eq!(read("diff_data.npy"), array(vec![0.0, 4.0]));
}

#[test]
fn the_original_ascent_is_reproduced_from_numpy_s_noise() {
    let folder = fixtures().join("goldens/mini_caffenet");
    let (model, weights) = (folder.join("model.prototxt"), folder.join("weights.caffemodel"));
    for (learning_rate, iterations, expected) in [
        ("10000", "5", "ascent_lr1e4_it5.npy"),
        ("100", "1", "ascent_lr100_it1.npy"),
        ("100", "20", "ascent_lr100_it20.npy"),
    ] {
        let out = tempfile::tempdir().unwrap();
        let (raw, picture) = (out.path().join("raw.npy"), out.path().join("picture.png"));
        let mut arguments: Vec<&std::ffi::OsStr> = Vec::new();
        for text in
            ["class-model", "3", "--recipe", "original", "--seed", "99", "--learning-rate", learning_rate]
        {
            arguments.push(text.as_ref());
        }
        arguments.extend::<[&std::ffi::OsStr; 10]>([
            "--iterations".as_ref(),
            iterations.as_ref(),
            "-m".as_ref(),
            model.as_ref(),
            "--weights".as_ref(),
            weights.as_ref(),
            "--raw".as_ref(),
            raw.as_ref(),
            "-o".as_ref(),
            picture.as_ref(),
        ]);
        stdout(&deepinside(arguments));
        // The oracle has a batch axis of one.
        let expected = deepinside::files::npy::read(fixtures().join("seed_pipeline").join(expected)).unwrap();
        let flat = expected.reshaped([3, 67, 67]).unwrap();
        let expected = out.path().join("expected.npy");
        deepinside::files::npy::write(&expected, &flat).unwrap();
        assert_eq!(difference(&raw, &expected, 1e-5), None, "{learning_rate} {iterations}");
        assert!(picture.exists());
    }
}

/// Layers of Caffe's forks, against PyTorch in double precision; `benches/peers/make_caffe_dialect_fixtures.py` makes the networks.
#[test]
fn layers_of_forks_are_what_their_definitions_say() {
    let mut faults = Vec::new();
    let mut folders: Vec<_> =
        std::fs::read_dir(fixtures().join("dialects")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 14);
    for folder in folders {
        let work = tempfile::tempdir().unwrap();
        let path = |file: &str| folder.join(file).to_string_lossy().into_owned();
        let out = work.path().to_string_lossy().into_owned();
        let mut arguments: Vec<String> =
            ["trace", "-m", &path("model.prototxt"), "--weights", &path("weights.caffemodel")]
                .map(str::to_owned)
                .to_vec();
        for input in ["data", "more", "most"] {
            if folder.join(format!("{input}.npy")).exists() {
                arguments
                    .extend(["--input".to_owned(), format!("{input}={}", path(&format!("{input}.npy")))]);
            }
        }
        let seed = format!("y={}", path("seed.npy"));
        arguments.extend(["--seed".to_owned(), seed, "--out".to_owned(), out]);
        let output = deepinside(&arguments);
        if !output.status.success() {
            faults.push(format!("{}: {}", folder.display(), support::stderr(&output)));
            continue;
        }
        for (found, expected) in [("data_y.npy", "expected.npy"), ("diff_data.npy", "gradient.npy")] {
            if let Some(fault) = difference(&work.path().join(found), &folder.join(expected), 2e-6) {
                faults.push(format!("{}, {found}: {fault}", folder.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn layers_of_forks_that_are_not_read_are_refused_with_the_fork_s_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.prototxt");
    let text = r#"input: "data" input_shape { dim: 1 dim: 2 dim: 3 dim: 3 }
        layer { name: "p" type: "Reorg" bottom: "data" top: "y" }"#;
    std::fs::write(&file, text).unwrap();
    let output = deepinside(["info", "-m", &file.to_string_lossy()]);
    assert!(!output.status.success());
    let said = support::stderr(&output);
    assert!(said.contains("Reorg") && said.contains("a fork of Caffe (YOLO)"), "{said}");
    let python = r#"input: "data" input_shape { dim: 1 dim: 2 dim: 3 dim: 3 }
        layer { name: "p" type: "Python" bottom: "data" top: "y" python_param { module: "rpn.proposal_layer" layer: "ProposalLayer" } }"#;
    std::fs::write(&file, python).unwrap();
    let said = support::stderr(&deepinside(["info", "-m", &file.to_string_lossy()]));
    assert!(said.contains("a Python program ('ProposalLayer' of the module 'rpn.proposal_layer')"), "{said}");
}
