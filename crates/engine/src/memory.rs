//! Which buffers a run needs, and which may share memory.
//!
//! Time is counted in steps: the forward pass of step `i` is at time `i`, its backward pass at `2n − 1 − i`. Every array
//! lives from the time it is first written to the time it is last read. Arrays that do not live at the same time share a
//! *slot*. What the backward pass reads of the forward pass lives to the end, so that one forward pass serves many
//! backward passes.

/// From the first writing to the last reading, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub first: usize,
    pub last: usize,
}

/// Names a slot.
pub(crate) type Slot = usize;

/// Assigns slots to arrays.
#[derive(Debug, Default)]
pub(crate) struct Allocator {
    requests: Vec<(usize, Lifetime)>,
}

impl Allocator {
    /// Asks for an array of that many elements; returns the number of the request.
    pub fn request(&mut self, elements: usize, lifetime: Lifetime) -> usize {
        self.requests.push((elements, lifetime));
        self.requests.len() - 1
    }

    /// Assigns a slot to every request; returns them with the slots' sizes.
    ///
    /// Large arrays choose first, each the smallest slot that is free during its life and large enough (else the largest
    /// that is free, which grows): the greedy rule that comes within a few per cent of the optimum on ConvNets.
    pub fn assign(&self) -> (Vec<Slot>, Vec<usize>) {
        let mut order: Vec<usize> = (0..self.requests.len()).collect();
        order.sort_by_key(|&request| {
            (std::cmp::Reverse(self.requests[request].0), self.requests[request].1.first)
        });
        let mut slots: Vec<(usize, Vec<Lifetime>)> = Vec::new();
        let mut assigned = vec![0; self.requests.len()];
        for request in order {
            let (elements, lifetime) = self.requests[request];
            let free = |lives: &Vec<Lifetime>| {
                lives.iter().all(|other| other.last < lifetime.first || lifetime.last < other.first)
            };
            let best = slots.iter().enumerate().filter(|(_, (_, lives))| free(lives)).min_by_key(
                |(_, (size, _))| if *size >= elements { (0, *size) } else { (1, usize::MAX - *size) },
            );
            assigned[request] = match best.map(|(slot, _)| slot) {
                Some(slot) => {
                    slots[slot].0 = slots[slot].0.max(elements);
                    slots[slot].1.push(lifetime);
                    slot
                }
                None => {
                    slots.push((elements, vec![lifetime]));
                    slots.len() - 1
                }
            };
        }
        (assigned, slots.into_iter().map(|(size, _)| size).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_only_what_does_not_live_together() {
        let mut allocator = Allocator::default();
        let mut state = 7u64;
        let mut next = |bound: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % bound
        };
        let requests: Vec<(usize, Lifetime)> = (0..200)
            .map(|_| {
                let first = next(50);
                (next(1000) + 1, Lifetime { first, last: first + next(10) })
            })
            .collect();
        for &(elements, lifetime) in &requests {
            allocator.request(elements, lifetime);
        }
        let (slots, sizes) = allocator.assign();
        for (a, &(elements, life)) in requests.iter().enumerate() {
            assert!(sizes[slots[a]] >= elements);
            for (b, &(_, other)) in requests.iter().enumerate().take(a) {
                let together = life.first <= other.last && other.first <= life.last;
                assert!(!together || slots[a] != slots[b], "{life:?} and {other:?} share a slot");
            }
        }
        let all: usize = requests.iter().map(|(elements, _)| elements).sum();
        assert!(sizes.iter().sum::<usize>() < all / 2, "nothing was shared");
    }
}
