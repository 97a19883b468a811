//! What a growing class model tells its watchers, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::ToSchema;

use crate::SharedState;
use crate::ascents::{Growing, News, Shown, State as AscentState, Watching};
use crate::body::PathOf;
use crate::problem::{Answer, JobRefusals, Problem};

/// One server-sent event.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the OpenAPI document is made of it")]
pub struct OneEvent {
    /// `frame`, `state` or `note`.
    event: String,
    /// A frame's step.
    id: Option<String>,
    /// JSON. Of a frame: `iteration`, `iterations`, `value`, `probability` and `image`, a JPEG file as a data URL; of a state:
    /// `state`, `message` and `iterations`; of a note: `note`.
    data: String,
}

/// An event `frame`: a picture on the way.
#[derive(Debug, Serialize, ToSchema)]
pub struct FrameEvent<'a> {
    /// How many steps were taken.
    iteration: usize,
    /// How many will be.
    iterations: usize,
    /// What the objective reached in the last view.
    value: Option<f32>,
    /// The probability of the class, where the objective is about one.
    probability: Option<f32>,
    /// The picture, a JPEG file as a data URL.
    image: &'a str,
}

/// An event `state`.
#[derive(Debug, Serialize, ToSchema)]
pub struct StateEvent {
    /// How it stands.
    state: AscentState,
    /// Why, where that is worth a sentence.
    message: Option<String>,
    /// How many steps there will be.
    iterations: usize,
}

/// Watches a class model: events `state`, `frame` and `note`. A slow reader misses frames. The identifier of a frame is its
/// step; a client that comes back with it in Last-Event-ID is told where things stand and is not sent that frame again. The stream
/// ends when the class model has ended.
#[utoipa::path(
    get,
    path = "/class-models/{id}/events",
    tag = "class models",
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "Server-sent events", content_type = "text/event-stream", body = inline(OneEvent)),
        JobRefusals
    )
)]
pub async fn events(
    State(shared): State<SharedState>,
    PathOf(id): PathOf<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    let growing = shared.ascents.get(&id)?;
    let place = Arc::clone(&shared.watchers)
        .try_acquire_owned()
        .map_err(|_| Problem::busy("watchers", "too many clients are watching already", 5))?;
    let known = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let stream = stream_of(&shared, &growing, known, place);
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(10));
    let mut response = Sse::new(stream).keep_alive(keep_alive).into_response();
    // Proxies that gather answers would hold frames back.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}

/// What one watcher has been told.
struct Told {
    growing: Arc<Growing>,
    news: watch::Receiver<News>,
    /// The count of the news that were seen.
    seen: u64,
    ending: watch::Receiver<bool>,
    state: Option<(AscentState, Option<String>, usize)>,
    frame: Option<usize>,
    notes: usize,
    is_first: bool,
    is_over: bool,
    _watching: Watching,
    _place: OwnedSemaphorePermit,
}

fn stream_of(
    shared: &SharedState,
    growing: &Arc<Growing>,
    known: Option<usize>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let (watching, news) = growing.watch();
    let told = Told {
        growing: Arc::clone(growing),
        news,
        seen: 0,
        ending: shared.ending.subscribe(),
        state: None,
        frame: known,
        notes: 0,
        is_first: true,
        is_over: false,
        _watching: watching,
        _place: place,
    };
    stream::unfold(told, |mut told| async move {
        let events = told.next().await?;
        Some((stream::iter(events.into_iter().map(Ok)), told))
    })
    .flatten()
}

impl Told {
    /// What is new; none when there will be nothing more.
    async fn next(&mut self) -> Option<Vec<Event>> {
        loop {
            if self.is_over {
                return None;
            }
            if !self.is_first {
                tokio::select! {
                    changed = self.news.changed() => changed.ok()?,
                    _ = self.ending.wait_for(|ending| *ending) => return None,
                }
            }
            let shown = {
                let news = self.news.borrow_and_update();
                // It may have been unwatched for a while: a picture that was told of before this watcher came is an old one.
                let is_new = |(count, _): &&(u64, Shown)| *count > self.seen;
                let shown = news.last.as_ref().filter(is_new).map(|(_, shown)| shown.clone());
                self.seen = news.count;
                shown
            };
            let shown = if std::mem::take(&mut self.is_first) { self.growing.current() } else { shown };
            let events = self.events(shown);
            if !events.is_empty() {
                return Some(events);
            }
        }
    }

    fn events(&mut self, shown: Option<Shown>) -> Vec<Event> {
        let mut events = Vec::new();
        let (state, message, iterations, notes) = self.growing.state();
        for note in notes.iter().skip(self.notes) {
            events.extend(event("note", None, &serde_json::json!({ "note": note })));
        }
        self.notes = notes.len();
        if let Some(Shown { iteration, value, probability, image: Some(image) }) = shown
            && self.frame != Some(iteration)
        {
            self.frame = Some(iteration);
            let frame = FrameEvent { iteration, iterations, value, probability, image: &image };
            events.extend(event("frame", Some(iteration), &frame));
        }
        let now = (state, message, iterations);
        if self.state.as_ref() != Some(&now) {
            let (state, message, iterations) = now.clone();
            events.extend(event("state", None, &StateEvent { state, message, iterations }));
            self.state = Some(now);
        }
        self.is_over = self.growing.is_ending();
        events
    }
}

fn event(name: &str, id: Option<usize>, data: &impl Serialize) -> Option<Event> {
    let event = Event::default().event(name);
    let event = id.map_or(event.clone(), |id| event.id(id.to_string()));
    event.json_data(data).ok()
}
