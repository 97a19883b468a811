//! What a network sees of a canvas: moved, enlarged, turned or mirrored, and the exact gradient of that.

use rayon::prelude::*;

use super::Recipe;
use crate::random::Random;

/// The largest share of the input's shorter side by which a view is moved: recipes are made for some two hundred pixels, and of a
/// small picture most would leave the view.
const LARGEST_JITTER: f64 = 0.125;

/// How many pixels a thread takes at least.
const PIECE: usize = 8192;

/// Where a canvas lies under the network's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub channels: usize,
    /// Rows and columns of the canvas.
    pub canvas: [usize; 2],
    /// Rows and columns of the network's input.
    pub view: [usize; 2],
    /// How many pixels of the canvas make one of the network's input.
    pub density: f64,
}

/// A view in which the network sees the canvas: an affine map from its own pixels to those of the canvas, centre on centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct View {
    /// Canvas offset from view offset, row by row: `[yy, yx, xy, xx]`.
    matrix: [f64; 4],
    /// Where the view's centre lies from the canvas's, in pixels of the canvas.
    shift: [f64; 2],
}

impl View {
    /// As it is.
    pub fn straight(frame: &Frame) -> Self {
        Self { matrix: [frame.density, 0.0, 0.0, frame.density], shift: [0.0; 2] }
    }

    /// Draws one. As many random numbers are drawn whatever the recipe says, so that a change of one number keeps the others.
    pub fn draw(recipe: &Recipe, frame: &Frame, random: &mut Random) -> Self {
        // Whole pixels, so that a view that is only moved is not blurred.
        let most = frame.view[0].min(frame.view[1]) as f64 * LARGEST_JITTER;
        let jitter = recipe.jitter.min(most);
        let mut shift = || (random.between(-1.0, 1.0) * jitter).round() * frame.density;
        let shift = [shift(), shift()];
        let [least, most] = recipe.zoom.map(f64::ln);
        let zoom = random.between(least, most).exp();
        let (sine, cosine) = (random.between(-1.0, 1.0) * recipe.rotation.to_radians()).sin_cos();
        let mirrored = random.uniform() < 0.5 && recipe.mirror;
        let size = frame.density / zoom;
        let side = if mirrored { -size } else { size };
        Self { matrix: [size * cosine, side * sine, -size * sine, side * cosine], shift }
    }

    /// Works out which pixels of the canvas every pixel of the view is mixed from.
    pub fn corners(&self, frame: &Frame) -> Corners {
        let [rows, columns] = frame.canvas;
        let centre = |extent: usize| (extent as f64 - 1.0) / 2.0;
        let along = |extent: usize, at: f64| -> [(usize, f32); 2] {
            let below = at.floor();
            let share = (at - below) as f32;
            [(below, 1.0 - share), (below + 1.0, share)].map(|(place, weight)| {
                if place >= 0.0 && place < extent as f64 { (place as usize, weight) } else { (0, 0.0) }
            })
        };
        let [yy, yx, xy, xx] = self.matrix;
        let mut corners = vec![[(0, 0.0); 4]; frame.view[0] * frame.view[1]];
        corners.par_chunks_exact_mut(frame.view[1]).enumerate().for_each(|(row, corners)| {
            let y = row as f64 - centre(frame.view[0]);
            for (column, corners) in corners.iter_mut().enumerate() {
                let x = column as f64 - centre(frame.view[1]);
                let vertical = along(rows, centre(rows) + self.shift[0] + yy * y + yx * x);
                let horizontal = along(columns, centre(columns) + self.shift[1] + xy * y + xx * x);
                let [[a, b], [c, d]] = vertical.map(|(row, first)| {
                    horizontal.map(|(column, second)| ((row * columns + column) as u32, first * second))
                });
                *corners = [a, b, c, d];
            }
        });
        Corners { corners, canvas: rows * columns }
    }
}

/// For every pixel of a view the four pixels of the canvas around it, with their weights. Those outside of the canvas have weight zero.
#[derive(Debug, Clone)]
pub(super) struct Corners {
    corners: Vec<[(u32, f32); 4]>,
    /// How many pixels the canvas has.
    canvas: usize,
}

impl Corners {
    /// The canvas as the network sees it, bilinear between pixels, zero outside.
    pub fn look(&self, canvas: &[f32]) -> Vec<f32> {
        let mut seen = vec![0.0; canvas.len() / self.canvas * self.corners.len()];
        let planes = seen.chunks_exact_mut(self.corners.len()).zip(canvas.chunks_exact(self.canvas));
        for (seen, canvas) in planes {
            seen.par_iter_mut().zip(&self.corners).with_min_len(PIECE).for_each(|(number, corners)| {
                *number = corners.iter().map(|&(corner, weight)| canvas[corner as usize] * weight).sum();
            });
        }
        seen
    }

    /// The gradient with respect to the canvas from that with respect to what is seen: the transpose of [`Corners::look`].
    pub fn back(&self, gradient: &[f32]) -> Vec<f32> {
        let mut canvas = vec![0.0; gradient.len() / self.corners.len() * self.canvas];
        let planes =
            canvas.par_chunks_exact_mut(self.canvas).zip(gradient.par_chunks_exact(self.corners.len()));
        planes.for_each(|(canvas, gradient)| {
            for (number, corners) in gradient.iter().zip(&self.corners) {
                for &(corner, weight) in corners {
                    canvas[corner as usize] += number * weight;
                }
            }
        });
        canvas
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed);
        (0..count).map(|_| random.normal() as f32).collect()
    }

    #[test]
    fn a_straight_view_of_a_canvas_of_its_size_changes_no_bit() {
        let frame = Frame { channels: 3, canvas: [5, 6], view: [5, 6], density: 1.0 };
        let canvas = noise(90, 1);
        assert_eq!(View::straight(&frame).corners(&frame).look(&canvas), canvas);
        assert_eq!(View::straight(&frame).corners(&frame).back(&canvas), canvas);
    }

    #[test]
    fn a_margin_is_cut_off_evenly() {
        let frame = Frame { channels: 1, canvas: [4, 5], view: [2, 3], density: 1.0 };
        let canvas: Vec<f32> = (0..20u8).map(f32::from).collect();
        assert_eq!(View::straight(&frame).corners(&frame).look(&canvas), [6.0, 7.0, 8.0, 11.0, 12.0, 13.0]);
    }

    #[test]
    fn a_quarter_turn_and_a_mirror_move_pixels() {
        let frame = Frame { channels: 1, canvas: [2, 2], view: [2, 2], density: 1.0 };
        let turned = View { matrix: [0.0, 1.0, -1.0, 0.0], shift: [0.0; 2] };
        assert_eq!(turned.corners(&frame).look(&[1.0, 2.0, 3.0, 4.0]), [2.0, 4.0, 1.0, 3.0]);
        let mirrored = View { matrix: [1.0, 0.0, 0.0, -1.0], shift: [0.0; 2] };
        assert_eq!(mirrored.corners(&frame).look(&[1.0, 2.0, 3.0, 4.0]), [2.0, 1.0, 4.0, 3.0]);
    }

    /// ⟨look(canvas), seen⟩ = ⟨canvas, back(seen)⟩ for any view.
    #[test]
    fn back_is_the_transpose_of_look() {
        let recipe =
            Recipe { jitter: 4.0, zoom: [0.6, 1.7], rotation: 30.0, mirror: true, ..Recipe::paper() };
        for density in [1.0, 0.7] {
            let frame = Frame { channels: 2, canvas: [13, 17], view: [11, 12], density };
            let mut random = Random::new(5);
            for seed in 0..20 {
                let corners = View::draw(&recipe, &frame, &mut random).corners(&frame);
                let (canvas, seen) = (noise(2 * 13 * 17, seed), noise(2 * 11 * 12, seed + 100));
                let dot = |a: &[f32], b: &[f32]| -> f64 {
                    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
                };
                let there = dot(&corners.look(&canvas), &seen);
                let back = dot(&canvas, &corners.back(&seen));
                assert!((there - back).abs() < 1e-4, "{there} {back}");
            }
        }
    }
}
