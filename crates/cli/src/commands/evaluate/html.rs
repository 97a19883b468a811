//! A report that is one file: the figures, and the pictures with the best and the worst boxes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deepinside::Model;
use deepinside::drawing::annotate;
use deepinside::evaluation::{PictureResult, TrueObject, boxes_in_photograph, photograph_of};
use deepinside::printable::markup;
use deepinside::vision::Interpolation;
use deepinside::vision::regions::PixelBox;
use deepinside::vision::resize::resize_image;

use super::table::Row;
use crate::failure::Outcome;

/// How many pictures of either kind are shown.
const SHOWN: usize = 24;

/// The longer side of a shown picture, in pixels.
pub const SIDE: usize = 227;

const TRUE: [u8; 3] = [60, 200, 80];
const FOUND: [u8; 3] = [255, 200, 0];

/// How reports look.
pub const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f24;background:#fff}\
table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #d7dbe0}\
td.number{text-align:right;font-variant-numeric:tabular-nums}\
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(14rem,1fr));gap:1rem}\
figure{margin:0}figure img{max-width:100%;display:block}figcaption{font-size:.85em;overflow-wrap:anywhere}\
@media(prefers-color-scheme:dark){body{color:#e4e7eb;background:#15181c}td,th{border-color:#3a4048}}";

/// What a report is of.
pub struct Measure {
    heading: &'static str,
    legend: &'static str,
    /// The smaller, the better.
    error: fn(&PictureResult) -> f64,
    caption: fn(&PictureResult) -> String,
}

/// How much boxes overlap.
pub const LOCALISATION: Measure = Measure {
    heading: "Localisation",
    legend: "Green boxes are true, yellow ones found; under each picture its class and the overlap.",
    error: |result| -result.overlap,
    caption: |result| format!("{:.2}", result.overlap),
};

/// How far maxima lie from boxes.
pub const POINTING: Measure = Measure {
    heading: "Pointing game",
    legend: "Green boxes are true, yellow ones found; under each picture its class, and how far from the nearest true box the map's maximum lies.",
    error: |result| result.distance,
    caption: |result| format!("{:.0} pixels", result.distance),
};

/// The whole file.
pub fn report(
    measure: &Measure,
    model: &Model,
    title: &str,
    rows: &[Row],
    objects: &[TrueObject],
    results: &[PictureResult],
) -> Outcome<String> {
    let mut order: Vec<usize> = (0..results.len()).collect();
    let error = |index: usize| (measure.error)(&results[index]);
    order.sort_by(|&a, &b| error(a).total_cmp(&error(b)).then(a.cmp(&b)));
    let best: Vec<usize> = order.iter().copied().take(SHOWN).collect();
    let worst: Vec<usize> =
        order.iter().rev().copied().take(SHOWN).filter(|index| !best.contains(index)).collect();
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{0}</title><style>{STYLE}</style></head>\n<body><h1>{1}</h1><p>{0}</p>\n<table><tr><th>measure</th>\
         <th>%</th><th>95 % interval</th></tr>\n",
        markup(title),
        measure.heading
    );
    for row in rows {
        text += &format!(
            "<tr><td>{}</td><td class=\"number\">{:.1}</td><td>{}</td></tr>\n",
            markup(row.name.trim()),
            100.0 * row.rate,
            row.interval_text()
        );
    }
    text += &format!("</table>\n<p>{}</p>\n", measure.legend);
    for (heading, indices) in [("The best", best), ("The worst", worst)] {
        if indices.is_empty() {
            continue;
        }
        text += &format!("<h2>{heading}</h2>\n<div class=\"pictures\">\n");
        for index in indices {
            text += &figure(measure, model, &objects[index], &results[index])?;
        }
        text += "</div>\n";
    }
    Ok(text + "</body></html>\n")
}

fn figure(measure: &Measure, model: &Model, object: &TrueObject, result: &PictureResult) -> Outcome<String> {
    let photograph = photograph_of(object, model)?;
    let (height, width) = (photograph.height(), photograph.width());
    let scale = (SIDE as f64 / height.max(width) as f64).min(1.0);
    let [small_height, small_width] =
        [height, width].map(|side| ((side as f64 * scale).round() as usize).max(1));
    let small = resize_image(&photograph, small_height, small_width, Interpolation::AntiAliased)?;
    let pixels = |edges: [f64; 4]| {
        let [x0, y0, x1, y1] = edges.map(|edge| (edge * scale).round().max(0.0) as usize);
        PixelBox { x0, y0, x1: x1.min(small_width), y1: y1.min(small_height) }
    };
    let truth = boxes_in_photograph(object, width as f64, height as f64);
    let boxes: Vec<(PixelBox, [u8; 3])> = truth
        .into_iter()
        .map(|bounds| (pixels(bounds), TRUE))
        .chain([(pixels(result.bounds), FOUND)])
        .collect();
    let png = annotate::boxed(&small, &boxes)?.to_png()?;
    let name = model.class_name(object.class_index);
    let file = object.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(format!(
        "<figure><img alt=\"{file}\" src=\"data:image/png;base64,{}\"><figcaption>{}, {}<br>{file}</figcaption></figure>\n",
        STANDARD.encode(png),
        markup(&name),
        (measure.caption)(result),
        file = markup(&file),
    ))
}
