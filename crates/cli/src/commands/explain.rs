//! `deepinside explain`: any method of the table, of photographs or of an array.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use deepinside::attribution::{Choices, Entry, Given, METHODS, Method, PRESET, Runner, method};
use deepinside::explanation::{Explained, explain, explain_array};
use deepinside::file_name::portable;
use deepinside::files::Array;
use deepinside::{Model, Size, Target};
use serde::Serialize;

use super::parameters::{given, named_array, read_array};
use crate::arguments::{ExplainArguments, View, described, listed};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Destination};
use crate::pictures::{self, Names};
use crate::progress;

#[derive(Serialize)]
struct Said<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    method: &'static str,
    target: &'a str,
    /// The target's number.
    number: f64,
    shape: &'a [usize],
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<&'a str>,
    /// What the attributions add up to, and what they should.
    #[serde(skip_serializing_if = "Option::is_none")]
    completeness: Option<[f64; 2]>,
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    seconds: f64,
}

pub fn run(arguments: &ExplainArguments) -> Outcome {
    if arguments.list {
        return list(arguments);
    }
    let entry = method(&arguments.method)?;
    let mut chosen = given(&arguments.set)?;
    if let Some(preset) = &arguments.preset
        && chosen.insert(PRESET.name.to_owned(), Given::Text(preset.clone())).is_some()
    {
        return Err(Failure::Message("--preset and --set preset are the same: give one".to_owned()));
    }
    let choices = Choices { given: chosen, layers: arguments.layer.clone() };
    let array = arguments.array.as_deref().map(read_array).transpose()?;
    let paths = pictures::expand(&arguments.photographs)?;
    let names = Names::of(&paths)?;
    let mut settings = arguments.model.settings(false);
    if let Some(array) = &array {
        settings.input.size = Some(Size::Rectangle([array.shape()[1], array.shape()[2]]));
    }
    let model = super::open_named(arguments.model.model.as_deref(), settings)?;
    let method = entry.make(&model, &choices)?;
    let target =
        arguments.target.as_deref().map(|text| Target::parse(text, &model, &named_array)).transpose()?;
    if target.is_none() {
        model.expect_classes()?;
    }
    let results = paths.len().max(1) * arguments.layer.len().max(1);
    let destination = |path: &Option<PathBuf>| {
        path.as_deref().map(|path| Destination::new(Some(path), results, &["npy"])).transpose()
    };
    let task = Task {
        runner: super::runner(&model, arguments.run.threads)?,
        to: match &array {
            Some(_) => None,
            None => Some(Destination::new(arguments.output.as_deref(), results, &["png"])?),
        },
        raw: destination(&arguments.raw)?,
        names,
        several_layers: arguments.layer.len() > 1,
        arguments,
        by: (entry, &*method),
        target,
        model,
    };
    let named = task.to.iter().chain(&task.raw).filter_map(Destination::single_file);
    output::expect_places(named)?;
    task.run(array, &paths)
}

/// All methods, or all that the table says of them.
fn list(arguments: &ExplainArguments) -> Outcome {
    if !arguments.run.json {
        listed().into_iter().for_each(output::line);
        output::line("\n`deepinside explain --method NAME --help` shows a method's parameters.");
        return Ok(());
    }
    for entry in METHODS {
        output::json(&serde_json::json!({
            "name": entry.name, "aliases": entry.aliases, "title": entry.title, "summary": entry.summary,
            "source": entry.source, "help": described(entry),
        }))?;
    }
    Ok(())
}

struct Task<'a> {
    model: Arc<Model>,
    runner: Runner,
    by: (&'static Entry, &'a dyn Method),
    target: Option<Target>,
    arguments: &'a ExplainArguments,
    to: Option<Destination>,
    raw: Option<Destination>,
    names: Names,
    several_layers: bool,
}

impl Task<'_> {
    fn run(mut self, array: Option<Array>, paths: &[PathBuf]) -> Outcome {
        let start = Instant::now();
        if let Some(array) = array {
            let stem = self.arguments.array.as_deref().map(output::stem).unwrap_or_default();
            let explained = explain_array(&mut self.runner, array, self.by, self.target.as_ref())?;
            return self.keep(&explained, None, &stem, start);
        }
        let crop = self.arguments.crop.unwrap_or(self.model.crop);
        pictures::each(paths, |path| {
            let start = Instant::now();
            let photograph = Cow::Owned(self.model.load_photograph(path)?);
            let explained = explain(&mut self.runner, photograph, crop, self.by, self.target.as_ref())?;
            self.keep(&explained, Some(&path.to_string_lossy()), &self.names.name(path), start)
        })
    }

    /// Writes what was found, and says so.
    fn keep(&self, explained: &Explained<'_>, image: Option<&str>, stem: &str, start: Instant) -> Outcome {
        let (method, text) = (explained.entry.name, explained.target.text(&self.model));
        for attribution in &explained.attributions {
            for note in &attribution.notes {
                progress::note(format_args!("note: {note}"));
            }
            let layer = attribution.layer.map(|layer| self.model.graph.value(layer).name.clone());
            let stem = match (&layer, self.several_layers) {
                (Some(layer), true) => format!("{stem}-{}", portable(layer)),
                _ => stem.to_owned(),
            };
            if let Some(raw) = &self.raw {
                output::array(&raw.file(&stem, ".npy"), &attribution.values)?;
            }
            let mut output = None;
            if let (Some(to), Some(_)) = (&self.to, image) {
                let file = to.file(&stem, &format!("-{method}.png"));
                let colours = self.arguments.colour_map;
                let picture = match self.arguments.view {
                    View::Map => explained.picture_of(attribution, colours)?,
                    View::Overlay => explained.overlay_of(attribution, colours)?,
                    View::Figure => explained.figure_of(attribution, colours)?,
                };
                output::png(&file, &picture)?;
                output = Some(file.to_string_lossy().into_owned());
            }
            if !self.arguments.run.json {
                match &output {
                    Some(output) => output::line(output),
                    None => output::line(format_args!("{method} of {text} = {}", explained.number)),
                }
                continue;
            }
            output::json(&Said {
                image,
                method,
                target: &text,
                number: explained.number,
                shape: attribution.values.shape(),
                layer: layer.as_deref(),
                completeness: attribution.completeness.map(|complete| [complete.sum, complete.difference]),
                notes: &attribution.notes,
                output,
                seconds: start.elapsed().as_secs_f64(),
            })?;
        }
        Ok(())
    }
}
