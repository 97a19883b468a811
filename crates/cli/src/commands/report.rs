//! `deepinside report`: several methods on one photograph, and whether each map deserves belief.

mod html;
mod markdown;

use std::path::Path;

use deepinside::attribution::report::{Card, ReportSettings, report};
use deepinside::classify::predictions;
use deepinside::vision::Photograph;
use deepinside::{Size, Target};

use super::parameters::{named_array, read_array};
use crate::arguments::{CardArguments, ComparedArguments};
use crate::failure::{Failure, Outcome};
use crate::{output, pictures, progress};

pub fn run(arguments: &CardArguments) -> Outcome {
    let settings = ReportSettings { depths: arguments.depths as usize, ..settings(&arguments.compared)? };
    let places: [(Option<&Path>, &[&str]); 2] = [
        (arguments.output.as_deref(), &["html", "htm"]),
        (arguments.markdown.as_deref(), &["md", "markdown"]),
    ];
    output::expect_places(places.iter().filter_map(|(file, _)| *file))?;
    for (file, endings) in places {
        file.map_or(Ok(()), |file| output::expect_ending(file, endings))?;
    }
    let array = arguments.array.as_deref().map(read_array).transpose()?;
    let mut model_settings = arguments.model.settings(false);
    if let Some(array) = &array {
        model_settings.input.size = Some(Size::Rectangle([array.shape()[1], array.shape()[2]]));
    }
    let model = super::open_named(arguments.model.model.as_deref(), model_settings)?;
    let (input, name) = match (&array, &arguments.photograph) {
        (Some(array), _) => (array.clone(), arguments.array.as_deref().map(output::stem).unwrap_or_default()),
        (None, Some(photograph)) => {
            let paths = pictures::expand(std::slice::from_ref(photograph))?;
            let [path] = &paths[..] else {
                return Err(Failure::Message(format!(
                    "a report is of one photograph, found {}: name one",
                    paths.len()
                )));
            };
            let crop = arguments.crop.unwrap_or(model.crop);
            let photograph = model.load_photograph(path)?;
            (model.input_of(&photograph, crop)?, path.to_string_lossy().into_owned())
        }
        (None, None) => return Err(Failure::Message("a report needs a photograph".to_owned())),
    };
    let mut runner = super::runner(&model, arguments.run.threads)?;
    let target = match &arguments.target {
        Some(text) => Target::parse(text, &model, &named_array)?,
        None => {
            model.expect_classes()?;
            let top = predictions(&model, &runner.scores(input.data())?, 1);
            Target::class(top.first().map_or(0, |top| top.index))
        }
    };
    let bar = progress::bar(settings.methods.len() + 1, "methods");
    let found = report(&mut runner, &input, &target, &settings, &mut |what, done, _| {
        bar.set_position(done as u64);
        progress::message(&bar, what);
    });
    bar.finish_and_clear();
    let found = found?;
    let title = match target.as_class() {
        Some(class) => model.class_name(class),
        None => found.target.clone(),
    };
    if let Some(path) = &arguments.markdown {
        output::whole_file(path, markdown::report(&found, &title, &name, &model.name).as_bytes())?;
    }
    if let Some(path) = &arguments.output {
        let seen: Option<Photograph> = model.transformer.deprocess(&input).ok();
        let text = html::report(&found, &title, &name, &model.name, seen.as_ref())?;
        output::whole_file(path, text.as_bytes())?;
    }
    if arguments.run.json {
        return output::json(&found);
    }
    if arguments.output.is_none() && arguments.markdown.is_none() {
        output::text(&markdown::report(&found, &title, &name, &model.name));
        return Ok(());
    }
    for path in [&arguments.output, &arguments.markdown].into_iter().flatten() {
        output::line(path.display());
    }
    Ok(())
}

/// The methods that are compared.
pub fn settings(arguments: &ComparedArguments) -> Outcome<ReportSettings> {
    let mut settings = ReportSettings::usual()?;
    if !arguments.methods.is_empty() {
        settings.methods =
            arguments.methods.iter().map(|text| ReportSettings::named(text)).collect::<Result<_, _>>()?;
    }
    settings.steps = arguments.steps as usize;
    settings.of_score = arguments.of_score;
    Ok(settings)
}

/// The numbers of a card as they are shown: deletion, insertion, their difference, the correlations with randomised weights, sensitivity,
/// sparseness and time.
fn cells(card: &Card) -> [String; 7] {
    let known = &card.faithfulness;
    let correlations = card.randomised.iter().flatten().map(|number| format!("{number:.2}"));
    [
        format!("{:.3}", known.deletion),
        format!("{:.3}", known.insertion),
        format!("{:.3}", known.difference()),
        correlations.collect::<Vec<String>>().join(", "),
        card.sensitivity.map_or_else(|| "not measured".to_owned(), |number| format!("{number:.2}")),
        format!("{:.2}", card.sparseness),
        format!("{:.2}", card.seconds),
    ]
}
