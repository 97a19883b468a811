//! `deepinside evaluate classification`.

use deepinside::evaluation::{Rate, classify_all, confusions};
use deepinside::vision::Crop;
use serde::Serialize;

use super::confusions::{Named, named, print, report};
use super::table::{self, Row};
use super::{details, expect_places, kept, objects};
use crate::arguments::{CropChoice, EvaluateClassificationArguments};
use crate::failure::Outcome;
use crate::{commands, output, progress};

#[derive(Serialize)]
struct Result<'a> {
    images: usize,
    crops: usize,
    classification: Errors,
    /// Which classes are taken for which, the most common first.
    confusions: Vec<Named<'a>>,
    seconds_per_image: f64,
}

#[derive(Serialize)]
struct Errors {
    top1_error: f64,
    top5_error: f64,
    interval95: Intervals,
}

#[derive(Serialize)]
struct Intervals {
    top1_error: [f64; 2],
    top5_error: [f64; 2],
}

pub fn run(arguments: &EvaluateClassificationArguments) -> Outcome {
    expect_places(&arguments.report, arguments.html.as_deref())?;
    let model = commands::open(&arguments.model, false)?;
    let crops = match arguments.crop {
        None => vec![model.crop],
        Some(CropChoice::One(crop)) => vec![crop],
        Some(CropChoice::Ten) => Crop::TEN.to_vec(),
    };
    let objects = objects(&arguments.ground_truth, &model)?;
    let mut runner = commands::runner(&model, arguments.run.threads)?;
    let mut details = details(arguments.report.details.as_deref(), "classification", &[&model], &crops)?;
    let bar = progress::bar(objects.len(), "pictures");
    let results = classify_all(&mut runner, &crops, &objects, details.as_mut(), || bar.inc(1));
    bar.finish_and_clear();
    let results = kept(results, arguments.report.details.as_deref())?;
    let first = Rate::of(results.iter().map(|result| result.rank > 0));
    let fifth = Rate::of(results.iter().map(|result| result.rank > 4));
    let seconds = results.iter().map(|result| result.seconds).sum::<f64>() / results.len().max(1) as f64;
    let title = format!(
        "{} on {} pictures, {} of each; errors in % with 95 % intervals",
        model.name,
        results.len(),
        if crops.len() == 1 { "one crop".to_owned() } else { format!("{} crops", crops.len()) }
    );
    let rows = [Row::new("top1_error", "class, top-1", first), Row::new("top5_error", "class, top-5", fifth)];
    table::write(&arguments.report, &title, &rows)?;
    let confused = confusions(&results);
    if let Some(path) = &arguments.html {
        let report = report(&mut runner, &title, &rows, (&objects, &results), &confused)?;
        output::whole_file(path, report.as_bytes())?;
    }
    if !arguments.run.json {
        table::print(&title, &rows);
        print(&model, &confused);
        output::timing(format_args!("{seconds:.2} s a picture"));
        return Ok(());
    }
    output::json(&Result {
        images: results.len(),
        crops: crops.len(),
        classification: Errors {
            top1_error: first.rate,
            top5_error: fifth.rate,
            interval95: Intervals { top1_error: first.interval95, top5_error: fifth.interval95 },
        },
        confusions: named(&model, &confused, &results),
        seconds_per_image: seconds,
    })
}
