//! One class model and its thread.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deepinside::class_model::{Ascent, Progress, Recipe, Wish, faintness, picture};
use deepinside::drawing::Picture;
use deepinside::{Model, Threads};
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::Beginning;
use super::timeline::{Change, News, Shown, Timeline};
use crate::lock;
use crate::problem::{Answer, Problem};

/// The shortest time between two pictures: more of them are not seen, and each takes a millisecond.
const BETWEEN_FRAMES: Duration = Duration::from_millis(33);

/// The quality of the pictures.
const QUALITY: u8 = 85;

/// How an ascent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It takes steps.
    Running,
    /// It waits until it is told to go on.
    Paused,
    /// It has taken all its steps; one can still go back.
    Finished,
    /// It could not go on.
    Failed,
    /// It was cancelled, or not watched.
    Cancelled,
}

/// What is decided from outside, and told.
struct Control {
    state: State,
    message: Option<String>,
    recipe: Recipe,
    pending: Vec<toml::Table>,
    back_to: Option<usize>,
    timeline: Timeline,
    iteration: usize,
    /// The last picture, and after how many steps it was made.
    last: Option<(usize, Picture)>,
    notes: Vec<String>,
}

impl Control {
    /// The changes of the recipe so far, with those that the next step will heed.
    fn changes(&self) -> Vec<Change> {
        let pending = self.pending.iter().map(|changes| Change {
            iteration: self.iteration,
            changes: serde_json::to_value(changes).unwrap_or_default(),
        });
        self.timeline.changes.iter().cloned().chain(pending).collect()
    }
}

/// One class model.
pub struct Growing {
    /// Its name.
    pub id: String,
    /// What it is of.
    pub about: String,
    /// What it began with.
    pub beginning: Beginning,
    control: Mutex<Control>,
    changed: Condvar,
    /// What is worth telling.
    news: watch::Sender<News>,
    watchers: AtomicUsize,
    /// When it was last looked at.
    looked: Mutex<Instant>,
    /// Whether it was asked to end; its thread does before the next step.
    is_ending: AtomicBool,
    is_alive: AtomicBool,
}

/// What is told of an ascent at one moment.
pub struct Report {
    /// How it stands.
    pub state: State,
    /// Why, where that is worth a sentence.
    pub message: Option<String>,
    /// How many steps were taken.
    pub iteration: usize,
    /// The recipe as it is now.
    pub recipe: Recipe,
    /// What the objective reached before each step.
    pub values: Vec<f32>,
    /// What was changed on the way.
    pub changes: Vec<Change>,
    /// The steps to which one can go back.
    pub places: Vec<usize>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// A watcher; an ascent that is not watched is given up after a while.
pub struct Watching(Arc<Growing>);

impl Drop for Watching {
    fn drop(&mut self) {
        *lock(&self.0.looked) = Instant::now();
        self.0.watchers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Growing {
    /// Starts the thread.
    pub(super) fn begin(
        id: String,
        beginning: Beginning,
        threads: Threads,
        unwatched: Duration,
    ) -> Answer<Arc<Self>> {
        let growing = Arc::new(Self {
            id,
            about: beginning.objective.describe(&beginning.model),
            control: Mutex::new(Control {
                state: State::Running,
                message: None,
                recipe: beginning.recipe.clone(),
                pending: Vec::new(),
                back_to: None,
                timeline: Timeline::default(),
                iteration: 0,
                last: None,
                notes: Vec::new(),
            }),
            changed: Condvar::new(),
            news: watch::Sender::default(),
            watchers: AtomicUsize::new(0),
            looked: Mutex::new(Instant::now()),
            is_ending: AtomicBool::new(false),
            is_alive: AtomicBool::new(true),
            beginning,
        });
        let thread = Arc::clone(&growing);
        let spawned = std::thread::Builder::new().name("deepinside-ascent".to_owned()).spawn(move || {
            let _ended = Ended(&thread);
            thread.grow(&threads, unwatched);
        });
        match spawned {
            Ok(_) => Ok(growing),
            Err(error) => Err(Problem::unavailable(format!("the system refuses another thread: {error}"))),
        }
    }

    /// Whether its thread is there.
    pub fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::SeqCst)
    }

    /// Whether it was asked to end, or has.
    pub fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::SeqCst)
    }

    /// Watches it.
    pub fn watch(self: &Arc<Self>) -> (Watching, watch::Receiver<News>) {
        self.watchers.fetch_add(1, Ordering::SeqCst);
        (Watching(Arc::clone(self)), self.news.subscribe())
    }

    /// How it stands.
    pub fn report(&self) -> Report {
        *lock(&self.looked) = Instant::now();
        let control = lock(&self.control);
        Report {
            state: control.state,
            message: control.message.clone(),
            iteration: control.iteration,
            recipe: control.recipe.clone(),
            values: control.timeline.values.clone(),
            changes: control.changes(),
            places: control.timeline.places(),
            notes: control.notes.clone(),
        }
    }

    /// The state with its message, how many steps there are, and the notes.
    pub fn state(&self) -> (State, Option<String>, usize, Vec<String>) {
        let control = lock(&self.control);
        (control.state, control.message.clone(), control.recipe.iterations, control.notes.clone())
    }

    /// The last picture.
    pub fn picture(&self) -> Option<Picture> {
        lock(&self.control).last.as_ref().map(|(_, picture)| picture.clone())
    }

    /// What a new watcher is shown first: the last picture.
    pub fn current(&self) -> Option<Shown> {
        let control = lock(&self.control);
        let (iteration, picture) = control.last.as_ref()?;
        let image = data_url(picture).ok()?;
        let value = iteration.checked_sub(1).and_then(|step| control.timeline.values.get(step).copied());
        Some(Shown { iteration: *iteration, value, probability: None, image: Some(image) })
    }

    /// The pictures of its animation, the last one included.
    pub fn pictures(&self) -> Vec<Picture> {
        let control = lock(&self.control);
        let mut pictures = control.timeline.pictures();
        if let Some((_, last)) = &control.last
            && pictures.last() != Some(last)
        {
            pictures.push(last.clone());
        }
        pictures
    }

    /// Changes the recipe from the next step on.
    ///
    /// # Errors
    /// When a number does not fit the recipe, or the ascent has ended.
    pub fn change(&self, changes: toml::Table) -> Answer<()> {
        self.steer(|control| {
            control.recipe = control.recipe.with(changes.clone())?;
            control.pending.push(changes);
            // More steps than it has taken make it go on.
            if control.state == State::Finished && control.iteration < control.recipe.iterations {
                control.state = State::Running;
            }
            Ok(())
        })
    }

    /// Waits with the next step.
    ///
    /// # Errors
    /// When the ascent does not run.
    pub fn pause(&self) -> Answer<()> {
        self.steer(|control| match control.state {
            State::Running | State::Paused => {
                control.state = State::Paused;
                Ok(())
            }
            _ => Err(Problem::conflict("the class model is finished; only a running one can pause")),
        })
    }

    /// Goes on.
    ///
    /// # Errors
    /// When the ascent is finished.
    pub fn resume(&self) -> Answer<()> {
        self.steer(|control| match control.state {
            State::Running | State::Paused => {
                control.state = State::Running;
                Ok(())
            }
            _ => Err(Problem::conflict("the class model is finished; go back, or give it more iterations")),
        })
    }

    /// Goes back to how it stood after that many steps, and on from there.
    ///
    /// # Errors
    /// When the ascent has ended.
    pub fn go_back(&self, iteration: usize) -> Answer<()> {
        self.steer(|control| {
            control.back_to = Some(iteration);
            if control.state == State::Finished {
                control.state = State::Running;
            }
            Ok(())
        })
    }

    /// Ends it.
    pub fn cancel(&self) {
        self.end(State::Cancelled, None);
    }

    fn steer(&self, change: impl FnOnce(&mut Control) -> Answer<()>) -> Answer<()> {
        *lock(&self.looked) = Instant::now();
        let mut control = lock(&self.control);
        if self.is_ending() {
            return Err(Problem::conflict("the class model has ended; begin another"));
        }
        change(&mut control)?;
        drop(control);
        self.changed.notify_all();
        self.tell(None);
        Ok(())
    }

    fn end(&self, state: State, message: Option<String>) {
        let mut control = lock(&self.control);
        if !matches!(control.state, State::Failed | State::Cancelled) {
            // What is finished and merely waited for a watcher stays finished.
            if !(control.state == State::Finished && state == State::Cancelled) {
                control.state = state;
                control.message = message;
            }
            control.pending.clear();
        }
        self.is_ending.store(true, Ordering::SeqCst);
        drop(control);
        self.changed.notify_all();
        self.tell(None);
    }

    fn tell(&self, shown: Option<Shown>) {
        self.news.send_modify(|news| {
            news.count += 1;
            if let Some(shown) = shown {
                news.last = Some((news.count, shown));
            }
        });
    }

    fn is_forgotten(&self, unwatched: Duration) -> bool {
        self.watchers.load(Ordering::SeqCst) == 0 && lock(&self.looked).elapsed() >= unwatched
    }

    /// The thread.
    fn grow(&self, threads: &Threads, unwatched: Duration) {
        let Beginning { model, objective, recipe, seed, .. } = &self.beginning;
        let wishes = [Wish { objective: objective.clone(), seed: *seed }];
        let mut ascent = match Ascent::new(model, &wishes, recipe, None, threads) {
            Ok(ascent) => ascent,
            Err(error) => return self.end(State::Failed, Some(error.to_string())),
        };
        lock(&self.control).timeline.add_state(ascent.state());
        let mut framed = None;
        while let Some(is_due) = self.next(&mut ascent, unwatched) {
            if !is_due {
                continue;
            }
            let progress = ascent.step();
            let result = progress.and_then(|progress| self.took(model, &ascent, &progress, &mut framed));
            if let Err(error) = result {
                return self.end(State::Failed, Some(error.to_string()));
            }
        }
    }

    /// Obeys what was decided. None when the thread is to end, and whether a step is due.
    fn next(&self, ascent: &mut Ascent<'_>, unwatched: Duration) -> Option<bool> {
        let mut control = lock(&self.control);
        if self.is_ending() {
            return None;
        }
        if self.is_forgotten(unwatched) {
            drop(control);
            let message = format!("it was not watched for {} s", unwatched.as_secs());
            self.end(State::Cancelled, Some(message));
            return None;
        }
        if let Some(iteration) = control.back_to.take().map(|iteration| iteration.min(control.iteration))
            && let Some(state) = control.timeline.go_back(iteration)
        {
            control.iteration = iteration;
            let value = control.timeline.values.last().copied();
            drop(control);
            let restored = ascent.restore(&state).and_then(|()| self.take_again(ascent, iteration));
            if let Err(error) = restored.and_then(|()| self.show(ascent, value)) {
                self.end(State::Failed, Some(error.to_string()));
                return None;
            }
            return Some(false);
        }
        control.timeline.changes = control.changes();
        control.pending.clear();
        ascent.recipe = Recipe { start: ascent.recipe.start.clone(), ..control.recipe.clone() };
        if control.state == State::Running && control.iteration >= control.recipe.iterations {
            control.state = State::Finished;
            drop(control);
            self.tell(None);
            return Some(false);
        }
        if control.state == State::Running {
            return Some(true);
        }
        // Now and then it looks whether a client is there.
        let wait = unwatched.min(Duration::from_millis(500));
        drop(self.changed.wait_timeout(control, wait).unwrap_or_else(PoisonError::into_inner));
        Some(false)
    }

    /// Takes the steps from a kept state to a later one once more, with the recipe as it was then.
    fn take_again(&self, ascent: &mut Ascent<'_>, iteration: usize) -> deepinside::Result<()> {
        while ascent.iteration() < iteration && !self.is_ending() {
            let mut recipe = self.beginning.recipe.clone();
            for change in lock(&self.control).timeline.changes_before(ascent.iteration()) {
                recipe = recipe.with(change.table())?;
            }
            ascent.recipe = Recipe { start: ascent.recipe.start.clone(), ..recipe };
            ascent.step()?;
        }
        Ok(())
    }

    /// Shows the picture as it is now, after going back.
    fn show(&self, ascent: &Ascent<'_>, value: Option<f32>) -> deepinside::Result<()> {
        let picture = picture(&self.beginning.model, &ascent.image(0)?, ascent.recipe.display)?;
        let image = Some(data_url(&picture)?);
        lock(&self.control).last = Some((ascent.iteration(), picture));
        self.tell(Some(Shown { iteration: ascent.iteration(), value, probability: None, image }));
        Ok(())
    }

    /// Notes a step.
    fn took(
        &self,
        model: &Model,
        ascent: &Ascent<'_>,
        progress: &[Progress],
        framed: &mut Option<Instant>,
    ) -> deepinside::Result<()> {
        let iteration = ascent.iteration();
        let (iterations, wants_picture, wants_state) = {
            let control = lock(&self.control);
            let iterations = control.recipe.iterations;
            let timeline = &control.timeline;
            let is_last = iteration >= iterations;
            let wants_picture = is_last || timeline.wants_picture(iteration, iterations);
            (iterations, wants_picture, timeline.wants_state(iteration, iterations))
        };
        let is_watched = self.watchers.load(Ordering::SeqCst) > 0;
        let is_due =
            framed.is_none_or(|framed| framed.elapsed() >= BETWEEN_FRAMES) || iteration >= iterations;
        let picture = match wants_picture || (is_watched && is_due) {
            true => Some(picture(model, &ascent.image(0)?, ascent.recipe.display)?),
            false => None,
        };
        let mut shown = None;
        if let (Some(picture), Some(progress), true) = (&picture, progress.first(), is_watched && is_due) {
            *framed = Some(Instant::now());
            let Progress { value, probability, .. } = *progress;
            let image = Some(data_url(picture)?);
            shown = Some(Shown { iteration, value: Some(value), probability, image });
        }
        let state = wants_state.then(|| ascent.state());
        let mut control = lock(&self.control);
        control.iteration = iteration;
        control.timeline.values.extend(progress.first().map(|progress| progress.value));
        control.notes = ascent.notes().to_vec();
        if iteration >= iterations {
            control.notes.extend(picture.as_ref().and_then(faintness));
        }
        if let Some(state) = state {
            control.timeline.add_state(state);
        }
        if let Some(picture) = picture {
            if wants_picture {
                control.timeline.add_picture(iteration, picture.clone());
            }
            control.last = Some((iteration, picture));
        }
        drop(control);
        if shown.is_some() {
            self.tell(shown);
        }
        Ok(())
    }
}

/// A picture as a JPEG file in a data URL.
fn data_url(picture: &Picture) -> deepinside::Result<Arc<str>> {
    Ok(Arc::from(format!("data:image/jpeg;base64,{}", STANDARD.encode(picture.to_jpeg(QUALITY)?))))
}

/// Notes that the thread has ended, whatever ended it.
struct Ended<'a>(&'a Growing);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        lock(&self.0.control).timeline.forget_states();
        if std::thread::panicking() {
            let message = "the thread broke off; this is a fault of the program".to_owned();
            self.0.end(State::Failed, Some(message));
        }
        self.0.is_alive.store(false, Ordering::SeqCst);
    }
}
