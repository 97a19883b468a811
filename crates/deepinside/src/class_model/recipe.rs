//! Recipes of an ascent: every number that decides what comes out, as data.

use std::path::Path;

use deepinside_files::whole_file;
use serde::{Deserialize, Serialize};

use crate::{BackwardRule, Error, Result};

/// The names of the recipes that are built in.
pub const RECIPES: [&str; 5] = ["paper", "original", "yosinski", "lucid", "transfer"];

/// The recipe that is taken where none is named: of those built in, the one whose pictures a second
/// network names most often (`docs/methods/class-model.md`).
pub const DEFAULT_RECIPE: &str = "transfer";

/// In which numbers a picture is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parameterisation {
    /// Each number of the network's input by itself, in grey levels (1/255 of the range of a photograph) about the mean.
    Pixels,
    /// The spectrum of a picture with decorrelated colours, high frequencies damped, bounded by a sigmoid (Olah, Mordvintsev and
    /// Schubert 2017, "Feature Visualization").
    Fourier,
}

/// Where an ascent starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// All zeros: the training mean in pixels, grey in a spectrum.
    Zero,
    /// Uniform in [0, 1) per number, exactly as NumPy's `RandomState(seed).random_sample` gives them.
    Uniform,
    /// Normal with the recipe's deviation.
    Normal,
    /// These numbers as the network reads them, `C × H × W` in C order; for pixels only.
    #[serde(skip)]
    Given(Vec<f64>),
}

/// How a gradient becomes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimiser {
    /// The learning rate times the gradient.
    Gradient,
    /// The learning rate times the gradient over its root mean square: independent of the scale of scores.
    Normalised,
    /// Adam (Kingma and Ba 2014) with the usual 0.9 and 0.999.
    Adam,
}

/// How the picture of an ascent is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Display {
    /// As a photograph: the training mean is added, what leaves the range is clipped.
    Photograph,
    /// Stretched from the smallest number to the largest over all channels, which keep their order, so that blue-first
    /// networks show blue as red: what the original project did.
    Stretched,
}

/// An ascent in all its numbers. Lengths are in pixels of the network's input, brightness in grey levels, so that a recipe means
/// the same for a network that reads 0 to 255 and for one that reads −1 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// What it is called in records.
    pub name: String,
    /// In which numbers the picture is searched for.
    pub parameterisation: Parameterisation,
    /// Where it starts.
    pub start: Start,
    /// The deviation of a normal start: grey levels for pixels, in a spectrum its own unit (0.01 is usual).
    pub start_deviation: f64,
    /// What rectifiers do on the way back: `gradient` is the true gradient, `smooth` lets nearly active units take part. Settled when
    /// an ascent begins.
    #[serde(with = "rule_name")]
    pub rule: BackwardRule,
    /// How many steps it takes, over all octaves.
    pub iterations: usize,
    /// How a gradient becomes a step.
    pub optimiser: Optimiser,
    /// The learning rate.
    pub learning_rate: f64,
    /// The share of the learning rate that the last step has; between the first and the last it falls evenly. 1 keeps it.
    pub final_learning_rate: f64,
    /// The λ of the penalty λ‖I‖², I in grey levels about the mean (for a spectrum: about grey).
    pub l2: f64,
    /// What the gradient of the objective is divided by before penalties and steps, so that λ, the
    /// weight of the total variation and the rate of plain ascent mean the same for every network.
    /// None measures how much larger the network's gradients are than those of SqueezeNet v1.1; 1 takes
    /// gradients as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_scale: Option<f64>,
    /// The weight of the total variation Σ (dx² + dy²)^(β/2) that is subtracted from what is maximised (Mahendran and Vedaldi 2014).
    pub total_variation: f64,
    /// Its β.
    pub total_variation_exponent: f64,
    /// The exponent with which a spectrum's frequencies are damped; 1 gives all scales of natural pictures equal weight.
    pub spectrum_decay: f64,
    /// What a spectrum's differences between colours are multiplied by; 1 gives them the share that they have in photographs. For
    /// spectra only.
    pub chroma: f64,
    /// The share of the picture that fades at every step (θ_decay of Yosinski and others 2015); pixels only.
    pub decay: f64,
    /// The deviation of a Gaussian that blurs the picture every `blur_every` steps (θ_b_width); pixels only.
    pub blur: f64,
    /// After how many steps it is blurred (θ_b_every).
    pub blur_every: usize,
    /// The share of pixels, those of the smallest norm, that is set to zero after every step (θ_n_pct / 100); pixels only.
    pub clip_norm: f64,
    /// The share of pixels, those that contribute least to the score, that is set to zero after every step (θ_c_pct / 100); pixels
    /// only.
    pub clip_contribution: f64,
    /// By how many pixels the canvas is larger than the network's input on every side; it is cut off in the end.
    pub margin: usize,
    /// By how many pixels the canvas is moved at random before every step, at most; never by more than an eighth of the input's
    /// shorter side.
    pub jitter: f64,
    /// Between which factors the canvas is enlarged at random before every step.
    pub zoom: [f64; 2],
    /// By how many degrees the canvas is turned at random before every step, at most.
    pub rotation: f64,
    /// Whether the canvas is mirrored before a step with probability one half.
    pub mirror: bool,
    /// The deviation of Gaussian noise that is added to what the network sees, anew in every view, in grey levels: the gradient
    /// becomes that of the network smoothed by this noise, which follows what is visible (Smilkov and others 2017, "SmoothGrad";
    /// Kaur, Cohen and Lipton 2019).
    pub noise: f64,
    /// In how many random views the network sees the picture before every step, whose gradients are averaged; they share a pass.
    pub views: usize,
    /// The w of w·T·log Σ exp(S_j / T), over all other classes j, which is subtracted from the score of a class, so that what
    /// classes have in common gains nothing; 1 with T = 1 maximises the odds of the class. Other objectives ignore it.
    pub contrast: f64,
    /// Its T: the larger, the more classes take part.
    pub contrast_temperature: f64,
    /// The share that the past has in the average of the parameters over the steps, which is what is shown in the end (Polyak and
    /// Juditsky 1992); 0 shows the last step. The ascent itself goes on from its last step.
    pub average: f64,
    /// At how many sizes the picture is worked out, from coarse to fine; pixels only.
    pub octaves: usize,
    /// By what factor each is larger than the one before.
    pub octave_ratio: f64,
    /// How the picture is shown.
    pub display: Display,
}

impl Default for Recipe {
    /// The paper's recipe.
    fn default() -> Self {
        Self::paper()
    }
}

impl Recipe {
    /// The paper's §2: from zero, with an L2 penalty; the training mean is added at the end. The paper states no numbers.
    /// λ = 3e-6 with the step [`Recipe::paper_step`] shows outlines that can be read where the picture is also moved at random before
    /// every step, of which the paper says nothing; without that they fall to pieces.
    pub fn paper() -> Self {
        Self {
            name: "paper".to_owned(),
            parameterisation: Parameterisation::Pixels,
            start: Start::Zero,
            start_deviation: 0.0,
            rule: BackwardRule::Gradient,
            iterations: 300,
            optimiser: Optimiser::Gradient,
            learning_rate: Self::paper_step(3e-6),
            final_learning_rate: 1.0,
            l2: 3e-6,
            gradient_scale: None,
            total_variation: 0.0,
            total_variation_exponent: 2.0,
            spectrum_decay: 1.0,
            chroma: 1.0,
            decay: 0.0,
            blur: 0.0,
            blur_every: 1,
            clip_norm: 0.0,
            clip_contribution: 0.0,
            margin: 0,
            jitter: 24.0,
            zoom: [1.0, 1.0],
            rotation: 0.0,
            mirror: false,
            noise: 0.0,
            views: 1,
            contrast: 0.0,
            contrast_temperature: 1.0,
            average: 0.0,
            octaves: 1,
            octave_ratio: 1.4,
            display: Display::Photograph,
        }
    }

    /// The paper's learning rate for a λ: at every step the penalty takes three hundredths of the picture, whatever λ is.
    pub fn paper_step(lambda: f64) -> f64 {
        0.015 / lambda
    }

    /// The original project's `visualize.py`: from uniform noise, learning rate 1e4, no penalty. It took 10,000
    /// iterations; 200 are taken here, since after a few the ascent with this rate only wanders.
    /// Gradients are taken as they are, whatever the network.
    pub fn original() -> Self {
        Self {
            name: "original".to_owned(),
            start: Start::Uniform,
            iterations: 200,
            learning_rate: 1e4,
            l2: 0.0,
            gradient_scale: Some(1.0),
            jitter: 0.0,
            display: Display::Stretched,
            ..Self::paper()
        }
    }

    /// What must be known before its picture is looked at, if anything.
    pub(crate) fn expectation(&self) -> Option<String> {
        const PROJECT: usize = 10_000;
        (self.name == "original" && self.iterations < PROJECT).then(|| {
            format!(
                "the original project took {PROJECT} steps; after {} its recipe mostly shows an empty field of noise",
                self.iterations
            )
        })
    }

    /// Yosinski and others 2015, "Understanding Neural Networks Through Deep Visualization": decay, blur and clipping of small
    /// pixels instead of a penalty.
    pub fn yosinski() -> Self {
        Self {
            name: "yosinski".to_owned(),
            start: Start::Normal,
            start_deviation: 1.0,
            iterations: 400,
            optimiser: Optimiser::Normalised,
            learning_rate: 4.0,
            l2: 0.0,
            decay: 0.01,
            blur: 1.0,
            blur_every: 4,
            jitter: 0.0,
            ..Self::paper()
        }
    }

    /// Olah, Mordvintsev and Schubert 2017: a spectrum with decorrelated colours under random moves, zooms and turns, by Adam. That
    /// article has the true gradient, no noise, no mirror, an even learning rate, a spectrum that is damped by 1, and the score of the
    /// class alone; with these numbers a second network names more of the pictures (`docs/methods/class-model.md`).
    pub fn lucid() -> Self {
        Self {
            name: "lucid".to_owned(),
            parameterisation: Parameterisation::Fourier,
            start: Start::Normal,
            start_deviation: 0.01,
            rule: BackwardRule::Smooth,
            iterations: 256,
            optimiser: Optimiser::Adam,
            learning_rate: 0.05,
            final_learning_rate: 0.1,
            l2: 0.0,
            spectrum_decay: 1.25,
            margin: 24,
            jitter: 16.0,
            zoom: [0.85, 1.15],
            rotation: 10.0,
            mirror: true,
            noise: 15.0,
            contrast: 1.0,
            ..Self::paper()
        }
    }

    /// [`Recipe::lucid`] in half as many steps, with calmer colours: no worse for *other* networks (`docs/methods/class-model.md`).
    pub fn transfer() -> Self {
        Self { name: "transfer".to_owned(), iterations: 128, l2: 1e-9, chroma: 0.7, ..Self::lucid() }
    }

    /// Keeps the network's views of the picture where they are, for an objective that compares places.
    pub fn stand_still(&mut self) {
        *self = Self { jitter: 0.0, zoom: [1.0; 2], rotation: 0.0, mirror: false, ..self.clone() };
    }

    /// Whether anything in it depends on how large gradients are.
    pub(super) fn heeds_gradient_size(&self) -> bool {
        self.optimiser == Optimiser::Gradient || self.l2 > 0.0 || self.total_variation > 0.0
    }

    /// Whether it goes uphill by plain steps from the mean, and so stays there where gradients are small.
    pub(super) fn starts_plainly_at_the_mean(&self) -> bool {
        let is_at_mean = self.parameterisation == Parameterisation::Pixels && self.start == Start::Zero;
        is_at_mean && self.optimiser == Optimiser::Gradient
    }

    /// A recipe by its name, see [`RECIPES`].
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "paper" => Self::paper(),
            "original" => Self::original(),
            "yosinski" => Self::yosinski(),
            "lucid" => Self::lucid(),
            "transfer" => Self::transfer(),
            _ => {
                return Err(Error::Option(format!(
                    "no recipe is called '{name}'; there are {}, and files that end in .toml",
                    RECIPES.join(", ")
                )));
            }
        })
    }

    /// Reads a recipe: TOML with the names of the fields, what is left out as in [`Recipe::paper`], or as in the recipe that `base`
    /// names.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown or a number out of its range.
    pub fn read(path: &Path) -> Result<Self> {
        const LARGEST: u64 = 1 << 20;
        let text = whole_file::read_text(path, LARGEST)?;
        let failed = |message: String| Error::ModelFile { path: path.to_owned(), message };
        let mut given: toml::Table = toml::from_str(&text).map_err(|error| failed(error.to_string()))?;
        let base = match given.remove("base") {
            Some(toml::Value::String(name)) => Self::named(&name)?,
            Some(other) => return Err(failed(format!("base is the name of a recipe, found {other}"))),
            None => Self::paper(),
        };
        let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        Self { name, ..base }.with(given).map_err(|error| failed(error.to_string()))
    }

    /// The recipe with some fields changed, by their names.
    ///
    /// # Errors
    /// When a name is unknown, a value of another kind, or a number out of its range.
    pub fn with(&self, changes: toml::Table) -> Result<Self> {
        let failed = |message: String| Error::Option(format!("recipe: {}", message.trim_end()));
        let start = self.start.clone();
        let plain = Self { start: Start::Zero, ..self.clone() };
        let mut table = toml::Table::try_from(&plain).map_err(|error| failed(error.to_string()))?;
        let restarts = changes.contains_key("start");
        for (key, value) in changes {
            // A whole number stands for a number, too.
            let value = match (table.get(&key), value) {
                (Some(toml::Value::Float(_)), toml::Value::Integer(number)) => {
                    toml::Value::Float(number as f64)
                }
                (Some(toml::Value::Array(_)), toml::Value::Array(numbers)) => {
                    let float = |value: toml::Value| {
                        value.as_integer().map_or(value, |number| (number as f64).into())
                    };
                    toml::Value::Array(numbers.into_iter().map(float).collect())
                }
                (_, value) => value,
            };
            table.insert(key, value);
        }
        let mut recipe: Self =
            table.try_into().map_err(|error: toml::de::Error| failed(error.to_string()))?;
        if !restarts {
            recipe.start = start;
        }
        recipe.check()?;
        Ok(recipe)
    }

    /// Checks every number.
    ///
    /// # Errors
    /// When one is out of its range; says which, and what was expected.
    pub fn check(&self) -> Result<()> {
        let [least, most] = self.zoom;
        let rules = [
            (self.learning_rate.is_finite(), "learning rate", "a finite number", self.learning_rate),
            (
                within(self.final_learning_rate, 0.0, 1.0),
                "final learning rate",
                "0 to 1",
                self.final_learning_rate,
            ),
            (at_least_zero(self.l2), "l2", "zero or a positive number", self.l2),
            (
                self.gradient_scale.is_none_or(f64::is_normal) && self.gradient_scale.unwrap_or(1.0) > 0.0,
                "gradient scale",
                "a positive number",
                self.gradient_scale.unwrap_or(1.0),
            ),
            (
                at_least_zero(self.total_variation),
                "total variation",
                "zero or a positive number",
                self.total_variation,
            ),
            (
                within(self.total_variation_exponent, 1.0, 4.0),
                "exponent of the total variation",
                "1 to 4",
                self.total_variation_exponent,
            ),
            (within(self.spectrum_decay, 0.0, 4.0), "spectrum decay", "0 to 4", self.spectrum_decay),
            (
                at_least_zero(self.start_deviation),
                "start deviation",
                "zero or a positive number",
                self.start_deviation,
            ),
            (within(self.decay, 0.0, 1.0), "decay", "0 to 1", self.decay),
            (within(self.blur, 0.0, 64.0), "blur", "0 to 64 pixels", self.blur),
            (within(self.clip_norm, 0.0, 1.0), "clip norm", "0 to 1", self.clip_norm),
            (within(self.clip_contribution, 0.0, 1.0), "clip contribution", "0 to 1", self.clip_contribution),
            (within(self.jitter, 0.0, 1024.0), "jitter", "0 to 1024 pixels", self.jitter),
            (within(self.rotation, 0.0, 180.0), "rotation", "0 to 180 degrees", self.rotation),
            (within(self.chroma, 0.0, 4.0), "chroma", "0 to 4", self.chroma),
            (within(self.noise, 0.0, 255.0), "noise", "0 to 255 grey levels", self.noise),
            ((1..=64).contains(&self.views), "number of views", "1 to 64", self.views as f64),
            (within(self.contrast, 0.0, 10.0), "contrast", "0 to 10", self.contrast),
            (
                within(self.contrast_temperature, 0.01, 1e6),
                "temperature of the contrast",
                "0.01 to 1,000,000",
                self.contrast_temperature,
            ),
            (within(self.average, 0.0, 0.9999), "average", "0 to 0.9999", self.average),
            (within(least, 0.1, most), "least zoom", "0.1 to the largest zoom", least),
            (within(most, least, 10.0), "largest zoom", "the least zoom to 10", most),
            (within(self.octave_ratio, 1.0, 4.0), "octave ratio", "1 to 4", self.octave_ratio),
            ((1..=16).contains(&self.octaves), "octaves", "1 to 16", self.octaves as f64),
            (self.margin <= 1024, "margin", "0 to 1024 pixels", self.margin as f64),
            (self.blur_every > 0, "blur every", "1 or more steps", self.blur_every as f64),
        ];
        for (right, name, expected, found) in rules {
            if !right {
                return Err(Error::Option(format!(
                    "the {name} of a class model is {expected}, found {found}"
                )));
            }
        }
        let pixels_only = [
            ("decay", self.decay > 0.0),
            ("blur", self.blur > 0.0),
            ("clip norm", self.clip_norm > 0.0),
            ("clip contribution", self.clip_contribution > 0.0),
            ("octaves", self.octaves > 1),
            ("a given start", matches!(self.start, Start::Given(_))),
            ("a uniform start", self.start == Start::Uniform),
        ];
        for (name, used) in pixels_only {
            if used && self.parameterisation == Parameterisation::Fourier {
                return Err(Error::Option(format!(
                    "{name}: only pixels have that, this recipe searches a spectrum"
                )));
            }
        }
        Ok(())
    }
}

/// Rules by their names.
mod rule_name {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use crate::BackwardRule;

    pub fn serialize<S: Serializer>(rule: &BackwardRule, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(rule.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BackwardRule, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = BackwardRule::ALL.into_iter().find(|rule| rule.name() == name);
        found.ok_or_else(|| {
            let names = BackwardRule::ALL.map(BackwardRule::name).join(", ");
            D::Error::custom(format!("no rule for rectifiers is called '{name}'; there are {names}"))
        })
    }
}

fn at_least_zero(number: f64) -> bool {
    number.is_finite() && number >= 0.0
}

fn within(number: f64, low: f64, high: f64) -> bool {
    (low..=high).contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_recipe_whose_numbers_are_in_range() {
        for name in RECIPES {
            let recipe = Recipe::named(name).unwrap();
            assert_eq!(recipe.name, name);
            recipe.check().unwrap();
        }
        assert!(RECIPES.contains(&DEFAULT_RECIPE));
        assert!(Recipe::named("lucent").unwrap_err().to_string().contains("lucid"));
    }

    #[test]
    fn files_change_what_they_name() {
        let folder = std::env::temp_dir().join(format!("recipe-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("mine.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Recipe::read(&path)
        };
        let mine = read("base = \"lucid\"\njitter = 3\nzoom = [0.5, 1.0]").unwrap();
        assert_eq!(
            mine,
            Recipe { name: "mine".to_owned(), jitter: 3.0, zoom: [0.5, 1.0], ..Recipe::lucid() }
        );
        assert_eq!(read("gradient_scale = 2").unwrap().gradient_scale, Some(2.0));
        let original = read("base = \"original\"\niterations = 3").unwrap();
        assert_eq!((original.gradient_scale, original.iterations), (Some(1.0), 3));
        let expectation = Recipe::original().expectation().unwrap();
        assert!(expectation.contains("10000") && expectation.contains("200"), "{expectation}");
        assert_eq!(Recipe { iterations: 10_000, ..Recipe::original() }.expectation(), None);
        assert_eq!(Recipe::paper().expectation(), None);
        for (text, said) in [
            ("jittr = 3", "jittr"),
            ("base = \"lucid\"\nblur = 1.0", "spectrum"),
            ("l2 = -1.0", "l2"),
            ("l2 = nan", "l2"),
            ("gradient_scale = 0", "gradient scale"),
            ("gradient_scale = -2.5", "gradient scale"),
            ("gradient_scale = inf", "gradient scale"),
            ("zoom = [2.0, 1.0]", "zoom"),
            ("noise = -1.0", "noise"),
            ("views = 0", "views"),
            ("contrast = 11", "contrast"),
            ("contrast_temperature = 0", "temperature"),
            ("average = 1", "average"),
            ("chroma = nan", "chroma"),
            ("base = 3", "base"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(said), "{text}: {message}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
