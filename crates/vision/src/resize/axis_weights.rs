//! One axis of a resize as a table: which source samples an output sample reads, and with what weights.

/// Where output samples lie, and how source samples are weighted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    /// Pixels are areas, and the sampling grids share their outer edges; two neighbours are mixed.
    Areas {
        /// What lies outside.
        border: Border,
        /// Whether an axis that shrinks is blurred by a Gaussian first.
        blurred: bool,
    },
    /// Pixels are points, and the sampling grids share their corners; nothing outside is ever needed.
    Corners,
    /// Pixels are areas, and an output sample is a weighted mean as Pillow takes it.
    Filtered(Filter),
}

/// What lies outside the source.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Border {
    /// The smallest value of the whole picture.
    Smallest,
    /// The nearest value of the source.
    Nearest,
}

/// What Pillow weighs samples with: a function of the distance from the output sample, in source samples where an axis is
/// enlarged and in output samples where it shrinks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Filter {
    /// 1 − |x|: `BILINEAR`.
    Triangle,
    /// Keys' cubic convolution (1981) with a = −½: `BICUBIC`.
    Cubic,
}

impl Filter {
    /// From which distance on samples weigh nothing.
    fn support(self) -> f64 {
        match self {
            Self::Triangle => 1.0,
            Self::Cubic => 2.0,
        }
    }

    /// The weight at a distance. The cubic's terms are in Pillow's order, for weights that round alike.
    fn weight(self, distance: f64) -> f64 {
        const A: f64 = -0.5;
        let x = distance.abs();
        match self {
            Self::Triangle if x < 1.0 => 1.0 - x,
            Self::Cubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Cubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// For every output sample of one axis: the first source sample it reads, and the weights from there on.
pub(super) struct AxisWeights<T> {
    first: Vec<usize>,
    /// The weights of sample `i` are `weights[start[i]..start[i + 1]]`.
    start: Vec<usize>,
    weights: Vec<T>,
}

impl<T> AxisWeights<T> {
    /// The first source sample that an output sample reads, and the weights from there on.
    pub fn of(&self, sample: usize) -> (usize, &[T]) {
        (self.first[sample], &self.weights[self.start[sample]..self.start[sample + 1]])
    }

    /// The number of output samples.
    pub fn count(&self) -> usize {
        self.first.len()
    }

    /// The table of an axis of `source` samples that becomes one of `output`; neither is 0. Weights are computed in
    /// double precision and kept as what `convert` makes of them.
    pub fn new(source: usize, output: usize, method: Method, convert: impl Fn(f64) -> T) -> Self {
        let mut axis = Self { first: Vec::with_capacity(output), start: vec![0], weights: Vec::new() };
        let push = |first: usize, weights: &[f64]| {
            axis.first.push(first);
            axis.weights.extend(weights.iter().map(|&weight| convert(weight)));
            axis.start.push(axis.weights.len());
        };
        match method {
            Method::Filtered(filter) => filtered(source, output, filter, push),
            _ => interpolated(source, output, method, push),
        }
        axis
    }
}

/// Pillow's weights, computed in its order of operations; each sample's are handed to `push` with the first sample read.
fn filtered(source: usize, output: usize, filter: Filter, mut push: impl FnMut(usize, &[f64])) {
    let factor = source as f64 / output as f64;
    let width = factor.max(1.0);
    let (reach, scale) = (filter.support() * width, 1.0 / width);
    let mut weights: Vec<f64> = Vec::new();
    for sample in 0..output {
        let centre = (sample as f64 + 0.5) * factor;
        // The casts cut towards zero, and what is negative becomes 0, as in Pillow.
        let first = (centre - reach + 0.5) as usize;
        let end = ((centre + reach + 0.5) as usize).min(source);
        weights.clear();
        weights.extend((first..end).map(|index| filter.weight((index as f64 - centre + 0.5) * scale)));
        let sum: f64 = weights.iter().sum();
        if sum != 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= sum);
        }
        push(first, &weights);
    }
}

/// Linear interpolation between neighbours, of a blurred axis where the method says so.
fn interpolated(source: usize, output: usize, method: Method, mut push: impl FnMut(usize, &[f64])) {
    let factor = source as f64 / output as f64;
    let (kernel, border) = match method {
        Method::Areas { border, blurred: true } => (gaussian(factor), border),
        Method::Areas { border, .. } => (vec![1.0], border),
        _ => (vec![1.0], Border::Nearest),
    };
    let radius = (kernel.len() / 2) as isize;
    let last = source as isize - 1;
    let (mut taps, mut weights): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for sample in 0..output {
        let coordinate = match method {
            Method::Corners if output > 1 => sample as f64 * ((source - 1) as f64 / (output - 1) as f64),
            Method::Corners => 0.0,
            _ => (sample as f64 + 0.5) * factor - 0.5,
        };
        let left = coordinate.floor();
        let fraction = coordinate - left;
        // Interpolating the blurred axis is one kernel: the Gaussian at two neighbouring places, mixed.
        taps.clear();
        taps.resize(kernel.len() + 1, 0.0);
        for (tap, &weight) in kernel.iter().enumerate() {
            taps[tap] += (1.0 - fraction) * weight;
            taps[tap + 1] += fraction * weight;
        }
        // The window may lie partly outside.
        let from = left as isize - radius;
        let first = from.clamp(0, last);
        let end = (from + taps.len() as isize - 1).clamp(0, last);
        weights.clear();
        weights.resize((end - first + 1) as usize, 0.0);
        for (position, &tap) in (from..).zip(&taps) {
            let inside = position.clamp(0, last);
            if inside == position || matches!(border, Border::Nearest) {
                weights[(inside - first) as usize] += tap;
            }
        }
        push(first as usize, &weights);
    }
}

/// The normalised Gaussian that is applied before an axis shrinks by `factor`; `[1]` when it does not shrink.
fn gaussian(factor: f64) -> Vec<f64> {
    let deviation = ((factor - 1.0) / 2.0).max(0.0);
    if deviation <= 1e-15 {
        return vec![1.0];
    }
    let radius = (4.0 * deviation + 0.5) as i64;
    let mut kernel: Vec<f64> =
        (-radius..=radius).map(|x| (-0.5 * (x as f64 / deviation).powi(2)).exp()).collect();
    let sum: f64 = kernel.iter().sum();
    kernel.iter_mut().for_each(|weight| *weight /= sum);
    kernel
}
