//! Prepared networks that wait for the next request: preparing one takes as long as several passes.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::lock;

/// Things of one kind, each prepared for some purpose.
pub struct Pool<K, T> {
    idle: Mutex<Vec<(K, T, Instant)>>,
    capacity: usize,
}

impl<K: PartialEq, T> Pool<K, T> {
    /// At most that many are kept.
    pub fn new(capacity: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), capacity }
    }

    /// Uses one that was prepared for this purpose, or prepares another. One whose use failed is not kept.
    ///
    /// # Errors
    /// Those of both functions.
    pub fn with<R, E>(
        &self,
        purpose: K,
        prepare: impl FnOnce() -> Result<T, E>,
        operate: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let found = {
            let mut idle = lock(&self.idle);
            idle.iter().rposition(|(other, ..)| *other == purpose).map(|place| idle.remove(place).1)
        };
        let mut thing = match found {
            Some(thing) => thing,
            None => prepare()?,
        };
        let result = operate(&mut thing)?;
        let dropped = {
            let mut idle = lock(&self.idle);
            idle.push((purpose, thing, Instant::now()));
            // The front was used longest ago.
            (idle.len() > self.capacity).then(|| idle.remove(0))
        };
        drop(dropped);
        Ok(result)
    }

    /// Drops those that nobody used for that long; says how many.
    pub fn drop_idle(&self, age: Duration) -> usize {
        let old: Vec<_> = lock(&self.idle).extract_if(.., |(.., used)| used.elapsed() >= age).collect();
        old.len()
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
        let pool: Pool<&str, u32> = Pool::new(2);
        let mut made = 0;
        let mut ask = |purpose| {
            let prepare = || {
                made += 1;
                Ok::<u32, ()>(made)
            };
            pool.with(purpose, prepare, |thing| Ok(*thing)).unwrap()
        };
        assert_eq!([ask("a"), ask("a"), ask("b"), ask("a"), ask("c"), ask("b")], [1, 1, 2, 1, 3, 4]);
        assert_eq!(pool.len(), 2);
        assert_eq!(pool.with("b", || Err("none"), |_| Err::<(), _>("failed")), Err("failed"));
        assert_eq!(pool.len(), 1);
        pool.drop_idle(Duration::from_secs(60));
        assert_eq!(pool.len(), 1);
        pool.drop_idle(Duration::ZERO);
        assert_eq!(pool.len(), 0);
    }
}
