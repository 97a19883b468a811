//! Windows of a few bytes that would copy gigabytes.

#[allow(dead_code, reason = "not all that networks share is used")]
mod common;

use deepinside_engine::{EngineError, Plan, PlanOptions};
use deepinside_graph::op::{Convolution, Window};
use deepinside_graph::{Graph, GraphBuilder, Shape};

use crate::common::constant;

/// Three rows of taps, so many rows apart, on a picture of 8 × 8 with so much padding.
fn network(groups: usize, distance: usize, padding: usize) -> Graph {
    let mut builder = GraphBuilder::new("far");
    let x = builder.input("x", Shape::new([1, 3, 8, 8]).unwrap()).unwrap();
    let weights = constant(&mut builder, "w", &[3, 3 / groups, 3, 1], 1.0, 0.0);
    let window = Window {
        dilation: vec![distance, 1],
        pad_begin: vec![padding, 0],
        pad_end: vec![padding, 0],
        ..Window::new([3, 1])
    };
    let y = builder.node("y", Convolution { window, groups }, &[x, weights], &["y"]).unwrap()[0];
    builder.finish(&[y])
}

fn plan(graph: &Graph) -> Result<Plan, EngineError> {
    let (inputs, outputs) = (graph.inputs().to_vec(), graph.outputs().to_vec());
    Plan::new(
        graph,
        &PlanOptions {
            activations: outputs.clone(),
            gradients: inputs,
            targets: outputs,
            ..PlanOptions::default()
        },
    )
}

/// Three hundred bytes of ONNX took twenty seconds: a block of rows was copied with all the border between its taps.
#[test]
fn what_lies_between_far_taps_is_not_copied_for_nothing() {
    const FAR: usize = 1 << 20;
    // All but the middle row of taps see only the border.
    for groups in [1, 3] {
        let plan = plan(&network(groups, FAR, FAR)).unwrap();
        // The picture, its gradient, and the result's with it, at most twice.
        assert!(plan.session_bytes() <= 6 * 4 * 3 * 64 + 4096, "{}", plan.session_bytes());
    }
    // Here each sees the picture from some windows.
    let Err(error) = plan(&network(1, FAR, 2 * FAR)).map(drop) else {
        panic!("a window of a million rows was planned")
    };
    assert!(error.to_string().contains("numbers of the input are copied"), "{error}");
    plan(&network(1, 36, 36)).unwrap();
}
