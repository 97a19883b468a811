//! What a backward pass starts from.

use deepinside_graph::{Inconsistency, Shape};

/// What is differentiated: a number computed from one value, whose gradient starts the backward pass.
///
/// Values have a batch axis first; each picture of a batch gets the same target.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Target {
    /// The score of a class: channel `class` (axis 1), its mean where the value has spatial axes.
    Class(usize),
    /// The score of the first class minus that of the second.
    Difference(usize, usize),
    /// One element of each picture, counted in C order without the batch axis.
    Neuron(usize),
    /// The sum over one channel.
    Channel(usize),
    /// One element of the whole value, counted in C order.
    Element(usize),
    /// The scalar product with an array of the value's shape: a dense top gradient.
    Dense(Vec<f32>),
}

impl Target {
    /// Writes the gradient of the target with respect to the value, in C order.
    ///
    /// # Errors
    /// When the target lies outside of the shape.
    pub(crate) fn write(&self, shape: &Shape, gradient: &mut [f32]) -> Result<(), Inconsistency> {
        gradient.fill(0.0);
        match self {
            Self::Class(class) => add_channel(shape, *class, Weight::Mean(1.0), gradient),
            Self::Difference(first, second) => {
                add_channel(shape, *first, Weight::Mean(1.0), gradient)?;
                add_channel(shape, *second, Weight::Mean(-1.0), gradient)
            }
            Self::Channel(channel) => add_channel(shape, *channel, Weight::Sum, gradient),
            Self::Neuron(position) => {
                let size = shape.product(shape.rank().min(1)..shape.rank());
                if *position >= size {
                    return Err(Inconsistency::new("neuron", format!("below {size}"), position));
                }
                gradient.iter_mut().skip(*position).step_by(size).for_each(|number| *number = 1.0);
                Ok(())
            }
            Self::Element(position) => {
                let elements = gradient.len();
                *gradient
                    .get_mut(*position)
                    .ok_or_else(|| Inconsistency::new("element", format!("below {elements}"), position))? =
                    1.0;
                Ok(())
            }
            Self::Dense(numbers) => {
                if numbers.len() != gradient.len() {
                    return Err(Inconsistency::new(
                        "top gradient",
                        format!("{} numbers", gradient.len()),
                        numbers.len(),
                    ));
                }
                gradient.copy_from_slice(numbers);
                Ok(())
            }
        }
    }
}

/// What each position of a channel counts.
#[derive(Clone, Copy)]
enum Weight {
    /// This much in all, shared by the positions.
    Mean(f32),
    /// One each.
    Sum,
}

fn add_channel(
    shape: &Shape,
    channel: usize,
    weight: Weight,
    gradient: &mut [f32],
) -> Result<(), Inconsistency> {
    let channels = shape.extent(1).ok_or_else(|| Inconsistency::new("value", "a channel axis", shape))?;
    if channel >= channels {
        return Err(Inconsistency::new("class or channel", format!("below {channels}"), channel));
    }
    let positions = shape.product(2..shape.rank());
    let number = match weight {
        Weight::Mean(number) => number / positions as f32,
        Weight::Sum => 1.0,
    };
    for picture in gradient.chunks_exact_mut((channels * positions).max(1)) {
        picture[channel * positions..][..positions].iter_mut().for_each(|element| *element += number);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(target: &Target, extents: &[usize]) -> Result<Vec<f32>, Inconsistency> {
        let shape = Shape::new(extents).unwrap();
        let mut gradient = vec![9.0; shape.elements()];
        target.write(&shape, &mut gradient).map(|()| gradient)
    }

    #[test]
    fn a_class_map_is_averaged() {
        assert_eq!(written(&Target::Class(1), &[1, 2, 1, 2]).unwrap(), [0.0, 0.0, 0.5, 0.5]);
        assert_eq!(written(&Target::Channel(1), &[1, 2, 1, 2]).unwrap(), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(written(&Target::Difference(1, 0), &[2, 2]).unwrap(), [-1.0, 1.0, -1.0, 1.0]);
        assert_eq!(written(&Target::Neuron(2), &[2, 3]).unwrap(), [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
        assert_eq!(written(&Target::Element(2), &[2, 3]).unwrap(), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn outside_is_an_error() {
        assert!(written(&Target::Class(2), &[1, 2]).is_err());
        assert!(written(&Target::Neuron(2), &[1, 2]).is_err());
        assert!(written(&Target::Element(2), &[1, 2]).is_err());
        assert!(written(&Target::Dense(vec![1.0]), &[1, 2]).is_err());
        assert!(written(&Target::Class(0), &[]).is_err());
    }
}
