//! What the photographs of a site say: their classes, and the units that they excite.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::sync::Arc;

use deepinside::attribution::Runner;
use deepinside::margin::MarginDrawer;
use deepinside::vision::photograph::{self, LoadOptions, Photograph};
use deepinside::{Error, Interrupt, Result, Threads};

use super::{Site, Step, drawings, outline};
use crate::batch::{self, BatchOptions};
use crate::durable::{self, io};
use crate::exemplars::{Exemplars, Unit, seen};
use crate::input::{Inputs, Reader};
use crate::output::Format;
use crate::task::Classify;
use crate::{ClassScore, Row};

/// How many classes a row names: the most probable one, and the one that it might have been.
const NAMED: usize = 2;

/// What was found in the photographs of a site.
pub struct Photographs {
    /// One row for each, in their order.
    pub rows: Vec<Row>,
    /// The units, by their layers.
    pub exemplars: Exemplars,
}

/// The photographs of a class.
#[derive(Debug, Default, PartialEq)]
pub struct OfClass {
    /// Rows that are named so, the most certain first.
    pub named: Vec<u64>,
    /// Rows whose label is this class and which are named otherwise, by what they are named; the most certain mistake first.
    pub taken_for: BTreeMap<u32, Vec<u64>>,
    /// Rows that are named so and whose label is another class, by that class.
    pub mistaken: BTreeMap<u32, Vec<u64>>,
    /// How many have this class as their label.
    pub labelled: usize,
}

/// One drawing of exemplars to make.
struct Wanted<'s> {
    layer: &'s outline::Layer,
    number: usize,
    unit: &'s Unit,
}

impl Photographs {
    /// Looks at all photographs and draws what is shown of them. None where it was stopped.
    pub fn look(
        site: &Site<'_>,
        inputs: &Inputs,
        stop: &Interrupt,
        each: &(dyn Fn(Step<'_>) + Sync),
    ) -> Result<Option<Self>> {
        let Some(rows) = classified(site, inputs, stop, each)? else { return Ok(None) };
        let Some(exemplars) = site.exemplars(inputs, stop, each)? else { return Ok(None) };
        let found = Self { rows, exemplars };
        found.draw_exemplars(site, inputs, stop, each)?;
        found.draw_thumbnails(site, inputs, stop, each)?;
        found.draw_margins(site, inputs, stop, each)?;
        Ok((!stop.is_asked()).then_some(found))
    }

    /// What was found of a unit.
    pub fn unit(&self, layer: &outline::Layer, number: usize) -> Option<&Unit> {
        let found = self.exemplars.layers.iter().find(|found| found.name == layer.name)?;
        found.units.get(number)
    }

    /// The most probable class of a row.
    pub fn named(&self, row: u64) -> Option<&ClassScore> {
        self.rows.get(row as usize)?.classes.first()
    }

    /// What a row is named, and what its label says otherwise; none where they agree or one is not there.
    pub fn mistake(&self, row: u64) -> Option<[usize; 2]> {
        let named = self.named(row)?.index;
        let label = self.rows.get(row as usize)?.target.as_ref()?.parse::<u32>().ok()?;
        (label != named).then_some([named as usize, label as usize])
    }

    /// The rows that pages of published classes show: of all kinds, or the mistakes alone.
    fn on_pages(&self, site: &Site<'_>, mistakes_alone: bool) -> Vec<u64> {
        let published = |class: &u32| site.options.classes.contains(&(*class as usize));
        let first = if mistakes_alone { 2 } else { 0 };
        let rows: BTreeSet<u64> = self
            .by_class()
            .iter()
            .filter(|(class, _)| published(class))
            .flat_map(|(_, of)| Self::shown(of, site.options.top).into_iter().skip(first))
            .flatten()
            .collect();
        rows.into_iter().collect()
    }

    /// The photographs of each class.
    pub fn by_class(&self) -> BTreeMap<u32, OfClass> {
        by_class(&self.rows)
    }

    /// The rows that a class's page shows: the most and the least certain of those that are named so, and for each mistake the most
    /// certain one.
    pub fn shown(of: &OfClass, top: usize) -> [Vec<u64>; 3] {
        let most: Vec<u64> = of.named.iter().take(top).copied().collect();
        let rest = &of.named[most.len()..];
        let least = rest.iter().rev().take(top).copied().collect();
        let mistakes = of.taken_for.values().chain(of.mistaken.values());
        let mistakes: BTreeSet<u64> = mistakes.filter_map(|rows| rows.first().copied()).collect();
        [most, least, mistakes.into_iter().collect()]
    }

    fn draw_exemplars(
        &self,
        site: &Site<'_>,
        inputs: &Inputs,
        stop: &Interrupt,
        each: &(dyn Fn(Step<'_>) + Sync),
    ) -> Result<()> {
        let mut wanted = Vec::new();
        for layer in &site.layers {
            let units = (0..layer.units).filter_map(|number| Some((number, self.unit(layer, number)?)));
            wanted.extend(units.map(|(number, unit)| Wanted { layer, number, unit }));
        }
        let file = |wanted: &Wanted<'_>| site.options.out.join(wanted.layer.drawing(wanted.number));
        let own = || {
            let runner = Runner::new(Arc::clone(&site.model), Threads::new(1)?);
            Ok((runner, Reader::default()))
        };
        let draw = |wanted: &Wanted<'_>, (runner, reader): &mut (Runner, Reader)| -> Result<()> {
            let mut tiles = Vec::new();
            for best in wanted.unit.best.iter().take(site.options.top) {
                let photograph = photograph_of(site, inputs, reader, best.row)?;
                let input = site.model.input_of(&photograph, site.model.crop)?;
                tiles.push(
                    seen(runner, &wanted.layer.name, wanted.number, best.place, &input, None)?.tiles()?,
                );
            }
            durable::write_soon(&file(wanted), &drawings::sheet(&tiles)?)
        };
        // A unit without a photograph has no drawing.
        wanted.retain(|wanted| !wanted.unit.best.is_empty());
        site.together("exemplars' maps", &wanted, &|wanted| file(wanted).exists(), stop, each, &own, &draw)
    }

    fn draw_thumbnails(
        &self,
        site: &Site<'_>,
        inputs: &Inputs,
        stop: &Interrupt,
        each: &(dyn Fn(Step<'_>) + Sync),
    ) -> Result<()> {
        let rows = self.on_pages(site, false);
        let file = |row: &u64| site.options.out.join(outline::thumbnail(*row));
        let draw = |row: &u64, reader: &mut Reader| -> Result<()> {
            let photograph = photograph_of(site, inputs, reader, *row)?;
            durable::write_soon(&file(row), &drawings::thumbnail(&photograph)?)
        };
        site.together(
            "photographs",
            &rows,
            &|row| file(row).exists(),
            stop,
            each,
            &|| Ok(Reader::default()),
            &draw,
        )
    }
}

impl Photographs {
    /// What speaks for each mistake that a page shows.
    fn draw_margins(
        &self,
        site: &Site<'_>,
        inputs: &Inputs,
        stop: &Interrupt,
        each: &(dyn Fn(Step<'_>) + Sync),
    ) -> Result<()> {
        let rows = self.on_pages(site, true);
        let mistakes: Vec<(u64, [usize; 2])> =
            rows.into_iter().filter_map(|row| Some((row, self.mistake(row)?))).collect();
        let file = |(row, _): &(u64, [usize; 2])| site.options.out.join(outline::margin(*row));
        let own = || {
            let runner = Runner::new(Arc::clone(&site.model), Threads::new(1)?);
            Ok((MarginDrawer::new(&site.model)?, runner, Reader::default()))
        };
        let draw = |mistake: &(u64, [usize; 2]),
                    (drawer, runner, reader): &mut (MarginDrawer, Runner, Reader)| {
            let photograph = photograph_of(site, inputs, reader, mistake.0)?;
            durable::write_soon(&file(mistake), &drawings::margin(drawer, runner, &photograph, mistake.1)?)
        };
        site.together("margins", &mistakes, &|mistake| file(mistake).exists(), stop, each, &own, &draw)
    }
}

/// A photograph by its row.
fn photograph_of(site: &Site<'_>, inputs: &Inputs, reader: &mut Reader, row: u64) -> Result<Photograph> {
    let refused = |what: String| Error::Option(format!("photograph {row}: {what}"));
    let item = inputs.items.get(row as usize).ok_or_else(|| refused("there is none".to_owned()))?;
    let bytes = reader.read(item).map_err(refused)?;
    Ok(photograph::from_bytes(&bytes, &item.key, site.model.transformer.colour(), LoadOptions::default())?)
}

/// The class of every photograph: a job of its own within the site. None where it was stopped.
fn classified(
    site: &Site<'_>,
    inputs: &Inputs,
    stop: &Interrupt,
    each: &(dyn Fn(Step<'_>) + Sync),
) -> Result<Option<Vec<Row>>> {
    site.model.expect_classes()?;
    let task = Classify { model: Arc::clone(&site.model), crop: site.model.crop, top: NAMED };
    let options = BatchOptions {
        out: site.options.out.join("data/classification"),
        format: Format::Jsonl,
        rows_per_file: 1000,
        shard: None,
        workers: site.options.workers,
        fail_fast: false,
    };
    let done = batch::run(&task, inputs, &options, stop, &mut |progress| {
        each(Step { what: "classes", done: progress.done as usize, of: progress.of as usize });
    })?;
    if done.done < done.of {
        return Ok(None);
    }
    let mut rows = Vec::with_capacity(inputs.items.len());
    for part in 0..(inputs.items.len() as u64).div_ceil(options.rows_per_file) {
        let path = options.out.join(options.format.part(part));
        let file = std::fs::File::open(&path).map_err(io(&path))?;
        for line in BufReader::new(file).lines() {
            let row = serde_json::from_str(&line.map_err(io(&path))?);
            rows.push(row.map_err(|error| Error::Option(format!("{}: {error}", path.display())))?);
        }
    }
    Ok(Some(rows))
}

fn by_class(rows: &[Row]) -> BTreeMap<u32, OfClass> {
    let mut found: BTreeMap<u32, OfClass> = BTreeMap::new();
    let mut order: Vec<&Row> = rows.iter().filter(|row| !row.classes.is_empty()).collect();
    // The sort is stable: rows of one probability stay in their order.
    order.sort_by(|a, b| b.classes[0].probability.total_cmp(&a.classes[0].probability));
    for row in order {
        let named = row.classes[0].index;
        found.entry(named).or_default().named.push(row.row);
        let Some(label) = row.target.as_ref().and_then(|target| target.parse::<u32>().ok()) else { continue };
        let own = found.entry(label).or_default();
        own.labelled += 1;
        if label != named {
            own.taken_for.entry(named).or_default().push(row.row);
            found.entry(named).or_default().mistaken.entry(label).or_default().push(row.row);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(row: u64, named: u32, probability: f32, label: Option<u32>) -> Row {
        let class = ClassScore { index: named, name: String::new(), score: 0.0, probability };
        Row { row, classes: vec![class], target: label.map(|label| label.to_string()), ..Row::default() }
    }

    #[test]
    fn classes_have_their_photographs_and_mistakes() {
        let mut rows = vec![
            row(0, 3, 0.9, Some(3)),
            row(1, 3, 0.4, Some(5)),
            row(2, 3, 0.7, None),
            row(3, 5, 0.8, Some(3)),
            row(4, 5, 0.95, Some(3)),
        ];
        rows.push(Row { row: 5, error: Some("broken".to_owned()), ..Row::default() });
        let found = by_class(&rows);
        assert_eq!(found[&3].named, [0, 2, 1]);
        assert_eq!(found[&3].labelled, 3);
        assert_eq!(found[&3].taken_for, BTreeMap::from([(5, vec![4, 3])]));
        assert_eq!(found[&3].mistaken, BTreeMap::from([(5, vec![1])]));
        assert_eq!(found[&5].taken_for, BTreeMap::from([(3, vec![1])]));
        // None is shown twice as most and as least certain.
        assert_eq!(Photographs::shown(&found[&3], 2), [vec![0, 2], vec![1], vec![1, 4]]);
        assert_eq!(Photographs::shown(&found[&3], 8), [vec![0, 2, 1], vec![], vec![1, 4]]);
    }
}
