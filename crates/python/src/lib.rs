//! The native module of the Python package `deepinside`: arrays in, arrays out. What a Python user sees is written in Python, in
//! `crates/python/python/deepinside`.

#![allow(missing_docs, reason = "documented in Python, for its users")]

mod arrays;
mod attributing;
mod batch;
mod class_models;
mod errors;
mod exemplars;
mod methods;
mod model;
mod opening;
mod page;
mod photographs;
mod waiting;

use std::ffi::OsString;

use pyo3::prelude::*;

/// Does what a command line says, the program's name first; returns the exit code.
#[pyfunction]
fn command_line(py: Python<'_>, words: Vec<OsString>) -> u8 {
    py.detach(|| deepinside_cli::main(words))
}

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::batch::merge;
    #[pymodule_export]
    use super::class_models::{GrowingClassModel, grow};
    #[pymodule_export]
    use super::command_line;
    #[pymodule_export]
    use super::errors::UnsupportedOperator;
    #[pymodule_export]
    use super::exemplars::{NativeExemplars, exemplars};
    #[pymodule_export]
    use super::methods::{methods, metrics};
    #[pymodule_export]
    use super::model::{NativeModel, draw, encode};
    #[pymodule_export]
    use super::page::{NativeServer, serve};
    #[pymodule_export]
    use super::photographs::{NativePhotograph, find_objects};
}
