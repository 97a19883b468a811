//! Attention rollout (Abnar and Zuidema 2020): attention multiplied through the blocks, each with half of its residual connection.

use deepinside_files::Array;

use super::attention::Blocks;
use crate::attribution::parameter::{Default, Kind, Parameter, Values};
use crate::attribution::{Attribution, Entry, Method, Pass, Runner};
use crate::{Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "attention-rollout",
    aliases: &["rollout"],
    title: "attention rollout",
    summary: "How much of each patch reaches the class token through the attention of all blocks; it does not depend on the target.",
    source: "Abnar and Zuidema 2020, Quantifying Attention Flow in Transformers, equation 1",
    parameters: &[HEADS],
    layers: false,
    make: |model, values| {
        Ok(Box::new(AttentionRollout { blocks: Blocks::of(model)?, values: values.clone() }))
    },
};

const HEADS: Parameter = Parameter {
    name: "heads",
    help: "how the heads of a block become one: their mean or their largest number",
    unit: "",
    kind: Kind::Choice(&["mean", "max"]),
    default: Default::Word("mean"),
};

#[derive(Debug)]
struct AttentionRollout {
    blocks: Blocks,
    values: Values,
}

impl Method for AttentionRollout {
    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let Blocks { attention, tokens, .. } = &self.blocks;
        let tokens = *tokens;
        let values: Vec<_> = attention.iter().map(|own| own.value).collect();
        let pass = Pass { activations: values.clone(), ..Pass::forward() };
        let maps: Vec<Array> = runner.one(&pass, target, input.data(), |passed| {
            values.iter().map(|&value| passed.activation(value)).collect()
        })?;
        let is_largest = self.values.word(HEADS.name) == Some("max");
        let mut rollout: Vec<f64> = identity(tokens);
        for map in &maps {
            let mut mixed = vec![0.0f64; tokens * tokens];
            let heads = map.data().len() / mixed.len();
            for head in map.data().chunks_exact(tokens * tokens) {
                for (sum, &number) in mixed.iter_mut().zip(head) {
                    let number = f64::from(number);
                    *sum = if is_largest { sum.max(number) } else { *sum + number / heads as f64 };
                }
            }
            for (row, numbers) in mixed.chunks_exact_mut(tokens).enumerate() {
                numbers[row] += 1.0;
                let sum: f64 = numbers.iter().sum();
                numbers.iter_mut().for_each(|number| *number /= sum);
            }
            rollout = product(&mixed, &rollout, tokens);
        }
        let attribution = Attribution::of_input(of_patches(&self.blocks, &rollout)?);
        Ok(Attribution {
            layer: values.last().copied(),
            notes: vec![
                "attention rollout does not depend on the target: every class has this map".to_owned(),
            ],
            ..attribution
        })
    }
}

/// What the class token reads of each patch; where there is none, what all patches read on average.
pub(super) fn of_patches(blocks: &Blocks, mixed: &[f64]) -> Result<Array> {
    let Blocks { tokens, leading, grid, .. } = *blocks;
    let read = |patch: usize| match leading {
        0 => (0..tokens).map(|row| mixed[row * tokens + patch]).sum::<f64>() / tokens as f64,
        _ => mixed[patch],
    };
    Ok(Array::new(grid, (leading..tokens).map(|patch| read(patch) as f32).collect())?)
}

pub(super) fn identity(size: usize) -> Vec<f64> {
    (0..size * size).map(|at| if at / size == at % size { 1.0 } else { 0.0 }).collect()
}

/// The product of two square matrices.
pub(super) fn product(a: &[f64], b: &[f64], size: usize) -> Vec<f64> {
    let mut product = vec![0.0; size * size];
    for (row, sums) in a.chunks_exact(size).zip(product.chunks_exact_mut(size)) {
        for (factor, other) in row.iter().zip(b.chunks_exact(size)) {
            sums.iter_mut().zip(other).for_each(|(sum, number)| *sum += factor * number);
        }
    }
    product
}
