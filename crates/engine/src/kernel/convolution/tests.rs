//! Convolutions against their definition.

use super::*;
use crate::kernel::testing::{Array, Case, check, index_of, mismatch, positions};
use crate::{BackwardRule, Layout};

/// A convolution in all its numbers: spatial extents, and a window.
pub(in crate::kernel) struct Setting {
    pub name: &'static str,
    pub spatial: &'static [usize],
    pub channels: [usize; 2],
    pub groups: usize,
    pub window: Window,
}

/// Awkward settings, in one to three dimensions.
pub(in crate::kernel) fn settings() -> Vec<Setting> {
    let window =
        |kernel: &[usize], stride: &[usize], dilation: &[usize], begin: &[usize], end: &[usize]| Window {
            kernel: kernel.to_vec(),
            stride: stride.to_vec(),
            dilation: dilation.to_vec(),
            pad_begin: begin.to_vec(),
            pad_end: end.to_vec(),
        };
    let square = |kernel: usize, stride: usize, dilation: usize, pad: usize| {
        window(&[kernel; 2], &[stride; 2], &[dilation; 2], &[pad; 2], &[pad; 2])
    };
    let setting =
        |name, spatial, channels, groups, window| Setting { name, spatial, channels, groups, window };
    vec![
        setting("plain 3×3", &[7, 6], [3, 4], 1, square(3, 1, 1, 0)),
        setting("padded 3×3", &[5, 9], [2, 5], 1, square(3, 1, 1, 1)),
        setting("pointwise", &[4, 5], [6, 7], 1, square(1, 1, 1, 0)),
        setting("pointwise in groups", &[4, 5], [6, 4], 2, square(1, 1, 1, 0)),
        setting("pointwise with padding", &[3, 4], [2, 3], 1, square(1, 1, 1, 1)),
        setting("pointwise with stride 2", &[5, 6], [3, 17], 1, square(1, 2, 1, 0)),
        setting("stride 4 with remainder", &[23, 21], [3, 4], 1, square(5, 4, 1, 0)),
        setting("stride above the kernel", &[9, 10], [18, 2], 1, square(2, 3, 1, 0)),
        setting("wide result, stride 2", &[8, 7], [20, 3], 1, square(3, 2, 1, 1)),
        setting("groups", &[6, 6], [4, 6], 2, square(3, 1, 1, 1)),
        setting("groups with stride", &[9, 8], [4, 6], 2, square(3, 2, 1, 2)),
        setting("groups narrower than a vector", &[5, 6], [24, 24], 6, square(3, 1, 1, 1)),
        setting("narrow groups, some left over", &[6, 5], [40, 40], 5, square(3, 1, 1, 1)),
        setting("groups narrower than a vector, with stride", &[8, 7], [16, 32], 8, square(3, 2, 1, 1)),
        setting("depthwise", &[6, 7], [5, 5], 5, square(3, 1, 1, 1)),
        setting("depthwise, wide", &[5, 23], [19, 19], 19, square(5, 1, 1, 2)),
        setting("depthwise with stride", &[9, 22], [9, 9], 9, square(3, 2, 1, 1)),
        setting("depthwise with stride and a remainder", &[8, 21], [8, 8], 8, square(5, 3, 1, 0)),
        setting("depthwise with dilation", &[9, 20], [10, 10], 10, square(3, 2, 3, 4)),
        setting("depthwise, stride above the kernel", &[7, 11], [3, 3], 3, square(2, 3, 1, 0)),
        setting("depthwise in one axis", &[29], [9, 9], 9, window(&[4], &[1], &[1], &[1], &[2])),
        setting(
            "depthwise in three axes",
            &[3, 4, 12],
            [4, 4],
            4,
            window(&[2, 3, 3], &[1, 2, 1], &[1, 1, 2], &[0, 1, 2], &[1, 1, 2]),
        ),
        setting("for Winograd", &[7, 9], [8, 16], 1, square(3, 1, 1, 1)),
        setting("for Winograd, in groups", &[6, 5], [32, 32], 2, square(3, 1, 1, 1)),
        setting("for Winograd, without padding", &[8, 7], [8, 8], 1, square(3, 1, 1, 0)),
        setting(
            "for Winograd, padding of all sizes",
            &[5, 6],
            [8, 24],
            1,
            window(&[3, 3], &[1, 1], &[1, 1], &[2, 0], &[1, 2]),
        ),
        setting("for Winograd, 5×5", &[9, 8], [8, 16], 1, square(5, 1, 1, 2)),
        setting(
            "for Winograd, 5×5 in groups, padding of all sizes",
            &[6, 7],
            [16, 16],
            2,
            window(&[5, 5], &[1, 1], &[1, 1], &[0, 4], &[3, 1]),
        ),
        setting("dilation", &[9, 11], [2, 3], 1, square(3, 1, 2, 2)),
        setting("dilation and stride", &[11, 12], [2, 3], 1, square(3, 2, 3, 2)),
        setting("taps farther apart than the picture", &[5, 6], [3, 17], 1, square(3, 1, 20, 20)),
        setting("taps far apart that some windows see", &[6, 5], [2, 3], 1, square(3, 2, 8, 12)),
        setting(
            "taps that no window sees, of all kinds",
            &[5, 6],
            [20, 3],
            1,
            window(&[4, 3], &[1, 2], &[7, 30], &[15, 31], &[9, 33]),
        ),
        setting(
            "taps before what the padding reaches",
            &[40, 5],
            [2, 3],
            1,
            window(&[2, 3], &[30, 1], &[3, 1], &[1, 1], &[0, 1]),
        ),
        setting(
            "windows that see nothing",
            &[3, 4],
            [2, 3],
            1,
            window(&[2, 2], &[9, 1], &[20, 1], &[12, 0], &[12, 0]),
        ),
        setting("depthwise, taps farther apart than the picture", &[5, 6], [9, 9], 9, square(3, 1, 20, 20)),
        setting("groups, taps farther apart than the picture", &[5, 6], [4, 6], 2, square(3, 1, 20, 20)),
        setting("rectangular", &[7, 9], [2, 3], 1, window(&[2, 5], &[1, 3], &[2, 1], &[0, 2], &[1, 3])),
        setting(
            "padding on one side",
            &[6, 6],
            [2, 3],
            1,
            window(&[3, 3], &[2, 2], &[1, 1], &[0, 0], &[1, 1]),
        ),
        setting(
            "kernel of the whole picture",
            &[5, 4],
            [2, 6],
            1,
            window(&[5, 4], &[1, 1], &[1, 1], &[0, 0], &[0, 0]),
        ),
        setting("one axis", &[13], [3, 4], 1, window(&[3], &[2], &[1], &[1], &[1])),
        setting(
            "three axes",
            &[4, 5, 6],
            [2, 3],
            1,
            window(&[3, 2, 3], &[1, 2, 2], &[1, 1, 1], &[1, 0, 1], &[1, 0, 1]),
        ),
    ]
}

/// Which products a convolution sums, by the definition: positions in the small field, in the large field, and in the
/// weights `small channels × large channels per group × taps`, all in plain layout.
pub(in crate::kernel) fn products(
    window: &Window,
    groups: usize,
    large: &[usize],
    small: &[usize],
) -> Vec<[usize; 3]> {
    let filters = [&[small[1], large[1] / groups], &window.kernel[..]].concat();
    let taps = positions(&filters[1..]);
    let mut products = Vec::new();
    for at in positions(small) {
        for tap in &taps {
            let mut source = vec![at[0], at[1] / (small[1] / groups) * filters[1] + tap[0]];
            for axis in 0..window.axes() {
                let place = at[axis + 2] * window.stride[axis] + tap[axis + 1] * window.dilation[axis];
                match place.checked_sub(window.pad_begin[axis]) {
                    Some(place) if place < large[axis + 2] => source.push(place),
                    _ => break,
                }
            }
            if source.len() == large.len() {
                let weight = [&at[1..2], tap].concat();
                products.push([index_of(small, &at), index_of(large, &source), index_of(&filters, &weight)]);
            }
        }
    }
    products
}

/// The bias of each element of a plain array, or zeros.
pub(in crate::kernel) fn biases(extents: &[usize], bias: Option<&Vec<f64>>) -> Vec<f64> {
    positions(extents).iter().map(|at| bias.map_or(0.0, |bias| bias[at[1]])).collect()
}

#[test]
fn equals_the_definition_and_its_differences() {
    check_ways(|geometry| match Depthwise::fits(geometry) {
        true => [Reading::InPlace, Reading::Copied].map(|reading| Way::Depthwise(Some(reading))).to_vec(),
        false => vec![Way::Direct],
    });
}

/// Every tile on every convolution that it can compute, however small: whole and cut tiles.
#[test]
fn winograds_equal_the_definition_and_its_differences() {
    check_ways(|geometry| {
        let tiles = [Tile::Two, Tile::Four, Tile::TwoOfFive].into_iter();
        tiles.filter(|tile| tile.fits(geometry)).map(Way::Winograd).collect()
    });
}

/// Checks all settings in the ways that are chosen for each, with and without a rectifier.
fn check_ways(ways: impl Fn(&Geometry) -> Vec<Way>) {
    let settings = settings();
    let operators: Vec<Convolution> = settings
        .iter()
        .map(|setting| Convolution { window: setting.window.clone(), groups: setting.groups })
        .collect();
    let rectifier = Some(Activation { minimum: -0.4, maximum: 0.7 });
    let mut cases = Vec::new();
    for (seed, (setting, operator)) in settings.iter().zip(&operators).enumerate() {
        let seed = seed as u64;
        let [inputs, outputs] = setting.channels;
        let from = [&[1 + seed as usize % 2, inputs], setting.spatial].concat();
        let filters = [&[outputs, inputs / setting.groups], &setting.window.kernel[..]].concat();
        let mut operands = vec![Array::noise(&from, seed), Array::noise(&filters, seed + 100).constant()];
        if !seed.is_multiple_of(3) {
            operands.push(Array::noise(&[outputs], seed + 200).constant());
        }
        let shapes: Vec<&Shape> = operands.iter().map(|operand| &operand.shape).collect();
        let shape = deepinside_graph::op::Operator::infer(operator, &shapes).unwrap().remove(0);
        let to = shape.extents().to_vec();
        let found = geometry(&operator.window, operator.groups, shapes[0], &shape).unwrap();
        let products = products(&operator.window, operator.groups, &from, &to);
        for (way, activation) in ways(&found).into_iter().flat_map(|way| [(way, None), (way, rectifier)]) {
            let (products, to) = (products.clone(), to.clone());
            let definition = move |operands: &[Vec<f64>]| {
                let mut result = biases(&to, operands.get(2));
                products
                    .iter()
                    .for_each(|&[to, from, weight]| result[to] += operands[0][from] * operands[1][weight]);
                if let Some(Activation { minimum, maximum }) = activation {
                    let clip = |number: &mut f64| *number = number.clamp(minimum.into(), maximum.into());
                    result.iter_mut().for_each(clip);
                }
                vec![result]
            };
            let lower = move |lowering: &Lowering<'_>| {
                lower_by(|_, _| way, operator, lowering, activation, Placing::default(), true)
            };
            let name = format!("{}, {way:?}", setting.name);
            let case = Case::new(name, operator, lower, operands.clone(), definition);
            // A clip to less than one keeps the errors of sums of ten.
            let tolerance = if activation.is_some() { 1.5e-5 } else { case.tolerance };
            cases.push(case.layouts(&[Layout::ChannelsLast]).tolerance(tolerance));
        }
    }
    check(cases);
}

#[test]
fn large_enough_for_several_bands_and_tiles() {
    let window = Window { pad_begin: vec![1, 1], pad_end: vec![1, 1], ..Window::new([3, 3]) };
    let operator = Convolution { window, groups: 1 };
    let (from, filters, to) = ([1, 24, 40, 41], [8, 24, 3, 3], [1, 8, 40, 41]);
    let operands = vec![Array::noise(&from, 1), Array::noise(&filters, 2).constant()];
    let definition = |operands: &[Vec<f64>]| {
        let mut result = vec![0.0; to.iter().product()];
        products(&operator.window, 1, &from, &to)
            .iter()
            .for_each(|&[to, from, weight]| result[to] += operands[0][from] * operands[1][weight]);
        vec![result]
    };
    let lower = |lowering: &Lowering<'_>| lower(&operator, lowering, None, Placing::default(), true);
    let case = Case::new("40×41", &operator, lower, operands, definition);
    check(vec![case.layouts(&[Layout::ChannelsLast]).without_differences()]);
}

/// Images that are wide, and blocks of several chunks of channels, the last of which is not full; pictures with few channels
/// of several blocks. Gradients are compared with sums over the same products.
#[test]
fn large_images_equal_the_definition_both_ways() {
    let settings = [
        ("depthwise", [2, 40, 40, 50], 40, 40, 3, 1),
        ("depthwise with stride", [2, 40, 40, 51], 40, 40, 5, 2),
        ("narrow groups", [2, 40, 30, 31], 40, 5, 3, 1),
        ("narrow groups, some left over", [1, 72, 30, 29], 72, 9, 3, 1),
        ("narrow groups with stride", [2, 24, 41, 40], 24, 3, 3, 2),
        ("few channels", [1, 3, 60, 49], 20, 1, 3, 1),
        ("few channels with stride", [2, 3, 71, 60], 9, 1, 7, 3),
        ("one channel", [17, 1, 20, 21], 5, 1, 5, 4),
    ];
    for (name, from, outputs, groups, kernel, stride) in settings {
        let pad = vec![kernel / 2; 2];
        let window = Window {
            stride: vec![stride; 2],
            pad_begin: pad.clone(),
            pad_end: pad,
            ..Window::new([kernel; 2])
        };
        let operator = Convolution { window, groups };
        let filters = [outputs, from[1] / groups, kernel, kernel];
        let operands = vec![Array::noise(&from, 1), Array::noise(&filters, 2).constant()];
        let shapes: Vec<&Shape> = operands.iter().map(|operand| &operand.shape).collect();
        let to = deepinside_graph::op::Operator::infer(&operator, &shapes).unwrap()[0].extents().to_vec();
        let products = products(&operator.window, groups, &from, &to);
        let seed = Array::noise(&to, 3).numbers;
        let (mut results, mut gradients) = (vec![0.0; seed.len()], vec![0.0; from.iter().product::<usize>()]);
        let numbers: Vec<Vec<f64>> = operands.iter().map(Array::doubles).collect();
        for &[to, from, weight] in &products {
            results[to] += numbers[0][from] * numbers[1][weight];
            gradients[from] += f64::from(seed[to]) * numbers[1][weight];
        }
        let lower = |lowering: &Lowering<'_>| lower(&operator, lowering, None, Placing::default(), true);
        let case = Case::new(name, &operator, lower, operands, |_| vec![]);
        let outcome = case.run(Layout::ChannelsLast, BackwardRule::Gradient, &[seed]);
        assert_eq!(mismatch(&outcome.results[0], &results, 2e-6), None, "{name}");
        assert_eq!(mismatch(&outcome.gradients[0], &gradients, 2e-6), None, "{name}");
    }
}

/// Tiles that are cut or whole, few and many, rows of them that are read where they lie, and more filters than stay in the caches,
/// with groups, both directions.
#[test]
fn winograds_of_many_tiles_equal_the_definition() {
    let settings = [
        (Tile::Four, [1, 16, 17, 19], 16, 1, 3),
        (Tile::Four, [2, 16, 18, 17], 32, 2, 3),
        (Tile::Four, [1, 8, 57, 60], 8, 1, 3),
        (Tile::Four, [1, 176, 5, 6], 176, 1, 3),
        (Tile::Two, [1, 8, 57, 60], 8, 1, 3),
        (Tile::TwoOfFive, [1, 8, 27, 60], 8, 1, 5),
        (Tile::TwoOfFive, [2, 16, 19, 27], 32, 2, 5),
        (Tile::Four, [2, 16, 10, 380], 8, 1, 3),
        (Tile::Four, [1, 32, 9, 380], 16, 2, 3),
        (Tile::Two, [1, 24, 7, 380], 8, 1, 3),
        (Tile::TwoOfFive, [1, 16, 7, 380], 8, 1, 5),
    ];
    let operators = settings.map(|(_, _, _, groups, kernel)| {
        let pad = vec![kernel / 2; 2];
        let window = Window { pad_begin: pad.clone(), pad_end: pad, ..Window::new([kernel; 2]) };
        Convolution { window, groups }
    });
    let cases =
        settings.into_iter().zip(&operators).map(|((tile, from, outputs, groups, kernel), operator)| {
            let filters = [outputs, from[1] / groups, kernel, kernel];
            let operands = vec![Array::noise(&from, 1), Array::noise(&filters, 2).constant()];
            let to = [from[0], outputs, from[2], from[3]];
            let products = products(&operator.window, groups, &from, &to);
            let definition = move |operands: &[Vec<f64>]| {
                let mut result = vec![0.0; to.iter().product()];
                products
                    .iter()
                    .for_each(|&[to, from, weight]| result[to] += operands[0][from] * operands[1][weight]);
                vec![result]
            };
            let way = Way::Winograd(tile);
            let lower = move |lowering: &Lowering<'_>| {
                lower_by(|_, _| way, operator, lowering, None, Placing::default(), true)
            };
            let case = Case::new(format!("{tile:?} of {from:?}"), operator, lower, operands, definition);
            case.layouts(&[Layout::ChannelsLast]).tolerance(5e-6).without_differences()
        });
    check(cases.collect());
}

/// Larger tiles pay where an image has many of them, or a batch does; on small images what lies beyond the border, and
/// filters that are read for few tiles, cost more.
#[test]
fn the_way_follows_from_the_extents() {
    let way_by = |lanes: usize, extent: usize, channels: usize, kernel: usize, batch: usize| {
        let field = Field::new([1, extent, extent], channels);
        let (kernel, pad) = ([1, kernel, kernel], [0, kernel / 2, kernel / 2]);
        let (stride, dilation, groups) = ([1; 3], [1; 3], 1);
        let geometry = Geometry { large: field, small: field, kernel, stride, dilation, pad, groups };
        Way::best(&geometry, batch, lanes)
    };
    let way = |extent, channels, kernel, batch| way_by(8, extent, channels, kernel, batch);
    assert_eq!(way(56, 64, 3, 1), Way::Winograd(Tile::Four));
    assert_eq!(way(14, 256, 3, 1), Way::Winograd(Tile::Two));
    assert_eq!(way(13, 64, 3, 1), Way::Winograd(Tile::Four));
    assert_eq!(way(7, 512, 3, 1), Way::Winograd(Tile::Two));
    assert_eq!(way(14, 256, 3, 16), Way::Winograd(Tile::Four));
    assert_eq!(way(27, 96, 5, 1), Way::Winograd(Tile::TwoOfFive));
    assert_eq!(way(56, 8, 1, 1), Way::Direct);
    // Twice as wide vectors wait longer for filters.
    assert_eq!([1, 16].map(|batch| way_by(16, 7, 512, 3, batch)), [Way::Direct, Way::Winograd(Tile::Four)]);
    assert_eq!(way_by(16, 56, 64, 3, 1), Way::Winograd(Tile::Four));
}
