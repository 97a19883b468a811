//! What is written of one photograph.

use serde::{Deserialize, Serialize};

/// One row of results. It holds nothing that differs from run to run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its place in the inputs, counted from 0.
    pub row: u64,
    /// What names the photograph: its path as it was given, or its name within a shard.
    pub key: String,
    /// The SHA-256 of the photograph's file, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The photograph's width in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Its height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// What is explained, in the grammar of targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The target's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<f64>,
    /// What the network itself says, the most probable class first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassScore>,
    /// Boxes, in the photograph's pixels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<Bounds>,
    /// The layer that the map is of; none for the network's input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// The extents of the map or the activations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shape: Vec<u32>,
    /// The file of the picture or the array, where each has one: its path within the results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What must be known about the result, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why there is no result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A class with its score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// The class.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The unnormalised score.
    pub score: f32,
    /// The network's own probability.
    pub probability: f32,
}

/// A box around the object of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// The class.
    pub class: u32,
    /// Left, top, right, bottom.
    #[serde(rename = "box")]
    pub edges: [f64; 4],
}
