//! Small networks, made of choices: what a fuzzer's bytes or random numbers say.

use deepinside_graph::op::{
    AverageDivisor, BatchNormalization, Concat, Convolution, Eltwise, Identity, InnerProduct, Pool, PoolKind,
    Softmax, Unary, Window,
};
use deepinside_graph::{Graph, GraphBuilder, Op, Shape, ValueId, Weights};

/// Where choices come from.
pub struct Choices<'a> {
    bytes: &'a [u8],
    seed: u64,
}

impl<'a> Choices<'a> {
    /// Bytes first, and then random numbers that depend on them.
    pub fn new(bytes: &'a [u8], seed: u64) -> Self {
        let mix = |seed: u64, byte: &u8| (seed ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        Self { bytes, seed: bytes.iter().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix) }
    }

    fn random(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea and Flood 2014).
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// One of so many.
    pub fn of(&mut self, count: usize) -> usize {
        let number = match self.bytes.split_first() {
            Some((&first, rest)) => {
                self.bytes = rest;
                u64::from(first)
            }
            None => self.random() >> 16,
        };
        number as usize % count
    }

    /// Numbers between −1 and 1, never from the bytes.
    pub fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| (self.random() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    }
}

/// A network that grows.
struct Growing<'a, 'b> {
    builder: GraphBuilder,
    choices: &'a mut Choices<'b>,
    /// The values so far, with their extents.
    values: Vec<(ValueId, Vec<usize>)>,
}

impl Growing<'_, '_> {
    fn constant(&mut self, extents: &[usize], scale: f32, shift: f32) -> ValueId {
        let count = extents.iter().product();
        let numbers: Vec<f32> = self.choices.numbers(count).iter().map(|x| x * scale + shift).collect();
        let weights = Weights::from_f32(Shape::new(extents).unwrap(), &numbers).unwrap();
        let name = format!("constant {}", self.choices.random());
        self.builder.constant(name, weights).unwrap()
    }

    fn node(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Option<(ValueId, Vec<usize>)> {
        let name = format!("value {}", self.values.len());
        let value = self.builder.node(name.clone(), op, inputs, &[&name]).ok()?[0];
        let extents = self.builder.shape(value).extents().to_vec();
        self.values.push((value, extents.clone()));
        Some((value, extents))
    }

    /// Adds a node that reads one of the last values; none where the choice does not fit.
    fn grow(&mut self) -> Option<()> {
        let back = self.choices.of(3).min(self.values.len() - 1);
        let (x, extents) = self.values[self.values.len() - 1 - back].clone();
        let [_, channels, height, width] = extents[..] else { return None };
        match self.choices.of(16) {
            0..=4 => self.convolution(x, channels, [height, width]),
            5 => {
                let mean = self.constant(&[channels], 0.3, 0.0);
                let variance = self.constant(&[channels], 0.4, 0.8);
                self.node(BatchNormalization { epsilon: 1e-5 }, &[x, mean, variance])?;
                Some(())
            }
            6 => {
                let per_channel = self.constant(&[channels, 1, 1], 0.6, 0.5);
                let product = self.choices.of(2) == 0;
                let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
                self.node(if product { Eltwise::Product } else { sum }, &[x, per_channel])?;
                Some(())
            }
            7 | 8 => {
                // With another value of the same extents.
                let alike: Vec<ValueId> = self
                    .values
                    .iter()
                    .filter(|(_, other)| *other == extents)
                    .map(|(value, _)| *value)
                    .collect();
                let other = alike[self.choices.of(alike.len())];
                let op = match self.choices.of(6) {
                    0 => Eltwise::Product,
                    1 => Eltwise::Maximum,
                    2 => Eltwise::Sum { coefficients: vec![-0.5, 1.5] },
                    _ => Eltwise::Sum { coefficients: vec![1.0, 1.0] },
                };
                self.node(op, &[x, other])?;
                Some(())
            }
            9 => {
                let fitting: Vec<ValueId> = self
                    .values
                    .iter()
                    .filter(|(_, other)| other.len() == 4 && other[2..] == extents[2..])
                    .map(|(value, _)| *value)
                    .collect();
                let other = fitting[self.choices.of(fitting.len())];
                self.node(Concat { axis: 1 }, &[x, other])?;
                Some(())
            }
            10 | 11 => self.pool(x, [height, width]),
            12 => {
                self.node(Identity, &[x])?;
                Some(())
            }
            _ => {
                let function = match self.choices.of(10) {
                    0 => Unary::Tanh,
                    1 => Unary::Sigmoid,
                    2 => Unary::Swish { beta: 1.0 },
                    3 => Unary::Elu { alpha: 1.0 },
                    4 => Unary::Clip { minimum: 0.0, maximum: 0.9 },
                    5 => Unary::Relu { negative_slope: 0.1 },
                    6 => Unary::Absolute,
                    _ => Unary::Relu { negative_slope: 0.0 },
                };
                self.node(function, &[x])?;
                Some(())
            }
        }
    }

    fn convolution(&mut self, x: ValueId, channels: usize, [height, width]: [usize; 2]) -> Option<()> {
        let kernel = [[1, 1], [3, 3], [3, 3], [5, 5], [2, 3], [1, 3]][self.choices.of(6)];
        let depthwise = self.choices.of(4) == 0;
        let groups = match self.choices.of(5) {
            _ if depthwise => channels,
            0 if channels.is_multiple_of(2) => 2,
            _ => 1,
        };
        let filters = if depthwise { channels } else { groups * (1 + self.choices.of(9)) };
        let stride = 1 + usize::from(self.choices.of(4) == 0);
        let dilation = 1 + usize::from(self.choices.of(6) == 0);
        let pads = [self.choices.of(2), self.choices.of(3)].map(|pad| pad.min(kernel[0] / 2));
        let window = Window {
            stride: vec![stride; 2],
            dilation: vec![dilation; 2],
            pad_begin: pads.to_vec(),
            pad_end: vec![pads[1], pads[0]],
            ..Window::new(kernel)
        };
        let needs = |axis: usize| (kernel[axis] - 1) * dilation + 1;
        if height + pads[0] + pads[1] < needs(0) || width + pads[0] + pads[1] < needs(1) {
            return None;
        }
        let own = channels / groups;
        let scale = 1.5 / ((own * kernel[0] * kernel[1]) as f32).sqrt();
        let weights = self.constant(&[filters, own, kernel[0], kernel[1]], scale, 0.0);
        let mut operands = vec![x, weights];
        if self.choices.of(2) == 0 {
            operands.push(self.constant(&[filters], 0.3, 0.0));
        }
        self.node(Convolution { window, groups }, &operands)?;
        Some(())
    }

    fn pool(&mut self, x: ValueId, [height, width]: [usize; 2]) -> Option<()> {
        let kind = match self.choices.of(4) {
            0 => PoolKind::Average(AverageDivisor::PaddedInput),
            1 => PoolKind::Average(AverageDivisor::Input),
            _ => PoolKind::Maximum,
        };
        let side = 2 + self.choices.of(2);
        let stride = 1 + self.choices.of(2);
        let pad = self.choices.of(2);
        if height.min(width) + 2 * pad < side {
            return None;
        }
        let output = [height, width].map(|extent| (extent + 2 * pad - side) / stride + 1);
        let window = Window {
            stride: vec![stride; 2],
            pad_begin: vec![pad; 2],
            pad_end: vec![pad; 2],
            ..Window::new([side, side])
        };
        self.node(Pool { kind, window, output: output.to_vec(), with_positions: false }, &[x])?;
        Some(())
    }
}

/// A network with one input, which ends in scores.
pub fn network(choices: &mut Choices<'_>) -> Graph {
    let extents = [1 + choices.of(2), 1 + choices.of(5), 4 + choices.of(8), 4 + choices.of(8)];
    let mut builder = GraphBuilder::new("random");
    let x = builder.input("x", Shape::new(extents).unwrap()).unwrap();
    let nodes = 2 + choices.of(9);
    let mut growing = Growing { builder, choices, values: vec![(x, extents.to_vec())] };
    for _ in 0..nodes {
        growing.grow();
    }
    let (last, extents) = growing.values.last().unwrap().clone();
    let inputs: usize = extents[1..].iter().product();
    let transposed = growing.choices.of(2) == 0;
    let shape = if transposed { [inputs, 3] } else { [3, inputs] };
    let weights = growing.constant(&shape, 1.5 / (inputs as f32).sqrt(), 0.0);
    let scores = growing.node(InnerProduct { axis: 1, transposed }, &[last, weights]).unwrap().0;
    let outputs = match growing.choices.of(3) {
        0 => growing.node(Softmax { axis: 1 }, &[scores]).unwrap().0,
        _ => scores,
    };
    growing.builder.finish(&[outputs])
}
