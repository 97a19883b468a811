//! What a site shows, and where its files lie.

use deepinside::class_model::Objective;
use deepinside::graph::ValueId;
use deepinside::layers::shown_values;
use deepinside::{Error, Model, Result};

/// A layer that has a page.
#[derive(Debug, Clone)]
pub struct Layer {
    pub value: ValueId,
    /// The value's name in the network's file.
    pub name: String,
    /// How many units are shown.
    pub units: usize,
    /// How many it has.
    pub all_units: usize,
    /// Rows and columns of its positions; none where its numbers have no places in the picture.
    pub positions: Option<[usize; 2]>,
    /// What its files are called: its place among the network's layers, which stays, and what is plain of its name.
    slug: String,
}

impl Layer {
    fn of(model: &Model, value: ValueId, place: usize, most: Option<usize>) -> Self {
        let known = model.graph.value(value);
        let (all_units, positions) = match model.grid(value) {
            Ok(grid) => {
                let [channels, rows, columns] = grid.extents();
                (channels, Some([rows, columns]))
            }
            Err(_) => (known.shape.elements(), None),
        };
        let plain =
            |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
        let words: String = known.name.chars().map(plain).take(60).collect();
        let slug = format!("{place:03}-{}", words.trim_matches('-'));
        let units = most.map_or(all_units, |most| most.min(all_units));
        Self { value, name: known.name.clone(), units, all_units, positions, slug }
    }

    /// What a unit's picture maximises: its mean over all positions.
    pub fn objective(&self, unit: usize) -> Objective {
        match self.positions {
            Some(_) => Objective::Channel { value: self.value, channel: unit },
            None => Objective::Neuron { value: self.value, position: unit },
        }
    }

    /// Its page, within the site.
    pub fn page(&self) -> String {
        format!("layers/{}.html", self.slug)
    }

    /// A unit's picture.
    pub fn picture(&self, unit: usize) -> String {
        format!("pictures/units/{}/{unit:04}.jpg", self.slug)
    }

    /// The drawing of a unit's exemplars.
    pub fn drawing(&self, unit: usize) -> String {
        format!("pictures/exemplars/{}/{unit:04}.jpg", self.slug)
    }

    /// The folders that its files lie in.
    pub fn folders(&self) -> Vec<String> {
        vec![format!("pictures/units/{}", self.slug), format!("pictures/exemplars/{}", self.slug)]
    }
}

/// A class's picture.
pub fn class_picture(class: usize) -> String {
    format!("pictures/classes/{class:04}.jpg")
}

/// A class's page.
pub fn class_page(class: usize) -> String {
    format!("classes/{class:04}.html")
}

/// A photograph as it is shown small.
pub fn thumbnail(row: u64) -> String {
    format!("pictures/photographs/{row:08}.jpg")
}

/// What in a photograph that is taken for another class speaks for that, and against the class of its label.
pub fn margin(row: u64) -> String {
    format!("pictures/margins/{row:08}.jpg")
}

/// The folders that classes' files lie in.
pub fn class_folders() -> Vec<String> {
    ["classes", "photographs", "margins"].map(|folder| format!("pictures/{folder}")).to_vec()
}

/// The layers of these names.
pub fn layers(model: &Model, names: &[String], most: Option<usize>) -> Result<Vec<Layer>> {
    let shown = shown_values(model);
    let layer = |name: &String| {
        let place = shown.iter().position(|&value| model.graph.value(value).name == *name);
        match place {
            Some(place) => Ok(Layer::of(model, shown[place], place, most)),
            None => Err(Error::Option(format!(
                "the network has no layer '{name}' between the picture and the score; `deepinside graph` shows its layers"
            ))),
        }
    };
    names.iter().map(layer).collect()
}

/// The names of the last layer of each stage, as many as are asked for from the end: a stage is what computes maps of one size.
pub fn stages(model: &Model, count: usize) -> Vec<String> {
    let mut ends: Vec<([usize; 2], ValueId)> = Vec::new();
    for value in shown_values(model) {
        let Ok(grid) = model.grid(value) else { continue };
        let [_, rows, columns] = grid.extents();
        if rows * columns < 2 || value == model.score.value {
            continue;
        }
        match ends.last_mut() {
            Some(last) if last.0 == [rows, columns] => last.1 = value,
            _ => ends.push(([rows, columns], value)),
        }
    }
    let first = ends.len().saturating_sub(count);
    ends[first..].iter().map(|&(_, value)| model.graph.value(value).name.clone()).collect()
}
