//! `deepinside publish`.

use std::sync::{Mutex, PoisonError};

use deepinside::layers::shown_values;
use deepinside_jobs::input::{InputOptions, Inputs, Selection};
use deepinside_jobs::publish::{Estimate, PublishOptions, Site, Step, stages};

use super::batch::workers;
use super::class_model::recipe;
use crate::arguments::PublishArguments;
use crate::failure::{Failure, Outcome};
use crate::{interruption, output, progress};

pub fn run(arguments: &PublishArguments) -> Outcome {
    let recipe = recipe(&arguments.recipe)?;
    let model = super::open(&arguments.model, recipe.name == "original")?;
    let classes = match arguments.classes.as_deref() {
        Some("none") => Vec::new(),
        Some(list) => super::atlas::classes(&model, list)?,
        None => (0..model.score.classes).collect(),
    };
    let layers = match (arguments.all, &arguments.layer[..]) {
        (true, _) => {
            let shown = shown_values(&model).into_iter().filter(|&value| value != model.score.value);
            shown.map(|value| model.graph.value(value).name.clone()).collect()
        }
        (false, []) => stages(&model, arguments.stages),
        (false, named) => named.to_vec(),
    };
    let inputs = match &arguments.inputs[..] {
        [] => None,
        names => {
            let options = InputOptions {
                column: arguments.column.clone(),
                target_column: arguments.target_column.clone(),
                root: arguments.root.clone(),
            };
            let selection = Selection { limit: arguments.limit, sample: arguments.sample };
            Some(Inputs::gather(names, &options, selection, &mut std::io::stdin().lock())?)
        }
    };
    let options = PublishOptions {
        out: arguments.out.clone(),
        layers,
        units: arguments.units,
        classes,
        recipe,
        seed: arguments.seed,
        exemplars: arguments.exemplars.clone(),
        top: arguments.top.into(),
        workers: workers(arguments.threads),
    };
    let stop = interruption::listen()?;
    let site = Site::plan(&model, &options, inputs.as_ref())?;
    let text = said(&site.estimate()?, options.workers);
    if arguments.dry_run {
        output::line(text);
        return Ok(());
    }
    progress::note(format_args!("note: {text}"));
    site.claim()?;
    // One bar at a time: each kind of work replaces that of the one before.
    let bars = Mutex::new(None::<(String, indicatif::ProgressBar)>);
    let show = |Step { what, done, of }: Step<'_>| {
        let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
        if bars.as_ref().is_none_or(|(shown, _)| shown != what) {
            if let Some((_, old)) = bars.take() {
                old.finish_and_clear();
            }
            *bars = Some((what.to_owned(), progress::bar(of, what)));
        }
        if let Some((_, bar)) = &*bars {
            bar.set_position(done as u64);
        }
    };
    let is_whole = site.make(&stop, &show);
    if let Some((_, bar)) = bars.into_inner().unwrap_or_else(PoisonError::into_inner) {
        bar.finish_and_clear();
    }
    if !is_whole? {
        return Err(Failure::Interrupted(format!(
            "{} is not whole; the same command goes on from here",
            options.out.display()
        )));
    }
    output::line(options.out.join("index.html").display());
    Ok(())
}

/// What there is to do, in a sentence.
fn said(estimate: &Estimate, workers: usize) -> String {
    let Estimate { pictures: [pictures, there], photographs, drawings, seconds, bytes } = *estimate;
    let mut parts = vec![match there {
        0 => format!("{pictures} pictures of units and classes"),
        there => format!("{pictures} pictures of units and classes, {there} of which are there"),
    }];
    if photographs > 0 {
        parts.push(format!("{photographs} photographs"));
        parts.push(format!("{drawings} units' exemplars"));
    }
    let time = match seconds {
        seconds if seconds < 90.0 => format!("{seconds:.0} s"),
        seconds if seconds < 5400.0 => format!("{:.0} minutes", seconds / 60.0),
        seconds => format!("{:.1} hours", seconds / 3600.0),
    };
    let megabytes = bytes as f64 / 1e6;
    format!("{}: about {time} on {workers} threads and at most {megabytes:.0} MB", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_a_sentence() {
        let estimate =
            Estimate { pictures: [40, 0], photographs: 0, drawings: 0, seconds: 61.0, bytes: 2_000_000 };
        let text = said(&estimate, 2);
        assert_eq!(text, "40 pictures of units and classes: about 61 s on 2 threads and at most 2 MB");
        let text = said(
            &Estimate { pictures: [40, 8], photographs: 500, drawings: 30, seconds: 7200.0, ..estimate },
            1,
        );
        assert!(
            text.contains("8 of which are there, 500 photographs, 30 units' exemplars: about 2.0 hours"),
            "{text}"
        );
    }
}
