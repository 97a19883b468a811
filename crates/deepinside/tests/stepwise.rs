//! What interactive programs need of the library: questions about single units, ascents that go back, computations that stop.

use std::path::Path;

use std::sync::Arc;

use deepinside::attribution::Runner;
use deepinside::class_model::{Ascent, Objective, Recipe, Wish};
use deepinside::classify::Classification;
use deepinside::evidence::{EvidenceOptions, Noise, gather, gather_wanted};
use deepinside::layers::{LayersOptions, layer_unit, layers_of};
use deepinside::saliency::{SaliencyOptions, Wanted, saliency};
use deepinside::vision::{Crop, Photograph};
use deepinside::{BackwardRule, Error, InputSettings, Interrupt, Model, Settings, Size, Target, Threads};

fn model() -> Model {
    let network = "../cli/tests/fixtures/onnx/residual/model.onnx";
    Model::open_with(Path::new(env!("CARGO_MANIFEST_DIR")).join(network), Settings::default()).unwrap()
}

fn runner(threads: usize) -> Runner {
    Runner::new(Arc::new(model()), Threads::new(threads).unwrap())
}

/// Numbers without a pattern between −1 and 1.
fn noise(count: usize) -> Vec<f32> {
    (0..count).map(|index| ((index as f32 * 12.9898).sin() * 437.585).fract()).collect()
}

fn input(model: &Model) -> Vec<f32> {
    noise(model.graph.value(model.input).shape.elements())
}

#[test]
fn the_gradient_of_a_unit_is_that_of_central_differences() {
    let mut runner = runner(1);
    let model = runner.model().clone();
    let picture = input(&model);
    let first = model.graph.nodes().iter().find(|node| node.inputs.contains(&model.input)).unwrap();
    let (value, place) = (first.outputs[0], Some([1, 1]));
    let rule = BackwardRule::Gradient;
    let gradient = layer_unit(&mut runner, &picture, value, 0, place, rule).unwrap().gradient;
    assert_eq!(gradient.data().len(), picture.len());
    let mut largest = 0.0f32;
    for position in 0..picture.len() {
        let mut at = |step: f32| {
            let mut moved = picture.clone();
            moved[position] += step;
            let unit = layer_unit(&mut runner, &moved, value, 0, place, rule).unwrap();
            assert_eq!(unit.position, [1, 1]);
            f64::from(unit.activation)
        };
        let slope = ((at(0.05) - at(-0.05)) / 0.1) as f32;
        let found = gradient.data()[position];
        assert!((slope - found).abs() < 2e-3, "{position}: {slope} {found}");
        largest = largest.max(found.abs());
    }
    assert!(largest > 1e-3, "the unit sees nothing");
    for (channel, place) in [(0, Some([9999, 0])), (9999, None)] {
        assert!(layer_unit(&mut runner, &picture, value, channel, place, rule).is_err());
    }
}

/// The two ways to a class score agree: the layers' gradient at the picture, and the map's.
#[test]
fn the_picture_is_a_layer_like_others() {
    let mut runner = runner(1);
    let model = runner.model().clone();
    let picture = input(&model);
    let options = LayersOptions { class: Some(1), ..LayersOptions::default() };
    let found = layers_of(&mut runner, &picture, &[model.input], &options).unwrap();
    let expected = runner.gradient(BackwardRule::Gradient, &Target::class(1), &picture).unwrap();
    assert_eq!(found.layers[0].gradient, expected);
    assert_eq!(found.layers[0].activation.data(), picture);
    let options = LayersOptions { class: Some(9999), ..options };
    let refused = layers_of(&mut runner, &picture, &[model.input], &options);
    assert!(matches!(refused, Err(Error::ClassOutOfRange { .. })));
}

/// Backward passes of plain gradients are linear.
#[test]
fn the_gradient_of_a_difference_is_the_difference_of_gradients() {
    let mut runner = runner(1);
    let picture = input(runner.model());
    let targets = [Target::class(0), Target::class(2), Target::difference(0, 2)];
    let [first, second, difference] =
        targets.map(|target| runner.gradient(BackwardRule::Gradient, &target, &picture).unwrap());
    assert_eq!(runner.forward_passes(), 1, "the picture went forward again");
    let largest = first.data().iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
    for ((first, second), found) in first.data().iter().zip(second.data()).zip(difference.data()) {
        assert!((first - second - found).abs() <= 1e-5 * largest, "{first} {second} {found}");
    }
}

#[test]
fn an_ascent_that_goes_back_takes_the_same_steps_again() {
    let model = model();
    let threads = Threads::new(1).unwrap();
    let wishes = [Wish { objective: Objective::Class(1), seed: 3 }];
    let seen_often = Recipe { noise: 20.0, views: 3, contrast: 1.0, average: 0.8, ..Recipe::lucid() };
    for recipe in [Recipe::lucid(), Recipe { blur: 1.0, jitter: 2.0, ..Recipe::yosinski() }, seen_often] {
        let mut ascent = Ascent::new(&model, &wishes, &recipe, None, &threads).unwrap();
        (0..3).for_each(|_| drop(ascent.step().unwrap()));
        let state = ascent.state();
        assert_eq!(state.iteration(), 3);
        let mut end = || {
            (0..4).for_each(|_| drop(ascent.step().unwrap()));
            let image = ascent.image(0).unwrap();
            let iteration = ascent.iteration();
            ascent.restore(&state).unwrap();
            (image, iteration)
        };
        let once = end();
        assert_eq!(once.1, 7);
        assert_eq!(once, end());
        ascent.recipe.learning_rate *= 2.0;
        (0..4).for_each(|_| drop(ascent.step().unwrap()));
        assert_ne!(ascent.image(0).unwrap(), once.0, "the other learning rate changed nothing");
    }
    let two = [wishes[0].clone(), wishes[0].clone()];
    let other = Ascent::new(&model, &two, &Recipe::lucid(), None, &threads).unwrap().state();
    let mut ascent = Ascent::new(&model, &wishes, &Recipe::lucid(), None, &threads).unwrap();
    assert!(ascent.restore(&other).unwrap_err().to_string().contains('2'));
}

/// The picture after some steps, the probability that the last of them told, and what is told of the finished picture.
fn after(recipe: &Recipe, objective: Objective, steps: usize, threads: usize) -> (Vec<f32>, f32, f32) {
    let model = model();
    let wishes = [Wish { objective, seed: 5 }];
    let mut ascent = Ascent::new(&model, &wishes, recipe, None, &Threads::new(threads).unwrap()).unwrap();
    let told: Vec<f32> = (0..steps).map(|_| ascent.step().unwrap()[0].probability.unwrap()).collect();
    let made = ascent.finish().unwrap().remove(0);
    (made.image.data().to_vec(), told[steps - 1], *made.values.last().unwrap())
}

fn assert_near(found: &[f32], expected: &[f32], start: f32) {
    let size = expected.iter().map(|number| (number - start).abs()).fold(0.0, f32::max);
    assert!(size > 0.0, "the picture did not move");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-4 * size, "{found} {expected}");
    }
}

/// With weight and temperature one the gradient is that of the logarithm of the odds, p / (1 − p), which is that of log p over
/// 1 − p.
#[test]
fn contrast_maximises_the_odds() {
    let plain =
        Recipe { l2: 0.0, gradient_scale: Some(1.0), learning_rate: 50.0, jitter: 0.0, ..Recipe::paper() };
    let contrasting = Recipe { contrast: 1.0, ..plain.clone() };
    let (picture, probability, _) = after(&contrasting, Objective::Class(1), 1, 1);
    assert!((0.01..0.99).contains(&probability), "{probability}");
    let learning_rate = plain.learning_rate / (1.0 - f64::from(probability));
    let logarithm = Recipe { learning_rate, ..plain.clone() };
    assert_near(&picture, &after(&logarithm, Objective::LogPosterior(1), 1, 1).0, 0.0);
    let (other, ..) = after(&plain, Objective::Class(1), 1, 1);
    assert_ne!(picture, other, "the other classes change nothing");
}

/// The first step from the mean is along what that rule lets back to the picture.
#[test]
fn an_ascent_follows_its_rule() {
    let mut runner = runner(1);
    let mean = vec![0.0; input(runner.model()).len()];
    let mut directions = Vec::new();
    for rule in BackwardRule::ALL {
        let recipe = Recipe {
            rule,
            l2: 0.0,
            gradient_scale: Some(1.0),
            learning_rate: 50.0,
            jitter: 0.0,
            ..Recipe::paper()
        };
        let (picture, ..) = after(&recipe, Objective::Class(1), 1, 1);
        let gradient = runner.gradient(rule, &Target::class(1), &mean).unwrap();
        let norm = |numbers: &[f32]| numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
        let cosine = picture.iter().zip(gradient.data()).map(|(a, b)| a * b).sum::<f32>()
            / norm(&picture)
            / norm(gradient.data());
        assert!(cosine > 0.999, "{}: {cosine}", rule.name());
        directions.push(picture);
    }
    directions.dedup();
    assert_eq!(directions.len(), 4, "two rules gave the same");
}

/// Views that cannot differ are one view; what can differ, differs, but not between numbers of threads.
#[test]
fn views_are_averaged() {
    let still =
        Recipe { l2: 0.0, gradient_scale: Some(1.0), learning_rate: 50.0, jitter: 0.0, ..Recipe::paper() };
    let once = after(&still, Objective::Class(1), 3, 1);
    let thrice = after(&Recipe { views: 3, ..still }, Objective::Class(1), 3, 1);
    assert_near(&thrice.0, &once.0, 0.0);
    assert!((thrice.1 - once.1).abs() < 1e-5 && (thrice.2 - once.2).abs() < 1e-4, "{thrice:?}");
    let moved = Recipe { margin: 2, jitter: 2.0, noise: 20.0, views: 3, ..Recipe::lucid() };
    let one_thread = after(&moved, Objective::Class(1), 3, 1);
    assert_eq!(one_thread, after(&moved, Objective::Class(1), 3, 2));
    let without_noise = Recipe { noise: 0.0, ..moved.clone() };
    assert_ne!(one_thread.0, after(&without_noise, Objective::Class(1), 3, 1).0);
    let with_fewer = Recipe { views: 2, ..moved };
    assert_ne!(one_thread.0, after(&with_fewer, Objective::Class(1), 3, 1).0);
}

/// Bytes in memory give the network that their file gives, and none that would read other files.
#[test]
fn a_network_in_memory_is_the_one_in_its_file() {
    let bytes = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/tests/fixtures/onnx").join(name);
        std::fs::read(path.join("model.onnx")).unwrap().into()
    };
    let (file, memory) =
        (model(), Model::from_onnx(bytes("residual"), "residual", Settings::default()).unwrap());
    let scores = |model: Model| {
        let input = input(&model);
        Runner::new(Arc::new(model), Threads::new(1).unwrap()).scores(&input).unwrap()
    };
    assert_eq!(scores(file), scores(memory));
    let elsewhere = Model::from_onnx(bytes("external_data"), "elsewhere", Settings::default());
    assert!(elsewhere.unwrap_err().to_string().contains("elsewhere"));
}

#[test]
fn a_computation_stops_when_it_is_asked_to() {
    let photograph = Photograph::new(40, 50, 3, noise(6000).iter().map(|number| number.abs()).collect());
    let photograph = photograph.unwrap();
    let mut runner = runner(1);
    let interrupt = Interrupt::default();
    runner.set_interrupt(&interrupt);
    let options = EvidenceOptions::default();
    let before = gather(&mut runner, &photograph, &[0], &options).unwrap();
    interrupt.clone().ask();
    assert!(matches!(gather(&mut runner, &photograph, &[0], &options), Err(Error::Interrupted)));
    runner.set_interrupt(&Interrupt::default());
    let after = gather(&mut runner, &photograph, &[0], &options).unwrap();
    assert_eq!(before.maps, after.maps);
}

/// With several threads several pictures are computed at the same time; what comes first in a sum stays first.
#[test]
fn maps_do_not_depend_on_how_many_pictures_are_computed_at_a_time() {
    let photograph = Photograph::new(40, 50, 3, noise(6000).iter().map(|number| number.abs()).collect());
    let photograph = photograph.unwrap();
    let samples = Some(Noise { samples: 5, deviation: 0.1, seed: 3 });
    let grid = |noise| EvidenceOptions { crops: Crop::TEN.to_vec(), noise, ..EvidenceOptions::default() };
    for options in [grid(None), grid(samples)] {
        let gather = |threads: usize| {
            let mut runner = runner(threads);
            // The second photograph must not meet scores of the first.
            let other = Photograph::new(40, 50, 3, vec![0.25; 6000]).unwrap();
            gather_wanted(&mut runner, &other, &Wanted::Top(2), &options).unwrap();
            gather_wanted(&mut runner, &photograph, &Wanted::Top(2), &options).unwrap().1
        };
        let alone = gather(1);
        for threads in [2, 3, 20] {
            let several = gather(threads);
            assert_eq!(several.maps, alone.maps);
            assert_eq!((several.scores, several.classes), (alone.scores.clone(), alone.classes.clone()));
        }
    }
}

/// The class is chosen by the model's own crop: where maps are of that crop, its forward pass serves both, and of other crops
/// it takes one pass more.
#[test]
fn choosing_the_class_by_the_own_crop_takes_no_pass_where_maps_are_of_it() {
    let prepared = InputSettings { resize: Some(Size::Side(48)), ..InputSettings::default() };
    let network =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/tests/fixtures/onnx/residual/model.onnx");
    let model = Model::open_with(&network, Settings { input: prepared, ..Settings::default() }).unwrap();
    let model = Arc::new(model);
    let fresh = || Runner::new(Arc::clone(&model), Threads::new(2).unwrap());
    let numbers = noise(90 * 120 * 3).iter().map(|number| number.abs()).collect();
    let photograph = Photograph::new(90, 120, 3, numbers).unwrap();
    let own = fresh().scores(model.input_of(&photograph, model.crop).unwrap().data()).unwrap();
    for (crops, passes) in [(vec![model.crop], 2), (vec![Crop::Whole], 3), (Crop::TEN.to_vec(), 21)] {
        let options = EvidenceOptions { crops, ..EvidenceOptions::default() };
        let mut runner = fresh();
        let interrupt = Interrupt::default();
        runner.set_interrupt(&interrupt);
        let (classification, evidence) =
            gather_wanted(&mut runner, &photograph, &Wanted::Top(1), &options).unwrap();
        assert_eq!(interrupt.steps()[0], passes);
        assert!(passes <= options.passes(1));
        assert_eq!(classification, Classification::from_scores(own.clone()));
        assert_eq!(evidence.classes, [classification.top(&model, 1)[0].index]);
    }
    let mut runner = fresh();
    for (crop, passes) in [(None, 2), (Some(model.crop), 2), (Some(Crop::Whole), 3)] {
        let interrupt = Interrupt::default();
        runner.set_interrupt(&interrupt);
        let options = SaliencyOptions { crop, ..SaliencyOptions::default() };
        // Another photograph before, whose scores must not be taken for this one's.
        runner.scores(&input(&model)).unwrap();
        let found = saliency(&mut runner, &photograph, &options).unwrap();
        assert_eq!(interrupt.steps()[0], 1 + passes);
        assert_eq!(found[0].class.index, found[0].top[0].index);
    }
}

/// One runner serves every kind of map, and none changes another.
#[test]
fn maps_do_not_depend_on_what_a_runner_made_before() {
    let mut one = runner(1);
    let photograph = Photograph::new(40, 50, 3, noise(6000).iter().map(|number| number.abs()).collect());
    let photograph = photograph.unwrap();
    let plain = EvidenceOptions { smoothing: 0.1, ..EvidenceOptions::default() };
    let guided = EvidenceOptions { rules: vec![BackwardRule::Guided], ..plain.clone() };
    for options in [&plain, &guided, &plain] {
        let fresh = gather(&mut runner(1), &photograph, &[0], options).unwrap();
        assert_eq!(gather(&mut one, &photograph, &[0], options).unwrap().maps, fresh.maps);
    }
    let nothing = EvidenceOptions { crops: Vec::new(), ..plain };
    assert!(gather(&mut one, &photograph, &[0], &nothing).is_err());
}
