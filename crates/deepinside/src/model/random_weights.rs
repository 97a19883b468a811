//! Random weights under which a network behaves like a trained one, as far as its speed is concerned.
//!
//! How much work a gradient is depends on how many units are active: a trained ConvNet's rectifiers let through a tenth to a
//! half. Plain random weights are far from that. So layers are calibrated one after the other on a structured picture:
//! filters are scaled until their responses have deviation one, and biases are set so that the wanted share is below zero.

use deepinside_engine::{PlanOptions, Threads};
use deepinside_graph::op::{Eltwise, Unary};
use deepinside_graph::{GraphError, Node, NodeId, Op, Shape, ValueId, Weights};

use crate::random::Random;
use crate::{Model, Result};

/// The share of zeros behind the rectifiers of the first and the last convolution, and of fully connected layers. With
/// these the first fully connected layer of CaffeNet sees as many zeros as under its trained weights, 78 %.
const FIRST: f64 = 0.5;
const LAST: f64 = 0.85;
const CONNECTED: f64 = 0.85;

/// Gives every layer weights of a seed.
///
/// # Errors
/// When a layer cannot be computed.
pub(super) fn calibrate(model: &mut Model, seed: u64) -> Result<()> {
    model.expect_room_for_random_weights()?;
    let mut noise = Random::new(seed);
    let picture = model.structured_picture();
    let threads = Threads::new(0)?;
    let is_convolution = |node: &&Node| matches!(node.op, Op::Convolution(_) | Op::Deconvolution(_));
    let convolutions = model.graph.nodes().iter().filter(is_convolution).count();
    let mut seen = 0;
    for index in 0..model.graph.nodes().len() {
        let node = model.graph.nodes()[index].clone();
        match &node.op {
            Op::BatchNormalization(_) => {
                for (position, number) in [(1, 0.0), (2, 1.0), (3, 1.0), (4, 0.0)] {
                    if let Some(&value) = node.inputs.get(position) {
                        fill(model, value, |_| number)?;
                    }
                }
            }
            Op::Eltwise(Eltwise::Product) => {
                for &value in &node.inputs {
                    fill(model, value, |_| 1.0)?;
                }
            }
            Op::Convolution(_) | Op::Deconvolution(_) => {
                let depth = seen as f64 / convolutions.saturating_sub(1).max(1) as f64;
                let zeros = FIRST + depth * (LAST - FIRST);
                seen += 1;
                layer(model, &node, zeros, &picture, &threads, &mut noise)?;
            }
            Op::InnerProduct(_) => layer(model, &node, CONNECTED, &picture, &threads, &mut noise)?,
            _ => {}
        }
    }
    Ok(())
}

/// One layer: random filters, scaled; random biases, shifted so that a rectifier leaves the wanted share of zeros.
fn layer(
    model: &mut Model,
    node: &Node,
    zeros: f64,
    picture: &[f32],
    threads: &Threads,
    noise: &mut Random,
) -> Result<()> {
    let seed = noise.bits();
    filters(model, node.inputs[1], seed, 1.0)?;
    if let Some(&bias) = node.inputs.get(2) {
        fill(model, bias, |_| 0.0)?;
    }
    let responses = responses(model, node.outputs[0], picture, threads)?;
    let count = responses.len().max(1) as f64;
    let mean = responses.iter().map(|&number| f64::from(number)).sum::<f64>() / count;
    let squares = responses.iter().map(|&number| (f64::from(number) - mean).powi(2)).sum::<f64>();
    let deviation = (squares / count).sqrt().max(1e-20);
    filters(model, node.inputs[1], seed, 1.0 / deviation)?;
    let Some(&bias) = node.inputs.get(2) else { return Ok(()) };
    let channels = model.graph.value(bias).shape.elements();
    let biases: Vec<f64> = (0..channels).map(|_| noise.normal()).collect();
    let shift = if is_rectified(model, node) {
        let positions = (responses.len() / channels.max(1)).max(1);
        let shifted = |(index, &number): (usize, &f32)| {
            f64::from(number) / deviation + biases[index / positions % channels]
        };
        let mut sums: Vec<f64> = responses.iter().enumerate().map(shifted).collect();
        sums.sort_by(f64::total_cmp);
        sums.get((zeros * sums.len() as f64) as usize).copied().unwrap_or(0.0)
    } else {
        0.0
    };
    fill(model, bias, |index| biases[index] - shift)
}

/// What a value is for a picture.
fn responses(model: &Model, value: ValueId, picture: &[f32], threads: &Threads) -> Result<Vec<f32>> {
    let options = PlanOptions { activations: vec![value], ..PlanOptions::default() };
    let mut session = model.session(1, &options, threads)?;
    session.forward(&[(model.input, picture)])?;
    Ok(session.activation(value)?)
}

/// Whether a rectifier reads a layer's result, at once or behind a normalisation.
fn is_rectified(model: &Model, node: &Node) -> bool {
    let consumers = model.graph.consumers();
    let reads = |consumer: &NodeId| match &model.graph.node(*consumer).op {
        Op::Unary(Unary::Relu { .. } | Unary::Clip { .. }) => true,
        Op::BatchNormalization(_) => is_rectified(model, model.graph.node(*consumer)),
        _ => false,
    };
    consumers[node.outputs[0].index()].iter().any(reads)
}

/// Gives a constant numbers; anything else stays what it is.
fn fill(model: &mut Model, value: ValueId, mut number: impl FnMut(usize) -> f64) -> Result<()> {
    let known = model.graph.value(value);
    if known.weights().is_none() {
        return Ok(());
    }
    let shape = known.shape.clone();
    let numbers: Vec<f32> = (0..shape.elements()).map(|index| number(index) as f32).collect();
    replace(model, value, shape, &numbers)
}

/// Gives a constant noise, which takes no memory: what is measured shall not hold the weights twice.
fn filters(model: &mut Model, value: ValueId, seed: u64, deviation: f64) -> Result<()> {
    if model.graph.value(value).weights().is_some() {
        let shape = model.graph.value(value).shape.clone();
        model.graph =
            model.graph.clone().with_weights(value, Weights::noise(shape, seed, deviation as f32))?;
    }
    Ok(())
}

fn replace(model: &mut Model, value: ValueId, shape: Shape, numbers: &[f32]) -> Result<()> {
    let name = model.graph.value(value).name.clone();
    let weights =
        Weights::from_f32(shape, numbers).map_err(|cause| GraphError::Value { value: name, cause })?;
    model.graph = model.graph.clone().with_weights(value, weights)?;
    Ok(())
}
