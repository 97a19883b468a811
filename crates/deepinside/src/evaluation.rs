//! How well a method localises, against boxes that people drew.
//!
//! A box is right where its intersection over union with any box of the true class is at least one half (the rule of ILSVRC).
//! *GT-known* takes the map of the true class; top-1 and top-5 ask that the network names the class as well.

use std::path::{Path, PathBuf};
use std::time::Instant;

use deepinside_vision::regions::{PixelBox, intersection_over_union};
use rand_mt::Mt64;
use serde::{Deserialize, Serialize};

use crate::classify::predictions;
use crate::evidence::Gatherer;
use crate::localise::{Method, choose};
use crate::{Error, Model, Result, Threads};

/// The overlap from which a box is right.
const RIGHT: f64 = 0.5;

/// How many times pictures are drawn anew for an interval.
const RESAMPLES: usize = 2000;

/// How far from a box, in pixels, a maximum may lie and still count (Zhang and others 2018).
const TOLERANCE: f64 = 15.0;

/// One picture with the boxes of its class.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TrueObject {
    /// The picture, relative to the file that lists it.
    pub file: PathBuf,
    /// The size in which the boxes are given.
    pub width: f64,
    /// The size in which the boxes are given.
    pub height: f64,
    /// The class.
    pub class_index: usize,
    /// Left, top, right, bottom in pixels.
    pub boxes: Vec<[f64; 4]>,
}

/// Reads a list of pictures: a JSON array of objects with `file`, `width`, `height`, `class_index` and `boxes`. Other keys are
/// left alone.
///
/// # Errors
/// When the file cannot be read or means something else, or a picture has no box.
pub fn ground_truth(path: &Path) -> Result<Vec<TrueObject>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let mut objects: Vec<TrueObject> = serde_json::from_str(&text).map_err(|error| {
        Error::Option(format!(
            "{} is no list of pictures (file, width, height, class_index, boxes): {error}",
            path.display()
        ))
    })?;
    if objects.is_empty() {
        return Err(Error::Option(format!("{} lists no picture", path.display())));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    for object in &mut objects {
        let whole = object.width > 0.0 && object.height > 0.0;
        let boxes = object.boxes.iter().all(|[x0, y0, x1, y1]| x0 < x1 && y0 < y1);
        if object.boxes.is_empty() || !boxes || !whole {
            return Err(Error::Option(format!(
                "{}: {} needs a size, and at least one box of left < right and top < bottom",
                path.display(),
                object.file.display()
            )));
        }
        object.file = folder.join(&object.file);
    }
    Ok(objects)
}

/// What came out for one picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PictureResult {
    /// The picture.
    pub file: PathBuf,
    /// The true class.
    pub class_index: usize,
    /// How many classes score above the true one.
    pub rank: usize,
    /// The box from the map of the true class: left, top, right, bottom.
    pub bounds: [f64; 4],
    /// Its largest overlap with a true box.
    pub overlap: f64,
    /// The largest overlap of the centred box of 0.70 × 0.75 of the sides.
    pub centred_overlap: f64,
    /// That of the whole picture.
    pub whole_overlap: f64,
    /// How far from the nearest true box the map's maximum lies, in pixels; 0 inside.
    pub distance: f64,
}

/// A rate with its 95 % bootstrap interval over pictures, as fractions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// The rate.
    pub rate: f64,
    /// From and to.
    pub interval95: [f64; 2],
}

/// Localises the true class of one picture and compares with its boxes.
///
/// # Errors
/// When the picture cannot be read or the class does not exist.
pub fn localise_true_class(
    model: &Model,
    gatherer: &mut Gatherer,
    method: &Method,
    object: &TrueObject,
) -> Result<PictureResult> {
    let photograph = model.load_photograph(&object.file)?;
    let evidence = gatherer.gather(model, &photograph, &[object.class_index])?;
    let Some(map) = evidence.maps.first() else {
        return Err(Error::Option("no map was made".to_owned()));
    };
    let (width, height) = (photograph.width() as f64, photograph.height() as f64);
    let (mask, _) = choose(&photograph, map, method)?;
    let whole = [0.0, 0.0, width, height];
    let bounds = PixelBox::around(&mask, photograph.width()).map_or(whole, PixelBox::edges);
    let truth: Vec<[f64; 4]> = object
        .boxes
        .iter()
        .map(|edges| {
            let [sx, sy] = [width / object.width, height / object.height];
            [edges[0] * sx, edges[1] * sy, edges[2] * sx, edges[3] * sy]
        })
        .collect();
    let overlap = |bounds: [f64; 4]| {
        truth.iter().map(|truth| intersection_over_union(bounds, *truth)).fold(0.0, f64::max)
    };
    let largest = map.data().iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    let peak = largest.map_or(0, |(index, _)| index);
    let [x, y] = [peak % photograph.width(), peak / photograph.width()].map(|place| place as f64 + 0.5);
    let distance =
        |[x0, y0, x1, y1]: [f64; 4]| (x0 - x).max(x - x1).max(0.0).hypot((y0 - y).max(y - y1).max(0.0));
    let order = predictions(model, &evidence.scores, evidence.scores.scores.len());
    let rank = order.iter().take_while(|prediction| prediction.index != object.class_index).count();
    Ok(PictureResult {
        file: object.file.clone(),
        class_index: object.class_index,
        rank,
        bounds,
        overlap: overlap(bounds),
        centred_overlap: overlap([0.15 * width, 0.125 * height, 0.85 * width, 0.875 * height]),
        whole_overlap: overlap(whole),
        distance: truth.iter().map(|truth| distance(*truth)).fold(f64::INFINITY, f64::min),
    })
}

/// Figures over all pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The error of the class alone.
    pub classification: [Rate; 2],
    /// The errors of class and box: the best class, one of the best five, the class given.
    pub localisation: [Rate; 3],
    /// The GT-known error of the whole picture and of the centred box.
    pub baselines: [Rate; 2],
    /// How often the map's maximum lies in a box, and within 15 pixels of one.
    pub pointing: [Rate; 2],
    /// Seconds for each picture.
    pub seconds_per_picture: f64,
}

/// Localises all pictures; `each` hears of every one.
///
/// # Errors
/// When a picture cannot be read or its class does not exist.
pub fn evaluate(
    model: &Model,
    method: &Method,
    objects: &[TrueObject],
    threads: &Threads,
    mut each: impl FnMut(&PictureResult),
) -> Result<(Vec<PictureResult>, Summary)> {
    let mut gatherer = Gatherer::new(model, method.evidence.clone(), threads)?;
    let start = Instant::now();
    let mut results = Vec::new();
    for object in objects {
        let result = localise_true_class(model, &mut gatherer, method, object)?;
        each(&result);
        results.push(result);
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = |is: &dyn Fn(&PictureResult) -> bool| rate(&results.iter().map(is).collect::<Vec<bool>>());
    let wrong = |result: &PictureResult| result.overlap < RIGHT;
    let summary = Summary {
        classification: [rate(&|r| r.rank > 0), rate(&|r| r.rank > 4)],
        localisation: [
            rate(&|r| wrong(r) || r.rank > 0),
            rate(&|r| wrong(r) || r.rank > 4),
            rate(&|r| wrong(r)),
        ],
        baselines: [rate(&|r| r.whole_overlap < RIGHT), rate(&|r| r.centred_overlap < RIGHT)],
        pointing: [rate(&|r| r.distance <= 0.0), rate(&|r| r.distance <= TOLERANCE)],
        seconds_per_picture: seconds / objects.len().max(1) as f64,
    };
    Ok((results, summary))
}

/// The share of what is true, with the interval in which 95 % of the shares of resampled pictures lie.
pub(crate) fn rate(outcomes: &[bool]) -> Rate {
    let count = outcomes.len().max(1);
    let share = |hits: usize| hits as f64 / count as f64;
    let mut random = Mt64::new(0);
    let mut shares: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let draw =
                |_| outcomes.get((random.next_u64() % count as u64) as usize).copied().unwrap_or(false);
            share((0..count).map(draw).filter(|hit| *hit).count())
        })
        .collect();
    shares.sort_by(f64::total_cmp);
    let at = |quantile: f64| shares[(quantile * (RESAMPLES - 1) as f64).round() as usize];
    Rate { rate: share(outcomes.iter().filter(|hit| **hit).count()), interval95: [at(0.025), at(0.975)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_the_interval_of_its_pictures() {
        let outcomes: Vec<bool> = (0..300).map(|index| index % 3 == 0).collect();
        let Rate { rate, interval95: [low, high] } = rate(&outcomes);
        // The normal approximation: 1.96 · √(p (1 − p) / n).
        let half = 1.96 * (2.0f64 / 9.0 / 300.0).sqrt();
        assert!((rate - 1.0 / 3.0).abs() < 1e-12);
        assert!((low - (rate - half)).abs() < 0.01 && (high - (rate + half)).abs() < 0.01, "{low} {high}");
    }

    #[test]
    fn lists_are_checked() {
        let folder = std::env::temp_dir().join(format!("ground-truth-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("list.json");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            ground_truth(&path)
        };
        let good = r#"[{"file": "a.png", "width": 4, "height": 3, "class_index": 7, "boxes": [[0, 1, 2.5, 3]], "more": 1}]"#;
        assert_eq!(read(good).unwrap()[0].file, folder.join("a.png"));
        for bad in
            ["[]", "{}", "nonsense", &good.replace("2.5", "-1"), &good.replace("[[0, 1, 2.5, 3]]", "[]")]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
