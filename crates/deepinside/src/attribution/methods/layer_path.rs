//! What methods share that look at a layer along the straight line from a baseline to the input.

use deepinside_files::Array;
use deepinside_graph::ValueId;

use super::class_activation::Maps;
use crate::attribution::baseline::baseline;
use crate::attribution::parameter::{Default, Kind, Parameter, Values};
use crate::attribution::{Attribution, Pass, Runner};
use crate::{Result, Target};

/// Whether a layer's channels stay apart.
pub(super) const CHANNELS: Parameter = Parameter {
    name: "channels",
    help: "whether each unit has its own number (channels × rows × columns) or channels are summed (rows × columns)",
    unit: "",
    kind: Kind::Choice(&["each", "sum"]),
    default: Default::Word("each"),
};

/// Hands `take` the activation and the gradient of each layer at each point of the line, in their order.
pub(super) fn along(
    runner: &mut Runner,
    input: &Array,
    target: &Target,
    layers: &[ValueId],
    values: &Values,
    shares: &[f64],
    take: &mut dyn FnMut(usize, Vec<[Maps; 2]>),
) -> Result<Array> {
    let from = baseline(values, input)?;
    let model = runner.model().clone();
    let point = |step: usize| -> Vec<f32> {
        let between = |(&from, &to): (&f32, &f32)| {
            (f64::from(from) + shares[step] * (f64::from(to) - f64::from(from))) as f32
        };
        from.data().iter().zip(input.data()).map(between).collect()
    };
    runner.each(
        &Pass::at_layers(layers),
        target,
        shares.len(),
        &point,
        &|passed| {
            let both = |&layer: &ValueId| {
                let activation = Maps::of(&model, layer, &passed.activation(layer)?)?;
                Ok([activation, Maps::of(&model, layer, &passed.gradient(layer)?)?])
            };
            layers.iter().map(both).collect::<Result<Vec<_>>>()
        },
        &mut |step, found| {
            take(step, found);
            Ok(())
        },
    )?;
    Ok(from)
}

/// An attribution of a layer's units, or of its positions where channels are summed.
pub(super) fn of_units(layer: ValueId, maps: &Maps, units: &[f64], values: &Values) -> Result<Attribution> {
    let [rows, columns] = [maps.rows, maps.columns];
    let array = match values.word(CHANNELS.name) {
        Some("sum") => {
            let mut sums = vec![0.0; maps.positions()];
            for channel in units.chunks_exact(maps.positions()) {
                sums.iter_mut().zip(channel).for_each(|(sum, number)| *sum += number);
            }
            Array::new([rows, columns], sums.iter().map(|&sum| sum as f32).collect())?
        }
        _ => Array::new([maps.channels, rows, columns], units.iter().map(|&unit| unit as f32).collect())?,
    };
    Ok(Attribution { layer: Some(layer), ..Attribution::of_input(array) })
}
