//! Prepared networks that wait for the next request: preparing one takes as long as several passes.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::lock;

/// Things of one kind, each prepared for some purpose.
pub struct Pool<K, T> {
    idle: Mutex<Vec<Idle<K, T>>>,
    capacity: usize,
    /// How much memory those that wait may take together, in bytes.
    bytes: usize,
}

/// One that waits.
struct Idle<K, T> {
    purpose: K,
    thing: T,
    /// About how much memory it takes.
    bytes: usize,
    used: Instant,
}

impl<K: PartialEq, T> Pool<K, T> {
    /// At most that many are kept, and as many as take that many bytes.
    pub fn new(capacity: usize, bytes: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), capacity, bytes }
    }

    /// Uses one that was prepared for this purpose, or prepares another, which takes about so many bytes. One whose use failed
    /// is not kept.
    ///
    /// # Errors
    /// Those of both functions.
    pub fn with<R, E>(
        &self,
        purpose: K,
        bytes: usize,
        prepare: impl FnOnce() -> Result<T, E>,
        operate: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let found = {
            let mut idle = lock(&self.idle);
            idle.iter().rposition(|idle| idle.purpose == purpose).map(|place| idle.remove(place).thing)
        };
        let mut thing = match found {
            Some(thing) => thing,
            None => prepare()?,
        };
        let result = operate(&mut thing)?;
        let dropped: Vec<_> = {
            let mut idle = lock(&self.idle);
            idle.push(Idle { purpose, thing, bytes, used: Instant::now() });
            let (mut rest, mut all) = (idle.len(), idle.iter().map(|idle| idle.bytes).sum::<usize>());
            // The front was used longest ago; the newest stays.
            let is_too_many = |idle: &mut Idle<K, T>| {
                let drops = rest > 1 && (rest > self.capacity || all > self.bytes);
                if drops {
                    (rest, all) = (rest - 1, all - idle.bytes);
                }
                drops
            };
            idle.extract_if(.., is_too_many).collect()
        };
        drop(dropped);
        Ok(result)
    }

    /// Drops those that were not used for that long; says how many.
    pub fn drop_idle(&self, age: Duration) -> usize {
        let old: Vec<_> = lock(&self.idle).extract_if(.., |idle| idle.used.elapsed() >= age).collect();
        old.len()
    }

    /// Drops those of purposes that are no more.
    pub fn forget(&self, is_over: impl Fn(&K) -> bool) {
        let old: Vec<_> = lock(&self.idle).extract_if(.., |idle| is_over(&idle.purpose)).collect();
        drop(old);
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        lock(&self.idle).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_prepared_is_used_again_and_the_oldest_dropped() {
        let pool: Pool<&str, u32> = Pool::new(2, 100);
        let mut made = 0;
        let mut ask = |purpose| {
            let prepare = || {
                made += 1;
                Ok::<u32, ()>(made)
            };
            pool.with(purpose, 1, prepare, |thing| Ok(*thing)).unwrap()
        };
        assert_eq!([ask("a"), ask("a"), ask("b"), ask("a"), ask("c"), ask("b")], [1, 1, 2, 1, 3, 4]);
        assert_eq!(pool.len(), 2);
        assert_eq!(pool.with("b", 1, || Err("none"), |_| Err::<(), _>("failed")), Err("failed"));
        assert_eq!(pool.len(), 1);
        pool.drop_idle(Duration::from_secs(60));
        assert_eq!(pool.len(), 1);
        pool.drop_idle(Duration::ZERO);
        assert_eq!(pool.len(), 0);
    }

    #[test]
    fn those_that_wait_take_so_much_memory_together() {
        let pool: Pool<u32, ()> = Pool::new(9, 100);
        let keep =
            |purpose, bytes| pool.with(purpose, bytes, || Ok::<(), ()>(()), |()| Ok(pool.len())).unwrap();
        for purpose in 0..4 {
            keep(purpose, 30);
        }
        assert_eq!(pool.len(), 3);
        keep(4, 500);
        assert_eq!(pool.len(), 1);
        pool.forget(|purpose| *purpose == 4);
        assert_eq!(pool.len(), 0);
    }
}
