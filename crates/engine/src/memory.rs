//! Which buffers a run needs, and which may share memory.
//!
//! Time is counted in steps, see [`Schedule`](crate::schedule::Schedule). Every array lives from the time it is first written to the
//! time it is last read; one that is computed again for the backward pass lives twice. Arrays that do not live at the same
//! time share a *slot*. What the backward pass reads of the forward pass without computing it again lives to the end, so
//! that one forward pass serves many backward passes.

/// From the first writing to the last reading, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub first: usize,
    pub last: usize,
}

impl Lifetime {
    /// One moment.
    pub fn at(time: usize) -> Self {
        Self { first: time, last: time }
    }

    /// The same, and at another time.
    pub fn and(self, time: usize) -> Self {
        Self { first: self.first.min(time), last: self.last.max(time) }
    }

    /// Both, and what lies between.
    pub fn with(self, other: Self) -> Self {
        self.and(other.first).and(other.last)
    }
}

/// Names a slot.
pub(crate) type Slot = usize;

/// Assigns slots to arrays.
#[derive(Debug, Default)]
pub(crate) struct Allocator {
    requests: Vec<(usize, Vec<Lifetime>)>,
}

impl Allocator {
    /// Asks for an array of that many elements, which lives at those times; returns the number of the request.
    pub fn request(&mut self, elements: usize, lifetimes: impl IntoIterator<Item = Lifetime>) -> usize {
        self.requests.push((elements, lifetimes.into_iter().collect()));
        self.requests.len() - 1
    }

    /// Assigns a slot to every request; returns them with the slots' sizes.
    ///
    /// Large arrays choose first, each the smallest slot that is free during its life and large enough (else the largest
    /// that is free, which grows): the greedy rule that comes within a few per cent of the optimum on ConvNets.
    pub fn assign(&self) -> (Vec<Slot>, Vec<usize>) {
        let mut order: Vec<usize> = (0..self.requests.len()).collect();
        order.sort_by_key(|&request| {
            let (elements, lives) = &self.requests[request];
            (std::cmp::Reverse(*elements), lives.first().map(|life| life.first))
        });
        let mut slots: Vec<(usize, Vec<Lifetime>)> = Vec::new();
        let mut assigned = vec![0; self.requests.len()];
        for request in order {
            let (elements, own) = &self.requests[request];
            let elements = *elements;
            let apart = |a: &Lifetime, b: &Lifetime| a.last < b.first || b.last < a.first;
            let free =
                |lives: &Vec<Lifetime>| lives.iter().all(|other| own.iter().all(|own| apart(own, other)));
            let best = slots.iter().enumerate().filter(|(_, (_, lives))| free(lives)).min_by_key(
                |(_, (size, _))| if *size >= elements { (0, *size) } else { (1, usize::MAX - *size) },
            );
            assigned[request] = match best.map(|(slot, _)| slot) {
                Some(slot) => {
                    slots[slot].0 = slots[slot].0.max(elements);
                    slots[slot].1.extend(own);
                    slot
                }
                None => {
                    slots.push((elements, own.clone()));
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
        let mut life = |earliest: usize| {
            let first = earliest + next(50);
            Lifetime { first, last: first + next(10) }
        };
        // Every third lives twice.
        let lives = (0..200).map(|index| [life(0), life(60)][..1 + usize::from(index % 3 == 0)].to_vec());
        let lives: Vec<Vec<Lifetime>> = lives.collect();
        let requests: Vec<(usize, Vec<Lifetime>)> =
            lives.into_iter().map(|lives| (next(1000) + 1, lives)).collect();
        for (elements, lives) in &requests {
            allocator.request(*elements, lives.iter().copied());
        }
        let (slots, sizes) = allocator.assign();
        for (a, (elements, lives)) in requests.iter().enumerate() {
            assert!(sizes[slots[a]] >= *elements);
            for (b, (_, others)) in requests.iter().enumerate().take(a) {
                let meets = |life: &Lifetime| {
                    others.iter().any(|other| life.first <= other.last && other.first <= life.last)
                };
                let together = lives.iter().any(meets);
                assert!(!together || slots[a] != slots[b], "{lives:?} and {others:?} share a slot");
            }
        }
        let all: usize = requests.iter().map(|(elements, _)| elements).sum();
        assert!(sizes.iter().sum::<usize>() < all / 2, "nothing was shared");
    }
}
