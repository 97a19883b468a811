//! Gradient × attention (Chefer, Gur, Wolf 2021): attention weighted by its positive gradient, multiplied through the blocks.

use deepinside_files::Array;

use super::attention::Blocks;
use super::attention_rollout::{identity, of_patches, product};
use crate::attribution::{Attribution, Entry, Method, Pass, Runner};
use crate::{Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "gradient-x-attention",
    aliases: &["chefer", "generic-attention"],
    title: "gradient × attention",
    summary: "How much of each patch reaches the class token through the attention of all blocks, of which only what raises the target counts.",
    source: "Chefer, Gur, Wolf 2021, Generic Attention-Model Explainability, equations 5 and 6",
    parameters: &[],
    layers: false,
    make: |model, _| Ok(Box::new(GradientXAttention { blocks: Blocks::of(model)? })),
};

#[derive(Debug)]
struct GradientXAttention {
    blocks: Blocks,
}

impl Method for GradientXAttention {
    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let tokens = self.blocks.tokens;
        let values: Vec<_> = self.blocks.attention.iter().map(|own| own.value).collect();
        let maps = runner.one(&Pass::at_layers(&values), target, input.data(), |passed| {
            let both = |&value: &_| Ok((passed.activation(value)?, passed.gradient(value)?));
            values.iter().map(both).collect::<Result<Vec<_>>>()
        })?;
        let mut relevance: Vec<f64> = identity(tokens);
        for (attention, gradient) in &maps {
            let mut mixed = vec![0.0f64; tokens * tokens];
            let share = mixed.len() as f64 / attention.data().len() as f64;
            for (at, (&own, &slope)) in attention.data().iter().zip(gradient.data()).enumerate() {
                mixed[at % (tokens * tokens)] += share * (f64::from(own) * f64::from(slope)).max(0.0);
            }
            let added = product(&mixed, &relevance, tokens);
            relevance.iter_mut().zip(added).for_each(|(sum, number)| *sum += number);
        }
        let attribution = Attribution::of_input(of_patches(&self.blocks, &relevance)?);
        Ok(Attribution { layer: values.last().copied(), ..attribution })
    }
}
