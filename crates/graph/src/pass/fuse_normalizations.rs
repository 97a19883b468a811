//! Layer normalisations that a file spells in steps, as one node.
//!
//! Before operator set 17 ONNX had none, so exporters wrote the mean, the differences from it, the mean of their squares, its
//! root and a quotient.

use super::Keep;
use super::fuse::{Search, fuse};
use crate::op::{
    Binary, Eltwise, EpsilonPlacement, Function, MeanVarianceNormalization, Reduce, Reduction, Unary, Visitor,
};
use crate::{Graph, Node, Op, ValueId};

/// How far a spelled root may be off, relative to its value: it is computed here in double precision.
const TOLERANCE: f64 = 1e-6;

/// The most steps between the variance and what differences are divided by or multiplied with.
const MOST: usize = 4;

/// Makes one node of each normalisation whose steps are neither observed nor read by anything else. Scale and shift behind it
/// stay nodes.
pub fn fuse_normalizations(graph: Graph, keep: &Keep) -> Graph {
    fuse(graph, keep, |search, root| {
        let (operator, operand, steps) = search.normalization(root)?;
        Some((operator.into(), operand, steps))
    })
}

impl Search<'_> {
    /// The normalisation whose last step a node is: its operator and operand, and its other steps.
    fn normalization(&self, root: usize) -> Option<(MeanVarianceNormalization, ValueId, Vec<usize>)> {
        let node = self.graph.nodes.get(root)?;
        let divides = match node.op {
            Op::Binary(Binary::Divide) => true,
            Op::Eltwise(Eltwise::Product) => false,
            _ => return None,
        };
        let [first, second] = node.inputs[..] else { return None };
        let ways = if divides { vec![(first, second)] } else { vec![(first, second), (second, first)] };
        ways.into_iter().find_map(|(differences, factor)| self.spelled(root, differences, factor, divides))
    }

    fn spelled(
        &self,
        root: usize,
        differences: ValueId,
        factor: ValueId,
        divides: bool,
    ) -> Option<(MeanVarianceNormalization, ValueId, Vec<usize>)> {
        // From the factor back to the variance: functions of one number.
        let (mut functions, mut steps, mut value) = (Vec::new(), Vec::new(), factor);
        let variance = loop {
            let (step, node) = self.step(value)?;
            steps.push(step);
            match &node.op {
                Op::Unary(function @ Unary::Power { .. }) if functions.len() < MOST => {
                    functions.push(*function);
                    value = node.inputs[0];
                }
                Op::Reduce(reduce) => break (reduce, node.inputs[0]),
                _ => return None,
            }
        };
        let (Reduce { reduction: Reduction::Mean, axes, keep_axes: true, coefficient: 1.0 }, squares) =
            variance
        else {
            return None;
        };
        let (square, node) = self.step(squares)?;
        let is_square = match &node.op {
            Op::Unary(Unary::Power { power, scale, shift }) => {
                (*power, scale.abs(), *shift) == (2.0, 1.0, 0.0) && node.inputs[0] == differences
            }
            Op::Eltwise(Eltwise::Product) => node.inputs[..] == [differences, differences],
            _ => false,
        };
        let (difference, node) = self.step(differences)?;
        let Op::Eltwise(Eltwise::Sum { coefficients }) = &node.op else { return None };
        let ([operand, mean], [1.0, -1.0]) = (&node.inputs[..], &coefficients[..]) else { return None };
        let (average, node) = self.step(*mean)?;
        let is_mean =
            matches!(&node.op, Op::Reduce(reduce) if reduce == variance.0) && node.inputs[0] == *operand;
        steps.extend([square, difference, average]);
        let inside = |step: &usize| {
            self.graph.nodes[*step].outputs.iter().all(|output| {
                let readers = &self.consumers[output.0];
                readers.iter().all(|reader| reader.0 == root || steps.contains(&reader.0))
            })
        };
        if !is_square || !is_mean || !steps.iter().all(inside) {
            return None;
        }
        let epsilon = epsilon(&functions, divides)?;
        let operator = MeanVarianceNormalization {
            axes: axes.clone(),
            variance: true,
            epsilon,
            placement: EpsilonPlacement::InsideRoot,
        };
        Some((operator, *operand, steps))
    }

    /// The node that computes a value which is not observed.
    fn step(&self, value: ValueId) -> Option<(usize, &Node)> {
        let step = self.producers[value.0]?.0;
        let hidden = !self.keep.contains(value) && !self.graph.outputs.contains(&value);
        hidden.then(|| (step, &self.graph.nodes[step]))
    }
}

/// The ε for which functions, the last one first, make the deviation `√(v + ε)` of a variance, or its reciprocal.
fn epsilon(functions: &[Unary], divides: bool) -> Option<f32> {
    let root = |variance: f64| {
        let number = functions.iter().rev().fold(variance, |number, function| function.accept(At(number)));
        if divides { number } else { 1.0 / number }
    };
    let epsilon = root(0.0) * root(0.0);
    let equals = |variance: f64| {
        let expected = (variance + epsilon).sqrt();
        (root(variance) - expected).abs() <= TOLERANCE * expected
    };
    let known = epsilon.is_finite() && [1e-6, 1e-3, 0.1, 1.0, 7.0, 1e3].into_iter().all(equals);
    known.then_some(epsilon as f32)
}

/// The value of a function at a place.
struct At(f64);

impl Visitor for At {
    type Output = f64;

    fn visit(self, function: impl Function) -> f64 {
        function.value(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GraphBuilder, Shape};

    fn power(power: f32, shift: f32) -> Unary {
        Unary::Power { power, scale: 1.0, shift }
    }

    /// x → mean → difference → square → mean → the functions → quotient or product; all values but the input.
    fn network(functions: &[Unary], last: Op, axes: [&[usize]; 2]) -> (Graph, Vec<ValueId>) {
        let mut b = GraphBuilder::new("");
        let x = b.input("x", Shape::new([2, 3, 8]).unwrap()).unwrap();
        let mean = |axes: &[usize]| Reduce {
            reduction: Reduction::Mean,
            axes: axes.to_vec(),
            keep_axes: true,
            coefficient: 1.0,
        };
        let m = b.node("m", mean(axes[0]), &[x], &["m"]).unwrap()[0];
        let difference = Eltwise::Sum { coefficients: vec![1.0, -1.0] };
        let d = b.node("d", difference, &[x, m], &["d"]).unwrap()[0];
        let s = b.node("s", power(2.0, 0.0), &[d], &["s"]).unwrap()[0];
        let mut values = vec![m, d, s, b.node("v", mean(axes[1]), &[s], &["v"]).unwrap()[0]];
        for (index, function) in functions.iter().enumerate() {
            let name = format!("f{index}");
            let operand = values[values.len() - 1];
            values.push(b.node(&name, *function, &[operand], &[&name]).unwrap()[0]);
        }
        let factor = values[values.len() - 1];
        values.push(b.node("y", last, &[d, factor], &["y"]).unwrap()[0]);
        (b.finish(&values[values.len() - 1..]), values)
    }

    #[test]
    fn spellings_become_one_node() {
        let (divide, product): (Op, Op) = (Binary::Divide.into(), Eltwise::Product.into());
        let spellings = [
            (vec![power(1.0, 1e-5), power(0.5, 0.0)], divide.clone()),
            (vec![power(0.5, 1e-5)], divide),
            (vec![power(0.5, 1e-5), power(-1.0, 0.0)], product.clone()),
            (vec![power(-0.5, 1e-5)], product),
        ];
        for (functions, last) in spellings {
            let (graph, values) = network(&functions, last, [&[2], &[2]]);
            let input = graph.inputs()[0];
            let fused = fuse_normalizations(graph, &Keep::from_iter([]));
            let [node] = fused.nodes() else { panic!("{fused}") };
            let Op::MeanVarianceNormalization(op) = &node.op else { panic!("{fused}") };
            assert_eq!((&op.axes[..], op.variance, node.inputs[0]), (&[2][..], true, input));
            assert_eq!(Some(&node.outputs[0]), values.last());
            assert!((op.epsilon - 1e-5).abs() < 1e-10, "{}", op.epsilon);
        }
    }

    #[test]
    fn nothing_else_is_fused() {
        let functions = [power(0.5, 1e-5)];
        let divide: Op = Binary::Divide.into();
        let (graph, values) = network(&functions, divide.clone(), [&[2], &[2]]);
        let nodes = graph.nodes().len();
        for &kept in &values[..values.len() - 1] {
            let graph = fuse_normalizations(graph.clone(), &Keep::from_iter([kept]));
            assert_eq!(graph.nodes().len(), nodes);
        }
        let others = [
            // Another mean's variance, a product with the root, and no root.
            network(&functions, divide.clone(), [&[1], &[2]]),
            network(&functions, Eltwise::Product.into(), [&[2], &[2]]),
            network(&[power(1.0, 1e-5)], divide, [&[2], &[2]]),
        ];
        for (graph, _) in others {
            assert_eq!(fuse_normalizations(graph, &Keep::from_iter([])).nodes().len(), nodes);
        }
    }
}
