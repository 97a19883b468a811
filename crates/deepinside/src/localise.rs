//! Where the object is, from saliency alone (Simonyan, Vedaldi, Zisserman 2013, §3.2): no box was ever trained on.
//!
//! The most salient pixels surely belong to the object and the least salient ones surely do not; their colours teach two
//! mixtures, and a graph cut separates the rest. Threshold rules (Fong and Vedaldi 2017) are there to compare with.

use deepinside_files::Array;
use deepinside_vision::expected_overlap::most_overlapping_box;
use deepinside_vision::graph_cut::{self, CutOptions, Marker};
use deepinside_vision::regions::{PixelBox, connected_regions};
use deepinside_vision::{Photograph, unseen};
use serde::Serialize;

use crate::attribution::Runner;
use crate::class_activation::{ActivationMap, Layers, Weighting};
use crate::classify::{Prediction, prediction};
use crate::evidence::{EvidenceOptions, gather};
use crate::outline::{OutlineOptions, outline};
use crate::{BackwardRule, Error, Result, Scores};

/// How pixels are chosen from a map.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A graph cut from the most and the least salient pixels.
    Cut(CutRule),
    /// What reaches this share of the range from the smallest to the largest value.
    Value(f64),
    /// The most salient pixels that hold this share of the sum.
    Energy(f64),
    /// What reaches this multiple of the mean.
    Mean(f64),
    /// No pixels but a box: the one with the largest expected overlap, where a pixel belongs to the object with the probability
    /// of its value over this multiple of the mean, at most 1. [`localise`] draws the object's outline inside it ([`crate::outline`]);
    /// the mask of [`choose`] is what is more probable than not.
    Overlap(f64),
}

/// A graph cut from markers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CutRule {
    /// Pixels strictly above this quantile of the map are foreground.
    pub foreground: f64,
    /// Pixels strictly below this quantile are background.
    pub background: f64,
    /// How strongly the map itself speaks for a pixel, in nats: this times the logarithm of the map's value over its
    /// [`CutRule::neutral`] multiple of the mean. 0 in the paper, where the map gives markers only.
    pub saliency: f64,
    /// Where the map speaks for neither side, as a multiple of its mean.
    pub neutral: f64,
    /// The cut.
    pub cut: CutOptions,
}

/// Which of the chosen pixels count, and are enclosed by the box where the rule does not find one by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The largest connected region (the paper).
    Largest,
    /// The connected regions whose summed saliency is at least this share of the strongest one's.
    Strong(f64),
    /// All.
    All,
}

/// A way to localise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Method {
    /// What the name on the command line is.
    pub name: &'static str,
    /// The map.
    pub evidence: EvidenceOptions,
    /// The pixels.
    pub rule: Rule,
    /// The region.
    pub keep: Keep,
}

impl Method {
    /// The methods that have a name.
    pub const NAMES: [&'static str; 10] = [
        "default",
        "paper",
        "paper-literal",
        "energy",
        "mean",
        "value",
        "guided-energy",
        "layer-cam",
        "grad-cam",
        "grad-cam-mean",
    ];

    /// A method by its name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn named(name: &str) -> Result<Self> {
        // The reference's smoothing: 4.5 pixels of 227.
        let smoothed = EvidenceOptions { smoothing: 0.02, ..EvidenceOptions::default() };
        let paper = CutRule {
            foreground: 0.95,
            background: 0.30,
            saliency: 0.0,
            neutral: 1.0,
            cut: CutOptions { refinements: 5, ..CutOptions::default() },
        };
        let literal = CutRule { cut: CutOptions::default(), ..paper };
        let guided = EvidenceOptions { rules: vec![BackwardRule::Guided], ..smoothed.clone() };
        let activations_alone = |weighting, layers| EvidenceOptions {
            rules: Vec::new(),
            activations: Some(ActivationMap { weighting, layers }),
            ..EvidenceOptions::default()
        };
        let grad_cam = activations_alone(Weighting::GradCam, Layers::Last);
        let layer_cam = activations_alone(Weighting::LayerCam, Layers::Stages);
        let (evidence, rule, keep) = match name {
            "default" => {
                let rules = vec![BackwardRule::Gradient, BackwardRule::Guided];
                let evidence = EvidenceOptions { rules, smoothing: 0.03, ..layer_cam };
                (evidence, Rule::Overlap(2.5), Keep::All)
            }
            "paper" => (smoothed, Rule::Cut(paper), Keep::Largest),
            "paper-literal" => (EvidenceOptions::default(), Rule::Cut(literal), Keep::Largest),
            "energy" => (smoothed, Rule::Energy(0.4), Keep::All),
            "mean" => (smoothed, Rule::Mean(1.5), Keep::All),
            "value" => (smoothed, Rule::Value(0.2), Keep::All),
            "guided-energy" => (guided, Rule::Energy(0.5), Keep::All),
            "layer-cam" => (layer_cam, Rule::Overlap(2.5), Keep::All),
            "grad-cam" => (grad_cam, Rule::Value(0.2), Keep::Largest),
            "grad-cam-mean" => (grad_cam, Rule::Mean(1.5), Keep::All),
            _ => {
                let known = Self::NAMES.join(", ");
                return Err(Error::Option(format!("there is no method '{name}'; there are {known}")));
            }
        };
        let name = Self::NAMES.into_iter().find(|known| *known == name).unwrap_or_default();
        Ok(Self { name, evidence, rule, keep })
    }

    /// The name, and that the method is another one where anything was changed.
    pub fn title(&self) -> String {
        let is_changed = Self::named(self.name).is_ok_and(|named| named != *self);
        if is_changed { format!("{} (changed)", self.name) } else { self.name.to_owned() }
    }
}

/// An object.
#[derive(Debug, Clone)]
pub struct Localisation {
    /// Its class.
    pub class: Prediction,
    /// The saliency map, height × width of the photograph.
    pub map: Array,
    /// What was known before the cut; only the rule [`Rule::Cut`] has markers.
    pub markers: Option<Vec<Marker>>,
    /// The object's pixels, row-major.
    pub mask: Vec<bool>,
    /// The box: the whole photograph where nothing is chosen.
    pub bounds: PixelBox,
    /// Whether nothing is chosen, so that the box says nothing.
    pub is_empty: bool,
    /// The photograph's pixels that a crop reaches, row-major; elsewhere the map is 0 and says nothing.
    pub seen: Vec<bool>,
}

impl Localisation {
    /// Whether the map is the same wherever it was seen: then no pixel changes the score, and the box means nothing.
    pub fn is_constant(&self) -> bool {
        let mut seen = self.map.data().iter().zip(&self.seen).filter(|(_, seen)| **seen);
        let first = seen.next();
        seen.all(|(number, _)| first.is_some_and(|(first, _)| number == first))
    }

    /// The share of the photograph's pixels that no crop reaches.
    pub fn unseen(&self) -> f64 {
        unseen::share(&self.seen)
    }
}

/// The objects of a photograph, and what was seen of it.
#[derive(Debug, Clone)]
pub struct Localised {
    /// The objects, one for each class.
    pub objects: Vec<Localisation>,
    /// The mean scores of the crops that the maps are of.
    pub scores: Scores,
}

/// Localises classes; which are the most probable ones is what the model says of its own crop ([`Runner::classify`]).
///
/// # Errors
/// When a crop does not fit or a class does not exist.
pub fn localise(
    runner: &mut Runner,
    photograph: &Photograph,
    method: &Method,
    classes: &[usize],
) -> Result<Localised> {
    let evidence = gather(runner, photograph, classes, &method.evidence)?;
    let objects = classes.iter().zip(evidence.maps).map(|(&class, map)| {
        // A graph cut makes no pass through the network that would heed it.
        runner.interrupt().check()?;
        let class = prediction(runner.model(), &evidence.scores, class);
        let Choice { mut mask, markers, bounds, is_empty } =
            choose(photograph, &map, &evidence.seen, method)?;
        if let (Rule::Overlap(multiple), false) = (method.rule, is_empty) {
            let known = unseen::seen_numbers(&map, &evidence.seen)?;
            let sum: f64 = known.iter().map(|&number| f64::from(number)).sum();
            // Where a pixel is as probably the object's as not.
            let undecided = 0.5 * multiple * sum / known.len().max(1) as f64;
            let options = OutlineOptions::default();
            let keep = match method.keep {
                Keep::All => options.keep,
                Keep::Largest => 1.0,
                Keep::Strong(share) => share,
            };
            let options = OutlineOptions { keep, ..options };
            let drawn = outline(photograph, &map, &evidence.seen, undecided, bounds, &options)?;
            // Where colours say of every pixel that it is background, the map alone is believed.
            if drawn.contains(&true) {
                mask = drawn;
            }
        }
        Ok(Localisation { class, map, markers, mask, bounds, is_empty, seen: evidence.seen.clone() })
    });
    let objects = objects.collect::<Result<_>>()?;
    Ok(Localised { objects, scores: evidence.scores })
}

/// What a method chooses from a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The object's pixels, row-major.
    pub mask: Vec<bool>,
    /// What was known before the cut; only the rule [`Rule::Cut`] has markers.
    pub markers: Option<Vec<Marker>>,
    /// The box: the whole photograph where nothing is chosen.
    pub bounds: PixelBox,
    /// Whether nothing is chosen, or a cut had markers of one kind only, so that the box says nothing.
    pub is_empty: bool,
}

/// The object's pixels and box for a map of the photograph's size. Means, ranges and quantiles are those of the pixels that
/// were seen, and no other pixel is chosen, but by a cut, which goes by its colour.
///
/// # Errors
/// When map, mask and photograph differ in size, or a number of the method is out of its range.
pub fn choose(photograph: &Photograph, map: &Array, seen: &[bool], method: &Method) -> Result<Choice> {
    if map.shape() != [photograph.height(), photograph.width()] {
        return Err(Error::Option(format!(
            "a map of shape {:?} does not belong to a photograph of {}×{}",
            map.shape(),
            photograph.height(),
            photograph.width()
        )));
    }
    let numbers = map.data();
    let known = unseen::seen_numbers(map, seen)?;
    let sum: f64 = known.iter().map(|&number| f64::from(number)).sum();
    let mean = sum / known.len().max(1) as f64;
    let is_constant = known.iter().all(|number| Some(number) == known.first());
    let chosen = |is_chosen: &dyn Fn(f32) -> bool| -> Vec<bool> {
        numbers.iter().zip(seen).map(|(&number, &seen)| seen && is_chosen(number)).collect()
    };
    let mut best_box = None;
    let (mask, markers) = match method.rule {
        Rule::Value(share) => {
            let (low, high) =
                known.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &number| {
                    (low.min(number), high.max(number))
                });
            let threshold = low + within(share, "a share of the range")? as f32 * (high - low);
            (chosen(&|number| number >= threshold), None)
        }
        Rule::Mean(multiple) => {
            if !(multiple >= 0.0 && multiple.is_finite()) {
                return Err(Error::Option(format!("a multiple of the mean is 0 or more, found {multiple}")));
            }
            (chosen(&|number| f64::from(number) >= multiple * mean), None)
        }
        Rule::Energy(share) => {
            // Of equal pixels none holds more than another: nothing is chosen.
            let wanted = within(share, "a share of the sum")? * if is_constant { 0.0 } else { sum };
            let mut order: Vec<usize> = (0..numbers.len()).filter(|&index| seen[index]).collect();
            order.sort_by(|&a, &b| numbers[b].total_cmp(&numbers[a]));
            let mut mask = vec![false; numbers.len()];
            let mut held = 0.0;
            for index in order {
                if held >= wanted {
                    break;
                }
                held += f64::from(numbers[index]);
                mask[index] = true;
            }
            (mask, None)
        }
        Rule::Overlap(multiple) => {
            let neutral = multiple * mean;
            if !(multiple > 0.0 && multiple.is_finite()) {
                return Err(Error::Option(format!("a multiple of the mean is positive, found {multiple}")));
            }
            let probability = |&number: &f32| {
                if neutral > 0.0 { (f64::from(number) / neutral).clamp(0.0, 1.0) as f32 } else { 0.0 }
            };
            let probabilities: Vec<f32> = numbers.iter().map(probability).collect();
            best_box = most_overlapping_box(&probabilities, photograph.width())?;
            let is_in_box = |index: usize| {
                best_box
                    .is_none_or(|best| best.contains(index % photograph.width(), index / photograph.width()))
            };
            let object = probabilities.iter().enumerate();
            (object.map(|(index, &probability)| probability > 0.5 && is_in_box(index)).collect(), None)
        }
        Rule::Cut(rule) => {
            let above = quantile(&known, within(rule.foreground, "a quantile")?);
            let below = quantile(&known, within(rule.background, "a quantile")?);
            if rule.foreground < rule.background {
                return Err(Error::Option(format!(
                    "the object's quantile is at least the background's, found {} below {}",
                    rule.foreground, rule.background
                )));
            }
            let marker = |(&number, &seen): (&f32, &bool)| match () {
                () if !seen => Marker::Unknown,
                () if f64::from(number) > above => Marker::Foreground,
                () if f64::from(number) < below => Marker::Background,
                () => Marker::Unknown,
            };
            let positive = |number: f64| number > 0.0 && number.is_finite();
            if rule.saliency != 0.0 && !(positive(rule.saliency) && positive(rule.neutral)) {
                return Err(Error::Option(format!(
                    "the weight of the map and the multiple of its mean are positive numbers, found {} and {}",
                    rule.saliency, rule.neutral
                )));
            }
            let markers: Vec<Marker> = numbers.iter().zip(seen).map(marker).collect();
            let prior: Option<Vec<f32>> = (rule.saliency > 0.0 && mean > 0.0).then(|| {
                let evidence = |(&number, &seen): (&f32, &bool)| {
                    let ratio = (f64::from(number) / (rule.neutral * mean)).max(1e-3);
                    if seen { (rule.saliency * ratio.ln()) as f32 } else { 0.0 }
                };
                numbers.iter().zip(seen).map(evidence).collect()
            });
            (graph_cut::cut(photograph, &markers, prior.as_deref(), &rule.cut)?, Some(markers))
        }
    };
    let mask = match method.keep {
        Keep::All => mask,
        Keep::Largest => {
            let largest = connected_regions(&mask, photograph.width()).into_iter().take(1);
            marked(largest, mask.len())
        }
        Keep::Strong(share) => {
            let share = within(share, "a share of the strongest region")?;
            let regions = connected_regions(&mask, photograph.width());
            let strength =
                |region: &Vec<usize>| region.iter().map(|&index| f64::from(numbers[index])).sum::<f64>();
            let strongest = regions.iter().map(strength).fold(0.0, f64::max);
            let strong = regions.into_iter().filter(|region| strength(region) >= share * strongest);
            marked(strong, mask.len())
        }
    };
    let whole = PixelBox { x0: 0, y0: 0, x1: photograph.width(), y1: photograph.height() };
    let found = best_box.or_else(|| PixelBox::around(&mask, photograph.width()));
    // Where one kind of markers is missing a cut tells nothing apart.
    let has_both = markers
        .as_ref()
        .is_none_or(|all| [Marker::Foreground, Marker::Background].iter().all(|kind| all.contains(kind)));
    let is_empty = found.is_none() || !has_both;
    Ok(Choice { mask, markers, bounds: found.unwrap_or(whole), is_empty })
}

/// A mask of some regions.
fn marked(regions: impl Iterator<Item = Vec<usize>>, pixels: usize) -> Vec<bool> {
    let mut mask = vec![false; pixels];
    regions.flatten().for_each(|index| mask[index] = true);
    mask
}

fn within(share: f64, what: &str) -> Result<f64> {
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(Error::Option(format!("{what} lies between 0 and 1, found {share}")))
    }
}

/// A quantile with linear interpolation between neighbours, as NumPy's default has it.
fn quantile(numbers: &[f32], share: f64) -> f64 {
    let mut sorted: Vec<f32> = numbers.to_vec();
    let place = share * (sorted.len() - 1) as f64;
    let low = place.floor() as usize;
    let (_, &mut below, rest) = sorted.select_nth_unstable_by(low, f32::total_cmp);
    let above = rest.iter().copied().fold(f32::INFINITY, f32::min);
    let above = if above.is_finite() { above } else { below };
    f64::from(below) + (place - low as f64) * f64::from(above - below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of the photograph was not looked at: its zeros are in no mean, range or quantile, and none of its pixels is chosen.
    #[test]
    fn pixels_that_no_crop_reaches_do_not_count() {
        let (height, width) = (4, 8);
        let photograph = Photograph::new(height, width, 1, vec![0.5; height * width]).unwrap();
        let seen: Vec<bool> = (0..height * width).map(|index| index % width < 4).collect();
        let map = |index: usize| if index % width < 4 { 1.0 + (index % width) as f32 } else { 0.0 };
        let map = Array::new([height, width], (0..height * width).map(map).collect()).unwrap();
        let columns = |rule: Rule, seen: &[bool]| -> Vec<usize> {
            let method = Method { rule, keep: Keep::All, ..Method::named("mean").unwrap() };
            let Choice { mask, .. } = choose(&photograph, &map, seen, &method).unwrap();
            (0..width).filter(|&column| mask[column]).collect()
        };
        // The seen numbers are 1, 2, 3 and 4: their mean is 2.5 and 30 % of their range ends at 1.9.
        assert_eq!(columns(Rule::Mean(1.0), &seen), [2, 3]);
        assert_eq!(columns(Rule::Value(0.3), &seen), [1, 2, 3]);
        assert_eq!(columns(Rule::Value(0.0), &seen), [0, 1, 2, 3]);
        assert_eq!(columns(Rule::Energy(1.0), &seen), [0, 1, 2, 3]);
        assert_eq!(columns(Rule::Mean(1.0), &[true; 32]), [1, 2, 3]);
        assert!(choose(&photograph, &map, &seen[1..], &Method::named("mean").unwrap()).is_err());
    }
}
