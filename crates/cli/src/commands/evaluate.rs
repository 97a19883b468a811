//! `deepinside evaluate`.

use deepinside::Threads;
use deepinside::evaluation::{Rate, Summary, evaluate, ground_truth};
use serde::Serialize;

use crate::arguments::{EvaluateCommand, EvaluateLocalisationArguments};
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

pub fn run(command: &EvaluateCommand) -> Outcome {
    match command {
        EvaluateCommand::Localisation(arguments) => localisation(arguments),
        EvaluateCommand::ClassModels(arguments) => super::evaluate_class_models::run(arguments),
    }
}

fn localisation(arguments: &EvaluateLocalisationArguments) -> Outcome {
    let method = super::localise::method(&arguments.method)?;
    let objects = ground_truth(&arguments.ground_truth)?;
    let model = super::open(&arguments.model, false)?;
    let threads = Threads::new(arguments.run.threads)?;
    let bar = progress::bar(objects.len(), "pictures");
    let (results, summary) = evaluate(&model, &method, &objects, &threads, |_| bar.inc(1))?;
    bar.finish_and_clear();
    if let Some(path) = &arguments.details {
        output::json_lines(path, &results)?;
    }
    let Summary { classification, localisation, baselines, pointing, seconds_per_picture } = &summary;
    if arguments.run.json {
        let [top1, top5, known] = localisation;
        return output::json(&Result {
            images: results.len(),
            method: method.name,
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
            },
            baselines: Baselines {
                whole_image_gt_known_error: baselines[0].rate,
                centred_box_gt_known_error: baselines[1].rate,
            },
            pointing: Pointing { hit_rate: pointing[0].rate, hit_rate_within_15_pixels: pointing[1].rate },
            seconds_per_image: *seconds_per_picture,
        });
    }
    output::line(format_args!(
        "{} on {} pictures, method {}, {:.2} s each; errors in % with 95 % intervals",
        model.name,
        results.len(),
        method.name,
        seconds_per_picture
    ));
    let rows = [
        ("class alone, top-1", classification[0]),
        ("class alone, top-5", classification[1]),
        ("class and box, top-1", localisation[0]),
        ("class and box, top-5", localisation[1]),
        ("box of the known class", localisation[2]),
        ("  the whole picture instead", baselines[0]),
        ("  a centred box instead", baselines[1]),
        ("map's maximum in a box (hits)", pointing[0]),
        ("within 15 pixels of one (hits)", pointing[1]),
    ];
    for (name, Rate { rate, interval95: [low, high] }) in rows {
        output::line(format_args!(
            "{name:<32}{:>6.1}  [{:.1}, {:.1}]",
            100.0 * rate,
            100.0 * low,
            100.0 * high
        ));
    }
    Ok(())
}
