//! The jobs: few run, some wait, the others are asked to come again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deepinside::Interrupt;
use tokio::sync::Semaphore;

use crate::jobs::{Followed, Jobs, Standing};
use crate::problem::{Answer, Problem};

/// After how many seconds a client that found the queue full should ask again.
const RETRY_AFTER: u64 = 1;

/// A bounded queue in front of a bounded number of threads.
pub struct Queue {
    /// One for each job that runs or waits.
    places: Arc<Semaphore>,
    /// One for each job that runs.
    workers: Arc<Semaphore>,
    size: [usize; 2],
    time: Duration,
    refused: AtomicU64,
    jobs: Jobs,
}

impl Queue {
    /// With so many workers and waiting places; a job may take that long once it runs.
    pub fn new(workers: usize, waiting: usize, time: Duration) -> Self {
        Self {
            places: Arc::new(Semaphore::new(workers + waiting)),
            workers: Arc::new(Semaphore::new(workers)),
            size: [workers, waiting],
            time,
            refused: AtomicU64::new(0),
            jobs: Jobs::default(),
        }
    }

    /// Runs a job on a thread of its own when its turn comes. When the future is dropped, the client has gone: a job that waits
    /// leaves the queue, one that runs is asked to stop.
    ///
    /// # Errors
    /// When the queue is full, the job fails or takes too long.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Interrupt) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let [running, waiting] = self.size;
            let message = format!("{running} computations are running and {waiting} waiting; ask again soon");
            return Err(Problem::busy("queue_full", message, RETRY_AFTER));
        };
        let ended = |_| Problem::unavailable("the server is ending");
        let asked = AskWhenDropped(Interrupt::default());
        let followed = self.jobs.follow(&asked.0);
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(ended)?;
        followed.iter().for_each(Followed::begins);
        let interrupt = asked.0.clone();
        interrupt.ends_by(std::time::Instant::now() + self.time);
        let running = tokio::task::spawn_blocking(move || {
            let result = job(&interrupt);
            // Given back when the job has ended, not when its client lost interest in it.
            drop((worker, place));
            result
        });
        match tokio::time::timeout(self.time, running).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Problem::internal("the computation broke off; this is a fault of the program")),
            Err(_) => Err(Problem::too_long(self.time.as_secs())),
        }
    }

    /// How far the job of the request of that name is.
    pub fn standing(&self, name: &str) -> Option<Standing> {
        self.jobs.standing(name)
    }

    /// How many jobs run and wait.
    pub fn occupied(&self) -> [usize; 2] {
        let [workers, waiting] = self.size;
        let running = workers - self.workers.available_permits().min(workers);
        let all = workers + waiting - self.places.available_permits().min(workers + waiting);
        [running, all.saturating_sub(running)]
    }

    /// How many jobs were refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Asks a computation to stop when no client waits for it any more.
pub struct AskWhenDropped(pub Interrupt);

impl Drop for AskWhenDropped {
    fn drop(&mut self) {
        self.0.ask();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
    }

    #[test]
    fn one_runs_one_waits_and_the_third_is_refused() {
        runtime().block_on(async {
            let queue = Arc::new(Queue::new(1, 1, Duration::from_secs(60)));
            let (release, held) = mpsc::channel::<()>();
            let start = |job: Box<dyn FnOnce() + Send>| {
                let queue = Arc::clone(&queue);
                tokio::spawn(async move {
                    queue
                        .run(move |_| {
                            job();
                            Ok(())
                        })
                        .await
                })
            };
            let first = start(Box::new(move || held.recv().unwrap()));
            while queue.occupied() != [1, 0] {
                tokio::task::yield_now().await;
            }
            let second = start(Box::new(|| {}));
            while queue.occupied() != [1, 1] {
                tokio::task::yield_now().await;
            }
            let refused = queue.run(|_| Ok(())).await.unwrap_err();
            assert_eq!((refused.status.as_u16(), refused.retry_after), (429, Some(1)));
            assert_eq!(queue.refused(), 1);
            release.send(()).unwrap();
            first.await.unwrap().unwrap();
            second.await.unwrap().unwrap();
            assert_eq!(queue.occupied(), [0, 0]);
        });
    }

    #[test]
    fn a_client_that_goes_away_leaves_the_queue_and_stops_the_job() {
        runtime().block_on(async {
            let queue = Arc::new(Queue::new(1, 1, Duration::from_secs(60)));
            let (said, stopped) = mpsc::channel();
            let start = |queue: &Arc<Queue>, said: mpsc::Sender<bool>| {
                let queue = Arc::clone(queue);
                tokio::spawn(async move {
                    let job = move |interrupt: &Interrupt| {
                        while !interrupt.is_asked() {
                            std::thread::yield_now();
                        }
                        said.send(true).unwrap();
                        Ok(())
                    };
                    queue.run(job).await
                })
            };
            let running = start(&queue, said.clone());
            while queue.occupied() != [1, 0] {
                tokio::task::yield_now().await;
            }
            let waiting = start(&queue, said);
            while queue.occupied() != [1, 1] {
                tokio::task::yield_now().await;
            }
            waiting.abort();
            assert!(waiting.await.unwrap_err().is_cancelled());
            assert_eq!(queue.occupied(), [1, 0]);
            running.abort();
            assert!(stopped.recv_timeout(Duration::from_secs(20)).unwrap());
            while queue.occupied() != [0, 0] {
                tokio::task::yield_now().await;
            }
        });
    }

    #[test]
    fn a_job_that_takes_too_long_is_stopped() {
        runtime().block_on(async {
            let queue = Queue::new(1, 0, Duration::from_millis(20));
            let job = |interrupt: &Interrupt| {
                while !interrupt.is_asked() {
                    std::thread::yield_now();
                }
                Ok(())
            };
            assert_eq!(queue.run(job).await.unwrap_err().status.as_u16(), 504);
            while queue.occupied() != [0, 0] {
                tokio::task::yield_now().await;
            }
        });
    }
}
