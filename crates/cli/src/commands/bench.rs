//! `deepinside bench`.

use std::time::Duration;

use deepinside::benchmark::{Benchmark, BenchmarkOptions, Spread, benchmark};
use deepinside::files::npy;
use deepinside::{Threads, printable};
use serde::Serialize;

use crate::arguments::{BenchArguments, PrecisionChoice};
use crate::failure::{Failure, Outcome};
use crate::{output, progress};

#[derive(Serialize)]
struct Result<'a> {
    model: &'a str,
    batch: usize,
    threads: usize,
    precision: &'static str,
    passes: usize,
    plan_ms: f64,
    forward_ms: Spread,
    forward_backward_ms: Spread,
    gflops_effective: f64,
    peak_rss_mb: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_gflops: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_gb_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    forward_ms: f64,
    backward_ms: f64,
    gflops: f64,
    gb_per_s: f64,
    /// What the machine could do it in at best, over what it took; above one where the algorithm saves multiplications.
    roofline: f64,
}

pub fn run(arguments: &BenchArguments) -> Outcome {
    if arguments.batch == 0 {
        return Err(Failure::Message("--batch: at least 1 picture is needed".to_owned()));
    }
    let model = super::open(&arguments.model, false)?;
    let threads = Threads::new(arguments.run.threads)?;
    let precision_name = match arguments.precision {
        PrecisionChoice::Exact => "exact",
        PrecisionChoice::Fast => "fast",
    };
    let pictures = arguments.array.as_ref().map(npy::read).transpose().map_err(deepinside::Error::from)?;
    let options = BenchmarkOptions {
        batch: arguments.batch,
        pictures: pictures.map(|pictures| pictures.data().to_vec()),
        precision: arguments.precision.into(),
        duration: Duration::try_from_secs_f64(arguments.seconds)
            .map_err(|_| Failure::Message("--seconds: expected a duration of 0 or more".to_owned()))?,
        profile: arguments.profile,
    };
    let measured = benchmark(&model, &options, &threads)?;
    if let Some(warning) = &measured.warning {
        progress::note(format_args!("warning: {warning}: times of such numbers say little"));
    }
    let operations: u64 =
        model.graph.nodes().iter().map(|node| deepinside::graph::operations(&model.graph, node)).sum::<u64>()
            * arguments.batch as u64;
    let result = Result {
        model: &model.name,
        batch: arguments.batch,
        threads: threads.count(),
        precision: precision_name,
        passes: measured.passes,
        plan_ms: measured.plan_ms,
        forward_ms: measured.forward_ms,
        forward_backward_ms: measured.forward_backward_ms,
        // A backward pass to the input multiplies as often as a forward pass.
        gflops_effective: 2.0 * operations as f64 / measured.forward_backward_ms.median / 1e6,
        peak_rss_mb: measured.peak_rss_mb,
        peak_gflops: measured.roofline.map(|roofline| roofline.operations / 1e9),
        peak_gb_per_s: measured.roofline.map(|roofline| roofline.bytes / 1e9),
        nodes: rows(&measured),
    };
    if arguments.run.json { output::json(&result) } else { print(&result) }
}

fn rows(measured: &Benchmark) -> Vec<Row<'_>> {
    let Some(roofline) = measured.roofline else { return Vec::new() };
    let row = |step: &'_ deepinside::StepTime| {
        let (forward, backward) = (step.forward.as_secs_f64(), step.backward.as_secs_f64());
        let passes = if backward > 0.0 { 2.0 } else { 1.0 };
        let (operations, bytes) = (passes * step.operations as f64, passes * step.bytes as f64);
        let time = forward + backward;
        let least = (operations / roofline.operations).max(bytes / roofline.bytes);
        (forward * 1e3, backward * 1e3, operations / time / 1e9, bytes / time / 1e9, least / time)
    };
    let steps = measured.steps.iter();
    steps
        .map(|step| {
            let (forward_ms, backward_ms, gflops, gb_per_s, roofline) = row(step);
            Row { name: &step.name, forward_ms, backward_ms, gflops, gb_per_s, roofline }
        })
        .collect()
}

fn print(result: &Result<'_>) -> Outcome {
    let spread =
        |spread: Spread| format!("median {:.2} ms ({:.2} to {:.2})", spread.median, spread.min, spread.max);
    output::line(format_args!(
        "{}, batch {}, {} threads, {}: {} passes",
        result.model, result.batch, result.threads, result.precision, result.passes
    ));
    output::line(format_args!("forward           {}", spread(result.forward_ms)));
    output::line(format_args!("forward, backward {}", spread(result.forward_backward_ms)));
    output::line(format_args!("effective         {:.0} GFLOP/s", result.gflops_effective));
    output::line(format_args!("planning          {:.0} ms", result.plan_ms));
    if let Some(memory) = result.peak_rss_mb {
        output::line(format_args!("peak memory       {memory:.0} MiB"));
    }
    if let (Some(operations), Some(bytes)) = (result.peak_gflops, result.peak_gb_per_s) {
        output::line(format_args!("this machine      {operations:.0} GFLOP/s, {bytes:.0} GB/s"));
    }
    if result.nodes.is_empty() {
        return Ok(());
    }
    let width = printable::column(result.nodes.iter().map(|row| row.name));
    output::line("");
    output::line(format_args!(
        "{:<width$}  forward ms  backward ms  GFLOP/s  GB/s  of the roofline",
        "shortest times"
    ));
    for row in &result.nodes {
        output::line(format_args!(
            "{:<width$}  {:10.3}  {:11.3}  {:7.0}  {:4.0}  {:>15}",
            row.name,
            row.forward_ms,
            row.backward_ms,
            row.gflops,
            row.gb_per_s,
            if row.roofline > 1.0 { "> 100 %".to_owned() } else { format!("{:.0} %", 100.0 * row.roofline) }
        ));
    }
    output::line(
        "\n> 100 %: multiplications are counted as in a direct convolution, and Winograd's does with a fourth of them; \
         memory is counted as if no cache held it",
    );
    Ok(())
}
