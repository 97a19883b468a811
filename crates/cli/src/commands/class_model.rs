//! `deepinside class-model`.

use std::ops::ControlFlow;
use std::time::Instant;

use deepinside::class_model::{Progress, Recipe, Start, ascend, picture};
use deepinside::classify::{Prediction, prediction, predictions};
use deepinside::vision::npy;
use deepinside::{BackwardRule, ScoreRunner, Threads};
use serde::Serialize;

use crate::arguments::{ClassModelArguments, ClassModelRecipe};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Destination};
use crate::progress;

#[derive(Serialize)]
struct Result<'a> {
    image: Option<&'a str>,
    top: &'a [Prediction],
    class: &'a Prediction,
    iterations: usize,
    output: String,
    seconds: f64,
}

pub fn run(arguments: &ClassModelArguments) -> Outcome {
    let recipe = recipe(arguments)?;
    let model = super::open(&arguments.model, arguments.recipe == ClassModelRecipe::Original)?;
    let mut classes = Vec::new();
    for class in &arguments.classes {
        classes.push(model.class(class)?);
    }
    let threads = Threads::new(arguments.run.threads)?;
    let mut runner = ScoreRunner::new(&model, Some(BackwardRule::Gradient), &threads)?;
    let to = Destination::new(arguments.output.as_deref(), classes.len())?;
    let raw = arguments.raw.as_deref().map(|path| Destination::new(Some(path), classes.len())).transpose()?;
    for class in classes {
        let start = Instant::now();
        let name = model.class_name(class);
        let first = name.split(',').next().unwrap_or(&name).to_owned();
        let bar = progress::bar(recipe.iterations, &first);
        let made =
            ascend(&model, &mut runner, class, &recipe, |Progress { iteration, score, probability }| {
                bar.set_position(iteration as u64);
                bar.set_message(format!("score {score:.1}, probability {probability:.3}"));
                ControlFlow::Continue(())
            });
        bar.finish_and_clear();
        let made = made?;
        // The index keeps classes of one name apart: there are two cranes.
        let stem = format!("{class}-{}", first.replace(' ', "-"));
        let file = to.file(&stem, "-class-model.png");
        if let Some(raw) = &raw {
            npy::write(raw.file(&stem, "-class-model.npy"), &made.image)?;
        }
        picture(&model, &made.image, recipe.display)?.write_png(&file)?;
        if !arguments.run.json {
            output::line(file.display());
            continue;
        }
        let scores = runner.forward(made.image.data())?;
        output::json(&Result {
            image: None,
            top: &predictions(&model, &scores, 5),
            class: &prediction(&model, &scores, class),
            iterations: recipe.iterations,
            output: file.to_string_lossy().into_owned(),
            seconds: start.elapsed().as_secs_f64(),
        })?;
    }
    Ok(())
}

/// The recipe with what the flags change.
fn recipe(arguments: &ClassModelArguments) -> Outcome<Recipe> {
    let mut recipe = match arguments.recipe {
        ClassModelRecipe::Paper => Recipe::paper(),
        ClassModelRecipe::Original => Recipe::original(arguments.seed),
    };
    if let Some(lambda) = arguments.lambda {
        if lambda.is_nan() || lambda < 0.0 {
            return Err(Failure::Message(format!("--lambda is zero or a positive number, found {lambda}")));
        }
        // The paper's recipe ties its step to λ, so that the penalty shrinks the picture by a tenth each step.
        if arguments.recipe == ClassModelRecipe::Paper && lambda > 0.0 {
            recipe.learning_rate = 0.05 / lambda;
        }
        recipe.l2 = lambda;
    }
    recipe.learning_rate = arguments.learning_rate.unwrap_or(recipe.learning_rate);
    recipe.iterations = arguments.iterations.unwrap_or(recipe.iterations);
    if let Some(path) = &arguments.start {
        recipe.start = Start::Given(npy::read_f64(path)?.1);
    }
    Ok(recipe)
}
