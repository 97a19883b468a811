//! The target's number of inputs that differ from one input in a box alone, as occlusion makes them: of every layer that is local
//! ([`locality`]) only the box is computed again that the change reaches, and put into what the input itself gives there.
//!
//! The network is taken in stages, each from one value that everything passes to a later one. Where stages begin and end, and after which
//! one the rest is computed whole, is chosen by what is computed and copied. A box that touches a border is enlarged to the largest of its
//! kind, so that a stage is prepared for few shapes. The numbers are those of the whole network but for the order of sums: tiles fall
//! otherwise in a box, within 1e-6 of the largest score.

mod stages;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use deepinside_engine::{Plan, PlanOptions, Session};
use deepinside_files::Array;
use deepinside_graph::ValueId;
use deepinside_graph::locality::{Region, Span, Stretch};
use rayon::prelude::*;

use self::stages::Search;
use super::runner::Inputs;
use super::{Pass, Runner};
use crate::{Model, Result, Target, Threads};

/// How many boxes for each thread are computed between two passes through the rest of the network.
const ROUND: usize = 8;

/// The target's number of an input, and of inputs that differ from it only in their boxes: rows and columns of pixels, none of them empty.
///
/// # Errors
/// As [`Runner::each`].
pub(crate) fn numbers_of_boxes(
    runner: &mut Runner,
    input: &Array,
    target: &Target,
    boxes: &[Region],
    changed: Inputs<'_>,
) -> Result<(f64, Vec<f64>)> {
    let model = Arc::clone(runner.model());
    let search = Search::new(&model, &target.values(&model), boxes);
    if let Some(end) = search.end() {
        let patches = Patches::new(&model, runner, input, target, search.stages(end))?;
        return patches.numbers(runner, target, boxes, changed);
    }
    let inputs = |position: usize| match position {
        0 => input.data().to_vec(),
        _ => changed(position - 1),
    };
    split(runner.numbers(target, boxes.len() + 1, &inputs)?)
}

/// The first number, which is that of the unchanged input, and the others.
fn split(mut numbers: Vec<f64>) -> Result<(f64, Vec<f64>)> {
    let whole = numbers.remove(0);
    Ok((whole, numbers))
}

/// A network in stages.
struct Patches<'a> {
    model: &'a Model,
    stages: Vec<Stage<'a>>,
    /// What the input itself gives where the last stage ends.
    last: Array,
    /// Sessions that no thread uses now.
    idle: Mutex<Vec<Sessions>>,
}

/// What lies between two values.
struct Stage<'a> {
    stretch: Stretch<'a>,
    /// What the input itself gives where the stage begins.
    begins: Array,
    /// Per axis and box, what is computed.
    places: [Vec<Place>; 2],
    prepared: Mutex<HashMap<[Kind; 2], Prepared>>,
}

/// What is computed for a box along an axis.
#[derive(Debug, Clone)]
struct Place {
    kind: Kind,
    /// Positions of the value that the stage begins with.
    reads: Span,
    /// Positions of the value that it ends with.
    computes: Span,
}

/// Whether padding is needed before and behind; the boxes of one kind have one shape.
type Kind = [bool; 2];

/// A stage prepared for one shape.
#[derive(Clone)]
struct Prepared {
    plan: Arc<Plan>,
    input: ValueId,
    output: ValueId,
}

/// One thread's sessions by stage and kind, each with its input and output.
type Sessions = HashMap<(usize, [Kind; 2]), (Session, [ValueId; 2])>;

/// Numbers of a box of a value.
struct Patch {
    region: Region,
    numbers: Vec<f32>,
}

impl<'a> Patches<'a> {
    /// Computes what the input itself gives between the stages.
    fn new(
        model: &'a Model,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
        stretches: Vec<(Stretch<'a>, [Vec<Place>; 2])>,
    ) -> Result<Self> {
        let ends = stretches.iter().map(|(stretch, _)| stretch.to).collect();
        let pass = Pass { activations: ends, ..Pass::forward() };
        let between = runner.one(&pass, target, input.data(), |passed| {
            pass.activations.iter().map(|&value| passed.activation(value)).collect::<Result<Vec<_>>>()
        })?;
        let mut begins = vec![Array::new(input.shape(), input.data().to_vec())?];
        begins.extend(between);
        let last = begins.pop().unwrap_or_else(|| input.clone());
        let stages = stretches.into_iter().zip(begins).map(|((stretch, places), begins)| Stage {
            stretch,
            begins,
            places,
            prepared: Mutex::default(),
        });
        Ok(Self { model, stages: stages.collect(), last, idle: Mutex::default() })
    }

    fn numbers(
        &self,
        runner: &mut Runner,
        target: &Target,
        boxes: &[Region],
        changed: Inputs<'_>,
    ) -> Result<(f64, Vec<f64>)> {
        let threads = runner.threads().clone();
        let ends = self.stages.last().map_or(self.model.input, |stage| stage.stretch.to);
        let pass = Pass { from: Some(ends), classes_alone: true, ..Pass::forward() };
        let mut numbers = Vec::with_capacity(boxes.len() + 1);
        let mut rest = |count: usize, inputs: Inputs<'_>| {
            runner.each_from(
                None,
                &pass,
                target,
                count,
                inputs,
                &|passed| Ok(passed.number),
                &mut |_, number| {
                    numbers.push(number);
                    Ok(())
                },
            )
        };
        rest(1, &|_| self.last.data().to_vec())?;
        let round = ROUND * threads.count();
        for first in (0..boxes.len()).step_by(round) {
            let positions = first..(first + round).min(boxes.len());
            let ends: Vec<Vec<f32>> = threads.run(|| {
                let positions = positions.clone().into_par_iter().with_max_len(1);
                let end =
                    |position: usize| self.end(&threads, position, &boxes[position], &changed(position));
                positions.map(end).collect::<Result<_>>()
            })?;
            rest(positions.len(), &|position| ends[position].clone())?;
        }
        split(numbers)
    }

    /// What a changed input gives where the last stage ends.
    fn end(&self, threads: &Threads, position: usize, region: &Region, changed: &[f32]) -> Result<Vec<f32>> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sessions = idle().pop().unwrap_or_default();
        let first = self.stages.first().map_or(&self.last, |stage| &stage.begins);
        let mut patch = Patch { region: region.clone(), numbers: cut(changed, spatial(first), region) };
        for (number, stage) in self.stages.iter().enumerate() {
            let places = [0, 1].map(|axis| &stage.places[axis][position]);
            let (session, [input, output]) =
                match sessions.entry((number, places.each_ref().map(|place| place.kind))) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(free) => {
                        let Prepared { plan, input, output } = stage.prepare(self.model, threads, places)?;
                        free.insert((Session::new(plan, threads.clone())?, [input, output]))
                    }
                };
            let reads = places.each_ref().map(|place| place.reads.clone());
            let mut numbers = cut(stage.begins.data(), spatial(&stage.begins), &reads);
            paste(&mut numbers, &reads, &patch);
            session.forward(&[(*input, &numbers)])?;
            let region = places.each_ref().map(|place| place.computes.clone());
            patch = Patch { region, numbers: session.activation(*output)? };
        }
        idle().push(sessions);
        let mut end = self.last.data().to_vec();
        let [rows, columns] = spatial(&self.last);
        paste(&mut end, &[0..rows, 0..columns], &patch);
        Ok(end)
    }
}

impl Stage<'_> {
    /// The stage for boxes of one kind.
    fn prepare(&self, model: &Model, threads: &Threads, places: [&Place; 2]) -> Result<Prepared> {
        let kinds = places.each_ref().map(|place| place.kind);
        // A second thread waits for the first and finds what it made.
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = prepared.get(&kinds) {
            return Ok(known.clone());
        }
        let crop = self.stretch.crop(&places.each_ref().map(|place| place.computes.clone()))?;
        let ends = [crop.graph.inputs(), crop.graph.outputs()].map(|values| values[0]);
        let [input, output] = ends;
        let options = PlanOptions { activations: vec![output], ..PlanOptions::default() };
        let plan = Arc::clone(model.session_of(&crop.graph, &options, threads)?.plan());
        let known = Prepared { plan, input, output };
        prepared.insert(kinds, known.clone());
        Ok(known)
    }
}

/// Rows and columns of a `C × H × W` array.
fn spatial(array: &Array) -> [usize; 2] {
    match array.shape() {
        &[.., rows, columns] => [rows, columns],
        _ => [1, 1],
    }
}

/// A box of every channel.
fn cut(numbers: &[f32], [height, width]: [usize; 2], [rows, columns]: &Region) -> Vec<f32> {
    let mut found = Vec::with_capacity(numbers.len() / (height * width) * rows.len() * columns.len());
    for plane in numbers.chunks_exact(height * width) {
        for row in plane.chunks_exact(width).take(rows.end).skip(rows.start) {
            found.extend_from_slice(&row[columns.clone()]);
        }
    }
    found
}

/// Writes a patch into every channel of a box, as far as they overlap.
fn paste(numbers: &mut [f32], [rows, columns]: &Region, patch: &Patch) {
    let [own_rows, own_columns] = &patch.region;
    let both = |a: &Span, b: &Span| a.start.max(b.start)..a.end.min(b.end);
    let (rows_of_both, columns_of_both) = (both(rows, own_rows), both(columns, own_columns));
    if rows_of_both.is_empty() || columns_of_both.is_empty() {
        return;
    }
    let planes = numbers.chunks_exact_mut(rows.len() * columns.len());
    let own_planes = patch.numbers.chunks_exact(own_rows.len() * own_columns.len());
    for (plane, own_plane) in planes.zip(own_planes) {
        for row in rows_of_both.clone() {
            let to = (row - rows.start) * columns.len() + columns_of_both.start - columns.start;
            let from = (row - own_rows.start) * own_columns.len() + columns_of_both.start - own_columns.start;
            let width = columns_of_both.len();
            plane[to..to + width].copy_from_slice(&own_plane[from..from + width]);
        }
    }
}

#[cfg(test)]
mod tests;
