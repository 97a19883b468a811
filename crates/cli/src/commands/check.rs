//! `deepinside check`.

use deepinside::check::{Report, Verdict, check};
use deepinside::printable;
use serde::Serialize;

use crate::arguments::CheckArguments;
use crate::failure::{Failure, Outcome};
use crate::{output, record};

#[derive(Serialize)]
struct Result<'a> {
    model: &'a str,
    passed: bool,
    class_name: Option<String>,
    #[serde(flatten)]
    report: Report,
}

pub fn run(arguments: &CheckArguments) -> Outcome {
    let model = super::open(&arguments.model, false)?;
    let mut runner = super::runner(&model, arguments.run.threads)?;
    let picture = match &arguments.photograph {
        Some(path) => {
            record::input(path)?;
            Some(model.inputs(&model.load_photograph(path)?, &[model.crop])?.into_data())
        }
        None => None,
    };
    let report = check(&mut runner, picture.as_deref(), arguments.seed)?;
    let passed = report.passed();
    let result = Result {
        model: &model.name,
        passed,
        class_name: report.class.map(|class| model.class_name(class)),
        report,
    };
    if arguments.run.json {
        output::json(&result)?;
    } else {
        print(&result, arguments.table);
    }
    if passed {
        return Ok(());
    }
    let failed = result.report.checks.iter().filter(|check| check.verdict == Verdict::Failed);
    let names: Vec<&str> = failed.map(|check| check.name).collect();
    Err(Failure::Message(format!("{} did not pass: {}", result.model, names.join(", "))))
}

fn print(result: &Result<'_>, table: bool) {
    let report = &result.report;
    if table {
        let width = printable::column(report.operators.iter().map(|operator| operator.name.as_str()));
        for operator in &report.operators {
            let mark = if operator.agrees() { ' ' } else { '✗' };
            output::line(format_args!(
                "{mark} {:<width$}  {:<24}  {:.0e}",
                operator.name, operator.operator, operator.error
            ));
        }
    }
    let place = match (report.score, &result.class_name) {
        (Some(score), Some(name)) => format!(", at the score {score:.3} of '{name}'"),
        _ => String::new(),
    };
    output::line(format_args!(
        "{}: {} of {} checks passed{place}",
        result.model,
        report.checks.iter().filter(|check| check.verdict == Verdict::Passed).count(),
        report.checks.len(),
    ));
    for check in &report.checks {
        let word = match check.verdict {
            Verdict::Passed => "passed",
            Verdict::Failed => "FAILED",
            Verdict::Skipped => "skipped",
        };
        output::line(format_args!("{word:<8} {:<10}  {}", check.name, check.detail));
    }
}
