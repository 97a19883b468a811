//! How long the paper's graph cut takes: colour models from the most and the least salient pixels, and one cut.
//!
//! Reads lines of `PICTURE MAP.npy` (separated by a tab) from standard input; the map is height × width of the picture. For each
//! it prints the milliseconds and, in `LABELS` where a folder is named as the only argument, writes the labels as .npy. One line in,
//! one line out: `benches/peers/graph_cut.py` takes turns with another program this way.

use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::time::Instant;

use deepinside_files::{Array, npy};
use deepinside_vision::graph_cut::{CutOptions, Marker, cut};
use deepinside_vision::photograph;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1);
    let mut stdout = std::io::stdout().lock();
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line?;
        let (picture, map) = line.split_once('\t').ok_or("a line is PICTURE, a tab, and MAP.npy")?;
        let photograph = photograph::load(Path::new(picture), photograph::Colour::Rgb)?;
        let map = npy::read(map)?;
        let markers = markers(map.data());
        let start = Instant::now();
        let labels = cut(&photograph, &markers, None, &CutOptions::default())?;
        let elapsed = start.elapsed();
        if let Some(folder) = &folder {
            let numbers = labels.iter().map(|&label| f32::from(u8::from(label))).collect();
            let array = Array::new([photograph.height(), photograph.width()], numbers)?;
            npy::write(Path::new(folder).join(format!("{number}.npy")), &array)?;
        }
        writeln!(stdout, "{:.4}", 1e3 * elapsed.as_secs_f64())?;
        stdout.flush()?;
    }
    Ok(())
}

/// Above the 95 % quantile foreground, below the 30 % quantile background.
fn markers(map: &[f32]) -> Vec<Marker> {
    let mut sorted = map.to_vec();
    sorted.sort_by(f32::total_cmp);
    let quantile = |share: f64| {
        let place = share * (sorted.len() - 1) as f64;
        let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        f64::from(low) + place.fract() * f64::from(high - low)
    };
    let (above, below) = (quantile(0.95), quantile(0.30));
    let marker = |&number: &f32| match f64::from(number) {
        number if number > above => Marker::Foreground,
        number if number < below => Marker::Background,
        _ => Marker::Unknown,
    };
    map.iter().map(marker).collect()
}
