//! How long a forward pass takes, and a forward pass with the gradient of one class score with respect to the picture.

use std::time::{Duration, Instant};

use deepinside_engine::{PlanOptions, Precision, Roofline, StepTime, Target, Threads};
use serde::Serialize;

use crate::{Model, Result, expect_finite};

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchmarkOptions {
    /// Pictures at a time.
    pub batch: usize,
    /// The pictures as the network reads them, batch × C × H × W; a made-up one where there are none.
    pub pictures: Option<Vec<f32>>,
    /// How exactly kernels compute.
    pub precision: Precision,
    /// For how long passes are repeated; at least five are.
    pub duration: Duration,
    /// Whether every kernel is measured too, and the machine's limits.
    pub profile: bool,
}

impl Default for BenchmarkOptions {
    fn default() -> Self {
        Self {
            batch: 1,
            pictures: None,
            precision: Precision::Exact,
            duration: Duration::from_secs(3),
            profile: false,
        }
    }
}

/// Times of repeated passes, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the passes took less.
    pub median: f64,
    /// The shortest.
    pub min: f64,
    /// The longest.
    pub max: f64,
}

impl Spread {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |index: usize| times.get(index).copied().unwrap_or(f64::NAN);
        Self { median: at(times.len() / 2), min: at(0), max: at(times.len().saturating_sub(1)) }
    }
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Benchmark {
    /// Packing weights and laying out memory for both passes, in milliseconds; opening is not counted.
    pub plan_ms: f64,
    /// Forward alone, where no gradient will be asked for: nothing is kept for a backward pass, and memory is used again by later
    /// layers while it is still in the caches.
    pub forward_ms: Spread,
    /// Forward and backward to the picture.
    pub forward_backward_ms: Spread,
    /// How many passes forward and backward were measured.
    pub passes: usize,
    /// Per kernel its shortest times, where a profile was asked for.
    pub steps: Vec<StepTime>,
    /// The machine's limits, where a profile was asked for.
    pub roofline: Option<Roofline>,
    /// What is wrong with the numbers that were computed, in a sentence.
    pub warning: Option<String>,
    /// The most memory that the process ever held, in MiB, where the system tells (Linux).
    pub peak_rss_mb: Option<f64>,
}

/// Measures a model.
///
/// # Errors
/// When a layer cannot be computed, the network fixes another batch, or the pictures have another size.
pub fn benchmark(model: &Model, options: &BenchmarkOptions, threads: &Threads) -> Result<Benchmark> {
    let pictures =
        options.pictures.clone().unwrap_or_else(|| model.structured_picture().repeat(options.batch));
    let inputs = [(model.input, &pictures[..])];
    let plan = PlanOptions {
        activations: vec![model.score.value],
        targets: vec![model.score.value],
        precision: options.precision,
        ..PlanOptions::default()
    };
    // The first passes touch memory for the first time, and are not counted.
    let mut session = model.session(options.batch, &plan, threads)?;
    session.forward(&inputs)?;
    let scores = session.activation(model.score.value)?;
    let warning =
        expect_finite(|| "the class scores".to_owned(), &scores).err().map(|error| error.to_string());
    let forward = repeat(options.duration / 3, || Ok(session.forward(&inputs)?))?;
    drop(session);
    let start = Instant::now();
    let plan = PlanOptions { gradients: vec![model.input], ..plan };
    let mut session = model.session(options.batch, &plan, threads)?;
    let plan_ms = milliseconds(start.elapsed());
    let target = Target::Class(model.score.classes / 3);
    let mut steps: Vec<StepTime> = Vec::new();
    session.forward(&inputs)?;
    session.backward(&[(model.score.value, &target)])?;
    // Measured before and after the passes: at either time something else may have used the machine.
    let before = options.profile.then(|| Roofline::measure(threads));
    if options.profile {
        session.measure_steps();
    }
    let both = repeat(options.duration * 2 / 3, || {
        session.forward(&inputs)?;
        session.backward(&[(model.score.value, &target)])?;
        keep_shortest(&mut steps, session.step_times());
        Ok(())
    })?;
    Ok(Benchmark {
        plan_ms,
        passes: both.len(),
        forward_ms: Spread::of(forward),
        forward_backward_ms: Spread::of(both),
        steps,
        warning,
        peak_rss_mb: peak_memory(),
        roofline: before.map(|before| before.or_better(Roofline::measure(threads))),
    })
}

/// The milliseconds of each of at least five runs.
fn repeat(duration: Duration, mut run: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    let (mut times, begin) = (Vec::new(), Instant::now());
    while times.len() < 5 || begin.elapsed() < duration {
        let start = Instant::now();
        run()?;
        times.push(milliseconds(start.elapsed()));
    }
    Ok(times)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn keep_shortest(shortest: &mut Vec<StepTime>, steps: Vec<StepTime>) {
    if shortest.is_empty() {
        *shortest = steps;
        return;
    }
    for (shortest, step) in shortest.iter_mut().zip(steps) {
        shortest.forward = shortest.forward.min(step.forward);
        shortest.backward = shortest.backward.min(step.backward);
    }
}

/// The high-water mark of the process's memory, in MiB.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes / 1024.0)
}
