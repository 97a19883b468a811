//! Finds objects in photographs.

use std::sync::Arc;

use deepinside::attribution::Runner;
use deepinside::drawing::annotate;
use deepinside::localise::{Method, localise};
use deepinside::vision::Photograph;
use deepinside::vision::unseen::with_gaps;
use deepinside::{Model, Result, Threads};
use serde_json::{Map, Value};

use super::{Found, OwnWorker, Task, Worker, classes, drawn};
use crate::{Bounds, Row};

/// The colours of boxes, the best class first.
const COLOURS: [[u8; 3]; 5] = [[255, 210, 0], [0, 200, 255], [255, 80, 160], [120, 230, 60], [200, 140, 255]];

/// A way to localise, and how many classes.
#[derive(Debug)]
pub struct Localise {
    /// The network.
    pub model: Arc<Model>,
    /// How.
    pub method: Method,
    /// How many classes are localised where a list names none.
    pub top: usize,
}

impl Task for Localise {
    fn model(&self) -> &Model {
        &self.model
    }

    fn settings(&self) -> Map<String, Value> {
        Map::from_iter([
            ("task".to_owned(), "localise".into()),
            ("method".to_owned(), format!("{:?}", self.method).into()),
            ("top".to_owned(), self.top.into()),
        ])
    }

    fn has_map(&self) -> bool {
        true
    }

    fn has_picture(&self) -> bool {
        true
    }

    fn worker(&self) -> Result<OwnWorker<'_>> {
        Ok(Box::new(Own { task: self, runner: Runner::new(Arc::clone(&self.model), Threads::new(1)?) }))
    }
}

struct Own<'a> {
    task: &'a Localise,
    runner: Runner,
}

impl<'t> Worker<'t> for Own<'t> {
    fn another(&self) -> Result<OwnWorker<'t>> {
        Ok(Box::new(Own { task: self.task, runner: self.runner.another(Threads::new(1)?)? }))
    }

    fn work(&mut self, photograph: &Photograph, target: Option<&str>, draws: bool) -> Result<Found> {
        let (model, task) = (&self.task.model, self.task);
        let class = target.map(|text| model.class(text)).transpose()?;
        let named = self.runner.classify(photograph)?.top(model, task.top);
        let chosen = class.map_or_else(|| named.iter().map(|best| best.index).collect(), |class| vec![class]);
        let objects = localise(&mut self.runner, photograph, &task.method, &chosen)?.objects;
        let bounds = |(class, edges): (usize, [f64; 4])| Bounds { class: class as u32, edges };
        let mut row = Row {
            target: class.map(|class| class.to_string()),
            classes: classes(named),
            boxes: objects.iter().map(|own| bounds((own.class.index, own.bounds.edges()))).collect(),
            ..Row::default()
        };
        for object in &objects {
            let name = &object.class.name;
            if object.is_constant() {
                row.notes.push(format!("the map of '{name}' is the same everywhere: its box means nothing"));
            } else if object.is_empty {
                row.notes.push(format!(
                    "nothing of the map of '{name}' is chosen: its box is the whole photograph"
                ));
            }
        }
        let mut found = Found { row, ..Found::default() };
        if let Some(best) = objects.first() {
            found.map = Some(with_gaps(&best.map, &best.seen)?);
            (found.picture, found.drawing) = drawn(draws, || {
                let colours = COLOURS.into_iter().cycle();
                let boxes: Vec<_> =
                    objects.iter().zip(colours).map(|(object, colour)| (object.bounds, colour)).collect();
                Ok(annotate::outlined(photograph, &best.mask, &boxes)?)
            })?;
        }
        Ok(found)
    }
}
