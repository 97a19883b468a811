//! What clients sent, in memory within bounds: what was used longest ago makes room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::lock;

/// Things by name, with about how many bytes each takes.
pub struct Inventory<T> {
    things: Mutex<Things<T>>,
    limit: usize,
}

struct Things<T> {
    by_id: HashMap<String, Thing<T>>,
    uses: u64,
    bytes: usize,
}

struct Thing<T> {
    own: Arc<T>,
    bytes: usize,
    /// The time of the last use, in uses.
    used: u64,
}

impl<T> Inventory<T> {
    /// Keeps at most that many bytes.
    pub fn new(limit: usize) -> Self {
        Self { things: Mutex::new(Things { by_id: HashMap::new(), uses: 0, bytes: 0 }), limit }
    }

    /// How many there are, and about how many bytes they take.
    pub fn size(&self) -> [usize; 2] {
        let things = lock(&self.things);
        [things.by_id.len(), things.bytes]
    }

    /// What has that name.
    pub fn find(&self, id: &str) -> Option<Arc<T>> {
        let mut things = lock(&self.things);
        things.uses += 1;
        let now = things.uses;
        let thing = things.by_id.get_mut(id)?;
        thing.used = now;
        Some(Arc::clone(&thing.own))
    }

    /// Keeps something that takes so many bytes under a name, in the place of what had it.
    pub fn keep(&self, id: String, own: Arc<T>, bytes: usize) {
        let mut things = lock(&self.things);
        things.uses += 1;
        things.bytes += bytes;
        let used = things.uses;
        if let Some(old) = things.by_id.insert(id, Thing { own, bytes, used }) {
            things.bytes -= old.bytes;
        }
        // The newest stays even where it alone is larger than the limit.
        while things.bytes > self.limit && things.by_id.len() > 1 {
            let oldest = things.by_id.iter().min_by_key(|(_, thing)| thing.used).map(|(id, _)| id.clone());
            let Some(old) = oldest.and_then(|id| things.by_id.remove(&id)) else { break };
            things.bytes -= old.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let inventory = Inventory::new(20);
        inventory.keep("a".to_owned(), Arc::new(1), 10);
        inventory.keep("b".to_owned(), Arc::new(2), 10);
        assert_eq!(inventory.find("a").as_deref(), Some(&1));
        inventory.keep("c".to_owned(), Arc::new(3), 10);
        assert!(inventory.find("b").is_none());
        assert_eq!((inventory.find("a").as_deref(), inventory.size()), (Some(&1), [2, 20]));
        // The same name twice counts once, and one that is too large pushes out all others.
        inventory.keep("a".to_owned(), Arc::new(4), 30);
        assert_eq!((inventory.find("a").as_deref(), inventory.size()), (Some(&4), [1, 30]));
    }
}
