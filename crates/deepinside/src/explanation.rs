//! A photograph explained in one call: what most programs want of this library.
//!
//! ```no_run
//! use deepinside::Model;
//!
//! # fn main() -> deepinside::Result<()> {
//! let model = Model::open("resnet50.onnx")?;
//! let explained = model.explain("cat.jpg")?.method("integrated-gradients")?.target("tabby")?.run()?;
//! explained.overlay()?.write_png("cat.png")?;
//! # Ok(())
//! # }
//! ```
//!
//! [`explain`] does the same with a [`Runner`] that serves many photographs; the command line and the server call it.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use deepinside_drawing::figure::Panel;
use deepinside_drawing::normalise::Scaling;
use deepinside_drawing::{ColourMap, Picture};
use deepinside_engine::Threads;
use deepinside_files::{Array, npy};
use deepinside_vision::frame::Frame;
use deepinside_vision::{Crop, Photograph};

use crate::attribution::{Attribution, Choices, Entry, Given, Method, Runner, method};
use crate::classify::Classification;
use crate::saliency_figure::{DrawnMap, figure};
use crate::score::no_such_value;
use crate::{Error, Interrupt, Model, Result, Target};

/// What is shown brightest: this quantile of the magnitudes, so that a few pixels do not darken all others.
const BRIGHTEST: Scaling = Scaling::Quantile(0.99);

/// An explanation that is being asked for; see [`Model::explain`].
#[derive(Debug)]
pub struct Explanation {
    model: Arc<Model>,
    photograph: Photograph,
    crop: Crop,
    entry: &'static Entry,
    choices: Choices,
    target: Option<Target>,
    threads: usize,
    interrupt: Interrupt,
}

impl Model {
    /// Asks why the network says of a photograph what it says: by the gradient of the most probable class, unless something else is
    /// chosen.
    ///
    /// # Errors
    /// When the photograph cannot be read.
    pub fn explain(&self, photograph: impl AsRef<Path>) -> Result<Explanation> {
        let photograph = self.load_photograph(photograph.as_ref())?;
        Ok(Explanation {
            model: Arc::new(self.clone()),
            photograph,
            crop: self.crop,
            entry: method("gradient")?,
            choices: Choices::default(),
            target: None,
            threads: 0,
            interrupt: Interrupt::default(),
        })
    }
}

impl Explanation {
    /// Chooses a method by its name in [`crate::attribution::METHODS`].
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn method(mut self, name: &str) -> Result<Self> {
        self.entry = method(name)?;
        Ok(self)
    }

    /// Chooses a parameter of the method: a number, a word or a flag. It is looked at when the explanation is made.
    #[must_use]
    pub fn set(mut self, parameter: &str, value: impl ToString) -> Self {
        self.choices.given.insert(parameter.to_owned(), Given::Text(value.to_string()));
        self
    }

    /// Chooses a parameter that is an array: noise, masks, segments, a baseline.
    #[must_use]
    pub fn set_array(mut self, parameter: &str, array: Array) -> Self {
        self.choices.given.insert(parameter.to_owned(), Given::Array(Arc::new(array)));
        self
    }

    /// Chooses a layer, by its value's name in the network's file; several layers have an attribution each.
    ///
    /// # Errors
    /// When the network has no such value.
    pub fn layer(mut self, name: &str) -> Result<Self> {
        self.model.graph.find(name).ok_or_else(|| no_such_value(&self.model.graph, name))?;
        self.choices.layers.push(name.to_owned());
        Ok(self)
    }

    /// Chooses what is explained, in the grammar of [`Target::parse`]; arrays in it are names of `.npy` files.
    ///
    /// # Errors
    /// When the text does not follow the grammar, names what the network does not have, or a file cannot be read.
    pub fn target(mut self, text: &str) -> Result<Self> {
        self.target = Some(Target::parse(text, &self.model, &|name| Ok(npy::read(Path::new(name))?))?);
        Ok(self)
    }

    /// Chooses the part of the photograph that the network reads; its own way of cropping otherwise.
    #[must_use]
    pub fn crop(mut self, crop: Crop) -> Self {
        self.crop = crop;
        self
    }

    /// Chooses how many threads compute; 0, the default, for one on each core.
    #[must_use]
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = count;
        self
    }

    /// What can stop the computation from another thread.
    #[must_use]
    pub fn interrupt(mut self, interrupt: &Interrupt) -> Self {
        self.interrupt = interrupt.clone();
        self
    }

    /// Makes the explanation.
    ///
    /// # Errors
    /// When a parameter is unknown or out of its range, a layer cannot be computed, numbers are not finite, or it was interrupted.
    pub fn run(self) -> Result<Explained<'static>> {
        let Self { model, photograph, crop, entry, choices, target, threads, interrupt } = self;
        let made = entry.make(&model, &choices)?;
        let mut runner = Runner::new(model, Threads::new(threads)?);
        runner.set_interrupt(&interrupt);
        explain(&mut runner, Cow::Owned(photograph), crop, (entry, &*made), target.as_ref())
    }
}

/// Explains one part of a photograph by a method of the table. Where no target is given it is the class that the model names by its *own*
/// crop, whichever crop is explained.
///
/// # Errors
/// When the target does not fit the model, the model is no classifier and no target is given, numbers are not finite, or the runner was
/// interrupted.
pub fn explain<'a>(
    runner: &mut Runner,
    photograph: Cow<'a, Photograph>,
    crop: Crop,
    (entry, method): (&'static Entry, &dyn Method),
    target: Option<&Target>,
) -> Result<Explained<'a>> {
    let input = runner.model().input_of(&photograph, crop)?;
    let chosen = |runner: &mut Runner| runner.classify(&photograph);
    let explained = explain_input(runner, input, (entry, method), target, chosen)?;
    Ok(Explained { seen: Some((photograph, crop)), ..explained })
}

/// The same for what the network reads, `C × H × W`: there is no photograph to draw over, and where no target is given it is the class that
/// is most probable for this input.
///
/// # Errors
/// As [`explain`].
pub fn explain_array(
    runner: &mut Runner,
    input: Array,
    method: (&'static Entry, &dyn Method),
    target: Option<&Target>,
) -> Result<Explained<'static>> {
    let numbers = input.data().to_vec();
    let chosen = |runner: &mut Runner| Ok(Classification::from_scores(runner.scores(&numbers)?));
    explain_input(runner, input, method, target, chosen)
}

fn explain_input<'a>(
    runner: &mut Runner,
    input: Array,
    (entry, method): (&'static Entry, &dyn Method),
    target: Option<&Target>,
    classify: impl FnOnce(&mut Runner) -> Result<Classification>,
) -> Result<Explained<'a>> {
    let model = Arc::clone(runner.model());
    runner.expect_passes(method.passes(&model, &input)?)?;
    runner.expect_method(method, target)?;
    let target = match target {
        Some(target) => target.clone(),
        None => {
            model.expect_classes()?;
            classify(runner)?.target(&model)
        }
    };
    let attributions = method.attribute_layers(runner, &input, &target)?;
    let number = runner.number(&input, &target)?;
    Ok(Explained { entry, target, number, attributions, input, model, seen: None })
}

/// A photograph's explanation: numbers, and pictures of them.
#[derive(Debug, Clone)]
pub struct Explained<'a> {
    /// By which method.
    pub entry: &'static Entry,
    /// Of what.
    pub target: Target,
    /// The target's number.
    pub number: f64,
    /// One for each layer; one alone for methods that look at the input.
    pub attributions: Vec<Attribution>,
    /// What the network read, `C × H × W`.
    pub input: Array,
    model: Arc<Model>,
    /// The photograph, and which part of it was read.
    seen: Option<(Cow<'a, Photograph>, Crop)>,
}

impl Explained<'_> {
    /// The first attribution over its photograph.
    ///
    /// # Errors
    /// As [`Explained::overlay_of`].
    pub fn overlay(&self) -> Result<Picture> {
        self.overlay_of(self.first()?, ColourMap::Inferno)
    }

    /// The first attribution beside what the network read, with a scale and how it was made.
    ///
    /// # Errors
    /// As [`Explained::figure_of`].
    pub fn figure(&self) -> Result<Picture> {
        self.figure_of(self.first()?, ColourMap::Inferno)
    }

    fn first(&self) -> Result<&Attribution> {
        let none = || Error::Option(format!("{} gave no attribution", self.entry.name));
        self.attributions.first().ok_or_else(none)
    }

    fn photograph(&self) -> Result<(&Photograph, Crop)> {
        let none =
            || Error::Option("what is explained is an array: there is no photograph to draw over".to_owned());
        self.seen.as_ref().map(|(photograph, crop)| (&**photograph, *crop)).ok_or_else(none)
    }

    /// An attribution's map in the photograph's frame, height × width, and the pixels that the network saw, row-major; elsewhere the map
    /// is 0 and says nothing.
    ///
    /// # Errors
    /// When there is no photograph, or the crop does not fit into it.
    pub fn in_photograph(&self, attribution: &Attribution) -> Result<(Array, Vec<bool>)> {
        let (photograph, crop) = self.photograph()?;
        let frame = self.model.frame(photograph, crop)?;
        Ok((frame.place(&attribution.map()?)?, frame.seen()?))
    }

    /// An attribution's map over its photograph.
    ///
    /// # Errors
    /// When there is no photograph, the crop does not fit into it, or the map holds numbers that are not finite.
    pub fn overlay_of(&self, attribution: &Attribution, colours: ColourMap) -> Result<Picture> {
        let (framed, seen) = self.in_photograph(attribution)?;
        DrawnMap::new(&framed, &seen, BRIGHTEST, colours)?.over(self.photograph()?.0)
    }

    /// An attribution's map alone, a pixel for each of its numbers.
    ///
    /// # Errors
    /// When the map holds numbers that are not finite.
    pub fn picture_of(&self, attribution: &Attribution, colours: ColourMap) -> Result<Picture> {
        DrawnMap::of_all_seen(&attribution.map()?, BRIGHTEST, colours)?.picture()
    }

    /// An attribution's map beside what the network read, with a scale and how it was made.
    ///
    /// # Errors
    /// When the map holds numbers that are not finite.
    pub fn figure_of(&self, attribution: &Attribution, colours: ColourMap) -> Result<Picture> {
        let read = self.model.transformer.deprocess(&self.input)?;
        let map = Frame::whole(read.height(), read.width()).place(&attribution.map()?)?;
        let title = self.seen.as_ref().map_or("input".to_owned(), |(_, crop)| format!("input ({crop})"));
        let input = Panel::new(title, Picture::from_photograph(&read)?);
        let layer = attribution.layer.map(|layer| format!("of {}", self.model.graph.value(layer).name));
        let made: Vec<String> = layer.into_iter().collect();
        let panel = DrawnMap::of_all_seen(&map, BRIGHTEST, colours)?.panel(self.entry.title, &made)?;
        figure(format!("{} of {}", self.entry.title, self.target_title()), input, vec![panel])
    }

    /// The target in words: a class by the first of its names.
    pub fn target_title(&self) -> String {
        match self.target.as_class() {
            Some(class) => self.model.class_name(class).split(',').next().unwrap_or_default().to_owned(),
            None => self.target.text(&self.model),
        }
    }
}
