//! The settings of sliding windows, and how Caffe rounds the number of their positions.

use deepinside_graph::{Inconsistency, op::Window};

use crate::proto::ConvolutionParameter;

/// No real window comes near this; below it no product of two settings can overflow.
pub(super) const LARGEST: usize = 1 << 24;

/// The window of a convolution over `axes` spatial axes.
pub(super) fn of_convolution(settings: &ConvolutionParameter, axes: usize) -> Result<Window, Inconsistency> {
    let per_axis = |setting: &Setting<'_>| setting.per_axis(axes);
    let kernel = per_axis(&Setting {
        name: "kernel_size",
        list: &settings.kernel_size,
        pair: [settings.kernel_h, settings.kernel_w],
        default: None,
        least: 1,
    })?;
    let stride = per_axis(&Setting {
        name: "stride",
        list: &settings.stride,
        pair: [settings.stride_h, settings.stride_w],
        default: Some(1),
        least: 1,
    })?;
    let pad = per_axis(&Setting {
        name: "pad",
        list: &settings.pad,
        pair: [settings.pad_h, settings.pad_w],
        default: Some(0),
        least: 0,
    })?;
    let dilation = per_axis(&Setting {
        name: "dilation",
        list: &settings.dilation,
        pair: [None, None],
        default: Some(1),
        least: 1,
    })?;
    Ok(Window { kernel, stride, dilation, pad_begin: pad.clone(), pad_end: pad })
}

/// A setting that is given once for all spatial axes, once for each, or by two fields for height and width.
#[derive(Debug)]
struct Setting<'a> {
    name: &'static str,
    list: &'a [u32],
    pair: [Option<u32>; 2],
    /// What it is if not given; `None` if it must be.
    default: Option<usize>,
    least: usize,
}

impl Setting<'_> {
    fn per_axis(&self, axes: usize) -> Result<Vec<usize>, Inconsistency> {
        let name = self.name;
        let stem = name.trim_end_matches("_size");
        let numbers: Vec<usize> = if self.pair.iter().any(Option::is_some) {
            if axes != 2 {
                return Err(Inconsistency::new(
                    format!("{stem}_h and {stem}_w"),
                    "used for two spatial axes only",
                    format!("an input with {axes}"),
                ));
            }
            if !self.list.is_empty() {
                return Err(Inconsistency::new(
                    name,
                    format!("either {name} or {stem}_h and {stem}_w"),
                    "both",
                ));
            }
            self.pair.iter().map(|number| number.unwrap_or(0) as usize).collect()
        } else {
            match (self.list, self.default) {
                ([], Some(default)) => vec![default; axes],
                ([one], _) => vec![*one as usize; axes],
                (each, _) if each.len() == axes => each.iter().map(|number| *number as usize).collect(),
                (each, _) => {
                    return Err(Inconsistency::new(
                        format!("number of {name}"),
                        format!("one for all or one for each of {axes} spatial axes"),
                        each.len(),
                    ));
                }
            }
        };
        check_range(name, &numbers, self.least)?;
        Ok(numbers)
    }
}

/// Checks that all numbers lie between `least` and [`LARGEST`].
pub(super) fn check_range(name: &str, numbers: &[usize], least: usize) -> Result<(), Inconsistency> {
    match numbers.iter().find(|number| !(least..=LARGEST).contains(number)) {
        Some(number) => Err(Inconsistency::new(name, format!("{least} to {LARGEST}"), number)),
        None => Ok(()),
    }
}

/// Adds what Caffe's convolution reads beyond the padding: it rounds the number of window positions towards
/// zero, so that an input which is too small by less than a stride still has one, with zeros around.
pub(super) fn widen_for_truncation(window: &mut Window, spatial: &[usize]) {
    for (axis, extent) in spatial.iter().enumerate() {
        let padded = extent + window.pad_begin[axis] + window.pad_end[axis];
        let short = window.reach(axis).saturating_sub(padded);
        if short < window.stride[axis] {
            window.pad_end[axis] += short;
        }
    }
}

/// One spatial axis of a pooling window.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolAxis {
    pub extent: usize,
    pub kernel: usize,
    pub stride: usize,
    pub pad: usize,
}

impl PoolAxis {
    /// How many positions the window has along this axis, or `None` for none.
    ///
    /// With `clip`, which Caffe does as soon as any axis is padded, the last position is left out if it
    /// starts in the padding behind the input.
    pub fn positions(self, round_up: bool, clip: bool) -> Option<usize> {
        let [extent, kernel, stride, pad] = [self.extent, self.kernel, self.stride, self.pad]
            .map(|number| i64::try_from(number).unwrap_or(i64::MAX / 8));
        let room = extent.saturating_add(2 * pad) - kernel;
        let steps = if round_up { -(-room).div_euclid(stride) } else { room.div_euclid(stride) };
        let mut positions = steps + 1;
        let starts_outside = |positions: i64| (positions - 1).saturating_mul(stride) >= extent + pad;
        if clip && starts_outside(positions) {
            positions -= 1;
            // Caffe gives up here too.
            if starts_outside(positions) {
                return None;
            }
        }
        usize::try_from(positions).ok().filter(|positions| *positions > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts positions the slow way: with rounding up, a window is added while the last one does not reach
    /// the end.
    fn counted(axis: PoolAxis, round_up: bool, clip: bool) -> usize {
        let padded = axis.extent + 2 * axis.pad;
        let fits = |start: usize| start + axis.kernel <= padded;
        let mut starts: Vec<usize> =
            (0..).map(|step| step * axis.stride).take_while(|start| fits(*start)).collect();
        let last = starts.last().copied();
        if round_up && last.is_some_and(|last| last + axis.kernel < padded) {
            starts.push(last.unwrap() + axis.stride);
        }
        if clip && starts.last().is_some_and(|start| *start >= axis.extent + axis.pad) {
            starts.pop();
        }
        starts.len()
    }

    #[test]
    fn positions_are_those_of_a_window_that_is_moved_by_hand() {
        for extent in 1..12 {
            for kernel in 1..=extent {
                for stride in 1..5 {
                    for pad in 0..kernel {
                        let axis = PoolAxis { extent, kernel, stride, pad };
                        for (round_up, clip) in
                            [(true, pad > 0), (false, pad > 0), (true, false), (false, false)]
                        {
                            let expected = Some(counted(axis, round_up, clip));
                            assert_eq!(
                                axis.positions(round_up, clip),
                                expected,
                                "{axis:?} {round_up} {clip}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_window_larger_than_the_input_has_a_position_only_when_rounded_up() {
        let axis = PoolAxis { extent: 2, kernel: 3, stride: 2, pad: 0 };
        assert_eq!(axis.positions(true, false), Some(1));
        assert_eq!(axis.positions(false, false), None);
        assert_eq!(PoolAxis { extent: 1, ..axis }.positions(true, false), None);
    }

    #[test]
    fn settings_are_given_once_or_for_each_axis_or_for_height_and_width() {
        let mut settings = ConvolutionParameter { kernel_size: vec![3, 5], ..Default::default() };
        settings.pad = vec![2];
        settings.stride_w = Some(4);
        settings.stride_h = Some(2);
        let window = of_convolution(&settings, 2).unwrap();
        assert_eq!((window.kernel, window.pad_end), (vec![3, 5], vec![2, 2]));
        assert_eq!((window.stride, window.dilation), (vec![2, 4], vec![1, 1]));
        assert_eq!(of_convolution(&settings, 3).unwrap_err().what, "number of kernel_size");
        settings.stride = vec![1];
        assert_eq!(of_convolution(&settings, 2).unwrap_err().found, "both");
        settings = ConvolutionParameter { kernel_size: vec![0], ..Default::default() };
        assert_eq!(of_convolution(&settings, 2).unwrap_err().found, "0");
        settings.kernel_size.clear();
        assert_eq!(of_convolution(&settings, 2).unwrap_err().found, "0");
    }
}
