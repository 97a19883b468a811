//! `deepinside exemplars`.

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use deepinside::Model;
use deepinside_jobs::exemplars::{EXEMPLARS, ExemplarOptions, Gallery, merge, run as find};
use deepinside_jobs::input::{InputOptions, Inputs, Selection};

use super::batch::{shown, workers};
use crate::arguments::{ExemplarsArguments, ExemplarsCommand, FindExemplarsArguments};
use crate::failure::{Failure, Outcome};
use crate::{interruption, output, progress};

pub fn run(arguments: &ExemplarsArguments) -> Outcome {
    let find = &arguments.find;
    match (&arguments.command, &find.out) {
        (Some(ExemplarsCommand::Merge(merged)), _) => {
            let photographs = merge(&merged.shards, &merged.out)?;
            output::line(format_args!(
                "{photographs} photographs in {}",
                merged.out.join(EXEMPLARS).display()
            ));
            Ok(())
        }
        (None, Some(out)) => search(find, out),
        (None, None) => Err(Failure::Message("--out names no folder".to_owned())),
    }
}

/// What a job found of a model's units, with the photographs that it looked at.
pub fn gallery(model: &Model, folder: &Path, photographs: &[OsString]) -> Outcome<Gallery> {
    let standard_input = &mut std::io::stdin().lock();
    let inputs = Inputs::gather(photographs, &InputOptions::default(), Selection::default(), standard_input)?;
    Ok(Gallery::open(model, folder, inputs)?)
}

fn search(arguments: &FindExemplarsArguments, out: &Path) -> Outcome {
    let model = super::open(&arguments.model, false)?;
    let selection = Selection { limit: arguments.limit, sample: arguments.sample };
    let standard_input = &mut std::io::stdin().lock();
    let inputs = Inputs::gather(&arguments.inputs, &InputOptions::default(), selection, standard_input)?;
    let options = ExemplarOptions {
        out: out.to_owned(),
        layers: arguments.layer.clone(),
        top: arguments.top.into(),
        crop: arguments.crop,
        shard: arguments.shard,
        workers: workers(arguments.threads),
    };
    let stop = interruption::listen()?;
    let begin = Instant::now();
    let done = shown(|each| Ok(find(&model, &inputs, &options, &stop, each)?))?;
    if done.done < done.of {
        return Err(Failure::Interrupted(format!(
            "{} of {} photographs are done; the same command goes on from here",
            done.done, done.of
        )));
    }
    if done.failed > 0 {
        progress::note(format_args!("note: {} photographs have no result; 'failed' says why", done.failed));
    }
    output::line(format_args!("{} photographs in {}", done.of, out.join(EXEMPLARS).display()));
    let rate = (done.done - done.before) as f64 / begin.elapsed().as_secs_f64();
    output::timing(format_args!("{rate:.2} photographs/s"));
    Ok(())
}
