//! Explains photographs by any method of the table.

use std::sync::Arc;

use deepinside::attribution::{Choices, Entry, Given, Method, Runner};
use deepinside::classify::predictions;
use deepinside::drawing::normalise::Scaling;
use deepinside::drawing::{ColourMap, Picture};
use deepinside::files::Array;
use deepinside::saliency_figure::DrawnMap;
use deepinside::vision::{Crop, Photograph};
use deepinside::{Error, Model, Result, Target, Threads};
use serde_json::{Map, Value};

use super::{Found, OwnWorker, Task, Worker, classes, drawn};
use crate::Row;
use crate::durable::sha256;

/// A method, and what it explains.
#[derive(Debug)]
pub struct Explain {
    /// The network.
    model: Arc<Model>,
    /// The method.
    method: Box<dyn Method>,
    /// The method's name, its parameters and layers, as settings.
    choices: Map<String, Value>,
    /// What is explained where a list does not say; without it the most probable class.
    target: Option<Target>,
    /// The part of a photograph that is looked at.
    crop: Crop,
    /// The colours of overlays.
    colours: ColourMap,
    /// How many classes are named.
    top: usize,
}

/// What can be chosen beside the method.
#[derive(Debug, Clone)]
pub struct ExplainOptions {
    /// What is explained where a list does not say; without it the most probable class.
    pub target: Option<Target>,
    /// The part of a photograph that is looked at; the model's own without it.
    pub crop: Option<Crop>,
    /// The colours of overlays.
    pub colours: ColourMap,
    /// How many classes are named.
    pub top: usize,
}

impl Explain {
    /// A method of the table with these choices.
    ///
    /// # Errors
    /// When a parameter is unknown or out of its range, there is no such layer, or more than one is named.
    pub fn new(model: Arc<Model>, entry: &Entry, choices: &Choices, options: ExplainOptions) -> Result<Self> {
        if choices.layers.len() > 1 {
            return Err(Error::Option(
                "a row has one map: name one layer, and run another job for another".to_owned(),
            ));
        }
        let method = entry.make(&model, choices)?;
        let given: Map<String, Value> =
            choices.given.iter().map(|(name, given)| (name.clone(), setting(given))).collect();
        let choices = Map::from_iter([
            ("method".to_owned(), entry.name.into()),
            ("set".to_owned(), given.into()),
            ("layer".to_owned(), choices.layers.first().cloned().into()),
        ]);
        let ExplainOptions { target, crop, colours, top } = options;
        let crop = crop.unwrap_or(model.crop);
        Ok(Self { model, method, choices, target, crop, colours, top })
    }
}

/// A parameter as a setting: arrays count by their numbers, wherever they come from.
fn setting(given: &Given) -> Value {
    let hash = |array: &Array| {
        let extents = array.shape().iter().flat_map(|extent| (*extent as u64).to_le_bytes());
        let numbers = array.data().iter().flat_map(|number| number.to_le_bytes());
        Value::from(sha256(&extents.chain(numbers).collect::<Vec<u8>>()))
    };
    match given {
        Given::Text(text) => text.clone().into(),
        Given::Array(array) => hash(array),
        Given::Arrays(arrays) => {
            Value::Object(arrays.iter().map(|(name, array)| (name.clone(), hash(array))).collect())
        }
    }
}

impl Task for Explain {
    fn model(&self) -> &Model {
        &self.model
    }

    fn settings(&self) -> Map<String, Value> {
        let mut settings = Map::from_iter([("task".to_owned(), "explain".into())]);
        settings.extend(self.choices.clone());
        settings.extend([
            ("target".to_owned(), self.target.as_ref().map(|target| target.text(&self.model)).into()),
            // The text does not say which numbers an array has.
            ("target_sha256".to_owned(), sha256(format!("{:?}", self.target).as_bytes()).into()),
            ("crop".to_owned(), self.crop.to_string().into()),
            ("colours".to_owned(), format!("{:?}", self.colours).into()),
            ("top".to_owned(), self.top.into()),
        ]);
        settings
    }

    fn has_map(&self) -> bool {
        true
    }

    fn has_picture(&self) -> bool {
        true
    }

    fn worker(&self) -> Result<OwnWorker<'_>> {
        let runner = Runner::new(Arc::clone(&self.model), Threads::new(1)?);
        Ok(Box::new(Own { task: self, runner }))
    }
}

struct Own<'a> {
    task: &'a Explain,
    runner: Runner,
}

impl<'t> Worker<'t> for Own<'t> {
    fn another(&self) -> Result<OwnWorker<'t>> {
        let runner = self.runner.another(Threads::new(1)?)?;
        Ok(Box::new(Own { task: self.task, runner }))
    }

    fn work(&mut self, photograph: &Photograph, target: Option<&str>, draws: bool) -> Result<Found> {
        let (task, model) = (self.task, &self.task.model);
        let input = model.input_of(photograph, task.crop)?;
        // What the method reads is prepared first: the scores are then read from the same pass.
        self.runner.expect_method(task.method.as_ref(), task.target.as_ref())?;
        let scores = self.runner.scores(input.data())?;
        let named = predictions(model, &scores, task.top.max(1));
        let target = match (target, &task.target) {
            (Some(text), _) => Target::parse(text, model, &no_array)?,
            (None, Some(target)) => target.clone(),
            (None, None) => Target::class(named.first().map_or(0, |best| best.index)),
        };
        let found = task.method.attribute(&mut self.runner, &input, &target)?;
        let map = found.map()?;
        let (picture, drawing) = drawn(draws, || overlay(model, photograph, &map, task))?;
        let mut named = classes(named);
        named.truncate(task.top);
        let row = Row {
            number: Some(self.runner.number(&input, &target)?),
            target: Some(target.text(model)),
            classes: named,
            layer: found.layer.map(|layer| model.graph.value(layer).name.clone()),
            notes: found.notes,
            ..Row::default()
        };
        Ok(Found { row, map: Some(map), picture, drawing })
    }
}

/// A list may be a stranger's, and reads no files.
fn no_array(name: &str) -> Result<Array> {
    Err(Error::Option(format!("a target of a list names the file {name}; only --target may")))
}

fn overlay(model: &Model, photograph: &Photograph, map: &Array, task: &Explain) -> Result<Picture> {
    let frame = model.frame(photograph, task.crop)?;
    DrawnMap::new(&frame.place(map)?, &frame.seen()?, Scaling::Quantile(0.99), task.colours)?.over(photograph)
}
