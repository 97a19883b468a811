//! Methods and metrics of the table against Captum and pytorch-grad-cam, and what must hold for all of them;
//! `benches/peers/make_attribution_fixtures.py` makes network and arrays.

use std::path::PathBuf;
use std::sync::Arc;

use deepinside::attribution::metrics::{METRICS, metric};
use deepinside::attribution::{Attribution, Choices, Given, METHODS, Runner, method};
use deepinside::files::{Array, npy};
use deepinside::{Model, Settings, Target, Threads};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn read(name: &str) -> Array {
    npy::read(fixture("attribution").join(name)).unwrap()
}

fn input() -> Array {
    let array = read("x.npy");
    Array::new(&array.shape()[1..], array.data().to_vec()).unwrap()
}

fn open(name: &str) -> Arc<Model> {
    Arc::new(Model::open_with(fixture(name), Settings::default()).unwrap())
}

fn runner(threads: usize) -> Runner {
    Runner::new(open("attribution/residual.onnx"), Threads::new(threads).unwrap())
}

/// `name=value` pairs; what ends in .npy is an array of the fixtures.
fn choices<'a>(pairs: impl IntoIterator<Item = &'a str>) -> Choices {
    let mut choices = Choices::default();
    for pair in pairs {
        let (name, value) = pair.split_once('=').unwrap();
        let given = match value.ends_with(".npy") {
            true => Given::Array(Arc::new(read(value))),
            false => Given::Text(value.to_owned()),
        };
        choices.given.insert(name.to_owned(), given);
    }
    choices
}

fn attribute(runner: &mut Runner, name: &str, choices: &Choices) -> deepinside::Result<Attribution> {
    let made = method(name)?.make(&Arc::clone(runner.model()), choices)?;
    made.attribute(runner, &input(), &Target::class(2))
}

#[test]
fn arrays_are_those_of_captum_and_pytorch_grad_cam() {
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture("attribution/index.json")).unwrap()).unwrap();
    let mut runner = runner(2);
    let cases = index.as_array().unwrap();
    assert!(cases.len() >= 23);
    for case in cases {
        let text = case["case"].as_str().unwrap();
        let mut words = text.split(' ');
        let name = words.next().unwrap();
        let mut pairs: Vec<&str> = words.collect();
        let entry = method(name).unwrap();
        if entry.parameters.iter().any(|parameter| parameter.name == "positive") {
            pairs.push("positive=false");
        }
        if name == "integrated-gradients" && !text.contains("steps") {
            pairs.push("steps=20");
        }
        let found =
            attribute(&mut runner, name, &choices(pairs)).unwrap_or_else(|error| panic!("{text}: {error}"));
        let expected = read(case["file"].as_str().unwrap());
        assert_eq!(found.values.data().len(), expected.data().len(), "{text}");
        let largest = expected.data().iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
        let error =
            found.values.data().iter().zip(expected.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error <= 1e-5 * largest, "{text}: off by {} of the largest", error / largest);
    }
}

/// What Captum calls `multiply_by_inputs=False`: the product with the change is what the method gives otherwise.
#[test]
fn slopes_times_changes_are_contributions() {
    let mut runner = runner(1);
    for (name, own) in [
        ("integrated-gradients", "steps=7"),
        ("deep-lift", "baseline=0.25"),
        ("expected-gradients", "samples=5"),
    ] {
        let multiplied = attribute(&mut runner, name, &choices([own])).unwrap();
        let slopes = attribute(&mut runner, name, &choices([own, "multiply=false"])).unwrap();
        assert!(slopes.completeness.is_none(), "{name}");
        let from = if name == "deep-lift" { 0.25 } else { 0.0 };
        let pairs = slopes.values.data().iter().zip(input().data().to_vec()).zip(multiplied.values.data());
        let largest =
            multiplied.values.data().iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
        for ((slope, to), product) in pairs {
            assert!((slope * (to - from) - product).abs() <= 1e-5 * largest, "{name}");
        }
    }
}

/// A method may refuse a network with a sentence; what it answers is finite, has the shape that it says, and says where it is zero.
#[test]
fn every_method_answers_rightly_or_refuses_every_network() {
    let networks = [
        "attribution/residual.onnx",
        "scores/single_sigmoid.onnx",
        "scores/multi_label.onnx",
        "scores/unbatched.onnx",
        "scores/single_of_batch.onnx",
        "scores/ensemble.onnx",
        "scores/mean_of_maps.onnx",
        "scores/embedding.onnx",
    ];
    for name in networks {
        let model = open(name);
        let extents = model.graph.value(model.input).shape.extents()[1..].to_vec();
        let count: usize = extents.iter().product();
        let numbers = (0..count).map(|at| ((at * 37 + 11) % 101) as f32 / 50.0 - 1.0).collect();
        let input = Array::new(extents, numbers).unwrap();
        let mut runner = Runner::new(Arc::clone(&model), Threads::new(2).unwrap());
        for entry in METHODS {
            let mut few = Choices::default();
            for parameter in
                entry.parameters.iter().filter(|parameter| ["samples", "steps"].contains(&parameter.name))
            {
                let number = if entry.name.contains("shap") || entry.name == "lime" { "200" } else { "4" };
                few.given.insert(parameter.name.to_owned(), Given::Text(number.to_owned()));
            }
            let found = entry
                .make(&model, &few)
                .and_then(|method| method.attribute(&mut runner, &input, &Target::class(0)));
            match found {
                Ok(found) => {
                    let numbers = found.values.data();
                    assert!(numbers.iter().all(|number| number.is_finite()), "{} of {name}", entry.name);
                    let is_zero = numbers.iter().all(|&number| number == 0.0);
                    assert!(
                        !is_zero || !found.notes.is_empty(),
                        "{} of {name} is zero everywhere, without a note",
                        entry.name
                    );
                }
                Err(error) => assert!(error.to_string().len() > 20, "{} of {name}: {error}", entry.name),
            }
        }
    }
}

#[test]
fn integrated_gradients_say_how_complete_they_are() {
    let mut runner = runner(1);
    let found = attribute(&mut runner, "integrated-gradients", &choices(["steps=200"])).unwrap();
    let completeness = found.completeness.unwrap();
    assert!(completeness.residual().abs() < 0.01 * completeness.difference.abs(), "{completeness:?}");
    let rough = attribute(&mut runner, "integrated-gradients", &choices(["steps=1"])).unwrap();
    assert!(rough.completeness.unwrap().residual().abs() > completeness.residual().abs());
}

#[test]
fn the_class_is_chosen_without_a_second_forward_pass() {
    let mut runner = runner(1);
    let input = input();
    attribute(&mut runner, "gradient", &Choices::default()).unwrap();
    assert_eq!(runner.forward_passes(), 1);
    runner.scores(input.data()).unwrap();
    attribute(&mut runner, "gradient", &Choices::default()).unwrap();
    assert_eq!(runner.forward_passes(), 1);
}

#[test]
fn bits_are_the_same_for_every_number_of_threads() {
    for (name, pairs) in
        [("smooth-grad", "samples=7"), ("rise", "samples=9"), ("integrated-gradients", "steps=5")]
    {
        let maps = [1, 2, 3].map(|threads| attribute(&mut runner(threads), name, &choices([pairs])).unwrap());
        assert!(maps.iter().all(|map| map.values == maps[0].values), "{name}");
    }
}

#[test]
fn targets_have_the_numbers_and_gradients_that_they_say() {
    let model = open("attribution/residual.onnx");
    let mut runner = Runner::new(Arc::clone(&model), Threads::new(1).unwrap());
    let input = input();
    let none = |name: &str| Err(deepinside::Error::Option(name.to_owned()));
    let scores = runner.scores(input.data()).unwrap();
    let mut number = |text: &str| {
        let target = Target::parse(text, &model, &none).unwrap_or_else(|error| panic!("{text}: {error}"));
        // What is written is read again.
        let again = Target::parse(&target.text(&model), &model, &none).unwrap();
        assert_eq!(target, again, "{text}");
        runner.number(&input, &target).unwrap()
    };
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    assert!(near(number("2"), f64::from(scores.scores[2])));
    assert!(near(number("2 - 1"), f64::from(scores.scores[2] - scores.scores[1])));
    assert!(near(number("p(2)"), f64::from(scores.probabilities[2])));
    assert!(near(number("s[2]"), f64::from(scores.scores[2])));
    assert!(near(number("sum(s)"), scores.scores.iter().map(|&score| f64::from(score)).sum()));
    assert!(near(
        number("mean(\"s\"[1:4])"),
        scores.scores[1..4].iter().map(|&score| f64::from(score)).sum::<f64>() / 3.0
    ));
    for (text, part) in
        [("nothing", "nothing"), ("s[9]", "outside"), ("p(9)", "9"), ("cos(s, a.npy)", "a.npy")]
    {
        let error = Target::parse(text, &model, &none).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    // The gradient of a probability by finite differences along it.
    let target = Target::parse("p(2) - p(0)", &model, &none).unwrap();
    let gradient = method("gradient").unwrap().make(&model, &Choices::default()).unwrap();
    let gradient = gradient.attribute(&mut runner, &input, &target).unwrap().values;
    let squares: f64 = gradient.data().iter().map(|&number| f64::from(number).powi(2)).sum();
    let step = 1e-3 / squares.sqrt();
    let mut moved = |sign: f64| {
        let numbers = input.data().iter().zip(gradient.data());
        let numbers = numbers.map(|(&x, &g)| (f64::from(x) + sign * step * f64::from(g)) as f32).collect();
        runner.number(&Array::new(input.shape(), numbers).unwrap(), &target).unwrap()
    };
    let difference = (moved(1.0) - moved(-1.0)) / (2.0 * step);
    assert!((difference - squares).abs() < 0.01 * squares, "{difference} {squares}");
}

#[test]
fn what_cannot_be_chosen_is_said() {
    let mut runner = runner(1);
    let mut refused =
        |name: &str, pair: &str| attribute(&mut runner, name, &choices([pair])).unwrap_err().to_string();
    assert!(refused("integrated-gradients", "stepps=3").contains("steps"));
    assert!(refused("integrated-gradients", "steps=0").contains("1 to"));
    assert!(refused("integrated-gradients", "baseline=x").contains("zero"));
    assert!(refused("smooth-grad", "noise=segments.npy").contains("samples × C × H × W"));
    assert!(refused("occlusion", "stride=99").contains("window"));
    let layer = Choices { layers: vec!["s".to_owned()], ..Choices::default() };
    let error = attribute(&mut runner, "gradient", &layer).unwrap_err().to_string();
    assert!(error.contains("no layer"), "{error}");
}

#[test]
fn metrics_measure_what_they_say() {
    let mut runner = runner(2);
    let input = input();
    let target = Target::class(2);
    let map = attribute(&mut runner, "occlusion", &choices(["window=2", "stride=1"])).unwrap().values;
    let explains =
        method("gradient").unwrap().make(&Arc::clone(runner.model()), &Choices::default()).unwrap();
    let mut measure = |name: &str, map: &Array, pairs: &[&str]| {
        let metric = metric(name).unwrap().make(&choices(pairs.iter().copied())).unwrap();
        metric.measure(&mut runner, &input, &target, map, explains.as_ref()).unwrap()
    };
    let deletion = measure("deletion", &map, &[]);
    let insertion = measure("insertion", &map, &[]);
    let upside_down = Array::new(map.shape(), map.data().iter().map(|number| -number).collect()).unwrap();
    assert!(deletion.value < measure("deletion", &upside_down, &[]).value);
    assert!(insertion.value > measure("insertion", &upside_down, &[]).value);
    let [down, up] = [deletion.curve.unwrap(), insertion.curve.unwrap()];
    assert_eq!((down.first(), down.last()), (up.last(), up.first()));
    // scipy.stats: the Gini index of 0, 0, 0, 4 is 3/4, and of equal numbers 0.
    let of = |numbers: &[f32]| Array::new([1, numbers.len()], numbers.to_vec()).unwrap();
    assert!((measure("sparseness", &of(&[0.0, -4.0, 0.0, 0.0]), &[]).value - 0.75).abs() < 1e-12);
    assert!(measure("sparseness", &of(&[2.0; 4]), &[]).value.abs() < 1e-12);
    // Other weights give other gradients.
    let randomised = measure("randomisation", &map, &["depths=2"]);
    assert_eq!(randomised.curve.unwrap().len(), 2);
    assert!(randomised.value < 0.99);
    assert!(METRICS.iter().all(|entry| entry.summary.ends_with('.')));
}

/// The page that explains methods to people names what the table has.
#[test]
fn the_documentation_names_every_method_metric_and_parameter() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/methods/explain.md");
    let text = std::fs::read_to_string(page).unwrap();
    for entry in METHODS {
        assert!(text.contains(&format!("`{}`", entry.name)), "{}", entry.name);
        for parameter in entry.parameters {
            assert!(text.contains(&format!("`{}`", parameter.name)), "{} of {}", parameter.name, entry.name);
        }
    }
    for entry in METRICS {
        assert!(text.contains(&format!("`{}`", entry.name)), "{}", entry.name);
    }
}

/// Each method has a page with its formula, its parameters with their sources, its cost and its known failure.
#[test]
fn every_method_has_its_page() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/methods");
    for entry in METHODS {
        let page = folder.join(format!("{}.md", entry.name));
        let text =
            std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        for heading in ["Formula", "efault", "Cost", "Known failure"] {
            assert!(text.contains(heading), "{}: nothing about '{heading}'", page.display());
        }
        for parameter in entry.parameters {
            assert!(
                text.contains(&format!("`{}`", parameter.name)),
                "{}: {}",
                page.display(),
                parameter.name
            );
        }
    }
}

/// The methods that draw random samples, with parameters under which the small network takes little time.
const SAMPLED: [(&str, &str); 5] = [
    ("smooth-grad", "samples=400"),
    ("rise", "samples=2000"),
    ("lime", "samples=4000"),
    ("kernel-shap", "samples=4000"),
    ("shapley-sampling", "samples=400"),
];

/// What stops early is what so many samples give, to the bit, and says how many they were.
#[test]
fn samples_end_where_they_are_enough() {
    let mut runner = runner(2);
    for (name, samples) in SAMPLED {
        let segments: &[&str] =
            if ["smooth-grad", "rise"].contains(&name) { &[] } else { &["superpixels=0"] };
        let most: usize = samples.trim_start_matches("samples=").parse().unwrap();
        let with = |own: &[&str]| choices([own, segments].concat());
        let all = attribute(&mut runner, name, &with(&[samples])).unwrap();
        assert_eq!(all.samples, None, "{name}");
        let found = attribute(&mut runner, name, &with(&[samples, "until=0.2"])).unwrap();
        let stated = found.samples.unwrap();
        assert!(stated.used < most && stated.most == most && stated.error <= 0.2, "{name}: {stated:?}");
        assert!(
            found.notes.iter().any(|note| note.contains("samples were enough")),
            "{name}: {:?}",
            found.notes
        );
        let few = attribute(&mut runner, name, &with(&[&format!("samples={}", stated.used)])).unwrap();
        assert_eq!((few.values, few.standard_error), (found.values, found.standard_error), "{name}");

        let never = attribute(&mut runner, name, &with(&["samples=200", "until=1e-15"])).unwrap();
        let stated = never.samples.unwrap();
        assert!(stated.used == 200 && stated.error > 1e-15, "{name}: {stated:?}");
        assert!(never.notes.iter().any(|note| note.contains("not enough")), "{name}: {:?}", never.notes);
    }
}

/// Over many seeds values vary as far as their standard errors say. That of SmoothGrad took copies for independent that come in pairs of
/// opposite noise, and LIME and Kernel SHAP had none.
#[test]
fn standard_errors_are_what_values_vary_by() {
    const SEEDS: usize = 60;
    let mut runner = runner(2);
    for (name, _) in SAMPLED {
        let own: &[&str] = match name {
            "smooth-grad" => &["samples=40", "deviation=0.4"],
            "rise" => &["samples=100"],
            "shapley-sampling" => &["samples=20", "superpixels=0"],
            _ => &["samples=400", "superpixels=0"],
        };
        let found: Vec<Attribution> = (0..SEEDS)
            .map(|seed| {
                let seed = format!("seed={}", seed + 1);
                let pairs = own.iter().copied().chain([seed.as_str()]);
                attribute(&mut runner, name, &choices(pairs)).unwrap()
            })
            .collect();
        let (mut varied, mut stated) = (0.0f64, 0.0f64);
        for at in 0..found[0].values.data().len() {
            let number = |found: &Attribution| f64::from(found.values.data()[at]);
            let mean = found.iter().map(number).sum::<f64>() / SEEDS as f64;
            varied += found.iter().map(|own| (number(own) - mean).powi(2)).sum::<f64>() / (SEEDS - 1) as f64;
            let error = |found: &Attribution| f64::from(found.standard_error.as_ref().unwrap().data()[at]);
            stated += found.iter().map(|own| error(own).powi(2)).sum::<f64>() / SEEDS as f64;
        }
        let ratio = (varied / stated).sqrt();
        assert!((0.8..1.25).contains(&ratio), "{name}: values vary by {ratio:.3} of what is stated");
    }
}

fn largest_error(found: &Array, expected: &Array) -> f32 {
    assert_eq!(found.data().len(), expected.data().len());
    let largest = expected.data().iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
    let pairs = found.data().iter().zip(expected.data());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest
}

/// All inner windows of an input of one colour are equal, and the first element of a maximum wins, as in PyTorch: Winograd's transforms rounded
/// each place of a tile in another way, so that others won, and gradients at black baselines were off by as much as they are large.
#[test]
fn of_one_colour_maxima_are_ties_that_the_first_element_wins() {
    let model = open("attribution/ties.onnx");
    let x = read("ties_x.npy");
    let x = Array::new([3, 41, 49], x.data().to_vec()).unwrap();
    let zero = Array::new(x.shape(), vec![0.0; x.data().len()]).unwrap();
    for threads in [1, 2] {
        let mut runner = Runner::new(Arc::clone(&model), Threads::new(threads).unwrap());
        let mut attribute = |name: &str, pairs: &[&str], input: &Array| {
            let made = method(name).unwrap().make(&model, &choices(pairs.iter().copied())).unwrap();
            made.attribute(&mut runner, input, &Target::class(2)).unwrap().values
        };
        let error = largest_error(&attribute("gradient", &[], &zero), &read("ties_gradient_at_zero.npy"));
        assert!(error < 1e-5, "gradient at zero: off by {error} of the largest");
        let pair = attribute("integrated-gradients", &["steps=5", "quadrature=pair"], &x);
        let error = largest_error(&pair, &read("ties_pair.npy"));
        assert!(error < 1e-5, "both ends: off by {error} of the largest");
    }
}

/// Rectifiers and maxima swallowed a NaN of the input, and arrays beside it were read as they were: zeros, first baselines or NaN came out.
#[test]
fn numbers_that_are_not_finite_are_refused_wherever_they_are_given() {
    let model = open("attribution/residual.onnx");
    let mut runner = Runner::new(Arc::clone(&model), Threads::new(2).unwrap());
    let mut broken = input();
    broken.data_mut()[17] = f32::NAN;
    let with_nan = |shape: &[usize]| {
        let mut numbers = vec![0.5; shape.iter().product()];
        numbers[0] = f32::NAN;
        Given::Array(Arc::new(Array::new(shape, numbers).unwrap()))
    };
    let none = Choices::default();
    for name in ["gradient", "grad-cam", "occlusion", "smooth-grad"] {
        let made = method(name).unwrap().make(&model, &none).unwrap();
        let error = made.attribute(&mut runner, &broken, &Target::class(2)).unwrap_err().to_string();
        assert!(error.contains("1 of 768 are not finite"), "{name}: {error}");
    }
    for (name, parameter, shape) in [
        ("integrated-gradients", "baseline", &[3, 16, 16][..]),
        ("smooth-grad", "noise", &[2, 3, 16, 16]),
        ("rise", "masks", &[2, 16, 16]),
        ("lime", "masks", &[20, 4]),
        ("lime", "weights", &[20]),
        ("feature-ablation", "segments", &[16, 16]),
        ("expected-gradients", "alphas", &[4]),
        ("expected-gradients", "indices", &[4]),
    ] {
        let given = Choices { given: [(parameter.to_owned(), with_nan(shape))].into(), ..none.clone() };
        let error = method(name).unwrap().make(&model, &given).unwrap_err().to_string();
        assert!(error.contains(&format!("'{parameter}'")) && error.contains("not finite"), "{name}: {error}");
    }
    let explains = method("gradient").unwrap().make(&model, &none).unwrap();
    for entry in METRICS {
        let metric = entry.make(&none).unwrap();
        let found = metric.measure(&mut runner, &input(), &Target::class(2), &broken, explains.as_ref());
        let error = found.unwrap_err().to_string();
        assert!(error.contains("the numbers of the attribution: 1 of 768"), "{}: {error}", entry.name);
    }
    for (name, pair) in [("lime", "ridge=inf"), ("smooth-grad", "deviation=inf")] {
        let error = method(name).unwrap().make(&model, &choices([pair])).unwrap_err().to_string();
        assert!(error.contains("found 'inf'"), "{error}");
    }
}

/// Baseline −1 was baseline 0, and segment 0.4 segment 0.
#[test]
fn indices_are_whole_numbers_from_zero_on() {
    let model = open("attribution/residual.onnx");
    let mut runner = Runner::new(Arc::clone(&model), Threads::new(1).unwrap());
    let array = |shape: &[usize], number: f32| {
        Given::Array(Arc::new(Array::new(shape, vec![number; shape.iter().product()]).unwrap()))
    };
    for (name, parameter, shape, number) in [
        ("expected-gradients", "indices", &[4][..], -1.0),
        ("expected-gradients", "indices", &[4], 0.5),
        ("shapley-sampling", "permutations", &[1, 1], 0.4),
    ] {
        let mut given = Choices::default();
        given.given.insert(parameter.to_owned(), array(shape, number));
        match name {
            "expected-gradients" => given.given.insert("alphas".to_owned(), array(&[4], 0.5)),
            _ => given.given.insert("segments".to_owned(), array(&[16, 16], 3.0)),
        };
        let made = method(name).unwrap().make(&model, &given).unwrap();
        let error = made.attribute(&mut runner, &input(), &Target::class(2)).unwrap_err().to_string();
        assert!(error.contains(&format!("'{parameter}' holds whole numbers")), "{name}: {error}");
    }
}

/// One share of 1.0000001, as interpolation leaves them, made all masks 255 times smaller.
#[test]
fn shares_a_little_above_one_are_no_bytes() {
    let model = open("attribution/residual.onnx");
    let mut runner = Runner::new(Arc::clone(&model), Threads::new(1).unwrap());
    let mut map = |scale: f32, first: f32| {
        let number = |at: usize| (at * 37 % 6) as f32 * scale / 5.0;
        let mut numbers: Vec<f32> = (0..4 * 256).map(number).collect();
        numbers[10] = first;
        let masks = Given::Array(Arc::new(Array::new([4, 16, 16], numbers).unwrap()));
        let given = Choices { given: [("masks".to_owned(), masks)].into(), ..Choices::default() };
        let made = method("rise").unwrap().make(&model, &given).unwrap();
        made.attribute(&mut runner, &input(), &Target::class(2)).unwrap().values
    };
    let expected = map(1.0, 1.0);
    let error = largest_error(&map(1.0, 1.000_000_1), &expected);
    assert!(error < 1e-5, "{error}");
    let error = largest_error(&map(255.0, 255.0), &expected);
    assert!(error < 1e-5, "{error}");
}

#[test]
fn one_copy_has_no_variance_and_says_so() {
    let found = attribute(&mut runner(1), "var-grad", &choices(["samples=1"])).unwrap();
    assert!(found.notes[0].contains("one copy alone"), "{:?}", found.notes);
}
