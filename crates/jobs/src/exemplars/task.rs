//! The largest activation of every unit in one photograph.

use std::sync::Arc;

use deepinside::attribution::{Pass, Runner};
use deepinside::files::Array;
use deepinside::graph::ValueId;
use deepinside::grid::Grid;
use deepinside::vision::{Crop, Photograph};
use deepinside::{Model, Result, Target, Threads};
use serde_json::{Map, Value};

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
    /// How its numbers lie; none where they have no places or lie so anyway.
    grid: Option<Grid>,
}

impl Maxima {
    pub fn new(model: Arc<Model>, values: Vec<ValueId>, crop: Crop) -> Result<Self> {
        let looked = |value: ValueId| {
            let known = model.graph.value(value);
            let (units, positions, grid) = match model.grid(value) {
                Ok(grid) => {
                    let [channels, rows, columns] = grid.extents();
                    (channels, [rows, columns], Some(grid).filter(|grid| !grid.is_plain()))
                }
                Err(_) => (known.shape.elements(), [1, 1], None),
            };
            Looked { value, name: known.name.clone(), units, positions, grid }
        };
        let layers = values.into_iter().map(looked).collect();
        Ok(Self { model, crop, layers })
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
        let values = task.layers.iter().map(|layer| layer.value).collect();
        let pass = Pass { activations: values, ..Pass::forward() };
        let maxima = self.runner.one(&pass, &Target::class(0), input.data(), |passed| {
            let mut maxima = Vec::new();
            for layer in &task.layers {
                let activation = passed.activation(layer.value)?;
                match &layer.grid {
                    Some(grid) => add(grid.fold(activation.data())?.data(), layer, &mut maxima),
                    None => add(activation.data(), layer, &mut maxima),
                }
            }
            Ok(maxima)
        })?;
        let map = Array::new([maxima.len() / 2, 2], maxima)?;
        Ok(Found { map: Some(map), ..Found::default() })
    }
}

/// Adds the largest number of each unit and its position; of equal ones the first.
fn add(numbers: &[f32], layer: &Looked, maxima: &mut Vec<f32>) {
    let positions = layer.positions[0] * layer.positions[1];
    for unit in numbers.chunks_exact(positions.max(1)) {
        let largest = largest(unit);
        let position = unit.iter().position(|&number| number == largest).unwrap_or_default();
        maxima.extend([largest, position as f32]);
    }
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
