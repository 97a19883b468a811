//! Occlusion (Zeiler and Fergus 2013, §4.2): how much the target falls where a window is replaced by the baseline.

use deepinside_files::Array;

use crate::attribution::baseline::{BASELINE, baseline};
use crate::attribution::parameter::{Default, Kind, Parameter, Values};
use crate::attribution::patches::numbers_of_boxes;
use crate::attribution::{Attribution, Entry, Method, Passes, Runner};
use crate::{Error, Model, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "occlusion",
    aliases: &[],
    title: "occlusion",
    summary: "How much the target falls where a window slides over the input and hides what is there, meaned over the windows of a pixel.",
    source: "Zeiler and Fergus 2013, Visualizing and Understanding Convolutional Networks, §4.2",
    parameters: &[WINDOW, STRIDE, BASELINE],
    layers: false,
    make: |_, values| Ok(Box::new(Occlusion { values: values.clone() })),
};

const WINDOW: Parameter = Parameter {
    name: "window",
    help: "how many pixels a side of the window has",
    unit: "pixels",
    kind: Kind::Whole { least: 1, most: 100_000 },
    default: Default::Number(15.0),
};

const STRIDE: Parameter = Parameter {
    name: "stride",
    help: "how far the window moves; no farther than it is wide",
    unit: "pixels",
    kind: Kind::Whole { least: 1, most: 100_000 },
    default: Default::Number(8.0),
};

#[derive(Debug)]
struct Occlusion {
    values: Values,
}

impl Occlusion {
    /// Side and stride of the window, and how many windows there are down and across: the last ones are cut by the border.
    fn windows(&self, input: &Array) -> Result<([usize; 2], [usize; 2])> {
        let [window, stride] =
            [&WINDOW, &STRIDE].map(|parameter| self.values.whole(parameter.name).unwrap_or(1));
        if stride > window {
            return Err(Error::Option(format!(
                "a 'stride' of {stride} leaves pixels out that no 'window' of {window} reaches"
            )));
        }
        let &[_, height, width] = input.shape() else {
            return Err(Error::Option(format!("an input has three axes, found shape {:?}", input.shape())));
        };
        let positions = |extent: usize| extent.saturating_sub(window).div_ceil(stride) + 1;
        Ok(([window, stride], [positions(height), positions(width)]))
    }
}

impl Method for Occlusion {
    fn passes(&self, _model: &Model, input: &Array) -> Result<Passes> {
        let (_, [rows, columns]) = self.windows(input)?;
        Ok(Passes::of_changes(rows * columns + 1))
    }

    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let ([window, stride], [rows, columns]) = self.windows(input)?;
        let [height, width] = [input.shape()[1], input.shape()[2]];
        let baseline = baseline(&self.values, input)?;
        let pixels_of = |position: usize| {
            let [top, left] = [position / columns * stride, position % columns * stride];
            [top..(top + window).min(height), left..(left + window).min(width)]
        };
        let occluded = |position: usize| -> Vec<f32> {
            let [down, across] = pixels_of(position);
            let mut numbers = input.data().to_vec();
            let planes =
                numbers.chunks_exact_mut(height * width).zip(baseline.data().chunks_exact(height * width));
            for (plane, other) in planes {
                for row in down.clone() {
                    let pixels = row * width + across.start..row * width + across.end;
                    plane[pixels.clone()].copy_from_slice(&other[pixels]);
                }
            }
            numbers
        };
        let boxes: Vec<_> = (0..rows * columns).map(pixels_of).collect();
        let (whole, numbers) = numbers_of_boxes(runner, input, target, &boxes, &occluded)?;
        let (mut sums, mut counts) = (vec![0.0f64; height * width], vec![0u32; height * width]);
        for (position, number) in numbers.iter().enumerate() {
            let [down, across] = pixels_of(position);
            for row in down {
                for pixel in row * width + across.start..row * width + across.end {
                    sums[pixel] += whole - number;
                    counts[pixel] += 1;
                }
            }
        }
        let values = sums.iter().zip(&counts).map(|(sum, &count)| (sum / f64::from(count.max(1))) as f32);
        Ok(Attribution::of_input(Array::new([height, width], values.collect())?))
    }
}
