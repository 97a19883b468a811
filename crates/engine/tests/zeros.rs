//! Gradients that are zero almost everywhere, as a class score's: terms of zero are left out, and nothing else.

mod common;

use std::sync::Arc;

use deepinside_engine::{Instructions, Plan, PlanOptions, Session, Target, Threads};
use deepinside_graph::op::{Convolution, Unary, Window};
use deepinside_graph::{GraphBuilder, Shape};

use crate::common::{constant, noise};

/// A gradient is linear in its target: that of one channel is what it adds to that of noise, in which nothing is zero.
#[test]
fn the_gradient_of_one_channel_is_its_part_of_a_dense_one() {
    let square = |kernel: usize, stride: usize, pad: usize| Window {
        stride: vec![stride; 2],
        pad_begin: vec![pad; 2],
        pad_end: vec![pad; 2],
        ..Window::new([kernel; 2])
    };
    let layers = [
        ("pointwise", [40, 24], square(1, 1, 0), 1),
        ("pointwise with stride", [40, 24], square(1, 2, 0), 1),
        ("pointwise in groups", [48, 32], square(1, 1, 0), 2),
        ("3 × 3 with stride", [64, 20], square(3, 2, 1), 1),
        ("of a picture", [96, 3], square(7, 2, 3), 1),
        ("larger than the caches", [300, 280], square(1, 1, 0), 1),
    ];
    for (name, [outputs, inputs], window, groups) in layers {
        for (batch, rectified, instructions) in [
            (1, false, Instructions::Detected),
            (3, true, Instructions::Detected),
            (1, true, Instructions::Portable),
        ] {
            let mut b = GraphBuilder::new(name);
            let x = b.input("x", Shape::new([batch, inputs, 15, 14]).unwrap()).unwrap();
            let filters = [&[outputs, inputs / groups], &window.kernel[..]].concat();
            let weights = constant(&mut b, "weights", &filters, 0.2, 0.0);
            let convolution = Convolution { window: window.clone(), groups };
            let mut y = b.node("y", convolution, &[x, weights], &["y"]).unwrap()[0];
            if rectified {
                y = b.node("r", Unary::Relu { negative_slope: 0.0 }, &[y], &["r"]).unwrap()[0];
            }
            let graph = b.finish(&[y]);
            let options =
                PlanOptions { gradients: vec![x], targets: vec![y], instructions, ..PlanOptions::default() };
            let plan = Arc::new(Plan::new(&graph, &options).unwrap());
            let mut session = Session::new(plan, Threads::new(2).unwrap()).unwrap();
            session.forward(&[(x, &noise(batch * inputs * 15 * 14, 3))]).unwrap();
            let mut gradient = |target: &[f32]| {
                session.backward(&[(y, &Target::Dense(target.to_vec()))]).unwrap();
                session.gradient(x).unwrap()
            };
            let shape = &graph.value(y).shape;
            let area = shape.extents()[2] * shape.extents()[3];
            let dense = noise(shape.elements(), 8);
            let mut one = vec![0.0; dense.len()];
            for (picture, one) in one.chunks_exact_mut(outputs * area).enumerate() {
                one[(5 + picture) * area..][..area].copy_from_slice(&noise(area, 9));
            }
            let both: Vec<f32> = dense.iter().zip(&one).map(|(a, b)| a + b).collect();
            let (of_dense, of_both, of_one) = (gradient(&dense), gradient(&both), gradient(&one));
            let largest = of_one.iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
            assert!(largest > 0.01, "{name}: nothing flows back");
            for ((dense, both), one) in of_dense.iter().zip(&of_both).zip(&of_one) {
                assert!((both - dense - one).abs() < 3e-5, "{name}: {one} instead of {}", both - dense);
            }
        }
    }
}
