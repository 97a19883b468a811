//! Where stages begin and end.

use std::collections::HashMap;

use deepinside_graph::ValueId;
use deepinside_graph::locality::{Region, Span, Stretch, local_cuts, operations_between};
use deepinside_graph::operations;

use super::{Kind, Place};
use crate::Model;

/// What the beginning of a stage costs, in floating-point operations that take as long.
const STAGE: f64 = 6e5;
/// What an element costs that is copied into a stage or out of it.
const COPY: f64 = 120.0;
/// For how many shapes a stage is usually prepared: with padding at either end of an axis, or at none.
const SHAPES: f64 = 9.0;
/// What a weight costs that is packed for one shape.
const PACKED: f64 = 240.0;
/// The most weights that stages may pack, counted once for each shape: half a gigabyte of them.
const MOST_PACKED: f64 = 1.25e8;
/// The most values that a stage may pass: a bound for the search.
const LONGEST: usize = 12;
/// Stages are only worth it below this share of what the whole network costs.
const WORTH: f64 = 0.8;

/// The search for the stages that take least time for all of some boxes of the input together with the rest of the network.
pub(super) struct Search<'a> {
    model: &'a Model,
    /// What everything passes.
    cuts: Vec<ValueId>,
    /// What lies between neighbours of them.
    short: Vec<Stretch<'a>>,
    /// Per axis, value and box, the positions that change.
    changed: [Vec<Vec<Span>>; 2],
    /// The cheapest way to each value.
    best: Vec<Way<'a>>,
    /// What the whole network costs.
    all: f64,
}

/// A way from the input to a value by stages.
#[derive(Default)]
struct Way<'a> {
    cost: f64,
    packed: f64,
    /// Where the last stage begins, among the values that everything passes.
    from: usize,
    last: Option<Stretch<'a>>,
}

impl<'a> Search<'a> {
    pub(super) fn new(model: &'a Model, targets: &[ValueId], boxes: &[Region]) -> Self {
        let graph = &model.graph;
        let cuts = local_cuts(graph, model.input, targets);
        let short: Vec<Stretch<'_>> =
            cuts.windows(2).map(|ends| Stretch::new(graph, ends[0], ends[1])).collect();
        let changed = [0, 1].map(|axis| {
            let mut spans = vec![boxes.iter().map(|region| region[axis].clone()).collect::<Vec<Span>>()];
            for (cut, stretch) in short.iter().enumerate() {
                let next = changed(stretch, axis, &spans[cut]);
                spans.push(next);
            }
            spans
        });
        let all = operations_between(graph, model.input, targets) as f64;
        let mut search = Self { model, cuts, short, changed, best: vec![Way::default()], all };
        for to in 1..search.cuts.len() {
            search.best.push(search.way(to));
        }
        search
    }

    /// The cheapest way to a value, where those to all before it are known.
    fn way(&self, to: usize) -> Way<'a> {
        let mut cheapest = Way { cost: f64::INFINITY, ..Way::default() };
        let mut stretch: Option<Stretch<'_>> = None;
        for from in (to.saturating_sub(LONGEST)..to).rev() {
            let short = &self.short[from];
            let longer = stretch.map_or_else(|| short.clone(), |stretch| short.then(&stretch));
            let packed = self.best[from].packed + longer.parameters() as f64 * SHAPES;
            let cost = self.best[from].cost
                + cost(self.model, &longer, [0, 1].map(|axis| &self.changed[axis][to][..]));
            if packed <= MOST_PACKED && cost < cheapest.cost {
                cheapest = Way { cost, packed, from, last: Some(longer.clone()) };
            }
            stretch = Some(longer);
        }
        cheapest
    }

    /// The value, among those that everything passes, behind which the network is best computed whole; none where no stage is worth it.
    pub(super) fn end(&self) -> Option<usize> {
        let with_rest = |cut: usize| {
            let before: u64 = self.short[..cut].iter().map(Stretch::operations).sum();
            let elements = self.model.graph.value(self.cuts[cut]).shape.elements();
            self.best[cut].cost + self.all - before as f64 + COPY * elements as f64
        };
        let end = (1..self.cuts.len()).min_by(|&a, &b| with_rest(a).total_cmp(&with_rest(b)))?;
        (with_rest(end) <= WORTH * self.all).then_some(end)
    }

    /// How many values everything passes, the input among them.
    #[cfg(test)]
    pub(super) fn values(&self) -> usize {
        self.cuts.len()
    }

    /// The stages up to a value, each with the places of the boxes.
    pub(super) fn stages(&self, end: usize) -> Vec<(Stretch<'a>, [Vec<Place>; 2])> {
        let mut stages = Vec::new();
        let mut to = end;
        while let Way { from, last: Some(last), .. } = &self.best[to] {
            let places = [0, 1].map(|axis| places(self.model, last, axis, &self.changed[axis][to]));
            stages.push((last.clone(), places));
            to = *from;
        }
        stages.reverse();
        stages
    }
}

/// What the box in the middle costs.
fn cost(model: &Model, stretch: &Stretch<'_>, changed: [&[Span]; 2]) -> f64 {
    let boxes = changed[0].len();
    let extents = model.graph.value(stretch.to).shape.extents();
    let computes = [0, 1].map(|axis| {
        let largest = largest(changed[axis]);
        let start = changed[axis][boxes / 2].start.min(extents[axis + 2] - largest);
        start..start + largest
    });
    let Ok(crop) = stretch.crop(&computes) else { return f64::INFINITY };
    let computed: u64 = crop.graph.nodes().iter().map(|node| operations(&crop.graph, node)).sum();
    let elements = |value: ValueId, region: &Region| {
        model.graph.value(value).shape.extents()[1] * region[0].len() * region[1].len()
    };
    let copied = elements(stretch.from, &crop.reads) + elements(stretch.to, &computes);
    let packed = stretch.parameters() as f64 * SHAPES * PACKED / boxes as f64;
    computed as f64 + COPY * copied as f64 + packed + STAGE
}

/// The largest extent of some positions that change; never none.
fn largest(changed: &[Span]) -> usize {
    changed.iter().map(Span::len).max().unwrap_or(1).max(1)
}

/// The positions that change at the end of a stretch with these at its beginning, each found once.
fn changed(stretch: &Stretch<'_>, axis: usize, spans: &[Span]) -> Vec<Span> {
    let mut known: HashMap<&Span, Span> = HashMap::new();
    spans
        .iter()
        .map(|span| known.entry(span).or_insert_with(|| stretch.changed(axis, span)).clone())
        .collect()
}

/// What is computed along an axis for each box, of which these positions change at the end of the stretch. Boxes have the extent of the
/// largest; those for which padding is needed reach to the border.
fn places(model: &Model, stretch: &Stretch<'_>, axis: usize, changed: &[Span]) -> Vec<Place> {
    let extent = model.graph.value(stretch.to).shape.extents()[axis + 2];
    let largest = largest(changed);
    let mut known: HashMap<usize, Place> = HashMap::new();
    let mut place = |span: &Span| {
        let start = span.start.min(extent - largest);
        let computes = start..start + largest;
        known
            .entry(start)
            .or_insert_with(|| {
                let (reads, kind) = stretch.reads(axis, &computes);
                Place { kind, reads, computes }
            })
            .clone()
    };
    let found: Vec<Place> = changed.iter().map(&mut place).collect();
    let mut widest: HashMap<Kind, Place> = HashMap::new();
    for Place { kind, computes, .. } in &found {
        let known = widest.get(kind).map_or(computes, |known| &known.computes);
        let start = if kind[0] { 0 } else { known.start.min(computes.start) };
        let end = if kind[1] { extent } else { known.end.max(computes.end) };
        let computes = start..end;
        let (reads, _) = stretch.reads(axis, &computes);
        widest.insert(*kind, Place { kind: *kind, reads, computes });
    }
    let enlarged = |place: Place| match place.kind {
        [false, false] => place,
        kind => widest[&kind].clone(),
    };
    found.into_iter().map(enlarged).collect()
}
