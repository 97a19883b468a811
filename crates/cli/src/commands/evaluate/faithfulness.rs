//! `deepinside evaluate faithfulness`.

use deepinside::evaluation::{FaithfulnessSummary, Rate, faithfulness_all, summarise};
use deepinside::printable;
use serde::Serialize;
use serde_json::json;

use super::{details, expect_places, kept, objects};
use crate::arguments::EvaluateFaithfulnessArguments;
use crate::commands::report::settings;
use crate::failure::Outcome;
use crate::{commands, output, progress};

#[derive(Serialize)]
struct Result<'a> {
    images: usize,
    measures: &'static str,
    steps: usize,
    methods: &'a [FaithfulnessSummary],
    seconds_per_image: f64,
}

pub fn run(arguments: &EvaluateFaithfulnessArguments) -> Outcome {
    expect_places(&arguments.report, None)?;
    let settings = settings(&arguments.compared)?;
    let model = commands::open(&arguments.model, false)?;
    let mut objects = objects(&arguments.ground_truth, &model)?;
    if let Some(sample) =
        arguments.sample.map(|sample| sample as usize).filter(|sample| *sample < objects.len())
    {
        let count = objects.len();
        let kept: Vec<usize> = (0..sample).map(|place| place * count / sample).collect();
        let mut place = 0;
        objects.retain(|_| {
            place += 1;
            kept.binary_search(&(place - 1)).is_ok()
        });
    }
    let mut runner = commands::runner(&model, arguments.run.threads)?;
    let compared = &arguments.compared;
    let how = json!({"methods": compared.methods, "steps": compared.steps, "score": compared.of_score});
    let mut details = details(arguments.report.details.as_deref(), "faithfulness", &[&model], &how)?;
    let bar = progress::bar(objects.len(), "pictures");
    let results = faithfulness_all(&mut runner, &settings, &objects, details.as_mut(), || bar.inc(1));
    bar.finish_and_clear();
    let results = kept(results, arguments.report.details.as_deref())?;
    let summary = summarise(&results)?;
    let measures = if settings.of_score { "score" } else { "probability" };
    let seconds = results.iter().map(|result| result.seconds).sum::<f64>() / results.len().max(1) as f64;
    let title = format!(
        "{} on {} pictures: the mean {measures} of the true class while pixels are deleted and inserted, with 95 % intervals",
        model.name,
        results.len()
    );
    if let Some(path) = &arguments.report.csv {
        output::whole_file(path, csv(&summary).as_bytes())?;
    }
    if let Some(path) = &arguments.report.markdown {
        output::whole_file(path, markdown(&title, &summary).as_bytes())?;
    }
    if arguments.run.json {
        return output::json(&Result {
            images: results.len(),
            measures,
            steps: settings.steps,
            methods: &summary,
            seconds_per_image: seconds,
        });
    }
    output::line(title);
    for row in &summary {
        output::line(format!(
            "{:<24} insertion − deletion {}  behind the best {}",
            row.method,
            with_interval(row.difference),
            with_interval(row.behind_best)
        ));
    }
    output::timing(format_args!("{seconds:.2} s a picture"));
    Ok(())
}

fn with_interval(Rate { rate, interval95: [low, high] }: Rate) -> String {
    format!("{rate:.4} [{low:.4}, {high:.4}]")
}

fn csv(summary: &[FaithfulnessSummary]) -> String {
    let mut text = "method,measure,value,low95,high95\n".to_owned();
    for row in summary {
        for (measure, Rate { rate, interval95: [low, high] }) in [
            ("deletion", row.deletion),
            ("insertion", row.insertion),
            ("difference", row.difference),
            ("behind_best", row.behind_best),
        ] {
            text += &format!("{},{measure},{rate},{low},{high}\n", row.method);
        }
    }
    text
}

fn markdown(title: &str, summary: &[FaithfulnessSummary]) -> String {
    let mut text = format!(
        "{}\n\n| method | deletion | insertion | insertion − deletion | behind the best |\n|---|---|---|---|---|\n",
        printable::markdown(title)
    );
    for row in summary {
        let rates = [row.deletion, row.insertion, row.difference, row.behind_best].map(with_interval);
        text += &format!("| {} | {} |\n", row.method, rates.join(" | "));
    }
    text
}
