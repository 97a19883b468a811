//! Products of mostly silent positions with filters.
//!
//! Behind maxima and a rectifier most numbers of a gradient are zero: of overlapping windows of 3 × 3 with stride 2 a quarter of the
//! positions is a maximum, and of those many are not active. Terms of zero add nothing, so only the rows of filters whose channel has a
//! number are read, in the same order as in a product of all.

use super::super::panels::{PANEL, Panels};
use crate::simd::{LANES, Simd, Work};

/// The panels that are summed at a time: their sums, two vectors each, and a factor fill the registers.
const PANELS: usize = 5;

/// The products of mostly silent positions with all filters. All other positions stay for a product of all.
pub(super) struct SparseRows<'a> {
    pub numbers: &'a [f32],
    /// Where the positions' numbers begin, one for each row of the filters, and where their products go; those that were computed
    /// are taken out.
    pub places: &'a mut Vec<usize>,
    pub targets: &'a mut Vec<usize>,
    pub filters: &'a Panels,
    pub products: &'a mut [f32],
    /// Working memory.
    pub active: &'a mut Vec<usize>,
}

impl Work for SparseRows<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { numbers, places, targets, filters, products, active } = self;
        assert!(filters.columns.is_multiple_of(PANEL), "whole panels");
        active.resize(filters.inner, 0);
        let mut dense = 0;
        for position in 0..places.len() {
            let (place, target) = (places[position], targets[position]);
            let numbers = &numbers[place..place + filters.inner];
            let mut count = 0;
            for (channel, &number) in numbers.iter().enumerate() {
                active[count.min(channel)] = channel;
                count += usize::from(number != 0.0);
            }
            if 2 * count > filters.inner {
                (places[dense], targets[dense]) = (place, target);
                dense += 1;
                continue;
            }
            let products = &mut products[target..target + filters.columns];
            let row = Row { numbers, active: &active[..count], filters };
            for (group, products) in products.chunks_mut(PANELS * PANEL).enumerate() {
                let first = group * PANELS;
                match products.len() / PANEL {
                    1 => row.panels::<S, 1>(simd, first, products),
                    2 => row.panels::<S, 2>(simd, first, products),
                    3 => row.panels::<S, 3>(simd, first, products),
                    4 => row.panels::<S, 4>(simd, first, products),
                    _ => row.panels::<S, PANELS>(simd, first, products),
                }
            }
        }
        places.truncate(dense);
        targets.truncate(dense);
    }
}

/// One position.
struct Row<'a> {
    numbers: &'a [f32],
    /// The channels whose number is not zero.
    active: &'a [usize],
    filters: &'a Panels,
}

impl Row<'_> {
    /// Its products with `N` panels.
    #[inline(always)]
    fn panels<S: Simd, const N: usize>(&self, simd: S, first: usize, products: &mut [f32]) {
        let panels: [&[f32]; N] = std::array::from_fn(|index| self.filters.panel(first + index));
        let mut sums = [[simd.splat(0.0); 2]; N];
        for &channel in self.active {
            let number = simd.splat(self.numbers[channel]);
            for (sums, panel) in sums.iter_mut().zip(&panels) {
                let row = &panel[channel * PANEL..][..PANEL];
                // SAFETY: the slice holds two vectors.
                let row = unsafe { [simd.load(row.as_ptr()), simd.load(row.as_ptr().add(LANES))] };
                sums[0] = simd.multiply_add(number, row[0], sums[0]);
                sums[1] = simd.multiply_add(number, row[1], sums[1]);
            }
        }
        for (sums, products) in sums.iter().zip(products.chunks_exact_mut(PANEL)) {
            // SAFETY: the slice holds two vectors.
            unsafe {
                simd.store(products.as_mut_ptr(), sums[0]);
                simd.store(products.as_mut_ptr().add(LANES), sums[1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Noise;
    use crate::simd::Instructions;

    /// Positions with no, few, half and all of their numbers; one to seven panels.
    #[test]
    fn equals_the_sums_in_double_precision() {
        let mut noise = Noise::new(9);
        for instructions in [Instructions::Detected, Instructions::Portable] {
            for (channels, count) in [(1, 1), (6, 2), (17, 5), (8, 7)] {
                let columns = count * PANEL;
                let right = noise.numbers(channels * columns);
                let filters = Panels::pack(channels, columns, |row, column| right[row * columns + column]);
                let positions = 4;
                let mut numbers = noise.numbers(positions * (channels + 1));
                let mut places: Vec<usize> =
                    (0..positions).map(|position| position * (channels + 1)).collect();
                let mut targets: Vec<usize> = (0..positions).map(|position| position * columns).collect();
                let all = places.clone();
                for (&place, silent) in
                    places.iter().zip([channels, channels - channels / 3, channels.div_ceil(2), 0])
                {
                    numbers[place..place + silent].fill(0.0);
                }
                let mut products = vec![9.0; positions * columns];
                instructions.run(SparseRows {
                    numbers: &numbers,
                    places: &mut places,
                    targets: &mut targets,
                    filters: &filters,
                    products: &mut products,
                    active: &mut Vec::new(),
                });
                assert_eq!((&places[..], &targets[..]), (&all[3..], &[3 * columns][..]));
                for (at, &found) in products.iter().enumerate() {
                    let (position, column) = (at / columns, at % columns);
                    let term = |channel| {
                        f64::from(numbers[all[position] + channel])
                            * f64::from(right[channel * columns + column])
                    };
                    let expected = if position == 3 { 9.0 } else { (0..channels).map(term).sum() };
                    assert!((f64::from(found) - expected).abs() < 1e-6, "{found} instead of {expected}");
                }
            }
        }
    }
}
