//! Single layers, forward and backward, at the extents that common networks have them: what `docs/performance.md` chooses kernels by.
//!
//! `cargo bench -p deepinside-engine -- depthwise` measures those whose names contain the word. One thread, so that results of two
//! builds can be compared on a machine that does other things too.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use deepinside_engine::{Plan, PlanOptions, Session, Target, Threads};
use deepinside_graph::op::{
    Convolution, InnerProduct, LocalResponseNormalization, Op, Pool, PoolKind, Unary, Window,
};
use deepinside_graph::{GraphBuilder, Shape, Weights};

/// One layer: its operator, and the extents of its input and, where it has any, its weights.
struct Layer {
    name: &'static str,
    operator: Op,
    input: Vec<usize>,
    weights: Option<Vec<usize>>,
}

/// Square filters with as much padding as keeps the extents, over `stride`.
fn convolution(
    name: &'static str,
    [channels, side]: [usize; 2],
    filters: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
) -> Layer {
    let pad = vec![kernel / 2; 2];
    let window =
        Window { stride: vec![stride; 2], pad_begin: pad.clone(), pad_end: pad, ..Window::new([kernel; 2]) };
    Layer {
        name,
        operator: Convolution { window, groups }.into(),
        input: vec![1, channels, side, side],
        weights: Some(vec![filters, channels / groups, kernel, kernel]),
    }
}

fn layers() -> Vec<Layer> {
    let layer = |name, operator: Op, input: &[usize], weights: Option<&[usize]>| Layer {
        name,
        operator,
        input: input.to_vec(),
        weights: weights.map(<[usize]>::to_vec),
    };
    let window = Window { stride: vec![2; 2], ..Window::new([3; 2]) };
    let maximum = Pool { kind: PoolKind::Maximum, window, output: vec![27; 2], with_positions: false };
    vec![
        convolution("first, 11x11 stride 4 (CaffeNet)", [3, 227], 96, 11, 4, 1),
        convolution("first, 3x3 stride 2 (SqueezeNet)", [3, 227], 64, 3, 2, 1),
        convolution("winograd 3x3, 224 (VGG)", [64, 224], 64, 3, 1, 1),
        convolution("winograd 3x3, 56 (ResNet)", [64, 56], 64, 3, 1, 1),
        convolution("winograd 3x3, 14 (VGG)", [512, 14], 512, 3, 1, 1),
        convolution("winograd 3x3, 7 (ResNet)", [512, 7], 512, 3, 1, 1),
        convolution("winograd 5x5, two groups (CaffeNet)", [96, 27], 256, 5, 1, 2),
        convolution("direct 3x3 stride 2 (ResNet)", [128, 56], 128, 3, 2, 1),
        convolution("direct 1x1, 56 (ResNet)", [64, 56], 256, 1, 1, 1),
        convolution("direct 1x1, 14 (ResNet)", [1024, 14], 256, 1, 1, 1),
        convolution("depthwise 3x3, 56 (MobileNetV2)", [144, 56], 144, 3, 1, 144),
        convolution("depthwise 3x3 stride 2, 112 (MobileNetV2)", [96, 112], 96, 3, 2, 96),
        convolution("depthwise 3x3, 14 (MobileNetV2)", [384, 14], 384, 3, 1, 384),
        convolution("depthwise 5x5, 14 (EfficientNet-Lite0)", [480, 14], 480, 5, 1, 480),
        layer(
            "fully connected (CaffeNet fc6)",
            InnerProduct { axis: 1, transposed: false }.into(),
            &[1, 256, 6, 6],
            Some(&[4096, 9216]),
        ),
        layer("maximum pooling (CaffeNet)", maximum.into(), &[1, 96, 55, 55], None),
        layer("rectifier", Unary::Relu { negative_slope: 0.0 }.into(), &[1, 96, 112, 112], None),
        layer(
            "local response normalization (CaffeNet)",
            LocalResponseNormalization::AcrossChannels { size: 5, alpha: 1e-4, beta: 0.75, k: 1.0 }.into(),
            &[1, 96, 27, 27],
            None,
        ),
    ]
}

/// Reproducible numbers, half of them 0 as behind a rectifier.
fn numbers(count: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next().max(0.0)).collect()
}

fn kernels(criterion: &mut Criterion) {
    let threads = Threads::new(1).unwrap();
    for Layer { name, operator, input, weights } in layers() {
        let mut builder = GraphBuilder::new(name);
        let picture = builder.input("input", Shape::new(input.clone()).unwrap()).unwrap();
        let mut operands = vec![picture];
        if let Some(extents) = weights {
            let shape = Shape::new(extents).unwrap();
            let weights = Weights::from_f32(shape.clone(), &numbers(shape.elements())).unwrap();
            operands.push(builder.constant("weights", weights).unwrap());
        }
        let result = builder.node("layer", operator, &operands, &["result"]).unwrap()[0];
        let graph = builder.finish(&[result]);
        let options = PlanOptions {
            activations: vec![result],
            gradients: vec![picture],
            targets: vec![result],
            ..PlanOptions::default()
        };
        let mut session =
            Session::new(Arc::new(Plan::new(&graph, &options).unwrap()), threads.clone()).unwrap();
        let given = numbers(input.iter().product());
        let target = Target::Dense(numbers(graph.value(result).shape.elements()));
        let mut group = criterion.benchmark_group(name);
        group.bench_function(BenchmarkId::from_parameter("forward"), |bencher| {
            bencher.iter(|| session.forward(black_box(&[(picture, &given)])).unwrap());
        });
        group.bench_function(BenchmarkId::from_parameter("backward"), |bencher| {
            bencher.iter(|| session.backward(black_box(&[(result, &target)])).unwrap());
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(2)).without_plots();
    targets = kernels
}
criterion_main!(benches);
