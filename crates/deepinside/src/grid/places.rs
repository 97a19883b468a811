//! Which place of the picture each number of a value is about.

use std::sync::Arc;

/// A place in the picture: down and across, each from 0 at one border to 1 at the other; NaN where the number is about no
/// place in that direction.
pub(super) type Place = [f32; 2];

/// No place at all: a class token, a mean over the picture.
pub(super) const NOWHERE: Place = [f32::NAN; 2];

/// How much of a direction a sum has to cover to be about the whole picture.
const WHOLE: f32 = 0.9;

/// How far apart two places may be for an elementwise combination to be about the middle between them, as where a map that was made
/// larger meets one that never was small.
const NEAR: f32 = 0.3;

/// How many places a value may have, of eight bytes each. A few bytes of a file can ask for very many (padding, resizing).
pub(super) const MOST: usize = 2 << 20;

/// How many places all values may have together.
pub(super) const MOST_OF_ALL: usize = 16 << 20;

/// How far apart two places are at least.
pub(super) const APART: f32 = 5e-5;

/// The places of a value's numbers. Most axes are channels, along which places are the same: there only one place is kept.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The value's extents.
    pub extents: Vec<usize>,
    /// The same, with 1 for each axis along which all places are the same.
    pub dense: Vec<usize>,
    /// The places in C order.
    pub at: Arc<[Place]>,
}

/// Where places lie in memory, with the value's extents and those that are kept.
pub(super) type Identity = (usize, Vec<usize>, Vec<usize>);

impl Places {
    /// The same place, or none, for all numbers of a value.
    pub fn everywhere(extents: &[usize], place: Place) -> Self {
        Self { extents: extents.to_vec(), dense: vec![1; extents.len()], at: [place].into() }
    }

    /// The places of a picture `N × C × H × W`.
    pub fn of_picture(extents: &[usize]) -> Option<Self> {
        let &[_, _, height, width] = extents else { return None };
        if height.saturating_mul(width) > MOST {
            return None;
        }
        let middle = |index: usize, extent: usize| (index as f32 + 0.5) / extent as f32;
        let at = (0..height).flat_map(|y| (0..width).map(move |x| [middle(y, height), middle(x, width)]));
        Some(Self { extents: extents.to_vec(), dense: vec![1, 1, height, width], at: at.collect() })
    }

    /// Places that follow from an index over `dense`; none where they are too many.
    fn build(extents: Vec<usize>, dense: Vec<usize>, mut place: impl FnMut(&[usize]) -> Place) -> Self {
        let count = dense.iter().product();
        if count > MOST {
            return Self::everywhere(&extents, NOWHERE);
        }
        let mut at = Vec::with_capacity(count);
        each_index(&dense, |index| at.push(place(index)));
        Self { extents, dense, at: at.into() }
    }

    /// The place at an index over `extents`.
    fn get(&self, index: &[usize]) -> Place {
        let mut offset = 0;
        for (&index, &dense) in index.iter().zip(&self.dense) {
            offset = offset * dense + if dense == 1 { 0 } else { index };
        }
        self.at[offset]
    }

    /// The same for a value of other extents along axes on which places are the same.
    fn with_extents(mut self, extents: &[usize]) -> Self {
        self.extents = extents.to_vec();
        self
    }

    /// How many there are that no other value has, too.
    pub fn own(&self) -> usize {
        if Arc::strong_count(&self.at) == 1 { self.at.len() } else { 0 }
    }

    /// The same for values whose numbers lie alike since places were handed on, while one of them is there.
    pub fn identity(&self) -> Identity {
        (self.at.as_ptr().addr(), self.extents.clone(), self.dense.clone())
    }

    /// Whether places differ along an axis.
    pub fn vary(&self, axis: usize) -> bool {
        self.dense[axis] > 1
    }

    /// Whether any number is about a place, both down and across.
    pub fn have_any(&self) -> bool {
        self.at.iter().any(is_somewhere)
    }

    /// Axes in another order.
    pub fn transposed(&self, permutation: &[usize]) -> Self {
        let pick = |list: &[usize]| permutation.iter().map(|&axis| list[axis]).collect::<Vec<_>>();
        let mut source = vec![0; permutation.len()];
        Self::build(pick(&self.extents), pick(&self.dense), |index| {
            permutation.iter().zip(index).for_each(|(&axis, &index)| source[axis] = index);
            self.get(&source)
        })
    }

    /// The same numbers under other extents: axes that stay are told by equal products of extents before them.
    pub fn reshaped(&self, extents: &[usize]) -> Self {
        let (mut own, mut other) = (0, 0);
        let mut dense = Vec::with_capacity(extents.len());
        let mut filled = self.dense.clone();
        while own < self.extents.len() || other < extents.len() {
            let (first_own, first_other) = (own, other);
            let next = |list: &[usize], at: &mut usize| {
                *at += 1;
                list.get(*at - 1).copied().unwrap_or(1)
            };
            // The shortest groups of axes with equal products.
            let (mut before, mut after) = (1, 1);
            if own < self.extents.len() {
                before = next(&self.extents, &mut own);
            }
            if other < extents.len() {
                after = next(extents, &mut other);
            }
            while before != after && own <= self.extents.len() && other <= extents.len() {
                if before < after {
                    before *= next(&self.extents, &mut own);
                } else {
                    after *= next(extents, &mut other);
                }
            }
            let vary = self.dense[first_own..own].iter().any(|&dense| dense > 1);
            if vary {
                filled[first_own..own].copy_from_slice(&self.extents[first_own..own]);
            }
            dense.extend(extents[first_other..other].iter().map(|&extent| if vary { extent } else { 1 }));
        }
        // In C order the filled places are already those of the new extents.
        let full = Self::build(self.extents.clone(), filled, |index| self.get(index));
        if full.at.len() != dense.iter().product::<usize>() {
            return Self::everywhere(extents, NOWHERE);
        }
        Self { extents: extents.to_vec(), dense, at: full.at }.compressed()
    }

    /// Drops axes along which places turn out to be the same.
    fn compressed(self) -> Self {
        let mut found = self;
        for axis in 0..found.dense.len() {
            let extent = found.dense[axis];
            if extent == 1 {
                continue;
            }
            let inner: usize = found.dense[axis + 1..].iter().product();
            let mut blocks = found.at.chunks_exact(inner * extent);
            if blocks.all(|block| block.chunks_exact(inner).all(|row| same(row, &block[..inner]))) {
                let at = found.at.chunks_exact(inner * extent).flat_map(|block| &block[..inner]).copied();
                found.at = at.collect();
                found.dense[axis] = 1;
            }
        }
        found
    }

    /// Positions of an axis, which become those of the result.
    pub fn taken(&self, axis: usize, positions: &[usize]) -> Self {
        let mut extents = self.extents.clone();
        extents[axis] = positions.len();
        if !self.vary(axis) {
            return self.clone().with_extents(&extents);
        }
        let mut dense = self.dense.clone();
        dense[axis] = positions.len();
        let mut source = vec![0; extents.len()];
        Self::build(extents, dense, |index| {
            source.copy_from_slice(index);
            source[axis] = positions[index[axis]];
            self.get(&source)
        })
    }

    /// Positions of an axis that lie between or beside those of the operand: `position` says where each of `count` stands among them.
    pub fn moved(&self, axis: usize, count: usize, position: impl Fn(usize) -> f32) -> Self {
        let mut extents = self.extents.clone();
        extents[axis] = count;
        if !self.vary(axis) {
            return self.clone().with_extents(&extents);
        }
        let mut dense = self.dense.clone();
        dense[axis] = count;
        if dense.iter().product::<usize>() > MOST {
            return Self::everywhere(&extents, NOWHERE);
        }
        let (own, inner) = (self.dense[axis], self.dense[axis + 1..].iter().product::<usize>());
        let mut at = vec![NOWHERE; dense.iter().product()];
        // Line by line along the axis, with the places of a line that are known: a border may have very many that are not.
        let mut known = Vec::with_capacity(own);
        for (from, to) in self.at.chunks_exact(own * inner).zip(at.chunks_exact_mut(count * inner)) {
            for (first, direction) in (0..inner).flat_map(|first| [(first, 0), (first, 1)]) {
                let line = from[first..].iter().step_by(inner).map(|place| place[direction]);
                known.clear();
                known.extend(line.enumerate().filter(|(_, number)| !number.is_nan()));
                let varies = match (known.first(), known.last()) {
                    (Some(&(0, one)), Some(&(last, other))) => last + 1 == own && (other - one).abs() > APART,
                    _ => false,
                };
                // One position that is about the whole line is about none of its places.
                if count == 1 && varies {
                    continue;
                }
                for (index, place) in to[first..].iter_mut().step_by(inner).enumerate() {
                    place[direction] = between(&known, own, position(index));
                }
            }
        }
        Self { extents, dense, at: at.into() }
    }

    /// A border of numbers about no place.
    pub fn padded(&self, before: &[usize], behind: &[usize]) -> Self {
        let wider = |list: &[usize], axis: usize| list[axis] + before[axis] + behind[axis];
        let rank = self.extents.len();
        let extents: Vec<usize> = (0..rank).map(|axis| wider(&self.extents, axis)).collect();
        let dense =
            (0..rank).map(|axis| if self.vary(axis) { wider(&self.dense, axis) } else { 1 }).collect();
        let mut source = vec![0; rank];
        Self::build(extents, dense, |index| {
            for axis in 0..rank {
                if !self.vary(axis) {
                    continue;
                }
                match index[axis].checked_sub(before[axis]).filter(|&inside| inside < self.dense[axis]) {
                    Some(inside) => source[axis] = inside,
                    None => return NOWHERE,
                }
            }
            self.get(&source)
        })
    }

    /// Sums over axes, which keep the extent 1: they are about the middle of what is summed, and about no place where that is the
    /// whole of a direction.
    pub fn summed(&self, axes: &[usize]) -> Self {
        let mut extents = self.extents.clone();
        axes.iter().for_each(|&axis| extents[axis] = 1);
        if !axes.iter().any(|&axis| self.vary(axis)) {
            return self.clone().with_extents(&extents);
        }
        let mut dense = self.dense.clone();
        axes.iter().for_each(|&axis| dense[axis] = 1);
        let inner: Vec<usize> = self
            .dense
            .iter()
            .enumerate()
            .map(|(axis, &extent)| if axes.contains(&axis) { extent } else { 1 })
            .collect();
        let mut source = vec![0; extents.len()];
        let mut members = Vec::new();
        Self::build(extents, dense, |index| {
            members.clear();
            each_index(&inner, |own| {
                for axis in 0..source.len() {
                    source[axis] = index[axis] + own[axis];
                }
                members.push(self.get(&source));
            });
            [0, 1].map(|direction| middle(members.iter().map(|place| place[direction])))
        })
    }

    /// Leaves out an axis of extent 1.
    pub fn without(&self, axis: usize) -> Self {
        let drop = |list: &[usize]| [&list[..axis], &list[axis + 1..]].concat();
        Self { extents: drop(&self.extents), dense: drop(&self.dense), at: Arc::clone(&self.at) }
    }

    /// Adds an axis along which places are the same.
    pub fn with_axis(&self, axis: usize, extent: usize) -> Self {
        let add = |list: &[usize], extent: usize| [&list[..axis], &[extent], &list[axis..]].concat();
        Self { extents: add(&self.extents, extent), dense: add(&self.dense, 1), at: Arc::clone(&self.at) }
    }

    /// The axes from one on become a single one.
    pub fn flattened(&self, first: usize) -> Self {
        let merged = self.extents[first..].iter().product();
        self.reshaped(&[&self.extents[..first], &[merged]].concat())
    }

    /// Parts one behind the other along an axis, of which constants have no places.
    pub fn joined(parts: &[(Option<&Self>, usize)], axis: usize, extents: &[usize]) -> Self {
        let rank = extents.len();
        let known = || parts.iter().filter_map(|(part, _)| *part);
        if !known().any(|part| part.vary(axis)) && known().count() > 0 {
            let shaped: Vec<Self> = known().map(|part| part.clone().with_extents(extents)).collect();
            let alike = shaped
                .iter()
                .skip(1)
                .all(|part| part.dense == shaped[0].dense && same(&part.at, &shaped[0].at));
            let positioned = shaped.iter().any(Self::have_any);
            // Channels beside channels; else single tokens, each with a place of its own.
            if alike || positioned && shaped[0].dense.iter().any(|&extent| extent > 1) {
                return Self::combined(&shaped.iter().collect::<Vec<_>>(), extents, near_middle);
            }
        }
        let dense = (0..rank)
            .map(|other| match other == axis || known().any(|part| part.vary(other)) {
                true => extents[other],
                false => 1,
            })
            .collect();
        // Where each part ends: a network may join very many.
        let ends: Vec<usize> = parts
            .iter()
            .scan(0, |end, (_, extent)| {
                *end += extent;
                Some(*end)
            })
            .collect();
        let mut source = vec![0; rank];
        Self::build(extents.to_vec(), dense, |index| {
            source.copy_from_slice(index);
            let number = ends.partition_point(|&end| end <= index[axis]);
            source[axis] -= if number == 0 { 0 } else { ends[number - 1] };
            parts.get(number).and_then(|(part, _)| *part).map_or(NOWHERE, |part| part.get(&source))
        })
        .compressed()
    }

    /// Several operands, broadcast to these extents.
    pub fn combined(operands: &[&Self], extents: &[usize], both: fn(f32, f32) -> f32) -> Self {
        if let [only] = operands
            && only.extents == extents
        {
            return (*only).clone();
        }
        let rank = extents.len();
        let aligned: Vec<(usize, &Self)> =
            operands.iter().map(|operand| (rank - operand.extents.len(), *operand)).collect();
        let dense = (0..rank)
            .map(|axis| {
                let vary =
                    aligned.iter().any(|(shift, operand)| axis >= *shift && operand.vary(axis - shift));
                if vary { extents[axis] } else { 1 }
            })
            .collect();
        Self::build(extents.to_vec(), dense, |index| {
            let mut places = aligned.iter().map(|(shift, operand)| operand.get(&index[*shift..]));
            let first = places.next().unwrap_or(NOWHERE);
            places.fold(first, |[y, x], [other_y, other_x]| {
                [merged(y, other_y, both), merged(x, other_x, both)]
            })
        })
    }
}

/// The middle between two places that are near each other, and no place otherwise.
pub(super) fn near_middle(one: f32, other: f32) -> f32 {
    match one - other {
        0.0 => one,
        difference if difference.abs() < NEAR => (one + other) / 2.0,
        _ => f32::NAN,
    }
}

/// The first of two places.
pub(super) fn first(one: f32, _: f32) -> f32 {
    one
}

fn merged(one: f32, other: f32, both: fn(f32, f32) -> f32) -> f32 {
    match (one.is_nan(), other.is_nan()) {
        (true, _) => other,
        (_, true) => one,
        _ => both(one, other),
    }
}

/// Whether a number is about a place, both down and across.
pub(super) fn is_somewhere(place: &Place) -> bool {
    !place[0].is_nan() && !place[1].is_nan()
}

fn same(one: &[Place], other: &[Place]) -> bool {
    let equal = |a: f32, b: f32| a == b || a.is_nan() && b.is_nan();
    one.iter().zip(other).all(|(one, other)| equal(one[0], other[0]) && equal(one[1], other[1]))
}

/// The middle of places in one direction; none where they cover the whole of it.
fn middle(places: impl Iterator<Item = f32>) -> f32 {
    let mut known: Vec<f32> = places.filter(|place| !place.is_nan()).collect();
    known.sort_by(f32::total_cmp);
    let (Some(&low), Some(&high)) = (known.first(), known.last()) else { return f32::NAN };
    let distinct = 1 + known.windows(2).filter(|pair| pair[1] - pair[0] > APART).count();
    if distinct > 1 && (high - low) * distinct as f32 / (distinct - 1) as f32 > WHOLE {
        return f32::NAN;
    }
    (low + high) / 2.0
}

/// A line of `count` numbers, of which some are known, at a position between or beside them.
fn between(known: &[(usize, f32)], count: usize, position: f32) -> f32 {
    let start = (position.floor().max(0.0) as usize).min(count - 1);
    let behind = known.partition_point(|(index, _)| *index <= start);
    let (one, other) = match (known, behind) {
        ([], _) => return f32::NAN,
        (&[(_, only)], _) => return only,
        // Beside them all: on along the line of the first or last two.
        (_, 0) => (known[0], known[1]),
        (_, behind) if behind == known.len() => (known[behind - 2], known[behind - 1]),
        (_, behind) => (known[behind - 1], known[behind]),
    };
    let share = (position - one.0 as f32) / (other.0 - one.0) as f32;
    one.1 + share * (other.1 - one.1)
}

/// Calls for each index over these extents, in C order.
pub(super) fn each_index(extents: &[usize], mut call: impl FnMut(&[usize])) {
    let count: usize = extents.iter().product();
    let mut index = vec![0; extents.len()];
    for _ in 0..count {
        call(&index);
        for axis in (0..extents.len()).rev() {
            index[axis] += 1;
            if index[axis] < extents[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A column of a picture of two places, with very many numbers about no place around them.
    fn bordered(border: usize) -> Places {
        let two = Places {
            extents: vec![1, 1, 2, 1],
            dense: vec![1, 1, 2, 1],
            at: [[0.25, 0.5], [0.75, 0.5]].into(),
        };
        two.padded(&[0, 0, border, 0], &[0, 0, border, 0])
    }

    /// For each number of a border the whole border was passed over, which took minutes.
    #[test]
    fn wide_borders_are_passed_over_once() {
        let border = 1 << 19;
        let moved = bordered(border).moved(2, 2 * border + 1, |index| index as f32 + 0.5);
        assert_eq!(moved.at.len(), 2 * border + 1);
        assert_eq!(moved.at[border], [0.5, 0.5]);
        // Beside the two, on along their line.
        assert_eq!([moved.at[border - 1], moved.at[border + 1]], [[0.0, 0.5], [1.0, 0.5]]);
    }

    /// For each number of a result all parts before it were passed over.
    #[test]
    fn many_parts_are_joined_in_time_that_grows_with_their_number() {
        let parts = 1 << 19;
        let part = bordered(0);
        let joined = Places::joined(&vec![(Some(&part), 2); parts], 2, &[1, 1, 2 * parts, 1]);
        assert_eq!(joined.at.len(), 2 * parts);
        assert_eq!(joined.at[2 * parts - 2..], [[0.25, 0.5], [0.75, 0.5]]);
    }

    #[test]
    fn more_places_than_are_followed_are_none() {
        let two = bordered(0);
        let moved = two.moved(2, MOST + 1, |index| index as f32);
        assert_eq!((moved.have_any(), moved.extents[2]), (false, MOST + 1));
        assert!(!two.padded(&[0, 0, MOST, 0], &[0; 4]).have_any());
        assert!(Places::of_picture(&[1, 3, MOST, 2]).is_none());
    }
}
