//! What is remembered of an ascent: what it reached, what was changed, pictures for an animation, and states to go back to.

use std::sync::Arc;

use deepinside::class_model::AscentState;
use deepinside::drawing::Picture;
use serde::Serialize;
use utoipa::ToSchema;

/// About how many pictures an animation has.
const PICTURES: usize = 60;
/// The most bytes of an animation's pictures.
const PICTURE_BYTES: usize = 48 << 20;
/// About how many states are kept to go back to.
const STATES: usize = 24;
/// The most bytes of the states.
const STATE_BYTES: usize = 192 << 20;

/// A change of the recipe on the way.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Change {
    /// After how many steps.
    pub iteration: usize,
    /// What was changed, by the names of the recipe's fields.
    #[schema(value_type = Object)]
    pub changes: serde_json::Value,
}

impl Change {
    /// The changes as a recipe takes them.
    pub fn table(&self) -> toml::Table {
        // They were numbers of a table before.
        serde_json::from_value(self.changes.clone()).unwrap_or_default()
    }
}

/// The picture after some steps.
#[derive(Clone)]
pub struct Shown {
    /// How many steps were taken.
    pub iteration: usize,
    /// What the objective reached in the last view; none before the first step.
    pub value: Option<f32>,
    /// The probability of the class, where the objective is about one.
    pub probability: Option<f32>,
    /// The picture, as a JPEG file in a data URL; none where it was not watched.
    pub image: Option<Arc<str>>,
}

/// What watchers are told.
#[derive(Default)]
pub struct News {
    /// How often there was anything to tell.
    pub count: u64,
    /// The last picture that was told of, and the count at which it was.
    pub last: Option<(u64, Shown)>,
}

/// What is remembered.
#[derive(Default)]
pub struct Timeline {
    /// What the objective reached before each step.
    pub values: Vec<f32>,
    /// What was changed.
    pub changes: Vec<Change>,
    pictures: Vec<(usize, Picture)>,
    states: Vec<AscentState>,
}

impl Timeline {
    /// After how many steps the next picture for the animation is due, of this many.
    pub fn wants_picture(&self, iteration: usize, iterations: usize) -> bool {
        // The first is made in any case, so that there is a picture soon.
        (iteration == 1 || iteration.is_multiple_of(iterations.div_ceil(PICTURES).max(1)))
            && self.pictures.last().is_none_or(|(last, _)| *last < iteration)
    }

    /// Keeps a picture; when there are too many, every other one is dropped.
    pub fn add_picture(&mut self, iteration: usize, picture: Picture) {
        let most = (PICTURE_BYTES / picture.rgb().len().max(1)).clamp(2, 4 * PICTURES);
        self.pictures.push((iteration, picture));
        if self.pictures.len() > most {
            let mut index = 0;
            self.pictures.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
    }

    /// Whether a state is to be kept after that many steps.
    pub fn wants_state(&self, iteration: usize, iterations: usize) -> bool {
        iteration.is_multiple_of(iterations.div_ceil(STATES).max(1))
            && self.states.last().is_none_or(|last| last.iteration() < iteration)
    }

    /// Keeps a state; when there are too many, every other one is dropped, but never the first.
    pub fn add_state(&mut self, state: AscentState) {
        let most = (STATE_BYTES / state.bytes().max(1)).clamp(2, 2 * STATES);
        self.states.push(state);
        if self.states.len() > most {
            let mut index = 0;
            self.states.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
    }

    /// The steps to which one can go back.
    pub fn places(&self) -> Vec<usize> {
        self.states.iter().map(AscentState::iteration).collect()
    }

    /// Forgets what came after that many steps. Returns the last kept state before; from there the steps up to that many, which
    /// are the same again, lead to it.
    pub fn go_back(&mut self, iteration: usize) -> Option<AscentState> {
        self.states.retain(|state| state.iteration() <= iteration);
        let state = self.states.last()?.clone();
        self.values.truncate(iteration);
        self.pictures.retain(|(place, _)| *place <= iteration);
        // The recipe stays as it is now, so what was changed later is now changed here.
        let (kept, later): (Vec<Change>, Vec<Change>) =
            std::mem::take(&mut self.changes).into_iter().partition(|change| change.iteration <= iteration);
        self.changes = kept;
        let mut changes = serde_json::Map::new();
        for change in later {
            if let serde_json::Value::Object(fields) = change.changes {
                changes.extend(fields);
            }
        }
        if !changes.is_empty() {
            self.changes.push(Change { iteration, changes: changes.into() });
        }
        Some(state)
    }

    /// What was changed by the time of that step, one change after the other.
    pub fn changes_before(&self, iteration: usize) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| change.iteration <= iteration)
    }

    /// The states are large; without the thread they are of no use.
    pub fn forget_states(&mut self) {
        self.states = Vec::new();
    }

    /// The pictures of the animation.
    pub fn pictures(&self) -> Vec<Picture> {
        self.pictures.iter().map(|(_, picture)| picture.clone()).collect()
    }
}
