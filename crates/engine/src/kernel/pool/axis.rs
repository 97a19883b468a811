//! Where windows stand along one axis, and which of them cover an element.

use deepinside_graph::op::{AverageDivisor, Pool, PoolKind};

/// One spatial axis.
pub(super) struct Axis {
    /// The extent of the input.
    pub input: usize,
    /// The distance between neighbouring taps.
    pub dilation: usize,
    /// For every output.
    pub windows: Vec<AxisWindow>,
    /// The outputs that cover each input element, one element's after the other's.
    covering: Vec<u32>,
    /// Where each input element's begin, and the end.
    starts: Vec<usize>,
}

/// One window along an axis.
#[derive(Clone, Copy)]
pub(super) struct AxisWindow {
    /// The first input element under a tap.
    pub first: usize,
    /// The number of taps over input elements.
    pub count: usize,
    /// The number of taps that an average counts.
    pub divisor: usize,
}

impl Axis {
    /// An axis of extent 1 that nothing slides over.
    pub fn single() -> Self {
        let windows = vec![AxisWindow { first: 0, count: 1, divisor: 1 }];
        Self { input: 1, dilation: 1, windows, covering: vec![0], starts: vec![0, 1] }
    }

    /// Whether each output has one tap, over the input element of the same index.
    pub fn is_pointwise(&self) -> bool {
        let pointwise = |(index, window): (usize, &AxisWindow)| {
            window.count == 1 && window.divisor == 1 && window.first == index
        };
        self.windows.len() == self.input && self.windows.iter().enumerate().all(pointwise)
    }

    /// The `axis`th spatial axis of a pooling over `input` elements.
    pub fn new(op: &Pool, axis: usize, input: usize) -> Self {
        let window = &op.window;
        let (kernel, stride, dilation) = (window.kernel[axis], window.stride[axis], window.dilation[axis]);
        let (pad_begin, pad_end) = (window.pad_begin[axis], window.pad_end[axis]);
        // The number of taps in front of an end, counted from the padding's beginning.
        let taps_before = |start: usize, end: usize| end.saturating_sub(start).div_ceil(dilation).min(kernel);
        let windows: Vec<_> = (0..op.output[axis])
            .map(|output| {
                let start = output * stride;
                let skipped = taps_before(start, pad_begin);
                let inside = taps_before(start, pad_begin + input);
                let count = inside - skipped;
                let divisor = match op.kind {
                    PoolKind::Average(AverageDivisor::PaddedInput) => {
                        taps_before(start, pad_begin + input + pad_end)
                    }
                    _ => count,
                };
                // A window over nothing must not point outside of the input.
                let first = if count > 0 { start + skipped * dilation - pad_begin } else { 0 };
                AxisWindow { first, count, divisor }
            })
            .collect();
        let mut counts = vec![0usize; input + 1];
        let elements = |window: &AxisWindow| (0..window.count).map(move |tap| tap * dilation);
        for window in &windows {
            for offset in elements(window) {
                counts[window.first + offset + 1] += 1;
            }
        }
        for element in 0..input {
            counts[element + 1] += counts[element];
        }
        let starts = counts.clone();
        let mut covering = vec![0; starts[input]];
        for (output, window) in windows.iter().enumerate() {
            for offset in elements(window) {
                let next = &mut counts[window.first + offset];
                covering[*next] = output as u32;
                *next += 1;
            }
        }
        Self { input, dilation, windows, covering, starts }
    }

    /// The extent of the output.
    pub fn output(&self) -> usize {
        self.windows.len()
    }

    /// The outputs whose windows cover an input element, increasing.
    #[inline(always)]
    pub fn covering(&self, element: usize) -> &[u32] {
        &self.covering[self.starts[element]..self.starts[element + 1]]
    }
}
