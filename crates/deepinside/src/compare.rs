//! The gradient of any unit with respect to the picture, by the true gradient, DeconvNet and guided backpropagation
//! (Simonyan, Vedaldi, Zisserman 2013, §4).
//!
//! DeconvNet (Zeiler and Fergus 2013) walks back from a unit of a layer to the picture. The paper shows that this is the
//! unit's gradient at every operator but the rectifier, where the gradient passes what had a positive *argument* and
//! DeconvNet what has a positive *incoming gradient*. Guided backpropagation (Springenberg et al. 2014) asks for both.
//! [`unit_gradient`] makes the three pictures of a unit; [`operators`] proves the claim for a network, operator by operator.

mod operators;

use deepinside_drawing::Picture;
use deepinside_drawing::normalise::{Content, Scaling, normalise};
use deepinside_engine::BackwardRule;
use deepinside_files::Array;
use deepinside_graph::{Graph, Shape, ValueId};
use deepinside_vision::ChannelOrder;

pub use self::operators::{ComparedOperator, operators};
use crate::attribution::largest_magnitude;
use crate::attribution::{Pass, Runner};
use crate::score::no_such_value;
use crate::target::{Index, Reduction, Term};
use crate::{Error, Model, Result, Target, expect_finite};

/// The rules that are compared, the true gradient first.
pub const RULES: [BackwardRule; 3] = [BackwardRule::Gradient, BackwardRule::DeconvNet, BackwardRule::Guided];

/// A unit of a network: one channel of one value, at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The value, `1 × C × …`.
    pub value: ValueId,
    /// The channel, below `C`.
    pub channel: usize,
    /// Where; a value without spatial axes has one position only.
    pub position: Position,
}

/// Which of a channel's positions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Position {
    /// The one with the largest activation; of equal ones the first in C order.
    #[default]
    Strongest,
    /// This one: an index for each spatial axis, as row and column.
    At(Vec<usize>),
    /// The mean over all: the class score of a network that ends in class maps.
    Mean,
}

impl Unit {
    /// The unnormalised score of a class.
    ///
    /// # Errors
    /// When there is no such class.
    pub fn class(model: &Model, class: usize) -> Result<Self> {
        if class >= model.score.classes {
            return Err(Error::ClassOutOfRange { index: class, classes: model.score.classes });
        }
        Ok(Self { value: model.score.value, channel: class, position: Position::Mean })
    }

    /// A channel of the value that has this name in the network's file (`deepinside graph` lists them).
    ///
    /// # Errors
    /// When there is no such value, or it has no such channel or position.
    pub fn of_layer(model: &Model, layer: &str, channel: usize, position: Position) -> Result<Self> {
        let value = model.graph.find(layer).ok_or_else(|| no_such_value(&model.graph, layer))?;
        let unit = Self { value, channel, position };
        Axes::of(&model.graph, value)?.check(&unit)?;
        Ok(unit)
    }
}

/// The axes of a value that has units.
#[derive(Debug, Clone)]
struct Axes {
    name: String,
    shape: Shape,
    channels: usize,
    spatial: Vec<usize>,
}

impl Axes {
    fn of(graph: &Graph, value: ValueId) -> Result<Self> {
        let known = graph.value(value);
        let (name, shape) = (known.name.clone(), known.shape.clone());
        match shape.extents() {
            &[1, channels, ref spatial @ ..] if shape.elements() > 0 => {
                let spatial = spatial.to_vec();
                Ok(Self { name, channels, spatial, shape })
            }
            _ => Err(Error::Option(format!(
                "'{name}' has shape {shape}; a unit is a channel of a value of shape 1×channels, or 1×channels×height×width"
            ))),
        }
    }

    fn positions(&self) -> usize {
        self.spatial.iter().product()
    }

    fn check(&self, unit: &Unit) -> Result<()> {
        let Self { name, shape, channels, spatial } = self;
        if unit.channel >= *channels {
            return Err(Error::Option(format!(
                "'{name}' ({shape}) has {channels} channels, 0 to {}; found channel {}",
                channels - 1,
                unit.channel
            )));
        }
        match &unit.position {
            Position::At(indices) if indices.len() != spatial.len() => Err(Error::Option(format!(
                "a position in '{name}' ({shape}) has {} indices; found {}",
                spatial.len(),
                indices.len()
            ))),
            Position::At(indices) if indices.iter().zip(spatial).any(|(index, extent)| index >= extent) => {
                let found: Vec<String> = indices.iter().map(ToString::to_string).collect();
                Err(Error::Option(format!(
                    "'{name}' has shape {shape}; position {} lies outside (each index counts from 0)",
                    found.join(",")
                )))
            }
            _ => Ok(()),
        }
    }

    /// The position of that number in C order, an index for each spatial axis.
    fn indices(&self, mut position: usize) -> Vec<usize> {
        let mut indices = vec![0; self.spatial.len()];
        for (index, extent) in indices.iter_mut().zip(&self.spatial).rev() {
            (*index, position) = (position % extent, position / extent);
        }
        indices
    }
}

/// A unit as it was found in one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// An index for each spatial axis; `None` for the mean over all. Empty for a value without spatial axes.
    pub position: Option<Vec<usize>>,
    /// The unit's activation.
    pub activation: f32,
    /// Its place in the value, in C order without the batch axis; none for a mean.
    element: Option<usize>,
}

/// A unit's gradient with respect to the picture.
#[derive(Debug, Clone)]
pub struct UnitGradient {
    /// Where the unit is, and how active.
    pub unit: Located,
    /// The gradient by the rule, `C × H × W` in the network's channel order, not scaled.
    pub gradient: Array,
    /// The activations of the unit's channel for the picture, by position; of a value without spatial axes a single one.
    pub channel: Array,
}

/// The gradient of one unit with respect to one picture, given as `C × H × W` numbers. Several units of one value, and several rules,
/// take one forward pass each kind.
///
/// # Errors
/// When the unit does not exist or does not depend on the picture, the picture has another size, a layer cannot be computed, or numbers
/// are not finite.
pub fn unit_gradient(
    runner: &mut Runner,
    picture: &[f32],
    unit: &Unit,
    rule: BackwardRule,
) -> Result<UnitGradient> {
    let model = runner.model().clone();
    let (value, channel) = (unit.value, unit.channel);
    let axes = Axes::of(&model.graph, value)?;
    axes.check(unit)?;
    if value == model.input || !model.graph.depends_on(model.input)[value.index()] {
        return Err(Error::Option(format!(
            "'{}' is not computed from the picture, so it has no gradient",
            axes.name
        )));
    }
    let pass = Pass { activations: vec![value], ..Pass::to_input(&model, rule) };
    let mean =
        Target::from(Term::Elements { value, index: Index::of_channel(channel), reduction: Reduction::Mean });
    // The strongest unit is known after the forward pass alone, which the way back then shares.
    runner.expect(&pass, &mean)?;
    let forward = Pass { gradients: Vec::new(), ..pass.clone() };
    let activations = runner.one(&forward, &mean, picture, |passed| passed.activation(value))?;
    let located = locate(&axes, unit, activations.data())?;
    let target = match located.element {
        None => mean,
        Some(element) => Target::element(&model, value, element)?,
    };
    let gradient = runner.one(&pass, &target, picture, |passed| passed.input_gradient())?;
    let count = axes.positions();
    let shape = if axes.spatial.is_empty() { vec![1] } else { axes.spatial.clone() };
    Ok(UnitGradient {
        unit: located,
        gradient,
        channel: Array::new(shape, activations.data()[channel * count..][..count].to_vec())?,
    })
}

/// Finds a unit among the activations of its value.
fn locate(axes: &Axes, unit: &Unit, activations: &[f32]) -> Result<Located> {
    axes.check(unit)?;
    let count = axes.positions();
    let channel = &activations[unit.channel * count..][..count];
    let position = match &unit.position {
        Position::Mean => {
            let sum: f64 = channel.iter().map(|&number| f64::from(number)).sum();
            let activation = (sum / count as f64) as f32;
            return Ok(Located { position: None, activation, element: None });
        }
        Position::At(indices) => {
            indices.iter().zip(&axes.spatial).fold(0, |position, (index, extent)| position * extent + index)
        }
        Position::Strongest => strongest(channel),
    };
    Ok(Located {
        position: Some(axes.indices(position)),
        activation: channel[position],
        element: Some(unit.channel * count + position),
    })
}

/// The position of the largest number, the first of equal ones; numbers that are none do not count.
fn strongest(numbers: &[f32]) -> usize {
    let mut best = 0;
    for (position, &number) in numbers.iter().enumerate() {
        if number > numbers[best] || numbers[best].is_nan() {
            best = position;
        }
    }
    best
}

/// A gradient as pictures.
#[derive(Debug, Clone)]
pub struct ShownGradient {
    /// In the network's colours: zero is medium grey; a lighter colour would make the unit more active.
    pub signed: Picture,
    /// The largest magnitude over channels, `H × W`, scaled to [0, 1].
    pub map: Array,
    /// The magnitude that is shown brightest, in the signed picture and in the map; larger ones are cut. 0 where there is
    /// nothing to scale by.
    pub brightest: [f32; 2],
    /// What the gradient holds: where it is constant the pictures show nothing.
    pub content: Content,
}

impl ShownGradient {
    /// Draws a gradient, `C × H × W` in the network's channel order. `quantile` (in `(0, 1]`; 1 is the largest) of the
    /// magnitudes that are not zero is shown brightest: a unit that sees a small part of the picture would else be
    /// scaled by the zeros around it.
    ///
    /// # Errors
    /// When the gradient is no picture of the network or holds numbers that are not finite, or the quantile is out of its
    /// range.
    pub fn new(gradient: &Array, order: ChannelOrder, quantile: f32) -> Result<Self> {
        let &[channels, height, width] = gradient.shape() else {
            return Err(Error::Option(format!(
                "a gradient has three axes, found shape {:?}",
                gradient.shape()
            )));
        };
        if channels != order.channels() {
            return Err(Error::Option(format!(
                "a gradient of {} channels was expected, found {channels}",
                order.channels()
            )));
        }
        expect_finite(|| "the numbers of the gradient".to_owned(), gradient.data())?;
        let summary = normalise(gradient, Scaling::Signed)?;
        let map = largest_magnitude(gradient)?;
        let brightest = [brightest(gradient.data(), quantile)?, brightest(map.data(), quantile)?];
        let share = |number: f32, brightest: f32| {
            if brightest > 0.0 { (number / brightest).clamp(-1.0, 1.0) } else { 0.0 }
        };
        let pixels = height * width;
        let mut rgb = vec![0; 3 * pixels];
        for (position, pixel) in rgb.chunks_exact_mut(3).enumerate() {
            for (colour, byte) in pixel.iter_mut().enumerate() {
                let channel = match order {
                    ChannelOrder::Bgr => 2 - colour,
                    ChannelOrder::Rgb => colour,
                    ChannelOrder::Grey => 0,
                };
                let number = gradient.data()[channel * pixels + position];
                *byte = (127.5 + 127.5 * share(number, brightest[0])).round() as u8;
            }
        }
        let map = map.data().iter().map(|&number| share(number, brightest[1])).collect();
        Ok(Self {
            signed: Picture::new(width, height, rgb)?,
            map: Array::new([height, width], map)?,
            brightest,
            content: summary.content,
        })
    }
}

/// This quantile of the magnitudes that are not zero; 0 where all are.
fn brightest(numbers: &[f32], quantile: f32) -> Result<f32> {
    let magnitudes = numbers.iter().map(|number| number.abs()).collect::<Vec<f32>>();
    Ok(normalise(&Array::new([magnitudes.len()], magnitudes)?, Scaling::Quantile(quantile))?.high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_position_is_the_first_of_equal_ones_and_never_nan() {
        assert_eq!(strongest(&[0.0, 3.0, 3.0, -1.0]), 1);
        assert_eq!(strongest(&[f32::NAN, -2.0, f32::NAN, -1.0]), 3);
        assert_eq!(strongest(&[-5.0]), 0);
    }

    #[test]
    fn positions_count_in_c_order() {
        let axes = Axes {
            name: "a".to_owned(),
            shape: Shape::new([1, 2, 3, 4]).unwrap(),
            channels: 2,
            spatial: vec![3, 4],
        };
        assert_eq!((0..12).map(|at| axes.indices(at)).nth(7), Some(vec![1, 3]));
        let activations: Vec<f32> = (0..24).map(|at| if at == 12 + 6 { 9.0 } else { 0.5 }).collect();
        let unit = |position| Unit { value: value(), channel: 1, position };
        let found = locate(&axes, &unit(Position::Strongest), &activations).unwrap();
        assert_eq!((found.position, found.activation), (Some(vec![1, 2]), 9.0));
        assert_eq!(found.element, Some(18));
        let found = locate(&axes, &unit(Position::At(vec![2, 3])), &activations).unwrap();
        assert_eq!((found.activation, found.element), (0.5, Some(23)));
        let found = locate(&axes, &unit(Position::Mean), &activations).unwrap();
        assert_eq!((found.position, found.activation), (None, ((11.0 * 0.5 + 9.0) / 12.0) as f32));
        for outside in [vec![3, 0], vec![0, 4], vec![0], vec![0, 0, 0]] {
            assert!(
                locate(&axes, &unit(Position::At(outside.clone())), &activations).is_err(),
                "{outside:?}"
            );
        }
    }

    /// Any value of any graph.
    fn value() -> ValueId {
        let mut builder = deepinside_graph::GraphBuilder::new("");
        builder.input("a", Shape::new([1]).unwrap()).unwrap()
    }

    #[test]
    fn pictures_are_grey_at_zero_and_in_the_photograph_s_colours() {
        // Blue, green, red: only the network's last channel rises, at the second pixel.
        let gradient = Array::new([3, 1, 2], vec![0.0, 0.0, 0.0, -1.0, 0.0, 2.0]).unwrap();
        let shown = ShownGradient::new(&gradient, ChannelOrder::Bgr, 1.0).unwrap();
        assert_eq!(shown.signed.rgb(), [128, 128, 128, 255, 64, 128]);
        assert_eq!((shown.brightest, shown.content), ([2.0, 2.0], Content::Varied));
        assert_eq!(shown.map.data(), [0.0, 1.0]);
        let shown = ShownGradient::new(&gradient, ChannelOrder::Rgb, 1.0).unwrap();
        assert_eq!(shown.signed.rgb(), [128, 128, 128, 128, 64, 255]);
    }

    #[test]
    fn a_gradient_of_zeros_is_a_grey_picture_that_says_so() {
        let nothing = Array::filled([3, 2, 2], 0.0).unwrap();
        let shown = ShownGradient::new(&nothing, ChannelOrder::Rgb, 0.99).unwrap();
        assert_eq!((shown.signed.rgb(), shown.brightest), (&[128; 12][..], [0.0, 0.0]));
        assert_eq!(shown.map.data(), [0.0; 4]);
        assert_eq!(shown.content, Content::Constant(0.0));
        let broken = Array::filled([3, 2, 2], f32::NAN).unwrap();
        assert!(ShownGradient::new(&broken, ChannelOrder::Rgb, 0.99).is_err());
        assert!(ShownGradient::new(&nothing, ChannelOrder::Grey, 0.99).is_err());
    }

    #[test]
    fn the_zeros_around_a_unit_s_field_do_not_set_its_scale() {
        let mut numbers = vec![0.0; 400];
        numbers[..4].copy_from_slice(&[1.0, -2.0, 3.0, 4.0]);
        // numpy.quantile([1, 2, 3, 4], 0.5) is 2.5.
        assert_eq!(brightest(&numbers, 0.5).unwrap(), 2.5);
        assert_eq!(brightest(&numbers, 1.0).unwrap(), 4.0);
        assert!(brightest(&numbers, 1.5).is_err());
    }
}
