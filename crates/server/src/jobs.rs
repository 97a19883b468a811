//! How far the jobs are whose requests were given a name, so that a page can say so.
//!
//! A client that wishes to follow a request makes up a name and sends it as the header `X-Job`; while the request is answered, the
//! name leads to how far its computation is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use deepinside::Interrupt;

use crate::lock;
use crate::problem::Problem;

/// The header with the name.
const HEADER: &str = "x-job";
/// The longest name.
const LONGEST: usize = 64;

tokio::task_local! {
    /// The name of the request that is being answered.
    static NAME: Option<String>;
}

/// The jobs that can be followed, by name.
#[derive(Default)]
pub struct Jobs(Arc<Mutex<HashMap<String, Arc<Job>>>>);

/// One that can be followed.
struct Job {
    interrupt: Interrupt,
    is_running: AtomicBool,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether its turn has come.
    pub is_running: bool,
    /// How many steps it has taken, and how many it is expected to take: 0 where that is not known.
    pub steps: [usize; 2],
}

/// A job that can be followed until this is dropped.
pub struct Followed {
    jobs: Arc<Mutex<HashMap<String, Arc<Job>>>>,
    name: String,
    job: Arc<Job>,
}

impl Jobs {
    /// Lets the computation with this interrupt be followed by the name of the request that is being answered, where it has one.
    pub fn follow(&self, interrupt: &Interrupt) -> Option<Followed> {
        let name = NAME.try_with(Clone::clone).ok().flatten()?;
        let job = Arc::new(Job { interrupt: interrupt.clone(), is_running: AtomicBool::new(false) });
        lock(&self.0).insert(name.clone(), Arc::clone(&job));
        Some(Followed { jobs: Arc::clone(&self.0), name, job })
    }

    /// How far the job of that name is; none where there is none, any more or yet.
    pub fn standing(&self, name: &str) -> Option<Standing> {
        let jobs = lock(&self.0);
        let job = jobs.get(name)?;
        Some(Standing { is_running: job.is_running.load(Ordering::Relaxed), steps: job.interrupt.steps() })
    }
}

impl Followed {
    /// Notes that its turn has come.
    pub fn begins(&self) {
        self.job.is_running.store(true, Ordering::Relaxed);
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let mut jobs = lock(&self.jobs);
        // Another request may have taken the name.
        if jobs.get(&self.name).is_some_and(|job| Arc::ptr_eq(job, &self.job)) {
            jobs.remove(&self.name);
        }
    }
}

/// Reads a request's name before it is answered.
pub async fn name(request: Request, next: Next) -> Response {
    let is_plain = |name: &str| {
        let plain = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
        (1..=LONGEST).contains(&name.len()) && name.bytes().all(plain)
    };
    let name =
        match request.headers().get(HEADER).map(|name| name.to_str().ok().filter(|name| is_plain(name))) {
            None => None,
            Some(Some(name)) => Some(name.to_owned()),
            Some(None) => {
                let message = format!("X-Job: 1 to {LONGEST} letters, digits and dashes are expected");
                return Problem::malformed(message).into_response();
            }
        };
    NAME.scope(name, next.run(request)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_is_followed_by_its_name_as_long_as_it_lasts() {
        let (jobs, interrupt) = (Jobs::default(), Interrupt::default());
        assert!(jobs.follow(&interrupt).is_none(), "a request without a name");
        NAME.scope(Some("mine".to_owned()), async {
            let followed = jobs.follow(&interrupt).unwrap();
            assert_eq!(jobs.standing("mine"), Some(Standing { is_running: false, steps: [0, 0] }));
            followed.begins();
            interrupt.expect_steps(12);
            interrupt.count_step();
            assert_eq!(jobs.standing("mine"), Some(Standing { is_running: true, steps: [1, 12] }));
            assert_eq!(jobs.standing("other"), None);
            // The job that comes later with the name has it.
            let later = jobs.follow(&Interrupt::default()).unwrap();
            drop(followed);
            assert_eq!(jobs.standing("mine"), Some(Standing { is_running: false, steps: [0, 0] }));
            drop(later);
            assert_eq!(jobs.standing("mine"), None);
        })
        .await;
    }
}
