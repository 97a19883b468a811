//! Pooling against its definition.

use deepinside_graph::op::{AverageDivisor, Window};

use super::super::testing::{Array, Case, check, index_of, mismatch, positions};
use super::*;
use crate::Precision;
use crate::simd::Instructions;
use crate::{BackwardRule, Layout};

/// The reference: every window element by element.
fn reference(op: &Pool, shape: &[usize], x: &[f64]) -> Vec<Vec<f64>> {
    let window = &op.window;
    let (spatial, axes) = (&shape[2..], window.axes());
    let mut result_shape = shape[..2].to_vec();
    result_shape.extend(&op.output);
    let (mut values, mut places) = (Vec::new(), Vec::new());
    for output in positions(&result_shape) {
        let (mut largest, mut place) = (f64::from(f32::MIN), -1.0);
        let (mut sum, mut inside, mut padded) = (0.0, 0.0, 0.0);
        for tap in positions(&window.kernel) {
            let at = |axis: usize| {
                (output[axis + 2] * window.stride[axis] + tap[axis] * window.dilation[axis]) as isize
                    - window.pad_begin[axis] as isize
            };
            if (0..axes).all(|axis| at(axis) < (spatial[axis] + window.pad_end[axis]) as isize) {
                padded += 1.0;
            }
            if (0..axes).all(|axis| (0..spatial[axis] as isize).contains(&at(axis))) {
                let position: Vec<usize> = (0..axes).map(|axis| at(axis) as usize).collect();
                let element = x[index_of(shape, &[&output[..2], &position].concat())];
                inside += 1.0;
                sum += element;
                if element > largest {
                    (largest, place) = (element, index_of(spatial, &position) as f64);
                }
            }
        }
        values.push(match op.kind {
            PoolKind::Maximum => largest,
            PoolKind::Average(_) if inside == 0.0 => 0.0,
            PoolKind::Average(AverageDivisor::Input) => sum / inside,
            PoolKind::Average(AverageDivisor::PaddedInput) => sum / padded,
        });
        places.push(place);
    }
    if op.with_positions { vec![values, places] } else { vec![values] }
}

struct Setting {
    shape: &'static [usize],
    kernel: &'static [usize],
    stride: &'static [usize],
    dilation: &'static [usize],
    pads: [&'static [usize]; 2],
    output: &'static [usize],
}

const SETTINGS: [Setting; 14] = [
    // Caffe's rounding up, the last window overhanging.
    Setting {
        shape: &[2, 3, 7, 9],
        kernel: &[3, 3],
        stride: &[2, 2],
        dilation: &[1, 1],
        pads: [&[0, 0], &[0, 0]],
        output: &[3, 4],
    },
    Setting {
        shape: &[1, 9, 8, 10],
        kernel: &[3, 3],
        stride: &[2, 2],
        dilation: &[1, 1],
        pads: [&[0, 0], &[0, 0]],
        output: &[4, 5],
    },
    Setting {
        shape: &[1, 2, 6, 7],
        kernel: &[3, 3],
        stride: &[2, 2],
        dilation: &[1, 1],
        pads: [&[1, 1], &[1, 1]],
        output: &[4, 4],
    },
    Setting {
        shape: &[1, 2, 9, 11],
        kernel: &[2, 4],
        stride: &[3, 2],
        dilation: &[1, 1],
        pads: [&[1, 2], &[1, 2]],
        output: &[4, 7],
    },
    // Padding on one side.
    Setting {
        shape: &[1, 2, 6, 7],
        kernel: &[3, 2],
        stride: &[1, 1],
        dilation: &[1, 1],
        pads: [&[2, 0], &[0, 1]],
        output: &[6, 7],
    },
    // Windows over nothing.
    Setting {
        shape: &[1, 2, 3, 3],
        kernel: &[2, 2],
        stride: &[4, 4],
        dilation: &[1, 1],
        pads: [&[0, 0], &[0, 0]],
        output: &[2, 2],
    },
    // Global, and more channels than are worked on together.
    Setting {
        shape: &[2, 43, 3, 2],
        kernel: &[3, 2],
        stride: &[1, 1],
        dilation: &[1, 1],
        pads: [&[0, 0], &[0, 0]],
        output: &[1, 1],
    },
    // Gaps between windows, and inside of them.
    Setting {
        shape: &[1, 2, 9, 8],
        kernel: &[2, 1],
        stride: &[3, 4],
        dilation: &[1, 1],
        pads: [&[0, 0], &[0, 0]],
        output: &[3, 2],
    },
    Setting {
        shape: &[1, 2, 9, 8],
        kernel: &[3, 2],
        stride: &[1, 2],
        dilation: &[2, 3],
        pads: [&[2, 1], &[2, 1]],
        output: &[9, 4],
    },
    Setting {
        shape: &[1, 2, 2, 2],
        kernel: &[3, 3],
        stride: &[1, 1],
        dilation: &[3, 3],
        pads: [&[3, 3], &[3, 3]],
        output: &[2, 2],
    },
    // One and three spatial axes.
    Setting {
        shape: &[2, 3, 9],
        kernel: &[3],
        stride: &[2],
        dilation: &[1],
        pads: [&[1], &[1]],
        output: &[5],
    },
    Setting {
        shape: &[1, 2, 4, 5, 3],
        kernel: &[2, 3, 2],
        stride: &[2, 1, 1],
        dilation: &[1, 1, 1],
        pads: [&[0, 1, 1], &[0, 1, 0]],
        output: &[2, 5, 3],
    },
    // A window larger than the padded input.
    Setting {
        shape: &[1, 2, 2, 3],
        kernel: &[5, 5],
        stride: &[5, 5],
        dilation: &[1, 1],
        pads: [&[0, 0], &[0, 0]],
        output: &[1, 1],
    },
    // More than one piece of work.
    Setting {
        shape: &[2, 43, 41, 37],
        kernel: &[3, 3],
        stride: &[2, 2],
        dilation: &[1, 1],
        pads: [&[1, 0], &[1, 0]],
        output: &[21, 18],
    },
];

impl Setting {
    fn op(&self, kind: PoolKind, with_positions: bool) -> Pool {
        let window = Window {
            kernel: self.kernel.to_vec(),
            stride: self.stride.to_vec(),
            dilation: self.dilation.to_vec(),
            pad_begin: self.pads[0].to_vec(),
            pad_end: self.pads[1].to_vec(),
        };
        Pool { kind, window, output: self.output.to_vec(), with_positions }
    }
}

#[test]
fn windows_are_pooled_as_defined() {
    let kinds = [
        (PoolKind::Maximum, false),
        (PoolKind::Maximum, true),
        (PoolKind::Average(AverageDivisor::PaddedInput), false),
        (PoolKind::Average(AverageDivisor::Input), false),
    ];
    let mut cases = Vec::new();
    for setting in &SETTINGS {
        for (kind, with_positions) in kinds {
            let op: &Pool = Box::leak(Box::new(setting.op(kind, with_positions)));
            let large = setting.shape.contains(&41);
            // Where there are many elements ties are welcome; differences want none.
            let x = if large {
                Array::noise(setting.shape, 50).map(|x| (x * 9.0).round())
            } else {
                Array::apart(setting.shape, 50)
            };
            let case = Case::new(
                format!("{kind:?} {op} of {:?}", setting.shape),
                op,
                |lowering| lower(op, lowering, None),
                vec![x],
                |x| reference(op, setting.shape, &x[0]),
            )
            .layouts(&[Layout::ChannelsLast]);
            cases.push(if large { case.without_differences() } else { case });
        }
    }
    check(cases);
}

#[test]
fn gradients_of_large_operands_are_scattered_to_the_maxima() {
    let setting = &SETTINGS[13];
    let op = setting.op(PoolKind::Maximum, true);
    let x = Array::noise(setting.shape, 51).map(|x| (x * 9.0).round());
    let case = Case::new("", &op, |lowering| lower(&op, lowering, None), vec![x], |_| vec![]);
    let [n, c, h, w] = [2, 43, 41, 37];
    let windows = 21 * 18;
    let g = Array::noise(&[n, c, 21, 18], 52).numbers;
    let found = case.run(Layout::ChannelsLast, BackwardRule::Gradient, &[g.clone(), g.clone()]);
    let mut expected = vec![0.0; n * c * h * w];
    for (at, &g) in g.iter().enumerate() {
        expected[at / windows * h * w + found.results[1][at] as usize] += f64::from(g);
    }
    assert_eq!(mismatch(&found.gradients[0], &expected, 1e-6), None);
}

#[test]
fn the_first_of_equal_maxima_gets_the_gradient() {
    let op = Setting {
        shape: &[1, 1, 2, 2],
        kernel: &[2, 2],
        stride: &[1, 1],
        dilation: &[1, 1],
        pads: [&[0, 0], &[0, 0]],
        output: &[1, 1],
    }
    .op(PoolKind::Maximum, true);
    for (x, place) in [([1.0, 1.0, 1.0, 1.0], 0), ([0.0, 2.0, 2.0, 2.0], 1), ([f32::NEG_INFINITY; 4], 0)] {
        let case = Case::new(
            "",
            &op,
            |lowering| lower(&op, lowering, None),
            vec![Array::new(&[1, 1, 2, 2], x)],
            |_| vec![],
        );
        let found = case.run(Layout::ChannelsLast, BackwardRule::Gradient, &[vec![3.0], vec![9.0]]);
        let mut expected = vec![0.0; 4];
        expected[place] = 3.0;
        assert_eq!((found.results[0][0], found.results[1][0]), (x[place], place as f32));
        assert_eq!(found.gradients[0], expected);
    }
}

#[test]
fn plain_layout_and_four_spatial_axes_are_refused() {
    let op = SETTINGS[0].op(PoolKind::Maximum, false);
    let shape = deepinside_graph::Shape::new([2, 3, 7, 9]).unwrap();
    let plain = Operand { shape: &shape, layout: Layout::Plain, weights: None };
    let lowering = Lowering {
        operands: vec![plain.clone()],
        results: vec![plain],
        instructions: Instructions::Detected,
        precision: Precision::Exact,
        rule: BackwardRule::Gradient,
        backward: true,
    };
    assert!(lower(&op, &lowering, None).is_err());
    let window = Window::new([1, 1, 1, 1]);
    let op = Pool { kind: PoolKind::Maximum, window, output: vec![1; 4], with_positions: false };
    let shape = deepinside_graph::Shape::new([1; 6]).unwrap();
    let last = Operand { shape: &shape, layout: Layout::ChannelsLast, weights: None };
    let lowering = Lowering {
        operands: vec![last.clone()],
        results: vec![last],
        instructions: Instructions::Detected,
        precision: Precision::Exact,
        rule: BackwardRule::Gradient,
        backward: true,
    };
    assert!(lower(&op, &lowering, None).is_err());
}

#[test]
fn a_forward_pass_alone_keeps_no_positions_and_finds_the_same_maxima() {
    for setting in &SETTINGS {
        let op = setting.op(PoolKind::Maximum, false);
        let shape = deepinside_graph::Shape::new(setting.shape).unwrap();
        let result = deepinside_graph::op::Operator::infer(&op, &[&shape]).unwrap().remove(0);
        let x = Array::noise(setting.shape, 53).numbers;
        for instructions in Instructions::ALL {
            let run = |backward: bool| {
                let last = |shape| Operand { shape, layout: Layout::ChannelsLast, weights: None };
                let lowering = Lowering {
                    operands: vec![last(&shape)],
                    results: vec![last(&result)],
                    instructions,
                    precision: Precision::Exact,
                    rule: BackwardRule::Gradient,
                    backward,
                };
                let kernel = lower(&op, &lowering, None).unwrap();
                let mut positions = vec![0; kernel.saved().positions];
                let mut values = vec![f32::NAN; result.elements()];
                kernel.forward(Forward {
                    operands: &[&x],
                    results: &mut [&mut values],
                    numbers: &mut [],
                    positions: &mut positions,
                    workspace: &mut [],
                });
                (values.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), positions.len())
            };
            let (alone, with_gradients) = (run(false), run(true));
            assert_eq!(alone.0, with_gradients.0, "{op}");
            assert_eq!((alone.1, with_gradients.1), (0, result.elements()));
        }
    }
}
