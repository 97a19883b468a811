//! Names what photographs show.

use deepinside::vision::{Crop, Photograph};
use deepinside::{Model, Result, Threads};
use serde_json::{Map, Value};
use std::sync::Arc;

use deepinside::attribution::Runner;

use super::{Found, OwnWorker, Task, Worker, top};
use crate::Row;

/// The most probable classes.
#[derive(Debug)]
pub struct Classify {
    /// The network.
    pub model: Arc<Model>,
    /// The part of a photograph that is looked at.
    pub crop: Crop,
    /// How many classes are named.
    pub top: usize,
}

impl Task for Classify {
    fn model(&self) -> &Model {
        &self.model
    }

    fn settings(&self) -> Map<String, Value> {
        Map::from_iter([
            ("task".to_owned(), "classify".into()),
            ("crop".to_owned(), self.crop.to_string().into()),
            ("top".to_owned(), self.top.into()),
        ])
    }

    fn has_map(&self) -> bool {
        false
    }

    fn has_picture(&self) -> bool {
        false
    }

    fn worker(&self) -> Result<OwnWorker<'_>> {
        Ok(Box::new(Own { task: self, runner: Runner::new(Arc::clone(&self.model), Threads::new(1)?) }))
    }
}

struct Own<'a> {
    task: &'a Classify,
    runner: Runner,
}

impl<'t> Worker<'t> for Own<'t> {
    fn another(&self) -> Result<OwnWorker<'t>> {
        Ok(Box::new(Own { task: self.task, runner: self.runner.another(Threads::new(1)?)? }))
    }

    fn work(&mut self, photograph: &Photograph, target: Option<&str>, _draws: bool) -> Result<Found> {
        let model = &self.task.model;
        let class = target.map(|text| model.class(text)).transpose()?;
        let input = model.input_of(photograph, self.task.crop)?;
        let scores = self.runner.scores(input.data())?;
        let row = Row {
            number: class.map(|class| f64::from(scores.scores[class])),
            target: class.map(|class| class.to_string()),
            classes: top(model, scores, self.task.top),
            ..Row::default()
        };
        Ok(Found { row, ..Found::default() })
    }
}
