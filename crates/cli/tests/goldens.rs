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
        let expected =
            deepinside::vision::npy::read(fixtures().join("seed_pipeline").join(expected)).unwrap();
        let flat = expected.reshaped([3, 67, 67]).unwrap();
        let expected = out.path().join("expected.npy");
        deepinside::vision::npy::write(&expected, &flat).unwrap();
        assert_eq!(difference(&raw, &expected, 1e-5), None, "{learning_rate} {iterations}");
        assert!(picture.exists());
    }
}
