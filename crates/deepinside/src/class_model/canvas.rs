//! The picture of an ascent while it grows.

use deepinside_files::Array;
use deepinside_vision::{ChannelOrder, Photograph, blur};
use rand_mt::Mt;
use rayon::prelude::*;

use super::optimiser::Memory;
use super::regularise::{Planes, clip_smallest, subtract_total_variation};
use super::spectrum::Spectrum;
use super::view::{Frame, View};
use super::{Parameterisation, Recipe, Start};
use crate::random::Random;
use crate::{Error, Model, Result};

/// Half of the grey levels.
const GREY: f32 = 127.5;

/// The parameters of one picture, and how they become what the network reads.
#[derive(Clone)]
pub(super) struct Canvas {
    pub frame: Frame,
    parameters: Vec<f64>,
    /// None for pixels.
    spectrum: Option<Spectrum>,
    memory: Memory,
    /// The average of the parameters, where one is kept.
    average: Option<Average>,
}

/// A moving average of parameters over the steps.
#[derive(Clone)]
struct Average {
    /// The sum of the steps' parameters, each step with the share of the one before times the past's.
    sum: Vec<f64>,
    /// The sum of those shares.
    weight: f64,
}

impl Canvas {
    /// How much memory the numbers take that belong to this picture alone, in bytes.
    pub fn bytes(&self) -> usize {
        let average = self.average.as_ref().map_or(0, |average| average.sum.len());
        (self.parameters.len() + average + self.memory.numbers()) * size_of::<f64>()
    }

    /// As a recipe starts.
    pub fn new(
        recipe: &Recipe,
        channels: usize,
        view: [usize; 2],
        seed: u64,
        random: &mut Random,
    ) -> Result<Self> {
        let frame = frame(recipe, channels, view, 0);
        let spectrum = (recipe.parameterisation == Parameterisation::Fourier)
            .then(|| Spectrum::new(channels, frame.canvas, recipe.spectrum_decay, recipe.chroma));
        let [rows, columns] = frame.canvas;
        let count = spectrum.as_ref().map_or(channels * rows * columns, Spectrum::parameters);
        let parameters = match &recipe.start {
            Start::Zero => vec![0.0; count],
            Start::Normal => (0..count).map(|_| recipe.start_deviation * random.normal()).collect(),
            Start::Uniform => {
                // NumPy's generator takes seeds of 32 bits; larger ones are folded.
                let mut generator = Mt::new((seed ^ (seed >> 32)) as u32);
                (0..count).map(|_| random_sample(&mut generator)).collect()
            }
            Start::Given(numbers) if numbers.len() == count => numbers.clone(),
            Start::Given(numbers) => {
                return Err(Error::Option(format!(
                    "the start has {} numbers, the picture of the network's input with margin and octaves {count}",
                    numbers.len()
                )));
            }
        };
        Ok(Self { frame, parameters, spectrum, memory: Memory::default(), average: None })
    }

    /// The picture of the last step in grey levels about the mean or about grey.
    pub fn picture(&self) -> Vec<f32> {
        self.picture_of(&self.parameters)
    }

    /// Whether all its numbers are.
    pub fn is_finite(&self) -> bool {
        self.parameters.iter().all(|number| number.is_finite())
    }

    /// The picture that is shown: that of the average over the steps where one is kept.
    pub fn shown(&self) -> Vec<f32> {
        match &self.average {
            None => self.picture(),
            Some(Average { sum, weight }) => {
                let mean: Vec<f64> = sum.iter().map(|number| number / weight).collect();
                self.picture_of(&mean)
            }
        }
    }

    fn picture_of(&self, parameters: &[f64]) -> Vec<f32> {
        match &self.spectrum {
            None => parameters.iter().map(|&number| number as f32).collect(),
            Some(spectrum) => {
                let mut picture = spectrum.picture(parameters);
                picture.iter_mut().for_each(|number| *number = 2.0 * GREY * *number - GREY);
                picture
            }
        }
    }

    /// Takes one step uphill from the picture that is shown.
    pub fn step(
        &mut self,
        recipe: &Recipe,
        learning_rate: f64,
        iteration: usize,
        shown: &[f32],
        slopes: &[f32],
    ) {
        let rounded: Vec<f64>;
        let picture = match &self.spectrum {
            None => &self.parameters,
            Some(_) => {
                rounded = shown.par_iter().map(|&number| f64::from(number)).collect();
                &rounded
            }
        };
        let planes = self.planes();
        let mut gradient: Vec<f64> = slopes
            .par_iter()
            .zip(picture)
            .map(|(&slope, number)| f64::from(slope) - 2.0 * recipe.l2 * number)
            .collect();
        if recipe.total_variation > 0.0 {
            let (weight, exponent) = (recipe.total_variation, recipe.total_variation_exponent);
            subtract_total_variation(&mut gradient, picture, planes, weight, exponent);
        }
        if let Some(spectrum) = &self.spectrum {
            let bounded: Vec<f32> = shown.par_iter().map(|&number| (number + GREY) / (2.0 * GREY)).collect();
            let slopes: Vec<f32> = gradient.par_iter().map(|&slope| slope as f32 * 2.0 * GREY).collect();
            gradient = spectrum.back(&bounded, &slopes);
        }
        self.memory.step(recipe.optimiser, learning_rate, &mut self.parameters, &gradient);
        if self.spectrum.is_none() {
            self.tidy(recipe, iteration, slopes);
        }
        self.remember(recipe.average);
    }

    /// Takes the parameters into the average, in which the past has this share.
    fn remember(&mut self, past: f64) {
        if past <= 0.0 {
            self.average = None;
            return;
        }
        let nothing = || Average { sum: vec![0.0; self.parameters.len()], weight: 0.0 };
        let average = self.average.get_or_insert_with(nothing);
        average.sum.iter_mut().zip(&self.parameters).for_each(|(sum, number)| *sum = past * *sum + number);
        average.weight = past * average.weight + 1.0;
    }

    /// What Yosinski and others 2015 (§4) do to pixels after a step.
    fn tidy(&mut self, recipe: &Recipe, iteration: usize, slopes: &[f32]) {
        let planes = self.planes();
        if recipe.decay > 0.0 {
            self.parameters.iter_mut().for_each(|number| *number *= 1.0 - recipe.decay);
        }
        if recipe.blur > 0.0 && (iteration + 1).is_multiple_of(recipe.blur_every) {
            for plane in self.parameters.chunks_exact_mut(planes.rows * planes.columns) {
                let map = plane.iter().map(|&number| number as f32).collect();
                // The shape fits and the deviation was checked with the recipe; a picture could at worst stay unblurred.
                let map = Array::new([planes.rows, planes.columns], map);
                let blurred = map.map_err(Into::into).and_then(|map| blur::gaussian(&map, recipe.blur));
                if let Ok(blurred) = blurred {
                    plane.iter_mut().zip(blurred.data()).for_each(|(to, &from)| *to = f64::from(from));
                }
            }
        }
        if recipe.clip_norm > 0.0 {
            let before = self.parameters.clone();
            clip_smallest(&mut self.parameters, planes, recipe.clip_norm, |index| before[index].powi(2));
        }
        if recipe.clip_contribution > 0.0 {
            let before = self.parameters.clone();
            let contribution = |index: usize| before[index] * f64::from(slopes[index]);
            clip_smallest(&mut self.parameters, planes, recipe.clip_contribution, contribution);
        }
    }

    /// Goes on to an octave: the picture is enlarged, and what the optimiser remembers forgotten.
    pub fn enlarge(&mut self, recipe: &Recipe, octave: usize) {
        let next = frame(recipe, self.frame.channels, self.frame.view, octave);
        if next == self.frame || self.spectrum.is_some() {
            return;
        }
        let enlarging = Frame { view: next.canvas, density: self.frame.density / next.density, ..self.frame };
        let corners = View::straight(&enlarging).corners(&enlarging);
        let picture: Vec<f32> = self.parameters.iter().map(|&number| number as f32).collect();
        // Outside there is nothing: at the border the part inside counts for all.
        let inside = corners.look(&vec![1.0; picture.len()]);
        let number = |(sum, share): (f32, f32)| if share > 0.0 { f64::from(sum / share) } else { 0.0 };
        self.parameters = corners.look(&picture).into_iter().zip(inside).map(number).collect();
        self.frame = next;
        self.memory = Memory::default();
        self.average = None;
    }

    fn planes(&self) -> Planes {
        let [rows, columns] = self.frame.canvas;
        Planes { channels: self.frame.channels, rows, columns }
    }
}

/// The canvas of an octave.
fn frame(recipe: &Recipe, channels: usize, view: [usize; 2], octave: usize) -> Frame {
    let steps = recipe.octaves.saturating_sub(1 + octave);
    let density = recipe.octave_ratio.powi(-(steps as i32));
    let canvas = view.map(|extent| (((extent + 2 * recipe.margin) as f64 * density).round() as usize).max(1));
    Frame { channels, canvas, view, density }
}

/// From grey levels to the numbers a network reads.
pub(super) struct Tone {
    /// Per channel of the network: which of the canvas it is, and what its grey levels are multiplied by.
    channels: Vec<(usize, f32)>,
    /// What is then added: the input of a grey photograph; empty where nothing is.
    offset: Vec<f32>,
}

impl Tone {
    /// Pixels are about the network's mean, in its own order of channels; spectra about grey, red first.
    pub fn new(model: &Model, parameterisation: Parameterisation) -> Result<Self> {
        let transformer = &model.transformer;
        let count = transformer.channel_order.channels();
        let scale = |index: usize| {
            let scales = &transformer.input_scale;
            let scale = scales.get(index).or(scales.first()).copied().unwrap_or(1.0);
            transformer.raw_scale / (2.0 * GREY) * scale
        };
        let is_pixels = parameterisation == Parameterisation::Pixels;
        let source = |index: usize| match transformer.channel_order {
            ChannelOrder::Bgr if !is_pixels => 2 - index,
            _ => index,
        };
        let offset = if is_pixels {
            Vec::new()
        } else {
            let (height, width) = (transformer.height, transformer.width);
            let grey = Photograph::new(height, width, count, vec![0.5; height * width * count])?;
            transformer.preprocess(&grey)?.data().to_vec()
        };
        Ok(Self { channels: (0..count).map(|index| (source(index), scale(index))).collect(), offset })
    }

    /// What the network reads.
    pub fn to_network(&self, seen: &[f32]) -> Vec<f32> {
        let area = seen.len() / self.channels.len().max(1);
        let mut numbers: Vec<f32> = Vec::with_capacity(seen.len());
        for &(source, scale) in &self.channels {
            numbers.extend(seen[source * area..][..area].iter().map(|number| number * scale));
        }
        numbers.iter_mut().zip(&self.offset).for_each(|(number, offset)| *number += offset);
        numbers
    }

    /// The gradient with respect to what is seen.
    pub fn back(&self, gradient: &[f32]) -> Vec<f32> {
        let area = gradient.len() / self.channels.len().max(1);
        let mut slopes = vec![0.0; gradient.len()];
        for (&(source, scale), from) in self.channels.iter().zip(gradient.chunks_exact(area.max(1))) {
            let to = &mut slopes[source * area..][..area];
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from * scale);
        }
        slopes
    }

    /// Grey levels of what a network reads: the inverse of [`Tone::to_network`] for pixels.
    pub fn grey_levels(&self, numbers: &mut [f64]) {
        let area = numbers.len() / self.channels.len().max(1);
        for (&(_, scale), plane) in self.channels.iter().zip(numbers.chunks_exact_mut(area.max(1))) {
            plane.iter_mut().for_each(|number| *number /= f64::from(scale));
        }
    }
}

/// A number in [0, 1) of 53 random bits, as NumPy makes it from two draws of the Mersenne twister.
fn random_sample(generator: &mut Mt) -> f64 {
    let high = f64::from(generator.next_u32() >> 5);
    let low = f64::from(generator.next_u32() >> 6);
    (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_numpy_s() {
        let recipe = Recipe { start: Start::Uniform, ..Recipe::original() };
        let canvas = Canvas::new(&recipe, 3, [1, 1], 99, &mut Random::new(0)).unwrap();
        // numpy.random.RandomState(99).random_sample(3)
        assert_eq!(
            canvas.parameters,
            [0.672_278_558_630_791_8, 0.488_078_399_240_583_7, 0.825_495_174_035_896_3]
        );
    }

    #[test]
    fn a_start_of_another_size_is_refused() {
        let recipe = Recipe { start: Start::Given(vec![0.0; 2]), ..Recipe::paper() };
        let result = Canvas::new(&recipe, 3, [1, 1], 0, &mut Random::new(0));
        let message = result.err().unwrap().to_string();
        assert!(message.contains("2 numbers") && message.contains('3'), "{message}");
    }

    #[test]
    fn the_average_weighs_the_steps_geometrically() {
        let recipe = Recipe { average: 0.5, l2: 0.0, learning_rate: 1.0, ..Recipe::paper() };
        let mut canvas = Canvas::new(&recipe, 1, [1, 1], 0, &mut Random::new(0)).unwrap();
        for (iteration, slope) in [4.0, 3.0, -5.0].into_iter().enumerate() {
            let shown = canvas.picture();
            canvas.step(&recipe, 1.0, iteration, &shown, &[slope]);
        }
        // After the steps the parameter was 4, 7 and 2.
        let expected = (4.0 * 0.25 + 7.0 * 0.5 + 2.0) / 1.75;
        assert_eq!((canvas.shown(), canvas.picture()), (vec![expected], vec![2.0]));
        canvas.remember(0.0);
        assert_eq!(canvas.shown(), [2.0]);
    }

    #[test]
    fn octaves_do_not_fade_at_the_border() {
        for ratio in [1.4, 2.0, 3.0] {
            let recipe = Recipe { octaves: 2, octave_ratio: ratio, margin: 0, ..Recipe::paper() };
            let mut canvas = Canvas::new(&recipe, 1, [9, 12], 0, &mut Random::new(0)).unwrap();
            canvas.parameters.fill(50.0);
            canvas.enlarge(&recipe, 1);
            assert_eq!(canvas.parameters.len(), 108);
            assert!(canvas.parameters.iter().all(|number| (number - 50.0).abs() < 1e-3), "{ratio}");
        }
    }

    #[test]
    fn octaves_grow_to_the_full_size() {
        let recipe = Recipe { octaves: 3, octave_ratio: 2.0, margin: 2, ..Recipe::paper() };
        let mut canvas = Canvas::new(&recipe, 1, [8, 12], 0, &mut Random::new(0)).unwrap();
        assert_eq!(canvas.frame.canvas, [3, 4]);
        canvas.parameters.fill(3.0);
        canvas.enlarge(&recipe, 1);
        assert_eq!(canvas.frame.canvas, [6, 8]);
        canvas.enlarge(&recipe, 2);
        assert_eq!((canvas.frame.canvas, canvas.frame.density), ([12, 16], 1.0));
        let seen = View::straight(&canvas.frame).corners(&canvas.frame).look(&[3.0; 192]);
        assert_eq!(seen, [3.0; 96]);
    }
}
