//! Guided Grad-CAM (Selvaraju and others 2017, §3.2): guided backpropagation times the enlarged positive Grad-CAM.

use deepinside_files::Array;
use deepinside_graph::ValueId;

use super::class_activation::{activations_and_gradients, entry, layers, means, weighted_sum};
use super::gradient::Backward;
use crate::attribution::masks::{Enlargement, enlarge};
use crate::attribution::parameter::{Default, Kind, Parameter};
use crate::attribution::{Attribution, Entry, Method, Runner};
use crate::{BackwardRule, Error, Result, Target};

pub(super) const ENTRY: Entry = entry(
    "guided-grad-cam",
    &["guided-gradcam"],
    [
        "guided Grad-CAM",
        "Guided backpropagation times the positive part of Grad-CAM, enlarged to the input.",
        "Selvaraju and others 2017, Grad-CAM, §3.2",
    ],
    &[ENLARGEMENT],
    |model, values| {
        let layer = layers(model, values)?.into_iter().next();
        let layer = layer.ok_or_else(|| Error::Option("guided Grad-CAM needs a layer".to_owned()))?;
        let enlargement = match values.word(ENLARGEMENT.name) {
            Some("nearest") => Enlargement::Nearest,
            _ => Enlargement::HalfPixel,
        };
        Ok(Box::new(GuidedGradCam { layer, enlargement }))
    },
);

const ENLARGEMENT: Parameter = Parameter {
    name: "enlargement",
    help: "how the map gets the input's size: bilinear with half-pixel centres, or nearest as in Captum",
    unit: "",
    kind: Kind::Choice(&["bilinear", "nearest"]),
    default: Default::Word("bilinear"),
};

#[derive(Debug)]
struct GuidedGradCam {
    layer: ValueId,
    enlargement: Enlargement,
}

impl Method for GuidedGradCam {
    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let found = activations_and_gradients(runner, input, target, &[self.layer])?;
        let mut guided = Backward { rule: BackwardRule::Guided }.attribute(runner, input, target)?;
        let size = [input.shape()[1], input.shape()[2]];
        for (_, activation, gradient) in found {
            let map = weighted_sum(&activation, &means(&gradient));
            let map: Vec<f64> = map.into_iter().map(|number| number.max(0.0)).collect();
            let map = enlarge(&map, [activation.rows, activation.columns], size, self.enlargement);
            for channel in guided.values.data_mut().chunks_exact_mut(map.len()) {
                channel
                    .iter_mut()
                    .zip(&map)
                    .for_each(|(number, map)| *number = (f64::from(*number) * map) as f32);
            }
        }
        Ok(guided)
    }
}
