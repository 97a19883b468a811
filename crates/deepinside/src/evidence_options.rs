//! How evidence is gathered.

use deepinside_graph::ValueId;
use deepinside_vision::Crop;
use serde::{Serialize, Serializer};

use crate::class_activation::{ActivationMap, Layers, Weighting};
use crate::{BackwardRule, Error, Model, Result};

/// How saliency is gathered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvidenceOptions {
    /// What rectifiers do on the way back. Of several rules' maps the geometric mean is taken: what one rule alone shows, such
    /// as the gradient's speckles or the edges that guided backpropagation restores everywhere, fades.
    #[serde(serialize_with = "names")]
    pub rules: Vec<BackwardRule>,
    /// A class activation map, which is one more factor of the geometric mean; the only one where there is no rule.
    pub activations: Option<ActivationMap>,
    /// The class whose score is subtracted from that of the class asked for: the map is then of the margin between the two.
    pub minus: Option<usize>,
    /// The parts of the photograph whose maps are averaged, mirrored back and in their places.
    pub crops: Vec<Crop>,
    /// Gradients of noisy copies are averaged, where it is given.
    pub noise: Option<Noise>,
    /// The deviation of a Gaussian that smooths the map, as a share of the photograph's longer side.
    pub smoothing: f64,
    /// Whether the signed gradients that maps are made of are wanted as well.
    #[serde(skip)]
    pub keeps_gradients: bool,
}

/// SmoothGrad (Smilkov and others 2017): the mean gradient over pictures with added normal noise, which comes in pairs of opposite sign
/// (antithetic variates, Hammersley and Morton 1956): what the gradient has of the noise in proportion cancels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Noise {
    /// How many pictures. The last of an odd number has no partner.
    pub samples: usize,
    /// The noise's deviation, as a share of the range of the network's input.
    pub deviation: f64,
    /// The random seed.
    pub seed: u64,
}

fn names<S: Serializer>(rules: &[BackwardRule], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(rules.iter().map(|rule| rule.name()))
}

impl Default for EvidenceOptions {
    /// The paper's map: one pass, nothing smoothed; of the whole photograph.
    fn default() -> Self {
        Self {
            rules: vec![BackwardRule::Gradient],
            activations: None,
            minus: None,
            crops: vec![Crop::Whole],
            noise: None,
            smoothing: 0.0,
            keeps_gradients: false,
        }
    }
}

impl EvidenceOptions {
    /// How many passes through the network, forward and backward, the maps of that many classes take at most, the choice of the
    /// class included.
    pub fn passes(&self, classes: usize) -> usize {
        let of_a_picture = 1 + classes;
        let of_a_crop = match self.noise {
            // The crop itself goes forward, for its scores.
            Some(noise) => 1 + noise.samples * of_a_picture,
            None => of_a_picture,
        };
        let gradient_is_there = self.rules.contains(&BackwardRule::Gradient);
        let sources = self.rules.len() + usize::from(self.activations.is_some() && !gradient_is_there);
        1 + sources * self.crops.len() * of_a_crop
    }

    /// The layers whose class activation maps are factors; none where the network has none that keep channels and positions apart, and
    /// there are other maps to go by (see [`EvidenceOptions::left_out`]).
    ///
    /// # Errors
    /// When the network has no such layers, and they were named or nothing else is asked for.
    pub fn layers(&self, model: &Model) -> Result<Vec<ValueId>> {
        let Some(activations) = &self.activations else { return Ok(Vec::new()) };
        match activations.values(model) {
            Err(_) if self.may_leave_out(activations) => Ok(Vec::new()),
            values => values,
        }
    }

    /// What is left out because the network has no such layers, in a sentence.
    pub fn left_out(&self, model: &Model) -> Option<String> {
        let activations = self.activations.as_ref().filter(|own| self.may_leave_out(own))?;
        activations.values(model).err().map(|error| format!("{error}; they are left out"))
    }

    fn may_leave_out(&self, activations: &ActivationMap) -> bool {
        !self.rules.is_empty() && !matches!(activations.layers, Layers::Named(_))
    }

    /// The readable map, which stands beside the paper's: guided backpropagation times LayerCAM of the last layer, the root of
    /// the product, from four noisy copies of the whole photograph, smoothed a little. The first draws fine lines, but wherever the
    /// picture has edges; the second knows where the class is, but not in detail. `docs/methods/saliency.md` says how this was
    /// chosen, and measures it on networks without knowledge.
    ///
    /// In a network none of whose layers is known to keep channels and positions apart, such as a vision transformer, it is
    /// guided backpropagation alone.
    pub fn readable(model: &Model) -> Self {
        let last = ActivationMap { weighting: Weighting::LayerCam, layers: Layers::Last };
        Self {
            rules: vec![BackwardRule::Guided],
            activations: last.values(model).is_ok().then_some(last),
            noise: Some(Noise { samples: 4, deviation: 0.05, seed: 0 }),
            smoothing: 0.005,
            ..Self::default()
        }
    }

    /// How such a map is made, in two lines of a figure: of what, and from which pictures. "geometric mean of guided backpropagation
    /// and LayerCAM (last layer)", "mean of 4 noisy copies (5 %), whole photograph, smoothed (0.5 %)".
    pub fn description(&self) -> [String; 2] {
        let rules = self.rules.iter().map(|rule| rule.title().to_owned());
        let factors: Vec<String> = rules.chain(self.activations.as_ref().map(ActivationMap::title)).collect();
        let of_what = match factors.as_slice() {
            [one] => one.clone(),
            several => format!("geometric mean of {}", several.join(" and ")),
        };
        // 0.07 × 100 has a tail in binary.
        let percent = |share: f64| (share * 1e4).round() / 1e2;
        let mut pictures = Vec::new();
        if let Some(Noise { samples, deviation, .. }) = self.noise {
            pictures.push(format!("mean of {samples} noisy copies ({} %)", percent(deviation)));
        } else if self.crops.len() == 1 {
            pictures.push("one pass".to_owned());
        }
        pictures.push(match self.crops.as_slice() {
            [Crop::Whole] => "whole photograph".to_owned(),
            [one] => format!("{one} crop"),
            several => format!("mean of {} crops", several.len()),
        });
        if self.smoothing > 0.0 {
            pictures.push(format!("smoothed ({} %)", percent(self.smoothing)));
        }
        [of_what, pictures.join(", ")]
    }

    /// # Errors
    /// When they ask for no crop or no map, or a number is out of its range.
    pub fn check(&self) -> Result<()> {
        if self.crops.is_empty() || (self.rules.is_empty() && self.activations.is_none()) {
            return Err(Error::Option("saliency needs at least one crop, and one rule or layer".to_owned()));
        }
        let expect = |what: &str, found: f64| {
            if (0.0..=1.0).contains(&found) {
                Ok(())
            } else {
                Err(Error::Option(format!("{what} lies between 0 and 1, found {found}")))
            }
        };
        expect("the smoothing, a share of the photograph's longer side,", self.smoothing)?;
        if let Some(noise) = self.noise {
            expect("the deviation of SmoothGrad's noise, a share of the input's range,", noise.deviation)?;
            if noise.samples == 0 {
                return Err(Error::Option("SmoothGrad needs at least one noisy copy, found 0".to_owned()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_say_what_a_map_is_made_of() {
        let one_pass = EvidenceOptions { crops: vec![Crop::MirroredCentre], ..EvidenceOptions::default() };
        assert_eq!(one_pass.description(), ["gradient", "one pass, mirrored-centre crop"]);
        let smooth_grad = Some(Noise { samples: 25, deviation: 0.07, seed: 0 });
        let crops = Crop::TEN.to_vec();
        let several = EvidenceOptions { crops, noise: smooth_grad, smoothing: 0.02, ..one_pass.clone() };
        let expected = "mean of 25 noisy copies (7 %), mean of 10 crops, smoothed (2 %)";
        assert_eq!(several.description()[1], expected);
        let layer_cam = ActivationMap { weighting: Weighting::LayerCam, layers: Layers::Last };
        let product = EvidenceOptions { activations: Some(layer_cam), ..one_pass };
        assert_eq!(product.description()[0], "geometric mean of gradient and LayerCAM (last layer)");
    }
}
