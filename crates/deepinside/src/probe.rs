//! One value of a network at close quarters: its activation for a picture, the gradient of a class score with respect to it, and
//! the gradient of one of its units with respect to the picture, which under the rules of DeconvNet (Zeiler and Fergus 2013) and
//! guided backpropagation (Springenberg and others 2014) shows what the unit reacts to.

use deepinside_engine::{BackwardRule, PlanOptions, Session, Target, Threads};
use deepinside_graph::ValueId;
use deepinside_vision::Array;

use crate::grid::Grid;
use crate::layers::maps;
use crate::{Error, Interrupt, Model, Result, Score, Scores, expect_finite};

/// A network prepared for looking at one value. It takes one picture at a time and any number of questions about it.
pub struct Probe {
    session: Session,
    value: ValueId,
    input: ValueId,
    input_extents: Vec<usize>,
    extents: Vec<usize>,
    score: Score,
    /// How the value's numbers lie in the picture, where they are about places of it.
    grid: Option<Grid>,
}

impl Probe {
    /// Prepares a model.
    ///
    /// # Errors
    /// When a layer cannot be computed.
    pub fn new(model: &Model, value: ValueId, rule: BackwardRule, threads: &Threads) -> Result<Self> {
        let score = &model.score;
        let options = PlanOptions {
            activations: vec![value, score.value, score.output],
            gradients: vec![value, model.input],
            targets: vec![value, score.value],
            rule,
            ..PlanOptions::default()
        };
        let extents = |value: ValueId| -> Vec<usize> {
            model.graph.value(value).shape.extents().get(1..).unwrap_or_default().to_vec()
        };
        let grid = model.grid(value).ok();
        Ok(Self {
            session: model.session(1, &options, threads)?,
            value,
            input: model.input,
            input_extents: extents(model.input),
            extents: extents(value),
            grid,
            score: score.clone(),
        })
    }

    /// From now on every pass stops when this interrupt is set.
    pub fn set_interrupt(&mut self, interrupt: &Interrupt) {
        self.session.set_interrupt(interrupt);
    }

    /// Runs the network on one picture, given as `C × H × W` numbers.
    ///
    /// # Errors
    /// When there are more or fewer numbers, scores are not finite, or the computation was interrupted.
    pub fn forward(&mut self, picture: &[f32]) -> Result<Scores> {
        self.session.forward(&[(self.input, picture)])?;
        let (numbers, output) =
            (self.session.activation(self.score.value)?, self.session.activation(self.score.output)?);
        Scores::read(&self.score, &numbers, &output)
    }

    /// The value for the last picture, `C × H × W`; `C × 1 × 1` for a fully connected layer.
    ///
    /// # Errors
    /// When there was no forward pass.
    pub fn activation(&self) -> Result<Array> {
        let activation = self.session.activation(self.value)?;
        expect_finite(|| "the activations of the value".to_owned(), &activation)?;
        self.laid_out(activation)
    }

    /// The gradient of a class score with respect to the value, of the same shape.
    ///
    /// # Errors
    /// When there is no such class, there was no forward pass, or the computation was interrupted.
    pub fn class_gradient(&mut self, class: usize) -> Result<Array> {
        if class >= self.score.classes {
            return Err(Error::ClassOutOfRange { index: class, classes: self.score.classes });
        }
        self.session.backward(&[(self.score.value, &Target::Class(class))])?;
        let gradient = self.session.gradient(self.value)?;
        expect_finite(|| format!("the gradients of the score of class {class}"), &gradient)?;
        self.laid_out(gradient)
    }

    fn laid_out(&self, numbers: Vec<f32>) -> Result<Array> {
        match &self.grid {
            Some(grid) => grid.fold(&numbers),
            None => maps(&self.extents, numbers),
        }
    }

    /// The gradient of one unit with respect to the picture, `C × H × W`. `position` counts in C order, in [`Probe::activation`].
    ///
    /// # Errors
    /// When there is no such unit, there was no forward pass, or the computation was interrupted.
    pub fn unit_gradient(&mut self, position: usize) -> Result<Array> {
        let position = match &self.grid {
            Some(grid) => {
                let [_, rows, columns] = grid.extents();
                let (channel, place) = (position / (rows * columns), position % (rows * columns));
                let found = grid.element(channel, place / columns, place % columns);
                found.ok_or_else(|| Error::Option(format!("the layer has no unit {position}")))?
            }
            None => position,
        };
        self.session.backward(&[(self.value, &Target::Neuron(position))])?;
        let gradient = self.session.gradient(self.input)?;
        expect_finite(|| format!("the gradients of element {position}"), &gradient)?;
        Ok(Array::new(self.input_extents.clone(), gradient)?)
    }
}
