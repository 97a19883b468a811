//! How often a client may upload.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Instant;

use crate::lock;
use crate::problem::{Answer, Problem};

/// How many clients are remembered; when there are more, those that may do everything again are forgotten.
const CLIENTS: usize = 4096;

/// A bucket of permissions for each client, which fills evenly up to a quarter of a minute's.
pub struct Rate {
    a_minute: f64,
    buckets: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl Rate {
    /// So many a minute.
    pub fn new(a_minute: u32) -> Self {
        Self { a_minute: f64::from(a_minute.max(1)), buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes one permission.
    ///
    /// # Errors
    /// When there is none.
    pub fn take(&self, client: IpAddr) -> Answer<()> {
        self.take_at(client, Instant::now())
    }

    fn take_at(&self, client: IpAddr, now: Instant) -> Answer<()> {
        let (full, a_second) = ((self.a_minute / 4.0).max(1.0), self.a_minute / 60.0);
        let mut buckets = lock(&self.buckets);
        let filled = |(left, at): (f64, Instant)| {
            (left + a_second * now.saturating_duration_since(at).as_secs_f64()).min(full)
        };
        if buckets.len() >= CLIENTS && !buckets.contains_key(&client) {
            buckets.retain(|_, bucket| filled(*bucket) < full);
            if buckets.len() >= CLIENTS {
                return Err(Problem::busy("rate", "too many clients are uploading", 60));
            }
        }
        let left = buckets.get(&client).map_or(full, |bucket| filled(*bucket));
        if left < 1.0 {
            let wait = ((1.0 - left) / a_second).ceil() as u64;
            let message = format!("at most {} photographs a minute are taken; wait {wait} s", self.a_minute);
            return Err(Problem::busy("rate", message, wait));
        }
        buckets.insert(client, (left - 1.0, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_quarter_of_a_minute_s_at_once_and_then_evenly() {
        let rate = Rate::new(60);
        let (client, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 0, 0, 1]));
        let start = Instant::now();
        (0..15).for_each(|_| rate.take_at(client, start).unwrap());
        let refused = rate.take_at(client, start).unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.retry_after), (429, Some(1)));
        rate.take_at(other, start).unwrap();
        rate.take_at(client, start + Duration::from_millis(1001)).unwrap();
        assert!(rate.take_at(client, start + Duration::from_millis(1002)).is_err());
    }
}
