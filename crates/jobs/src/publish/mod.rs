//! A static site of a network: every unit with the picture that excites it most and the photographs that do, every class with its
//! model, its photographs and what it is taken for (after OpenAI's Microscope, Schubert and others 2020).
//!
//! ```text
//! Site::plan ──▶ Estimate           what will be made, how long it takes, how large it is
//!      └──▶ class models            one file each, made once         pictures
//!           classification          a job of [`crate::batch`]        photographs
//!           exemplars               [`crate::exemplars`]             drawings
//!           pages                   written anew every time
//! ```
//!
//! Whatever takes long is a file that appears whole, so that a run that was stopped in any way goes on where it was and ends with the
//! same bytes. Nothing in the site asks a server for anything: it opens from a disk.

mod drawings;
mod markup;
mod outline;
mod pages;
mod photographs;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use deepinside::class_model::{Ascent, Objective, Recipe, Wish};
use deepinside::{Error, Interrupt, Model, Result, Threads};
use serde_json::{Map, Value, json};

use self::outline::Layer;
pub use self::outline::stages;
use self::photographs::Photographs;
use crate::durable::{self, io};
use crate::exemplars::{EXEMPLARS, ExemplarOptions, Exemplars};
use crate::input::Inputs;
use crate::journal::differences;
use crate::task::identity;

/// What a folder says of how its pictures were made.
const SETTINGS: &str = "data/publish.json";

/// How many steps of an ascent are timed.
const TIMED_STEPS: usize = 3;

/// What an estimate takes a drawing of one unit's exemplars for, in bytes; measured on the built-in network's last stage.
const DRAWING: u64 = 24_000;

/// What an estimate takes the drawing of the network, the style, and what is kept of the photographs for, in bytes.
const REST: u64 = 1_000_000;

/// What an estimate takes a unit's or a photograph's share of the pages for, in bytes.
const ENTRY: u64 = 1_200;

/// What is published.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// The folder of the site.
    pub out: PathBuf,
    /// The layers by their names, each of which has a page.
    pub layers: Vec<String>,
    /// How many units of each layer are shown, the first ones; all without it.
    pub units: Option<usize>,
    /// The classes that have a page.
    pub classes: Vec<usize>,
    /// How pictures of units and classes are made.
    pub recipe: Recipe,
    /// The random seed of every picture.
    pub seed: u64,
    /// Exemplars that were found before, of the same photographs; they are found here without.
    pub exemplars: Option<PathBuf>,
    /// How many exemplars of each unit, and how many photographs of each class, are shown.
    pub top: usize,
    /// How many things are made at the same time.
    pub workers: usize,
}

/// What is still to make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Pictures of units and classes, and how many of them are there already.
    pub pictures: [usize; 2],
    /// Photographs that are looked at.
    pub photographs: usize,
    /// Units whose exemplars are drawn.
    pub drawings: usize,
    /// How long it takes, in seconds.
    pub seconds: f64,
    /// How large the site will be, in bytes.
    pub bytes: u64,
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// What is made.
    pub what: &'a str,
    /// How many there are.
    pub done: usize,
    /// Of how many.
    pub of: usize,
}

/// A site that is being made.
pub struct Site<'a> {
    model: Arc<Model>,
    options: &'a PublishOptions,
    layers: Vec<Layer>,
    inputs: Option<&'a Inputs>,
}

/// One picture to make.
struct Wanted {
    file: PathBuf,
    objective: Objective,
}

impl<'a> Site<'a> {
    /// Finds what is to be published.
    ///
    /// # Errors
    /// When there is no such layer or class, the folder holds something else, or exemplars are of other photographs.
    pub fn plan(model: &Arc<Model>, options: &'a PublishOptions, inputs: Option<&'a Inputs>) -> Result<Self> {
        let layers = outline::layers(model, &options.layers, options.units)?;
        if layers.is_empty() && options.classes.is_empty() {
            return Err(Error::Option("nothing is published: name a layer or a class".to_owned()));
        }
        for &class in &options.classes {
            Objective::Class(class).check(model)?;
        }
        let site = Self { model: Arc::clone(model), options, layers, inputs };
        if let (Some(folder), Some(inputs)) = (&options.exemplars, inputs) {
            Exemplars::read(&folder.join(EXEMPLARS))?.expect_of(&site.model, inputs, folder)?;
        }
        site.expect_own()?;
        Ok(site)
    }

    fn settings(&self) -> Result<Map<String, Value>> {
        let layers: Vec<&str> = self.layers.iter().map(|layer| &layer.name[..]).collect();
        let recipe = serde_json::to_value(&self.options.recipe)
            .map_err(|error| Error::Option(format!("the recipe cannot be written as JSON: {error}")))?;
        let photographs =
            self.inputs.map(|inputs| json!({"count": inputs.items.len(), "list": inputs.digest()}));
        let settings = json!({
            "deepinside": env!("CARGO_PKG_VERSION"),
            "model": identity(&self.model)?,
            "layers": layers,
            "units": self.options.units,
            "classes": self.options.classes,
            "recipe": recipe,
            "seed": self.options.seed,
            "top": self.options.top,
            "photographs": photographs,
        });
        Ok(settings.as_object().cloned().unwrap_or_default())
    }

    /// Expects the folder to be empty, not to exist, or to hold a site of the same settings; answers whether it does that.
    fn expect_own(&self) -> Result<bool> {
        let (out, settings) = (&self.options.out, self.settings()?);
        let path = out.join(SETTINGS);
        if path.exists() {
            let text = deepinside::files::whole_file::read_text(&path, 1 << 24)?;
            let found: Map<String, Value> = serde_json::from_str(&text)
                .map_err(|error| Error::Option(format!("{}: {error}", path.display())))?;
            return match found == settings {
                true => Ok(true),
                false => Err(Error::Option(format!(
                    "{} holds a site that was made otherwise ({}); name another folder, or delete it to start anew",
                    out.display(),
                    differences(&found, &settings)
                ))),
            };
        }
        if out.exists() && std::fs::read_dir(out).map_err(io(out))?.next().is_some() {
            return Err(Error::Option(format!(
                "{} is not empty and holds no site that was begun here; name another folder",
                out.display()
            )));
        }
        Ok(false)
    }

    /// Takes the folder.
    ///
    /// # Errors
    /// When it holds something else, or cannot be written.
    pub fn claim(&self) -> Result<()> {
        if self.expect_own()? {
            return Ok(());
        }
        let (out, settings) = (&self.options.out, self.settings()?);
        let path = out.join(SETTINGS);
        for folder in ["data", "layers", "classes", "pictures"] {
            let folder = out.join(folder);
            std::fs::create_dir_all(&folder).map_err(io(&folder))?;
        }
        let text = serde_json::to_string_pretty(&settings)
            .map_err(|error| Error::Option(format!("settings cannot be written as JSON: {error}")))?;
        durable::write(&path, |stream| {
            use std::io::Write as _;
            writeln!(stream, "{text}").map_err(io(&path))
        })
    }

    /// The pictures of units and classes, in the order of the pages.
    fn wanted(&self) -> Vec<Wanted> {
        let unit = |layer: &'_ Layer, unit: usize| Wanted {
            file: self.options.out.join(layer.picture(unit)),
            objective: layer.objective(unit),
        };
        let units =
            self.layers.iter().flat_map(|layer| (0..layer.units).map(move |number| unit(layer, number)));
        let class = |&class: &usize| Wanted {
            file: self.options.out.join(outline::class_picture(class)),
            objective: Objective::Class(class),
        };
        self.options.classes.iter().map(class).chain(units).collect()
    }

    /// Measures a few steps, and says what is still to do.
    ///
    /// # Errors
    /// When the network cannot be prepared.
    pub fn estimate(&self) -> Result<Estimate> {
        let wanted = self.wanted();
        let there = wanted.iter().filter(|wanted| wanted.file.exists()).count();
        let left = wanted.len() - there;
        let photographs = self.inputs.map_or(0, |inputs| inputs.items.len());
        let drawings = match photographs {
            0 => 0,
            _ => self.layers.iter().map(|layer| layer.units).sum(),
        };
        // Each on one thread, as they will be made.
        let (threads, recipe) = (Threads::new(1)?, &self.options.recipe);
        let (mut step, mut picture) = (0.0, 0);
        if let Some(first) = wanted.first().filter(|_| left > 0 || photographs > 0) {
            let wish = Wish { objective: first.objective.clone(), seed: self.options.seed };
            let mut ascent = Ascent::new(&self.model, &[wish], recipe, None, &threads)?;
            ascent.step()?;
            let start = Instant::now();
            for _ in 0..TIMED_STEPS {
                ascent.step()?;
            }
            step = start.elapsed().as_secs_f64() / TIMED_STEPS as f64;
            picture = drawings::jpeg(&self.model, &ascent.image(0)?, recipe)?.len() as u64;
        }
        // A step is a pass forward and back. A photograph goes forward twice, once for its class and once for its units, and every
        // exemplar forward and back.
        let passes =
            left * recipe.iterations + photographs + drawings * self.options.top.min(photographs.max(1));
        let bytes = REST
            + wanted.len() as u64 * (picture + ENTRY)
            + drawings as u64 * DRAWING
            + (2 * self.options.top * self.options.classes.len()).min(photographs) as u64 * (DRAWING / 2);
        let seconds = passes as f64 * step / self.options.workers.max(1) as f64;
        Ok(Estimate { pictures: [wanted.len(), there], photographs, drawings, seconds, bytes })
    }

    /// Makes what is not there yet. Answers false where it was stopped before the end.
    ///
    /// # Errors
    /// When the network, a photograph or the disk fails.
    pub fn make(&self, stop: &Interrupt, each: &(dyn Fn(Step<'_>) + Sync)) -> Result<bool> {
        let wanted: Vec<Wanted> = self.wanted();
        for folder in self.layers.iter().map(Layer::folders).chain([outline::class_folders()]).flatten() {
            let folder = self.options.out.join(folder);
            std::fs::create_dir_all(&folder).map_err(io(&folder))?;
            durable::remove_unfinished(&folder)?;
        }
        let model = &self.model;
        let recipe = &self.options.recipe;
        let paint = |wanted: &Wanted, threads: &mut Threads| -> Result<()> {
            let wish = Wish { objective: wanted.objective.clone(), seed: self.options.seed };
            match drawings::class_model(model, wish, recipe, threads, stop)? {
                Some(bytes) => durable::write_soon(&wanted.file, &bytes),
                None => Ok(()),
            }
        };
        self.together(
            "pictures",
            &wanted,
            &|wanted| wanted.file.exists(),
            stop,
            each,
            &|| Ok(Threads::new(1)?),
            &paint,
        )?;
        if stop.is_asked() {
            return Ok(false);
        }
        let photographs = match self.inputs {
            None => None,
            Some(inputs) => match Photographs::look(self, inputs, stop, each)? {
                None => return Ok(false),
                found => found,
            },
        };
        pages::write(self, photographs.as_ref())?;
        Ok(true)
    }

    /// Makes things on several threads, each of which has something of its own.
    #[allow(
        clippy::too_many_arguments,
        reason = "two kinds of work share it, and each argument is a part of one of them"
    )]
    fn together<T: Sync, O>(
        &self,
        what: &str,
        things: &[T],
        is_there: &(dyn Fn(&T) -> bool + Sync),
        stop: &Interrupt,
        each: &(dyn Fn(Step<'_>) + Sync),
        own: &(dyn Fn() -> Result<O> + Sync),
        make: &(dyn Fn(&T, &mut O) -> Result<()> + Sync),
    ) -> Result<()> {
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let of = things.len();
        let work = || -> Result<()> {
            let mut own = own()?;
            while !stop.is_asked() {
                let Some(thing) = things.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                if !is_there(thing) {
                    make(thing, &mut own)?;
                }
                each(Step { what, done: done.fetch_add(1, Ordering::Relaxed) + 1, of });
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..self.options.workers.clamp(1, of.max(1))).map(|_| scope.spawn(work)).collect();
            let mut outcome = Ok(());
            for thread in threads {
                let own = thread.join().unwrap_or_else(|_| {
                    Err(Error::Option(
                        "a picture could not be made, which is a fault of the program".to_owned(),
                    ))
                });
                outcome = outcome.and(own);
            }
            outcome
        })
    }
}

impl Site<'_> {
    /// The exemplars of the layers: those that were found before, or found now. None where it was stopped.
    fn exemplars(
        &self,
        inputs: &Inputs,
        stop: &Interrupt,
        each: &(dyn Fn(Step<'_>) + Sync),
    ) -> Result<Option<Exemplars>> {
        if let Some(folder) = &self.options.exemplars {
            return Ok(Some(Exemplars::read(&folder.join(EXEMPLARS))?));
        }
        let options = ExemplarOptions {
            out: self.options.out.join("data/exemplars"),
            layers: self.layers.iter().map(|layer| layer.name.clone()).collect(),
            top: self.options.top,
            crop: None,
            shard: None,
            workers: self.options.workers,
        };
        let done = crate::exemplars::run(&self.model, inputs, &options, stop, &mut |progress| {
            each(Step { what: "exemplars", done: progress.done as usize, of: progress.of as usize });
        })?;
        match done.done < done.of {
            true => Ok(None),
            false => Ok(Some(Exemplars::read(&options.out.join(EXEMPLARS))?)),
        }
    }
}
