//! Which classes are taken for which: as lines, and as one HTML file with the worst photographs and why.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deepinside::Model;
use deepinside::attribution::Runner;
use deepinside::drawing::Picture;
use deepinside::evaluation::{ClassResult, Confusion, TrueObject, photograph_of};
use deepinside::margin::MarginDrawer;
use deepinside::printable::markup;
use serde::Serialize;

use super::html::{SIDE, STYLE};
use super::table::Row;
use crate::failure::Outcome;
use crate::output;

/// How many confusions are printed and shown, and how many photographs of each.
const SHOWN: usize = 10;
const PHOTOGRAPHS: usize = 6;

/// A confusion as JSON.
#[derive(Serialize)]
pub struct Named<'a> {
    class_index: usize,
    class: String,
    named_index: usize,
    named: String,
    count: usize,
    of: usize,
    pictures: Vec<&'a std::path::Path>,
}

/// All confusions with the names of their classes.
pub fn named<'a>(model: &Model, confusions: &[Confusion], results: &'a [ClassResult]) -> Vec<Named<'a>> {
    let of = |confusion: &Confusion| Named {
        class_index: confusion.class_index,
        class: model.class_name(confusion.class_index),
        named_index: confusion.named,
        named: model.class_name(confusion.named),
        count: confusion.results.len(),
        of: confusion.of,
        pictures: confusion.results.iter().map(|&index| results[index].key.file.as_path()).collect(),
    };
    confusions.iter().map(of).collect()
}

/// Prints the most common ones.
pub fn print(model: &Model, confusions: &[Confusion]) {
    for confusion in confusions.iter().take(SHOWN) {
        output::line(format_args!(
            "{} of {} '{}' are taken for '{}'",
            confusion.results.len(),
            confusion.of,
            model.class_name(confusion.class_index),
            model.class_name(confusion.named)
        ));
    }
}

/// The whole file.
pub fn report(
    runner: &mut Runner,
    title: &str,
    rows: &[Row],
    (objects, results): (&[TrueObject], &[ClassResult]),
    confusions: &[Confusion],
) -> Outcome<String> {
    let model = Arc::clone(runner.model());
    let drawer = MarginDrawer::new(&model)?;
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\
         <title>{0}</title><style>{STYLE}</style></head>\n<body><h1>Classification</h1><p>{0}</p>\n<table><tr><th>measure</th>\
         <th>%</th><th>95 % interval</th></tr>\n",
        markup(title)
    );
    for row in rows {
        text += &format!(
            "<tr><td>{}</td><td class=\"number\">{:.1}</td><td>{}</td></tr>\n",
            markup(&row.name),
            100.0 * row.rate,
            row.interval_text()
        );
    }
    text += "</table>\n<h2>What is taken for what</h2>\n<table><tr><th>shows</th><th>is taken for</th><th>pictures</th></tr>\n";
    for confusion in confusions.iter().take(SHOWN * SHOWN) {
        text += &format!(
            "<tr><td>{}</td><td>{}</td><td class=\"number\">{} of {}</td></tr>\n",
            markup(&model.class_name(confusion.class_index)),
            markup(&model.class_name(confusion.named)),
            confusion.results.len(),
            confusion.of
        );
    }
    text += &format!(
        "</table>\n<p>Below, each photograph beside what speaks for the class that is named and against the one that is shown ({} of the \
         difference of their scores). Those come first for which the network finds the most other classes more probable.</p>\n",
        drawer.title()
    );
    for confusion in confusions.iter().take(SHOWN) {
        text += &format!(
            "<h2>{} taken for {}</h2>\n<div class=\"pictures\">\n",
            markup(&model.class_name(confusion.class_index)),
            markup(&model.class_name(confusion.named))
        );
        for index in confusion.worst(results).into_iter().take(PHOTOGRAPHS) {
            text += &figure(runner, &drawer, &objects[index], &results[index])?;
        }
        text += "</div>\n";
    }
    Ok(text + "</body></html>\n")
}

/// One photograph beside what speaks for the class that is named.
fn figure(
    runner: &mut Runner,
    drawer: &MarginDrawer,
    object: &TrueObject,
    result: &ClassResult,
) -> Outcome<String> {
    let photograph = photograph_of(object, runner.model())?;
    let [small, margin] = drawer.draw(runner, &photograph, [result.named, object.class_index], SIDE)?;
    let file = object.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let image = |picture: &Picture, what: &str| -> Outcome<String> {
        let png = STANDARD.encode(picture.to_png()?);
        Ok(format!("<img alt=\"{what}{}\" src=\"data:image/png;base64,{png}\">", markup(&file)))
    };
    Ok(format!(
        "<figure>{}{}<figcaption>{}: {} classes are more probable than the one that is shown</figcaption></figure>\n",
        image(&small, "")?,
        image(&margin, "what speaks for the class that is named in ")?,
        markup(&file),
        result.rank
    ))
}
