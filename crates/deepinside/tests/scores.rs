//! What is taken for class scores and their probabilities, against ONNX Runtime; `benches/peers/make_score_fixtures.py`
//! makes the networks.

use std::path::PathBuf;
use std::sync::Arc;

use deepinside::attribution::Runner;
use deepinside::files::{Array, npy};
use deepinside::{
    BackwardRule, FurtherInput, InputSettings, MeanSetting, Model, ScaleSetting, Scores, Settings, Target,
    Threads,
};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/scores").join(name)
}

fn open(name: &str, settings: Settings) -> Model {
    Model::open_with(fixture(&format!("{name}.onnx")), settings)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn picture() -> Array {
    npy::read(fixture("picture.npy")).unwrap()
}

fn runner(model: &Model) -> (Runner, Scores) {
    let mut runner = Runner::new(Arc::new(model.clone()), Threads::new(1).unwrap());
    let scores = runner.scores(picture().data()).unwrap();
    (runner, scores)
}

fn gradient(runner: &mut Runner, class: usize) -> deepinside::Result<Array> {
    runner.gradient(BackwardRule::Gradient, &Target::class(class), picture().data())
}

fn expect_near(name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let difference = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference < 1e-5, "{name}: {found:?} is not {expected:?}");
}

#[test]
fn probabilities_are_the_networks_own_whatever_its_results() {
    for (name, score) in [
        ("top_k", "s"),
        ("arg_max", "s"),
        ("embedding", "s"),
        ("scaled_beside", "s"),
        ("map_beside", "s"),
        ("log_of_softmax", "s"),
        ("clipped", "s"),
        ("written_out", "s"),
        ("ensemble", "y"),
        ("mean_of_maps", "map"),
        ("labels_last", "s"),
        ("multi_label", "s"),
        ("single_sigmoid", "s"),
        ("single_of_batch", "s"),
        ("unbatched", "s"),
        ("softmax_of_largest", "s"),
        ("exponential_of_log", "s"),
        ("two_of_one_sigmoid", "y"),
        // How sure the network is was taken for the logit of one class, and percentages for probabilities.
        ("class_and_confidence", "s"),
        ("percentages", "s"),
    ] {
        let model = open(name, Settings::default());
        assert_eq!(model.graph.value(model.score.value).name, score, "{name}");
        model.expect_classes().unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = npy::read(fixture(&format!("{name}.npy"))).unwrap();
        let (mut runner, scores) = runner(&model);
        expect_near(name, &scores.probabilities, expected.data());
        gradient(&mut runner, 0).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn a_score_asked_for_behind_a_softmax_is_not_softmaxed_again() {
    for (name, asked) in [("top_k", "q"), ("written_out", "y"), ("multi_label", "y"), ("multi_label", "s")] {
        let model = open(name, Settings { score: Some(asked.to_owned()), ..Settings::default() });
        let expected = npy::read(fixture(&format!("{name}.npy"))).unwrap();
        expect_near(name, &runner(&model).1.probabilities, expected.data());
        assert_eq!(model.graph.value(model.score.value).name, asked);
    }
}

#[test]
fn one_score_with_two_names_is_two_classes() {
    let folder = tempfile::tempdir().unwrap();
    let names = folder.path().join("two.txt");
    std::fs::write(&names, "cats\ndogs\n").unwrap();
    let named = || Settings { labels: Some(names.to_string_lossy().into_owned()), ..Settings::default() };
    for name in ["single_sigmoid", "single_of_batch"] {
        let single = npy::read(fixture(&format!("{name}.npy"))).unwrap().data()[0];
        let model = open(name, named());
        let (mut both, scores) = runner(&model);
        expect_near(name, &scores.probabilities, &[1.0 - single, single]);
        assert_eq!(model.class("dogs").unwrap(), 1);
        let [cats, dogs] = [0, 1].map(|class| gradient(&mut both, class).unwrap());
        assert!(cats.data().iter().zip(dogs.data()).all(|(cat, dog)| *cat == -dog), "{name}");
        // The same with the probability asked for by name.
        let asked =
            Settings { score: Some(if name == "single_sigmoid" { "y" } else { "q" }.to_owned()), ..named() };
        let model = open(name, asked);
        expect_near(name, &runner(&model).1.probabilities, &[1.0 - single, single]);
    }
}

#[test]
fn boxes_and_maps_are_no_classes() {
    for (name, expected) in [
        ("boxes", "boxes of a detector (4 numbers and 4 classes"),
        ("segmentation", "a map of 16×16"),
        // Its single class was taken for a score that is one class.
        ("steps", "14 steps of a sequence"),
    ] {
        let model = open(name, Settings::default());
        let message = model.expect_classes().unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("--score"), "{name}: {message}");
        assert!(model.warnings.contains(&message), "{name}: {:?}", model.warnings);
    }
}

#[test]
fn guessed_preprocessing_is_said_in_one_line() {
    let model = open("clipped", Settings::default());
    let guesses = model.guesses().unwrap();
    assert_eq!(guesses, "assumed RGB and torchvision's normalisation; see `deepinside info`");
    // What was cut off is told by `info`, among the choices.
    assert!(model.assumptions.iter().any(|choice| choice.source.contains("is cut off")));
    let input = InputSettings {
        channel_order: Some(deepinside::vision::ChannelOrder::Rgb),
        raw_scale: Some(1.0),
        mean: Some(MeanSetting::Pixel(vec![0.5; 3])),
        scale: Some(ScaleSetting::All(2.0)),
        ..InputSettings::default()
    };
    let said = Settings { input: input.clone(), ..Settings::default() };
    assert_eq!(open("clipped", said).guesses(), None);
    let no_order = Settings { input: InputSettings { channel_order: None, ..input }, ..Settings::default() };
    assert_eq!(open("clipped", no_order).guesses().unwrap(), "assumed RGB; see `deepinside info`");
    let several = open("embedding", Settings::default()).guesses().unwrap();
    assert!(several.contains("2 results; 's' is taken"), "{several}");
}

#[test]
fn inputs_beside_the_picture_are_given_as_settings() {
    let open = |inputs: &[(&str, FurtherInput)]| {
        let further_inputs = inputs.iter().map(|(name, input)| ((*name).to_owned(), input.clone())).collect();
        Model::open_with(fixture("further_input.onnx"), Settings { further_inputs, ..Settings::default() })
    };
    let model = open(&[("sigma", FurtherInput::File(fixture("sigma.npy")))]).unwrap();
    let expected = npy::read(fixture("further_input.npy")).unwrap();
    expect_near("further_input", &runner(&model).1.probabilities, expected.data());
    assert!(model.files.contains(&fixture("sigma.npy")));
    let even = open(&[("sigma", FurtherInput::Number(0.0))]).unwrap();
    expect_near("one number", &runner(&even).1.probabilities, &[1.0 / 6.0; 6]);
    for (inputs, expected) in [
        (&[][..], "give it with --input sigma=FILE.npy"),
        (&[("sigm", FurtherInput::Number(1.0))][..], "no input 'sigm'"),
        (&[("sigma", FurtherInput::File(fixture("picture.npy")))][..], "input 'sigma': shape"),
    ] {
        let message = open(inputs).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

/// Channel means of the sum of two inputs, of which one is a picture.
const TWO_INPUTS: &str = r#"
layer { name: "other" type: "Input" top: "shift" input_param { shape { dim: 1 dim: 6 dim: 1 dim: 1 } } }
layer { name: "picture" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }
layer { name: "fill" type: "DummyData" top: "half"
    dummy_data_param { shape { dim: 1 dim: 3 dim: 1 dim: 1 } data_filler { type: "constant" value: 0.5 } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "means" pooling_param { pool: AVE global_pooling: true } }
layer { name: "both" type: "Concat" bottom: "means" bottom: "half" top: "six" }
layer { name: "sum" type: "Eltwise" bottom: "six" bottom: "shift" top: "scores" }
layer { name: "softmax" type: "Softmax" bottom: "scores" top: "prob" }
"#;

#[test]
fn caffe_networks_take_inputs_beside_the_picture_too() {
    let folder = tempfile::tempdir().unwrap();
    let network = folder.path().join("deploy.prototxt");
    std::fs::write(&network, TWO_INPUTS).unwrap();
    let shift = folder.path().join("shift.npy");
    let shifts = [0.25, -0.5, 0.0, 1.0, 2.0, -1.0];
    npy::write(&shift, &Array::new([1, 6, 1, 1], shifts.to_vec()).unwrap()).unwrap();
    let open = |inputs: &[(&str, FurtherInput)]| {
        let further_inputs = inputs.iter().map(|(name, input)| ((*name).to_owned(), input.clone())).collect();
        Model::open_with(&network, Settings { further_inputs, ..Settings::default() })
    };
    let softmax = |shift: [f32; 6]| {
        let mut sums = shift;
        for (channel, sum) in sums.iter_mut().enumerate() {
            *sum += match channel {
                0..3 => picture().data()[channel * 256..][..256].iter().sum::<f32>() / 256.0,
                _ => 0.5,
            };
        }
        let total: f32 = sums.iter().map(|sum| sum.exp()).sum();
        sums.map(|sum| sum.exp() / total)
    };
    let model = open(&[("shift", FurtherInput::File(shift.clone()))]).unwrap();
    expect_near("an array", &runner(&model).1.probabilities, &softmax(shifts));
    let model = open(&[("shift", FurtherInput::Number(3.0))]).unwrap();
    expect_near("one number", &runner(&model).1.probabilities, &softmax([3.0; 6]));
    for (inputs, expected) in [
        (&[][..], "give it with --input shift=FILE.npy"),
        (&[("shif", FurtherInput::Number(1.0))][..], "no input 'shif'; it has 'shift'"),
        (&[("shift", FurtherInput::File(fixture("sigma.npy")))][..], "shift"),
    ] {
        let message = open(inputs).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

/// It was refused for boxes below a threshold (`NonZero`), then read with its boxes as classes; and a target named elements of the first
/// box alone, whose axis was taken for that of pictures.
#[test]
fn a_detector_that_drops_boxes_below_a_threshold_is_read_and_has_no_classes() {
    let model = open("thresholded_detector", Settings::default());
    assert!(model.warnings.iter().any(|warning| warning.contains("(scores, boxes)")), "{:?}", model.warnings);
    let refused = model.expect_classes().unwrap_err().to_string();
    assert!(refused.contains("a detector's boxes"), "{refused}");
    let mut runner = Runner::new(Arc::new(model.clone()), Threads::new(1).unwrap());
    let input = picture();
    let input = Array::new([3, 16, 16], input.data().to_vec()).unwrap();
    let target =
        |text: &str| Target::parse(text, &model, &|name| npy::read(name).map_err(Into::into)).unwrap();
    for (value, file) in [("boxes", "thresholded_detector-boxes.npy"), ("scores", "thresholded_detector.npy")]
    {
        let expected = npy::read(fixture(file)).unwrap();
        let &[places, numbers] = expected.shape() else { panic!("{:?}", expected.shape()) };
        let elements = (0..places).flat_map(|place| (0..numbers).map(move |number| (place, number)));
        let found: Vec<f32> = elements
            .map(|(place, number)| {
                runner.number(&input, &target(&format!("{value}[{place},{number}]"))).unwrap() as f32
            })
            .collect();
        expect_near(value, &found, expected.data());
        let sum = runner.number(&input, &target(&format!("sum({value})"))).unwrap();
        let of_all: f32 = expected.data().iter().sum();
        assert!((sum as f32 - of_all).abs() < 1e-4, "{value}: {sum} is not {of_all}");
    }
}
