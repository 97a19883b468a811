//! Writes down what a layer computes.

use std::sync::Arc;

use deepinside::attribution::{Pass, Runner};
use deepinside::graph::ValueId;
use deepinside::vision::{Crop, Photograph};
use deepinside::{Error, Model, Result, Target, Threads};
use serde_json::{Map, Value};

use super::{Found, OwnWorker, Task, Worker, top};
use crate::Row;

/// A layer.
#[derive(Debug)]
pub struct Activations {
    /// The network.
    pub model: Arc<Model>,
    /// The value that is read.
    pub layer: ValueId,
    /// The part of a photograph that is looked at.
    pub crop: Crop,
    /// How many classes are named.
    pub top: usize,
}

impl Activations {
    /// The activations of a layer by its name.
    ///
    /// # Errors
    /// When the network has no such value.
    pub fn of(model: Arc<Model>, layer: &str, crop: Crop, top: usize) -> Result<Self> {
        let found = model.graph.find(layer).ok_or_else(|| {
            Error::Option(format!("the network has no value '{layer}'; `deepinside graph` shows its layers"))
        })?;
        Ok(Self { model, layer: found, crop, top })
    }

    fn name(&self) -> &str {
        &self.model.graph.value(self.layer).name
    }
}

impl Task for Activations {
    fn model(&self) -> &Model {
        &self.model
    }

    fn settings(&self) -> Map<String, Value> {
        Map::from_iter([
            ("task".to_owned(), "activations".into()),
            ("layer".to_owned(), self.name().into()),
            ("crop".to_owned(), self.crop.to_string().into()),
            ("top".to_owned(), self.top.into()),
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
    task: &'a Activations,
    runner: Runner,
}

impl<'t> Worker<'t> for Own<'t> {
    fn another(&self) -> Result<OwnWorker<'t>> {
        Ok(Box::new(Own { task: self.task, runner: self.runner.another(Threads::new(1)?)? }))
    }

    fn work(&mut self, photograph: &Photograph, target: Option<&str>, _draws: bool) -> Result<Found> {
        let (model, layer) = (&self.task.model, self.task.layer);
        let class = target.map(|text| model.class(text)).transpose()?;
        let input = model.input_of(photograph, self.task.crop)?;
        let pass = Pass { activations: vec![layer], ..Pass::forward() };
        // The score of a class is read along with it, so that naming classes takes no other pass.
        let target = Target::class(class.unwrap_or(0));
        let activation = self
            .runner
            .one(&pass, &target, input.data(), |passed| Ok((passed.number, passed.activation(layer)?)));
        let (number, activation) = activation?;
        let row = Row {
            number: class.map(|_| number),
            target: class.map(|class| class.to_string()),
            layer: Some(self.task.name().to_owned()),
            classes: top(model, self.runner.scores(input.data())?, self.task.top),
            ..Row::default()
        };
        Ok(Found { row, map: Some(activation), ..Found::default() })
    }
}
