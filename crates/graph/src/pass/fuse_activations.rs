//! Activations that a file spells in steps, as one node.
//!
//! Exporters write the Gaussian error linear unit as a quotient, the error function, a sum and two products, in orders of their
//! own. So no spelling is looked for: what a few elementwise nodes compute from one value is evaluated, in double precision, and
//! compared with the activations that are known.

use std::collections::HashMap;

use super::Keep;
use super::fuse::{Search, fuse};
use crate::op::{Binary, Eltwise, Function, Unary, Visitor};
use crate::{Graph, Node, Op, ValueId};

/// The most nodes of a spelling: the longest known one, an approximate Gaussian error linear unit, has ten.
const MOST: usize = 12;

/// Where functions are compared: from −[`REACH`] to [`REACH`] in steps that hit no special place.
const SAMPLES: usize = 61;
const REACH: f64 = 9.7;

/// How far a spelling may be off, relative to its argument: constants in single precision are off by 6e-8.
const TOLERANCE: f64 = 4e-7;

/// Makes one node of each activation whose steps are neither observed nor read by anything else.
///
/// Rectifiers and clips are no part of what is fused: on the way back they obey rules of their own.
pub fn fuse_activations(graph: Graph, keep: &Keep) -> Graph {
    fuse(graph, keep, |search, root| {
        let (function, operand, steps) = search.activation(root)?;
        Some((function.into(), operand, steps))
    })
}

impl Search<'_> {
    /// The activation whose last step a node is: the function, its operand, and all of its steps.
    fn activation(&self, root: usize) -> Option<(Unary, ValueId, Vec<usize>)> {
        let node = self.graph.nodes.get(root)?;
        // Every spelling ends with its operand, or half of it, times a gate.
        let ends = matches!(node.op, Op::Eltwise(Eltwise::Product) | Op::Binary(Binary::Divide))
            || matches!(node.op, Op::Unary(Unary::Power { power: 1.0, .. }));
        if !ends {
            return None;
        }
        let shape = &self.graph.value(node.outputs[0]).shape;
        let mut steps = vec![root];
        let mut open: Vec<ValueId> = self.operands(node)?;
        while steps.len() < MOST {
            if let [operand] = open[..]
                && steps.len() > 1
                && self.graph.value(operand).shape == *shape
                && let Some(function) = self.recognised(&steps, operand, node.outputs[0])
            {
                return Some((function, operand, steps));
            }
            // The last of the open values: what it is made of comes before all others.
            let last = open.iter().filter_map(|value| Some((self.producers[value.0]?.0, *value))).max()?;
            let (step, value) = last;
            let hidden = !self.keep.contains(value) && !self.graph.outputs.contains(&value);
            if !hidden || !self.consumers[value.0].iter().all(|reader| steps.contains(&reader.0)) {
                return None;
            }
            open.retain(|&other| other != value);
            for operand in self.operands(&self.graph.nodes[step])? {
                if !open.contains(&operand) {
                    open.push(operand);
                }
            }
            steps.push(step);
        }
        None
    }

    /// What an elementwise node computes its result from, without constants; none where it is no step of an activation.
    fn operands(&self, node: &Node) -> Option<Vec<ValueId>> {
        let known = match &node.op {
            Op::Unary(function) => matches!(
                function,
                Unary::Power { .. }
                    | Unary::Erf
                    | Unary::Tanh
                    | Unary::Sigmoid
                    | Unary::Softplus
                    | Unary::HardSigmoid { .. }
                    | Unary::Exponential { .. }
                    | Unary::Logarithm { .. }
            ),
            Op::Eltwise(operation) => matches!(operation, Eltwise::Sum { .. } | Eltwise::Product),
            Op::Binary(operation) => *operation == Binary::Divide,
            _ => false,
        };
        let mut operands = Vec::new();
        for &input in &node.inputs {
            match self.graph.value(input).weights() {
                Some(weights) if weights.shape().elements() == 1 => {}
                Some(_) => return None,
                None if operands.contains(&input) => {}
                None => operands.push(input),
            }
        }
        known.then_some(operands)
    }

    /// The activation that some steps compute from an operand.
    fn recognised(&self, steps: &[usize], operand: ValueId, result: ValueId) -> Option<Unary> {
        let mut steps = steps.to_vec();
        steps.sort_unstable();
        let at_one = self.evaluate(&steps, operand, result, 1.0)?;
        // A Swish tells its factor at one: there it is 1 / (1 + e^−β).
        let beta = (at_one / (1.0 - at_one)).ln();
        let candidates = [
            Some(Unary::Gelu { approximate: false }),
            Some(Unary::Gelu { approximate: true }),
            (beta.is_finite() && beta > 0.0).then_some(Unary::Swish { beta: beta as f32 }),
            Some(Unary::HardSwish),
            Some(Unary::Mish),
        ];
        let equals = |function: &Unary| {
            (0..SAMPLES).all(|sample| {
                let x = REACH * (2.0 * sample as f64 / (SAMPLES - 1) as f64 - 1.0) + 0.013;
                let expected = function.accept(At(x));
                self.evaluate(&steps, operand, result, x)
                    .is_some_and(|found| (found - expected).abs() <= TOLERANCE * x.abs())
            })
        };
        candidates.into_iter().flatten().find(equals)
    }

    /// What steps, in the order in which they are computed, make of an operand.
    fn evaluate(&self, steps: &[usize], operand: ValueId, result: ValueId, x: f64) -> Option<f64> {
        let mut known = HashMap::from([(operand, x)]);
        for &step in steps {
            let Node { op, inputs, outputs, .. } = &self.graph.nodes[step];
            let numbers: Vec<f64> = inputs
                .iter()
                .map(|input| {
                    let constant = || Some(f64::from(*self.graph.value(*input).weights()?.to_vec().first()?));
                    known.get(input).copied().or_else(constant)
                })
                .collect::<Option<_>>()?;
            let number = match op {
                Op::Unary(function) => function.accept(At(*numbers.first()?)),
                Op::Eltwise(Eltwise::Sum { coefficients }) => {
                    numbers.iter().zip(coefficients).map(|(number, &factor)| number * f64::from(factor)).sum()
                }
                Op::Eltwise(Eltwise::Product) => numbers.iter().product(),
                Op::Binary(Binary::Divide) => numbers[0] / numbers[1],
                _ => return None,
            };
            known.insert(outputs[0], number);
        }
        known.get(&result).copied().filter(|number| number.is_finite())
    }
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
    use crate::{GraphBuilder, Shape, Weights};

    fn scaled(scale: f32) -> Unary {
        Unary::Power { power: 1.0, scale, shift: 0.0 }
    }

    fn shifted(shift: f32) -> Unary {
        Unary::Power { power: 1.0, scale: 1.0, shift }
    }

    fn sum() -> Eltwise {
        Eltwise::Sum { coefficients: vec![1.0, 1.0] }
    }

    /// Nodes by what they compute and read: a number names the node before, counted from 1; 0 is the input.
    fn network(nodes: &[(Op, &[usize])]) -> (Graph, Vec<ValueId>) {
        let mut builder = GraphBuilder::new("");
        let mut values = vec![builder.input("x", Shape::new([1, 3]).unwrap()).unwrap()];
        for (index, (op, inputs)) in nodes.iter().enumerate() {
            let name = format!("n{index}");
            let inputs: Vec<ValueId> = inputs.iter().map(|&input| values[input]).collect();
            values.push(builder.node(&name, op.clone(), &inputs, &[&name]).unwrap()[0]);
        }
        (builder.finish(&values[values.len() - 1..]), values)
    }

    /// What a network is made of when it is fused.
    fn fused(nodes: &[(Op, &[usize])]) -> Vec<Op> {
        let (graph, _) = network(nodes);
        fuse_activations(graph, &Keep::from_iter([])).nodes().iter().map(|node| node.op.clone()).collect()
    }

    #[test]
    fn spellings_become_one_node() {
        let half = std::f32::consts::FRAC_1_SQRT_2;
        let gelu = Unary::Gelu { approximate: false };
        let error: Op = Unary::Erf.into();
        // As PyTorch's exporter writes it, and as transformers do.
        let last: &[(Op, &[usize])] = &[
            (scaled(half).into(), &[0]),
            (error.clone(), &[1]),
            (shifted(1.0).into(), &[2]),
            (Eltwise::Product.into(), &[0, 3]),
            (scaled(0.5).into(), &[4]),
        ];
        assert_eq!(fused(last), [gelu.into()]);
        let first: &[(Op, &[usize])] = &[
            (scaled(0.5).into(), &[0]),
            (scaled(half).into(), &[0]),
            (error, &[2]),
            (shifted(1.0).into(), &[3]),
            (Eltwise::Product.into(), &[1, 4]),
        ];
        assert_eq!(fused(first), [gelu.into()]);
        let cube = Unary::Power { power: 3.0, scale: 1.0, shift: 0.0 };
        let approximate: &[(Op, &[usize])] = &[
            (cube.into(), &[0]),
            (scaled(0.044_715).into(), &[1]),
            (sum().into(), &[0, 2]),
            (scaled(0.797_884_6).into(), &[3]),
            (Unary::Tanh.into(), &[4]),
            (shifted(1.0).into(), &[5]),
            (Eltwise::Product.into(), &[0, 6]),
            (scaled(0.5).into(), &[7]),
        ];
        assert_eq!(fused(approximate), [Unary::Gelu { approximate: true }.into()]);
        let silu: &[(Op, &[usize])] = &[(Unary::Sigmoid.into(), &[0]), (Eltwise::Product.into(), &[0, 1])];
        assert_eq!(fused(silu), [Unary::Swish { beta: 1.0 }.into()]);
        let mish: &[(Op, &[usize])] =
            &[(Unary::Softplus.into(), &[0]), (Unary::Tanh.into(), &[1]), (Eltwise::Product.into(), &[0, 2])];
        assert_eq!(fused(mish), [Unary::Mish.into()]);
        let gate = Unary::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 };
        let hard: &[(Op, &[usize])] = &[(gate.into(), &[0]), (Eltwise::Product.into(), &[0, 1])];
        assert_eq!(fused(hard), [Unary::HardSwish.into()]);
    }

    #[test]
    fn a_swish_keeps_its_factor() {
        let nodes: &[(Op, &[usize])] = &[
            (scaled(1.702).into(), &[0]),
            (Unary::Sigmoid.into(), &[1]),
            (Eltwise::Product.into(), &[0, 2]),
        ];
        let [Op::Unary(Unary::Swish { beta })] = fused(nodes)[..] else { panic!("{:?}", fused(nodes)) };
        assert!((beta - 1.702).abs() < 1e-6, "{beta}");
    }

    /// The operand of the activation is itself a product of one value.
    #[test]
    fn what_comes_before_stays() {
        let nodes: &[(Op, &[usize])] = &[
            (Eltwise::Product.into(), &[0, 0]),
            (Unary::Sigmoid.into(), &[1]),
            (Eltwise::Product.into(), &[1, 2]),
        ];
        assert_eq!(fused(nodes), [Eltwise::Product.into(), Unary::Swish { beta: 1.0 }.into()]);
    }

    #[test]
    fn nothing_else_is_fused() {
        let doubled: &[(Op, &[usize])] =
            &[(Unary::Erf.into(), &[0]), (shifted(1.0).into(), &[1]), (Eltwise::Product.into(), &[0, 2])];
        assert_eq!(fused(doubled).len(), 3);
        let silu: &[(Op, &[usize])] = &[(Unary::Sigmoid.into(), &[0]), (Eltwise::Product.into(), &[0, 1])];
        let (graph, values) = network(silu);
        assert_eq!(fuse_activations(graph.clone(), &Keep::from_iter([values[1]])).nodes().len(), 2);
        assert_eq!(fuse_activations(graph, &Keep::All).nodes().len(), 2);
        // The gate has another reader.
        let gated: &[(Op, &[usize])] =
            &[(Unary::Sigmoid.into(), &[0]), (Eltwise::Product.into(), &[0, 1]), (sum().into(), &[1, 2])];
        assert_eq!(fused(gated).len(), 3);
        // A clip obeys rules of its own.
        let clip = Unary::Clip { minimum: 0.0, maximum: 6.0 };
        let clipped: &[(Op, &[usize])] = &[
            (shifted(3.0).into(), &[0]),
            (clip.into(), &[1]),
            (Eltwise::Product.into(), &[0, 2]),
            (scaled(1.0 / 6.0).into(), &[3]),
        ];
        assert_eq!(fused(clipped).len(), 4);
    }

    #[test]
    fn constants_of_one_number_are_part_of_a_spelling() {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x", Shape::new([1, 3]).unwrap()).unwrap();
        let one = Weights::from_f32(Shape::new([1]).unwrap(), &[1.0]).unwrap();
        let one = builder.constant("one", one).unwrap();
        let power = Unary::Exponential { inner_scale: -1.0, outer_scale: 1.0 };
        let power = builder.node("e", power, &[x], &["e"]).unwrap()[0];
        let rest = builder.node("r", sum(), &[power, one], &["r"]).unwrap()[0];
        let y = builder.node("y", Binary::Divide, &[x, rest], &["y"]).unwrap();
        let fused = fuse_activations(builder.finish(&y), &Keep::from_iter([]));
        let [node] = fused.nodes() else { panic!("{fused}") };
        assert_eq!(
            (&node.op, node.inputs[0], node.outputs[0]),
            (&Unary::Swish { beta: 1.0 }.into(), x, y[0])
        );
    }
}
