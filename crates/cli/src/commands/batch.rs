//! `deepinside batch`.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use deepinside::attribution::{Choices, method};
use deepinside::{Model, Target};
use deepinside_jobs::batch::{self, BatchOptions, Progress};
use deepinside_jobs::input::{InputOptions, Inputs, Selection};
use deepinside_jobs::merge::merge;
use deepinside_jobs::task::{Activations, Classify, Explain, ExplainOptions, Localise, Task};
use serde::Serialize;

use super::parameters::{given, named_array};
use crate::arguments::{
    BatchActivationsArguments, BatchClassifyArguments, BatchCommand, BatchExplainArguments,
    BatchLocaliseArguments, BatchMergeArguments, JobArguments, ModelArguments,
};
use crate::failure::{Failure, Outcome};
use crate::{interruption, output, progress};

#[derive(Serialize)]
struct Summary<'a> {
    out: &'a Path,
    rows: u64,
    done: u64,
    /// How many of the rows that this run added have a reason instead of a result.
    failed: u64,
    seconds: f64,
    /// Seconds of the workers for each photograph of this run.
    seconds_decode: f64,
    seconds_network: f64,
    seconds_encode: f64,
}

pub fn run(command: &BatchCommand) -> Outcome {
    match command {
        BatchCommand::Explain(arguments) => explain(arguments),
        BatchCommand::Localise(arguments) => localise(arguments),
        BatchCommand::Classify(arguments) => classify(arguments),
        BatchCommand::Activations(arguments) => activations(arguments),
        BatchCommand::Merge(BatchMergeArguments { shards, out }) => {
            let rows = merge(shards, out)?;
            output::line(format_args!("{rows} rows in {}", out.display()));
            Ok(())
        }
    }
}

fn opened(arguments: &ModelArguments) -> Outcome<Arc<Model>> {
    super::open(arguments, false)
}

fn explain(arguments: &BatchExplainArguments) -> Outcome {
    let entry = method(&arguments.method)?;
    let model = opened(&arguments.model)?;
    let layers = arguments.layer.iter().cloned().collect();
    let choices = Choices { given: given(&arguments.set)?, layers };
    let target =
        arguments.target.as_deref().map(|text| Target::parse(text, &model, &named_array)).transpose()?;
    if target.is_none() {
        model.expect_classes()?;
    }
    let options =
        ExplainOptions { target, crop: arguments.crop, colours: arguments.colour_map, top: arguments.top };
    start(&Explain::new(model, entry, &choices, options)?, &arguments.job)
}

fn localise(arguments: &BatchLocaliseArguments) -> Outcome {
    let method = super::localise::method(&arguments.method)?;
    let model = opened(&arguments.model)?;
    model.expect_classes()?;
    start(&Localise { model, method, top: arguments.top.into() }, &arguments.job)
}

fn classify(arguments: &BatchClassifyArguments) -> Outcome {
    let model = opened(&arguments.model)?;
    model.expect_classes()?;
    let crop = arguments.crop.unwrap_or(model.crop);
    start(&Classify { model, crop, top: arguments.top }, &arguments.job)
}

fn activations(arguments: &BatchActivationsArguments) -> Outcome {
    let model = opened(&arguments.model)?;
    let crop = arguments.crop.unwrap_or(model.crop);
    start(&Activations::of(model, &arguments.layer, crop, arguments.top)?, &arguments.job)
}

/// Runs a task over the inputs, shows how far it is, and says what came out.
fn start(task: &dyn Task, arguments: &JobArguments) -> Outcome {
    let options = InputOptions {
        column: arguments.column.clone(),
        target_column: arguments.target_column.clone(),
        root: arguments.root.clone(),
    };
    let selection = Selection { limit: arguments.limit, sample: arguments.sample };
    let standard_input: &mut dyn BufRead = &mut std::io::stdin().lock();
    let inputs = Inputs::gather(&arguments.inputs, &options, selection, standard_input)?;
    let options = BatchOptions {
        out: arguments.out.clone(),
        format: arguments.format,
        rows_per_file: arguments.rows_per_file,
        shard: arguments.shard,
        workers: workers(arguments.threads),
        fail_fast: arguments.fail_fast,
    };
    let stop = interruption::listen()?;
    let begin = Instant::now();
    let done = shown(|each| Ok(batch::run(task, &inputs, &options, &stop, each)?))?;
    say(&done, arguments, begin.elapsed().as_secs_f64())
}

/// How many photographs are looked at at the same time.
pub fn workers(threads: usize) -> usize {
    match threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    }
}

/// Shows how far a job is while it runs.
pub fn shown(run: impl FnOnce(&mut dyn FnMut(&Progress)) -> Outcome<Progress>) -> Outcome<Progress> {
    let begin = Instant::now();
    let mut bar = None;
    let done = run(&mut |progress: &Progress| {
        let bar = bar.get_or_insert_with(|| {
            let bar = progress::bar(progress.of as usize, "photographs");
            bar.set_position(progress.before);
            bar.reset_eta();
            bar
        });
        bar.set_position(progress.done);
        let seconds = begin.elapsed().as_secs_f64();
        progress::message(bar, &format!("{:.1}/s", (progress.done - progress.before) as f64 / seconds));
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    done
}

fn say(done: &Progress, arguments: &JobArguments, seconds: f64) -> Outcome {
    let out = &arguments.out;
    if done.done < done.of {
        return Err(Failure::Interrupted(format!(
            "{} of {} rows are there; the same command goes on from here",
            done.done, done.of
        )));
    }
    if done.failed > 0 {
        progress::note(format_args!(
            "note: {} of {} photographs have no result; their rows in {} say why",
            done.failed,
            done.done - done.before,
            out.display()
        ));
    }
    let count = done.done - done.before;
    let each = |seconds: f64| seconds / count.max(1) as f64;
    if arguments.json {
        return output::json(&Summary {
            out,
            rows: done.of,
            done: count,
            failed: done.failed,
            seconds,
            seconds_decode: each(done.seconds.decode),
            seconds_network: each(done.seconds.network),
            seconds_encode: each(done.seconds.encode),
        });
    }
    output::line(format_args!("{} rows in {}", done.of, out.display()));
    if count > 0 {
        output::timing(format_args!(
            "{:.2} photographs/s; each took {:.1} ms to decode, {:.1} ms in the network, {:.1} ms to encode",
            count as f64 / seconds,
            1e3 * each(done.seconds.decode),
            1e3 * each(done.seconds.network),
            1e3 * each(done.seconds.encode)
        ));
    }
    Ok(())
}
