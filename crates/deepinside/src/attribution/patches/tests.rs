use std::collections::BTreeMap;

use super::*;
use crate::Settings;

/// Windows that overlap, leave pixels out, are padded, dilated and overhang; joined branches; a residual sum; normalisation across channels.
const NETWORK: &str = r#"
    input: "data" input_shape { dim: 1 dim: 3 dim: 45 dim: 38 }
    layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 6 kernel_size: 5 stride: 2 pad: 1 } }
    layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
    layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 } }
    layer { name: "pool1" type: "Pooling" bottom: "norm1" top: "pool1" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
    layer { name: "narrow" type: "Convolution" bottom: "pool1" top: "narrow" convolution_param { num_output: 4 kernel_size: 1 } }
    layer { name: "wide" type: "Convolution" bottom: "pool1" top: "wide" convolution_param { num_output: 5 kernel_size: 3 pad: 2 dilation: 2 } }
    layer { name: "joined" type: "Concat" bottom: "narrow" bottom: "wide" top: "joined" }
    layer { name: "conv2" type: "Convolution" bottom: "joined" top: "conv2" convolution_param { num_output: 9 kernel_size: 3 pad: 1 } }
    layer { name: "sum" type: "Eltwise" bottom: "joined" bottom: "conv2" top: "sum" }
    layer { name: "relu2" type: "ReLU" bottom: "sum" top: "sum" }
    layer { name: "pool2" type: "Pooling" bottom: "sum" top: "pool2" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
    layer { name: "conv3" type: "Convolution" bottom: "pool2" top: "conv3" convolution_param { num_output: 7 kernel_size: 1 } }
    layer { name: "score" type: "Pooling" bottom: "conv3" top: "score" pooling_param { pool: AVE global_pooling: true } }
    layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
"#;

fn model() -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.prototxt");
    std::fs::write(&path, NETWORK).unwrap();
    Model::open_with(&path, Settings { random_weights: Some(3), ..Settings::default() }).unwrap()
}

fn noise(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|at| 20.0 * ((at as f32 * 12.9898 + seed).sin() * 43_758.547).fract()).collect()
}

/// Boxes at every border and inside, of several extents.
fn boxes() -> Vec<Region> {
    let rows = [0..7, 1..4, 9..16, 20..27, 22..23, 38..45, 44..45];
    let columns = [0..5, 3..10, 15..22, 31..38, 0..38];
    rows.iter().flat_map(|row| columns.iter().map(|column| [row.clone(), column.clone()])).collect()
}

/// With every end of the last stage: which one is chosen depends on costs alone.
#[test]
fn numbers_are_those_of_the_whole_network_wherever_the_last_stage_ends() {
    let model = Arc::new(model());
    let mut runner = Runner::new(Arc::clone(&model), Threads::new(2).unwrap());
    let input = Array::new([3, 45, 38], noise(3 * 45 * 38, 0.5)).unwrap();
    let other = noise(3 * 45 * 38, 0.25);
    let boxes = boxes();
    let changed = |position: usize| {
        let [rows, columns] = &boxes[position];
        let mut numbers = input.data().to_vec();
        for pixel in (0..numbers.len())
            .filter(|pixel| rows.contains(&(pixel / 38 % 45)) && columns.contains(&(pixel % 38)))
        {
            numbers[pixel] = other[pixel];
        }
        numbers
    };
    let conv2 = model.graph.find("conv2").unwrap();
    let unit = Target::element(&model, conv2, 40).unwrap();
    let targets =
        [Target::class(4), Target::difference(2, 6), crate::target::Term::Probability(1).into(), unit];
    let mut ends = BTreeMap::new();
    for (number, target) in targets.iter().enumerate() {
        let all = |position: usize| match position {
            0 => input.data().to_vec(),
            _ => changed(position - 1),
        };
        let pass = Pass::forward();
        let mut expected = Vec::new();
        runner
            .each(&pass, target, boxes.len() + 1, &all, &|passed| Ok(passed.number), &mut |_, number| {
                expected.push(number);
                Ok(())
            })
            .unwrap();
        let largest = expected.iter().fold(0.0f64, |largest, number| largest.max(number.abs()));
        let search = Search::new(&model, &target.values(&model), &boxes);
        for end in 1..search.values() {
            let stages = search.stages(end);
            let patches = Patches::new(&model, &mut runner, &input, target, stages).unwrap();
            let (whole, numbers) = patches.numbers(&mut runner, target, &boxes, &changed).unwrap();
            for (own, expected) in [whole].iter().chain(&numbers).zip(&expected) {
                assert!((own - expected).abs() <= 1e-6 * largest, "{number}, {end}: {own}, not {expected}");
            }
            ends.insert(number, end);
        }
        // A change is seen, or nothing would be tested.
        let most = expected[1..].iter().map(|number| (number - expected[0]).abs()).fold(0.0, f64::max);
        assert!(most > 1e-3 * largest, "{number}: {most} of {largest}");
    }
    // Up to `conv3`, before the score's pool, and up to `joined`, which the unit is computed from.
    assert_eq!(ends.into_values().collect::<Vec<_>>(), [9, 9, 9, 5]);
}
