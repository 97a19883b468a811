//! Look inside trained ConvNets.
//!
//! This library shows what an image-classification network has learnt, by the gradient of the
//! unnormalised class score with respect to the *picture* (Simonyan, Vedaldi, Zisserman 2013, "Deep Inside Convolutional
//! Networks"):
//!
//! * [`attribution`]: every method that explains a [`Target`], from one table, and the runner that they all use;
//! * [`explanation`]: a photograph explained by one of them, with pictures;
//! * [`class_model`]: the picture that maximises a class score (§2);
//! * [`saliency`]: which pixels of a photograph the score of a class depends on (§3.1);
//! * [`saliency_figure`]: such maps as pictures;
//! * [`evidence`]: such maps in the photograph's own frame, from many crops or noisy copies;
//! * [`class_activation`]: Grad-CAM and LayerCAM, to compare and combine with;
//! * [`localise`]: the object's outline and box, from saliency alone (§3.2);
//! * [`annotations`]: boxes in other people's formats;
//! * [`evaluation`]: how often such boxes are right;
//! * [`layers`]: activations and gradients of every layer (§4);
//! * [`compare`]: any unit by gradient, DeconvNet and guided backpropagation, and where these differ (§4);
//! * [`check`]: whether the gradients of any network can be trusted;
//! * [`benchmark`]: how fast that is;
//! * [`diagram`]: the network itself, as a drawing;
//! * [`trace`]: every number of a network, by the names of its file.
//!
//! ```no_run
//! use deepinside::Model;
//!
//! # fn main() -> deepinside::Result<()> {
//! let model = Model::open("resnet50.onnx")?;
//! let explained = model.explain("cat.jpg")?.method("integrated-gradients")?.target("tabby")?.run()?;
//! println!("{} of {:?}", explained.number, explained.attributions[0].values.shape());
//! explained.overlay()?.write_png("cat.png")?;
//! # Ok(())
//! # }
//! ```
//!
//! For many photographs a [`attribution::Runner`] keeps the network prepared: see [`explanation::explain`] and [`saliency::saliency`].
#![forbid(unsafe_code)]

pub mod annotations;
pub mod attribution;
pub mod benchmark;
pub mod check;
mod choices;
pub mod class_activation;
pub mod class_model;
pub mod classify;
pub mod compare;
pub mod diagram;
mod error;
pub mod evaluation;
pub mod evidence;
mod evidence_options;
pub mod explanation;
mod file_kind;
pub mod file_name;
mod finite;
mod first_not_finite;
pub mod grid;
mod labels;
pub mod layers;
pub mod localise;
pub mod margin;
mod model;
mod network;
pub mod outline;
pub mod printable;
mod random;
mod rule_notes;

pub mod saliency;
pub mod saliency_figure;
mod score;
mod scores;
mod settings;
mod single_operator;
mod statistics;
pub mod target;
mod told;
pub mod trace;

pub use choices::{Assumption, Resize};
pub use deepinside_drawing as drawing;
pub use deepinside_engine::{BackwardRule, Instructions, Precision, StepTime, Threads, give_back_memory};
pub use deepinside_files as files;
pub use deepinside_graph as graph;
pub use deepinside_graph::Interrupt;
pub use deepinside_vision as vision;
pub use error::{Error, Place, Result};
pub use finite::expect_finite;
pub use labels::{Label, Labels};
pub use model::Model;
pub use network::Format;
pub use rule_notes::rule_notes;
pub use score::{Normalisation, Score};
pub use scores::Scores;
pub use settings::{
    FurtherInput, ILSVRC, InputSettings, MeanSetting, ScaleSetting, Settings, Size, parse_channel_order,
};
pub use target::Target;

/// The README's example is compiled with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
