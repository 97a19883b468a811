//! A report card: what several methods find in one input, and whether each map deserves belief.
//!
//! All maps are brought to one number a pixel of the input, so that every method is measured on the same area: what the network read.
//! Maps that know nothing of the network (random, the distance from the centre, edges) are measured beside them: a method
//! that does no better says nothing about the network.

mod controls;
mod faithfulness;
mod verdict;

use std::sync::Arc;
use std::time::Instant;

use deepinside_files::Array;
use serde::Serialize;

pub(crate) use self::controls::controls;
pub use self::faithfulness::{Faithfulness, faithfulness};
use self::verdict::{verdict, warning};
use super::masks::{Enlargement, enlarge};
use super::metrics::{metric, rank_correlation};
use super::{Attribution, Choices, Entry, Given, Runner, method};
use crate::{Error, Model, Result, Target};

/// The longest time, in seconds, that a map may take for its sensitivity to be measured too.
const LONGEST_FOR_SENSITIVITY: f64 = 1.0;

/// The most pictures that go forward for a map which is made again at every depth of randomised weights: about a second of a small network
/// on two cores.
const MOST_FOR_ALL_DEPTHS: usize = 200;

/// What a report is made of.
#[derive(Debug, Clone)]
pub struct ReportSettings {
    /// The methods, each with what is chosen about it.
    pub methods: Vec<(&'static Entry, Choices)>,
    /// In how many steps pixels are deleted and inserted.
    pub steps: usize,
    /// At how many depths weights are randomised; 0 leaves that out.
    pub depths: usize,
    /// Whether the target itself is measured where it could be the probability of its class.
    pub of_score: bool,
}

impl ReportSettings {
    /// The methods that most people use, with the numbers of samples that they use.
    ///
    /// # Errors
    /// Never but for a name that the table of methods has lost.
    pub fn usual() -> Result<Self> {
        let chosen = [
            ("gradient", None),
            ("smooth-grad", Some(("samples", "25"))),
            ("integrated-gradients", Some(("steps", "50"))),
            ("guided", None),
            ("grad-cam", None),
            ("layer-cam", None),
            ("score-cam", None),
            ("occlusion", None),
            ("rise", Some(("samples", "1000"))),
            ("kernel-shap", Some(("samples", "300"))),
        ];
        let with = |(name, set): (&str, Option<(&str, &str)>)| {
            let given = set.map(|(name, value)| (name.to_owned(), Given::Text(value.to_owned())));
            Ok((method(name)?, Choices { given: given.into_iter().collect(), layers: Vec::new() }))
        };
        let methods = chosen.into_iter().map(with).collect::<Result<_>>()?;
        Ok(Self { methods, steps: 32, depths: 3, of_score: false })
    }
}

impl ReportSettings {
    /// A method as it is written: its name, and its parameters behind a colon, as in `rise:samples=500,cells=9`.
    ///
    /// # Errors
    /// When there is no such method, or a parameter has no value. Values are looked at when the report is made.
    pub fn named(text: &str) -> Result<(&'static Entry, Choices)> {
        let (name, sets) = text.split_once(':').unwrap_or((text, ""));
        let mut choices = Choices::default();
        for set in sets.split(',').filter(|set| !set.is_empty()) {
            let (parameter, value) = set.split_once('=').ok_or_else(|| {
                Error::Option(format!("a method is NAME:PARAMETER=VALUE,PARAMETER=VALUE, found '{text}'"))
            })?;
            match parameter {
                "layer" => choices.layers.push(value.to_owned()),
                _ => drop(choices.given.insert(parameter.to_owned(), Given::Text(value.to_owned()))),
            }
        }
        Ok((method(name)?, choices))
    }

    /// How many pictures go forward for a report of an input, about: for the maps, again for each depth of randomised weights, and in the
    /// steps of deletion and insertion.
    ///
    /// # Errors
    /// When a method does not fit the network or the input.
    pub fn passes(&self, model: &Model, input: &Array) -> Result<usize> {
        let steps = 2 * (self.steps + 1);
        let mut all = steps * (self.methods.len() + 3);
        for (entry, choices) in &self.methods {
            let own = entry.make(model, choices)?.passes(model, input)?.forward;
            let depths = if own > MOST_FOR_ALL_DEPTHS { self.depths.min(1) } else { self.depths };
            // The metric of randomised weights makes the map of the own weights once more.
            all += own * (1 + depths + usize::from(depths > 0));
        }
        Ok(all)
    }
}

/// What was found for one target.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The target, as the grammar of targets writes it.
    pub target: String,
    /// Its number for the input.
    pub number: f64,
    /// What deletion and insertion measure: the target or its probability.
    pub measured: String,
    /// A card for each method, in the order in which they were asked for.
    pub cards: Vec<Card>,
    /// Maps that know nothing of the network.
    pub controls: Vec<Control>,
    /// The rank correlation of each map with each other, in the order of the cards.
    pub agreement: Vec<Vec<f64>>,
    /// What holds for all, in whole sentences.
    pub notes: Vec<String>,
}

/// What is known about one method's map.
#[derive(Debug, Clone, Serialize)]
pub struct Card {
    /// The method.
    pub method: &'static str,
    /// Its name in a sentence.
    pub title: &'static str,
    /// One number for each pixel of the input.
    #[serde(skip)]
    pub map: Array,
    /// What was deleted and inserted by the map.
    pub faithfulness: Faithfulness,
    /// The rank correlation with the map of the network with random weights, from the fewest to all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub randomised: Option<Vec<f64>>,
    /// The largest change under small perturbations of the input, as a share of the attribution's length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<f64>,
    /// What the values add up to, and what they should.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completeness: Option<[f64; 2]>,
    /// The Gini index of the map's magnitudes.
    pub sparseness: f64,
    /// How long the map took.
    pub seconds: f64,
    /// How many pictures went forward for it.
    pub forward_passes: usize,
    /// Whether the map deserves belief, in a sentence.
    pub verdict: String,
    /// What must be known about the map, in whole sentences.
    pub notes: Vec<String>,
}

/// A map that knows nothing of the network.
#[derive(Debug, Clone, Serialize)]
pub struct Control {
    /// What it is.
    pub name: &'static str,
    /// One number for each pixel.
    #[serde(skip)]
    pub map: Array,
    /// What was deleted and inserted by it.
    pub faithfulness: Faithfulness,
}

/// Makes a report for one input; `progress` hears what comes next, how many parts are done and how many there are.
///
/// # Errors
/// When a method does not fit the network or the target, or the runner was interrupted.
pub fn report(
    runner: &mut Runner,
    input: &Array,
    target: &Target,
    settings: &ReportSettings,
    progress: &mut dyn FnMut(&str, usize, usize),
) -> Result<Report> {
    let model = Arc::clone(runner.model());
    let measured = match settings.of_score {
        true => target.clone(),
        false => target.of_probabilities().unwrap_or_else(|| target.clone()),
    };
    let parts = settings.methods.len() + 1;
    progress("maps that know nothing of the network", 0, parts);
    let mut known = Vec::new();
    for (name, map) in controls(input)? {
        let faithfulness = faithfulness(runner, input, &measured, &map, settings.steps)?;
        known.push(Control { name, map, faithfulness });
    }
    let mut cards = Vec::new();
    for (done, (entry, choices)) in settings.methods.iter().enumerate() {
        progress(entry.title, done + 1, parts);
        cards.push(card(runner, input, target, (&measured, &known), settings, (entry, choices))?);
    }
    let numbers = |card: &Card| card.map.data().iter().map(|&number| f64::from(number)).collect::<Vec<f64>>();
    let maps: Vec<Vec<f64>> = cards.iter().map(numbers).collect();
    let agreement =
        maps.iter().map(|own| maps.iter().map(|other| rank_correlation(own, other)).collect()).collect();
    let notes = vec![
        format!(
            "All maps are measured on the same pixels, the {} × {} that the network read, in {} steps. Deletion replaces pixels by zero \
             in the network's own numbers (for most networks the mean colour), insertion begins with the blurred input.",
            input.shape()[1],
            input.shape()[2],
            settings.steps
        ),
        "Of deletion less is better, of insertion and the difference more. Weights randomised: the rank correlation of the map with that of \
         the network with random weights in more and more of its layers, from the score down to all of them; a map that shows what the network \
         has learnt is near 0."
            .to_owned(),
        format!(
            "Sensitivity is measured of maps that take less than {LONGEST_FOR_SENSITIVITY} s: it needs the map eleven times. Maps that need \
             more than {MOST_FOR_ALL_DEPTHS} passes are compared with those of wholly random weights alone."
        ),
    ];
    Ok(Report {
        target: target.text(&model),
        number: runner.number(input, target)?,
        measured: measured.text(&model),
        cards,
        controls: known,
        agreement,
        notes,
    })
}

fn card(
    runner: &mut Runner,
    input: &Array,
    target: &Target,
    (measured, controls): (&Target, &[Control]),
    settings: &ReportSettings,
    (entry, choices): (&'static Entry, &Choices),
) -> Result<Card> {
    let explains = entry.make(runner.model(), choices)?;
    let (start, before) = (Instant::now(), runner.forward_passes());
    let attribution = explains.attribute(runner, input, target)?;
    let seconds = start.elapsed().as_secs_f64();
    let forward_passes = runner.forward_passes() - before;
    let map = on_input(&attribution, input)?;
    let faithfulness = faithfulness(runner, input, measured, &map, settings.steps)?;
    let mut measure = |name: &str, sets: &[(&str, String)]| -> Result<_> {
        let given = sets.iter().map(|(name, value)| ((*name).to_owned(), Given::Text(value.clone())));
        let metric = metric(name)?.make(&Choices { given: given.collect(), layers: Vec::new() })?;
        metric.measure(runner, input, target, &map, explains.as_ref())
    };
    let sparseness = measure("sparseness", &[])?.value;
    let randomised = match settings.depths {
        0 => None,
        // The last depth, where all weights are random, says most.
        depths if forward_passes > MOST_FOR_ALL_DEPTHS && depths > 1 => {
            measure("randomisation", &[("depths", "1".to_owned())])?.curve
        }
        depths => measure("randomisation", &[("depths", depths.to_string())])?.curve,
    };
    let of_map = |map: &Array| map.data().iter().map(|&number| f64::from(number)).collect::<Vec<f64>>();
    let own = of_map(&map);
    let alike: Vec<f64> =
        controls.iter().map(|control| rank_correlation(&own, &of_map(&control.map))).collect();
    let is_zero = attribution.values.data().iter().all(|&number| number == 0.0);
    let sensitivity = match seconds < LONGEST_FOR_SENSITIVITY && !is_zero {
        true => Some(measure("max-sensitivity", &[])?.value),
        false => None,
    };
    let mut notes = attribution.notes;
    notes.extend(warning(entry.name).map(str::to_owned));
    Ok(Card {
        method: entry.name,
        title: entry.title,
        verdict: verdict(entry.name, &faithfulness, controls, randomised.as_deref(), &alike),
        map,
        faithfulness,
        randomised,
        sensitivity,
        completeness: attribution.completeness.map(|complete| [complete.sum, complete.difference]),
        sparseness,
        seconds,
        forward_passes,
        notes,
    })
}

/// One number for each pixel of the input: the largest magnitude over channels; a layer's positions are enlarged bilinearly.
///
/// # Errors
/// When an attribution is neither of the input nor of positions.
pub fn on_input(attribution: &Attribution, input: &Array) -> Result<Array> {
    let map = attribution.map()?;
    let size = [input.shape()[1], input.shape()[2]];
    let &[rows, columns] = map.shape() else {
        return Err(Error::Option(format!("a map has two axes, found shape {:?}", map.shape())));
    };
    if [rows, columns] == size {
        return Ok(map);
    }
    let numbers: Vec<f64> = map.data().iter().map(|&number| f64::from(number)).collect();
    let large = enlarge(&numbers, [rows, columns], size, Enlargement::HalfPixel);
    Ok(Array::new(size, large.into_iter().map(|number| number as f32).collect())?)
}
