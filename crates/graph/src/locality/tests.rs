use super::*;
use crate::op::{AverageDivisor, Concat, Convolution, Eltwise, PoolKind, Unary};
use crate::{GraphBuilder, Weights};

fn convolution(builder: &mut GraphBuilder, name: &str, input: ValueId, window: Window) -> ValueId {
    let channels = builder.shape(input).extents()[1];
    let shape = Shape::new([[2, channels].as_slice(), &window.kernel].concat()).unwrap();
    let weights = builder.constant(format!("{name}.weights"), Weights::filled(shape, 0.5)).unwrap();
    builder.node(name, Convolution { window, groups: 1 }, &[input, weights], &[name]).unwrap()[0]
}

fn window(kernel: usize, stride: usize, pad: usize) -> Window {
    let mut window = Window::new([kernel, kernel]);
    window.stride = vec![stride; 2];
    window.pad_begin = vec![pad; 2];
    window.pad_end = vec![pad; 2];
    window
}

/// Two branches of a picture joined, pooled, and meaned over all positions.
fn network() -> (Graph, [ValueId; 6]) {
    let mut builder = GraphBuilder::new("");
    let x = builder.input("x", Shape::new([1, 3, 20, 16]).unwrap()).unwrap();
    let c = convolution(&mut builder, "c", x, window(3, 2, 1));
    let a = convolution(&mut builder, "a", c, window(3, 1, 1));
    let b = convolution(&mut builder, "b", c, window(1, 1, 0));
    let joined = builder.node("joined", Concat { axis: 1 }, &[a, b], &["joined"]).unwrap()[0];
    let pool = Pool {
        kind: PoolKind::Average(AverageDivisor::PaddedInput),
        window: window(3, 2, 0),
        output: vec![5, 4],
        with_positions: false,
    };
    let pooled = builder.node("pooled", pool, &[joined], &["pooled"]).unwrap()[0];
    let whole = Pool {
        kind: PoolKind::Maximum,
        window: Window::new([5, 4]),
        output: vec![1, 1],
        with_positions: false,
    };
    let whole = builder.node("whole", whole, &[pooled], &["whole"]).unwrap()[0];
    (builder.finish(&[whole]), [x, c, a, joined, pooled, whole])
}

#[test]
fn cuts_are_what_everything_passes() {
    let (graph, [x, c, a, joined, pooled, whole]) = network();
    assert_eq!(local_cuts(&graph, x, &[whole]), [x, c, joined, pooled]);
    // A target inside stays to be read, so that nothing behind it is all there is.
    assert_eq!(local_cuts(&graph, x, &[whole, a]), [x, c]);
    assert_eq!(local_cuts(&graph, x, &[c]), [x]);
}

#[test]
fn what_depends_on_every_position_is_not_local() {
    let mut builder = GraphBuilder::new("");
    let x = builder.input("x", Shape::new([1, 3, 8, 8]).unwrap()).unwrap();
    let y = builder.node("y", Unary::Tanh, &[x], &["y"]).unwrap()[0];
    let gate = Pool {
        kind: PoolKind::Maximum,
        window: Window::new([8, 8]),
        output: vec![1, 1],
        with_positions: false,
    };
    let gate = builder.node("gate", gate, &[y], &["gate"]).unwrap()[0];
    let gated = builder.node("gated", Eltwise::Product, &[y, gate], &["gated"]).unwrap()[0];
    let graph = builder.finish(&[gated]);
    assert_eq!(local_cuts(&graph, x, &[gated]), [x, y]);
}

#[test]
fn a_change_spreads_by_windows() {
    let (graph, [x, c, _, joined, pooled, _]) = network();
    // Pixel 7 lies under the windows of outputs 3 (pixels 5 to 7) and 4 (pixels 7 to 9).
    assert_eq!(Stretch::new(&graph, x, c).changed(0, &(7..8)), 3..5);
    assert_eq!(Stretch::new(&graph, x, joined).changed(0, &(7..8)), 2..6);
    assert_eq!(Stretch::new(&graph, joined, pooled).changed(0, &(2..6)), 0..3);
    assert_eq!(Stretch::new(&graph, x, joined).changed(1, &(0..16)), 0..8);
}

#[test]
fn a_box_is_computed_from_the_box_around_it() {
    let (graph, [x, _, _, joined, pooled, _]) = network();
    let stretch = Stretch::new(&graph, x, joined);
    // Rows 4 and 5 of the joined value, from rows 3 to 6 of `c`, from pixels 5 to 13.
    assert_eq!(stretch.reads(0, &(4..6)), (5..14, [false, false]));
    assert_eq!(stretch.reads(0, &(0..2)), (0..6, [true, false]));
    let crop = stretch.crop(&[4..6, 0..2]).unwrap();
    assert_eq!(crop.reads, [5..14, 0..6]);
    let shape = |name: &str| crop.graph.value(crop.graph.find(name).unwrap()).shape.extents().to_vec();
    assert_eq!(
        (shape("c"), shape("a"), shape("joined")),
        (vec![1, 2, 4, 3], vec![1, 2, 2, 2], vec![1, 4, 2, 2])
    );
    let stretch = Stretch::new(&graph, joined, pooled);
    // The last window of the rows overhangs: rows 8 and 9 of 10.
    let crop = stretch.crop(&[4..5, 3..4]).unwrap();
    assert_eq!(crop.reads, [8..10, 6..8]);
    let Op::Pool(pool) = &crop.graph.nodes()[0].op else { panic!("a pool") };
    assert_eq!((&pool.window.pad_end, &pool.output), (&vec![0, 0], &vec![1, 1]));
}
