//! SmoothGrad of a network whose gradient is known: each score is the mean square of a channel.

use std::sync::Arc;

use deepinside::attribution::Runner;
use deepinside::evidence::{EvidenceOptions, Noise, gather};
use deepinside::vision::{Crop, Photograph};
use deepinside::{Model, Settings, Threads};

const SIDE: usize = 16;

const SQUARES: &str = r#"
    input: "data" input_shape { dim: 1 dim: 3 dim: 16 dim: 16 }
    layer { name: "square" type: "Power" bottom: "data" top: "square" power_param { power: 2 } }
    layer { name: "score" type: "Pooling" bottom: "square" top: "score" pooling_param { pool: AVE global_pooling: true } }
"#;

fn model() -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("squares.prototxt");
    std::fs::write(&path, SQUARES).unwrap();
    Model::open_with(&path, Settings::default()).unwrap()
}

/// As large as the network's input, so that all crops are the whole of it or its mirror image.
fn photograph() -> Photograph {
    let numbers = (0..3 * SIDE * SIDE).map(|index| (index * 37 % 101) as f32 / 100.0).collect();
    Photograph::new(SIDE, SIDE, 3, numbers).unwrap()
}

/// The mean gradients of class 1 in that channel, crop by crop, and the range of the network's input.
fn gradients(crops: &[Crop], samples: Option<usize>) -> (Vec<Vec<f32>>, f32) {
    let (model, photograph) = (Arc::new(model()), photograph());
    let noise = samples.map(|samples| Noise { samples, deviation: 0.25, seed: 0 });
    let crops = crops.to_vec();
    let options = EvidenceOptions { crops, noise, keeps_gradients: true, ..EvidenceOptions::default() };
    let mut runner = Runner::new(Arc::clone(&model), Threads::new(2).unwrap());
    let found = gather(&mut runner, &photograph, &[1], &options).unwrap();
    let of_class = |crop: &[f32]| crop[SIDE * SIDE..2 * SIDE * SIDE].to_vec();
    let inputs = model.inputs(&photograph, &[Crop::Whole]).unwrap();
    let (low, high) = inputs.data().iter().fold((f32::MAX, f32::MIN), |(l, h), &x| (l.min(x), h.max(x)));
    (found.gradients[0].data().chunks_exact(3 * SIDE * SIDE).map(of_class).collect(), high - low)
}

/// The noise of each crop, whose gradient `2 (x + n) / 256` differs by it from the one without.
fn noises(crops: &[Crop], samples: usize) -> (Vec<Vec<f32>>, f32) {
    let (plain, range) = gradients(crops, None);
    let (noisy, _) = gradients(crops, Some(samples));
    let scale = (SIDE * SIDE) as f32 / 2.0;
    let of_crop = |(noisy, plain): (&Vec<f32>, &Vec<f32>)| {
        noisy.iter().zip(plain).map(|(noisy, plain)| scale * (noisy - plain)).collect()
    };
    (noisy.iter().zip(&plain).map(of_crop).collect(), range)
}

fn deviation(noise: &[f32]) -> f32 {
    (noise.iter().map(|number| number * number).sum::<f32>() / noise.len() as f32).sqrt()
}

#[test]
fn noise_comes_in_pairs_that_cancel_in_a_linear_gradient() {
    for samples in [2, 6] {
        let (noise, range) = noises(&[Crop::Whole], samples);
        assert!(deviation(&noise[0]) < 1e-4 * range, "{samples}: {}", deviation(&noise[0]));
    }
    for samples in [1, 3] {
        let (noise, range) = noises(&[Crop::Whole], samples);
        // A quarter of the range, of the one copy without a partner among so many.
        let expected = 0.25 * range / samples as f32;
        let found = deviation(&noise[0]);
        assert!((found / expected - 1.0).abs() < 0.15, "{samples}: {found} instead of {expected}");
    }
}

#[test]
fn every_crop_has_noise_of_its_own() {
    let (noise, range) = noises(&Crop::TEN, 1);
    for (index, one) in noise.iter().enumerate() {
        for other in &noise[..index] {
            let difference: Vec<f32> = one.iter().zip(other).map(|(one, other)| one - other).collect();
            // The difference of independent numbers has √2 times their deviation.
            let ratio = deviation(&difference) / (0.25 * range);
            assert!((ratio - 2.0f32.sqrt()).abs() < 0.25, "{index}: {ratio}");
        }
    }
}
