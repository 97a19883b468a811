//! What a pass computed for one picture.

use deepinside_engine::Session;
use deepinside_files::Array;
use deepinside_graph::ValueId;

use crate::target::shape_of;
use crate::{Model, Result, Scores, expect_finite};

/// What a pass computed for one picture.
pub struct Passed<'a> {
    /// The target's number.
    pub number: f64,
    model: &'a Model,
    session: &'a Session,
}

impl<'a> Passed<'a> {
    pub(super) fn new(number: f64, model: &'a Model, session: &'a Session) -> Self {
        Self { number, model, session }
    }

    /// The largest number of each of the channels of a value of the pass, and its position among the channel's, counted in C order, of
    /// equal ones the first: two numbers a channel. The maximum is NaN where one of the channel's numbers is not finite.
    ///
    /// # Errors
    /// When the pass does not read them.
    pub fn maxima(&self, value: ValueId) -> Result<&'a [f32]> {
        Ok(self.session.maxima(value)?)
    }

    /// The activation of a value of the pass, without the batch axis.
    ///
    /// # Errors
    /// When the pass does not read it.
    pub fn activation(&self, value: ValueId) -> Result<Array> {
        let numbers = self.session.activation(value)?;
        expect_finite(|| format!("the activations of '{}'", self.model.graph.value(value).name), &numbers)?;
        Ok(Array::new(shape_of(self.model, value), numbers)?)
    }

    /// The numbers of a value of the pass in C order, with all of its axes: the first one need not be that of pictures.
    ///
    /// # Errors
    /// When the pass does not read it.
    pub fn numbers(&self, value: ValueId) -> Result<Vec<f32>> {
        let numbers = self.session.activation(value)?;
        expect_finite(|| format!("the activations of '{}'", self.model.graph.value(value).name), &numbers)?;
        Ok(numbers)
    }

    /// The gradient of the target with respect to a value of the pass, without the batch axis.
    ///
    /// # Errors
    /// When the pass does not read it.
    pub fn gradient(&self, value: ValueId) -> Result<Array> {
        let numbers = self.session.gradient(value)?;
        expect_finite(|| format!("the gradients at '{}'", self.model.graph.value(value).name), &numbers)?;
        Ok(Array::new(shape_of(self.model, value), numbers)?)
    }

    /// The gradient with respect to the input, `C × H × W`.
    ///
    /// # Errors
    /// When the pass does not read it.
    pub fn input_gradient(&self) -> Result<Array> {
        self.gradient(self.model.input)
    }

    /// The activation of a value of the pass as channels × rows × columns of the picture, with tokens put back on their grid (see
    /// [`crate::grid`]); `C × 1 × 1` where the value has no positions.
    ///
    /// # Errors
    /// When the pass does not read it.
    pub fn activation_maps(&self, value: ValueId) -> Result<Array> {
        self.model.laid_out(value, self.activation(value)?.into_data())
    }

    /// The gradient of the target with respect to a value of the pass, laid out as [`Passed::activation_maps`].
    ///
    /// # Errors
    /// When the pass does not read it.
    pub fn gradient_maps(&self, value: ValueId) -> Result<Array> {
        self.model.laid_out(value, self.gradient(value)?.into_data())
    }

    /// The class scores; passes read them where the target is made of them.
    ///
    /// # Errors
    /// When the pass does not read them, or they are not finite.
    pub fn scores(&self) -> Result<Scores> {
        let score = &self.model.score;
        Scores::read(score, &self.session.activation(score.value)?, &self.session.activation(score.output)?)
    }
}
