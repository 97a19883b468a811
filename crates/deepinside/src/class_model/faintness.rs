//! Whether a picture shows anything.

use deepinside_drawing::Picture;

/// Of the pixels of a picture, the darkest and the brightest hundredth are left out: a few extreme ones
/// make nothing visible.
const OUTSIDE: f64 = 0.01;

/// Over how many of the 256 levels the rest spreads where there is something to see. Pictures by the
/// recipe `paper` spread over 100 and more; at 13, outlines can be made out by those who know of them.
const VISIBLE: usize = 16;

/// Says that a picture is one colour or nearly so, and what may help; `None` where it shows something.
pub fn faintness(picture: &Picture) -> Option<String> {
    let found = match levels(picture) {
        _ if picture.is_one_colour() => "the picture is one colour".to_owned(),
        levels if levels < VISIBLE => {
            format!("the picture is nearly one colour: 98 % of it lies within {levels} of 256 levels")
        }
        _ => return None,
    };
    Some(format!("{found}; more steps, a smaller λ or another recipe may show more"))
}

/// How many levels the pixels between the outermost hundredths take, in the channel where those are most.
fn levels(picture: &Picture) -> usize {
    let mut counts = [[0usize; 256]; 3];
    for pixel in picture.rgb().chunks_exact(3) {
        for (counts, &level) in counts.iter_mut().zip(pixel) {
            counts[usize::from(level)] += 1;
        }
    }
    let outside = (picture.rgb().len() / 3) as f64 * OUTSIDE;
    let spread = |counts: &[usize; 256]| {
        let first = |levels: &mut dyn Iterator<Item = &usize>| {
            let mut passed = 0;
            levels
                .take_while(|&&count| {
                    passed += count;
                    passed as f64 <= outside
                })
                .count()
        };
        256 - first(&mut counts.iter()) - first(&mut counts.iter().rev())
    };
    counts.iter().map(spread).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grey picture of 100 × 100 pixels with another level of blue in its first so many.
    fn speckled(level: u8, pixels: usize) -> Picture {
        let blue = |index: usize| if index < pixels { level } else { 128 };
        let rgb = (0..10_000).flat_map(|index| [128, 128, blue(index)]).collect();
        Picture::new(100, 100, rgb).unwrap()
    }

    #[test]
    fn a_few_extreme_pixels_show_nothing() {
        assert!(faintness(&speckled(128, 0)).unwrap().contains("is one colour"));
        assert!(faintness(&speckled(255, 100)).unwrap().contains("within 1 of 256 levels"));
        assert_eq!(faintness(&speckled(255, 101)), None);
        assert!(faintness(&speckled(142, 5000)).unwrap().contains("within 15 of 256 levels"));
        assert_eq!(faintness(&speckled(143, 5000)), None);
        assert_eq!(faintness(&speckled(113, 9000)), None);
    }
}
