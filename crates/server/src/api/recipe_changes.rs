//! What a request may change of a recipe, within bounds of memory and time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::choices::expect_within;
use crate::problem::{Answer, Problem};

/// Numbers of a recipe, see `docs/methods/class-model.md`. What is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecipeChanges {
    /// How many steps are taken.
    #[schema(minimum = 1, maximum = 10_000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    iterations: Option<u32>,
    /// The learning rate.
    #[schema(minimum = 0.0, maximum = 1e9)]
    #[serde(skip_serializing_if = "Option::is_none")]
    learning_rate: Option<f64>,
    /// The share of the learning rate that the last step has.
    #[schema(minimum = 0.0, maximum = 1.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    final_learning_rate: Option<f64>,
    /// The λ of the penalty λ‖I‖².
    #[schema(minimum = 0.0, maximum = 1e6)]
    #[serde(skip_serializing_if = "Option::is_none")]
    l2: Option<f64>,
    /// The weight of the total variation.
    #[schema(minimum = 0.0, maximum = 1e6)]
    #[serde(skip_serializing_if = "Option::is_none")]
    total_variation: Option<f64>,
    /// Its exponent.
    #[schema(minimum = 1.0, maximum = 4.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    total_variation_exponent: Option<f64>,
    /// The share of the picture that fades at every step.
    #[schema(minimum = 0.0, maximum = 1.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    decay: Option<f64>,
    /// The deviation of a Gaussian that blurs the picture now and then.
    #[schema(minimum = 0.0, maximum = 64.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    blur: Option<f64>,
    /// After how many steps it is blurred.
    #[schema(minimum = 1, maximum = 10_000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    blur_every: Option<u32>,
    /// The share of pixels of the smallest norm that is set to zero.
    #[schema(minimum = 0.0, maximum = 1.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    clip_norm: Option<f64>,
    /// The share of pixels that contribute least that is set to zero.
    #[schema(minimum = 0.0, maximum = 1.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    clip_contribution: Option<f64>,
    /// By how many pixels the picture is moved at random, at most.
    #[schema(minimum = 0.0, maximum = 1024.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter: Option<f64>,
    /// Between which factors it is enlarged at random.
    #[schema(min_items = 2, max_items = 2, example = json!([0.9, 1.1]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    zoom: Option<[f64; 2]>,
    /// By how many degrees it is turned at random, at most.
    #[schema(minimum = 0.0, maximum = 180.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<f64>,
    /// Whether it is mirrored before every other step or so.
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror: Option<bool>,
    /// The deviation of noise that is added to what the network sees, in grey levels.
    #[schema(minimum = 0.0, maximum = 255.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    noise: Option<f64>,
    /// How much the other classes' soft maximum counts against the class.
    #[schema(minimum = 0.0, maximum = 10.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    contrast: Option<f64>,
    /// The temperature of that soft maximum.
    #[schema(minimum = 0.01, maximum = 1e6)]
    #[serde(skip_serializing_if = "Option::is_none")]
    contrast_temperature: Option<f64>,
    /// The share that the past has in an average over the steps, which is then shown.
    #[schema(minimum = 0.0, maximum = 0.9999)]
    #[serde(skip_serializing_if = "Option::is_none")]
    average: Option<f64>,
    /// By how many pixels the canvas is larger than the network's input on every side; settled when an ascent begins.
    #[schema(minimum = 0, maximum = 128)]
    #[serde(skip_serializing_if = "Option::is_none")]
    margin: Option<u32>,
    /// At how many sizes the picture is worked out; settled when an ascent begins.
    #[schema(minimum = 1, maximum = 16)]
    #[serde(skip_serializing_if = "Option::is_none")]
    octaves: Option<u32>,
    /// By what factor each is larger than the one before; settled when an ascent begins.
    #[schema(minimum = 1.0, maximum = 4.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    octave_ratio: Option<f64>,
    /// The exponent with which a spectrum's frequencies are damped; settled when an ascent begins.
    #[schema(minimum = 0.0, maximum = 4.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    spectrum_decay: Option<f64>,
    /// What a spectrum's differences between colours are multiplied by; settled when an ascent begins.
    #[schema(minimum = 0.0, maximum = 4.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    chroma: Option<f64>,
    /// The deviation of a normal start; settled when an ascent begins.
    #[schema(minimum = 0.0, maximum = 255.0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    start_deviation: Option<f64>,
}

impl RecipeChanges {
    /// As the library takes them.
    pub fn table(&self) -> toml::Table {
        // Numbers and truth values can always be written.
        toml::Table::try_from(self).unwrap_or_default()
    }

    /// # Errors
    /// When a number is out of its range.
    pub fn check(&self) -> Answer<()> {
        let numbers = [
            ("learning_rate", self.learning_rate, 0.0, 1e9),
            ("final_learning_rate", self.final_learning_rate, 0.0, 1.0),
            ("l2", self.l2, 0.0, 1e6),
            ("total_variation", self.total_variation, 0.0, 1e6),
            ("total_variation_exponent", self.total_variation_exponent, 1.0, 4.0),
            ("decay", self.decay, 0.0, 1.0),
            ("blur", self.blur, 0.0, 64.0),
            ("clip_norm", self.clip_norm, 0.0, 1.0),
            ("clip_contribution", self.clip_contribution, 0.0, 1.0),
            ("jitter", self.jitter, 0.0, 1024.0),
            ("rotation", self.rotation, 0.0, 180.0),
            ("noise", self.noise, 0.0, 255.0),
            ("contrast", self.contrast, 0.0, 10.0),
            ("contrast_temperature", self.contrast_temperature, 0.01, 1e6),
            ("average", self.average, 0.0, 0.9999),
            ("chroma", self.chroma, 0.0, 4.0),
            ("octave_ratio", self.octave_ratio, 1.0, 4.0),
            ("spectrum_decay", self.spectrum_decay, 0.0, 4.0),
            ("start_deviation", self.start_deviation, 0.0, 255.0),
        ];
        for (name, number, least, most) in numbers {
            expect_within(name, number.unwrap_or(least), least, most)?;
        }
        let counts = [
            ("iterations", self.iterations, 1, 10_000),
            ("blur_every", self.blur_every, 1, 10_000),
            ("margin", self.margin, 0, 128),
            ("octaves", self.octaves, 1, 16),
        ];
        for (name, count, least, most) in counts {
            expect_within(name, count.unwrap_or(least), least, most)?;
        }
        Ok(())
    }

    /// # Errors
    /// When something is to be changed that is settled when an ascent begins.
    pub fn check_steerable(&self) -> Answer<()> {
        let settled = [
            ("margin", self.margin.is_some()),
            ("octaves", self.octaves.is_some()),
            ("octave_ratio", self.octave_ratio.is_some()),
            ("spectrum_decay", self.spectrum_decay.is_some()),
            ("chroma", self.chroma.is_some()),
            ("start_deviation", self.start_deviation.is_some()),
        ];
        match settled.iter().find(|(_, is_changed)| *is_changed) {
            Some((name, _)) => {
                Err(Problem::conflict(format!("{name} is settled when an ascent begins; begin another")))
            }
            None => Ok(()),
        }
    }
}
