//! A first walk over a file that counts its messages, before any is decoded.
//!
//! A message of two bytes in the file becomes a structure of two hundred in memory: without a limit a small hostile file
//! would take all of it.

use crate::OnnxError;

/// The most messages and strings in a file. Networks of hundreds of layers have some ten thousand.
const MOST: usize = 2_000_000;

/// The deepest nesting of messages, as in the decoder.
const DEEPEST: usize = 90;

/// The kinds of messages whose parts are messages.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    ValueInfo,
    Type,
    TensorType,
    TensorShape,
    SparseTensor,
    Tensor,
    /// Text, or a message whose parts are numbers and text.
    Leaf,
}

/// What a field of a message holds; `None` for numbers and data.
fn part(kind: Kind, field: u64) -> Option<Kind> {
    Some(match (kind, field) {
        (Kind::Model, 7) | (Kind::Attribute, 6) => Kind::Graph,
        (Kind::Graph, 1) | (Kind::Function, 7) => Kind::Node,
        (Kind::Model, 25) => Kind::Function,
        (Kind::Function, 11) => Kind::Attribute,
        (Kind::Graph, 5) | (Kind::Attribute, 5) | (Kind::SparseTensor, 1) => Kind::Tensor,
        (Kind::Graph, 11 | 12) => Kind::ValueInfo,
        (Kind::Graph, 15) => Kind::SparseTensor,
        (Kind::Node, 5) => Kind::Attribute,
        (Kind::ValueInfo, 2) => Kind::Type,
        (Kind::Type, 1) => Kind::TensorType,
        (Kind::TensorType, 2) => Kind::TensorShape,
        (Kind::TensorShape, 1)
        | (Kind::Model, 8 | 14)
        | (Kind::Function, 4 | 5)
        | (Kind::Node, 1 | 2)
        | (Kind::Attribute, 9)
        | (Kind::Tensor, 13) => Kind::Leaf,
        _ => return None,
    })
}

/// Checks that a file does not hold more messages than any network needs.
///
/// # Errors
/// When it does, or when it cannot be walked.
pub(crate) fn check(file: &[u8]) -> Result<(), OnnxError> {
    let mut left = MOST;
    walk(file, Kind::Model, &mut left, 0)
}

fn walk(mut message: &[u8], kind: Kind, left: &mut usize, depth: usize) -> Result<(), OnnxError> {
    let malformed = |what: &str| OnnxError::Malformed { what: what.to_owned() };
    if depth > DEEPEST {
        return Err(malformed("its parts are nested too deeply"));
    }
    while !message.is_empty() {
        let truncated = || malformed("it ends in the middle of a field");
        let key = varint(&mut message).ok_or_else(truncated)?;
        // Also the first byte of a hole in a file, which may be longer than all that is stored.
        if key >> 3 == 0 {
            return Err(malformed("a field has no number"));
        }
        let length = match key & 7 {
            0 => {
                varint(&mut message).ok_or_else(truncated)?;
                continue;
            }
            1 => 8,
            2 => varint(&mut message).ok_or_else(truncated)?,
            5 => 4,
            _ => return Err(malformed("a field has an unknown form")),
        };
        let length = usize::try_from(length).ok().filter(|&length| length <= message.len());
        let (content, rest) = message.split_at(length.ok_or_else(truncated)?);
        message = rest;
        if let (2, Some(part)) = (key & 7, part(kind, key >> 3)) {
            *left = left
                .checked_sub(1)
                .ok_or_else(|| malformed(&format!("it has more than {MOST} nodes, attributes and names")))?;
            if !matches!(part, Kind::Leaf) {
                walk(content, part, left, depth + 1)?;
            }
        }
    }
    Ok(())
}

/// Reads a number of seven bits a byte.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f).checked_shl(7 * index as u32)?;
        if byte & 0x80 == 0 {
            *bytes = &bytes[index + 1..];
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_messages_and_stops() {
        // A graph (field 7) of empty nodes (field 1).
        let nodes = [0x0a, 0x00].repeat(MOST);
        let mut file = vec![0x3a];
        let mut length = nodes.len();
        while length > 0x7f {
            file.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        file.push(length as u8);
        file.extend(&nodes);
        assert!(check(&file).unwrap_err().to_string().contains("more than"));
        assert!(check(&[0x3a, 0x02, 0x0a, 0x00]).is_ok());
    }

    #[test]
    fn refuses_what_ends_early() {
        for file in [&[0x3a][..], &[0x3a, 0x05, 0x0a], &[0x80; 11], &[0x3f], &[0; 9], &[0x08, 0x07, 0, 0]] {
            assert!(check(file).is_err(), "{file:?}");
        }
    }
}
