//! `deepinside evaluate localisation`.

use std::sync::Arc;

use deepinside::Model;
use deepinside::evaluation::{PictureResult, Rate, Summary, TrueObject, compare, expect_boxes, localise_all};
use deepinside::localise::Method;
use serde::Serialize;
use serde_json::json;

use super::table::{self, Row};
use super::{details, expect_places, html, kept, objects};
use crate::arguments::EvaluateLocalisationArguments;
use crate::commands;
use crate::failure::Outcome;
use crate::{output, progress};

#[derive(Serialize)]
struct Result<'a> {
    images: usize,
    method: &'a str,
    classification: Classification,
    localisation: Localisation,
    baselines: Baselines,
    pointing: Pointing,
    constant_maps: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    versus: Option<Versus<'a>>,
    seconds_per_image: f64,
}

#[derive(Serialize)]
struct Classification {
    top1_error: f64,
    top5_error: f64,
}

#[derive(Serialize)]
struct Localisation {
    top1_error: f64,
    top5_error: f64,
    gt_known_error: f64,
    interval95: Intervals,
    max_box_accuracy: f64,
    max_box_accuracy_v2: f64,
}

#[derive(Serialize)]
struct Intervals {
    top1_error: [f64; 2],
    top5_error: [f64; 2],
    gt_known_error: [f64; 2],
}

#[derive(Serialize)]
struct Baselines {
    whole_image_gt_known_error: f64,
    centred_box_gt_known_error: f64,
}

#[derive(Serialize)]
struct Pointing {
    hit_rate: f64,
    hit_rate_within_15_pixels: f64,
}

#[derive(Serialize)]
struct Versus<'a> {
    method: &'a str,
    gt_known_error: f64,
    top1_error_difference: Rate,
    top5_error_difference: Rate,
    gt_known_error_difference: Rate,
}

pub fn run(arguments: &EvaluateLocalisationArguments) -> Outcome {
    expect_places(&arguments.report, arguments.html.as_deref())?;
    let method = commands::localise::method(&arguments.method)?;
    let other = arguments.versus.as_deref().map(Method::named).transpose()?;
    let model = commands::open(&arguments.model, false)?;
    let (objects, results) = measured("localisation", &model, &method, arguments)?;
    let summary = Summary::of(&results);
    let versus = match &other {
        None => None,
        Some(other) => {
            let others = measured_again(&model, other, &objects, arguments)?;
            Some((other.name, Summary::of(&others).localisation[2], compare(&results, &others)))
        }
    };
    let title = format!(
        "{} on {} pictures, method {}; errors in % with 95 % intervals",
        model.name,
        results.len(),
        method.title()
    );
    let rows = rows(&summary, versus.as_ref());
    table::write(&arguments.report, &title, &rows)?;
    if let Some(path) = &arguments.html {
        let text = html::report(&html::LOCALISATION, &model, &title, &rows, &objects, &results)?;
        output::whole_file(path, text.as_bytes())?;
    }
    say_constant(&summary);
    if !arguments.run.json {
        table::print(&title, &rows);
        output::timing(format_args!("{:.2} s a picture", summary.seconds_per_picture));
        return Ok(());
    }
    let Summary { classification, localisation: [top1, top5, known], baselines, pointing, .. } = &summary;
    output::json(&Result {
        images: results.len(),
        method: &method.title(),
        classification: Classification {
            top1_error: classification[0].rate,
            top5_error: classification[1].rate,
        },
        localisation: Localisation {
            top1_error: top1.rate,
            top5_error: top5.rate,
            gt_known_error: known.rate,
            interval95: Intervals {
                top1_error: top1.interval95,
                top5_error: top5.interval95,
                gt_known_error: known.interval95,
            },
            max_box_accuracy: summary.max_box_accuracy.0,
            max_box_accuracy_v2: summary.max_box_accuracy_v2.0,
        },
        baselines: Baselines {
            whole_image_gt_known_error: baselines[0].rate,
            centred_box_gt_known_error: baselines[1].rate,
        },
        pointing: Pointing { hit_rate: pointing[0].rate, hit_rate_within_15_pixels: pointing[1].rate },
        constant_maps: summary.constant_maps,
        versus: versus.map(|(method, known, [first, fifth, given])| Versus {
            method,
            gt_known_error: known.rate,
            top1_error_difference: first,
            top5_error_difference: fifth,
            gt_known_error_difference: given,
        }),
        seconds_per_image: summary.seconds_per_picture,
    })
}

/// Localises all pictures, going on where an earlier run was stopped.
pub fn measured(
    measure: &str,
    model: &Arc<Model>,
    method: &Method,
    arguments: &EvaluateLocalisationArguments,
) -> Outcome<(Vec<TrueObject>, Vec<PictureResult>)> {
    let objects = objects(&arguments.ground_truth, model)?;
    expect_boxes(&objects)?;
    let mut runner = commands::runner(model, arguments.run.threads)?;
    // Which scores rank the classes is part of it: earlier files rank by the method's crops.
    let how = json!({ "method": method, "ranked_by": "the model's own crop" });
    let mut details = details(arguments.report.details.as_deref(), measure, &[model], &how)?;
    let bar = progress::bar(objects.len(), "pictures");
    let results = localise_all(&mut runner, method, &objects, details.as_mut(), || bar.inc(1));
    bar.finish_and_clear();
    Ok((objects, kept(results, arguments.report.details.as_deref())?))
}

/// The results of another method on the same pictures; no details are kept of it.
pub fn measured_again(
    model: &Arc<Model>,
    method: &Method,
    objects: &[TrueObject],
    arguments: &EvaluateLocalisationArguments,
) -> Outcome<Vec<PictureResult>> {
    let mut runner = commands::runner(model, arguments.run.threads)?;
    let bar = progress::bar(objects.len(), method.name);
    let results = localise_all(&mut runner, method, objects, None, || bar.inc(1))?;
    bar.finish_and_clear();
    Ok(results)
}

/// Says how many maps say nothing.
pub fn say_constant(summary: &Summary) {
    if summary.constant_maps > 0 {
        progress::note(format_args!(
            "note: {} maps are the same everywhere (no pixel changes the score); their box is the whole picture",
            summary.constant_maps
        ));
    }
}

fn rows(summary: &Summary, versus: Option<&(&'static str, Rate, [Rate; 3])>) -> Vec<Row> {
    let Summary { classification, localisation, baselines, pointing, .. } = summary;
    let (accuracy, threshold) = summary.max_box_accuracy;
    let mut rows = vec![
        Row::new("classification_top1_error", "class alone, top-1", classification[0]),
        Row::new("classification_top5_error", "class alone, top-5", classification[1]),
        Row::new("localisation_top1_error", "class and box, top-1", localisation[0]),
        Row::new("localisation_top5_error", "class and box, top-5", localisation[1]),
        Row::new("gt_known_error", "box of the known class", localisation[2]),
        Row::new("whole_image_gt_known_error", "  the whole picture instead", baselines[0]),
        Row::new("centred_box_gt_known_error", "  a centred box instead", baselines[1]),
        Row::plain("max_box_accuracy", format!("MaxBoxAcc, best at {threshold:.2} (accuracy)"), accuracy),
        Row::plain("max_box_accuracy_v2", "MaxBoxAccV2 (accuracy)", summary.max_box_accuracy_v2.0),
        Row::new("pointing_hit_rate", "map's maximum in a box (hits)", pointing[0]),
        Row::new("pointing_hit_rate_within_15_pixels", "within 15 pixels of one (hits)", pointing[1]),
    ];
    if let Some((name, known, [first, fifth, given])) = versus {
        rows.push(Row::new("versus_gt_known_error", format!("box of the known class by {name}"), *known));
        rows.push(Row::new("gt_known_error_difference", format!("  difference to {name}"), *given));
        rows.push(Row::new("localisation_top1_error_difference", "  top-1 difference", *first));
        rows.push(Row::new("localisation_top5_error_difference", "  top-5 difference", *fifth));
    }
    rows
}
