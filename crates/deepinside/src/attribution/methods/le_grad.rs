//! LeGrad (Bousselham and others 2024): the positive gradient of each block's own score with respect to its attention.

use std::sync::Arc;

use deepinside_files::Array;
use deepinside_graph::{Op, ValueId};

use super::attention::Blocks;
use crate::attribution::parameter::{Default, Kind, Parameter, Values};
use crate::attribution::{Attribution, Entry, Method, Pass, Runner};
use crate::target::{Similarity, Term};
use crate::{Error, Model, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "le-grad",
    aliases: &["legrad"],
    title: "LeGrad",
    summary: "The positive gradient of the score that the network's head gives each block's tokens, with respect to the attention of that block, meaned over heads, readers and blocks.",
    source: "Bousselham, Boggust, Chaybouti, Strobelt, Kuehne 2024, LeGrad, equations 7 to 9",
    parameters: &[SCORE],
    layers: false,
    make: |model, values| Ok(Box::new(LeGrad::new(model, values)?)),
};

const SCORE: Parameter = Parameter {
    name: "score",
    help: "what is differentiated at each block: the head's score of the mean of its tokens (the authors' choice), of its class token, or \
           the network's own final score",
    unit: "",
    kind: Kind::Choice(&["token-mean", "class-token", "final"]),
    default: Default::Word("token-mean"),
};

#[derive(Debug)]
struct LeGrad {
    blocks: Blocks,
    /// What each block ends in, tokens × channels; none where the final score is differentiated.
    outputs: Vec<ValueId>,
    /// Whether the score is that of the mean of all tokens.
    of_mean: bool,
}

impl LeGrad {
    fn new(model: &Model, values: &Values) -> Result<Self> {
        let blocks = Blocks::of(model)?;
        let score = values.word(SCORE.name).unwrap_or("token-mean");
        let outputs = if score == "final" { Vec::new() } else { block_outputs(model, &blocks)? };
        Ok(Self { blocks, outputs, of_mean: score == "token-mean" })
    }
}

/// The last sum of tokens × channels behind each block's attention and before that of the next: where its residual connections end.
fn block_outputs(model: &Model, blocks: &Blocks) -> Result<Vec<ValueId>> {
    let graph = &model.graph;
    let (depends, leads) = (graph.depends_on(model.input), graph.leads_to(model.score.value));
    let mut outputs: Vec<Option<ValueId>> = vec![None; blocks.attention.len()];
    let mut block = None;
    for node in graph.nodes() {
        let value = node.outputs[0];
        if let Some(found) = blocks.attention.iter().position(|own| own.value == value) {
            block = Some(found);
        }
        let adds = matches!(node.op, Op::Eltwise(_) | Op::Binary(_))
            && node.inputs.len() == 2
            && node.inputs.iter().all(|input| depends[input.index()]);
        let is_tokens =
            matches!(graph.value(value).shape.extents(), &[1, tokens, _] if tokens == blocks.tokens);
        let same_shape =
            node.inputs.iter().all(|input| graph.value(*input).shape == graph.value(value).shape);
        if let (Some(block), true) = (block, adds && is_tokens && same_shape && leads[value.index()]) {
            outputs[block] = Some(value);
        }
    }
    outputs.into_iter().collect::<Option<_>>().ok_or_else(|| {
        Error::Option(
            "where the blocks of this network end cannot be told; `score=final` needs only its attention"
                .to_owned(),
        )
    })
}

impl Method for LeGrad {
    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let Blocks { attention, tokens, leading, grid } = &self.blocks;
        let mut sums = vec![0.0f64; *tokens];
        for (block, own) in attention.iter().enumerate() {
            let target = match self.outputs.get(block) {
                None => target.clone(),
                Some(&output) => self.score_of_block(runner, input, target, output)?,
            };
            let pass = Pass { gradients: vec![own.value], ..Pass::default() };
            let gradient = runner.one(&pass, &target, input.data(), |passed| passed.gradient(own.value))?;
            let share = 1.0 / (own.heads * tokens * attention.len()) as f64;
            for row in gradient.data().chunks_exact(*tokens) {
                for (sum, &number) in sums.iter_mut().zip(row) {
                    *sum += share * f64::from(number.max(0.0));
                }
            }
        }
        let map = sums[*leading..].iter().map(|&sum| sum as f32).collect();
        let attribution = Attribution::of_input(Array::new(*grid, map)?);
        Ok(Attribution { layer: attention.last().map(|own| own.value), ..attribution })
    }
}

impl LeGrad {
    /// A target at a block's output with the gradient of the score that the head gives its tokens: the network's own end is computed with
    /// every token replaced by their mean, or by the class token.
    fn score_of_block(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
        output: ValueId,
    ) -> Result<Target> {
        let tokens = self.blocks.tokens;
        let last = *self.outputs.last().unwrap_or(&output);
        let pass = Pass { activations: vec![output], ..Pass::forward() };
        let own = runner.one(&pass, target, input.data(), |passed| passed.activation(output))?;
        let channels = own.data().len() / tokens;
        let token: Vec<f32> = (0..channels)
            .map(|channel| match self.of_mean {
                false => own.data()[channel],
                true => {
                    let numbers = own.data()[channel..].iter().step_by(channels);
                    (numbers.map(|&number| f64::from(number)).sum::<f64>() / tokens as f64) as f32
                }
            })
            .collect();
        let repeated = |_: usize| token.iter().copied().cycle().take(tokens * channels).collect::<Vec<f32>>();
        let pass = Pass { from: Some(last), gradients: vec![last], ..Pass::default() };
        let mut gradient = Vec::new();
        runner.each_from(
            Some(input),
            &pass,
            target,
            1,
            &repeated,
            &|passed| passed.gradient(last),
            &mut |_, found| {
                gradient = found.data().to_vec();
                Ok(())
            },
        )?;
        // The head reads one token, or their mean: together they have the gradient of the one that all were replaced by.
        let mut of_token = vec![0.0f32; channels];
        for row in gradient.chunks_exact(channels) {
            of_token.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
        }
        let weights: Vec<f32> = match self.of_mean {
            true => {
                of_token.iter().map(|number| number / tokens as f32).cycle().take(tokens * channels).collect()
            }
            false => of_token.iter().copied().chain(std::iter::repeat(0.0)).take(tokens * channels).collect(),
        };
        let to = Arc::new(Array::new([tokens, channels], weights)?);
        Ok(Term::Similarity { value: output, to, measure: Similarity::Dot }.into())
    }
}
