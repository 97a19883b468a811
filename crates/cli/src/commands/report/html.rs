//! A report as one HTML file that needs no other and runs no script.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deepinside::attribution::report::{Faithfulness, Report};
use deepinside::drawing::ColourMap;
use deepinside::drawing::normalise::Scaling;
use deepinside::files::Array;
use deepinside::printable::markup;
use deepinside::saliency_figure::DrawnMap;
use deepinside::vision::Photograph;

use super::cells;
use crate::failure::Outcome;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f24;background:#fff}\
table{border-collapse:collapse;display:block;overflow-x:auto}td,th{padding:.2rem .6rem;text-align:left;border-bottom:1px solid #d7dbe0}\
td.number{text-align:right;font-variant-numeric:tabular-nums}\
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1.5rem}\
figure{margin:0}figure img{width:100%;display:block}figcaption{font-size:.9em;overflow-wrap:anywhere}\
svg{width:100%;height:4rem;border:1px solid #d7dbe0}\
@media(prefers-color-scheme:dark){body{color:#e4e7eb;background:#15181c}td,th,svg{border-color:#3a4048}}";

pub fn report(
    found: &Report,
    title: &str,
    photograph: &str,
    network: &str,
    seen: Option<&Photograph>,
) -> Outcome<String> {
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{0} in {1}</title><style>{STYLE}</style></head>\n<body><h1>{0}</h1><p>{1}; {2}, {3} = {4:.4}; deletion and insertion \
         measure {5}.</p>\n<table><tr><th>map</th><th>deletion</th><th>insertion</th><th>difference</th><th>weights randomised</th>\
         <th>sensitivity</th><th>Gini</th><th>seconds</th></tr>\n",
        markup(title),
        markup(photograph),
        markup(network),
        markup(&found.target),
        found.number,
        markup(&found.measured)
    );
    for card in &found.cards {
        let numbers: Vec<String> =
            cells(card).iter().map(|cell| format!("<td class=\"number\">{}</td>", markup(cell))).collect();
        text += &format!("<tr><td>{}</td>{}</tr>\n", markup(card.title), numbers.concat());
    }
    for control in &found.controls {
        let known = &control.faithfulness;
        let numbers = [known.deletion, known.insertion, known.difference()];
        let numbers = numbers.map(|number| format!("<td class=\"number\">{number:.3}</td>"));
        text += &format!(
            "<tr><td>{} map, which knows nothing of the network</td>{}</tr>\n",
            control.name,
            numbers.concat()
        );
    }
    text += "</table>\n";
    for note in &found.notes {
        text += &format!("<p>{}</p>\n", markup(note));
    }
    text += "<p>Below each map is the measured number while pixels are deleted (red: the sooner it falls, the better) and inserted (blue: the \
             sooner it rises, the better), from its lowest to its highest.</p>\n<div class=\"cards\">\n";
    for card in &found.cards {
        let notes: Vec<String> = card.notes.iter().map(|note| format!("<br>{}", markup(note))).collect();
        text += &figure(
            card.title,
            &card.map,
            &card.faithfulness,
            seen,
            &format!("{}{}", markup(&card.verdict), notes.concat()),
        )?;
    }
    for control in &found.controls {
        let name = format!("{} map", control.name);
        text +=
            &figure(&name, &control.map, &control.faithfulness, seen, "It knows nothing of the network.")?;
    }
    text += "</div>\n<h2>Rank correlation of the maps</h2>\n<table><tr><th></th>";
    for card in &found.cards {
        text += &format!("<th>{}</th>", markup(card.method));
    }
    text += "</tr>\n";
    for (card, row) in found.cards.iter().zip(&found.agreement) {
        let numbers: Vec<String> =
            row.iter().map(|number| format!("<td class=\"number\">{number:.2}</td>")).collect();
        text += &format!("<tr><td>{}</td>{}</tr>\n", markup(card.method), numbers.concat());
    }
    Ok(text + "</table>\n</body></html>\n")
}

/// A map over what the network read, its curves, and what is said about it; `caption` is markup.
fn figure(
    title: &str,
    map: &Array,
    known: &Faithfulness,
    seen: Option<&Photograph>,
    caption: &str,
) -> Outcome<String> {
    let drawn = DrawnMap::of_all_seen(map, Scaling::Quantile(0.99), ColourMap::Inferno)?;
    let picture = match seen.filter(|seen| [seen.height(), seen.width()] == *map.shape()) {
        Some(seen) => drawn.over(seen)?,
        None => drawn.picture()?,
    };
    Ok(format!(
        "<figure><img alt=\"{0}\" src=\"data:image/png;base64,{1}\">{2}<figcaption><b>{0}</b><br>{caption}</figcaption></figure>\n",
        markup(title),
        STANDARD.encode(picture.to_png()?),
        curves(known)
    ))
}

/// The curves of deletion and insertion, on one scale.
fn curves(known: &Faithfulness) -> String {
    let all = || known.deletion_curve.iter().chain(&known.insertion_curve).copied();
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let range = if high > low { high - low } else { 1.0 };
    let line = |curve: &[f64], colour: &str| {
        let last = curve.len().saturating_sub(1).max(1) as f64;
        let points: Vec<String> = curve
            .iter()
            .enumerate()
            .map(|(at, number)| {
                format!("{:.1},{:.1}", 200.0 * at as f64 / last, 49.0 - 48.0 * (number - low) / range)
            })
            .collect();
        format!("<polyline fill=\"none\" stroke=\"{colour}\" points=\"{}\"/>", points.join(" "))
    };
    format!(
        "<svg viewBox=\"0 0 200 50\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"deletion (red) and insertion (blue)\">\
         <title>deletion (red) and insertion (blue)</title>{}{}</svg>",
        line(&known.deletion_curve, "#d1493f"),
        line(&known.insertion_curve, "#3d7dd8")
    )
}
