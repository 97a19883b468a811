//! Class saliency in the photograph's own frame: from one crop or many, smoothed, for several classes at once.

use deepinside_engine::Threads;
use deepinside_vision::crops::Region;
use deepinside_vision::overlay::into_photograph_frame;
use deepinside_vision::{Array, Crop, Photograph, blur};

use crate::classify::mean_scores;
use crate::random::Random;
use crate::saliency::largest_magnitude;
use crate::{BackwardRule, Error, Model, Result, ScoreRunner, Scores};

/// How saliency is gathered.
#[derive(Debug, Clone, PartialEq)]
pub struct EvidenceOptions {
    /// What rectifiers do on the way back. Of several rules' maps the geometric mean is taken: what one rule alone shows, such
    /// as the gradient's speckles or the edges that guided backpropagation restores everywhere, fades.
    pub rules: Vec<BackwardRule>,
    /// The parts of the photograph whose maps are averaged, mirrored back and in their places.
    pub crops: Vec<Crop>,
    /// Gradients of noisy copies are averaged, where it is given.
    pub noise: Option<Noise>,
    /// The deviation of a Gaussian that smooths the map, as a share of the photograph's longer side.
    pub smoothing: f64,
}

/// SmoothGrad (Smilkov and others 2017): the mean gradient over pictures with added normal noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// How many pictures.
    pub samples: usize,
    /// The noise's deviation, as a share of the range of the network's input.
    pub deviation: f64,
    /// The random seed.
    pub seed: u64,
}

impl Default for EvidenceOptions {
    /// The paper's map: one pass, nothing smoothed; of the whole photograph.
    fn default() -> Self {
        Self { rules: vec![BackwardRule::Gradient], crops: vec![Crop::Whole], noise: None, smoothing: 0.0 }
    }
}

/// What a network sees, and where.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The mean scores over the crops.
    pub scores: Scores,
    /// Per class that was asked for the map, height × width of the photograph, 0 or more; 0 where no crop reaches.
    pub maps: Vec<Array>,
}

/// Gathers evidence with one prepared network.
pub struct Gatherer {
    /// One for each rule.
    runners: Vec<ScoreRunner>,
    options: EvidenceOptions,
}

impl Gatherer {
    /// Prepares a model.
    ///
    /// # Errors
    /// When a layer cannot be computed, or the options ask for no crop or no rule.
    pub fn new(model: &Model, options: EvidenceOptions, threads: &Threads) -> Result<Self> {
        if options.crops.is_empty() || options.rules.is_empty() {
            return Err(Error::Option("saliency needs at least one crop and one rule".to_owned()));
        }
        let runners = options.rules.iter().map(|&rule| ScoreRunner::new(model, Some(rule), threads));
        Ok(Self { runners: runners.collect::<Result<_>>()?, options })
    }

    /// The mean scores of the crops.
    ///
    /// # Errors
    /// When a crop does not fit.
    pub fn scores(&mut self, model: &Model, photograph: &Photograph) -> Result<Scores> {
        let mut scores = Vec::new();
        for &crop in &self.options.crops {
            scores.push(self.runners[0].forward(model.inputs(photograph, &[crop])?.data())?);
        }
        mean(&scores)
    }

    /// The maps of some classes; every crop's forward pass serves all of them.
    ///
    /// # Errors
    /// When a crop does not fit or a class does not exist.
    pub fn gather(&mut self, model: &Model, photograph: &Photograph, classes: &[usize]) -> Result<Evidence> {
        if let Some(&index) = classes.iter().find(|&&class| class >= model.score.classes) {
            return Err(Error::ClassOutOfRange { index, classes: model.score.classes });
        }
        let (height, width) = (photograph.height(), photograph.width());
        let mut scores = Vec::new();
        // Per class the logarithm of the product of the rules' maps.
        let mut products = vec![vec![0.0f32; height * width]; classes.len()];
        let options = self.options.clone();
        for runner in &mut self.runners {
            let (own, maps) = framed(model, runner, photograph, classes, &options)?;
            scores.extend(own);
            for (product, map) in products.iter_mut().zip(maps) {
                for (product, number) in product.iter_mut().zip(map) {
                    *product += number.ln();
                }
            }
        }
        let count = options.rules.len() as f32;
        let deviation = options.smoothing * height.max(width) as f64;
        let map = |product: Vec<f32>| -> Result<Array> {
            let numbers: Vec<f32> = product.iter().map(|number| (number / count).exp()).collect();
            Ok(blur::gaussian(&Array::new([height, width], numbers)?, deviation)?)
        };
        Ok(Evidence { scores: mean(&scores)?, maps: products.into_iter().map(map).collect::<Result<_>>()? })
    }
}

/// One rule's maps of some classes in the photograph's frame, averaged over the crops that cover each pixel.
fn framed(
    model: &Model,
    runner: &mut ScoreRunner,
    photograph: &Photograph,
    classes: &[usize],
    options: &EvidenceOptions,
) -> Result<(Vec<Scores>, Vec<Vec<f32>>)> {
    let (height, width) = (photograph.height(), photograph.width());
    let size = [model.transformer.height, model.transformer.width];
    let mut scores = Vec::new();
    let mut sums = vec![vec![0.0f32; height * width]; classes.len()];
    let mut counts = vec![0.0f32; height * width];
    for &crop in &options.crops {
        let region = match crop {
            Crop::Whole => Region::WHOLE,
            crop => crop.region(model.image_size(photograph)?, size)?,
        };
        let frame = |map: &Array| into_photograph_frame(map, region, height, width, 0.0);
        let (own, gradients) =
            gradients(runner, model.inputs(photograph, &[crop])?.data(), classes, options.noise)?;
        scores.push(own);
        for (sum, gradient) in sums.iter_mut().zip(&gradients) {
            add(sum, frame(&largest_magnitude(gradient)?)?.data());
        }
        add(&mut counts, frame(&Array::filled(size, 1.0)?)?.data());
    }
    for sum in &mut sums {
        for (number, count) in sum.iter_mut().zip(&counts) {
            *number /= count.max(1.0);
        }
    }
    Ok((scores, sums))
}

/// The scores of one input, and per class the gradient, or the mean one over noisy inputs.
fn gradients(
    runner: &mut ScoreRunner,
    input: &[f32],
    classes: &[usize],
    noise: Option<Noise>,
) -> Result<(Scores, Vec<Array>)> {
    let scores = runner.forward(input)?;
    let Some(Noise { samples, deviation, seed }) = noise else {
        let gradients = classes.iter().map(|&class| runner.gradient(class));
        return Ok((scores, gradients.collect::<Result<_>>()?));
    };
    let range = input
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &number| (low.min(number), high.max(number)));
    let deviation = deviation as f32 * (range.1 - range.0).max(0.0);
    let mut random = Random::new(seed);
    let mut sums: Vec<Array> = Vec::new();
    for _ in 0..samples.max(1) {
        let noisy: Vec<f32> =
            input.iter().map(|number| number + deviation * random.normal() as f32).collect();
        runner.forward(&noisy)?;
        for (index, &class) in classes.iter().enumerate() {
            let gradient = runner.gradient(class)?;
            match sums.get_mut(index) {
                Some(sum) => add(sum.data_mut(), gradient.data()),
                None => sums.push(gradient),
            }
        }
    }
    let share = 1.0 / samples.max(1) as f32;
    sums.iter_mut().flat_map(|sum| sum.data_mut()).for_each(|number| *number *= share);
    Ok((scores, sums))
}

fn mean(scores: &[Scores]) -> Result<Scores> {
    mean_scores(scores).ok_or_else(|| Error::Option("saliency needs at least one crop".to_owned()))
}

fn add(sum: &mut [f32], numbers: &[f32]) {
    for (sum, number) in sum.iter_mut().zip(numbers) {
        *sum += number;
    }
}
