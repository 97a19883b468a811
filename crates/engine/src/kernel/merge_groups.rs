//! Groups of a convolution taken together where one of them fills only a part of a vector.

use std::borrow::Cow;
use std::ops::Range;

use super::geometry::{Field, Geometry};
use crate::simd::LINE;

/// Some groups of a convolution, as one that has no others.
pub(super) struct Groups<'a> {
    /// From their own channels to their own channels.
    pub geometry: Geometry,
    /// `O × C/groups × taps`.
    pub filters: Cow<'a, [f32]>,
    /// Which of the results these are.
    pub outputs: Range<usize>,
}

/// Whether the longest vectors would merge groups of a convolution.
pub(super) fn merges_groups(Geometry { large, small, groups, .. }: &Geometry) -> bool {
    let widest = large.channels.max(small.channels) / groups;
    *groups > 1 && widest > 1 && 2 * widest <= LINE
}

/// The same convolution with fewer, larger groups whose filters are zero between channels of different groups, where that takes
/// no more vectors: a group with 8 results fills half a vector of 16 numbers, so two of them cost what one does. Groups that are
/// left over come last.
///
/// `filters` is `O × C/groups × taps`. Where each channel is a group of itself, nothing changes.
pub(super) fn merge_groups(geometry: Geometry, filters: &[f32], lanes: usize) -> Vec<Groups<'_>> {
    let Geometry { large, small, groups, .. } = geometry;
    let widest = large.channels.max(small.channels) / groups;
    let count = (lanes / widest.max(1)).clamp(1, groups);
    if count == 1 || widest == 1 {
        return vec![Groups { geometry, filters: Cow::Borrowed(filters), outputs: 0..small.channels }];
    }
    let whole = groups - groups % count;
    let parts = [(0..whole, count), (whole..groups, groups - whole)];
    parts
        .into_iter()
        .filter(|(part, _)| !part.is_empty())
        .map(|(part, count)| merged(&geometry, filters, part, count))
        .collect()
}

/// These groups, of which every `count` become one.
fn merged(geometry: &Geometry, filters: &[f32], groups: Range<usize>, count: usize) -> Groups<'static> {
    let [inputs, outputs] = [geometry.large, geometry.small].map(|field| field.channels / geometry.groups);
    let of = |field: Field, each: usize| Field {
        first: field.first + groups.start * each,
        channels: groups.len() * each,
        ..field
    };
    let row = inputs * geometry.kernel.iter().product::<usize>();
    let own = groups.start * outputs..groups.end * outputs;
    let filters = &filters[own.start * row..own.end * row];
    let mut merged = vec![0.0; filters.len() * count];
    for (output, (from, to)) in
        filters.chunks_exact(row).zip(merged.chunks_exact_mut(row * count)).enumerate()
    {
        to[output / outputs % count * row..][..row].copy_from_slice(from);
    }
    let (large, small) = (of(geometry.large, inputs), of(geometry.small, outputs));
    let geometry = Geometry { large, small, groups: groups.len() / count, ..*geometry };
    Groups { geometry, filters: Cow::Owned(merged), outputs: own }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(channels: [usize; 2], groups: usize) -> Geometry {
        let [large, small] = channels.map(|channels| Field::new([1, 4, 4], channels));
        Geometry { large, small, kernel: [1, 1, 2], stride: [1; 3], dilation: [1; 3], pad: [0; 3], groups }
    }

    #[test]
    fn filters_stand_where_their_own_channels_are() {
        // Five groups of one channel in and two out, whose filters have two taps.
        let filters: Vec<f32> = (1..=20).map(|number| number as f32).collect();
        let parts = merge_groups(geometry([5, 10], 5), &filters, 4);
        let [pairs, last] = &parts[..] else { panic!("{} parts", parts.len()) };
        let expected = [
            [1, 2, 0, 0],
            [3, 4, 0, 0],
            [0, 0, 5, 6],
            [0, 0, 7, 8],
            [9, 10, 0, 0],
            [11, 12, 0, 0],
            [0, 0, 13, 14],
            [0, 0, 15, 16],
        ];
        assert_eq!(
            *pairs.filters,
            *expected.as_flattened().iter().map(|&number| number as f32).collect::<Vec<_>>()
        );
        assert_eq!(*last.filters, [17.0, 18.0, 19.0, 20.0]);
        assert_eq!((pairs.geometry.groups, last.geometry.groups), (2, 1));
        assert_eq!([pairs.outputs.clone(), last.outputs.clone()], [0..8, 8..10]);
        let places = |part: &Groups<'_>| {
            [part.geometry.large, part.geometry.small].map(|field| (field.first, field.channels))
        };
        assert_eq!((places(pairs), places(last)), ([(0, 4), (0, 8)], [(4, 1), (8, 2)]));
    }

    #[test]
    fn groups_that_fill_a_vector_or_hold_one_channel_stay() {
        let left = |channels, groups: usize, lanes| {
            let filters = vec![1.0; channels / groups * channels * 2];
            merge_groups(geometry([channels; 2], groups), &filters, lanes)
                .iter()
                .map(|part| part.geometry.groups)
                .collect::<Vec<_>>()
        };
        assert_eq!(left(48, 6, 16), [3]);
        assert_eq!(left(48, 6, 8), [6]);
        assert_eq!(left(40, 5, 16), [2, 1]);
        assert_eq!(left(9, 9, 16), [9]);
        assert_eq!(left(64, 4, 16), [4]);
    }
}
