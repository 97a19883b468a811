//! Simplification: functions `Graph -> Graph`, each in its own file.
//!
//! A pass never renumbers values, and it keeps every value that the caller wants to observe ([`Keep`]); with all values
//! kept every pass is the identity.

mod average_first;
mod batch_axis;
mod bind_inputs;
mod channels_first;
mod cut_at;
mod cut_softmax;
mod dead_code;
mod fold_batch_normalization;
mod fuse;
mod fuse_activations;
mod fuse_normalizations;
mod keep_channels;
mod remove_identity;
mod replace_nodes;

use std::collections::HashSet;

pub use average_first::average_first;
pub use batch_axis::batch_axis;
pub use bind_inputs::bind_inputs;
pub use channels_first::channels_first;
pub use cut_at::cut_at;
pub use cut_softmax::cut_softmax;
pub use dead_code::remove_dead_code;
pub use fold_batch_normalization::fold_batch_normalization;
pub use fuse_activations::fuse_activations;
pub use fuse_normalizations::fuse_normalizations;
pub use keep_channels::keep_channels;
pub use remove_identity::remove_identity;
pub use replace_nodes::{Replacement, replace_nodes};

use crate::ValueId;

/// Which values must stay observable.
#[derive(Debug, Clone)]
pub enum Keep {
    /// Every value of the source file.
    All,
    /// These values; anything else may be fused away.
    Only(HashSet<ValueId>),
}

impl Keep {
    /// Whether a value must stay.
    pub fn contains(&self, value: ValueId) -> bool {
        match self {
            Self::All => true,
            Self::Only(values) => values.contains(&value),
        }
    }
}

impl FromIterator<ValueId> for Keep {
    fn from_iter<I: IntoIterator<Item = ValueId>>(values: I) -> Self {
        Self::Only(values.into_iter().collect())
    }
}
