//! `deepinside explain`: any method of the table, of photographs or of an array.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use deepinside::attribution::{Attribution, Choices, Entry, METHODS, Method, Runner, method};
use deepinside::classify::predictions;
use deepinside::file_name::portable;
use deepinside::saliency_figure::{DrawnMap, figure};
use deepinside::vision::crops::Region;
use deepinside::vision::figure::Panel;
use deepinside::vision::normalise::Scaling;
use deepinside::vision::overlay::into_photograph_frame;
use deepinside::vision::unseen::seen_in;
use deepinside::vision::{Array, Photograph, Picture};
use deepinside::{Model, Size, Target, Threads};
use serde::Serialize;

use super::parameters::{given, named_array, read_array};
use crate::arguments::{ExplainArguments, View, described, listed};
use crate::failure::Outcome;
use crate::output::{self, Destination};
use crate::pictures::{self, Names};
use crate::progress;

#[derive(Serialize)]
struct Explained<'a> {
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
    let choices = Choices { given: given(&arguments.set)?, layers: arguments.layer.clone() };
    let array = arguments.array.as_deref().map(read_array).transpose()?;
    let paths = pictures::expand(&arguments.photographs)?;
    let names = Names::of(&paths)?;
    let mut settings = arguments.model.settings(false);
    if let Some(array) = &array {
        settings.input.size = Some(Size::Rectangle([array.shape()[1], array.shape()[2]]));
    }
    let model = Arc::new(super::open_named(arguments.model.model.as_deref(), settings)?);
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
        runner: Runner::new(Arc::clone(&model), Threads::new(arguments.run.threads)?),
        to: match &array {
            Some(_) => None,
            None => Some(Destination::new(arguments.output.as_deref(), results, &["png"])?),
        },
        raw: destination(&arguments.raw)?,
        names,
        several_layers: arguments.layer.len() > 1,
        arguments,
        entry,
        method,
        target,
        model,
    };
    let named = task.to.iter().chain(&task.raw).filter_map(Destination::single_file);
    output::expect_places(named)?;
    task.run(array.as_ref(), &paths)
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
    entry: &'static Entry,
    method: Box<dyn Method>,
    target: Option<Target>,
    arguments: &'a ExplainArguments,
    to: Option<Destination>,
    raw: Option<Destination>,
    names: Names,
    several_layers: bool,
}

impl Task<'_> {
    fn run(mut self, array: Option<&Array>, paths: &[PathBuf]) -> Outcome {
        if let Some(array) = array {
            let stem = self.arguments.array.as_deref().map(output::stem).unwrap_or_default();
            return self.explain(array, None, &stem, None);
        }
        let crop = self.arguments.crop.unwrap_or(self.model.crop);
        pictures::each(paths, |path| {
            let photograph = self.model.load_photograph(path)?;
            let input = self.model.input_of(&photograph, crop)?;
            self.explain(&input, Some(&path.to_string_lossy()), &self.names.name(path), Some(&photograph))
        })
    }

    fn explain(
        &mut self,
        input: &Array,
        image: Option<&str>,
        stem: &str,
        photograph: Option<&Photograph>,
    ) -> Outcome {
        let start = Instant::now();
        let target = match &self.target {
            Some(target) => target.clone(),
            None => {
                let top = predictions(&self.model, &self.runner.scores(input)?, 1);
                Target::class(top.first().map_or(0, |top| top.index))
            }
        };
        let number = self.runner.number(input, &target)?;
        let text = target.text(&self.model);
        for attribution in self.method.attribute_layers(&mut self.runner, input, &target)? {
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
            if let (Some(to), Some(photograph)) = (&self.to, photograph) {
                let file = to.file(&stem, &format!("-{}.png", self.entry.name));
                output::png(&file, &self.picture(input, photograph, &attribution, &target)?)?;
                output = Some(file.to_string_lossy().into_owned());
            }
            if !self.arguments.run.json {
                match &output {
                    Some(output) => output::line(output),
                    None => output::line(format_args!("{} of {text} = {number}", self.entry.name)),
                }
                continue;
            }
            output::json(&Explained {
                image,
                method: self.entry.name,
                target: &text,
                number,
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

    /// A target as a title: a class by its name.
    fn named(&self, target: &Target) -> String {
        match target.as_class() {
            Some(class) => self.model.class_name(class).split(',').next().unwrap_or_default().to_owned(),
            None => target.text(&self.model),
        }
    }

    fn picture(
        &self,
        input: &Array,
        photograph: &Photograph,
        attribution: &Attribution,
        target: &Target,
    ) -> Outcome<Picture> {
        let (map, colours, scaling) =
            (attribution.map()?, self.arguments.colour_map, Scaling::Quantile(0.99));
        if self.arguments.view == View::Map {
            return Ok(DrawnMap::of_all_seen(&map, scaling, colours)?.picture()?);
        }
        let crop = self.arguments.crop.unwrap_or(self.model.crop);
        if self.arguments.view == View::Overlay {
            let (height, width) = (photograph.height(), photograph.width());
            let region = self.model.region(photograph, crop)?;
            let framed = into_photograph_frame(&map, region, height, width, 0.0)?;
            let seen = seen_in(&[region], height, width)?;
            return Ok(DrawnMap::new(&framed, &seen, scaling, colours)?.over(photograph)?);
        }
        let seen = self.model.transformer.deprocess(input)?;
        let framed = into_photograph_frame(&map, Region::WHOLE, seen.height(), seen.width(), 0.0)?;
        let input = Panel::new(format!("input ({crop})"), Picture::from_photograph(&seen)?);
        let drawn = DrawnMap::of_all_seen(&framed, scaling, colours)?;
        let layer = attribution.layer.map(|layer| format!("of {}", self.model.graph.value(layer).name));
        let made: Vec<String> = layer.into_iter().collect();
        let panel = drawn.panel(self.entry.title, &made)?;
        Ok(figure(format!("{} of {}", self.entry.title, self.named(target)), input, vec![panel])?)
    }
}
