//! The messages of `proto/caffe.proto` as Rust types, generated (`crates/deepinside/tests/generated.rs`).
//!
//! A field `x` with a default value in the schema has a method `x()` that answers the default where the file is silent.

#![allow(missing_docs, reason = "generated; the meaning of the fields is Caffe's, their types say the rest")]
#![allow(clippy::doc_markdown)]

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor};

include!("../proto/caffe.rs");

/// The descriptor of [`NetParameter`], for looking up fields by name. `None` only if the build itself was broken.
pub(crate) fn net_parameter_descriptor() -> Option<MessageDescriptor> {
    static POOL: LazyLock<Option<DescriptorPool>> =
        LazyLock::new(|| DescriptorPool::decode(include_bytes!("../proto/caffe.bin").as_slice()).ok());
    POOL.as_ref()?.get_message_by_name("caffe.NetParameter")
}
