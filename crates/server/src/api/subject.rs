//! What most requests are about: a model, a photograph, and a computation on the two.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use deepinside::attribution::Runner;
use deepinside::vision::Photograph;
use deepinside::{Interrupt, Model};

use super::command_line::CommandLine;
use crate::SharedState;
use crate::models::Entry;
use crate::photographs::Kept;
use crate::prepared::{Prepared, in_channels_of};
use crate::problem::Answer;

/// A model that is open and a photograph that is there, for one computation.
pub struct Subject<'a> {
    /// Networks that are prepared already.
    pub prepared: &'a Prepared,
    /// Where the model comes from.
    pub entry: &'a Entry,
    /// The model.
    pub model: &'a Arc<Model>,
    /// The photograph as it came.
    pub kept: &'a Kept,
    /// Stops the computation of a client that has gone.
    pub interrupt: &'a Interrupt,
    begun: Instant,
}

impl<'a> Subject<'a> {
    /// Computes something with the model's network.
    ///
    /// # Errors
    /// Those of the computation.
    pub fn with_runner<R>(&self, compute: impl FnOnce(&mut Runner) -> Answer<R>) -> Answer<R> {
        self.prepared.with_runner(&self.entry.source.id, self.model, self.interrupt, compute)
    }

    /// The photograph with the channels that the model reads.
    ///
    /// # Errors
    /// Never for photographs of three channels.
    pub fn photograph(&self) -> Answer<Cow<'a, Photograph>> {
        in_channels_of(self.model, &self.kept.photograph)
    }

    /// The same, reduced where it is large: the frame of maps that are averaged over crops.
    ///
    /// # Errors
    /// As [`Kept::frame`].
    pub fn frame(&self) -> Answer<Cow<'a, Photograph>> {
        in_channels_of(self.model, self.kept.frame()?)
    }

    /// A command line about the photograph and the model.
    pub fn command(&self, name: &str) -> CommandLine {
        CommandLine::new(name, Some(&self.kept.id)).model(self.entry)
    }

    /// How long the computation has taken so far, in seconds; waiting in the queue is not counted.
    pub fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }
}

/// Opens the model, finds the photograph and computes, when the queue comes to it.
///
/// # Errors
/// When there is no such model or photograph, the queue is full, or the computation fails.
pub async fn compute<T: Send + 'static>(
    shared: &SharedState,
    model: Option<String>,
    photograph: String,
    work: impl FnOnce(&Subject<'_>) -> Answer<T> + Send + 'static,
) -> Answer<Json<T>> {
    let entry = shared.models.get(model.as_deref())?;
    let state = Arc::clone(shared);
    let job = move |interrupt: &Interrupt| {
        let begun = Instant::now();
        let model = entry.open(interrupt)?;
        let kept = state.photographs.get(&photograph)?;
        let prepared = &state.prepared;
        work(&Subject { prepared, entry: &entry, model: &model, kept: &kept, interrupt, begun })
    };
    Ok(Json(shared.queue.run(job).await?))
}
