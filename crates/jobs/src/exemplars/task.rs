//! The largest activation of every unit in one photograph.
//!
//! Looking at all layers must cost little beside computing them. So the engine takes the maxima of channels while a layer's numbers are in
//! the caches, and what is joined to a larger layer is looked at there: copying it out would also keep convolutions from writing it in
//! place.

mod sources;

use std::sync::Arc;

use deepinside::attribution::{Pass, Passed, Runner};
use deepinside::files::Array;
use deepinside::graph::ValueId;
use deepinside::vision::{Crop, Photograph};
use deepinside::{Error, Model, Result, Target, Threads};
use serde_json::{Map, Value};

use self::sources::{Source, sources};
use crate::task::{Found, OwnWorker, Task, Worker};

/// Looks at layers.
pub struct Maxima {
    model: Arc<Model>,
    crop: Crop,
    /// The layers.
    pub layers: Vec<Looked>,
}

/// A layer that is looked at.
pub struct Looked {
    value: ValueId,
    /// Its name.
    pub name: String,
    /// How many units it has: channels where its numbers have places in the picture, else numbers.
    pub units: usize,
    /// The rows and columns of its positions.
    pub positions: [usize; 2],
    /// Where its maxima come from.
    source: Source,
}

impl Maxima {
    pub fn new(model: Arc<Model>, values: Vec<ValueId>, crop: Crop) -> Result<Self> {
        let sources = sources(&model, &values);
        let looked = |(value, source): (ValueId, Source)| {
            let known = model.graph.value(value);
            let (units, positions) = match model.grid(value) {
                Ok(grid) => {
                    let [channels, rows, columns] = grid.extents();
                    (channels, [rows, columns])
                }
                Err(_) => (known.shape.elements(), [1, 1]),
            };
            Looked { value, name: known.name.clone(), units, positions, source }
        };
        let layers = values.into_iter().zip(sources).map(looked).collect();
        Ok(Self { model, crop, layers })
    }

    /// The maxima of all layers; none where a number of one of them is not finite.
    fn read(&self, passed: &Passed<'_>) -> Result<Option<Vec<f32>>> {
        let mut maxima = Vec::new();
        for layer in &self.layers {
            match &layer.source {
                Source::Maxima(parts) => {
                    for part in parts {
                        let found = &passed.maxima(part.of)?[2 * part.first..][..2 * part.channels];
                        match part.is_rectified {
                            true => maxima.extend(found.as_chunks().0.iter().flat_map(rectified)),
                            false => maxima.extend(found),
                        }
                    }
                }
                Source::Numbers => add(passed.activation(layer.value)?.data(), layer, &mut maxima),
                Source::Grid(grid) => {
                    add(grid.fold(passed.activation(layer.value)?.data())?.data(), layer, &mut maxima);
                }
            }
        }
        Ok(maxima.iter().all(|number| !number.is_nan()).then_some(maxima))
    }
}

impl Task for Maxima {
    fn model(&self) -> &Model {
        &self.model
    }

    fn settings(&self) -> Map<String, Value> {
        let names: Vec<&str> = self.layers.iter().map(|layer| layer.name.as_str()).collect();
        Map::from_iter([
            ("task".to_owned(), "exemplars".into()),
            ("layers".to_owned(), names.into()),
            ("crop".to_owned(), self.crop.to_string().into()),
        ])
    }

    fn has_map(&self) -> bool {
        true
    }

    fn has_picture(&self) -> bool {
        false
    }

    fn worker(&self) -> Result<OwnWorker<'_>> {
        Ok(Box::new(Own { task: self, runner: Runner::new(Arc::clone(&self.model), Threads::new(1)?) }))
    }
}

struct Own<'a> {
    task: &'a Maxima,
    runner: Runner,
}

impl<'t> Worker<'t> for Own<'t> {
    fn another(&self) -> Result<OwnWorker<'t>> {
        Ok(Box::new(Own { task: self.task, runner: self.runner.another(Threads::new(1)?)? }))
    }

    fn work(&mut self, photograph: &Photograph, _target: Option<&str>, _draws: bool) -> Result<Found> {
        let task = self.task;
        let input = task.model.input_of(photograph, task.crop)?;
        let maxima = task.layers.iter().flat_map(|layer| match &layer.source {
            Source::Maxima(parts) => parts.as_slice(),
            Source::Numbers | Source::Grid(_) => &[],
        });
        let read = task.layers.iter().filter(|layer| !matches!(layer.source, Source::Maxima(_)));
        let pass = Pass {
            activations: read.map(|layer| layer.value).collect(),
            maxima: maxima.map(|part| part.of).collect(),
            ..Pass::forward()
        };
        let found = self.runner.one(&pass, &Target::class(0), input.data(), |passed| task.read(passed))?;
        let maxima = match found {
            Some(maxima) => maxima,
            None => return Err(self.not_finite(input.data())),
        };
        let map = Array::new([maxima.len() / 2, 2], maxima)?;
        Ok(Found { map: Some(map), ..Found::default() })
    }
}

impl Own<'_> {
    /// What is to be said where numbers of a layer are not finite: found by reading all of them.
    fn not_finite(&mut self, input: &[f32]) -> Error {
        let layers = &self.task.layers;
        let pass = Pass { activations: layers.iter().map(|layer| layer.value).collect(), ..Pass::forward() };
        let all = |passed: &Passed<'_>| {
            layers.iter().try_for_each(|layer| passed.activation(layer.value).map(drop))
        };
        let unknown = || Error::Option("the activations of a layer are not finite".to_owned());
        self.runner.one(&pass, &Target::class(0), input, all).err().unwrap_or_else(unknown)
    }
}

/// Adds the largest number of each unit and its position; of equal ones the first.
fn add(numbers: &[f32], layer: &Looked, maxima: &mut Vec<f32>) {
    let positions = layer.positions[0] * layer.positions[1];
    for unit in numbers.chunks_exact(positions.max(1)) {
        // Zero has two signs, of which the larger one is meant.
        let largest = largest(unit) + 0.0;
        let position = unit.iter().position(|&number| number == largest).unwrap_or_default();
        maxima.extend([largest, position as f32]);
    }
}

/// The largest number of a rectified channel and its place, of those of the channel itself.
fn rectified(&[largest, place]: &[f32; 2]) -> [f32; 2] {
    // What is not a number stays that.
    if largest <= 0.0 { [0.0, 0.0] } else { [largest, place] }
}

/// The largest number, found in several lanes that do not wait for each other.
fn largest(numbers: &[f32]) -> f32 {
    let (chunks, rest) = numbers.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        for (lane, &number) in lanes.iter_mut().zip(chunk) {
            *lane = if number > *lane { number } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Numbers as bytes.
pub fn encoded(maxima: &Array) -> Vec<u8> {
    maxima.data().iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Largest numbers with their positions, from bytes.
pub fn decoded(bytes: &[u8]) -> impl Iterator<Item = (f32, usize)> {
    let (numbers, _) = bytes.as_chunks::<4>();
    let (pairs, _) = numbers.as_chunks::<2>();
    pairs.iter().map(|[value, position]| (f32::from_le_bytes(*value), f32::from_le_bytes(*position) as usize))
}
