//! Which axes of a value are channels, and which are positions in the picture.
//!
//! Convolutions write `N × C × H × W`, Swin and Keras `N × H × W × C`, vision transformers `N × tokens × C` with a class token and
//! registers before those of the picture, and attention has windows and heads in between. No rank tells these apart, so places are
//! followed from the picture through the network (`places`): a convolution moves them, a reshape or transpose carries
//! them along, a sum over channels keeps them, and a sum over the whole picture ends them. A value is a *grid* where each of its
//! numbers, tokens without a place left out, is about one of rows × columns places, all of them equally often.

mod follow;
mod places;
mod reach;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use deepinside_files::Array;
use deepinside_graph::{Graph, ValueId};

use self::places::{APART, Identity, Place, Places, each_index, is_somewhere};
use crate::{Error, Result};

/// Where the numbers of one picture's value lie: channels × rows × columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    channels: usize,
    rows: usize,
    columns: usize,
    /// For each place without its channels the offset of the first channel and the position in the folded array; tokens that are
    /// left out have none.
    cells: Vec<(usize, usize)>,
    /// What is added for each of the channels that have the same places.
    further: Vec<usize>,
    /// How many numbers the value has.
    elements: usize,
    left_out: usize,
}

impl Grid {
    /// Channels, rows and columns.
    pub fn extents(&self) -> [usize; 3] {
        [self.channels, self.rows, self.columns]
    }

    /// How many numbers are about no place of the picture, as those of a class token, and left out.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The value's numbers, or gradients, as channels × rows × columns.
    ///
    /// # Errors
    /// When there are more or fewer numbers than the value has.
    pub fn fold(&self, numbers: &[f32]) -> Result<Array> {
        if numbers.len() != self.elements {
            return Err(Error::Option(format!(
                "expected {} numbers of a layer, found {}",
                self.elements,
                numbers.len()
            )));
        }
        let positions = self.rows * self.columns;
        let mut folded = vec![0.0; self.channels * positions];
        for &(offset, target) in &self.cells {
            for (channel, further) in self.further.iter().enumerate() {
                folded[target + channel * positions] = numbers[offset + further];
            }
        }
        Ok(Array::new([self.channels, self.rows, self.columns], folded)?)
    }

    /// Which of the value's numbers, in C order, stands at this channel, row and column.
    pub fn element(&self, channel: usize, row: usize, column: usize) -> Option<usize> {
        let positions = self.rows * self.columns;
        let slot = channel / self.further.len();
        let target = slot * self.further.len() * positions + row * self.columns + column;
        let (offset, _) = self.cells.iter().find(|(_, own)| *own == target)?;
        Some(offset + self.further[channel % self.further.len()])
    }

    /// Which of the value's numbers, in C order, a channel has.
    pub fn elements(&self, channel: usize) -> impl Iterator<Item = usize> {
        let positions = self.rows * self.columns;
        let (slot, further) = (channel / self.further.len(), self.further[channel % self.further.len()]);
        let slots = slot * self.further.len() * positions..(slot + 1) * self.further.len() * positions;
        let own = self.cells.iter().filter(move |(_, target)| slots.contains(target));
        own.map(move |(offset, _)| offset + further)
    }

    /// Whether the value is channels × rows × columns as it lies.
    pub fn is_plain(&self) -> bool {
        let positions = self.rows * self.columns;
        self.further.iter().enumerate().all(|(channel, &further)| further == channel * positions)
            && self.cells.iter().all(|(offset, target)| offset == target)
    }

    /// The grid of places, or what stands against one.
    fn of(places: &Places) -> std::result::Result<Self, &'static str> {
        let lines = |direction: usize| {
            let known = places.at.iter().filter(|place| is_somewhere(place)).map(|place| place[direction]);
            let mut lines: Vec<f32> = known.collect();
            lines.sort_by(f32::total_cmp);
            lines.dedup_by(|next, before| *next - *before < APART);
            lines
        };
        let [rows, columns] = [lines(0), lines(1)];
        if rows.is_empty() {
            return Err("its numbers are about the whole picture and not about places in it");
        }
        let positions = rows.len() * columns.len();
        let line = |lines: &[f32], place: f32| {
            lines.partition_point(|&line| line <= place + APART / 2.0).saturating_sub(1)
        };
        // The offset of an axis in the value, in C order.
        let mut stride = 1;
        let mut strides = vec![0; places.extents.len()];
        for axis in (0..strides.len()).rev() {
            strides[axis] = stride;
            stride *= places.extents[axis];
        }
        let offset =
            |index: &[usize]| index.iter().zip(&strides).map(|(index, stride)| index * stride).sum::<usize>();
        let channel_axes: Vec<usize> =
            (0..strides.len()).map(|axis| if places.vary(axis) { 1 } else { places.extents[axis] }).collect();
        let mut further = Vec::new();
        each_index(&channel_axes, |index| further.push(offset(index)));
        let mut cells = Vec::new();
        let mut seen = vec![0; positions];
        let mut left_out = 0;
        let mut at = places.at.iter();
        each_index(&places.dense, |index| {
            let place: &Place = at.next().unwrap_or(&places::NOWHERE);
            if !is_somewhere(place) {
                left_out += further.len();
                return;
            }
            let cell = line(&rows, place[0]) * columns.len() + line(&columns, place[1]);
            cells.push((offset(index), seen[cell] * further.len() * positions + cell));
            seen[cell] += 1;
        });
        if seen.iter().any(|count| *count != seen[0]) {
            return Err("its numbers are about places of the picture that make no grid of rows and columns");
        }
        Ok(Self {
            channels: further.len() * seen[0],
            rows: rows.len(),
            columns: columns.len(),
            cells,
            further,
            elements: stride,
            left_out,
        })
    }
}

/// The grids of a network's values.
#[derive(Debug, Clone)]
pub struct Grids {
    places: Vec<Option<Places>>,
    /// Whether what a value says at places of the picture leads to the score.
    leads: Vec<bool>,
    /// Whether a value only serves an attention inside.
    inner: Vec<bool>,
    known: Arc<Mutex<Known>>,
}

/// The grids that were asked for, and by which places: a chain of functions of single numbers has one.
#[derive(Debug, Default)]
struct Known {
    of_values: HashMap<ValueId, Found>,
    of_places: HashMap<Identity, Found>,
}

type Found = std::result::Result<Arc<Grid>, &'static str>;

impl Known {
    fn of(&mut self, value: ValueId, places: &Places) -> Found {
        if let Some(found) = self.of_values.get(&value) {
            return found.clone();
        }
        let find = || Grid::of(places).map(Arc::new);
        let found = self.of_places.entry(places.identity()).or_insert_with(find).clone();
        self.of_values.insert(value, found.clone());
        found
    }
}

impl Grids {
    /// Follows places from the picture, and finds those that lead to the score.
    pub(crate) fn new(graph: &Graph, picture: ValueId, score: ValueId) -> Self {
        let places = follow::follow(graph, picture);
        let leads = reach::leads(graph, &places, score);
        let inner = reach::inside_attention(graph);
        Self { places, leads, inner, known: Arc::default() }
    }

    /// The grid of a value.
    ///
    /// # Errors
    /// When its numbers are about no places of the picture, or about none that make a grid: a sentence that says which.
    pub fn of(&self, graph: &Graph, value: ValueId) -> Result<Arc<Grid>> {
        let found = match self.places.get(value.index()).and_then(Option::as_ref) {
            None => Err("it does not depend on the picture"),
            Some(places) => self.known.lock().unwrap_or_else(PoisonError::into_inner).of(value, places),
        };
        found.map_err(|why| {
            let value = graph.value(value);
            Error::Option(format!(
                "'{}' (shape {}) cannot be laid out as channels × rows × columns: {why}",
                value.name, value.shape
            ))
        })
    }

    /// Whether the score depends on what a value says at places of the picture. The patches of a transformer's last values do not
    /// where only the class token is read.
    pub fn leads(&self, value: ValueId) -> bool {
        self.leads.get(value.index()).copied().unwrap_or(false)
    }

    /// Whether a value is a query, key, value, weight or the like of an attention, and no layer's result.
    pub fn is_inside_attention(&self, value: ValueId) -> bool {
        self.inner.get(value.index()).copied().unwrap_or(false)
    }
}

/// Numbers as `C × H × W`: one axis becomes `C × 1 × 1`, spatial axes beyond two are laid side by side.
pub(crate) fn maps(extents: &[usize], numbers: Vec<f32>) -> Result<Array> {
    let extents = match extents {
        [] => [1, 1, 1],
        &[channels] => [channels, 1, 1],
        &[channels, width] => [channels, 1, width],
        [channels, height, rest @ ..] => [*channels, *height, rest.iter().product()],
    };
    Ok(Array::new(extents, numbers)?)
}
