//! Class saliency in the photograph's own frame: from one crop or many, smoothed, for several classes at once.

mod source;

use deepinside_files::Array;
use deepinside_vision::frame::Frame;
use deepinside_vision::{Crop, Photograph, blur, unseen};
use rayon::prelude::*;

use self::source::{Source, add};
use crate::attribution::Runner;
use crate::classify::{Classification, mean_scores};
use crate::saliency::Wanted;
use crate::{BackwardRule, Error, Model, Result, Scores, Target, expect_finite};

pub use crate::evidence_options::{EvidenceOptions, Noise};

/// What a network sees, and where.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The mean scores over the crops.
    pub scores: Scores,
    /// The classes that were asked for.
    pub classes: Vec<usize>,
    /// Per class that was asked for the map, height × width of the photograph, 0 or more; 0 where no crop reaches, which says
    /// nothing: see [`Evidence::seen`].
    pub maps: Vec<Array>,
    /// The photograph's pixels that a crop reaches, row-major: the same for all maps. See [`deepinside_vision::unseen`].
    pub seen: Vec<bool>,
    /// Per class the gradients of all crops under the first rule, crops × C × H × W of the network's input: the mean ones over noisy
    /// copies where there are some. None unless [`EvidenceOptions::keeps_gradients`].
    pub gradients: Vec<Array>,
}

impl Evidence {
    /// The share of the photograph's pixels that no crop reaches.
    pub fn unseen(&self) -> f64 {
        unseen::share(&self.seen)
    }
}

/// Gathers the maps of some classes; every crop's forward pass serves all of them.
///
/// # Errors
/// When a crop does not fit, a class does not exist, the network has no such layers, numbers are not finite, the runner was interrupted,
/// or as [`EvidenceOptions::check`].
pub fn gather(
    runner: &mut Runner,
    photograph: &Photograph,
    classes: &[usize],
    options: &EvidenceOptions,
) -> Result<Evidence> {
    options.check()?;
    let seen = Seen::new(runner.model(), photograph, &options.crops)?;
    gather_seen(runner, &seen, classes, options, TOGETHER)
}

/// What a model says of a photograph by its own crop, and the maps of the classes that are wanted. Where maps are of that crop alone, it
/// does not go forward again.
///
/// # Errors
/// As [`gather`].
pub fn gather_wanted(
    runner: &mut Runner,
    photograph: &Photograph,
    wanted: &Wanted,
    options: &EvidenceOptions,
) -> Result<(Classification, Evidence)> {
    options.check()?;
    if let Some(source) = sources(runner.model(), options)?.first() {
        source.expect(runner)?;
    }
    let classification = runner.classify(photograph)?;
    let classes = wanted.of(runner.model(), &classification);
    Ok((classification, gather(runner, photograph, &classes, options)?))
}

/// The kinds of passes that options ask for.
fn sources(model: &Model, options: &EvidenceOptions) -> Result<Vec<Source>> {
    let mut layers = options.layers(model)?;
    let mut sources = Vec::new();
    for &rule in &options.rules {
        // Class activation maps are of the true gradient, which may be there anyway.
        let layers = if rule == BackwardRule::Gradient { std::mem::take(&mut layers) } else { Vec::new() };
        sources.push(Source { rule, layers, reads_input: true });
    }
    if !layers.is_empty() {
        sources.push(Source { rule: BackwardRule::Gradient, layers, reads_input: false });
    }
    Ok(sources)
}

/// Gathers so many numbers of maps at the same time.
fn gather_seen(
    runner: &mut Runner,
    seen: &Seen,
    classes: &[usize],
    options: &EvidenceOptions,
    together: usize,
) -> Result<Evidence> {
    let targets = classes.iter().map(|&class| Target::of_classes(runner.model(), class, options.minus));
    let targets: Vec<Target> = targets.collect::<Result<_>>()?;
    let [height, width] = seen.size;
    let mut scores = Vec::new();
    // Per class the logarithm of the product of the maps.
    let mut products = vec![vec![0.0f32; height * width]; classes.len()];
    let pixels = unseen::seen_in(&seen.frames)?;
    let (mut factors, mut gradients) = (0, Vec::new());
    for (first, source) in sources(runner.model(), options)?.iter().enumerate() {
        let of_input = usize::from(source.reads_input);
        factors += of_input + usize::from(source.maps() > of_input);
        let together = (together / (source.maps() * height * width).max(1)).clamp(1, classes.len().max(1));
        for start in (0..classes.len().max(1)).step_by(together) {
            let chunk = start..classes.len().min(start + together);
            let found = framed(runner, source, seen, &targets[chunk.clone()], options)?;
            if first == 0 {
                gradients.extend(found.gradients);
            }
            if start == 0 {
                scores.extend(found.scores);
            }
            for (product, maps) in products[chunk].iter_mut().zip(found.maps) {
                let (of_input, of_layers) = maps.split_at(of_input);
                for map in of_input {
                    multiply(product, map.iter().copied());
                }
                if !of_layers.is_empty() {
                    multiply(product, sum_of_shares(of_layers).into_iter());
                }
            }
        }
    }
    let count = factors as f32;
    let deviation = options.smoothing * height.max(width) as f64;
    let smoother = Smoother::new(&pixels, [height, width], deviation)?;
    let map = |product: Vec<f32>| -> Result<Array> {
        let numbers: Vec<f32> = product.iter().map(|number| (number / count).exp()).collect();
        // Numbers that are none would be hidden by what follows.
        expect_finite(|| "the numbers of the map".to_owned(), &numbers)?;
        smoother.smoothed(&Array::new([height, width], numbers)?)
    };
    Ok(Evidence {
        scores: mean(&scores)?,
        classes: classes.to_vec(),
        maps: products.into_iter().map(map).collect::<Result<_>>()?,
        gradients,
        seen: pixels,
    })
}

/// Smooths maps by what was seen of them: pixels that no crop reaches take no part, where they would darken the others, and stay 0.
struct Smoother<'a> {
    seen: &'a [bool],
    deviation: f64,
    /// How much of the Gaussian around each pixel was seen, where something was not.
    share: Option<Array>,
}

impl<'a> Smoother<'a> {
    fn new(seen: &'a [bool], size: [usize; 2], deviation: f64) -> Result<Self> {
        let is_whole = deviation == 0.0 || seen.iter().all(|seen| *seen);
        let ones = || seen.iter().map(|&seen| f32::from(u8::from(seen))).collect();
        let share = (!is_whole).then(|| blur::gaussian(&Array::new(size, ones())?, deviation)).transpose()?;
        Ok(Self { seen, deviation, share })
    }

    fn smoothed(&self, map: &Array) -> Result<Array> {
        let mut smoothed = blur::gaussian(map, self.deviation)?;
        // Wide Gaussians are interpolated, which may leave a little less than nothing.
        smoothed.data_mut().iter_mut().for_each(|number| *number = number.max(0.0));
        if let Some(share) = &self.share {
            let seen = self.seen.iter().zip(share.data());
            for (number, (&seen, &share)) in smoothed.data_mut().iter_mut().zip(seen) {
                *number = if seen { *number / share.max(1e-3) } else { 0.0 };
            }
        }
        Ok(smoothed)
    }
}

/// How many numbers of maps are gathered at the same time, 256 MiB. The classes of large photographs take turns, for which crops that are
/// more than threads, and noisy copies, go forward again.
const TOGETHER: usize = 64 << 20;

/// Adds the logarithms of a map to those of a product.
fn multiply(product: &mut [f32], map: impl Iterator<Item = f32>) {
    for (product, number) in product.iter_mut().zip(map) {
        *product += number.ln();
    }
}

/// The sum of maps, each divided by its mean, so that every layer counts alike; one that is 0 everywhere adds nothing.
fn sum_of_shares(maps: &[Vec<f32>]) -> Vec<f32> {
    let mut total = vec![0.0f32; maps.first().map_or(0, Vec::len)];
    for map in maps {
        let sum: f64 = map.iter().map(|&number| f64::from(number)).sum();
        let share = if sum > 0.0 { (map.len() as f64 / sum) as f32 } else { 0.0 };
        for (total, number) in total.iter_mut().zip(map) {
            *total += share * number;
        }
    }
    total
}

/// One class's maps in the photograph's frame: that of the picture, if it is read, and one for each layer.
type ClassMaps = Vec<Vec<f32>>;

/// What one source sees of a photograph.
struct Framed {
    /// Of each crop.
    scores: Vec<Scores>,
    /// Of each class.
    maps: Vec<ClassMaps>,
    /// Of each class, if they are wanted: crops × C × H × W.
    gradients: Vec<Array>,
}

/// One source's maps of some classes in the photograph's frame, averaged over the crops that cover each pixel.
fn framed(
    runner: &mut Runner,
    source: &Source,
    seen: &Seen,
    targets: &[Target],
    options: &EvidenceOptions,
) -> Result<Framed> {
    let [height, width] = seen.size;
    let threads = runner.threads().clone();
    let mut sums = vec![vec![vec![0.0f32; height * width]; source.maps()]; targets.len()];
    let mut counts = vec![0.0f32; height * width];
    let inputs: Vec<&[f32]> = seen.inputs().collect();
    let mut gradients = vec![Vec::new(); if options.keeps_gradients { targets.len() } else { 0 }];
    let mut shape = Vec::new();
    let scores = source.for_each(runner, &inputs, targets, options, |crop, maps, own| {
        for (all, own) in gradients.iter_mut().zip(own) {
            shape = own.shape().to_vec();
            all.extend_from_slice(own.data());
        }
        let frame = |map: &Array| seen.frames[crop].place(map);
        add(&mut counts, frame(&Array::filled(seen.extents(), 1.0)?)?.data());
        threads.run(|| {
            sums.par_iter_mut().zip(maps).try_for_each(|(sums, maps)| {
                sums.iter_mut().zip(maps).try_for_each(|(sum, map)| {
                    add(sum, frame(map)?.data());
                    Ok::<(), Error>(())
                })
            })
        })
    })?;
    for sum in sums.iter_mut().flatten() {
        for (number, count) in sum.iter_mut().zip(&counts) {
            *number /= count.max(1.0);
        }
    }
    let with_crops = |numbers| Ok(Array::new([&[inputs.len()], &shape[..]].concat(), numbers)?);
    let is_read = source.reads_input;
    let gradients =
        gradients.into_iter().filter(|_| is_read).map(with_crops).collect::<Result<Vec<Array>>>()?;
    Ok(Framed { scores, maps: sums, gradients })
}

/// A photograph as the network sees it: crop by crop.
struct Seen {
    /// The photograph's height and width.
    size: [usize; 2],
    /// Crops × C × H × W.
    inputs: Array,
    /// Where each crop lies in the photograph.
    frames: Vec<Frame>,
}

impl Seen {
    fn new(model: &Model, photograph: &Photograph, crops: &[Crop]) -> Result<Self> {
        Ok(Self {
            size: [photograph.height(), photograph.width()],
            inputs: model.inputs(photograph, crops)?,
            frames: crops.iter().map(|&crop| model.frame(photograph, crop)).collect::<Result<_>>()?,
        })
    }

    /// The pictures, C × H × W numbers each.
    fn inputs(&self) -> impl Iterator<Item = &[f32]> {
        let size = self.inputs.shape()[1..].iter().product::<usize>();
        self.inputs.data().chunks_exact(size.max(1))
    }

    /// The height and width of a picture.
    fn extents(&self) -> [usize; 2] {
        let shape = self.inputs.shape();
        [shape[2], shape[3]]
    }
}

fn mean(scores: &[Scores]) -> Result<Scores> {
    mean_scores(scores).ok_or_else(|| Error::Option("saliency needs at least one crop".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::Threads;
    use crate::class_activation::{ActivationMap, Layers, Weighting};

    /// A Gaussian that counted the pixels that no crop reaches as zeros would darken the border of what was seen, and leak out of it.
    #[test]
    fn unseen_pixels_do_not_darken_the_seen_ones_beside_them() {
        let seen: Vec<bool> = (0..20 * 30).map(|index| index % 30 < 18).collect();
        let two = seen.iter().map(|&seen| if seen { 2.0 } else { 0.0 }).collect();
        let map = Array::new([20, 30], two).unwrap();
        let smoothed = Smoother::new(&seen, [20, 30], 2.5).unwrap().smoothed(&map).unwrap();
        for (found, expected) in smoothed.data().iter().zip(map.data()) {
            assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
        }
    }

    /// What large photographs need: 64 million numbers are too many for a test.
    #[test]
    fn classes_that_take_turns_have_the_maps_that_they_have_together() {
        let network = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/tests/fixtures/onnx/residual/model.onnx");
        let model = Model::open(network).unwrap();
        let numbers = (0..40 * 50 * 3).map(|index| (index * 37 % 101) as f32 / 100.0).collect();
        let photograph = Photograph::new(40, 50, 3, numbers).unwrap();
        let mut runner = Runner::new(Arc::new(model), Threads::new(2).unwrap());
        let plain = EvidenceOptions { keeps_gradients: true, ..EvidenceOptions::default() };
        let noise = Some(Noise { samples: 3, deviation: 0.1, seed: 1 });
        let activations = Some(ActivationMap { layers: Layers::Stages, weighting: Weighting::LayerCam });
        let rules = vec![BackwardRule::Gradient, BackwardRule::Guided];
        for options in [
            plain.clone(),
            EvidenceOptions { noise, crops: Crop::TEN.to_vec(), ..plain.clone() },
            EvidenceOptions { rules, activations, crops: Crop::TEN.to_vec(), ..plain },
        ] {
            let seen = Seen::new(runner.model(), &photograph, &options.crops).unwrap();
            let mut gather =
                |together: usize| gather_seen(&mut runner, &seen, &[2, 0, 1], &options, together).unwrap();
            let (all, alone) = (gather(TOGETHER), gather(1));
            assert_eq!((&all.maps, &all.gradients), (&alone.maps, &alone.gradients));
            assert_eq!((&all.scores, &all.classes), (&alone.scores, &alone.classes));
            assert_eq!(all.gradients.len(), 3);
        }
    }
}
