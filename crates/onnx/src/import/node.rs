//! A node of the file with its attributes.

use std::cell::RefCell;
use std::collections::HashSet;

use super::failure::{Failure, inconsistent};
use crate::NodePlace;
use crate::proto;

/// A node and the version of the operator set that it is written in.
pub(super) struct Node<'a> {
    proto: &'a proto::Node,
    /// The version of ONNX's operator set.
    pub version: i64,
    /// The attributes that were asked for.
    read: RefCell<HashSet<&'static str>>,
}

impl<'a> Node<'a> {
    pub fn new(proto: &'a proto::Node, version: i64) -> Self {
        Self { proto, version, read: RefCell::default() }
    }

    /// The operator.
    pub fn operator(&self) -> &'a str {
        &self.proto.op_type
    }

    /// The node's name; where it has none, that of its first result.
    pub fn name(&self) -> &'a str {
        let first = self.proto.output.iter().find(|output| !output.is_empty());
        if self.proto.name.is_empty() { first.map_or("", String::as_str) } else { &self.proto.name }
    }

    /// For errors.
    pub fn place(&self) -> NodePlace {
        let operator = match self.proto.domain.as_str() {
            "" | "ai.onnx" => self.proto.op_type.clone(),
            domain => format!("{domain}.{}", self.proto.op_type),
        };
        NodePlace { node: self.name().to_owned(), operator }
    }

    /// The number of inputs, those left out at the end not counted.
    pub fn inputs(&self) -> usize {
        self.proto.input.iter().rposition(|input| !input.is_empty()).map_or(0, |last| last + 1)
    }

    /// The name of an input; `None` where it is left out.
    pub fn input(&self, index: usize) -> Option<&'a str> {
        self.proto.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The number of results.
    pub fn outputs(&self) -> usize {
        self.proto.output.len()
    }

    /// The name of a result; `None` where it is left out.
    pub fn output(&self, index: usize) -> Option<&'a str> {
        self.proto.output.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The name that steps towards a result are called after.
    pub fn stem(&self) -> &'a str {
        (0..self.outputs()).find_map(|index| self.output(index)).unwrap_or(self.name())
    }

    fn attribute(&self, name: &'static str) -> Option<&'a proto::Attribute> {
        self.read.borrow_mut().insert(name);
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// An attribute of a type; ONNX's numbers for the types. Files of the first versions say none.
    fn typed(&self, name: &'static str, kind: i32) -> Result<Option<&'a proto::Attribute>, Failure> {
        match self.attribute(name) {
            Some(attribute) if attribute.r#type != kind && attribute.r#type != 0 => inconsistent(
                format!("type of attribute '{name}'"),
                type_name(kind),
                type_name(attribute.r#type),
            ),
            attribute => Ok(attribute),
        }
    }

    /// A number.
    pub fn float(&self, name: &'static str) -> Result<Option<f32>, Failure> {
        Ok(self.typed(name, 1)?.map(|attribute| attribute.f))
    }

    /// A whole number.
    pub fn int(&self, name: &'static str) -> Result<Option<i64>, Failure> {
        Ok(self.typed(name, 2)?.map(|attribute| attribute.i))
    }

    /// A switch, off where it is left out.
    pub fn flag(&self, name: &'static str) -> Result<bool, Failure> {
        Ok(self.int(name)?.unwrap_or(0) != 0)
    }

    /// A word.
    pub fn text(&self, name: &'static str) -> Result<Option<String>, Failure> {
        Ok(self.typed(name, 3)?.map(|attribute| String::from_utf8_lossy(&attribute.s).into_owned()))
    }

    /// A tensor.
    pub fn tensor(&self, name: &'static str) -> Result<Option<&'a proto::Tensor>, Failure> {
        Ok(self.typed(name, 4)?.and_then(|attribute| attribute.t.as_ref()))
    }

    /// A graph.
    pub fn graph(&self, name: &'static str) -> Result<Option<&'a proto::Graph>, Failure> {
        Ok(self.typed(name, 5)?.and_then(|attribute| attribute.g.as_ref()))
    }

    /// Numbers.
    pub fn floats(&self, name: &'static str) -> Result<Option<&'a [f32]>, Failure> {
        Ok(self.typed(name, 6)?.map(|attribute| attribute.floats.as_slice()))
    }

    /// Words.
    pub fn texts(&self, name: &'static str) -> Result<Option<Vec<String>>, Failure> {
        let text = |text: &prost::bytes::Bytes| String::from_utf8_lossy(text).into_owned();
        Ok(self.typed(name, 8)?.map(|attribute| attribute.strings.iter().map(text).collect()))
    }

    /// Whole numbers.
    pub fn ints(&self, name: &'static str) -> Result<Option<&'a [i64]>, Failure> {
        Ok(self.typed(name, 7)?.map(|attribute| attribute.ints.as_slice()))
    }

    /// Whole numbers of 0 or more, one for each of `count` axes; `default` for each where they are left out.
    pub fn extents(&self, name: &'static str, count: usize, default: usize) -> Result<Vec<usize>, Failure> {
        let Some(list) = self.ints(name)? else { return Ok(vec![default; count]) };
        let extents: Option<Vec<usize>> = list.iter().map(|&number| usize::try_from(number).ok()).collect();
        match extents {
            Some(extents) if extents.len() == count => Ok(extents),
            _ => inconsistent(
                format!("attribute '{name}'"),
                format!("{count} numbers of 0 or more"),
                format!("{list:?}"),
            ),
        }
    }

    /// The attributes that nothing asked for.
    pub fn unread(&self) -> Vec<&'a str> {
        let read = self.read.borrow();
        let attributes = self.proto.attribute.iter().map(|attribute| attribute.name.as_str());
        // Which inputs an operator may overwrite changes nothing of what it computes.
        attributes.filter(|name| *name != "consumed_inputs" && !read.contains(name)).collect()
    }
}

fn type_name(kind: i32) -> String {
    match kind {
        1 => "a number".to_owned(),
        2 => "a whole number".to_owned(),
        3 => "a text".to_owned(),
        4 => "a tensor".to_owned(),
        5 => "a graph".to_owned(),
        6 => "numbers".to_owned(),
        7 => "whole numbers".to_owned(),
        8 => "texts".to_owned(),
        other => format!("type {other}"),
    }
}
