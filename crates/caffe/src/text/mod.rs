//! Reads a `.prototxt`: the text form of protocol buffers, as Caffe's own parser accepts it.
//!
//! The reader is driven by the message descriptors of `proto/caffe.proto`. It takes what protobuf's C++ text parser
//! takes (comments, both quotes, joined strings, `<>` messages, lists, separators, hexadecimal and octal integers,
//! enumerations by number, `1.`, `2e0`, `0f`, `inf`), and refuses what that refuses (a field set twice, a value of the
//! wrong type), because a file that Caffe reads differently from us would be a silent error. It is more lenient in two
//! points, each with a warning: fields that the schema does not have (forks of Caffe add many) are skipped, and files
//! or strings which are not UTF-8 are taken for Latin-1.
//!
//! Written here rather than left to a general parser for what such a parser does not give: the place of every layer and
//! every mistake in the text, unknown fields skipped in the same pass, and limits on size, depth and count, so that the
//! cost stays linear in the length of the file whatever it holds.

mod decode;
mod lexer;
mod parser;

pub(crate) use decode::latin1_where_not_utf8;
pub(crate) use parser::{ParsedNetwork, parse_network};

/// A place in the text of a network description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Location {
    /// The line, from 1; 0 if the thing is not in the text (a layer that the reader itself inserted).
    pub line: usize,
    /// The column in bytes, from 1; 0 likewise.
    pub column: usize,
    /// The byte offset in the decoded text ([`crate::Network::source`]).
    pub offset: usize,
    /// How many bytes the thing is long.
    pub length: usize,
}

/// Largest description that is read, in bytes. The longest of real ones (DenseNet-264, Inception-ResNet) have half a MB.
pub const MAX_TEXT_BYTES: usize = 16 << 20;

/// Most layers that a description may have. Real networks have up to about two thousand.
pub const MAX_LAYERS: usize = 20_000;

/// Most messages of all kinds that a description may have: ten for each layer.
const MAX_MESSAGES: usize = 10 * MAX_LAYERS;

/// Deepest nesting of messages. Caffe's schema needs five.
const MAX_DEPTH: usize = 32;

#[cfg(test)]
mod tests;
