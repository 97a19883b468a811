//! Cutting an object out of a photograph by its colours (Boykov and Jolly 2001; with mixtures and refinement, Rother,
//! Kolmogorov and Blake 2004).
//!
//! Every pixel is foreground or background. A labelling costs the negative log-likelihood of each pixel's colour under its
//! label's mixture, and for neighbours with different labels `γ · exp(−β ‖c − c'‖²) / distance`, where
//! `β = 1 / (2 · mean ‖c − c'‖²)` over all neighbouring pixels. A minimum cut finds the cheapest labelling.

mod exponential;
mod max_flow;
mod mixture;

use rayon::prelude::*;

pub use self::max_flow::Grid;
pub use self::mixture::{Component, Mixture};

use self::exponential::exponential;
use crate::vectorised::vectorised;
use crate::{Error, Photograph, Result};

/// What is known of a pixel before the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// Surely the object.
    Foreground,
    /// Surely not.
    Background,
    /// To be decided.
    Unknown,
}

/// How pixels are labelled.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct CutOptions {
    /// The Gaussians of each of the two mixtures.
    pub components: usize,
    /// What a border between equal colours costs, γ.
    pub smoothness: f64,
    /// Whether markers keep their label; else they only teach the mixtures.
    pub clamped: bool,
    /// How often the mixtures are learnt again from the labels, and the cut repeated.
    pub refinements: usize,
}

impl Default for CutOptions {
    /// Five Gaussians (the paper, §3.2) and OpenCV's γ.
    fn default() -> Self {
        Self { components: 5, smoothness: 50.0, clamped: true, refinements: 0 }
    }
}

/// How many pixels a thread looks at before another may take more.
const PIECE: usize = 4096;

/// A clamped marker's capacity, above all that neighbours together can outweigh (8 γ); where borders cost nothing, one.
fn certain(smoothness: f64) -> f64 {
    (9.0 * smoothness).max(1.0)
}

/// The most that a border may cost: single precision still tells such a sum from one and a pixel's cost more.
const SMOOTHNESS_LIMIT: f64 = 1e6;

/// The most refinements: what changes after so many goes back and forth.
const REFINEMENTS_LIMIT: usize = 1000;

/// Labels each pixel: true where it is foreground, row-major.
///
/// `prior` is added to what background costs and subtracted from what foreground does, per pixel, where it is given: evidence
/// besides the colour, in nats. Where one of the kinds of markers is missing there is nothing to tell apart, and everything that is not
/// marked as background is foreground; where a cut leaves one of the labels to no pixel, there is nothing to refine.
///
/// # Errors
/// [`Error::Parameter`] where there are not as many markers or priors as pixels, the smoothness is not within 0 and 1e6, or there are more than
/// 1000 refinements.
pub fn cut(
    photograph: &Photograph,
    markers: &[Marker],
    prior: Option<&[f32]>,
    options: &CutOptions,
) -> Result<Vec<bool>> {
    let colours = colours(photograph);
    let expected = colours.len();
    for found in [markers.len(), prior.map_or(expected, <[f32]>::len)] {
        if found != expected {
            return Err(Error::Parameter {
                name: "the number of markers",
                expected: "one for each pixel",
                found: format!("{found} for {expected} pixels"),
            });
        }
    }
    if !(0.0..=SMOOTHNESS_LIMIT).contains(&options.smoothness) {
        let (name, expected) = ("what a border costs", "a number of 0 to 1e6");
        return Err(Error::Parameter { name, expected, found: options.smoothness.to_string() });
    }
    if options.refinements > REFINEMENTS_LIMIT {
        let (name, expected) = ("the number of refinements", "1000 or fewer");
        return Err(Error::Parameter { name, expected, found: options.refinements.to_string() });
    }
    let mut edges = None;
    let mut mixtures: Option<[Mixture; 2]> = None;
    let mut labels: Vec<bool> = markers.iter().map(|marker| *marker == Marker::Foreground).collect();
    let mut teaches: Vec<bool> = markers.iter().map(|marker| *marker != Marker::Unknown).collect();
    for _ in 0..=options.refinements {
        let learn = |wanted: bool| {
            let chosen = labels.iter().zip(&teaches).zip(&colours);
            let pixels: Vec<[f32; 3]> = chosen
                .filter(|((label, teaches), _)| **label == wanted && **teaches)
                .map(|(_, colour)| *colour)
                .collect();
            match &mixtures {
                None => Mixture::learn(&pixels, options.components, 0),
                Some(mixtures) => mixtures[usize::from(wanted)].learn_again(&pixels),
            }
        };
        // All three can be had at the same time.
        let ((foreground, background), mut grid) = rayon::join(
            || rayon::join(|| learn(true), || learn(false)),
            || {
                let (height, width) = (photograph.height(), photograph.width());
                edges.get_or_insert_with(|| Edges::new(&colours, height, width, options.smoothness)).grid()
            },
        );
        let (Some(foreground), Some(background)) = (foreground, background) else {
            let is_cut = mixtures.is_some();
            let unmarked = || markers.iter().map(|marker| *marker != Marker::Background).collect();
            return Ok(if is_cut { labels } else { unmarked() });
        };
        let terminals = terminals(&foreground, &background, &colours, |index| match markers[index] {
            Marker::Foreground if options.clamped => Known::Certain(certain(options.smoothness)),
            Marker::Background if options.clamped => Known::Certain(-certain(options.smoothness)),
            _ => Known::Prior(prior.map_or(0.0, |prior| f64::from(prior[index]))),
        });
        labels = labels_of(&mut grid, &terminals);
        teaches.fill(true);
        mixtures = Some([background, foreground]);
    }
    Ok(labels)
}

/// What is known of a pixel besides its colour.
enum Known {
    /// How much more background costs it, whatever the colour.
    Certain(f64),
    /// How much more background costs it, in addition to the colour's part.
    Prior(f64),
}

/// How much more background costs each pixel than foreground, in nats. The colours of certain pixels are not looked at.
fn terminals(
    foreground: &Mixture,
    background: &Mixture,
    colours: &[[f32; 3]],
    known: impl Fn(usize) -> Known + Sync,
) -> Vec<f32> {
    let mut result = vec![0.0; colours.len()];
    let pieces = result.par_chunks_mut(PIECE).zip(colours.par_chunks(PIECE));
    pieces.enumerate().for_each(|(piece, (result, colours))| {
        let (mut open, mut priors, mut looked_at) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (result, colour)) in result.iter_mut().zip(colours).enumerate() {
            match known(piece * PIECE + index) {
                Known::Certain(amount) => *result = amount as f32,
                Known::Prior(prior) => {
                    open.push(index);
                    priors.push(prior);
                    looked_at.push(*colour);
                }
            }
        }
        let costs = background.negative_log_likelihoods(&looked_at);
        let gains = foreground.negative_log_likelihoods(&looked_at);
        for (((index, prior), cost), gain) in open.into_iter().zip(priors).zip(costs).zip(gains) {
            result[index] = (cost - gain + prior) as f32;
        }
    });
    result
}

/// Three channels of 0 to 255.
fn colours(photograph: &Photograph) -> Vec<[f32; 3]> {
    let channels = photograph.channels();
    let level = |number: f32| f32::from((255.0 * number + 0.5) as u8);
    photograph
        .data()
        .par_chunks_exact(channels)
        .with_min_len(PIECE)
        .map(|pixel| std::array::from_fn(|channel| level(pixel[channel.min(channels - 1)])))
        .collect()
}

/// What borders cost, for every pixel to its east, south, south-east and south-west; 0 where nothing is.
struct Edges {
    height: usize,
    width: usize,
    costs: Vec<[f32; 4]>,
}

const STEPS: [[isize; 2]; 4] = [[0, 1], [1, 0], [1, 1], [1, -1]];

impl Edges {
    fn new(colours: &[[f32; 3]], height: usize, width: usize, smoothness: f64) -> Self {
        // First the squared differences of colours; infinite where no neighbour is.
        let mut costs = vec![[f32::INFINITY; 4]; colours.len()];
        let (mut sum, mut count) = (0.0, 0);
        for (row, costs) in costs.chunks_exact_mut(width.max(1)).enumerate() {
            for (direction, [down, right]) in STEPS.into_iter().enumerate() {
                let Some((own, others)) = neighbours(colours, height, width, row, [down, right]) else {
                    continue;
                };
                let mut squares = 0.0f64;
                let start = usize::from(right < 0);
                for ((cost, own), other) in costs[start..].iter_mut().zip(own).zip(others) {
                    let square = (0..3).map(|channel| (own[channel] - other[channel]).powi(2)).sum::<f32>();
                    cost[direction] = square;
                    squares += f64::from(square);
                }
                sum += squares;
                count += own.len();
            }
        }
        // Where all colours are alike every border costs γ.
        let beta = if sum > 0.0 { count as f64 / (2.0 * sum) } else { 0.0 };
        let scale =
            STEPS.map(|[down, right]| (smoothness / ((down * down + right * right) as f64).sqrt()) as f32);
        let decay = -(beta as f32);
        vectorised(
            #[inline(always)]
            || {
                for costs in &mut costs {
                    for direction in 0..4 {
                        let square = costs[direction];
                        let cost = scale[direction] * exponential(decay * square);
                        costs[direction] = if square == f32::INFINITY { 0.0 } else { cost };
                    }
                }
            },
        );
        Self { height, width, costs }
    }

    /// A grid with these borders and without terminals.
    fn grid(&self) -> Grid {
        let mut grid = Grid::new(self.height, self.width);
        for ((row, column), costs) in grid.places().zip(&self.costs) {
            for (step, &cost) in STEPS.into_iter().zip(costs) {
                grid.connect(row, column, step, cost);
            }
        }
        grid
    }
}

/// The cheapest labels; `terminals` is how much more background costs each pixel than foreground.
fn labels_of(grid: &mut Grid, terminals: &[f32]) -> Vec<bool> {
    for ((row, column), &terminal) in grid.places().zip(terminals) {
        grid.connect_terminals(row, column, terminal);
    }
    grid.run();
    grid.places().map(|(row, column)| grid.is_source(row, column)).collect()
}

/// Three channels of 0 to 255.
type Colour = [f32; 3];

/// The pixels of a row that have a neighbour in a direction, and those neighbours.
fn neighbours(
    colours: &[[f32; 3]],
    height: usize,
    width: usize,
    row: usize,
    [down, right]: [isize; 2],
) -> Option<(&[Colour], &[Colour])> {
    let below = row + usize::from(down > 0);
    if below >= height {
        return None;
    }
    let (own, others) = (&colours[row * width..][..width], &colours[below * width..][..width]);
    Some(match right {
        0 => (own, others),
        1.. => (&own[..width - 1], &others[1..]),
        _ => (&own[1..], &others[..width - 1]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A red disc on green, marked by a few pixels only.
    #[test]
    fn an_object_is_cut_out_along_its_border() {
        let (height, width) = (40, 50);
        let inside = |index: usize| {
            let (row, column) = ((index / width) as f32, (index % width) as f32);
            (row - 20.0).hypot(column - 22.0) < 12.0
        };
        let mut data = Vec::new();
        for index in 0..height * width {
            let noise = (index * 7919 % 13) as f32 / 100.0;
            data.extend(if inside(index) { [0.8, 0.1 + noise, 0.1] } else { [0.1, 0.6 + noise, 0.2] });
        }
        let photograph = Photograph::new(height, width, 3, data).unwrap();
        let marker = |index: usize| {
            let (row, column) = (index / width, index % width);
            match () {
                () if row < 4 => Marker::Background,
                () if (18..23).contains(&row) && (20..25).contains(&column) => Marker::Foreground,
                () => Marker::Unknown,
            }
        };
        let markers: Vec<Marker> = (0..height * width).map(marker).collect();
        let expected: Vec<bool> = (0..height * width).map(inside).collect();
        for refinements in [0, 3] {
            for clamped in [false, true] {
                let options = CutOptions { clamped, refinements, ..CutOptions::default() };
                assert_eq!(cut(&photograph, &markers, None, &options).unwrap(), expected);
            }
        }
    }

    /// Labels of `benches/peers/make_graph_cut_fixture.py`: the energy by its definition, cut by the authors' own max-flow.
    #[test]
    fn labels_for_given_mixtures_are_those_of_the_authors_max_flow() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/graph_cut");
        let read = |name: &str| deepinside_files::npy::read(folder.join(name)).unwrap();
        let mixtures = read("mixtures.npy");
        let mixture = |which: usize| {
            let numbers: Vec<f64> =
                mixtures.data()[which * 65..][..65].iter().map(|&x| f64::from(x)).collect();
            let gaussian = |k: usize| {
                let mean = std::array::from_fn(|channel| numbers[5 + 3 * k + channel]);
                let entry = |row: usize, column: usize| numbers[20 + 9 * k + 3 * row + column];
                let covariance = std::array::from_fn(|row| std::array::from_fn(|column| entry(row, column)));
                Component::new(numbers[k], mean, covariance)
            };
            Mixture::of([0, 1, 2, 3, 4].map(gaussian))
        };
        let (foreground, background) = (mixture(0), mixture(1));
        for case in ["disc", "blobs"] {
            let picture = read(&format!("{case}_picture.npy"));
            let [height, width, 3] = *picture.shape() else { panic!("a picture has three axes") };
            let colours: Vec<[f32; 3]> = picture.data().as_chunks::<3>().0.to_vec();
            let markers = read(&format!("{case}_markers.npy"));
            let edges = Edges::new(&colours, height, width, 50.0);
            for clamped in [false, true] {
                let terminals =
                    terminals(&foreground, &background, &colours, |index| match markers.data()[index] {
                        marker if clamped && marker != 0.0 => Known::Certain(450.0 * f64::from(marker)),
                        _ => Known::Prior(0.0),
                    });
                let found = labels_of(&mut edges.grid(), &terminals);
                let expected = read(&format!("{case}_labels{}.npy", if clamped { "_clamped" } else { "" }));
                let wrong = found.iter().zip(expected.data()).filter(|(a, b)| **a != (**b > 0.5)).count();
                assert_eq!(wrong, 0, "{case}, clamped: {clamped}");
                assert!(found.contains(&true) && found.contains(&false));
            }
        }
    }

    #[test]
    fn what_cannot_be_told_apart_has_a_meaning() {
        let photograph = Photograph::new(3, 3, 1, vec![0.5; 9]).unwrap();
        let options = CutOptions::default();
        let unknown = vec![Marker::Unknown; 9];
        assert_eq!(cut(&photograph, &unknown, None, &options).unwrap(), vec![true; 9]);
        let mut markers = unknown.clone();
        (markers[0], markers[8]) = (Marker::Foreground, Marker::Background);
        let labels = cut(&photograph, &markers, None, &options).unwrap();
        assert!(labels[0] && !labels[8]);
        assert!(cut(&photograph, &unknown[1..], None, &options).is_err());
    }

    /// A grey step, its two halves marked in the middle, the other way round at the border.
    fn step() -> (Photograph, Vec<Marker>) {
        let (height, width) = (6, 12);
        let is_bright = |index: usize| index % width >= width / 2;
        let data = (0..height * width).map(|index| if is_bright(index) { 0.9 } else { 0.1 }).collect();
        let marker = |index: usize| match index {
            0 => Marker::Foreground,
            11 => Marker::Background,
            index if index / width != 3 => Marker::Unknown,
            index if is_bright(index) => Marker::Foreground,
            _ => Marker::Background,
        };
        let markers = (0..height * width).map(marker).collect();
        (Photograph::new(height, width, 1, data).unwrap(), markers)
    }

    #[test]
    fn markers_keep_their_labels_where_borders_cost_nothing() {
        let (photograph, markers) = step();
        for smoothness in [0.0, 1e-9, 50.0, 1e6] {
            let labels =
                cut(&photograph, &markers, None, &CutOptions { smoothness, ..CutOptions::default() })
                    .unwrap();
            for (label, marker) in labels.iter().zip(&markers) {
                assert!(*marker == Marker::Unknown || *label == (*marker == Marker::Foreground));
            }
        }
    }

    #[test]
    fn what_is_left_of_one_label_only_is_not_refined() {
        let (photograph, markers) = step();
        let labels = |refinements: usize| {
            let options =
                CutOptions { smoothness: 1e5, clamped: false, refinements, ..CutOptions::default() };
            cut(&photograph, &markers, None, &options).unwrap()
        };
        assert!(labels(0).iter().all(|label| *label == labels(0)[0]));
        assert_eq!(labels(5), labels(0));
    }

    #[test]
    fn senseless_numbers_are_refused() {
        let (photograph, markers) = step();
        for smoothness in [-1.0, f64::NAN, f64::INFINITY, 1e39] {
            assert!(
                cut(&photograph, &markers, None, &CutOptions { smoothness, ..CutOptions::default() })
                    .is_err()
            );
        }
        let options = CutOptions { refinements: usize::MAX, ..CutOptions::default() };
        assert!(cut(&photograph, &markers, None, &options).is_err());
    }
}
