//! Reader, workers, and the one that takes results in their order.
//!
//! A reader fetches the bytes of photographs ahead; each worker decodes one, looks at it and encodes its result; the caller's thread
//! takes what they made, in the order of the rows. How far the first may be ahead of the last is bounded, so that memory does not
//! grow with the number of rows, nor where one photograph takes much longer than others.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use deepinside::vision::photograph::{self, LoadOptions};
use deepinside::{Error, Interrupt, Result};

use crate::Row;
use crate::durable::sha256;
use crate::input::{Item, Reader};
use crate::journal::Seconds;
use crate::task::{Found, OwnWorker, Task, Worker};

/// How many rows a worker may be ahead of the one that is taken next.
const AHEAD: usize = 4;

/// How many where what waits is small: workers go on while a part is written.
const FAR_AHEAD: usize = 256;

/// What is small, in bytes.
const SMALL: usize = 32 << 20;

/// What was made of one photograph.
pub struct Made {
    /// Its row.
    pub row: Row,
    /// What belongs to it.
    pub data: Option<Vec<u8>>,
    /// How long it took.
    pub seconds: Seconds,
}

impl Made {
    fn bytes(&self) -> usize {
        self.data.as_ref().map_or(0, Vec::len)
    }
}

/// What is done with which photographs.
pub struct Work<'a> {
    /// The task.
    pub task: &'a dyn Task,
    /// What is written of what was found; completes the row.
    pub encode: &'a Encode<'a>,
    /// Whether a picture is drawn.
    pub draws: bool,
    /// All photographs.
    pub items: &'a [Item],
    /// The rows that are still to do, in their order.
    pub rows: &'a [u64],
    /// How many photographs are looked at at the same time.
    pub workers: usize,
    /// Asks to come to an end: what is begun is finished.
    pub stop: &'a Interrupt,
}

/// Makes the bytes that belong to a row.
pub type Encode<'a> = dyn Fn(&mut Row, &Found) -> Result<Option<Vec<u8>>> + Sync + 'a;

/// The bytes of a photograph, or why there are none.
type Bytes = std::result::Result<Vec<u8>, String>;

impl<'a> Work<'a> {
    /// Does it; `take` is handed every row in order.
    ///
    /// # Errors
    /// Those of `take`, which end the work, and when the network cannot be prepared.
    pub fn run(&self, take: &mut dyn FnMut(Made) -> Result<()>) -> Result<()> {
        let mut reader = Reader::default();
        let mut first = self.task.worker()?;
        let mut done = 0;
        // The network is prepared by the first photograph, and shared afterwards.
        while done < self.rows.len() && !self.stop.is_asked() {
            let row = self.rows[done];
            let (made, is_prepared) = self.make(&mut first, row, reader.read(self.item(row)));
            take(made)?;
            done += 1;
            if is_prepared {
                break;
            }
        }
        let workers = self.workers.max(1).min(self.rows.len() - done);
        if workers == 0 || self.stop.is_asked() {
            return Ok(());
        }
        let mut own = vec![first];
        while own.len() < workers {
            let another = own[0].another()?;
            own.push(another);
        }
        self.together(&mut reader, own, &self.rows[done..], take)
    }

    fn item(&self, row: u64) -> &Item {
        &self.items[row as usize]
    }

    fn together(
        &self,
        reader: &mut Reader,
        workers: Vec<OwnWorker<'a>>,
        rows: &[u64],
        take: &mut dyn FnMut(Made) -> Result<()>,
    ) -> Result<()> {
        let window = Window::new(workers.len());
        let (to_workers, for_workers) = sync_channel::<(usize, Bytes)>(2 * workers.len());
        let for_workers = Mutex::new(for_workers);
        let (to_taker, for_taker) = channel::<(usize, Made)>();
        std::thread::scope(|scope| {
            let window = &window;
            scope.spawn(move || {
                for (position, &row) in rows.iter().enumerate() {
                    if !window.wait(position) || self.stop.is_asked() {
                        break;
                    }
                    if to_workers.send((position, reader.read(self.item(row)))).is_err() {
                        break;
                    }
                }
            });
            for worker in workers {
                let (to_taker, for_workers) = (to_taker.clone(), &for_workers);
                scope.spawn(move || self.each(worker, rows, for_workers, &to_taker, window));
            }
            drop(to_taker);
            let outcome = in_order(&for_taker, window, take);
            window.close();
            outcome
        })
    }

    /// What a worker's thread does.
    fn each(
        &self,
        mut worker: OwnWorker<'a>,
        rows: &[u64],
        queue: &Mutex<Receiver<(usize, Bytes)>>,
        to_taker: &Sender<(usize, Made)>,
        window: &Window,
    ) {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((position, bytes)) = next else { return };
            // Those that wait are let go, so that the reader is not kept waiting.
            if self.stop.is_asked() || window.is_closed() {
                continue;
            }
            let (made, _) = self.make(&mut worker, rows[position], bytes);
            window.add(made.bytes());
            if to_taker.send((position, made)).is_err() {
                window.close();
            }
        }
    }

    /// The row of a photograph, and whether the network was used for it.
    fn make(&self, worker: &mut OwnWorker<'a>, row: u64, bytes: Bytes) -> (Made, bool) {
        let item = self.item(row);
        let mut made = Made {
            row: Row { row, key: item.key.clone(), ..Row::default() },
            data: None,
            seconds: Seconds::default(),
        };
        // A decoder that fails with a panic is a fault of the program; the other photographs have their rows all the same.
        let outcome =
            catch_unwind(AssertUnwindSafe(|| self.try_make(worker.as_mut(), item, bytes, &mut made)));
        let reason = match outcome {
            Ok(Ok(())) => return (made, true),
            Ok(Err(reason)) => reason,
            Err(_) => {
                // What it has in memory may be half of something.
                if let Ok(another) = self.task.worker() {
                    *worker = another;
                }
                "the program failed at it, which is a fault of the program".to_owned()
            }
        };
        made.data = None;
        made.row = Row {
            row,
            key: item.key.clone(),
            sha256: made.row.sha256,
            error: Some(reason),
            ..Row::default()
        };
        (made, false)
    }

    fn try_make(
        &self,
        worker: &mut dyn Worker<'_>,
        item: &Item,
        bytes: Bytes,
        made: &mut Made,
    ) -> std::result::Result<(), String> {
        let text = |error: Error| error.to_string();
        let start = Instant::now();
        let bytes = bytes?;
        made.row.sha256 = Some(sha256(&bytes));
        let colour = self.task.model().transformer.colour();
        let photograph = photograph::from_bytes(&bytes, &item.key, colour, LoadOptions::default())
            .map_err(|error| error.to_string())?;
        drop(bytes);
        made.seconds.decode = start.elapsed().as_secs_f64();
        let mut found = worker.work(&photograph, item.target.as_deref(), self.draws).map_err(text)?;
        made.seconds.network = start.elapsed().as_secs_f64() - made.seconds.decode - found.drawing;
        let mut row = std::mem::take(&mut found.row);
        (row.row, row.key, row.sha256) = (made.row.row, made.row.key.clone(), made.row.sha256.take());
        (row.width, row.height) = (Some(photograph.width() as u32), Some(photograph.height() as u32));
        made.row = row;
        made.data = (self.encode)(&mut made.row, &found).map_err(text)?;
        made.seconds.encode = start.elapsed().as_secs_f64() - made.seconds.decode - made.seconds.network;
        Ok(())
    }
}

/// Takes results in the order of their positions, until there are no more.
fn in_order(
    results: &Receiver<(usize, Made)>,
    window: &Window,
    take: &mut dyn FnMut(Made) -> Result<()>,
) -> Result<()> {
    let (mut waiting, mut next) = (BTreeMap::new(), 0);
    for (position, made) in results {
        waiting.insert(position, made);
        while let Some(made) = waiting.remove(&next) {
            let bytes = made.bytes();
            take(made)?;
            next += 1;
            window.advance(next, bytes);
        }
    }
    Ok(())
}

/// How far the reader may go.
struct Window {
    state: Mutex<WindowState>,
    changed: Condvar,
    workers: usize,
}

#[derive(Default)]
struct WindowState {
    /// How many results were taken.
    taken: usize,
    /// The bytes of those that are made and were not taken.
    waiting: usize,
    /// Whether there is no more to do.
    is_closed: bool,
}

impl WindowState {
    fn is_far(&self, position: usize, workers: usize) -> bool {
        let ahead = if self.waiting < SMALL { FAR_AHEAD } else { AHEAD };
        position >= self.taken + ahead * workers
    }
}

impl Window {
    fn new(workers: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), workers }
    }

    fn state(&self) -> MutexGuard<'_, WindowState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a position may be read; false where the work has ended.
    fn wait(&self, position: usize) -> bool {
        let is_far = |state: &mut WindowState| !state.is_closed && state.is_far(position, self.workers);
        let state = self.changed.wait_while(self.state(), is_far).unwrap_or_else(PoisonError::into_inner);
        !state.is_closed
    }

    /// A result of so many bytes is made.
    fn add(&self, bytes: usize) {
        self.state().waiting += bytes;
    }

    /// So many results were taken, the last one of so many bytes.
    fn advance(&self, taken: usize, bytes: usize) {
        let mut state = self.state();
        state.taken = taken;
        state.waiting -= bytes;
        drop(state);
        self.changed.notify_all();
    }

    fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }

    fn is_closed(&self) -> bool {
        self.state().is_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_results_may_wait_in_greater_numbers_than_large_ones() {
        let window = Window::new(2);
        assert!(window.wait(2 * FAR_AHEAD - 1) && window.state().is_far(2 * FAR_AHEAD, 2));
        window.add(SMALL);
        assert!(window.wait(2 * AHEAD - 1) && window.state().is_far(2 * AHEAD, 2));
        window.advance(3, 1);
        assert!(window.wait(3 + 2 * FAR_AHEAD - 1));
        window.close();
        assert!(!window.wait(0));
    }
}
