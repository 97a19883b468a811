//! What a network may take while no limit is given: memory and operations in proportion to its weights and its picture.
//!
//! A file of a kilobyte can ask for gigabytes of activations, or for hours: an enlargement, a border, a filter of one number that many
//! layers share. Trained networks do not: each of their weights meets each number of the picture a few times at most, and what they keep of
//! a picture is some hundred times the picture. Both limits leave them room, and a limit of memory that is given takes the place of both.

use deepinside_engine::{EngineError, MOST_MADE_UP_WEIGHTS, PlanOptions};
use deepinside_graph::{Graph, Op, Shape, Value, Weights, operations};

use super::Model;
use crate::{Error, Result};

/// The bytes of arrays that every network may take, and those for each byte of its weights.
const BYTES: usize = 256 << 20;
const BYTES_PER_BYTE_OF_WEIGHTS: usize = 1024;

/// The bytes for each byte that a picture has up to so many, and for each byte from there on: how large its pictures are a file of any length
/// can say. Where the size was asked for, all bytes count as the first do.
const BYTES_PER_BYTE_OF_PICTURES: [(usize, usize); 2] = [(1 << 20, 128), (16 << 20, 8)];

/// The operations that every network may take, and those for each weight and number of its inputs. SqueezeNet has 1.2 million weights and
/// takes 8e8 operations, VGG-16 138 million and 3e10, both for 150 thousand numbers.
const OPERATIONS: u64 = 1 << 32;
const OPERATIONS_PER_WEIGHT_AND_INPUT: u64 = 16;

/// The most operations that weights explain which are one number many times: VGG-19 takes 4e10, and a file of ONNX's own tests states its weights so.
const OPERATIONS_OF_MADE_UP: u64 = 1 << 36;

/// As what an operation counts that is no part of a product, and a result's element besides: neither is computed as densely.
const LONE_OPERATION: u64 = 8;
const RESULT: u64 = 32;

/// What is known of a network that explains what it takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Explained {
    /// How many numbers its files hold, or were made at random because that was asked for.
    pub weights: usize,
    /// How many further ones it has, which are one number many times or computed from little.
    pub made_up: usize,
    /// Whether it was not the file that said how large pictures are.
    pub asked_size: bool,
}

impl Model {
    /// The most bytes that the arrays of a run of `graph`, which is the model's or a part of it, may take.
    pub(super) fn most_memory(&self, graph: &Graph, options: &PlanOptions) -> usize {
        let most = options.memory_limit.min(self.memory_bound);
        self.memory_limit.unwrap_or_else(|| most.min(self.explained_memory(graph, 1)))
    }

    /// The bytes that the arrays of so many runs at the same time may take together, no more than one may by default; no bound where one of
    /// their memory was given.
    pub(crate) fn most_memory_together(&self, runs: usize) -> usize {
        let one = PlanOptions::default().memory_limit;
        if self.memory_limit.is_some() {
            usize::MAX
        } else {
            self.explained_memory(&self.graph, runs).min(one)
        }
    }

    fn explained_memory(&self, graph: &Graph, runs: usize) -> usize {
        let Explained { weights, asked_size, .. } = self.explained;
        let inputs = graph.inputs().iter().map(|&input| explained_by(&graph.value(input).shape, asked_size));
        // Of several the largest: a file can name very many.
        let inputs = inputs.max().unwrap_or(0);
        let weights = (size_of::<f32>() * weights).saturating_mul(BYTES_PER_BYTE_OF_WEIGHTS);
        BYTES.saturating_add(inputs.saturating_add(weights).saturating_mul(runs))
    }

    /// Expects that random weights are not too many, and that a run's picture alone does not take more than a run may: before any is made.
    pub(super) fn expect_room_for_random_weights(&self) -> Result<()> {
        let (found, most) = (self.explained.weights, MOST_MADE_UP_WEIGHTS);
        if found > most {
            return Err(EngineError::MadeUpWeights { found, most }.into());
        }
        let needed = size_of::<f32>().saturating_mul(numbers_of_inputs(&self.graph)) >> 20;
        let limit = self.most_memory(&self.graph, &PlanOptions::default()) >> 20;
        if needed > limit {
            return Err(EngineError::MemoryLimit { needed, limit }.into());
        }
        Ok(())
    }

    /// Expects that a run of `graph` computes no more than its weights and inputs explain.
    pub(super) fn expect_affordable(&self, graph: &Graph) -> Result<()> {
        if self.memory_limit.is_some() {
            return Ok(());
        }
        let (mut needed, mut largest) = (0u64, None);
        for node in graph.nodes() {
            let results: usize =
                node.outputs.iter().map(|&output| graph.value(output).shape.elements()).sum();
            let is_product = matches!(
                node.op,
                Op::Convolution(_) | Op::Deconvolution(_) | Op::InnerProduct(_) | Op::MatrixProduct(_)
            );
            let each = if is_product { 1 } else { LONE_OPERATION };
            let own = operations(graph, node).saturating_mul(each).saturating_add(RESULT * results as u64);
            needed = needed.saturating_add(own);
            if largest.is_none_or(|(most, _)| own > most) {
                largest = Some((own, &node.name));
            }
        }
        let Explained { weights, made_up, .. } = self.explained;
        let each = OPERATIONS_PER_WEIGHT_AND_INPUT.saturating_mul(numbers_of_inputs(graph) as u64);
        let explained = |weights: usize| each.saturating_mul(weights as u64);
        let most = OPERATIONS
            .saturating_add(explained(weights))
            .saturating_add(explained(made_up).min(OPERATIONS_OF_MADE_UP));
        match largest {
            Some((_, layer)) if needed > most => {
                Err(Error::TooMuchWork { needed, most, weights: weights as u64, layer: layer.clone() })
            }
            _ => Ok(()),
        }
    }
}

impl Explained {
    /// What explains a network whose files have so many bytes: they hold no more weights than that.
    pub(super) fn of(graph: &Graph, bytes: u64, is_random: bool, asked_size: bool) -> Self {
        // In the place of random numbers are zeros until they are made.
        let count = |is_counted: &dyn Fn(&Weights) -> bool| {
            let weights =
                graph.values().iter().filter_map(Value::weights).filter(|weights| is_counted(weights));
            weights.map(|weights| weights.shape().elements()).fold(0, usize::saturating_add)
        };
        let all = count(&|_| true);
        let weights = match is_random {
            true => all,
            false => {
                count(&|weights| !weights.is_one_number()).min(usize::try_from(bytes).unwrap_or(usize::MAX))
            }
        };
        Self { weights, made_up: all - weights, asked_size }
    }
}

/// The bytes that an input of this shape explains, its pictures by themselves.
fn explained_by(shape: &Shape, asked_size: bool) -> usize {
    let pictures = shape.extents().first().copied().unwrap_or(1).max(1);
    let bytes = size_of::<f32>() * shape.elements() / pictures;
    if asked_size {
        return (BYTES_PER_BYTE_OF_PICTURES[0].1 * bytes).saturating_mul(pictures);
    }
    let (mut from, mut explained) = (0, 0);
    for (to, each) in BYTES_PER_BYTE_OF_PICTURES {
        explained += each * bytes.clamp(from, to).saturating_sub(from);
        from = to;
    }
    explained.saturating_mul(pictures)
}

/// The numbers of all inputs of a graph.
fn numbers_of_inputs(graph: &Graph) -> usize {
    graph.inputs().iter().map(|&input| graph.value(input).shape.elements()).sum()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use deepinside_engine::Threads;

    use super::*;
    use crate::attribution::{Pass, Runner};
    use crate::{Settings, Target};

    /// A convolution of what a picture of 8 × 8 is enlarged to, and rectifiers of that.
    const NETWORK: &str = r#"
        input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
        layer { name: "high" type: "Tile" bottom: "data" top: "high" tile_param { axis: 2 tiles: 64 } }
        layer { name: "large" type: "Tile" bottom: "high" top: "large" tile_param { axis: 3 tiles: 64 } }
        layer { name: "conv" type: "Convolution" bottom: "large" top: "conv" convolution_param { num_output: 16 kernel_size: 1 } }
        layer { name: "one" type: "TanH" bottom: "conv" top: "one" }
        layer { name: "two" type: "Sigmoid" bottom: "one" top: "two" }
        layer { name: "mean" type: "Pooling" bottom: "two" top: "mean" pooling_param { pool: AVE global_pooling: true } }
        layer { name: "scores" type: "InnerProduct" bottom: "mean" top: "scores" inner_product_param { num_output: 5 } }
    "#;

    fn model() -> Model {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.prototxt");
        std::fs::write(&path, NETWORK).unwrap();
        Model::open_with(&path, Settings { random_weights: Some(3), ..Settings::default() }).unwrap()
    }

    /// Each kind of pass on each thread took as much as a run may.
    #[test]
    fn kinds_of_passes_and_threads_share_memory() {
        let model = Arc::new(model());
        let threads = Threads::new(4).unwrap();
        let mut runner = Runner::new(Arc::clone(&model), threads);
        let value = |name: &str| model.graph.find(name).unwrap();
        let inputs =
            |position: usize| -> Vec<f32> { (0..192).map(|at| ((at + position) % 7) as f32).collect() };
        let mut alone = Vec::new();
        for gradients in
            [vec!["data"], vec!["large", "data"], vec!["conv"], vec!["one", "conv"], vec!["two", "large"]]
        {
            let pass = Pass { gradients: gradients.into_iter().map(value).collect(), ..Pass::forward() };
            let mut numbers = Vec::new();
            let mut take = |_: usize, number: f64| -> Result<()> {
                numbers.push(number);
                Ok(())
            };
            runner
                .each(&pass, &Target::class(1), 6, &inputs, &|passed| Ok(passed.number), &mut take)
                .unwrap();
            let bytes = runner.bytes();
            assert!(bytes > 0 && bytes <= model.most_memory_together(4), "{bytes}");
            alone.push(numbers);
        }
        assert_eq!(alone[0].len(), 6);
        let alike =
            |numbers: &Vec<f64>| numbers.iter().zip(&alone[0]).all(|(one, other)| (one - other).abs() < 1e-6);
        assert!(alone.iter().all(alike), "{alone:?}");
        // Where a limit was given, each may take it.
        let trusted = Model { memory_limit: Some(1 << 30), ..Model::clone(&model) };
        assert_eq!(trusted.most_memory_together(4), usize::MAX);
    }

    #[test]
    fn weights_are_what_a_file_holds() {
        let model = model();
        let numbers = 3 * 16 + 16 + 16 * 5 + 5;
        assert_eq!(model.explained.weights, numbers);
        let of_file = |bytes: u64| Explained::of(&model.graph, bytes, false, false);
        assert_eq!((of_file(10).weights, of_file(10).made_up), (10, numbers - 10));
        assert_eq!(of_file(1 << 20).weights, numbers);
    }

    /// A picture of 20,000 × 20,000 pixels takes 4.8 GB before the first layer; it is the file that says so.
    #[test]
    fn giant_pictures_explain_no_giant_memory() {
        let bytes = |extents: [usize; 4]| explained_by(&Shape::new(extents).unwrap(), false);
        assert_eq!(bytes([1, 3, 20_000, 20_000]), 248 << 20);
        assert_eq!(bytes([10, 1, 512, 512]), 10 * (128 << 20));
        assert_eq!(bytes([1, 2, 512, 512]), (128 + 8) << 20);
        assert_eq!(explained_by(&Shape::new([1, 2, 512, 512]).unwrap(), true), 256 << 20);
    }

    /// Those that the project is measured by have room for sixteen pictures with all gradients.
    #[test]
    fn usual_networks_take_less_than_is_explained() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/networks/caffenet.prototxt");
        let model =
            Model::open_with(&path, Settings { random_weights: Some(1), ..Settings::default() }).unwrap();
        let batch = model.graph.clone().with_batch(16).unwrap();
        model.expect_affordable(&batch).unwrap();
        let activations = model.graph.nodes().iter().flat_map(|node| node.outputs.clone()).collect();
        let options = PlanOptions {
            activations,
            gradients: vec![model.input],
            targets: vec![model.score.value],
            ..PlanOptions::default()
        };
        let session = model.session(16, &options, &Threads::new(1).unwrap()).unwrap();
        let (taken, most) = (session.plan().session_bytes(), model.most_memory(&batch, &options));
        assert!(4 * taken < most, "{taken} of {most}");
    }
}
