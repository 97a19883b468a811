//! `deepinside class-model`.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use deepinside::class_model::{
    Ascent, ClassModel, Diversity, Objective, Progress, Recipe, Start, Wish, ascend, faintness, picture,
};
use deepinside::classify::{Prediction, prediction, predictions};
use deepinside::drawing::Picture;
use deepinside::drawing::animation::AnimationFormat;
use deepinside::drawing::normalise::{Content, Scaling, normalise};
use deepinside::files::npy;
use deepinside::graph::ValueId;
use deepinside::{Interrupt, Model, Threads};
use serde::Serialize;

use crate::arguments::{ClassModelArguments, ObjectiveArguments, ProbabilityChoice, RecipeArguments};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Destination};
use crate::{interruption, progress, record};

/// About how many frames an animation has, where nothing else is asked for.
const FRAMES: usize = 50;
/// More frames than this would take gigabytes.
const MOST_FRAMES: usize = 2000;
/// How long a frame is shown, in milliseconds.
const FRAME_DURATION: u32 = 60;

#[derive(Serialize)]
struct Result<'a> {
    objective: &'a str,
    top: &'a [Prediction],
    class: Option<Prediction>,
    value: Option<f32>,
    recipe: &'a str,
    seed: u64,
    iterations: usize,
    notes: &'a [String],
    /// The number that the whole image consists of, where it is one: its picture shows nothing.
    constant: Option<f32>,
    output: String,
    seconds: f64,
}

pub fn run(arguments: &ClassModelArguments) -> Outcome {
    let is_original = arguments.recipe.recipe == "original";
    let mut recipe = recipe_from(&arguments.recipe, |base| {
        // What an inversion is compared with stands still.
        if arguments.objective.invert.is_some() {
            base.stand_still();
        }
    })?;
    if let Some(path) = &arguments.start {
        record::input(path)?;
        recipe.start = Start::Given(npy::read_f64(path)?.1);
    }
    let count = |name: &str, count: usize| match count {
        0 => Err(Failure::Message(format!("--{name}: at least 1 is needed"))),
        _ => Ok(count),
    };
    let (copies, batch) = (count("copies", arguments.copies)?, count("batch", arguments.batch)?);
    let frame_every = match arguments.frame_every {
        Some(steps) => count("frame-every", steps)?,
        None => recipe.iterations.div_ceil(FRAMES).max(1),
    };
    if arguments.frames.is_some() && recipe.iterations / frame_every > MOST_FRAMES {
        return Err(Failure::Message(format!(
            "an animation has at most {MOST_FRAMES} frames; {} steps with --frame-every {frame_every} make more",
            recipe.iterations
        )));
    }
    let model = super::open(&arguments.model, is_original)?;
    let threads = Threads::new(arguments.run.threads)?;
    let subjects = subjects(&model, arguments, &threads)?;
    let results = subjects.len() * copies;
    let to = Destination::new(arguments.output.as_deref(), results, &["png"])?;
    let destination = |path: &Option<std::path::PathBuf>, endings: &[&str]| {
        path.as_deref().map(|path| Destination::new(Some(path), results, endings)).transpose()
    };
    let raw = destination(&arguments.raw, &["npy"])?;
    let frames = destination(&arguments.frames, &["gif", "png", "apng", "webp"])?;
    let named = [Some(&to), raw.as_ref(), frames.as_ref()];
    output::expect_places(named.into_iter().flatten().filter_map(Destination::single_file))?;
    let animated = frames.as_ref().map(|frames| frame_file(frames, "any")).transpose()?;

    let wishes: Vec<(String, Wish)> = subjects
        .into_iter()
        .flat_map(|Subject { stem, objective }| {
            (0..copies).map(move |copy| {
                let stem = if copies == 1 { stem.clone() } else { format!("{stem}-{}", copy + 1) };
                let seed = arguments.seed.wrapping_add(copy as u64);
                (stem, Wish { objective: objective.clone(), seed })
            })
        })
        .collect();
    let shared = if arguments.diversity.is_some() { copies } else { batch };
    let every = animated.is_some().then_some(frame_every);
    let interrupt = interruption::listen()?;
    let how = How { model: &model, recipe: &recipe, threads: &threads, interrupt: &interrupt };
    let mut finished = 0;
    for group in wishes.chunks(shared) {
        let start = Instant::now();
        let diversity = diversity(&model, arguments, &group[0].1)?;
        let mut growing: Vec<Vec<Picture>> = vec![Vec::new(); group.len()];
        let mut made = grow(&how, group, diversity, every, &mut growing)?;
        let seconds = start.elapsed().as_secs_f64() / group.len() as f64;
        for (((stem, wish), made), growing) in group.iter().zip(&mut made).zip(&growing) {
            let iterations = made.values.len().saturating_sub(1);
            if iterations < recipe.iterations {
                made.notes.push(format!("its picture is that of step {iterations} of {}", recipe.iterations));
            }
            let constant = match normalise(&made.image, Scaling::Signed)?.content {
                Content::Constant(number) => Some(number),
                _ => None,
            };
            let shown = picture(&model, &made.image, recipe.display)?;
            made.notes.extend(match constant {
                Some(number) => Some(format!("the image is {number} everywhere; its picture shows nothing")),
                None => faintness(&shown),
            });
            for note in &made.notes {
                progress::note(format_args!("note: {stem}: {note}"));
            }
            let file = to.file(stem, "-class-model.png");
            if let Some(raw) = &raw {
                output::array(&raw.file(stem, "-class-model.npy"), &made.image)?;
            }
            if let Some(frames) = &frames {
                let (file, format) = frame_file(frames, stem)?;
                output::animation(&file, format, growing, FRAME_DURATION)?;
            }
            output::png(&file, &shown)?;
            if !arguments.run.json {
                output::line(file.display());
                continue;
            }
            output::json(&Result {
                objective: &wish.objective.describe(&model),
                top: &predictions(&model, &made.result, 5),
                class: wish.objective.class().map(|class| prediction(&model, &made.result, class)),
                value: made.values.last().copied(),
                recipe: &recipe.name,
                seed: wish.seed,
                iterations,
                notes: &made.notes,
                constant,
                output: file.to_string_lossy().into_owned(),
                seconds,
            })?;
        }
        let is_whole = made.iter().all(|made| made.values.len() > recipe.iterations);
        finished += if is_whole { group.len() } else { 0 };
        if interrupt.is_asked() && finished < wishes.len() {
            let message = format!("{finished} of {} pictures are finished", wishes.len());
            return Err(Failure::Interrupted(message));
        }
    }
    Ok(())
}

/// What all pictures of a run are made with.
struct How<'a> {
    model: &'a Model,
    recipe: &'a Recipe,
    threads: &'a Threads,
    /// Ends an ascent before its recipe does.
    interrupt: &'a Interrupt,
}

/// Makes the pictures that share passes, with a bar of progress and, every so many steps, a frame of each.
fn grow(
    how: &How<'_>,
    group: &[(String, Wish)],
    diversity: Option<Diversity>,
    frame_every: Option<usize>,
    frames: &mut [Vec<Picture>],
) -> Outcome<Vec<ClassModel>> {
    let &How { model, recipe, threads, interrupt } = how;
    let bar = progress::bar(recipe.iterations, &group[0].1.objective.describe(model));
    let wishes: Vec<Wish> = group.iter().map(|(_, wish)| wish.clone()).collect();
    let mut failed = None;
    let made = ascend(model, &wishes, recipe, diversity, threads, |ascent, progress| {
        bar.set_position(ascent.iteration() as u64);
        progress::message(&bar, &message(progress));
        let due = frame_every
            .is_some_and(|steps| ascent.iteration() % steps == 0 || ascent.iteration() == recipe.iterations);
        if due && let Err(failure) = add_frames(model, ascent, recipe, frames) {
            failed = Some(failure);
            return ControlFlow::Break(());
        }
        if interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    match failed {
        Some(failure) => Err(failure),
        None => Ok(made?),
    }
}

fn add_frames(model: &Model, ascent: &Ascent<'_>, recipe: &Recipe, frames: &mut [Vec<Picture>]) -> Outcome {
    for (index, frames) in frames.iter_mut().enumerate() {
        frames.push(picture(model, &ascent.image(index)?, recipe.display)?);
    }
    Ok(())
}

/// What the first picture reaches.
pub(super) fn message(progress: &[Progress]) -> String {
    match progress.first() {
        Some(Progress { value, probability: Some(probability), .. }) => {
            format!("score {value:.1}, probability {probability:.3}")
        }
        Some(Progress { value, .. }) => format!("value {value:.3}"),
        None => String::new(),
    }
}

/// The file of an animation, and its format.
fn frame_file(frames: &Destination, stem: &str) -> Outcome<(std::path::PathBuf, AnimationFormat)> {
    let file = frames.file(stem, "-ascent.png");
    let format = AnimationFormat::of(&file)?;
    Ok((file, format))
}

/// Something to maximise, and what its files are called.
struct Subject {
    stem: String,
    objective: Objective,
}

fn subjects(model: &Model, arguments: &ClassModelArguments, threads: &Threads) -> Outcome<Vec<Subject>> {
    if let Some(layer) = &arguments.objective.layer {
        let objective = of_layer(model, layer, &arguments.objective, threads)?;
        let stem = objective.describe(model).replace([' ', ','], "-");
        return Ok(vec![Subject { stem, objective }]);
    }
    let minus = arguments.objective.minus.as_deref().map(|class| model.class(class)).transpose()?;
    let mut subjects = Vec::new();
    for class in super::classes(model, &arguments.classes)? {
        let name = model.class_name(class);
        let first = name.split(',').next().unwrap_or(&name);
        subjects.push(Subject {
            // The index keeps classes of one name apart: there are two cranes.
            stem: format!("{class}-{}", first.replace(' ', "-")),
            objective: match (arguments.objective.probability, minus) {
                (_, Some(other)) => Objective::Difference(class, other),
                (Some(ProbabilityChoice::Plain), _) => Objective::Posterior(class),
                (Some(ProbabilityChoice::Logarithm), _) => Objective::LogPosterior(class),
                (None, None) => Objective::Class(class),
            },
        });
    }
    Ok(subjects)
}

/// The objective that the flags about a layer name.
fn of_layer(
    model: &Model,
    layer: &str,
    arguments: &ObjectiveArguments,
    threads: &Threads,
) -> Outcome<Objective> {
    let value = value(model, layer)?;
    if let Some(channel) = arguments.channel {
        return Ok(Objective::Channel { value, channel });
    }
    if !arguments.neuron.is_empty() {
        let shape = &model.graph.value(value).shape;
        let position = match (arguments.neuron.as_slice(), shape.extents().get(1..).unwrap_or_default()) {
            (&[position], _) => position,
            (indices, extents) if indices.len() == extents.len() => {
                if indices.iter().zip(extents).any(|(index, extent)| index >= extent) {
                    return Err(Failure::Message(format!(
                        "--neuron: '{layer}' has shape {shape}; found {indices:?} (each counts from 0)"
                    )));
                }
                indices.iter().zip(extents).fold(0, |position, (index, extent)| position * extent + index)
            }
            (indices, extents) => {
                return Err(Failure::Message(format!(
                    "--neuron: one number, or one for each of the {} axes of '{layer}' ({shape}) behind the first; found {}",
                    extents.len(),
                    indices.len()
                )));
            }
        };
        return Ok(Objective::Neuron { value, position });
    }
    if let Some(path) = &arguments.direction {
        record::input(path)?;
        let direction = npy::read_f64(path)?.1.into_iter().map(|number| number as f32).collect();
        return Ok(Objective::Direction { value, direction });
    }
    if let Some(path) = &arguments.invert {
        record::input(path)?;
        let photograph = model.load_photograph(path)?;
        let input = model.inputs(&photograph, &[model.crop])?;
        return Ok(Objective::features(model, value, input.data(), threads)?);
    }
    Ok(Objective::Layer { value })
}

fn diversity(model: &Model, arguments: &ClassModelArguments, wish: &Wish) -> Outcome<Option<Diversity>> {
    let Some(weight) = arguments.diversity else { return Ok(None) };
    let value = match &arguments.diversity_layer {
        Some(name) => value(model, name)?,
        None => Diversity::usual_value(model, &wish.objective)?,
    };
    Ok(Some(Diversity { value, weight }))
}

fn value(model: &Model, name: &str) -> Outcome<ValueId> {
    model.graph.find(name).ok_or_else(|| {
        Failure::Message(format!(
            "'{}' has no value called '{name}'; `deepinside graph` lists those it has",
            model.name
        ))
    })
}

/// The recipe with what the flags change.
pub fn recipe(arguments: &RecipeArguments) -> Outcome<Recipe> {
    recipe_from(arguments, |_| ())
}

/// The same, where something of the recipe itself is set before the flags change it.
fn recipe_from(arguments: &RecipeArguments, set: impl FnOnce(&mut Recipe)) -> Outcome<Recipe> {
    let path = Path::new(&arguments.recipe);
    let mut recipe = if is_recipe_file(path) {
        record::input(path)?;
        Recipe::read(path)?
    } else {
        Recipe::named(&arguments.recipe)?
    };
    set(&mut recipe);
    let mut changes = toml::Table::new();
    if let Some(lambda) = arguments.lambda {
        changes.insert("l2".to_owned(), lambda.into());
        // With a fixed step a larger λ would throw the picture about.
        if recipe.name == "paper" && lambda > 0.0 {
            changes.insert("learning_rate".to_owned(), Recipe::paper_step(lambda).into());
        }
    }
    let mut change = |name: &str, value: Option<toml::Value>| {
        if let Some(value) = value {
            changes.insert(name.to_owned(), value);
        }
    };
    change("learning_rate", arguments.learning_rate.map(Into::into));
    change("iterations", arguments.iterations.map(whole));
    change("total_variation", arguments.total_variation.map(Into::into));
    change("jitter", arguments.jitter.map(Into::into));
    change("octaves", arguments.octaves.map(whole));
    for assignment in &arguments.set {
        let (name, text) = assignment.split_once('=').ok_or_else(|| {
            Failure::Message(format!("--set {assignment}: expected NAME=VALUE, such as jitter=8"))
        })?;
        change(name.trim(), Some(setting(text.trim())));
    }
    let recipe = recipe.with(changes)?;
    record::resolved("recipe", &recipe)?;
    Ok(recipe)
}

/// Whether a recipe is a file, and no name.
pub fn is_recipe_file(recipe: &Path) -> bool {
    recipe.extension().is_some_and(|ending| ending == "toml")
}

fn whole(number: usize) -> toml::Value {
    toml::Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A value as TOML writes it; what is none is a word without its quotation marks.
fn setting(text: &str) -> toml::Value {
    let parsed: std::result::Result<toml::Table, _> = toml::from_str(&format!("value = {text}"));
    parsed
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(text.to_owned()))
}
