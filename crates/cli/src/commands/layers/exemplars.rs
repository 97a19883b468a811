//! The units that a photograph excites most, beside the photographs of a data set that excite them most.

use std::path::{Path, PathBuf};

use deepinside::attribution::{Choices, Method, Runner, method};
use deepinside::drawing::Picture;
use deepinside::drawing::contact_sheet::ContactSheet;
use deepinside::drawing::figure::Panel;
use deepinside::file_name::portable;
use deepinside::files::Array;
use deepinside::layers::LayerMaps;
use deepinside::{Error, Model};
use deepinside_jobs::exemplars::{Best, EXEMPLARS, Gallery, Seen, Unit, seen};
use serde::Serialize;

use crate::arguments::LayersArguments;
use crate::commands::exemplars::gallery;
use crate::commands::parameters::given;
use crate::failure::{Failure, Outcome};
use crate::{output, progress, record};

/// How many of a unit's exemplars stand beside it.
const SHOWN: usize = 4;

/// The units of one layer.
#[derive(Serialize)]
pub struct LayerExemplars<'a> {
    layer: &'a str,
    /// Those that the photograph excites most, in comparison with the data set.
    units: Vec<ExcitedUnit>,
    output: PathBuf,
}

#[derive(Serialize)]
struct ExcitedUnit {
    unit: usize,
    /// Its largest activation in the photograph, and where.
    activation: f32,
    position: [usize; 2],
    /// Its largest activations in the data set.
    exemplars: Vec<Exemplar>,
}

#[derive(Serialize)]
struct Exemplar {
    photograph: String,
    activation: f32,
    position: [usize; 2],
}

/// What was found of a network's units, and how it is drawn.
pub struct Exemplars {
    gallery: Gallery,
    method: Option<Box<dyn Method>>,
    units: usize,
}

impl Exemplars {
    /// As the arguments say; none where they name no folder.
    pub fn new(arguments: &LayersArguments, model: &Model) -> Outcome<Option<Self>> {
        let Some(folder) = &arguments.exemplars else { return Ok(None) };
        record::input(&folder.join(EXEMPLARS))?;
        for list in arguments.exemplar_photographs.iter().map(Path::new).filter(|path| path.is_file()) {
            record::input(list)?;
        }
        let choices = Choices { given: given(&arguments.set)?, layers: Vec::new() };
        let made = |name: &String| method(name)?.make(model, &choices);
        Ok(Some(Self {
            gallery: gallery(model, folder, &arguments.exemplar_photographs)?,
            method: arguments.method.as_ref().map(made).transpose()?,
            units: arguments.units.into(),
        }))
    }

    /// Writes a sheet for each layer that was looked at: a row for each of the units that the photograph excites most, with what of the
    /// photograph does, and what of the data set's photographs does.
    pub fn write<'a>(
        &self,
        runner: &mut Runner,
        input: &Array,
        layers: &'a [LayerMaps],
        folder: &Path,
    ) -> Outcome<Vec<LayerExemplars<'a>>> {
        let known = |layer: &&LayerMaps| self.gallery.found().layers.iter().any(|own| own.name == layer.name);
        let layers: Vec<&LayerMaps> = layers.iter().filter(known).collect();
        if layers.is_empty() {
            let what = "the exemplars are of none of the layers that lead to the score";
            return Err(Failure::Message(what.to_owned()));
        }
        let bar = progress::bar(layers.len(), "exemplars");
        let mut written = Vec::new();
        for layer in layers {
            bar.set_message(layer.name.clone());
            written.extend(self.layer(runner, input, layer, folder)?);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(written)
    }

    fn layer<'a>(
        &self,
        runner: &mut Runner,
        input: &Array,
        layer: &'a LayerMaps,
        folder: &Path,
    ) -> Outcome<Option<LayerExemplars<'a>>> {
        let name = &layer.name;
        let (mut tiles, mut units) = (Vec::new(), Vec::new());
        for (unit, here) in self.most_excited(layer)? {
            let draw = |runner: &mut Runner, best: &Best, input: &Array| {
                seen(runner, name, unit, best.place, input, self.method.as_deref())
            };
            let own = draw(runner, &here, input)?;
            tiles.push(Panel::new(format!("unit {unit}: {:.3} here", here.value), side_by_side(&own)?));
            let mut exemplars = Vec::new();
            for best in &self.gallery.unit(name, unit)?.best {
                let photograph = self.gallery.key(best.row).to_owned();
                if exemplars.len() < SHOWN {
                    if let Some(file) = self.gallery.file(best.row) {
                        record::input(file)?;
                    }
                    let shown = draw(runner, best, &self.gallery.input(runner.model(), best)?)?;
                    let file_name = photograph.rsplit(['/', '\\']).next().unwrap_or_default();
                    tiles.push(Panel::new(format!("{:.3} {file_name}", best.value), side_by_side(&shown)?));
                }
                exemplars.push(Exemplar { photograph, activation: best.value, position: best.place });
            }
            // Units of few exemplars end their rows with nothing.
            for _ in exemplars.len()..SHOWN {
                tiles.push(Panel::new("", Picture::filled(2, 1, [255; 3])?));
            }
            units.push(ExcitedUnit { unit, activation: here.value, position: here.place, exemplars });
        }
        if units.is_empty() {
            progress::note(format_args!("note: no unit of {name} is excited by the photograph"));
            return Ok(None);
        }
        let title = Some(format!("{name}: what excites it here, and most in the data set"));
        let sheet = ContactSheet { title, columns: Some(1 + SHOWN), ..ContactSheet::new(tiles) };
        let output = folder.join(format!("{}-exemplars.png", portable(name)));
        output::png(&output, &sheet.render()?)?;
        Ok(Some(LayerExemplars { layer: name, units, output }))
    }

    /// The units whose largest activation here is the greatest share of their largest in the data set, with value and place.
    fn most_excited(&self, layer: &LayerMaps) -> Outcome<Vec<(usize, Best)>> {
        let &[channels, rows, columns] = layer.activation.shape() else {
            return Err(Error::Option(format!("'{}' has no channels", layer.name)).into());
        };
        let mut units = Vec::new();
        for (unit, map) in layer.activation.data().chunks_exact(rows * columns).enumerate().take(channels) {
            let mut strongest = 0;
            for (place, number) in map.iter().enumerate() {
                if *number > map[strongest] {
                    strongest = place;
                }
            }
            let place = [strongest / columns, strongest % columns];
            let here = Best { value: map[strongest], row: u64::MAX, place };
            let Unit { best, .. } = self.gallery.unit(&layer.name, unit)?;
            let largest = best.first().map_or(0.0, |best| best.value);
            if here.value > 0.0 && largest > 0.0 {
                units.push((here.value / largest, unit, here));
            }
        }
        units.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        Ok(units.into_iter().take(self.units).map(|(_, unit, here)| (unit, here)).collect())
    }
}

/// What is seen, and the map over it.
fn side_by_side(seen: &Seen) -> Outcome<Picture> {
    let [crop, drawn] = seen.tiles()?;
    let mut both = Picture::filled(crop.width() + drawn.width(), crop.height(), [255; 3])?;
    both.paste(&crop, 0, 0);
    both.paste(&drawn, crop.width(), 0);
    Ok(both)
}
