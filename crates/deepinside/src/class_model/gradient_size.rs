//! How large a network's gradients are, so that one λ and one step fit every network.
//!
//! Scores have no unit: multiply a network's last layer by ten and it names the same classes. But plain
//! ascent on `S_c(I) − λ‖I‖²` settles where `I = ∂S_c/∂I / 2λ`, and a λ that leaves an image of one
//! network in peace makes that of another grey. So a recipe's numbers are those for gradients of the
//! size [`REFERENCE`], and a network's gradients are divided by how much larger its own are.

use deepinside_engine::{PlanOptions, Target};

use super::Parameterisation;
use super::canvas::Tone;
use crate::random::Random;
use crate::{Model, Result, Threads, expect_finite};

/// The size of the gradients of SqueezeNet v1.1 (Caffe), for which the recipes' numbers were chosen,
/// measured as those of any network.
const REFERENCE: f64 = 3.81e-4;

/// The deviations of the noise near the mean, in grey levels: the first at which a gradient comes back.
/// A network that is silent at one grey level may still react to strong noise.
const DEVIATIONS: [f64; 3] = [1.0, 8.0, 64.0];

/// At how many images gradients are measured, each of another class.
const IMAGES: usize = 8;

/// The seed of the noise: a network has one size, whatever the seed of an ascent.
const SEED: u64 = 1;

/// By how much the gradient at the mean is smaller than in faint noise where the mean is called flat.
const FLAT: f64 = 0.1;

/// The root mean square of the gradients of class scores, per grey level, over classes and pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct GradientSize {
    /// At the training mean, where an ascent from zero begins.
    at_mean: f64,
    /// In noise about the mean.
    nearby: f64,
    /// The deviation of that noise, in grey levels.
    deviation: f64,
}

impl GradientSize {
    /// The noise that an ascent from a flat mean begins with, in grey levels.
    pub const FAINT_NOISE: f64 = DEVIATIONS[0];

    /// Measures a network: one forward and eight backward passes at the mean, as many of both nearby.
    ///
    /// # Errors
    /// When a layer cannot be computed.
    pub fn measure(model: &Model, threads: &Threads) -> Result<Self> {
        let options = PlanOptions {
            activations: vec![model.score.value],
            gradients: vec![model.input],
            targets: vec![model.score.value],
            ..PlanOptions::default()
        };
        let mut session = model.session(1, &options, threads)?;
        let tone = Tone::new(model, Parameterisation::Pixels)?;
        let count = model.graph.value(model.input).shape.elements();
        let mut random = Random::new(SEED);
        let mut size = |deviation: f64| -> Result<f64> {
            let mut sum = 0.0;
            for image in 0..IMAGES {
                if deviation > 0.0 || image == 0 {
                    let noise: Vec<f32> = (0..count).map(|_| (deviation * random.normal()) as f32).collect();
                    session.forward(&[(model.input, &tone.to_network(&noise))])?;
                    expect_finite(|| "the class scores".to_owned(), &session.activation(model.score.value)?)?;
                }
                let class = Target::Class(image * model.score.classes / IMAGES);
                session.backward(&[(model.score.value, &class)])?;
                let gradient = session.gradient(model.input)?;
                expect_finite(|| "the numbers of a class score's gradient".to_owned(), &gradient)?;
                let slopes = tone.back(&gradient);
                sum += slopes.iter().map(|&slope| f64::from(slope).powi(2)).sum::<f64>();
            }
            Ok((sum / (IMAGES * count.max(1)) as f64).sqrt())
        };
        let at_mean = size(0.0)?;
        for deviation in DEVIATIONS {
            let nearby = size(deviation)?;
            if nearby > 0.0 {
                return Ok(Self { at_mean, nearby, deviation });
            }
        }
        Ok(Self { at_mean, nearby: 0.0, deviation: 0.0 })
    }

    /// By how much the network's gradients are larger than those for which recipes are made, to a whole
    /// decibel (12 %), so that the last bits of a processor's sums change no recipe. 1 where nothing
    /// comes back.
    pub fn scale(&self) -> f64 {
        let ratio = self.nearby / REFERENCE;
        let rounded = 10f64.powf((20.0 * ratio.log10()).round() / 20.0);
        if rounded.is_normal() { rounded } else { 1.0 }
    }

    /// Where the mean is flat, how many times the gradient is larger in noise of one grey level. Plain
    /// ascent would stay at such a mean for hundreds of steps.
    pub fn flatness(&self) -> Option<f64> {
        let is_flat = self.deviation == DEVIATIONS[0] && self.at_mean < FLAT * self.nearby;
        is_flat.then(|| self.nearby / self.at_mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_in_whole_decibels_and_is_one_where_nothing_comes_back() {
        let scale = |nearby| GradientSize { at_mean: 1.0, nearby, deviation: 1.0 }.scale();
        assert_eq!(scale(REFERENCE), 1.0);
        assert_eq!([scale(REFERENCE * 0.95), scale(REFERENCE * 1.05)], [1.0, 1.0]);
        for (ratio, decibels) in [(0.0368, -29), (0.1, -20), (1.1, 1), (43_210.0, 93)] {
            let expected = 10f64.powi(decibels).powf(0.05);
            assert!((scale(REFERENCE * ratio) / expected - 1.0).abs() < 1e-12, "{ratio}");
        }
        for nothing in [0.0, f64::NAN, f64::INFINITY] {
            assert_eq!(scale(nothing), 1.0, "{nothing}");
        }
    }

    #[test]
    fn a_mean_is_flat_where_faint_noise_makes_gradients_ten_times_larger() {
        let flatness = |at_mean, deviation| GradientSize { at_mean, nearby: 2.0, deviation }.flatness();
        assert_eq!(flatness(0.1, 1.0), Some(20.0));
        assert_eq!(flatness(0.0, 1.0), Some(f64::INFINITY));
        assert_eq!((flatness(0.3, 1.0), flatness(0.1, 8.0), flatness(0.0, 0.0)), (None, None, None));
    }
}
