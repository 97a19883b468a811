//! Superpixels: parts of a picture of about one size that follow its edges.
//!
//! Achanta and others 2012, *SLIC Superpixels Compared to State-of-the-Art Superpixel Methods*, §3: k-means in colour and place, each
//! centre looking no farther than twice the distance between centres, then parts that hang together. Written here: of the crates that have
//! it none is kept up.

use crate::Photograph;

/// How much place counts beside colour, in units of L*a*b* at the distance between centres (the paper's `m`). Where colours of neighbours have
/// nothing in common, as in noise, parts fall into dust that joins what is beside it, until hardly any is left; place then counts more.
const COMPACTNESS: [f32; 4] = [10.0, 40.0, 160.0, 1e4];
/// How often centres move; the paper finds ten to be enough.
const ITERATIONS: usize = 10;

/// A centre: its colour, then row and column.
type Centre = ([f32; 3], [f32; 2]);

/// The superpixel of each pixel, row by row, counted from 0 without gaps: about `count` of them, at least one, each connected. Colours
/// outside of 0 to 1 count as the nearest that are inside.
pub fn superpixels(photograph: &Photograph, count: usize) -> Vec<usize> {
    let (height, width) = (photograph.height(), photograph.width());
    let colours = lab(photograph);
    let distance = ((height * width) as f32 / count.max(1) as f32).sqrt().max(1.0);
    let mut parts = Vec::new();
    for compactness in COMPACTNESS {
        let nearest = cluster(&colours, [height, width], distance, compactness);
        parts = connected(&nearest, [height, width], (distance * distance / 4.0) as usize);
        if 2 * parts.iter().max().map_or(0, |last| last + 1) >= count.min(height * width) {
            break;
        }
    }
    parts
}

/// L*a*b* colours of all pixels (CIE 15, white D65).
fn lab(photograph: &Photograph) -> Vec<[f32; 3]> {
    let channels = photograph.channels();
    let numbers = photograph.data();
    let linear = |number: f32| {
        let number = number.clamp(0.0, 1.0);
        if number <= 0.04045 { number / 12.92 } else { ((number + 0.055) / 1.055).powf(2.4) }
    };
    let root = |t: f32| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    let pixel = |samples: &[f32]| {
        let [r, g, b] = match samples {
            [r, g, b, ..] => [r, g, b].map(|&number| linear(number)),
            _ => [linear(samples[0]); 3],
        };
        let x = root((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.950_47);
        let y = root(0.2126 * r + 0.7152 * g + 0.0722 * b);
        let z = root((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.088_83);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    };
    numbers.chunks_exact(channels).map(pixel).collect()
}

/// The nearest centre of each pixel.
fn cluster(colours: &[[f32; 3]], [height, width]: [usize; 2], distance: f32, compactness: f32) -> Vec<usize> {
    let [rows, columns] =
        [height, width].map(|side| ((side as f32 / distance).round() as usize).clamp(1, side));
    let mut centres: Vec<Centre> = Vec::with_capacity(rows * columns);
    for cell in 0..rows * columns {
        let row = (2 * (cell / columns) + 1) * height / (2 * rows);
        let column = (2 * (cell % columns) + 1) * width / (2 * columns);
        let (row, column) = flattest(colours, [height, width], row, column);
        centres.push((colours[row * width + column], [row as f32, column as f32]));
    }
    let place_weight = (compactness / distance).powi(2);
    let mut nearest = vec![0usize; height * width];
    for _ in 0..ITERATIONS {
        let mut best = vec![f32::INFINITY; height * width];
        for (number, (colour, place)) in centres.iter().enumerate() {
            let span = |at: f32, side: usize| {
                let first = (at - 2.0 * distance).max(0.0) as usize;
                first..((at + 2.0 * distance) as usize + 1).min(side)
            };
            for row in span(place[0], height) {
                for column in span(place[1], width) {
                    let pixel = row * width + column;
                    let colour: f32 = colours[pixel].iter().zip(colour).map(|(a, b)| (a - b).powi(2)).sum();
                    let apart = (row as f32 - place[0]).powi(2) + (column as f32 - place[1]).powi(2);
                    let far = colour + place_weight * apart;
                    if far < best[pixel] {
                        (best[pixel], nearest[pixel]) = (far, number);
                    }
                }
            }
        }
        move_centres(&mut centres, colours, &nearest, width);
    }
    nearest
}

/// The pixel with the smallest gradient among a pixel and its neighbours, so that no centre begins on an edge.
fn flattest(colours: &[[f32; 3]], [height, width]: [usize; 2], row: usize, column: usize) -> (usize, usize) {
    let around = |at: usize, side: usize| at.saturating_sub(1)..(at + 2).min(side);
    let gradient = |row: usize, column: usize| -> f32 {
        let at = |row: usize, column: usize| colours[row.min(height - 1) * width + column.min(width - 1)];
        let squares = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        squares(at(row + 1, column), at(row.saturating_sub(1), column))
            + squares(at(row, column + 1), at(row, column.saturating_sub(1)))
    };
    let mut best = (gradient(row, column), row, column);
    for row in around(row, height) {
        for column in around(column, width) {
            let own = gradient(row, column);
            if own < best.0 {
                best = (own, row, column);
            }
        }
    }
    (best.1, best.2)
}

/// Every centre becomes the mean of its pixels; one without any stays.
fn move_centres(centres: &mut [Centre], colours: &[[f32; 3]], nearest: &[usize], width: usize) {
    let mut sums = vec![([0.0f64; 5], 0usize); centres.len()];
    for (pixel, (colour, &centre)) in colours.iter().zip(nearest).enumerate() {
        let [l, a, b] = *colour;
        let numbers = [l, a, b, (pixel / width) as f32, (pixel % width) as f32];
        let (sum, count) = &mut sums[centre];
        sum.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += f64::from(number));
        *count += 1;
    }
    for ((colour, place), (sum, count)) in centres.iter_mut().zip(sums).filter(|(_, (_, count))| *count > 0) {
        let [l, a, b, row, column] = sum.map(|sum| (sum / count as f64) as f32);
        (*colour, *place) = ([l, a, b], [row, column]);
    }
}

/// Parts that hang together, counted in the order of their first pixels; those of fewer pixels than `least` join the part beside which
/// they begin.
fn connected(nearest: &[usize], [height, width]: [usize; 2], least: usize) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let mut parts = vec![NONE; nearest.len()];
    let (mut count, mut members) = (0, Vec::new());
    for first in 0..nearest.len() {
        if parts[first] != NONE {
            continue;
        }
        let beside = [(first % width > 0).then(|| first - 1), first.checked_sub(width)];
        let beside = beside.into_iter().flatten().map(|pixel| parts[pixel]).next();
        members.clear();
        members.push(first);
        parts[first] = count;
        let mut next = 0;
        while let Some(&pixel) = members.get(next) {
            next += 1;
            let (row, column) = (pixel / width, pixel % width);
            let neighbours = [
                (row > 0).then(|| pixel - width),
                (row + 1 < height).then(|| pixel + width),
                (column > 0).then(|| pixel - 1),
                (column + 1 < width).then(|| pixel + 1),
            ];
            for neighbour in neighbours.into_iter().flatten() {
                if parts[neighbour] == NONE && nearest[neighbour] == nearest[first] {
                    parts[neighbour] = count;
                    members.push(neighbour);
                }
            }
        }
        match beside {
            Some(beside) if members.len() < least => {
                members.iter().for_each(|&pixel| parts[pixel] = beside);
            }
            _ => count += 1,
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 60;

    /// A disc on a ground whose brightness rises from left to right.
    fn disc() -> (Photograph, Vec<bool>) {
        let is_inside = |pixel: usize| {
            let [row, column] = [pixel / SIDE, pixel % SIDE].map(|at| at as f32 - 31.0);
            row * row + column * column < 17.0 * 17.0
        };
        let inside: Vec<bool> = (0..SIDE * SIDE).map(is_inside).collect();
        let pixel = |(pixel, &inside): (usize, &bool)| match inside {
            true => [0.9, 0.1, 0.1],
            false => [0.2, 0.5, 0.3 + 0.3 * (pixel % SIDE) as f32 / SIDE as f32],
        };
        let numbers = inside.iter().enumerate().flat_map(pixel).collect();
        (Photograph::new(SIDE, SIDE, 3, numbers).unwrap(), inside)
    }

    #[test]
    fn they_follow_edges() {
        let (photograph, inside) = disc();
        let parts = superpixels(&photograph, 25);
        let count = parts.iter().max().unwrap() + 1;
        assert!((15..=40).contains(&count), "{count}");
        // What lies on the other side of the edge than most of its superpixel: squares of that size have 9 %.
        let mut sides = vec![[0usize; 2]; count];
        parts.iter().zip(&inside).for_each(|(&part, &inside)| sides[part][usize::from(inside)] += 1);
        let wrong: usize = sides.iter().map(|[out, inside]| out.min(inside)).sum();
        assert!(wrong * 100 < SIDE * SIDE, "{wrong}");
    }

    #[test]
    fn each_hangs_together_and_none_is_tiny() {
        let (photograph, _) = disc();
        let parts = superpixels(&photograph, 25);
        let again = connected(&parts, [SIDE, SIDE], 0);
        assert_eq!(again, parts);
        let mut sizes = vec![0; parts.iter().max().unwrap() + 1];
        parts.iter().for_each(|&part| sizes[part] += 1);
        assert!(sizes.iter().skip(1).all(|&size| size >= SIDE * SIDE / 25 / 4), "{sizes:?}");
    }

    /// Noise had one superpixel: its parts of a pixel or two all joined the first.
    #[test]
    fn noise_has_about_as_many() {
        let number = |at: usize| ((at as f32 * 12.9898).sin() * 43_758.547).fract().abs();
        let noise = Photograph::new(48, 64, 3, (0..48 * 64 * 3).map(number).collect()).unwrap();
        let count = superpixels(&noise, 64).iter().max().unwrap() + 1;
        assert!((32..=96).contains(&count), "{count}");
    }

    #[test]
    fn pictures_of_one_colour_or_row_have_them_too() {
        let plain = Photograph::new(20, 30, 1, vec![0.5; 600]).unwrap();
        assert_eq!(superpixels(&plain, 6).iter().max(), Some(&5));
        let row = Photograph::new(1, 40, 3, vec![0.5; 120]).unwrap();
        let parts = superpixels(&row, 4);
        assert_eq!((parts.len(), parts[0]), (40, 0));
        assert_eq!(superpixels(&plain, 0), [0; 600]);
        assert!(superpixels(&plain, 100_000).len() == 600);
    }
}
