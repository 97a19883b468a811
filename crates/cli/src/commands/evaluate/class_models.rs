//! `deepinside evaluate class-models`.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use deepinside::class_model::judge::{Judge, Verdict, random_classes, summary};
use deepinside::class_model::{Objective, Wish, ascend, faintness, picture};
use deepinside::evaluation::{Details, Key, Keyed};
use deepinside::{Settings, Threads};
use serde::{Deserialize, Serialize};

use super::{details, kept};
use crate::arguments::EvaluateClassModelsArguments;
use crate::commands::{self, class_model};
use crate::failure::{Failure, Outcome};
use crate::{output, progress, record};

#[derive(Serialize)]
struct Result<'a> {
    classes: usize,
    recipe: &'a str,
    judge: &'a str,
    top1_rate: f64,
    top5_rate: f64,
    interval95: Intervals,
    median_rank: f64,
    own_top1_rate: f64,
    seed: u32,
    seconds_per_picture: f64,
}

#[derive(Serialize)]
struct Intervals {
    top1_rate: [f64; 2],
    top5_rate: [f64; 2],
}

/// What is kept of a picture.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    verdict: Verdict,
    seconds: f64,
}

/// Class models are of no file.
fn of_class(class_index: usize) -> Key {
    Key { file: PathBuf::new(), class_index, digest: String::new() }
}

impl Keyed for Kept {
    fn key(&self) -> Key {
        of_class(self.verdict.class)
    }
}

pub fn run(arguments: &EvaluateClassModelsArguments) -> Outcome {
    output::expect_places(arguments.details.as_deref())?;
    let recipe = class_model::recipe(&arguments.recipe)?;
    let model = commands::open(&arguments.model, recipe.name == "original")?;
    let judge_model = commands::open_named(arguments.judge.as_deref(), Settings::default())?;
    if !(1..=model.score.classes).contains(&arguments.count) {
        return Err(Failure::Message(format!(
            "--count is 1 to {}, the network's classes; found {}",
            model.score.classes, arguments.count
        )));
    }
    let threads = Threads::new(arguments.run.threads)?;
    let mut judge = Judge::new(commands::runner(&judge_model, arguments.run.threads)?, &model)?;
    if let Some(folder) = &arguments.output {
        output::make_folder(folder)?;
    }
    let how = (&recipe, arguments.seed);
    let mut details: Option<Details<Kept>> =
        details(arguments.details.as_deref(), "class models", &[&model, &judge_model], &how)?;
    let bar = progress::bar(arguments.count, "class models");
    let mut results: Vec<Kept> = Vec::new();
    for class in random_classes(model.score.classes, arguments.count, arguments.seed) {
        // A picture that is to be written, and is not there, is made again.
        let known = details.as_mut().and_then(|details| details.take(&of_class(class)));
        let file = arguments.output.as_ref().map(|folder| folder.join(format!("{class}-class-model.png")));
        match known.filter(|_| file.as_ref().is_none_or(|file| file.exists())) {
            Some(known) => {
                if let Some(file) = &file {
                    record::output(file)?;
                }
                results.push(known);
            }
            None => {
                let start = Instant::now();
                let wish = Wish { objective: Objective::Class(class), seed: u64::from(arguments.seed) };
                let made = ascend(&model, &[wish], &recipe, None, &threads, |_, _| ControlFlow::Continue(()));
                let made = kept(made, arguments.details.as_deref())?;
                for made in &made {
                    let verdict = judge.judge(&model, made, class, &recipe)?;
                    let shown = picture(&model, &made.image, recipe.display)?;
                    if let Some(what) = faintness(&shown) {
                        progress::note(format_args!("note: class {class}: {what}"));
                    }
                    if let Some(file) = &file {
                        output::png(file, &shown)?;
                    }
                    let kept = Kept { verdict, seconds: start.elapsed().as_secs_f64() };
                    if let Some(details) = &mut details {
                        details.add(&kept)?;
                    }
                    results.push(kept);
                }
            }
        }
        bar.inc(1);
        let named = results.iter().filter(|kept| kept.verdict.rank == 0).count();
        progress::message(&bar, &format!("{named} of {} named", results.len()));
    }
    bar.finish_and_clear();
    let seconds = results.iter().map(|kept| kept.seconds).sum::<f64>() / results.len().max(1) as f64;
    let verdicts: Vec<Verdict> = results.iter().map(|kept| kept.verdict).collect();
    let figures = summary(&verdicts);
    if arguments.run.json {
        return output::json(&Result {
            classes: verdicts.len(),
            recipe: &recipe.name,
            judge: &judge_model.name,
            top1_rate: figures.top1.rate,
            top5_rate: figures.top5.rate,
            interval95: Intervals { top1_rate: figures.top1.interval95, top5_rate: figures.top5.interval95 },
            median_rank: figures.median_rank,
            own_top1_rate: figures.own_top1.rate,
            seed: arguments.seed,
            seconds_per_picture: seconds,
        });
    }
    output::line(format_args!(
        "{} classes of {} by recipe {}, judged by {}; in % with 95 % intervals",
        verdicts.len(),
        model.name,
        recipe.name,
        judge_model.name
    ));
    let rows = [
        ("the judge names the class", figures.top1),
        ("among the judge's best five", figures.top5),
        ("the network itself names it", figures.own_top1),
    ];
    for (name, rate) in rows {
        let [low, high] = rate.interval95;
        output::line(format_args!(
            "{name:<32}{:>6.1}  [{:.1}, {:.1}]",
            100.0 * rate.rate,
            100.0 * low,
            100.0 * high
        ));
    }
    output::line(format_args!("{:<32}{:>6.1}", "the judge's median rank", figures.median_rank));
    output::timing(format_args!("{seconds:.1} s a picture"));
    Ok(())
}
