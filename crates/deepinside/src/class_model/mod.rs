//! Class models: the picture that maximises a class score (Simonyan, Vedaldi, Zisserman 2013, §2), or anything else that a
//! network computes.
//!
//! `argmax_I S_c(I) − λ‖I‖²`, by gradient ascent. *What* is maximised is an [`Objective`], *how* is a [`Recipe`]: in which numbers
//! the picture is searched for, what keeps it smooth, in how many random views the network sees it, and how gradients become
//! steps. An [`Ascent`] goes step by step and lets the recipe be changed on the way; [`ascend`] runs one to its end.

mod ascent;
mod canvas;
mod diversity;
mod faintness;
mod gradient_size;
pub mod judge;
mod objective;
mod optimiser;
mod recipe;
mod regularise;
mod spectrum;
mod view;

use std::ops::ControlFlow;

use deepinside_drawing::Picture;
use deepinside_engine::Threads;
use deepinside_files::Array;
use deepinside_vision::ChannelOrder;

pub use self::ascent::{Ascent, AscentState, Diversity, Wish};
pub use self::faintness::faintness;
pub use self::objective::Objective;
pub use self::recipe::{DEFAULT_RECIPE, Display, Optimiser, Parameterisation, RECIPES, Recipe, Start};
use crate::{Model, Result, Scores};

/// The state of one picture before a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The number of steps taken.
    pub iteration: usize,
    /// What its objective reaches in the view that the network saw.
    pub value: f32,
    /// The probability of the class that it is about, where it is about one.
    pub probability: Option<f32>,
}

/// The picture that an ascent found.
#[derive(Debug, Clone)]
pub struct ClassModel {
    /// What was maximised.
    pub objective: Objective,
    /// The picture as the network reads it, `C × H × W`.
    pub image: Array,
    /// What the objective reached before every step, in the view of that step, and, last, the finished picture unmoved.
    pub values: Vec<f32>,
    /// What the network thinks of the finished picture.
    pub result: Scores,
    /// What happened on the way that a reader should know, in whole sentences.
    pub notes: Vec<String>,
}

/// Runs an ascent to the end of its recipe. `watch` is told after every step and may end the ascent.
///
/// # Errors
/// As [`Ascent::new`] and [`Ascent::step`].
pub fn ascend(
    model: &Model,
    wishes: &[Wish],
    recipe: &Recipe,
    diversity: Option<Diversity>,
    threads: &Threads,
    mut watch: impl FnMut(&Ascent<'_>, &[Progress]) -> ControlFlow<()>,
) -> Result<Vec<ClassModel>> {
    let mut ascent = Ascent::new(model, wishes, recipe, diversity, threads)?;
    while ascent.iteration() < recipe.iterations {
        let progress = ascent.step()?;
        if watch(&ascent, &progress).is_break() {
            break;
        }
    }
    ascent.finish()
}

/// The picture of a class model.
///
/// # Errors
/// When it holds numbers that are not finite.
pub fn picture(model: &Model, image: &Array, display: Display) -> Result<Picture> {
    use deepinside_drawing::class_model::{as_photograph, stretched};
    Ok(match display {
        Display::Photograph => as_photograph(image, &model.transformer)?,
        Display::Stretched if model.transformer.channel_order == ChannelOrder::Grey => {
            stretched(image, ChannelOrder::Grey)?
        }
        Display::Stretched => stretched(image, ChannelOrder::Rgb)?,
    })
}
