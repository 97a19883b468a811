//! A network together with everything needed to show it photographs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use deepinside_engine::{Plan, PlanOptions, Session, Threads};
use deepinside_files::Array;
use deepinside_graph::pass::{batch_axis, channels_first};
use deepinside_graph::{Graph, ValueId};
use deepinside_vision::frame::Frame;
use deepinside_vision::photograph::LoadOptions;
use deepinside_vision::{Crop, Photograph, Transformer, crops};

use crate::choices::{self, Assumption, Assumptions, Origin, Resize, Said};
use crate::file_kind::FileKind;
use crate::grid::{self, Grid, Grids};
use crate::labels::Labels;
use crate::network::{self, NamedTensor, Network, OpenOptions};
use crate::score::ScoreQuestion;
use crate::settings::Settings;
use crate::told::Told;
use crate::{Error, Interrupt, Result, Score, statistics};

mod cost;
mod random_weights;
mod structured_picture;

use cost::Explained;

/// A trained network, ready to look at photographs.
#[derive(Debug, Clone)]
pub struct Model {
    /// What it is called.
    pub name: String,
    /// The network, for one picture.
    pub graph: Graph,
    /// The value into which photographs go, `1 × C × H × W`.
    pub input: ValueId,
    /// Where the class scores are.
    pub score: Score,
    /// The names of the classes; may be empty.
    pub labels: Labels,
    /// How photographs become inputs.
    pub transformer: Transformer,
    /// What a photograph is resized to before a crop is cut.
    pub resize: Resize,
    /// The part of a photograph that is looked at unless another is asked for.
    pub crop: Crop,
    /// Every choice about the model, made by a setting or assumed.
    pub assumptions: Vec<Assumption>,
    /// What the files are suspicious for.
    pub warnings: Vec<String>,
    /// The files that were read: the network, its weights, and what describes it. Where the network is built in, its name
    /// stands for a file.
    pub files: Vec<PathBuf>,
    /// The SHA-256 of the network where it is the built-in one.
    pub built_in: Option<&'static str>,
    tensors: Vec<NamedTensor>,
    /// Where the numbers of its values lie in the picture, once that is asked for.
    grids: OnceLock<Grids>,
    explained: Explained,
    /// The most bytes that the arrays of one run may take, weights not counted; where it is short, parts of the forward pass are
    /// computed again. Without one, they and the operations of a run are in proportion to the network's weights and inputs.
    pub memory_limit: Option<usize>,
    /// The most bytes that they may take where none was given, whatever the network's weights and inputs would explain.
    pub memory_bound: usize,
}

impl Model {
    /// Opens a network description, or a folder with a `model.toml` (or exactly one network, see [`Settings::locate`]).
    ///
    /// # Errors
    /// When files are missing, unreadable or do not fit together.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Settings::default())
    }

    /// The same with settings, which override the `model.toml`.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_with(path: impl AsRef<Path>, settings: Settings) -> Result<Self> {
        Self::open_until(path.as_ref(), settings, &Interrupt::default())
    }

    /// The same, but stops with [`Error::Interrupted`] when the interrupt is set.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_until(path: &Path, settings: Settings, interrupt: &Interrupt) -> Result<Self> {
        let described = Settings::locate(path)?;
        if !settings.outside_files {
            described.expect_files_inside()?;
        }
        let settings = settings.or(described);
        let network = settings.network.clone().ok_or_else(|| {
            Error::Model(format!("{}: no network is named; set `network` in model.toml", path.display()))
        })?;
        let without_weights = settings.random_weights.is_some();
        let folder = network.parent();
        let mut told = folder.map(Told::beside).unwrap_or_default();
        let options = OpenOptions {
            size: settings.input.size,
            usual_size: told.input.size,
            known_inputs: settings.known_inputs()?,
            without_weights,
            interrupt: interrupt.clone(),
            ..OpenOptions::default()
        };
        let opened = network::open(&network, settings.weights.as_deref(), &options)?;
        told.read_inside(&opened, folder);
        Self::from_network(opened, told, &network, settings)
    }

    /// The network that is built in: EfficientNet-Lite0, trained on ImageNet (see the crate `deepinside-builtin`).
    ///
    /// What `settings` say overrides what the network was trained with.
    ///
    /// # Errors
    /// When settings do not fit the network.
    #[cfg(feature = "builtin-model")]
    pub fn built_in(settings: Settings) -> Result<Self> {
        let name = deepinside_builtin::NAME;
        let settings = settings.or(Settings::parse(deepinside_builtin::SETTINGS, Path::new(name))?);
        let bytes = bytes::Bytes::from_static(deepinside_builtin::NETWORK);
        let model = Self::from_onnx(bytes, name, settings)?;
        Ok(Self { built_in: Some(deepinside_builtin::SHA256), ..model })
    }

    /// Reads an ONNX network that lies in memory, under this name. It cannot refer to other files.
    ///
    /// # Errors
    /// When the bytes are no such network, or keep their weights elsewhere, and as [`Model::open`].
    pub fn from_onnx(bytes: bytes::Bytes, name: &str, settings: Settings) -> Result<Self> {
        Self::from_onnx_until(bytes, name, settings, &Interrupt::default())
    }

    /// The same, but stops with [`Error::Interrupted`] when the interrupt is set.
    ///
    /// # Errors
    /// As [`Model::from_onnx`].
    pub fn from_onnx_until(
        bytes: bytes::Bytes,
        name: &str,
        settings: Settings,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let path = Path::new(name);
        FileKind::of(&bytes, bytes.len() as u64, name).expect_network(path)?;
        let failed = |cause| Error::onnx(path, cause);
        let model = deepinside_onnx::Model::from_bytes(bytes).map_err(failed)?;
        let size = settings.input.size;
        let known_inputs = settings.known_inputs()?;
        let options =
            OpenOptions { size, known_inputs, interrupt: interrupt.clone(), ..OpenOptions::default() };
        let opened = network::import_onnx(&model, &options).map_err(failed)?;
        let mut told = Told::default();
        told.read_inside(&opened, None);
        Self::from_network(opened, told, path, settings)
    }

    fn from_network(network: Network, mut told: Told, path: &Path, settings: Settings) -> Result<Self> {
        let mut assumptions = Assumptions::default();
        for other in &settings.passed_over {
            let is_onnx = path.extension().is_some_and(|extension| extension == "onnx");
            let why = if is_onnx {
                "of several model.onnx is taken"
            } else {
                "of the folder's formats Caffe comes first"
            };
            let reason = format!("{why}; to open {} name it", other.display());
            assumptions.add("network", path.display().to_string(), reason);
        }
        let mut graph = network.graph;
        if let Some(single) = single_picture_input(&graph) {
            let name = graph.value(single).name.clone();
            graph = batch_axis(graph, single)?.0;
            assumptions.add(
                "batch axis",
                "none",
                format!("input '{name}' is a single picture; it is given one"),
            );
        }
        if network.format == network::Format::Onnx
            && let Some(name) = weights_among_inputs(&graph)
        {
            return Err(Error::Model(format!(
                "the weights must be constant, but '{name}' is an input of the network beside the picture; export them into the file, or give them with --input"
            )));
        }
        let pictures = graph.inputs().first().and_then(|&input| graph.value(input).shape.extent(0));
        graph = graph.with_batch(1).map_err(|error| match pictures {
            Some(pictures) if pictures > 1 => Error::Model(format!(
                "the file is for {pictures} pictures at a time, which cannot be changed to one ({error}); export it for one picture, or with an open batch"
            )),
            _ => error.into(),
        })?;
        if let Some(last) = channels_last_input(&graph) {
            let name = graph.value(last).name.clone();
            graph = channels_first(graph, last)?.0;
            assumptions.add("layout", "channels last", format!("input '{name}' is N×H×W×C"));
        }
        let input = network::image_input(&graph)?;
        let labels = choices::named_labels(&settings)?;
        let extents_of_input = graph.value(input).shape.extents().to_vec();
        let question = ScoreQuestion {
            asked: settings.score.as_deref(),
            names: labels.as_ref().or(told.labels.as_ref().map(|(labels, _)| labels)).map(Labels::len),
            picture: Some([extents_of_input[2], extents_of_input[3]]),
            is_detector: network.is_detector,
        };
        let score = Score::find(&mut graph, &question)?;
        let origin = Origin {
            format: network.format,
            producer: &network.producer,
            open_size: network.open_size,
            elements: network.elements,
        };
        told.fit(extents_of_input[1], score.classes, &settings);
        let said = Said { settings: &settings, told: &told };
        let transformer = choices::transformer(&graph, input, &origin, said, &mut assumptions)?;
        let (labels, resize) = (
            choices::labels(&score, transformer.channel_order, labels, &told, &mut assumptions)?,
            choices::resize(&transformer, said, &mut assumptions),
        );
        for note in score.chosen.iter().chain(&score.notes) {
            assumptions.add("score", graph.value(score.value).name.clone(), note.clone());
        }
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let name = settings
            .name
            .clone()
            .unwrap_or_else(|| if graph.name().is_empty() { stem } else { graph.name().to_owned() });
        let random_weights = settings.random_weights;
        let memory_limit = settings.memory_limit;
        let asked_size = settings.input.size.is_some() && settings.described_by.is_none();
        let explained = Explained::of(&graph, network.bytes, random_weights.is_some(), asked_size);
        let mut model = Self {
            name,
            input,
            score,
            labels,
            transformer,
            resize,
            crop: settings.input.crop.or(told.input.crop).unwrap_or_default(),
            assumptions: assumptions.list,
            warnings: [network.warnings, told.warnings].concat(),
            files: [vec![path.to_owned()], network.external_files, settings.further_files(), told.files]
                .concat(),
            built_in: None,
            graph,
            tensors: network.tensors,
            grids: OnceLock::new(),
            explained,
            memory_limit,
            memory_bound: usize::MAX,
        };
        if let Some(appearance) = &model.score.appearance {
            model.warnings.push(appearance.sentence.clone());
        }
        if let Some(seed) = random_weights {
            model
                .warnings
                .push("the weights are random: nothing that the network says means anything".to_owned());
            random_weights::calibrate(&mut model, seed)?;
        }
        Ok(model)
    }

    /// The value whose gradient the file's format shows under the name of this value: in Caffe, behind an in-place
    /// rectifier, the one before it.
    pub(crate) fn shown_gradient(&self, value: ValueId) -> ValueId {
        let name = &self.graph.value(value).name;
        let tensor = self.tensors.iter().find(|tensor| tensor.name == *name);
        tensor.and_then(|tensor| tensor.gradient).unwrap_or(value)
    }

    /// Where the numbers of all values lie in the picture; found when it is first asked for.
    pub fn grids(&self) -> &Grids {
        self.grids.get_or_init(|| Grids::new(&self.graph, self.input, self.score.value))
    }

    /// How the numbers of a value, or their gradients, are laid out as channels × rows × columns of the picture.
    ///
    /// # Errors
    /// When they are about no places of the picture, or about none that make a grid.
    pub fn grid(&self, value: ValueId) -> Result<Arc<Grid>> {
        self.grids().of(&self.graph, value)
    }

    /// Numbers of a value as channels × rows × columns of the picture, where they are about places of it; else by its axes.
    ///
    /// # Errors
    /// When there are not as many numbers as the value has for one picture.
    pub(crate) fn laid_out(&self, value: ValueId, numbers: Vec<f32>) -> Result<Array> {
        match self.grid(value) {
            Ok(grid) => grid.fold(&numbers),
            Err(_) => {
                grid::maps(self.graph.value(value).shape.extents().get(1..).unwrap_or_default(), numbers)
            }
        }
    }

    /// What is suspicious, each as a sentence: weights with numbers that are not finite (reads all weights once), and a
    /// first batch normalisation that remembers quite other pictures than photographs become, so that their range or scale
    /// is most probably wrong. A network without one, or with it folded away, tells nothing about that.
    pub fn suspicions(&self) -> Vec<String> {
        let mut list = suspicious_weights(&self.graph);
        list.extend(statistics::suspicious_preprocessing(&self.graph, self.input, &self.transformer));
        list
    }

    /// What was guessed about the model because neither its files nor a setting say it, in one sentence: how photographs
    /// become its input, and which of several results holds its scores.
    pub fn guesses(&self) -> Option<String> {
        let of_picture = choices::guesses(&self.assumptions);
        let list: Vec<String> = of_picture.into_iter().chain(self.score.chosen.clone()).collect();
        (!list.is_empty()).then(|| format!("{}; see `deepinside info`", list.join("; ")))
    }

    /// Whether classes can be named from the network's result.
    ///
    /// # Errors
    /// When the result is a detector's boxes, a sequence of tokens or a map.
    pub fn expect_classes(&self) -> Result<()> {
        match &self.score.appearance {
            Some(appearance) if appearance.is_certain => Err(Error::Model(appearance.sentence.clone())),
            _ => Ok(()),
        }
    }

    /// Loads a photograph as the network's input needs it: colour or grey.
    ///
    /// # Errors
    /// When the file is no readable picture.
    pub fn load_photograph(&self, path: &Path) -> Result<Photograph> {
        self.load_photograph_with(path, LoadOptions::default())
    }

    /// Loads a photograph as the network's input needs it, with these options.
    ///
    /// # Errors
    /// When the file is no readable picture.
    pub fn load_photograph_with(&self, path: &Path, options: LoadOptions) -> Result<Photograph> {
        Ok(deepinside_vision::photograph::load_with(path, self.transformer.colour(), options)?)
    }

    /// The network's input for crops of a photograph: crops × C × H × W.
    ///
    /// # Errors
    /// When a crop is larger than the resized photograph, or the photograph is too long and thin for its proportions to
    /// be kept.
    pub fn inputs(&self, photograph: &Photograph, crops: &[Crop]) -> Result<Array> {
        let whole = [self.transformer.height, self.transformer.width];
        let resized = if crops == [Crop::Whole] { whole } else { self.image_size(photograph)? };
        Ok(crops::classifier_inputs(photograph, resized, &self.transformer, crops)?)
    }

    /// Height and width to which a photograph is resized before a crop is cut.
    ///
    /// # Errors
    /// When the photograph is so long and thin that with its proportions kept it would become enormous.
    pub fn image_size(&self, photograph: &Photograph) -> Result<[usize; 2]> {
        const LONGEST: usize = 32;
        let (height, width) = (photograph.height(), photograph.width());
        if matches!(self.resize, Resize::ShorterSide(_)) && height.max(width) > LONGEST * height.min(width) {
            return Err(Error::Option(format!(
                "a photograph of {width}×{height} pixels (width × height) has one side more than {LONGEST} times as long as \
                 the other, so that a crop would show next to nothing of it; cut out the part that matters, or give \
                 --crop whole, which squeezes all of it into the network's input"
            )));
        }
        Ok(self.resize.extents([height, width], self.transformer.interpolation.convention()))
    }

    /// Where a crop lies in a photograph.
    ///
    /// # Errors
    /// When a crop is larger than the resized photograph, and as [`Model::image_size`].
    pub fn frame(&self, photograph: &Photograph, crop: Crop) -> Result<Frame> {
        let whole = Frame::whole(photograph.height(), photograph.width());
        if crop == Crop::Whole {
            return Ok(whole);
        }
        let input = [self.transformer.height, self.transformer.width];
        let convention = self.transformer.interpolation.convention();
        Ok(Frame { region: crop.region(self.image_size(photograph)?, input, convention)?, ..whole })
    }

    /// What the network reads of one crop of a photograph, `C × H × W`.
    ///
    /// # Errors
    /// As [`Model::inputs`].
    pub fn input_of(&self, photograph: &Photograph, crop: Crop) -> Result<Array> {
        let input = self.inputs(photograph, &[crop])?;
        Ok(Array::new(&input.shape()[1..], input.data().to_vec())?)
    }

    /// Prepares the network for running with `batch` pictures.
    ///
    /// # Errors
    /// When a layer cannot be computed or fixes another batch.
    pub fn session(&self, batch: usize, options: &PlanOptions, threads: &Threads) -> Result<Session> {
        match batch {
            1 => self.session_of(&self.graph, options, threads),
            _ => self.session_of(&self.graph.clone().with_batch(batch)?, options, threads),
        }
    }

    /// Prepares a part of the network for running.
    pub(crate) fn session_of(
        &self,
        graph: &Graph,
        options: &PlanOptions,
        threads: &Threads,
    ) -> Result<Session> {
        self.expect_affordable(graph)?;
        let memory_limit = self.most_memory(graph, options);
        let interrupt = threads.interrupt().clone();
        let options = PlanOptions { memory_limit, interrupt, ..options.clone() };
        Ok(Session::new(Arc::new(Plan::new(graph, &options)?), threads.clone())?)
    }

    /// The class that a person means by an index, a synset or a name.
    ///
    /// # Errors
    /// When no class or several fit.
    pub fn class(&self, asked: &str) -> Result<usize> {
        self.labels.find(asked, self.score.classes)
    }

    /// The name of a class, or "class 3" where there is none; "positive" for a single score.
    pub fn class_name(&self, index: usize) -> String {
        match self.labels.get(index) {
            Some(label) => label.name.clone(),
            // Its probability is that of the second of two classes.
            None if self.score.classes == 1 => "positive".to_owned(),
            None => format!("class {index}"),
        }
    }
}

/// Weights that hold numbers which are not finite, each as a sentence.
pub(crate) fn suspicious_weights(graph: &Graph) -> Vec<String> {
    let sentence = |(id, count): (ValueId, usize)| {
        let value = graph.value(id);
        format!(
            "{count} of the {} numbers of '{}' are NaN or infinite; the file may be damaged, or the training diverged",
            value.shape.elements(),
            value.name
        )
    };
    graph.not_finite().into_iter().map(sentence).collect()
}

/// The only input, where it takes one picture and has no batch axis: C×H×W, or H×W×C.
fn single_picture_input(graph: &Graph) -> Option<ValueId> {
    let &[input] = graph.inputs() else { return None };
    match *graph.value(input).shape.extents() {
        [1 | 3, _, _] | [_, _, 1 | 3] => Some(input),
        _ => None,
    }
}

/// The name of an input that holds weights: its first extent is not the number of pictures, as that of the first input is.
fn weights_among_inputs(graph: &Graph) -> Option<&str> {
    let extent = |value: ValueId| graph.value(value).shape.extent(0);
    let (&first, others) = graph.inputs().split_first()?;
    let weights = others.iter().find(|&&other| extent(other) != extent(first))?;
    Some(&graph.value(*weights).name)
}

/// The only input that takes a picture, where its channels come last, as those of networks from Keras do.
fn channels_last_input(graph: &Graph) -> Option<ValueId> {
    let extents = |value: ValueId| graph.value(value).shape.extents();
    let is_last = |value: ValueId| matches!(*extents(value), [_, first, _, 1 | 3] if !matches!(first, 1 | 3));
    let is_first =
        |value: ValueId| matches!(*extents(value), [_, 1 | 3, height, width] if height > 1 && width > 1);
    let mut found = graph.inputs().iter().copied().filter(|&input| is_last(input));
    let (Some(input), None) = (found.next(), found.next()) else { return None };
    let alone = graph.inputs().iter().all(|&other| other == input || !is_first(other));
    alone.then_some(input)
}
