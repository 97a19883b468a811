//! `deepinside evaluate pointing`.

use deepinside::evaluation::{Rate, Summary, compare_pointing};
use deepinside::localise::Method;
use serde::Serialize;

use super::localisation::{measured, measured_again, say_constant};
use super::table::{self, Row};
use super::{expect_places, html};
use crate::arguments::EvaluateLocalisationArguments;
use crate::failure::Outcome;
use crate::{commands, output};

#[derive(Serialize)]
struct Result<'a> {
    images: usize,
    method: &'a str,
    pointing: Hits,
    centre: Hits,
    constant_maps: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    versus: Option<Versus<'a>>,
    seconds_per_image: f64,
}

/// As in the result of `evaluate localisation`, with intervals.
#[derive(Serialize)]
struct Hits {
    hit_rate: f64,
    hit_rate_within_15_pixels: f64,
    interval95: Intervals,
}

#[derive(Serialize)]
struct Intervals {
    hit_rate: [f64; 2],
    hit_rate_within_15_pixels: [f64; 2],
}

impl From<[Rate; 2]> for Hits {
    fn from([exact, near]: [Rate; 2]) -> Self {
        Self {
            hit_rate: exact.rate,
            hit_rate_within_15_pixels: near.rate,
            interval95: Intervals { hit_rate: exact.interval95, hit_rate_within_15_pixels: near.interval95 },
        }
    }
}

#[derive(Serialize)]
struct Versus<'a> {
    method: &'a str,
    hit_rate_difference: Rate,
    hit_rate_within_15_pixels_difference: Rate,
}

pub fn run(arguments: &EvaluateLocalisationArguments) -> Outcome {
    expect_places(&arguments.report, arguments.html.as_deref())?;
    let method = commands::localise::method(&arguments.method)?;
    let other = arguments.versus.as_deref().map(Method::named).transpose()?;
    let model = commands::open(&arguments.model, false)?;
    let (objects, results) = measured("pointing", &model, &method, arguments)?;
    let summary = Summary::of(&results);
    let [[exact, near], [centre, near_centre]] = [summary.pointing, summary.centre_pointing];
    let mut rows = vec![
        Row::new("hit_rate", "map's maximum in a box", exact),
        Row::new("hit_rate_within_15_pixels", "within 15 pixels of one", near),
        Row::new("centre_hit_rate", "  the picture's centre instead", centre),
        Row::new("centre_hit_rate_within_15_pixels", "  within 15 pixels", near_centre),
    ];
    let versus = match &other {
        None => None,
        Some(other) => {
            let others = measured_again(&model, other, &objects, arguments)?;
            let [exact, near] = compare_pointing(&results, &others);
            rows.push(Row::new("hit_rate_difference", format!("  difference to {}", other.name), exact));
            rows.push(Row::new("hit_rate_within_15_pixels_difference", "  within 15 pixels", near));
            Some(Versus {
                method: other.name,
                hit_rate_difference: exact,
                hit_rate_within_15_pixels_difference: near,
            })
        }
    };
    let title = format!(
        "{} on {} pictures, method {}; hits in % with 95 % intervals",
        model.name,
        results.len(),
        method.title()
    );
    table::write(&arguments.report, &title, &rows)?;
    if let Some(path) = &arguments.html {
        let text = html::report(&html::POINTING, &model, &title, &rows, &objects, &results)?;
        output::whole_file(path, text.as_bytes())?;
    }
    say_constant(&summary);
    if !arguments.run.json {
        table::print(&title, &rows);
        output::timing(format_args!("{:.2} s a picture", summary.seconds_per_picture));
        return Ok(());
    }
    output::json(&Result {
        images: results.len(),
        method: &method.title(),
        pointing: summary.pointing.into(),
        centre: summary.centre_pointing.into(),
        constant_maps: summary.constant_maps,
        versus,
        seconds_per_image: summary.seconds_per_picture,
    })
}
