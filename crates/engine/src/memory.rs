//! Which buffers a run needs, and which may share memory.
//!
//! Time is counted in steps, see [`Schedule`](crate::schedule::Schedule). Every array lives from the time it is first written to the
//! time it is last read; one that is computed again for the backward pass lives twice. Arrays that do not live at the same
//! time share a *slot*. What the backward pass reads of the forward pass without computing it again lives to the end, so
//! that one forward pass serves many backward passes.

use std::collections::BTreeMap;

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

/// How many slots a request looks at. Networks of some hundred layers have fewer; it keeps the time for
/// tens of thousands of layers in proportion to their number.
const LOOKS: usize = 512;

impl Allocator {
    /// Asks for an array of that many elements, which lives at those times; returns the number of the request.
    pub fn request(&mut self, elements: usize, lifetimes: impl IntoIterator<Item = Lifetime>) -> usize {
        self.requests.push((elements, lifetimes.into_iter().collect()));
        self.requests.len() - 1
    }

    /// Assigns a slot to every request; returns them with the slots' sizes.
    ///
    /// Large arrays choose first, each the smallest slot that is free during its life: the greedy rule that comes within a
    /// few per cent of the optimum on ConvNets. Every slot is as large as the first array in it, so the newest ones are the
    /// smallest.
    pub fn assign(&self) -> (Vec<Slot>, Vec<usize>) {
        let mut order: Vec<usize> = (0..self.requests.len()).collect();
        order.sort_by_key(|&request| {
            let (elements, lives) = &self.requests[request];
            (std::cmp::Reverse(*elements), lives.first().map(|life| life.first))
        });
        let end = self.requests.iter().flat_map(|(_, lives)| lives).map(|life| life.last).max();
        let mut slots: Vec<Occupied> = Vec::new();
        let mut sizes: Vec<usize> = Vec::new();
        // Per size, in descending order, its slots: those that are free at the end, and the others, of which there may be as
        // many as layers.
        let mut groups: Vec<[Vec<Slot>; 2]> = Vec::new();
        let mut assigned = vec![0; self.requests.len()];
        for request in order {
            let (elements, own) = &self.requests[request];
            let to_the_end = own.iter().any(|life| Some(life.last) == end);
            let mut looks = LOOKS;
            let mut first_free = |candidates: &[Slot]| {
                let candidates = &candidates[..candidates.len().min(looks)];
                looks = looks.saturating_sub(candidates.len().max(1));
                candidates.iter().position(|&slot| own.iter().all(|life| slots[slot].is_free(*life)))
            };
            let found = groups.iter().enumerate().rev().take(LOOKS).find_map(|(group, [open, ended])| {
                let place = first_free(open);
                let ended_place = if to_the_end { None } else { first_free(ended) };
                match (place, ended_place) {
                    (Some(one), Some(other)) if ended[other] < open[one] => Some((group, 1, other)),
                    (Some(one), _) => Some((group, 0, one)),
                    (None, other) => Some((group, 1, other?)),
                }
            });
            let slot = match found {
                Some((group, 0, place)) if to_the_end => {
                    let slot = groups[group][0].remove(place);
                    groups[group][1].push(slot);
                    slot
                }
                Some((group, list, place)) => groups[group][list][place],
                None => {
                    if sizes.last() != Some(elements) {
                        groups.push(Default::default());
                    }
                    sizes.push(*elements);
                    slots.push(Occupied::default());
                    let slot = slots.len() - 1;
                    if let Some(group) = groups.last_mut() {
                        group[usize::from(to_the_end)].push(slot);
                    }
                    slot
                }
            };
            own.iter().for_each(|life| slots[slot].occupy(*life));
            assigned[request] = slot;
        }
        (assigned, sizes)
    }
}

/// The lives of the arrays in a slot, by their beginnings.
#[derive(Debug, Default)]
struct Occupied(BTreeMap<usize, usize>);

impl Occupied {
    fn is_free(&self, life: Lifetime) -> bool {
        self.0.range(..=life.last).next_back().is_none_or(|(_, &last)| last < life.first)
    }

    /// Adds a life, during which the slot was free but for other lives of the same array; such that overlap become one.
    fn occupy(&mut self, life: Lifetime) {
        let (mut first, mut last) = (life.first, life.last);
        while let Some((&other, &end)) = self.0.range(..=last).next_back().filter(|(_, end)| **end >= first) {
            (first, last) = (first.min(other), last.max(end));
            self.0.remove(&other);
        }
        self.0.insert(first, last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One life within another, or overlapping it, keeps its array's slot for all of both.
    #[test]
    fn lives_of_one_array_may_overlap() {
        let life = |first, last| Lifetime { first, last };
        for lives in [[life(0, 60), life(10, 20)], [life(10, 20), life(0, 60)], [life(0, 30), life(20, 60)]] {
            let mut slot = Occupied::default();
            lives.into_iter().for_each(|life| slot.occupy(life));
            for (other, expected) in [(life(30, 40), false), (life(60, 70), false), (life(61, 70), true)] {
                assert_eq!(slot.is_free(other), expected, "{lives:?} {other:?}");
            }
        }
    }

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
