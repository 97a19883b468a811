//! Class models that grow while they are watched: each on a thread of its own, steered between steps.

mod growing;
mod timeline;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deepinside::class_model::{Objective, Recipe};

pub use self::growing::{Growing, State, Watching};
pub use self::timeline::{Change, News, Shown};
use crate::lock;
use crate::models::Entry;
use crate::options::Limits;
use crate::problem::{Answer, Problem};

/// How many class models that have ended are remembered.
const REMEMBERED: usize = 24;

/// What an ascent begins with.
pub struct Beginning {
    /// The model.
    pub entry: Arc<Entry>,
    /// The open model.
    pub model: Arc<deepinside::Model>,
    /// What is maximised.
    pub objective: Objective,
    /// How.
    pub recipe: Recipe,
    /// The random seed.
    pub seed: u64,
    /// The command line that begins in the same way.
    pub command: String,
}

/// The class models of this server.
pub struct Ascents {
    /// In the order in which they began.
    list: Mutex<Vec<Arc<Growing>>>,
    /// Numbers make names; a random part keeps those of another server of this machine apart.
    next: AtomicU64,
    part: u32,
    most: usize,
    unwatched: Duration,
}

impl Ascents {
    /// None yet.
    pub fn new(limits: &Limits) -> Self {
        let mut part = [0u8; 4];
        // Were there no random numbers, names would merely be easier to guess.
        let _ = getrandom::fill(&mut part);
        let part = u32::from_le_bytes(part);
        let (list, next) = (Mutex::new(Vec::new()), AtomicU64::new(1));
        Self { list, next, part, most: limits.class_models, unwatched: limits.unwatched }
    }

    /// Begins an ascent.
    ///
    /// # Errors
    /// When too many are growing, or the system refuses a thread.
    pub fn begin(&self, beginning: Beginning, threads: &deepinside::Threads) -> Answer<Arc<Growing>> {
        let mut list = lock(&self.list);
        let alive = list.iter().filter(|growing| growing.is_alive()).count();
        if alive >= self.most {
            let message = format!(
                "{alive} class models are growing already; cancel one, or wait until it is no longer watched"
            );
            return Err(Problem::busy("class_models", message, 5));
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id =
            format!("{number}-{:08x}", self.part.wrapping_mul(2_654_435_761).wrapping_add(number as u32));
        let growing = Growing::begin(id, beginning, threads.clone(), self.unwatched)?;
        list.push(Arc::clone(&growing));
        // Those that grow are never forgotten, and of the others the first.
        while list.len() > REMEMBERED + self.most {
            let Some(place) = list.iter().position(|growing| !growing.is_alive()) else { break };
            list.remove(place);
        }
        Ok(growing)
    }

    /// The class model of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, id: &str) -> Answer<Arc<Growing>> {
        let found = lock(&self.list).iter().find(|growing| growing.id == id).cloned();
        found.ok_or_else(|| Problem::not_found("there is no class model of that id; begin another"))
    }

    /// How many grow.
    pub fn alive(&self) -> usize {
        lock(&self.list).iter().filter(|growing| growing.is_alive()).count()
    }

    /// Cancels all.
    pub fn cancel_all(&self) {
        let list = lock(&self.list).clone();
        list.iter().for_each(|growing| growing.cancel());
    }
}
