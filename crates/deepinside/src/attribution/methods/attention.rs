//! The attention of a transformer: how much each token reads of every other.

use deepinside_graph::{Graph, Op, ValueId};

use crate::{Error, Model, Result};

/// The attention of one block: a softmax over tokens, heads × tokens × tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attention {
    /// The value.
    pub value: ValueId,
    /// How many heads.
    pub heads: usize,
}

/// All blocks of a network, from the first to the last.
#[derive(Debug, Clone)]
pub(super) struct Blocks {
    /// Their attention.
    pub attention: Vec<Attention>,
    /// The number of tokens, the same in all of them.
    pub tokens: usize,
    /// How many of them, at the front, stand for no patch: a class token and registers.
    pub leading: usize,
    /// Rows and columns of the patches.
    pub grid: [usize; 2],
}

impl Blocks {
    /// Finds them.
    ///
    /// # Errors
    /// When there is no attention between all tokens of a picture, or patches cannot be told from other tokens.
    pub fn of(model: &Model) -> Result<Self> {
        let graph = &model.graph;
        let (depends, leads) = (graph.depends_on(model.input), graph.leads_to(model.score.value));
        let mut attention = Vec::new();
        let mut tokens = None;
        for node in graph.nodes() {
            let Op::Softmax(_) = &node.op else { continue };
            let value = node.outputs[0];
            if !depends[value.index()] || !leads[value.index()] {
                continue;
            }
            let (heads, count) = match *graph.value(value).shape.extents() {
                [1, heads, from, to] if from == to && from > 1 => (heads, from),
                [heads, from, to] if from == to && from > 1 => (heads, from),
                _ => continue,
            };
            if *tokens.get_or_insert(count) != count {
                return Err(Error::Option(
                    "attention has several numbers of tokens (windows or stages): this method needs one attention over all patches"
                        .to_owned(),
                ));
            }
            attention.push(Attention { value, heads });
        }
        let Some(tokens) = tokens else {
            return Err(Error::Option(
                "this method looks at attention, and the network has none between all patches of a picture"
                    .to_owned(),
            ));
        };
        let (leading, grid) = patches(graph, &depends, tokens).ok_or_else(|| {
            Error::Option(format!(
                "which of the {tokens} tokens stand for which patch of the picture cannot be told"
            ))
        })?;
        Ok(Self { attention, tokens, leading, grid })
    }
}

/// Of how many tokens the patches come last, and their grid: that of the last value with positions which has nearly as many.
fn patches(graph: &Graph, depends: &[bool], tokens: usize) -> Option<(usize, [usize; 2])> {
    const MOST_OTHERS: usize = 16;
    let values = graph.nodes().iter().flat_map(|node| &node.outputs).filter(|value| depends[value.index()]);
    values
        .filter_map(|&value| match *graph.value(value).shape.extents() {
            [1, _, rows, columns] if rows > 1 && columns > 1 => Some([rows, columns]),
            _ => None,
        })
        .filter_map(|grid| {
            let leading = tokens.checked_sub(grid[0] * grid[1])?;
            (leading <= MOST_OTHERS).then_some((leading, grid))
        })
        .next()
}
