//! `compare`: any unit by gradient, DeconvNet and guided backpropagation, and where these differ.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use deepinside::attribution::Runner;
use deepinside::compare::{Position, RULES, Unit, operators, unit_gradient};
use deepinside::drawing::Picture;
use deepinside::files::npy;
use deepinside::vision::{Colour, photograph};
use deepinside::{BackwardRule, Model, Settings, Threads};
use support::{deepinside, fixtures, json, stderr, stdout};

fn golden(name: &str) -> Model {
    let folder = fixtures().join("goldens").join(name);
    let settings = Settings { weights: Some(folder.join("weights.caffemodel")), ..Settings::default() };
    Model::open_with(folder.join("model.prototxt"), settings).unwrap()
}

fn runner(model: &Model) -> Runner {
    Runner::new(Arc::new(model.clone()), Threads::new(2).unwrap())
}

fn picture(name: &str) -> Vec<f32> {
    npy::read(fixtures().join("goldens").join(name).join("in_data.npy")).unwrap().into_data()
}

/// A network without weights whose gradients can be written down: `f(x)` rectified, maybe turned, and averaged.
fn small_network(folder: &Path, after: &str) -> PathBuf {
    let path = folder.join("small.prototxt");
    let text = format!(
        "name: 'small'
        layer {{ name: 'data' type: 'Input' top: 'data' input_param {{ shape {{ dim: 1 dim: 3 dim: 2 dim: 2 }} }} }}
        layer {{ name: 'turn' type: 'Power' bottom: 'data' top: 'turn' power_param {{ scale: -1 shift: 0.5 }} }}
        layer {{ name: 'rectify' type: 'ReLU' bottom: 'turn' top: 'rectify' }}
        layer {{ name: 'after' type: 'Power' bottom: 'rectify' top: 'after' power_param {{ {after} }} }}
        layer {{ name: 'pool' type: 'Pooling' bottom: 'after' top: 'pool' pooling_param {{ pool: AVE global_pooling: true }} }}"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// The second channel of the picture has 0.5 − x = −0.5, 0.25, 0.5, −1.5.
const SMALL_PICTURE: [f32; 12] = [0.0, 0.0, 0.0, 0.0, 1.0, 0.25, 0.0, 2.0, 9.0, 9.0, 9.0, 9.0];

fn small_gradient(after: &str, position: Position, rule: BackwardRule) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let model = Model::open_with(small_network(folder.path(), after), Settings::default()).unwrap();
    let layer = if position == Position::Mean { "pool" } else { "after" };
    let unit = Unit::of_layer(&model, layer, 1, position).unwrap();
    let found = unit_gradient(&mut runner(&model), &SMALL_PICTURE, &unit, rule).unwrap();
    assert!(
        found.gradient.data()[..4].iter().chain(&found.gradient.data()[8..]).all(|&number| number == 0.0)
    );
    found.gradient.data()[4..8].to_vec()
}

#[test]
fn each_rule_by_its_definition() {
    let [gradient, deconvnet, guided] = RULES;
    // The average has +¼ for every pixel, the function before the rectifier turns it; only the second and third argument of
    // the rectifier are positive.
    let of = |rule| small_gradient("scale: 1", Position::Mean, rule);
    assert_eq!(of(gradient), [0.0, -0.25, -0.25, 0.0]);
    assert_eq!(of(deconvnet), [-0.25; 4]);
    assert_eq!(of(guided), [0.0, -0.25, -0.25, 0.0]);
    // Turned behind the rectifier too, a negative gradient comes in: DeconvNet and guided backpropagation stop it.
    let of = |rule| small_gradient("scale: -2", Position::Mean, rule);
    assert_eq!(of(gradient), [0.0, 0.5, 0.5, 0.0]);
    assert_eq!(of(deconvnet), [0.0; 4]);
    assert_eq!(of(guided), [0.0; 4]);
    // One position: the strongest is the third (0.5), and the first is silent.
    let at = |position, rule| small_gradient("scale: 1", position, rule);
    assert_eq!(at(Position::Strongest, gradient), [0.0, 0.0, -1.0, 0.0]);
    assert_eq!(at(Position::At(vec![0, 0]), gradient), [0.0; 4]);
    assert_eq!(at(Position::At(vec![0, 0]), deconvnet), [-1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn a_unit_s_gradient_is_that_of_caffe() {
    for name in ["mini_caffenet", "mini_resnet", "mini_squeezenet"] {
        let folder = fixtures().join("goldens").join(name);
        let case: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join("case.json")).unwrap()).unwrap();
        let seed = &case["seed_onehot"];
        assert_eq!(seed["value"], 1.0, "{name}");
        let (layer, channel) = (seed["blob"].as_str().unwrap(), seed["flat_index"].as_u64().unwrap());
        let model = golden(name);
        let unit = Unit::of_layer(&model, layer, channel as usize, Position::Strongest).unwrap();
        let found =
            unit_gradient(&mut runner(&model), &picture(name), &unit, BackwardRule::Gradient).unwrap();
        let expected = folder.join("diff_data.npy");
        let out = tempfile::tempdir().unwrap();
        let file = out.path().join("found.npy");
        let shape = npy::read(&expected).unwrap().shape().to_vec();
        npy::write(&file, &found.gradient.reshaped(shape).unwrap()).unwrap();
        assert_eq!(support::difference(&file, &expected, 1e-5), None, "{name}");
    }
}

/// The paper's claim (§4): DeconvNet and the gradient are the same at every operator but the rectifier.
#[test]
fn rules_differ_at_rectifiers_alone() {
    let threads = Threads::new(2).unwrap();
    for (name, class) in [("mini_caffenet", 3), ("mini_resnet", 1), ("mini_squeezenet", 2)] {
        let model = golden(name);
        let unit = Unit::class(&model, class).unwrap();
        let compared = operators(&model, &picture(name), &unit, &threads).unwrap();
        for row in compared.iter().filter(|row| !row.rectifier) {
            assert_eq!(row.alone, [0.0, 0.0], "{name}: {} ({})", row.name, row.operator);
        }
        let differing =
            compared.iter().filter(|row| row.rectifier && row.alone[0] > 0.0 && row.alone[1] > 0.0);
        assert!(differing.count() >= 2, "{name}: {compared:?}");
        // Until the first rectifier on the way back nothing has differed; behind it something has.
        let first = compared.iter().position(|row| row.alone[0] > 0.0).unwrap();
        assert!(compared[..first].iter().all(|row| row.so_far == [0.0, 0.0]), "{name}");
        assert!(compared[first..].iter().all(|row| row.so_far[0] > 0.0), "{name}");
        assert!(compared.iter().all(|row| row.alone.iter().chain(&row.so_far).all(|&number| number <= 2.0)));
    }
}

#[test]
fn units_that_do_not_exist_are_refused_with_what_there_is() {
    let model = golden("mini_caffenet");
    let refused = |layer: &str, channel, position| {
        Unit::of_layer(&model, layer, channel, position).unwrap_err().to_string()
    };
    assert!(refused("conv6", 0, Position::Strongest).contains("the nearest are 'conv"));
    assert!(refused("conv1", 8, Position::Strongest).contains("8 channels, 0 to 7"));
    assert!(refused("conv1", 0, Position::At(vec![15, 0])).contains("15,0 lies outside"));
    assert!(refused("fc8", 0, Position::At(vec![0, 0])).contains("0 indices; found 2"));
    let unit = Unit::of_layer(&model, "data", 0, Position::Strongest).unwrap();
    let picture = picture("mini_caffenet");
    let error = unit_gradient(&mut runner(&model), &picture, &unit, BackwardRule::Gradient);
    assert!(error.unwrap_err().to_string().contains("not computed from the picture"));
    assert!(Unit::class(&model, 10).is_err());
}

/// A photograph that is different everywhere.
fn photograph_file(folder: &Path) -> String {
    let pixel = |at: usize| [(at * 5 % 256) as u8, (at * at % 249) as u8, (at * 31 % 251) as u8];
    let path = folder.join("a.png");
    Picture::new(80, 70, (0..5600).flat_map(pixel).collect()).unwrap().write_png(&path).unwrap();
    path.to_string_lossy().into_owned()
}

fn flags(name: &str) -> [String; 4] {
    let folder = fixtures().join("goldens").join(name);
    let path = |file: &str| folder.join(file).to_string_lossy().into_owned();
    ["-m".into(), path("model.prototxt"), "--weights".into(), path("weights.caffemodel")]
}

#[test]
fn compare_writes_figure_gradients_and_table() {
    let folder = tempfile::tempdir().unwrap();
    let file = photograph_file(folder.path());
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (figure, raw) = (path("figure.png"), path("raw"));
    let arguments =
        ["compare", &file, "--layer", "conv3", "--channel", "2", "-o", &figure, "--raw", &raw, "--table"];
    let run = |more: &[&str]| {
        let all = arguments.iter().chain(more).map(|text| (*text).to_owned());
        deepinside(all.chain(flags("mini_caffenet")))
    };
    let object = &json(&run(&["--json"]))[0];
    assert_eq!(
        (object["unit"]["layer"].as_str(), object["unit"]["channel"].as_u64()),
        (Some("conv3"), Some(2))
    );
    assert_eq!(object["unit"]["position"].as_array().map(Vec::len), Some(2));
    assert_eq!(object["rules"].as_array().map(Vec::len), Some(3));
    assert!(object["operators"].as_array().unwrap().iter().any(|row| row["name"] == "conv1"));
    for rule in ["gradient", "deconvnet", "guided"] {
        let array = npy::read(folder.path().join(format!("raw/a-{rule}.npy"))).unwrap();
        assert_eq!(array.shape(), [3, 67, 67], "{rule}");
    }
    assert!(photograph::load(&figure, Colour::Rgb).unwrap().width() > 4 * 260);
    let table = stdout(&run(&[]));
    assert!(table.contains("at 0 of "), "{table}");
    assert!(table.lines().any(|line| line.starts_with("conv1 ") && line.contains("equal")), "{table}");
}

#[test]
fn a_gradient_of_zeros_is_said_and_drawn_grey() {
    let folder = tempfile::tempdir().unwrap();
    let network = small_network(folder.path(), "scale: -2").to_string_lossy().into_owned();
    let file = photograph_file(folder.path());
    let figure = folder.path().join("figure.png").to_string_lossy().into_owned();
    let arguments =
        ["compare", &file, "-m", &network, "--json", "-o", &figure, "--raw-scale", "1", "--mean", "0,0,0"];
    let output = deepinside(arguments);
    let object = &json(&output)[0];
    let constant = |rule: usize| object["rules"][rule]["constant"].clone();
    assert_eq!((constant(1), constant(2)), (serde_json::json!(0.0), serde_json::json!(0.0)));
    assert!(
        stderr(&output).contains("the rule deconvnet the gradient is 0 everywhere"),
        "{}",
        stderr(&output)
    );
    assert!(Path::new(&figure).is_file());
}
