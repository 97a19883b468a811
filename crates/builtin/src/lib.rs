//! The network that is built into deepinside, as a file in memory.
//!
//! EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation and with ReLU6) tells the thousand classes of
//! ImageNet apart. `data/PROVENANCE.md` says where its weights come from, how they were converted and what was measured.
#![forbid(unsafe_code)]

/// What the network is called.
pub const NAME: &str = "efficientnet-lite0";

/// The ONNX file: weights in half precision, batch normalisation not folded.
pub static NETWORK: &[u8] = include_bytes!("../data/efficientnet-lite0.onnx");

/// The SHA-256 of [`NETWORK`].
pub const SHA256: &str = "3a93bba94ae94a8c3ab415581e60970ca71164f798e0030a11eeae5c1b817687";

/// What the network's pictures must look like, as a `model.toml` of deepinside.
pub const SETTINGS: &str = include_str!("../data/model.toml");

/// The licence of the weights.
pub const LICENCE: &str = "Apache-2.0";

/// Where the weights come from, and what was measured.
pub const PROVENANCE: &str = include_str!("../data/PROVENANCE.md");
